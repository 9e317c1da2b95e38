"""The switch of a provisioned host: nginx's upstream names `live.sock`, so renaming that link is the whole switch.

nginx connects to the upstream anew for each request and keeps no connection, so the next request goes to the candidate.
The version before stays warm and idle until the commit; the way back is one rename.
"""

from __future__ import annotations

from typing import Any, Dict

from goferry.host import control, slots
from goferry.host.layout import ServiceFolder
from goferry.host.switch import Links
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
        try:
            status, body = control.ask(folder.live, "GET", slot["health"])
            said = "HTTP %d %s" % (status, printable(body[:100].decode("utf-8", "replace")))
            if slot["mode"] == "socket" and status == 200:
                pid = control.health(folder.live, slot["health"]).get("pid")
                wanted = self.guard.driver.running(folder, change.slot).get("pid", 0)
                said = "process %s instead of %d" % (printable(str(pid), 80), wanted)
                status = status if pid == wanted else 0
        except (OSError, ValueError) as error:
            status, said = 0, str(error)
        if status != 200:
            raise CandidateUnhealthy("%s behind its link answers: %s" % (folder.name, said))

    def drain(self, transaction: Transaction, change: Change) -> None:
        """No connection is kept, so nothing is to be told."""

    def _give_back(self, folder: ServiceFolder, change: Change, old: Dict[str, Any]) -> None:  # noqa: ARG002
        if self.guard.driver.runs(folder, old) and not self.guard.ask(folder, old):
            return
        slots.write(folder, {**old, "guarded": True})
        self.guard.driver.stop(folder, old, old["drain_ms"] / 1000)
        self._restart(folder, {**old, "guarded": True})
