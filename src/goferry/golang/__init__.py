"""Stage: the right Go, proven, and the modules.

versions, gomod, resolve    which Go
goenv, gowheel, proxies     where Go's own configuration says that it comes from
note, tlog, proof, sumdb    what proves it
modzip, tree, store         how it gets onto the disk and stays proven there
zips                        what of it travels between jobs
untouched                   whether it is still what was proven
install, machine, setup     one call for all of it: `setup_go`, which a `GoRequest` asks
modules                     go mod download, verify, tidy
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goferry.golang.resolve import Resolved as Resolved
    from goferry.golang.setup import GoRequest as GoRequest
    from goferry.golang.setup import lacking as lacking
    from goferry.golang.setup import resolve_version as resolve_version
    from goferry.golang.setup import setup_go as setup_go
    from goferry.golang.setup import zipped as zipped
    from goferry.golang.untouched import hold as hold
    from goferry.golang.zips import bring as bring

__all__ = ["GoRequest", "Resolved", "bring", "hold", "lacking", "resolve_version", "setup_go", "zipped"]


def __getattr__(name: str) -> Any:
    """Load the stage when it is used: it brings the network's libraries with it."""
    if name not in __all__:
        raise AttributeError(name)
    from goferry.golang import resolve, setup, untouched, zips

    rooms = {"Resolved": resolve, "bring": zips, "hold": untouched}
    return getattr(rooms.get(name, setup), name)
