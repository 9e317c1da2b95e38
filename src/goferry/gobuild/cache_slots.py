"""Which of a checkout's build caches (caches.warm) a step or the tests use, and which packages there are of others."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from goferry.artifacts import Toolchain
from goferry.caches import gocache
from goferry.caches.warm import TAGS, CacheSlot
from goferry.config import model
from goferry.gobuild.targets import BuildTarget
from goferry.system import process

_DECIDES = ("go.mod", "go.sum", "go.work", "go.work.sum", "default.pgo")
_MAINS = '{{if eq .Name "main"}}{{.ImportPath}}\t{{.Dir}}{{end}}'
_OTHERS = "{{if .Standard}}{{.ImportPath}}{{else if and .Module (not .Module.Main)}}{{.ImportPath}}{{end}}"


def slot(go: str, target: BuildTarget, tags: Sequence[str], env: Mapping[str, str]) -> CacheSlot:
    """Return the slot of a target: what of its variables and tags decides what the compiler writes."""
    chosen = {"CGO_ENABLED": "0", **env, **target.env, TAGS: ",".join(tags)}
    del chosen["GOOS"], chosen["GOARCH"]
    return CacheSlot(go, target.goos, target.goarch, chosen)


def of_target(go: str, target: BuildTarget, builds: model.Builds) -> CacheSlot:
    """Return the slot that a build for a target uses, and the tests where the target is the machine's own.

    Values of `builds.env` count as goferry.yml has them: what a template gives differs from version to version.
    """
    return slot(go, target, builds.tags, builds.env)


def others(
    toolchain: Toolchain, directory: Path, mains: Sequence[str], environ: Mapping[str, str], of: CacheSlot
) -> frozenset[str]:
    """Return the entries of a slot's GOCACHE with which Go builds the packages of Go itself and of other modules.

    They are built once more, which compiles nothing where they are there; what Go uses for that is what they need. A
    program with a profile (go doc cmd/go, "-pgo") has all its packages compiled with it.

    Args:
        toolchain: the go command.
        directory: the module's folder.
        mains: the programs; empty means all.
        environ: what the go command starts from; its GOCACHE is the slot's.
        of: the slot.

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

    found = [line.split("\t") for line in go("list", "-e", *flags, "-f", _MAINS, *(mains or ["./..."])).splitlines()]
    profiles: dict[str, list[str]] = {}
    for package, folder in found:
        file = Path(folder) / "default.pgo"
        profiles.setdefault(str(file) if file.is_file() and _profiled(toolchain) else "", []).append(package)
    gocache.age(Path(environ["GOCACHE"]))
    for profile, programs in profiles.items():
        with_profile = ["-pgo=off"] if profile else []
        packages = go("list", "-deps", *with_profile, *flags, "-f", _OTHERS, *programs).split()
        if packages:
            go("build", *([f"-pgo={profile}"] if profile else []), *flags, *packages)
    return frozenset(gocache.used(Path(environ["GOCACHE"])))


def _profiled(toolchain: Toolchain) -> bool:
    """Whether Go takes a program's profile by itself, as it does since 1.21."""
    return not re.match(r"1\.1?\d(\D|$)|1\.20", toolchain.version)


def decides(root: Path) -> dict[str, str]:
    """Return what decides the packages of other modules, path → SHA-256: go.sum, go.mod and the like, and profiles.

    All of a repository count: modules beside each other may be one workspace. Folders are those that Go's patterns
    would look at: none that begins with a dot or `_`, and no testdata; of vendor/ its list alone.
    """
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(_deciding(root))
        if path.is_file()
    }


def _deciding(root: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(root):
        if "modules.txt" in files and Path(at).name == "vendor":
            yield Path(at) / "modules.txt"
        yield from (Path(at) / name for name in _DECIDES if name in files)
        folders[:] = (
            sorted(name for name in folders if name[0] not in "._" and name not in ("testdata", "node_modules"))
            if Path(at).name != "vendor"
            else []
        )
