"""Process control by systemd: a provisioned host. A slot is an instance of the service's unit and of its socket's.

Everything is asked of `systemctl` and `journalctl` with lists of words; the units are provisioning's (see
kernel.hostfile for their names), so nothing here writes one. A candidate is started once: its shim ends with 77 the
second time (`RestartPreventExitStatus=77`), and a candidate that was started again counts as ended before that.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, NamedTuple

from goferry.host import journal_page, listener, processes, slots, start_note
from goferry.host.journald import JournalEntry
from goferry.host.layout import ServiceFolder
from goferry.host.log_parts import LogPart, PageQuery, PartPage
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.kernel.errors import printable
from goferry.kernel.files import link_atomically, write_atomically
from goferry.kernel.hostfile import LEAVE
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import GuardFailed
from goferry.kernel.services import Shape

TENDED = ("active", "activating", "reloading")
"""States of a unit that runs, or that systemd starts again by itself."""
JOURNAL = (
    "journalctl",
    "--no-pager",
    "--quiet",
    "--all",
    "--output=json",
    "--output-fields=MESSAGE,_SYSTEMD_INVOCATION_ID,_SYSTEMD_UNIT",
)
SECONDS, ENTRY = 2.0, 1 << 20
"""What reading the journal once may take: seconds, and bytes of an entry."""
_INVOCATION = re.compile("[0-9a-f]{32}")
PATIENCE = 5.0
"""Seconds that a unit has to be gone after SIGKILL."""
QUICK = 2.0
"""Seconds for a process that got no port, and so no request, to end."""
ORDER, LIMITS = 10.0, {"show": 2.0, "is-active": 2.0, "stop --no-block": 3.0, "kill": 3.0, "journalctl": 1.0}
"""Seconds that a call may take: an order that waits for its job, and what answers at once on a host that is well."""


TURNS = threading.BoundedSemaphore(8)
"""So many programs run at once; the agent's unit bounds its tasks."""


class CommandResult(NamedTuple):
    """What a program answered: its exit code, output and complaints."""

    code: int
    out: str
    err: str


class UnitState(NamedTuple):
    """What systemd says of a unit, by its own names (org.freedesktop.systemd1(5)); empty where it says nothing."""

    ActiveState: str = ""
    SubState: str = ""
    Result: str = ""
    MainPID: str = ""
    NRestarts: str = ""
    ExecMainStatus: str = ""
    InvocationID: str = ""

    @classmethod
    def of(cls, shown: str) -> UnitState:
        """Read it from `systemctl show`."""
        lines = (line.split("=", 1) for line in shown.splitlines() if "=" in line)
        return cls(**{name: value for name, value in lines if name in cls._fields})


def run(words: Sequence[str]) -> CommandResult:
    """Run systemctl or journalctl.

    Raises:
        GuardFailed: when it can't be run or hangs.
    """
    seconds = limit(words)
    since = time.monotonic()
    if not TURNS.acquire(timeout=seconds):
        raise _late(words, seconds)
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "SYSTEMD_COLORS": "0"},
            timeout=max(0.1, since + seconds - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _late(words, seconds) from error
    except OSError as error:
        raise GuardFailed(f"{words[0]}: {error}") from error
    finally:
        TURNS.release()
    return CommandResult(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def _late(words: Sequence[str], seconds: float) -> GuardFailed:
    return GuardFailed(
        f"{' '.join(words[:2])} did not answer within {seconds:g} s",
        advice=["look on the host:  systemctl list-jobs; uptime"],
    )


def limit(words: Sequence[str]) -> float:
    """Return the seconds that a call may take; it may be a part of a phase that has little more."""
    names = (words[0], " ".join(words[1:3]), words[1])
    return next((LIMITS[name] for name in names if name in LIMITS), ORDER)


def stream(words: Sequence[str]) -> Iterator[bytes]:
    """Yield the lines that a program writes, as they come; it is ended with the iteration, and after SECONDS."""
    environ = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
        )
    except OSError as error:
        raise GuardFailed(f"{words[0]}: {error}") from error
    assert process.stdout is not None
    # readline has no timeout: a reader whose journal hangs is freed by the end of the program.
    limit = threading.Timer(SECONDS, process.kill)
    limit.daemon = True
    limit.start()
    try:
        yield from iter(partial(process.stdout.readline, ENTRY), b"")
    finally:
        limit.cancel()
        process.kill()
        process.stdout.close()
        process.wait()


class Systemd:
    """The system's systemd as a `driver.Driver`."""

    environ: Mapping[str, str] = {}
    """The unit's surroundings are systemd's; the agent adds nothing."""

    def __init__(
        self,
        run: Callable[[Sequence[str]], CommandResult] = run,
        stream: Callable[[Sequence[str]], Iterable[bytes]] = stream,
        put: Callable[[str, bytes], None] = write_atomically,
    ) -> None:
        """`run` runs a program, `stream` yields what one writes, `put` writes a file of /run; others in tests."""
        self._run, self._stream, self._put = run, stream, put
        self._synced = False

    def _systemctl(self, *words: str) -> str:
        result = self._run(["systemctl", *words])
        if result.code:
            raise GuardFailed(
                f"systemctl {' '.join(words)}: {printable(result.err.strip(), 500) or f'exit code {result.code}'}",
                advice=[f"look:  systemctl status {words[-1]}"],
            )
        return result.out

    def show(self, unit: str) -> UnitState:
        """Return what systemd says of a unit."""
        return UnitState.of(self._systemctl("show", "--property=" + ",".join(UnitState._fields), "--", unit))

    def listen(self, folder: ServiceFolder, change: Change) -> int:
        """Return the first of the slot's own ports, or 0 for a service that gets its socket.

        Which one it is given is drawn when it starts, and its shim puts it in place of this one.
        """
        return folder.place.first_port(change.slot)

    def port(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return the port that the slot's last start was given."""
        return self._note(folder, slot).port or slot.listen

    def _note(self, folder: ServiceFolder, slot: Slot) -> start_note.Note:
        return start_note.read(folder.place.port_note(slot.slot))

    def taken_port(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return a port of the slot's last starts that a socket of another unit listens on, else 0."""
        if not _kind(folder, slot).ports:
            return 0
        start = self._note(folder, slot)
        unit = listener.Unit(start.group)
        with contextlib.closing(listener.Kernel()) as kernel:
            found = [kernel.listener(port) for port in (start.port, *start.before) if port]
        return next((each.port for each in found if each and not unit.owns(each)), 0)

    def move_port(self, folder: ServiceFolder, slot: Slot) -> Slot:
        """End the process and leave its way in; the next start draws another port."""
        self._end(folder.place.unit(slot.slot), time.monotonic() + QUICK)
        return slot

    def adopt(self, folder: ServiceFolder, slot: Slot) -> None:
        """Lead the traffic of a plain service past the systemd-socket-proxyd that an older Goferry put before it.

        The new way in is opened beside the old one and the link renamed; what is passed on by the old one still ends
        there, and it goes when it is idle, or with its slot.
        """
        number, place = slot.slot, folder.place
        former = replace(place, former=True)
        if slot.mode != place.mode or os.readlink(str(folder.live)) == place.socket_path(number):
            return
        running = self.running(folder, number)
        if running and not self._note(folder, slot).port:
            # The older units noted nothing, and host.forward passes on to the unit that is noted alone.
            start = start_note.Note(slot.listen, listener.group_of(str(running.pid)))
            start_note.write(place.port_note(number), start)
        self._systemctl("start", "--", place.socket_unit(number))
        link_atomically(folder.live, place.socket_path(number))
        deadline = time.monotonic() + PATIENCE
        while processes.in_use(former.socket_path(number)):
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        self._systemctl("stop", "--", former.socket_unit(number), former.door_unit(number))

    def arm(self, folder: ServiceFolder, slot: Slot) -> None:
        """Nothing is to be made ready."""

    def start(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start the slot's socket, then its service; one that fails at once is for `ended` to tell.

        The note of the attempt lies beside the socket. It is the leave that a candidate needs, and ends with the power:
        at boot systemd starts both slots, and a candidate that nobody committed must not be among them.
        """
        number = slot.slot
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder.place.port_note(number))  # it speaks of this start, and of what systemd makes of it
        before = self.show(folder.place.unit(number)).InvocationID
        slots.note_start(folder, slot, slots.Begin(since=time.time_ns() // 1000, before=before))
        # The socket first: with it systemd makes the folder in which the leave lies.
        self._systemctl("start", "--", folder.place.socket_unit(number))
        self._put(folder.place.leave(number), f"{LEAVE}={slot.attempt}\n".encode())
        result = self._run(["systemctl", "start", "--", folder.place.unit(number)])
        if result.code and self.show(folder.place.unit(number)).ActiveState != "failed":
            raise GuardFailed(f"{folder.place.unit(number)}: {printable(result.err.strip(), 500)}")

    def stop(self, folder: ServiceFolder, slot: Slot, grace: float) -> None:
        """End the service (SIGTERM, SIGKILL after `grace`), then its socket and what that triggered."""
        number, place = slot.slot, folder.place
        deadline = time.monotonic() + grace
        port = self.port(folder, slot) if _kind(folder, slot).ports else 0
        # Two seconds of the time are left for the process itself.
        while port and processes.connections(port) and time.monotonic() < deadline - 2:
            time.sleep(0.05)  # a plain service ends at once on SIGTERM: let its last answers go first
        self._end(place.unit(number), deadline)
        places = [place.serving(mode) for mode in place.kinds]  # the slot may have listened in the other one
        units = [unit for each in places for unit in (each.socket_unit(number), each.door_unit(number))]
        self._systemctl("stop", "--", *units)
        # Sets NRestarts to 0 as well, by which `ended` knows a candidate that was started again.
        self._run(["systemctl", "reset-failed", "--", place.unit(number)])

    def _end(self, unit: str, deadline: float) -> None:
        # Without waiting: systemctl would have the patience of the unit, and here that of the version counts.
        self._systemctl("stop", "--no-block", "--", unit)
        if not self._gone(unit, deadline):
            self._run(["systemctl", "kill", "--signal=SIGKILL", "--", unit])
            if not self._gone(unit, time.monotonic() + PATIENCE):
                raise GuardFailed(f"{unit} does not end")

    def _gone(self, unit: str, deadline: float) -> bool:
        while time.monotonic() < deadline:
            with contextlib.suppress(GuardFailed):  # systemd that reloads its units may be late
                if self.show(unit).ActiveState in ("inactive", "failed"):
                    return True
            time.sleep(0.02)
        return False

    def ended(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return what systemd says of a process that ended, or was started again without being committed."""
        shown = self.show(folder.place.unit(slot.slot))
        state = shown.ActiveState
        # A unit in its pause before the next start is `activating` too, and has no process.
        runs = state == "active" or (state == "activating" and shown.SubState != "auto-restart")
        again = int(shown.NRestarts or 0)
        if runs and (slot.guarded or not again):
            return ""
        return f"started {again + 1} times" if again else f"{shown.Result}, status {shown.ExecMainStatus}"

    def running(self, folder: ServiceFolder, number: int) -> Process:
        """Return the unit's main process."""
        pid = int(self.show(folder.place.unit(number)).MainPID or 0)
        return processes.identity(pid) if pid else Process()

    def runs(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Whether the unit is active and its socket too."""
        place = folder.place.serving(slot.mode)
        if self.ended(folder, slot) or self.show(place.socket_unit(slot.slot)).ActiveState != "active":
            return False
        return processes.same(self.running(folder, slot.slot))

    def revive(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Queue the start of the socket and the service, unless systemd tends to both.

        A service that runs without its socket was given one that is gone, so it is started anew.
        """
        unit, socket = folder.place.unit(slot.slot), folder.place.serving(slot.mode).socket_unit(slot.slot)
        listens, runs = (self.show(each).ActiveState in TENDED for each in (socket, unit))
        if listens and runs:
            return False
        self._systemctl("start", "--no-block", "--", socket)
        self._systemctl("restart" if runs else "start", "--no-block", "--", unit)
        return True

    def socket_path(self, folder: ServiceFolder, slot: Slot) -> Path | None:
        """Return the slot's socket."""
        return Path(folder.place.serving(slot.mode).socket_path(slot.slot))

    def tail(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the last lines that the slot's version wrote since it was started, each with its time."""
        return self._logged(folder, number, [f"--lines={max(1, lines)}"])[-max(1, lines) :]

    def head(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the first ones."""
        return self._logged(folder, number, [], max(1, lines))

    def _logged(self, folder: ServiceFolder, number: int, how_many: list[str], most: int = 1 << 20) -> list[str]:
        """Return what systemd's journal has of the slot's version.

        A unit's restarts have an invocation each, so what is asked for is the unit's lines since the agent started it,
        less what the invocation before may have left in the pipe.
        """
        matches = self._matches(folder, number)
        if not matches:
            return []
        with contextlib.suppress(GuardFailed):
            # What journald has not taken in yet would be missing; if it won't, the rest is still of use.
            self._run(["journalctl", "--sync"])
        before, found = slots.noted_start(folder, number).before, []
        for data in self._stream([*JOURNAL, *how_many, *matches]):
            entry = JournalEntry.of(data)
            if not before or entry.invocation != before:
                found += entry.lines()
            if len(found) >= most:
                break
        return found[:most]

    def _matches(self, folder: ServiceFolder, number: int) -> list[str]:
        """Return journalctl's words for the version that is in the slot; none when nothing is known of one."""
        unit = "_SYSTEMD_UNIT=" + folder.place.unit(number)
        since = slots.noted_start(folder, number).since
        if type(since) is int:
            seconds, micros = divmod(since, 1_000_000)
            return [f"--since=@{seconds}.{micros:06}", unit]
        invocation = self.show(folder.place.unit(number)).InvocationID
        return ["_SYSTEMD_INVOCATION_ID=" + invocation, unit] if _INVOCATION.fullmatch(invocation) else []

    def page(self, parts: Sequence[LogPart], query: PageQuery) -> PartPage:
        """Return a page of what versions wrote, from systemd's journal."""
        # Once a session: who follows a service that is quiet asks again and again for its first line.
        if not query.after and not self._synced:
            self._synced = True
            with contextlib.suppress(GuardFailed):
                self._run(["journalctl", "--sync"])
        units = [part.folder.place.unit(part.slot) for part in parts]
        older = {unit for part, unit in zip(parts, units) if part.begin.since is None}
        invocations = {unit: self.show(unit).InvocationID for unit in older}
        return journal_page.read(parts, units, invocations, query, lambda words: self._stream([*JOURNAL, *words]))

    def restarts(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return what systemd counts; a start by hand, and the next deploy, begin anew."""
        return int(self.show(folder.place.unit(slot.slot)).NRestarts or 0)

    def log(self, folder: ServiceFolder, number: int) -> str:
        """Return the command that shows the unit's journal."""
        since = slots.noted_start(folder, number).since
        words = f"journalctl --unit {folder.place.unit(number)}"
        return words + (f" --since=@{since // 1_000_000}" if type(since) is int else "")

    def tidy(self) -> None:
        """Units stay: they are provisioning's."""


def _kind(folder: ServiceFolder, slot: Slot) -> Shape:
    return folder.root.kind(slot.mode).shape
