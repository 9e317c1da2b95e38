"""What serves now, reported whenever a deploy does not succeed: refused, failed, rolled back or interrupted.

A host reports it with its error where it can, as `{service: {"version", "state"}}`; else it is asked again, over a new
connection. If no host had answered by then, none is asked: nothing was changed on any, and the error says so. Nothing
here changes how a deploy ended, and a host that can't be asked is reported as such.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from goferry.deploy.live import Services
from goferry.kernel.errors import GoferryError, Interrupted

UNTOUCHED = "Nothing was changed on any host."


class Served(NamedTuple):
    """A service that is live."""

    version: str
    state: str

    def __str__(self) -> str:
        """Return `v1.0.0`, or `v1.0.0 (unhealthy)`."""
        return self.version + ("" if self.state in ("", "healthy") else f" ({self.state})")


class Serving(NamedTuple):
    """What one host serves.

    Attributes:
        services: by name. busy: whether another command works there; None where nobody looked.
        unknown: why the host can't be asked; then nothing else is known.
    """

    services: Mapping[str, Served]
    busy: bool | None = None
    unknown: str = ""

    @classmethod
    def of(cls, services: Services, *, busy: bool | None = None) -> Serving:
        """Return what is live."""
        return cls({name: Served(each.version, each.state) for name, each in services.items()}, busy)

    def __str__(self) -> str:
        """Return one line: `api v1.0.0, web v2.0.0 (unhealthy)`."""
        if self.unknown:
            return f"nobody knows: {self.unknown}"
        services = ", ".join(f"{name} {each}" for name, each in sorted(self.services.items()))
        return (services or "nothing") + ("; a deploy is going on" if self.busy else "")

    def as_json(self) -> dict[str, object]:
        """Return `{"serving": {service: {"version", "state"}}, "busy": bool}`, or `{"unknown": why}`."""
        if self.unknown:
            return {"unknown": self.unknown}
        return {"serving": served(self.services), **({} if self.busy is None else {"busy": self.busy})}


def served(services: Services | Mapping[str, Served]) -> dict[str, dict[str, str]]:
    """Return each service's version and state, as records have it."""
    return {name: {"version": each.version, "state": each.state} for name, each in services.items()}


def unknown(error: GoferryError) -> Serving:
    """Return what is said of a host that can't be asked."""
    return Serving({}, unknown=f"{error.name}, {error.what}")


@contextlib.contextmanager
def reporting(ask: Callable[[GoferryError], Mapping[str, Serving]], *, local: bool = False) -> Iterator[None]:
    """Add what serves to an error that leaves the block, in its state and its facts; an interrupt becomes an error.

    `ask` returns it by host, or nothing if no host was reached; the local target's name is left out of the lines.
    """
    try:
        yield
    except GoferryError as error:
        _add(error, ask(error), local=local)
        raise
    except KeyboardInterrupt as error:
        # An interrupt carries no state; as an error it can tell what was left serving.
        stopped = Interrupted.by(error, "run the same command again to go on")
        _add(stopped, ask(stopped), local=local)
        raise stopped from None


def untouched() -> contextlib.AbstractContextManager[None]:
    """Make an error that leaves the block say that no host was changed; for what comes before the first connection."""
    return reporting(lambda _: {})


def _add(error: GoferryError, hosts: Mapping[str, Serving], *, local: bool) -> None:
    lines = [f"{name}: {host}" for name, host in hosts.items()]
    if local:
        lines = [f"Serving now: {host}" for host in hosts.values()]
    else:
        lines = ["Serving now:", *lines] if lines else [UNTOUCHED]
    # Both say the same; of a fleet the sentence about all hosts is the clearer one.
    before = [] if error.state == "Nothing was changed." and lines == [UNTOUCHED] else [error.state]
    error.state = "\n".join([*before, *lines]).lstrip("\n")
    if local:
        error.facts = {**error.facts, **next((host.as_json() for host in hosts.values()), {})}
        return
    if not hosts:
        return
    known = error.facts.get("hosts")
    records: dict[str, Mapping[str, object]] = dict(known) if isinstance(known, dict) else {}
    for name, host in hosts.items():  # what was reported before the end is of then
        record = {key: value for key, value in records.get(name, {}).items() if key != "serving"}
        records[name] = {**record, **host.as_json()}
    error.facts = {**error.facts, "hosts": records}
