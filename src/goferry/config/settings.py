"""What a run takes from its surroundings, read once at the edge and passed down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Settings(Struct, frozen=True):
    """The surroundings of a run; nothing below `cli/` and `runner/` reads the environment itself.

    Attributes:
        environ: the environment that child processes start from.
        cache: Goferry's own folder for toolchains, downloads and build caches.
        tool_cache: the runner's tool cache (RUNNER_TOOL_CACHE), or None.
        home: the user's home folder, or None where there is none.
    """

    environ: Mapping[str, str]
    cache: Path
    tool_cache: Path | None = None
    home: Path | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Resolve: GOFERRY_CACHE, else XDG_CACHE_HOME/goferry (XDG Base Directory), else ~/.cache/goferry."""
        home = Path(environ["HOME"]) if environ.get("HOME") else None
        if environ.get("GOFERRY_CACHE"):
            cache = Path(environ["GOFERRY_CACHE"]).absolute()
        elif environ.get("XDG_CACHE_HOME"):
            cache = Path(environ["XDG_CACHE_HOME"]) / "goferry"
        else:
            cache = (home or Path.cwd()) / ".cache" / "goferry"
        tools = environ.get("RUNNER_TOOL_CACHE")
        return cls(dict(environ), cache, Path(tools) if tools else None, home)
