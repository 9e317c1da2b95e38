"""Whether a rollback could bring back what serves now, once a transaction is committed; asked before the switch.

What serves may be what the host would not take any more: its policy changed, a key was revoked, the minimum rose. Then
a commit is final. A fleet must know that before its switch, for it brings back those that committed when one could not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from goferry.host import admission, history, policy, state
from goferry.host.store import stored_release
from goferry.host.target import HostTarget
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import Policy
from goferry.kernel.machine import Change
from goferry.kernel.trustfile import TrustFile


def closed(
    root: HostTarget, project: str, changes: Iterable[Change], taken: Policy | None, trust: TrustFile | None
) -> dict[str, str]:
    """Return why nothing would lead back to what serves now, by service; those to which a way leads are left out."""
    found = {}
    for change in changes:
        if change.old_slot >= 0 and change.old_sequence:
            try:
                why = _closed(root, project, change, taken, trust)
            except GoferryError as error:
                why = error.what
            if why:
                found[change.service] = why
    return found


def _closed(root: HostTarget, project: str, change: Change, taken: Policy | None, trust: TrustFile | None) -> str:
    folder = root.service(project, change.service)
    back = replace(change, sequence=change.old_sequence, version=change.old_version, sha256=change.old_sha256)
    policy.judge(taken, stored_release(folder, back.sequence))
    if trust is not None:
        admission.allow_back(folder, back, trust)
    kept = state.kept(root, project)
    after = history.committed(
        state.read(folder).history,
        state.Live.of(change).entry(),
        back.sequence,
        keep=root.keep(project),
        floor=kept.floor.sequence if kept else None,
    )
    held = history.find(after, back.sequence)
    return "" if held else f"{change.service} {change.old_version} will not be held any more"
