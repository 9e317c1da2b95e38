"""What the supervisor starts in a slot: it becomes the service's binary, or ends without it and says why.

    python -I -S shim.py PROJECT/SERVICE SLOT     in ROOT/.goferry

It reads `slots/SLOT.json`, checks the binary's SHA-256, moves the listening socket from descriptor 0 to 3, sets the
socket-activation environment (sd_listen_fds(3)) and executes the binary from the descriptor that it hashed. A candidate
is started once: a second start of the same attempt ends with 77, which the supervisor does not repeat. A committed
version that dies, or that can't be started at the moment, is started again forever, with growing pauses; the socket
stays open in the pause. What systemd starts on a provisioned host (host.unit) does most of it with these functions.

This file is copied to the embedded target's folder, so it imports the standard library alone, and the description of a
slot is defined here; nor does it load `dataclasses`, which would be a third of its start.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

REFUSED, FAILED = 77, 1
SHARES = "socket"
"""The mode of a service that takes its listening socket from the slot; as kernel.services.SOCKET names it."""
NEEDED = ("mode", "sha256", "program", "args", "env", "attempt")
"""What a slot can't be started without."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
SECONDS, ROOM = 2.0, 65536
"""What one question to the service may take as a whole: seconds, and bytes of its answer."""


class Template(NamedTuple):
    """The arguments and variables that say where to listen, for Python's `%` (`placed`)."""

    args: Sequence[str] = ()
    env: Mapping[str, str] = NOTHING

    def record(self) -> dict[str, object]:
        """Return what the file holds; JSON types."""
        return {"args": list(self.args), "env": dict(self.env)}


class Slot(NamedTuple):
    """What `slots/N.json` says: everything that a start needs.

    Attributes:
        slot: its number. mode: its kind of service. group: the supervisor's.
        port: the public one. listen: the one that the process is given.
        program: the name that it is started under. control: its control socket's file name.
        ready_ms, bake_ms, drain_ms: how long it may take to become ready, is watched, and may take to end.
        guarded: committed, so it is started again when it ends. attempt: names one start of a version in the slot.
        template: None for a service that is told no address, and in a slot that an older agent filled.
        rest: what a newer agent wrote and this one does not know; it stays in the file.
    """

    schema: int = 1
    project: str = ""
    service: str = ""
    slot: int = 0
    mode: str = ""
    group: str = ""
    port: int = 0
    listen: int = 0
    sequence: int = 0
    version: str = ""
    sha256: str = ""
    program: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = NOTHING
    env_file: str = ""
    health: str = ""
    control: str = ""
    ready_ms: int = 0
    bake_ms: int = 0
    drain_ms: int = 0
    guarded: bool = False
    attempt: str = ""
    template: Template | None = None
    rest: Mapping[str, Any] = NOTHING

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Slot:
        """Read it; what an older agent did not write has its default.

        Raises ValueError or TypeError when it describes no slot.
        """
        if not isinstance(record, dict) or not record:
            raise ValueError("the slot's file is damaged")
        known = {name: value for name, value in record.items() if name in cls._fields and name != "rest"}
        rest = {name: value for name, value in record.items() if name not in known}
        if "template" in known:
            known["template"] = Template(**known["template"])
        return cls(**known, rest=rest)

    def record(self) -> dict[str, object]:
        """Return what the file holds; JSON types."""
        template = {} if self.template is None else {"template": self.template.record()}
        own = dict(zip(self._fields[:-2], self[:-2]))  # all but the template and the rest
        return {**own, "args": list(self.args), "env": dict(self.env), **template, **self.rest}

    @property
    def shares(self) -> bool:
        """Whether it takes its listening socket from the slot."""
        return self.mode == SHARES


def main() -> int:
    """Become the service."""
    base, number = os.path.abspath(os.path.join("..", sys.argv[1])), sys.argv[2]
    slot: Slot | None = None
    try:
        with open(os.path.join(base, "slots", number + ".json")) as file:
            slot = described(file.read())
        wait_turn(os.path.join(base, "slots", number + ".run"), slot)
        why = below_minimum(slot, "trust")
        if why:
            say(f"not started: {why}")
            return REFUSED
        environ = environment(base, slot)
        descriptor = checked(os.path.join(base, "store", slot.sha256), slot.sha256)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        say(f"{now}: {slot.service} {slot.version} starts")  # its log has no other times
        if slot.shares:
            control = hand_over(slot, environ)
            if slot.guarded:
                accept_when_ready(control, slot.health)
        environ.setdefault("STATE_DIRECTORY", os.path.join(base, "data"))  # as systemd.exec(5) names it
        become(descriptor, slot, environ, os.path.join(base, "data"))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return failed(slot, error)
    return FAILED


def described(text: str) -> Slot:
    """Return what a slot's file says.

    Raises:
        ValueError, KeyError: when it is not a description of a slot.
    """
    record = json.loads(text)
    # What decides between one start and starts forever is read from no damaged value.
    if not isinstance(record, dict) or type(record.get("guarded")) is not bool:
        raise ValueError("the slot's file is damaged")
    for name in NEEDED:
        record[name]
    return Slot.of(record)


def failed(slot: Slot | None, error: Exception) -> int:
    """Say why the slot can't be started; return the exit code, which makes a candidate's end final."""
    say(f"cannot start: {error}")
    if slot is None:
        time.sleep(1)  # nothing could be noted, so nothing else makes a pause
    return FAILED if slot is None or slot.guarded else REFUSED


def below_minimum(slot: Slot, trust: str) -> str:
    """Return why the trust file lets a slot's release never be started again, or an empty text.

    One that is not there, or can't be read, ends nothing that serves: it is the agent's to complain.
    """
    try:
        with open(trust) as file:
            minimum = json.load(file)["projects"][slot.project]["minimum"]
        barred = slot.sequence < minimum
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"sequence {slot.sequence} is below the minimum {minimum} of the trust file" if barred else ""


def placed(slot: Slot, port: int) -> Slot:
    """Return the slot with another port in place of the one that it was described with; pure."""
    now = f"127.0.0.1:{port}"
    if slot.template is not None:
        words = {"host": "127.0.0.1", "port": port, "address": now, "url": "http://" + now}
        env = {**slot.env, **{name: text % words for name, text in slot.template.env.items()}}
        return slot._replace(env=env, args=[text % words for text in slot.template.args], listen=port)
    before = f"127.0.0.1:{slot.listen}"  # a slot that an older agent filled
    env = {name: now if value == before else value for name, value in slot.env.items()}
    return slot._replace(env=env, args=[now if word == before else word for word in slot.args], listen=port)


def become(descriptor: int, slot: Slot, environ: dict[str, str], folder: str) -> None:
    """Execute the checked binary with nothing on standard input."""
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0, inheritable=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a service's secrets are in its memory
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored is inherited
    # By its descriptor: at its name there may be other bytes by now than those that were hashed.
    os.execve(descriptor, [slot.program, *slot.args], environ)  # noqa: S606  becoming the service is the point


def say(text: str) -> None:
    """Write one line to the slot's log."""
    sys.stderr.write(f"goferry: {text}\n")
    sys.stderr.flush()


def wait_turn(path: str, slot: Slot) -> None:
    """Note this start, and wait when the one before was only a moment ago."""
    wait(note_start(path, slot))


def wait(pause: float) -> None:
    """Wait before a start that follows on another."""
    if pause:
        say(f"the process ended; starting it again in {pause:.1f} s")
        time.sleep(pause)


SECOND = "this version ended before it was committed; it is not started again"


class Start(NamedTuple):
    """The note of a slot's last start.

    Attributes:
        attempt: the slot's then. at: when, in seconds since the epoch.
        row: how many followed on one another; `count` in the file, which a tuple has of its own.
    """

    attempt: str = ""
    row: int = 0
    at: float = 0

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Start:
        """Read it from a file's JSON."""
        known: dict[str, Any] = dict(record)
        return cls(known.get("attempt", ""), known.get("count", 0), known.get("at", 0))

    def record(self) -> dict[str, object]:
        """Return what a file holds of it; JSON types."""
        return {"attempt": self.attempt, "count": self.row, "at": self.at}


def following(before: Start, slot: Slot, now: float) -> tuple[Start, float | None]:
    """Return the note of a start and how many seconds it waits first, None: never; pure.

    before: the note of the last start, empty when there was none. A candidate is started once.
    """
    again = before.attempt == slot.attempt
    # A clock that was set back gives a negative time, and no start waits because of it.
    row = before.row + 1 if again and 0 <= now - before.at < 30 else 0
    noted = Start(slot.attempt, row, now)
    if again and not slot.guarded:
        return noted, None
    return noted, min(10.0, 0.1 * 2 ** min(row - 1, 7)) if row > 1 else 0


def note_start(path: str, slot: Slot) -> float:
    """Record this process beside the slot and return how long to wait before it becomes the service, in seconds.

    Raises ValueError when a candidate would be started a second time.
    """
    before = Start()
    try:
        with open(path) as file:
            before = Start.of(json.load(file))
    except (OSError, ValueError, TypeError):
        pass
    noted, pause = following(before, slot, time.time())
    if pause is None:
        raise ValueError(SECOND)
    boot = 0
    with contextlib.suppress(FileNotFoundError), open("/proc/sys/kernel/random/boot_id") as file:
        boot = int(file.read().replace("-", "")[:12], 16)  # a hardened unit does not see it, and needs it not
    record = {**noted.record(), "pid": os.getpid(), "boot": boot, "started": started(os.getpid())}
    with open(path + ".new", "w") as file:
        json.dump(record, file)
    os.replace(path + ".new", path)
    return pause


def environment(base: str, slot: Slot) -> dict[str, str]:
    """Return the service's whole environment: the slot's, then the environment file's lines."""
    environ: dict[str, str] = dict(slot.env)
    if slot.env_file:
        kept = os.path.join(base, "slots", f"{slot.slot}.env")  # host.slot_environment
        with open(kept if os.path.exists(kept) else os.path.join(base, "..", "..", slot.env_file)) as file:
            for line in file:
                key, equals, value = line.strip().partition("=")
                if equals and key and not key.startswith("#"):
                    environ[key] = (
                        value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
                    )
    return environ


def checked(path: str, sha256: str) -> int:
    """Open the binary and return its descriptor when its bytes are the released ones."""
    # The store has files alone: a link at that name was put there by somebody else.
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 10)  # clear of 3, where the socket belongs
    os.close(opened)
    digest = hashlib.sha256()
    for block in iter(lambda: os.read(descriptor, 1 << 20), b""):
        digest.update(block)
    if digest.hexdigest() != sha256:
        raise ValueError(f"the stored binary was changed: {sha256[:12]} has SHA-256 {digest.hexdigest()[:12]}")
    return descriptor


def hand_over(slot: Slot, environ: dict[str, str]) -> str:
    """Move the listening socket to descriptor 3, say so in the environment, and return the control socket's path."""
    folder = os.open("run", os.O_RDONLY | os.O_DIRECTORY)
    control = os.path.join(os.path.abspath("run"), slot.control)
    # A unix socket's name has 108 bytes at most (unix(7)); by a descriptor of its folder it is always short.
    if len(os.fsencode(control)) > 100:
        os.dup2(folder, 9, inheritable=True)
        control = "/proc/self/fd/9/" + slot.control
    os.dup2(0, 3, inheritable=True)
    # execve keeps the pid, so it is the service's too.
    environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), GOFERRY_CONTROL=control)
    return control


def accept_when_ready(control: str, health: str) -> None:
    """Leave a process behind that tells a committed version, started again, to accept once it is healthy."""
    me = os.getpid()
    since = started(me)
    # Twice, so that the helper is a child of init: the service gets none that it did not start.
    if os.fork():
        os.wait()
        return
    if not os.fork():
        # The log and the listening socket are let go; 9 stays, by which the control socket may be named.
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.closerange(3, 9)
        os.closerange(10, 256)
        pause = 0.02
        while started(me) == since:  # however long it takes to become healthy: nobody else tells it
            mine = b'"pid":%d,' % me in request(control, "GET " + health).replace(b" ", b"")
            if mine and b" 200 " in request(control, "POST /accept")[:16]:
                break
            time.sleep(pause)
            pause = min(1.0, pause * 1.1)
    os._exit(0)


def started(pid: int) -> int:
    """Return when a process started, in the kernel's ticks; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def request(path: str, line: str) -> bytes:
    """Return the answer of one HTTP request on a unix socket; empty when no whole one comes within SECONDS."""
    until, answer = time.monotonic() + SECONDS, b""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(SECONDS)
        connection.connect(path)
        head = line + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        while len(answer) < ROOM:
            connection.settimeout(max(0.001, until - time.monotonic()))  # each byte would begin a timeout anew
            part = connection.recv(ROOM)
            if not part:
                return answer
            answer += part
    except OSError:
        pass
    finally:
        connection.close()
    return b""


if __name__ == "__main__":
    sys.exit(main())
