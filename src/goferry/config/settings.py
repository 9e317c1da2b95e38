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
        names = ("HOME", "GOFERRY_CACHE", "XDG_CACHE_HOME", "RUNNER_TOOL_CACHE")
        # An empty variable counts as none: `Path("")` would be the folder that Goferry happens to run in.
        home, own, caches, tools = (Path(value) if (value := environ.get(name)) else None for name in names)
        caches = caches or (home or Path.cwd()) / ".cache"
        return cls(dict(environ), own.absolute() if own else caches / "goferry", tools, home)
