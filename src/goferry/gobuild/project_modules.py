"""The modules of a project: its go.mod, or the modules of its go.work."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts import Toolchain, fetching
from goferry.config.workspace import OFF
from goferry.gobuild import _golist as golist
from goferry.gobuild._golist import GoModule
from goferry.gobuild._positions import Places
from goferry.gobuild.environment import GoFailed
from goferry.gobuild.stamp import module_of
from goferry.kernel.errors import GoferryError, Misuse
from goferry.system import process

_PATH = r"[A-Za-z0-9._~/-]+"  # golang.org/x/mod/module.CheckPath; quotes and blocks are left to Go


class ModuleMissing(Misuse):
    """The folder has neither a go.mod nor a go.work.

    Usual causes: the root of a repository whose module lies in a subfolder, or not a Go repository.
    """

    name = "module-missing"


class ModuleOutsideWorkspace(Misuse):
    """go.work does not list the project's module, so the go command does not build it.

    Usual causes: a new module that was not added to go.work, or one that is kept separate on purpose.
    """

    name = "module-outside-workspace"


def require(directory: Path) -> None:
    """Find a module here without asking Go, so that nobody waits for a toolchain where there is nothing to build.

    Raises:
        ModuleMissing: with the modules in subfolders.
    """
    if not (directory / "go.mod").is_file() and not (directory / "go.work").is_file():
        raise _missing(directory)


def find(directory: Path, toolchain: Toolchain, environ: Mapping[str, str]) -> dict[str, Path]:
    """Return module path → folder: the module of `directory`, or, where it holds only a go.work, those it uses.

    One module alone is read from its go.mod; what is wrong with the file Go says at its next question.

    Raises:
        ModuleMissing: with the modules in subfolders.
        ModuleOutsideWorkspace: when a go.work counts and lists others only.
        GoFailed: with what the go command says.
    """
    require(directory)
    alone = _alone(directory, environ)
    if alone:
        return {alone: directory}
    done = process.run([toolchain.go, "list", "-m", "-json"], environ=environ, cwd=directory)
    if done.code:
        raise _failed(done, directory)
    found = {each.path: Path(each.dir) for each in golist.objects(done.text, GoModule) if each.dir}
    if (directory / "go.mod").is_file():
        own = {path: folder for path, folder in found.items() if folder.resolve() == directory}
    else:
        own = {path: folder for path, folder in found.items() if folder.is_relative_to(directory)}
    if not own:
        raise _outside(directory, toolchain, environ)
    return own


def _alone(directory: Path, environ: Mapping[str, str]) -> str:
    """Return the path of the module that go.mod declares, or an empty text where Go may read it otherwise."""
    other = "GO111MODULE" in environ or "-modfile" in environ.get("GOFLAGS", "")
    if environ.get("GOWORK") != OFF or other:
        return ""
    path = module_of(directory / "go.mod")
    return path if re.fullmatch(_PATH, path) else ""


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


def _failed(done: process.Completed, directory: Path) -> GoferryError:
    places = Places.of(directory)
    modules = fetching.fault(done.errors, places.from_top(done.errors.strip()), chdir=places.chdir)
    return modules or GoFailed(
        places.from_top(done.errors.strip()),
        state="Nothing was built.",
        advice=[f"see:  go list {places.chdir}-m"],
        problems=places.problems(done.errors),
    )


def _outside(directory: Path, toolchain: Toolchain, environ: Mapping[str, str]) -> ModuleOutsideWorkspace:
    """Return the error in Go's words."""
    done = process.run([toolchain.go, "list", "-find", "."], environ=environ, cwd=directory)
    places = Places.of(directory)
    file = places.within(Path(environ.get("GOWORK", ""))) or "go.work"
    stderr = done.errors.strip() or "the module is not one of the workspace modules listed in go.work"
    return ModuleOutsideWorkspace(
        f"{file}: {places.from_top(stderr)}",
        state="Nothing was built.",
        advice=[
            f"add the module and commit go.work:  go work use {places.chdir}.",
            "or build it by itself, in goferry.yml:  builds: {env: {GOWORK: 'off'}}",
        ],
        file=file,
    )


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
