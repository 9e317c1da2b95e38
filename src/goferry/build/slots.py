"""Which of a checkout's build caches (caches.warm) a step or the tests use, and which packages there are of others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from goferry.build.targets import Target
from goferry.caches import gocache
from goferry.caches.warm import TAGS, Slot
from goferry.config import model
from goferry.dist import Toolchain
from goferry.system import process

_OTHERS = "{{if .Standard}}{{.ImportPath}}{{else if and .Module (not .Module.Main)}}{{.ImportPath}}{{end}}"


def slot(go: str, target: Target, tags: Sequence[str], env: Mapping[str, str]) -> Slot:
    """Return the slot of a target: what of its variables and tags decides what the compiler writes."""
    chosen = {"CGO_ENABLED": "0", **env, **target.env, TAGS: ",".join(tags)}
    del chosen["GOOS"], chosen["GOARCH"]
    return Slot(go, target.goos, target.goarch, chosen)


def of_target(go: str, target: Target, builds: model.Builds) -> Slot:
    """Return the slot that a build for a target uses, and the tests where the target is the machine's own.

    Values of `builds.env` count as goferry.yml has them: what a template gives differs from version to version.
    """
    return slot(go, target, builds.tags, builds.env)


def others(
    toolchain: Toolchain, directory: Path, patterns: Sequence[str], environ: Mapping[str, str], of: Slot
) -> frozenset[str]:
    """Return the entries of a slot's GOCACHE with which Go builds the packages of Go itself and of other modules.

    They are built once more, which compiles nothing where they are there; what Go uses for that is what they need.

    Raises:
        OSError: Go can't.
    """
    flags = ["-trimpath", *([f"-tags={of.flags[TAGS]}"] if of.flags[TAGS] else [])]
    environ = {**environ, **of.environ}

    def go(*words: str) -> str:
        done = process.run([str(toolchain.go), *words], environ=environ, cwd=directory)
        if done.code:
            raise OSError(f"go {words[0]} ended with {done.code}")
        return done.text

    packages = go("list", "-deps", *flags, "-f", _OTHERS, *patterns).split()
    folder = Path(environ["GOCACHE"])
    gocache.age(folder)
    go("build", *flags, *packages)
    return frozenset(gocache.used(folder))


def decides(directory: Path, folders: Sequence[Path]) -> dict[str, str]:
    """Return what decides the packages of other modules, path → SHA-256: go.sum, go.mod and the like, and profiles."""
    names = ("go.mod", "go.sum", "go.work", "go.work.sum", "vendor/modules.txt", "default.pgo")
    found = {}
    for folder in dict.fromkeys([directory, *folders]):
        for name in names:
            path = folder / name
            if path.is_file():
                shown = path.relative_to(directory) if path.is_relative_to(directory) else path
                found[shown.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(found.items()))
