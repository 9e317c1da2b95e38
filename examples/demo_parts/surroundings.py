"""Where the demo works: one folder, and an environment in which Go, too, keeps everything there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
SHOP = CHECKOUT / "examples" / "shop"


class Folder:
    """The demo's folder, `.demo` at the checkout's top, which `make clean` removes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.root = path / "root"
        self.report = path / "report.html"
        self.events = path / "events.ndjson"

    def dist(self, number: int) -> Path:
        """The release that is built as `number`."""
        return self.path / f"dist{number}"

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with every cache in this folder; what a person configured for Go (proxies) is kept."""
        path = self.path
        home = base.get("XDG_CONFIG_HOME") or (str(Path(base["HOME"]) / ".config") if base.get("HOME") else "")
        environ = {
            **base,
            "GOFERRY_CACHE": str(path / "cache"),
            "GOCACHE": str(path / "cache" / "go-build"),
            "GOMODCACHE": str(path / "cache" / "go-mod"),
            "GOPATH": str(path / "cache" / "go"),
            "GOFLAGS": "-modcacherw",
            "XDG_CONFIG_HOME": str(path / "config"),  # the go command counts its own use there
        }
        if home and not base.get("GOENV"):
            environ["GOENV"] = str(Path(home) / "go" / "env")
        environ.pop("RUNNER_TOOL_CACHE", None)
        return environ

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One demo at a time in a folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SystemExit("error: another demo runs in this folder") from None
            yield


def own_platform() -> str:
    """This machine as Go names it: `linux/amd64`."""
    machine = os.uname()
    names: dict[str, Any] = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
    return f"{machine.sysname.lower()}/{names.get(machine.machine, machine.machine)}"


def targets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The platforms that the demo builds for: two servers' and this machine's; `TARGETS=all` adds two desktops'."""
    wanted = ["linux/amd64", "linux/arm64", own_platform()]
    if environ.get("TARGETS") == "all":
        wanted += ["darwin/arm64", "windows/amd64"]
    elif environ.get("TARGETS"):
        wanted += environ["TARGETS"].replace(",", " ").split()
    return tuple(dict.fromkeys(wanted))
