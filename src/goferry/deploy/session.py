"""One host of a fleet: its connection, the transaction that is open there, and what came of it."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goferry.deploy import answers, client, serving, ssh, upload
from goferry.deploy.address import Address
from goferry.deploy.errors import HostOutdated
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.manifest import Manifest
from goferry.kernel.outcomes import AgentLost
from goferry.observe.events import Span

NO_POLICY = (
    "the host has no policy for this project and takes every signed release of it, snapshots too; set one:  "
    "goferry provision HOST --accepts releases"
)


@dataclass
class Session:
    """What is known of one host while a fleet changes.

    Attributes:
        address: where it is. agent: its connection; None before it opened.
        prepared, switched, done: its answers to those phases; None before.
        failure: what ended it here, if anything did.
        outcome: `""` while it goes on; then `deployed`, `unchanged`, `aborted`, `rolled-back`, `failed` or `unknown`.
        uploaded: bytes that were sent to it; None when nothing was to be sent.
    """

    address: Address
    agent: client.Agent | None = None
    span: Span | None = None
    prepared: dict[str, Any] | None = None
    switched: dict[str, Any] | None = None
    done: dict[str, Any] | None = None
    failure: GoferryError | None = None
    outcome: str = ""
    uploaded: int | None = None
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def name(self) -> str:
        """The host as it was written."""
        return self.address.text

    def ask(self, request: str, heard: Callable[[str], None] = lambda _: None, **fields: Any) -> dict[str, Any]:
        """Ask the host's agent; progress goes to the host's line."""
        assert self.agent is not None

        def hear(text: str) -> None:
            if self.span is not None:
                self.span.progress(text)
            heard(text)

        return self.agent.ask(request, hear, **fields)

    @property
    def open(self) -> bool:
        """Whether a transaction of ours waits there for the next phase."""
        return self.prepared is not None and not self.outcome

    def record(self) -> dict[str, Any]:
        """Return the host's part of the record; JSON types, read with suspicion (deploy.answers).

        `version` is what serves there now, `previous` what served before; each empty when there is none, or when
        nobody knows. Times are milliseconds, None when the host told none; `uploaded` is bytes.
        """
        serves = self.outcome in ("deployed", "unchanged")
        services = answers.services(self.done) if serves else {}
        before = answers.versions(answers.changes(self.prepared), "from")
        wanted = answers.text((self.prepared or {}).get("version"))
        now = answers.versions(services.values(), "version") or wanted
        record: dict[str, Any] = {
            "version": now if serves else "" if self.outcome in ("", "unknown") else before,
            "previous": answers.versions(services.values(), "previous") or before,
            "switch_ms": self._switch_ms(),
            "gap_ms": answers.gaps(self.done),
            "outcome": self.outcome,
            "uploaded": self.uploaded,
            "services": services,
        }
        if services:
            record["serving"] = serving.of_services(services)
        if closed := answers.no_way_back(self.prepared):
            record["no_way_back"] = closed
        if self.failure is not None:
            record |= {"error": self.failure.name, "what": self.failure.what}
        return record

    def _switch_ms(self) -> int | None:
        told = [answers.milliseconds((answer or {}).get("switch_ms")) for answer in (self.done, self.switched)]
        return next((each for each in told if each is not None), None)


@contextlib.contextmanager
def connected(
    address: Address, access: ssh.Access, environ: Mapping[str, str], trace: str = ""
) -> Iterator[client.Agent]:
    """Connect to a host's agent for the block; `trace` is the run's trace id.

    Raises:
        GoferryError: as `ssh.failure` names it, at the first request.
    """
    algorithms = ssh.pinned_algorithms(address, access, environ)
    words = ssh.argv(address, access, algorithms, [ssh.AGENT, "connect"])
    with client.opened(
        words,
        ssh.spoken(environ),
        explain=lambda code, errors: ssh.failure(address, access, code, errors),
        where=f"--target ssh --host {address.text}" + (f" --identity {_identity(access)}" if access.identity else ""),
        settle=10.0,
        trace=trace,
    ) as agent:
        yield agent


def _identity(access: ssh.Access) -> str:
    """Return the key's file as a person may type it; FILE where only a secret is known."""
    named = access.identity is None or access.identity in access.called
    return "FILE" if named else shlex.quote(str(access.identity))


@contextlib.contextmanager
def understood(name: str) -> Iterator[None]:
    """Turn an answer of the wrong shape into AgentLost: nothing that a host says may look like a defect here."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise AgentLost(
            f"{name} answered something that is no answer: {printable(str(error), 200)}",
            advice=["provision it again with this version:  goferry provision HOST"],
        ) from error


def send_release(session: Session, dist: Path, release: Manifest, services: Sequence[str], transaction: str) -> None:
    """Ask the host what it needs and send that."""
    hello = session.ask("hello")
    if hello.get("agent") == 1 and release.schema > 1:
        raise HostOutdated(
            f"the agent of {session.name} does not read releases of schema {release.schema}",
            state="Nothing was sent.",
            advice=["upgrade it while it serves:  goferry provision HOST"],
        )
    unknown = sorted(set(release.critical) - set(hello.get("critical") or []))
    if unknown:
        raise HostOutdated(
            f"the agent of {session.name} does not know {', '.join(unknown)}, which {release.version} needs",
            state="Nothing was sent.",
            advice=["upgrade it while it serves:  goferry provision HOST"],
        )
    if session.span is not None and hello.get("project") and hello.get("policy") is None:
        session.span.note(NO_POLICY, "warning")
    held = {digest for digest in hello.get("held") or [] if isinstance(digest, str)}
    items = upload.plan(dist, release, services=services, platform=str(hello["platform"]), held=held)
    assert session.agent is not None
    since = time.monotonic()
    session.uploaded = upload.send(session.agent, items, transaction, session.span.progress if session.span else print)
    if session.span is not None:
        session.span.numbers["bytes"] = session.uploaded
        session.span.numbers["upload_ms"] = round((time.monotonic() - since) * 1000)
