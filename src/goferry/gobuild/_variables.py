"""Variables for version, commit and date outside of package main: in the project's own version package, or a known one.

Only what is plain is set: the one package of the project that is called so and has a variable for the version, and
packages of others whose names for it are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from goferry.gobuild import _gosource as gosource
from goferry.gobuild._golist import GoPackage

_CALLED = frozenset({"build", "buildinfo", "buildversion", "version", "versioninfo"})
KNOWN = {
    "github.com/prometheus/common/version": (("Version", "version"), ("Revision", "commit"), ("BuildDate", "date")),
}
"""Import path → its variables with their roles."""


def find(packages: Sequence[GoPackage], found: Mapping[str, Path]) -> tuple[tuple[str, str], ...]:
    """Return symbol for the linker's -X → role.

    Args:
        packages: what `go list -find` printed, with Dir, ImportPath, Name and GoFiles.
        found: module path → folder of the project's modules.
    """
    own: list[tuple[tuple[str, str], ...]] = []
    for package in packages:
        path = package.import_path
        if package.name in _CALLED and path.rsplit("/", 1)[-1] in _CALLED:
            names, _ = gosource.stamps(_sources(package))
            symbols = tuple((f"{path}.{name}", gosource.ROLE[name]) for name in names)
            if any(role == "version" for _, role in symbols):
                own.append(symbols)
    plain = own[0] if len(own) == 1 else ()
    return (*plain, *(symbol for path in KNOWN if _imported(path, packages, found) for symbol in _symbols(path)))


def _symbols(path: str) -> list[tuple[str, str]]:
    return [(f"{path}.{name}", role) for name, role in KNOWN[path]]


def _imported(path: str, packages: Sequence[GoPackage], found: Mapping[str, Path]) -> bool:
    """Tell whether any file of the project imports a package; files are read where a go.mod names its module only."""
    module = "/".join(path.split("/")[:3])
    if not any(module in _text(folder / "go.mod") for folder in found.values()):
        return False
    return any(f'"{path}"' in text for package in packages for text in _sources(package))


def _sources(package: GoPackage) -> list[str]:
    return [_text(Path(package.dir, name)) for name in package.go_files]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
