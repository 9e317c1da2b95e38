"""Which services a restart takes to their other slots, with the release that they serve; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goferry.host.deploy_plan import between
from goferry.host.state import State
from goferry.kernel.errors import printable
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import NothingToRestart


def plan(states: Mapping[str, State], wanted: Sequence[str] = ()) -> list[Change]:
    """Return one change, from a release to itself, for each service of `wanted`; without any, for all that serve.

    `states` are those of every service of the project.

    Raises:
        NothingToRestart: when one does not serve.
    """
    live = {name: state for name, state in states.items() if state.live and state.running >= 0}
    missing = sorted(set(wanted) - set(live))
    if missing or not live:
        raise NothingToRestart(
            f"{printable(', '.join(missing), 200)} does not serve here" if missing else "no service of it serves here",
            state="Nothing was changed.",
            advice=["see what does:  goferry status", "bring a version into service:  goferry deploy DIST"],
        )
    return [_change(name, live[name]) for name in sorted(set(wanted or live))]


def _change(name: str, state: State) -> Change:
    live = state.live
    assert live is not None, "it serves"
    return between(
        name,
        mode=live.mode,
        port=live.port,
        state=state,
        sequence=live.sequence,
        version=live.version,
        sha256=live.sha256,
    )
