"""What serves now, said at every end of a deploy that is not a good one: refused, failed, rolled back or interrupted.

A host says it with its error where it can, as `{service: {"version", "state"}}`; else it is asked once more, over a
connection of its own. Where no host had answered by then none is asked now: nothing was changed on any, and that is
what is said. Nothing here changes how a deploy ended, and who can't be asked is said to be so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from goferry.deploy.live import Services, Status
from goferry.kernel.errors import GoferryError, Interrupted

UNTOUCHED = "Nothing was changed on any host."
Serving = dict[str, Any]
"""Of one host: `{"serving": {service: {"version", "state"}}, "busy": bool}`, or `{"unknown": why}`."""


def of_status(status: Status) -> Serving:
    """Return what a status says."""
    return {"serving": of_services(status.live), "busy": status.busy}


def of_services(services: Services) -> dict[str, dict[str, str]]:
    """Return each service's version and state."""
    return {name: {"version": each.version, "state": each.state} for name, each in services.items()}


def unknown(error: GoferryError) -> Serving:
    """Return what is said of a host that can't be asked."""
    return {"unknown": f"{error.name}, {error.what}"}


def text(host: Serving) -> str:
    """Return one line: `api v1.0.0, web v2.0.0 (unhealthy)`."""
    if "serving" not in host:
        return f"nobody knows: {host.get('unknown', 'it can not be asked')}"
    services = [
        f"{name} {each['version']}" + ("" if each["state"] in ("", "healthy") else f" ({each['state']})")
        for name, each in sorted(host["serving"].items())
    ]
    return (", ".join(services) or "nothing") + ("; a deploy is going on" if host.get("busy") else "")


@contextlib.contextmanager
def told(ask: Callable[[GoferryError], Mapping[str, Serving]], *, local: bool = False) -> Iterator[None]:
    """Have what leaves the block say what serves: an error in its state and its facts, an interrupt as an error.

    `ask` returns each host's, or nothing where no host was reached; of the local target the one is named in no line.
    """
    try:
        yield
    except GoferryError as error:
        _add(error, ask(error), local=local)
        raise
    except KeyboardInterrupt as error:
        stopped = Interrupted.by(error, "run the same command again to go on")
        _add(stopped, ask(stopped), local=local)
        raise stopped from None


def untouched() -> contextlib.AbstractContextManager[None]:
    """Have what leaves the block say that no host was changed: the block comes before anything is connected to."""
    return told(lambda _: {})


def _add(error: GoferryError, hosts: Mapping[str, Serving], *, local: bool) -> None:
    lines = [f"{name}: {text(host)}" for name, host in hosts.items()]
    if local:
        lines = [f"Serving now: {text(host)}" for host in hosts.values()]
    else:
        lines = ["Serving now:", *lines] if lines else [UNTOUCHED]
    before = [] if error.state == "Nothing was changed." and lines == [UNTOUCHED] else [error.state]
    error.state = "\n".join([*before, *lines]).lstrip("\n")
    if local:
        error.facts = {**error.facts, **next(iter(hosts.values()), {})}
        return
    if not hosts:
        return
    known = error.facts.get("hosts")
    records: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
    for name, host in hosts.items():  # what was reported before the end is of then
        record = {key: value for key, value in dict(records.get(name, {})).items() if key != "serving"}
        records[name] = {**record, **host}
    error.facts = {**error.facts, "hosts": records}
