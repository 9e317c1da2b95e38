"""Stage: the right Go, proven, and the modules.

`setup_go` finds, proves and installs the toolchain that a `GoRequest` asks for.

Contract (what other rooms import; a module with `_` is private):

    modules       go mod download, verify and tidy
    kept_modules  modules that are kept between jobs
    versions      Go versions in Go's own order
    toolversion   which Go the go command really runs
    earlier       what setup-go leaves to later steps of its job
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goferry.golang._resolve import Resolved as Resolved
    from goferry.golang._setup import (
        GoRequest as GoRequest,
        lacking as lacking,
        resolve_version as resolve_version,
        setup_go as setup_go,
        zipped as zipped,
    )
    from goferry.golang._untouched import hold as hold
    from goferry.golang._zips import bring as bring

__all__ = ["GoRequest", "Resolved", "bring", "hold", "lacking", "resolve_version", "setup_go", "zipped"]


def __getattr__(name: str) -> Any:
    """Load the stage when it is used: it brings the network's libraries with it."""
    if name not in __all__:
        raise AttributeError(name)
    from goferry.golang import _resolve as resolve, _setup as setup, _untouched as untouched, _zips as zips

    rooms = {"Resolved": resolve, "bring": zips, "hold": untouched}
    return getattr(rooms.get(name, setup), name)
