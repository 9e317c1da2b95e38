"""Which changes bring up releases that the host holds, for a rollback and for a restart, and whether they may be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Callable, Optional

from goferry.host import admission, policy, restart_plan, rollback_plan
from goferry.host.layout import ServiceFolder
from goferry.host.state import State
from goferry.host.store import services_of, stored_release
from goferry.host.target import HostTarget
from goferry.host.way_back import closed
from goferry.kernel.machine import Change
from goferry.kernel.protocol import Request

Folders = Mapping[str, ServiceFolder]
States = Mapping[str, State]
Allowed = tuple[list[Change], dict[str, str]]
"""The changes, and by service why nothing leads back from them."""
ChangesOf = Callable[[HostTarget, Optional[Path], Folders, States, Request], Allowed]
"""Of a project's folders and states."""


def back(root: HostTarget, given: Path | None, folders: Folders, states: States, request: Request) -> Allowed:
    """Return the changes of a rollback, which policy and trust file of now allow; `given` is the trust file.

    Raises:
        NothingToRollBackTo: the host does not have the version to roll back to.
        Refusal, SnapshotRefused: what is held may not serve again.
    """
    wanted = rollback_plan.RollbackWanted.of(request)
    changes = rollback_plan.plan(states, wanted, services_of(folders))
    trust = admission.trust_of_now(root, given)
    for change in changes:
        policy.judge(root.policy(), stored_release(folders[change.service], change.sequence))
        if trust is not None:
            admission.allow_back(folders[change.service], change, trust)
    return changes, closed(root, next(iter(folders.values())).project, changes, root.policy(), trust)


def again(root: HostTarget, _given: Path | None, folders: Folders, states: States, request: Request) -> Allowed:
    """Return the changes of a restart; what it leads from is what it leads to.

    Raises:
        NothingToRestart: the service does not serve there, so there is nothing to restart.
        SequenceBelowMinimum: see `admission.allow_restart`.
    """
    changes = restart_plan.plan(states, request.services)
    admission.allow_restart(root, folders, changes)
    return changes, {}
