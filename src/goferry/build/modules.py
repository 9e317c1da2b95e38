"""The modules of a project: its go.mod, or the modules of its go.work."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goferry.build.environment import GoFailed
from goferry.dist import Toolchain
from goferry.kernel.errors import Misuse
from goferry.system import process


class ModuleMissing(Misuse):
    """The folder has neither a go.mod nor a go.work.

    It usually is the top of a repository whose module lies in a subfolder, or not a Go repository.
    """

    name = "module-missing"


def find(directory: Path, toolchain: Toolchain, environ: Mapping[str, str]) -> dict[str, Path]:
    """Return module path → folder: the module of `directory`, or, where it holds only a go.work, those it uses.

    Raises:
        ModuleMissing: with the modules in subfolders.
        GoFailed: with what the go command says.
    """
    if not (directory / "go.mod").is_file() and not (directory / "go.work").is_file():
        raise _missing(directory)
    done = process.run([toolchain.go, "list", "-m", "-json"], environ=environ, cwd=directory)
    if done.code:
        raise GoFailed(done.errors.strip(), state="Nothing was built.", advice=["see:  go list -m"])
    found = {record["Path"]: Path(record["Dir"]) for record in objects(done.text) if record.get("Dir")}
    if (directory / "go.mod").is_file():
        return {path: folder for path, folder in found.items() if folder == directory}
    return {path: folder for path, folder in found.items() if folder.is_relative_to(directory)}


def objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects that the go command prints one after another."""
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    at = 0
    while (start := text.find("{", at)) >= 0:
        value, at = decoder.raw_decode(text, start)
        found.append(value)
    return found


def patterns(found: Mapping[str, Path], directory: Path) -> tuple[str, ...]:
    """Return the package patterns that cover these modules, relative to `directory`."""
    folders = (os.path.relpath(folder, directory).replace(os.sep, "/") for folder in found.values())
    return tuple(sorted("./..." if folder == "." else f"./{folder}/..." for folder in folders))


def name(found: Mapping[str, Path], directory: Path) -> str:
    """Return the module path that stands for the project; of several modules what they have in common."""
    if len(found) == 1:
        return next(iter(found))
    common = []
    for words in zip(*(path.split("/") for path in found), strict=False):
        if len({*words}) > 1:
            break
        common.append(words[0])
    return "/".join(common) or directory.name


def _missing(directory: Path) -> ModuleMissing:
    below = sorted({*directory.glob("*/go.mod"), *directory.glob("*/*/go.mod")})[:5]
    names = [str(file.parent.relative_to(directory)) for file in below]
    advice = [f"build the one in {name}:  goferry build --dir {name}" for name in names]
    return ModuleMissing(
        f"{directory} has neither go.mod nor go.work",
        state="Nothing was built.",
        advice=advice or ["start a module:  go mod init example.com/name"],
        modules=names,
    )
