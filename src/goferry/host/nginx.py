"""The switch of a provisioned host: nginx's upstream names `live.sock`, so renaming that link is the whole switch.

nginx connects to the upstream anew for each request and keeps no connection, so the next request goes to the candidate.
The version before stays warm and idle until the commit; the way back is one rename.
"""

from __future__ import annotations

from typing import Any, Dict

from goferry.host import control, slots
from goferry.host.layout import ServiceFolder
from goferry.host.switch import Links, insisted
from goferry.kernel.errors import printable
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy


class Nginx(Links):
    """Traffic through nginx."""

    def accept(self, transaction: Transaction, change: Change) -> None:
        """Read the switch back: whoever follows the link now must reach the candidate, and find it well.

        Raises:
            CandidateUnhealthy: when it is another, or does not answer.
        """
        folder = self._folder(transaction, change)
        slot = self.guard.described(folder, change.slot)
        said = "nothing"

        def reached(seconds: float) -> bool:
            nonlocal said
            said = self._behind(folder, slot, seconds)
            return not said

        if not insisted(reached):
            raise CandidateUnhealthy("%s behind its link answers: %s" % (folder.name, said))

    def _behind(self, folder: ServiceFolder, slot: Dict[str, Any], seconds: float) -> str:
        """Return an empty string when the candidate answers well behind the link, else what was said."""
        try:
            if slot["mode"] != "socket":
                status, _ = control.ask(folder.live, "GET", slot["health"], seconds)
                return "" if status == 200 else "HTTP %d" % status
            answer = control.health(folder.live, slot["health"], seconds)
        except (OSError, ValueError) as error:
            return printable(str(error), 200)
        wanted = self.guard.driver.running(folder, int(slot["slot"])).get("pid", 0)
        if answer["http"] == 200 and answer.get("pid") == wanted:
            return ""
        return "HTTP %d, process %s instead of %d" % (answer["http"], printable(str(answer.get("pid")), 80), wanted)

    def drain(self, transaction: Transaction, change: Change) -> None:
        """No connection is kept, so nothing is to be told."""

    def _give_back(self, folder: ServiceFolder, change: Change, old: Dict[str, Any]) -> None:  # noqa: ARG002
        if self._well(folder, old):
            return
        slots.write(folder, {**old, "guarded": True})
        self.guard.driver.stop(folder, old, old["drain_ms"] / 1000)
        self._restart(folder, {**old, "guarded": True})
