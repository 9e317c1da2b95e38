"""The host agent: what each request does. One session serves one client and at most one transaction.

    hello     who answers                     switch   traffic to the candidate, then its bake
    upload    take a block of a file          commit   make it so        abort   undo
    prepare   verify, stage, start, prove
    rollback  prove the version before        status   what is live      logs, read-logs, history, down, purge
    restart   prove the version that serves, with the environment of now

`prepare`, `rollback` and `restart` take the target's lock and keep it until the transaction is over. Whoever takes the
lock first brings an unfinished transaction of a dead agent to its end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

from goferry.host import (
    admission,
    deploy_plan,
    deploy_record,
    executable,
    held_release,
    incoming,
    journal,
    lock,
    policy,
    slots,
    state,
    takedown,
)
from goferry.host.engine import Engine, rolled_back
from goferry.host.gather import aside
from goferry.host.journal import Result
from goferry.host.recovery import RecoveryFailure, recover, refuse
from goferry.host.store import Admitted, Store, held, refuse_missing
from goferry.host.target import HostTarget
from goferry.host.traffic import TrafficActs
from goferry.host.view import View
from goferry.host.way_back import closed
from goferry.kernel import machine, protocol, trustfile, verify
from goferry.kernel.errors import Misuse, Refused
from goferry.kernel.machine import Transaction
from goferry.kernel.manifest import Manifest
from goferry.kernel.outcomes import (
    ClientSilent,
    DeployBusy,
    UnsupportedHost,
    of_defect,
)
from goferry.kernel.protocol import Request
from goferry.kernel.services import Declared

ASIDE = 1.5
"""Seconds that `status` waits for a recovery before it says what is live meanwhile."""
Record = dict[str, Any]
Changes = list[machine.Change]


class AgentSession:
    """One client's session.

    Attributes:
        engine: the open transaction's, or None. leave: whether to wait for the lock no longer: others need the place.
    """

    def __init__(
        self,
        root: HostTarget,
        trust: Path | None,
        environ: Mapping[str, str],
        *,
        on_progress: Callable[[str], None] = lambda _: None,
        gone: Callable[[], bool] = lambda: False,
    ) -> None:
        """`trust` names the trust file; `on_progress` hears each act, `gone` says that the client went away."""
        self.root, self.trust, self.on_progress, self.gone = root, trust, on_progress, gone
        self.guard = root.guard(environ, gone)
        self.traffic = TrafficActs(root, self.guard, root.switch(self.guard))
        self.view = View(root, self.guard, self.traffic)
        self.engine: Engine | None = None
        self._held = contextlib.ExitStack()
        self._uploads = incoming.Uploads(root)
        self.leave: Callable[[], bool] = lambda: False
        self._project_asked = root.bound
        self._trace = ""

    @property
    def phase(self) -> str:
        """The open transaction's phase; empty without one."""
        return "" if self.engine is None else self.engine.transaction.phase

    def answer(self, header: Mapping[str, object], payload: bytes = b"") -> Record:
        """Do what a request asks and return the answer; a payload belongs to `upload` alone.

        Raises:
            GoferryError: what the client is to be answered.
        """
        request = Request.of(header)
        if os.uname().sysname != "Linux":
            raise UnsupportedHost(f"this host runs {os.uname().sysname}")
        self._trace = request.trace or self._trace
        if request.request == "upload":
            return self._uploads.receive(request, payload)
        kinds: dict[str, Callable[[Request], Record]] = {
            "hello": self.hello,
            "prepare": self.prepare,
            "rollback": self.rollback,
            "restart": self.restart,
            "switch": self.switch,
            "commit": self.commit,
            "abort": self.abort,
            "status": self.status,
            "logs": self.view.logs,
            "read-logs": self.view.read_logs,
            "history": self.view.history,
            "down": lambda asked: takedown.down(self, asked),
            "purge": lambda asked: takedown.purge_asked(self, asked),
        }
        try:
            return kinds[request.request](request)
        except Exception as error:
            raise self.view.with_serving(of_defect(error), self._project_asked) from error

    def hello(self, _request: Request) -> Record:
        """Say who answers, what it can run, and which binaries need not be sent."""
        system, arch = executable.host_platform()
        here = {"pid": os.getpid(), "platform": f"{system}/{arch}", "held": held(self.root)}
        return {**protocol.ABOUT, **here, **self.root.about()}

    def prepare(self, request: Request) -> Record:
        """Verify the release, and bring its candidates up to HEALTHY; no traffic is touched."""
        source, sent = self._source(request)
        policy.judge_environment(self.root.policy(), request.environment)
        if self.trust is None:
            raise Refused("no trust file was given, so nothing can be verified", advice=["name it:  --trust FILE"])
        self.on_progress("verify")
        trust, now = trustfile.load(self.trust), int(time.time())
        wanted = list(request.services)
        try:
            only, project, kinds = incoming.received(source) if sent else "", self.root.bound, self.root.shapes
            # Without the lock: hashing a large release keeps nobody waiting.
            with admission.clock_judged(self.root, now):
                verified = verify.verify(source, trust, project=project, now=now, only=only, kinds=kinds)
            assert verified.manifest is not None
            release = verified.manifest
            self._project_asked = release.project
            policy.judge(self.root.policy(), release)
            with self._opened(request) as failures:
                refuse(failures, release.project)
                with admission.clock_judged(self.root, now):
                    admission.admit(self.root, release, trust, wanted, now)
                changes = self._changes(release, wanted)
                if sent:
                    refuse_missing(self.root, changes, verified.files)
                transaction = self._transaction(request, "deploy", release.project, changes, verified.digest)
                store = self.root.store(source, Admitted(release, verified.proof, now))
                final = closed(self.root, release.project, changes, self.root.policy(), trust)
                return {**self._begin(request, transaction, store, release.version, release), "no_way_back": final}
        except DeployBusy:
            sent = False  # what was sent is for the next try
            raise
        finally:
            if sent:
                self._uploads.drop()

    def _source(self, request: Request) -> tuple[Path, bool]:
        """Return the folder that is to be verified, and whether it was sent; a provisioned host takes no other."""
        if request.dist == "incoming":
            return self._uploads.folder(request.id), True
        return self.root.release_folder(request.dist), False

    def _changes(self, release: Manifest, wanted: list[str]) -> Changes:
        names = sorted({*wanted, *release.services})
        states = {name: self._state(release.project, name) for name in names}
        here, kinds = executable.host_platform(), self.root.shapes
        changes = deploy_plan.deploy(release, states, wanted, here, self.root.pick_port, kinds)
        ports = {name: Declared.of(declared).port for name, declared in release.services.items()}
        return self.root.placed(release.project, changes, ports)

    def rollback(self, request: Request) -> Record:
        """Bring a version that was committed here up to HEALTHY in the free slot; no traffic is touched."""
        return self._bring_up(request, held_release.back)

    def restart(self, request: Request) -> Record:
        """Bring what serves up to HEALTHY in the free slot, with its environment of now; no traffic is touched."""
        return self._bring_up(request, held_release.again)

    def _bring_up(self, request: Request, changes_of: held_release.ChangesOf) -> Record:
        """Begin with releases that the store holds, where the host serves the services now: no ports are declared."""
        policy.judge_environment(self.root.policy(), request.environment)
        with self._opened(request) as failures:
            project = self._project_asked = self.view.project(request.project)
            refuse(failures, project)
            folders = {folder.name: folder for folder in self.root.services() if folder.project == project}
            states = {name: self._state(project, name) for name in folders}
            changes, final = changes_of(self.root, self.trust, folders, states, request)
            placed = self.root.placed(project, changes, {})
            transaction = self._transaction(request, request.request, project, placed, "")
            versions = {change.version for change in changes} or {request.to}
            version = versions.pop() if len(versions) == 1 else ""
            return {**self._begin(request, transaction, self.root.store(), version), "no_way_back": final}

    @contextlib.contextmanager
    def _opened(self, request: Request) -> Iterator[list[RecoveryFailure]]:
        """Hold the lock for the block, and on after it when a transaction is open then; give what was not recovered."""
        if request.dry_run:
            yield []
            return
        self.take_lock(request.wait_ms / 1000)
        try:
            yield self.recovery()[1]
        except BaseException:
            if not any(slots.read(folder, number) for folder in self.root.services() for number in (0, 1)):
                self.guard.tidy()
            raise
        finally:
            if self.engine is None:
                self._held.close()

    def take_lock(self, wait: float) -> None:
        """Take the target's lock for this session, as long as its client is there to wait for it."""
        if self.engine is not None:
            raise Misuse("this session has an open transaction")
        self.root.prepare()
        self._held.enter_context(lock.held(self.root.locks, wait, lambda: self.gone() or self.leave()))

    def recovery(self, restore: bool = True) -> tuple[list[str], list[RecoveryFailure]]:
        """End what is unfinished, start what should run; return what was done and what failed."""
        return recover(self.root, self.guard, self.traffic, self.on_progress, restore=restore)

    def _transaction(self, asked: Request, kind: str, project: str, changes: Changes, digest: str) -> Transaction:
        return Transaction(asked.id, kind, project, asked.on_silence, digest, tuple(changes), trace=self._trace)

    def _begin(
        self,
        request: Request,
        transaction: Transaction,
        store: Store,
        version: str,
        release: Manifest | None = None,
    ) -> Record:
        steps = deploy_plan.as_steps(transaction.changes)
        about = {"project": transaction.project, "changes": steps, "version": version}
        if not transaction.changes:
            return {**about, "phase": "IDLE", "unchanged": True}
        if request.dry_run:
            acts = [{"act": act.name, "services": list(act.services)} for act in machine.outlook(transaction)]
            return {**about, "phase": "IDLE", "acts": acts}
        # The same id again: its client lost the answer. It is told what came of it; nothing is done twice.
        stored = journal.result(self.root.journals(transaction.project), transaction.id)
        if stored is not None:
            return {**about, "phase": "IDLE", "stored": {**stored._asdict(), "numbers": dict(stored.numbers)}}
        entry = self.root.journal(transaction.project, transaction.id, transaction.kind)
        note_end = functools.partial(deploy_record.catch_up, self.root, transaction.project)
        engine = Engine(entry, store, self.guard, self.traffic, self.on_progress, note_end)
        self.engine = engine
        notes = deploy_record.notes_of(release, request.environment, request.notes, self.root.key)
        with self._unlocked_on_failure():
            engine.begin(transaction, notes)
        self._raise_failure()
        return {**about, "phase": engine.transaction.phase}

    def _open(self) -> Engine:
        if self.engine is None:
            raise Misuse("this session has no open transaction")
        return self.engine

    def switch(self, _request: Request) -> Record:
        """Bring traffic to the candidates and watch them for their bake time."""
        with self._unlocked_on_failure():
            self._open().advance("switch")
        self._raise_undone()
        return {"phase": machine.BAKING, **self._open().numbers, "gap_ms": dict(self.traffic.gaps)}

    def commit(self, _request: Request) -> Record:
        """End the versions before; the candidates are the live ones."""
        engine = self._open()
        with self._unlocked_on_failure():
            engine.advance("commit")
        self._raise_undone()
        self.root.committed(self.trust)
        shown = self.view.changed(engine.transaction)
        self._close()
        numbers = {**engine.numbers, "gap_ms": dict(self.traffic.gaps)}
        return {"phase": machine.COMMITTED, **numbers, "services": shown}

    def tend(self) -> None:
        """Go back when what serves uncommitted has died or fallen ill while its client takes its time."""
        if self.phase == machine.BAKING:
            with self._unlocked_on_failure():
                self._open().tend()
            # The engine stays, so that the client's next request is told why; the lock is for others now.
            if self.phase == machine.IDLE:
                self._held.close()

    def abort(self, _request: Request) -> Record:
        """Undo the open transaction, if any."""
        if self.engine is not None:
            with self._unlocked_on_failure():
                self.engine.advance("abort")
            self._close()
        return {"phase": machine.IDLE}

    def silence(self) -> str:
        """Follow the on-silence policy for an open transaction; return what it came to, empty when none was open."""
        engine = self.engine
        if engine is None:
            return ""
        with self._unlocked_on_failure():
            if machine.waits(engine.transaction) and engine.transaction.phase != machine.IDLE:
                engine.advance("silence")
        self._close()
        return (journal.outcome(engine.journal) or Result()).outcome  # type: ignore[arg-type]

    @contextlib.contextmanager
    def _unlocked_on_failure(self) -> Iterator[None]:
        """Drop the lock when an ending could not be finished, for whoever comes next to finish it."""
        try:
            yield
        except BaseException:
            self._close()
            raise

    def _raise_undone(self) -> None:
        """Raise what undid the transaction, and let go of the lock then."""
        try:
            self._raise_failure()
        finally:
            if self.engine is None:
                self._held.close()

    def _raise_failure(self) -> None:
        """Raise what ended a transaction that ended by itself; after the switch as `rolled-back`. The lock stays."""
        engine = self._open()
        result = journal.outcome(engine.journal) or Result()  # type: ignore[arg-type]
        if engine.transaction.phase != machine.IDLE or result.outcome == "committed":
            return
        self.engine = None
        failure = engine.failure or ClientSilent("the client went away before it committed")
        if result.outcome != "rolled-back":
            raise failure
        raise rolled_back(engine, failure, self.root.client, self.traffic.unreached, self.traffic.gaps)

    def _close(self) -> None:
        self.engine = None
        self._held.close()

    def _state(self, project: str, name: str) -> state.State:
        folder = self.root.service(project, name)
        return state.read(folder)._replace(running=slots.live(folder))

    def status(self, request: Request) -> Record:
        """Say what is live; recovers first when no other session works on the target."""
        # Looking makes no folders where nothing was ever deployed.
        if not self.root.path.is_dir() or not self.root.own.is_dir():
            return {"live": {}, "recovered": [], "busy": False, "floors": {}}
        if self.root.bound:
            self.root.prepare()
        self.root.check()
        # Tried and not waited for: whoever has the lock recovers first, and `status` must answer.
        descriptors = lock.acquire(self.root.locks)
        recovered = aside(self._recovered, ASIDE, lambda: lock.release(descriptors)) if descriptors else None
        live = admission.with_minimums(self.view.live(), self.root, self.trust)
        shown: Record = {"live": live, "stopped": self.view.stopped(), "floors": self.view.floors()}
        shown.update(recovered=recovered or [], busy=recovered is None)
        return {**shown, **self.root.notes(), **self.view.details(request)}

    def _recovered(self) -> list[str]:
        done, failed = self.recovery()
        return done + [f"not recovered: {each.error.name}: {each.error.what}" for each in failed]

    @contextlib.contextmanager
    def alone(self, wait: float) -> Iterator[None]:
        """Hold the target's lock for the block."""
        self.take_lock(wait)
        try:
            yield
        finally:
            self._held.close()
