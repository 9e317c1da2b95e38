"""Runs on a host, as `on_host` does: the client's own agent, from memory, for what root asks of it.

A host that is no longer provisioned has no agent, and one that is may have an older one.
"""

from __future__ import annotations

import base64
import json
import os
import runpy
import signal
import sys
from dataclasses import dataclass

from goferry.kernel.fields import Fields


@dataclass(frozen=True)
class AgentOrder:
    """What is asked: the bundled agent, and the words that it is given."""

    agent: bytes
    words: tuple[str, ...]

    @classmethod
    def of(cls, record: object) -> AgentOrder:
        """Read it from a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "the request")
        return cls(base64.b64decode(given.text("agent")), tuple(given.texts("words")))

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {"agent": base64.b64encode(self.agent).decode(), "words": list(self.words)}


def main() -> None:
    """Run the agent; it prints the answer."""
    order = AgentOrder.of(json.loads(sys.stdin.buffer.read().decode()))
    # A connection that is cut must not stop the run.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    descriptor = os.memfd_create("goferry-host")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(order.agent)
    sys.argv = ["goferry-host", *order.words]
    # The modules that were sent stand for packages of the agent's, which are whole.
    for name in [each for each in sys.modules if each.startswith("goferry.")]:
        del sys.modules[name]
    runpy.run_path(f"/proc/self/fd/{descriptor}", run_name="__main__")
