"""What a deploy would change, from facts alone: the release, the host's state, the request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Callable

from goferry.host.state import State
from goferry.kernel.errors import printable
from goferry.kernel.machine import Change
from goferry.kernel.manifest import File, Manifest
from goferry.kernel.outcomes import NothingToDeploy, WrongPlatform
from goferry.kernel.services import SHAPES, Declared, Shape


def deploy(
    release: Manifest,
    states: Mapping[str, State],
    wanted: Sequence[str],
    platform: tuple[str, str],
    pick_port: Callable[[], int],
    kinds: Mapping[str, Shape] = SHAPES,
) -> list[Change]:
    """Return one change for each service that the release declares, or for those in `wanted`.

    A service that runs these bytes of this release already is left out, so an empty list means: nothing to do.

    Raises:
        NothingToDeploy: the release does not declare such a service.
        WrongPlatform: the release has no binary that runs on this host.
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
        change, live = _change(name, release, states[name], platform, pick_port, kinds), states[name].live
        # The same binary of another release is a change all the same: its arguments and variables may differ.
        same = live is not None and (live.sequence, live.sha256) == (change.sequence, change.sha256)
        # After `down` the state still names it; deploying it again is how it comes back.
        if not (same and states[name].running >= 0):
            changes.append(change)
    return changes


def _change(
    name: str,
    release: Manifest,
    state: State,
    platform: tuple[str, str],
    pick_port: Callable[[], int],
    kinds: Mapping[str, Shape],
) -> Change:
    declared = Declared.of(release.services[name])
    binary = _binary(release, declared.binary, platform)
    mode = declared.kind(kinds)
    kept = state.live.port if state.live and state.live.mode == mode else 0
    return between(
        name,
        mode=mode,
        port=declared.port or kept or pick_port(),
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
    live, running = state.live, state.running
    return Change(
        service=name,
        mode=mode,
        slot=1 - running if running >= 0 else 0,
        old_slot=running,
        sequence=sequence,
        version=version,
        sha256=sha256,
        old_sequence=live.sequence if live else 0,
        old_version=live.version if live else "",
        old_sha256=live.sha256 if live else "",
        port=port,
        size=size,
        source=source,
    )


def _binary(release: Manifest, program: str, platform: tuple[str, str]) -> File:
    built = [f for f in release.files if f.kind == "binary" and f.meta.get("program", "") == program]
    fitting = [f for f in built if (f.goos, f.goarch) == platform]
    if not fitting:
        names = ", ".join(sorted({f"{f.goos}/{f.goarch}" for f in built}))
        here, found = "/".join(platform), names or "no platform"
        raise WrongPlatform(
            f"{release.project} {release.version} has {printable(program)} for {found}; this host is {here}",
            state="Nothing was changed.",
            advice=[f"build for it:  goferry build --targets {here}"],
        )
    # What every machine of the architecture runs, as nobody says what this one could. Of the 32-bit ARMs that
    # executable.UNAME knows all run GOARM=6, and 5 calculates floating point in software.
    plainest = {"": 0, "v1": 0, "v8.0": 0, "6": 1, "5": 2, "7": 3}
    return min(fitting, key=lambda f: (plainest.get(f.variant, 9), f.variant))


def _names(services: Collection[str]) -> str:
    return printable(", ".join(sorted(services)))


def as_steps(changes: Sequence[Change]) -> list[dict[str, object]]:
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
