"""What a deploy would change, from facts alone: the release, the host's state, the wishes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable

from goferry.kernel.errors import printable
from goferry.kernel.machine import Change
from goferry.kernel.manifest import File, Manifest
from goferry.kernel.outcomes import NothingToDeploy, WrongPlatform

State = Mapping[str, Any]
"""A service's state (host.state.read) with `running`: the slot of the `live` link, -1 when nothing is live."""


def deploy(
    release: Manifest,
    states: Mapping[str, State],
    wanted: Sequence[str],
    platform: tuple[str, str],
    pick_port: Callable[[], int],
) -> list[Change]:
    """Return one change for each service that the release declares, or for those in `wanted`.

    A service that runs these bytes of this release already is left out, so an empty list means: nothing to do.

    Raises:
        NothingToDeploy, WrongPlatform: as their names say.
    """
    missing = sorted(set(wanted) - set(release.services))
    if missing or not release.services:
        raise NothingToDeploy(
            f"{release.project} {release.version} declares {_names(release.services) or 'no services'}"
            + (f", not {printable(', '.join(missing))}" if missing else ""),
            advice=["declare it:  services: {NAME: {main: ./cmd/NAME, listen: {env: ADDR}}}"],
        )
    changes = []
    for name in sorted(set(wanted or release.services)):
        change = _change(name, release, states[name], platform, pick_port)
        live = states[name]["live"] or {}
        same = all(live.get(key) == getattr(change, key) for key in ("sequence", "sha256"))
        if not (same and states[name]["running"] >= 0):
            changes.append(change)
    return changes


def _change(
    name: str, release: Manifest, state: State, platform: tuple[str, str], pick_port: Callable[[], int]
) -> Change:
    declared = release.services[name]
    binary = _binary(release, declared, platform)
    mode = "socket" if (declared.get("listen") or {}).get("socket") else "plain"
    live: Mapping[str, Any] = state["live"] or {}
    port = int(declared.get("port") or 0)
    if not port:
        port = int(live["port"]) if live.get("mode") == mode else pick_port()
    return between(
        name,
        mode=mode,
        port=port,
        state=state,
        sequence=release.sequence,
        version=release.version,
        sha256=binary.sha256,
        size=binary.size,
        source=binary.name,
    )


def between(
    name: str,
    *,
    mode: str,
    port: int,
    state: State,
    sequence: int,
    version: str,
    sha256: str,
    size: int = 0,
    source: str = "",
) -> Change:
    """Return the change of one service from what its state says to a release."""
    live: Mapping[str, Any] = state["live"] or {}
    running = int(state["running"])
    return Change(
        service=name,
        mode=mode,
        slot=1 - running if running >= 0 else 0,
        old_slot=running,
        sequence=sequence,
        version=version,
        sha256=sha256,
        old_sequence=int(live.get("sequence", 0)),
        old_version=str(live.get("version", "")),
        old_sha256=str(live.get("sha256", "")),
        port=port,
        size=size,
        source=source,
    )


def _binary(release: Manifest, declared: Mapping[str, Any], platform: tuple[str, str]) -> File:
    program = declared.get("binary")
    built = [f for f in release.files if f.kind == "binary" and f.meta.get("program") == program]
    fitting = [f for f in built if (f.goos, f.goarch) == platform]
    if not fitting:
        names = ", ".join(sorted({f"{f.goos}/{f.goarch}" for f in built}))
        here, found = "/".join(platform), names or "no platform"
        raise WrongPlatform(
            f"{release.project} {release.version} has {printable(str(program))} for {found}; this host is {here}",
            state="Nothing was changed.",
            advice=[f"build for it:  goferry build --targets {here}"],
        )
    plainest = {"": 0, "v1": 0, "v8.0": 0, "6": 1, "5": 2, "7": 3}
    return min(fitting, key=lambda f: (plainest.get(f.variant, 9), f.variant))


def _names(services: Collection[str]) -> str:
    return printable(", ".join(sorted(services)))


def as_steps(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return what a dry run shows of each change; JSON types."""
    return [
        {
            "service": c.service,
            "from": c.old_version,
            "from_sequence": c.old_sequence,
            "to": c.version,
            "sequence": c.sequence,
            "slot": c.slot,
            "mode": c.mode,
            "port": c.port,
        }
        for c in changes
    ]
