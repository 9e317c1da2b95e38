"""Go toolchains that were on the machine before us: another step's in the tool cache, and the one on PATH.

They may be good, but nothing proves it: they are reported as unproven.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from goferry.artifacts.toolchain import Toolchain
from goferry.config.settings import Settings
from goferry.golang._goenv import goroot_on_path
from goferry.golang._toolchain_store import ToolchainPlace, tool_cache_place
from goferry.golang.versions import GoVersion

_SEMANTIC = r"(?a)(\d+\.\d+)\.(\d+)(?:-(alpha|beta|rc)\.?(\d+))?"


def found(settings: Settings, goarch: str) -> Iterator[Toolchain]:
    """Yield every unproven toolchain: the tool cache's finished ones, then the one on PATH."""
    if settings.tool_cache is not None:
        for folder in sorted((settings.tool_cache / "go").glob("*")):
            yield from _cached(settings.tool_cache, folder.name, goarch)
    goroot = goroot_on_path(settings.environ)
    version = _version_of(goroot) if goroot else None
    if goroot and version:
        yield Toolchain(version.text, goroot, "machine", "unproven", {"path": str(goroot)})


def _cached(tool_cache: Path, folder: str, goarch: str) -> Iterator[Toolchain]:
    match = re.fullmatch(_SEMANTIC, folder)
    if not match:
        return
    base, patch, kind, number = match.groups()
    place: ToolchainPlace = tool_cache_place(tool_cache, f"{base}{kind}{number}" if kind else f"{base}.{patch}", goarch)
    version = _version_of(place.root)
    if place.marker and place.marker.is_file() and version:
        yield Toolchain(version.text, place.root, "tool-cache", "unproven")


def _version_of(goroot: Path) -> GoVersion | None:
    """Return what the file VERSION says (`go1.27.3`, also with a suffix), when there is a go command beside it."""
    if not (goroot / "bin").is_dir():
        return None
    try:
        first = (goroot / "VERSION").read_text("utf-8", "replace").splitlines()[0]
        return GoVersion(re.split(r"[ \t-]", first.removeprefix("go"), maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
