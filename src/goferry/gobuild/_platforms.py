"""Which folders may hold another program for another platform: where none does, one `go list` answers for all targets.

A main package differs by target when a build constraint says so: by a `//go:build` line, or by the name of a file
(`main_windows.go`); see `go help buildconstraint`. What is only suspected here is asked of Go, target by target, so a
false suspicion costs time and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from goferry.gobuild._golist import GoPackage

_CONSTRAINT = r"(?m)^\s*//(?:go:build\s+(.*)|\s*\+build\s+(.*))$"
_MAIN = r"(?m)^[ \t]*(?:/\*.*?\*/)?[ \t]*package[ \t]+main\b"
_IGNORE = r"(?m)^[ \t]*ignore\b"


_SYSTEMS = (
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows "
    "zos"
)
_PROCESSORS = (
    "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 "
    "ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm"
)
_KNOWN = frozenset([*_SYSTEMS.split(), *_PROCESSORS.split()])
"""What counts in a file's name, past and present ports (internal/syslist)."""


def suspects(packages: Sequence[GoPackage], found: Mapping[str, Path]) -> frozenset[Path] | None:
    """Return the folders whose main packages may differ by target; None when no folder can be left out.

    Args:
        packages: what `go list -find` printed for one target, with Dir, Name, GoFiles, CgoFiles and IgnoredGoFiles.
        found: module path → folder of the project's modules.
    """
    if any(re.search(_IGNORE, _text(folder / "go.mod")) for folder in found.values()):
        return None
    listed = {Path(package.dir): package for package in packages if package.dir}
    nothing = GoPackage()
    odd = set[Path]()
    for folder in found.values():
        for place, files in _sources(folder):
            package = listed.get(place, nothing)
            built = {*package.sources}
            main = package.name == "main"
            if any(_may_differ(place / file, main=main, built=file in built) for file in files):
                odd.add(place)
    return frozenset(odd)


def _may_differ(path: Path, *, main: bool, built: bool) -> bool:
    """Tell whether a file may make or unmake a program on some platform, `main` being what its folder is on one."""
    if built and not main:
        return False  # the folder is a library, and stays one as long as nothing else is built in it
    text = _text(path)
    if not main and not re.search(_MAIN, text):
        return False
    words = path.stem.split("_")[1:]
    if any(word in _KNOWN for word in words[-2:]):
        return True
    constraints = [" ".join(match).strip() for match in re.findall(_CONSTRAINT, text.partition("\npackage ")[0])]
    return constraints != ["ignore"] if constraints else not built


def _sources(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder that `./...` covers, with its Go files but tests (`go help packages`)."""
    for base, folders, files in os.walk(folder):
        place = Path(base)
        if place != folder and "go.mod" in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if name[0] not in "._" and name not in ("testdata", "vendor")]
        sources = [name for name in files if name.endswith(".go") and name[0] not in "._"]
        sources = [name for name in sources if not name.endswith("_test.go")]
        if sources:
            yield place, sources


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
