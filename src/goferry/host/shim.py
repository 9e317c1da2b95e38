"""What the supervisor starts in a slot: it becomes the service's binary, or ends without it and says why.

    python -I -S shim.py PROJECT/SERVICE SLOT     under supervisord, in ROOT/.goferry
    goferry-host shim SLOT                        under systemd, which opens the slot's file as standard input

It reads `slots/SLOT.json`, checks the binary's SHA-256, moves the listening socket from descriptor 0 to 3, sets the
socket-activation environment (sd_listen_fds(3)) and executes the binary from the descriptor that it hashed. A candidate
is started once: a second start of the same attempt ends with 77, which the supervisor does not repeat. A committed
version that dies, or that can't be started at the moment, is started again for ever, with growing pauses; the socket
stays open in the pause.

Under systemd the socket is descriptor 3 already, the process is not root, and its attempts are noted by root before it
is started (`note_turn`), beside the leave: the unit has no place of its own in /run, which it could fill. systemd
starts both slots at boot, a candidate only by the agent's leave. This file is copied to the embedded target's folder,
so it imports the standard library alone.
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
from collections.abc import Mapping
from typing import Any

REFUSED, FAILED, BARRED = 77, 1, 78
LEAVE = "GOFERRY_LEAVE"
"""As in kernel.hostfile; a unit that has none was provisioned before there was one."""
SECONDS, ROOM = 2.0, 65536
"""What one question to the service may take as a whole: seconds, and bytes of its answer."""


def main() -> int:
    """Become the service."""
    base, number = os.path.abspath(os.path.join("..", sys.argv[1])), sys.argv[2]
    slot: dict[str, Any] = {}
    try:
        with open(os.path.join(base, "slots", number + ".json")) as file:
            slot = described(file.read())
        wait_turn(os.path.join(base, "slots", number + ".run"), slot)
        why = below_minimum(slot, "trust")
        if why:
            say(f"not started: {why}")
            return REFUSED
        environ = environment(base, slot)
        descriptor = checked(os.path.join(base, "store", slot["sha256"]), slot["sha256"])
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        say(f"{now}: {slot.get('service')} {slot.get('version')} starts")  # its log has no other times
        if slot["mode"] == "socket":
            control = hand_over(slot, environ)
            if slot["guarded"]:
                accept_when_ready(control, slot["health"])
        environ.setdefault("STATE_DIRECTORY", os.path.join(base, "data"))  # as systemd.exec(5) names it
        become(descriptor, slot, environ, os.path.join(base, "data"))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return failed(slot, error)
    return FAILED


def described(text: str) -> dict[str, Any]:
    """Return what a slot's file says.

    Raises:
        ValueError: when it is not a description of a slot.
    """
    slot = json.loads(text)
    if not isinstance(slot, dict) or type(slot.get("guarded")) is not bool:
        raise ValueError("the slot's file is damaged")
    return slot


def failed(slot: dict[str, Any], error: Exception) -> int:
    """Say why the slot can't be started; return the exit code, which makes a candidate's end final."""
    say(f"cannot start: {error}")
    if not slot:
        time.sleep(1)  # nothing could be noted, so nothing else makes a pause
    return REFUSED if slot.get("guarded") is False else FAILED


STORE = "/var/lib/goferry/{}/{}/store"
KEPT = frozenset(
    [
        "PATH",
        "LANG",
        "TZ",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "STATE_DIRECTORY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "CREDENTIALS_DIRECTORY",
    ]
)
SOCKETS = frozenset(["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"])
PORT, TURN, NEVER = "GOFERRY_PORT", "GOFERRY_TURN", "never"
OWN = frozenset(["RUNTIME_DIRECTORY", "SYSTEMD_EXEC_PID", LEAVE, PORT, TURN])
"""What systemd puts into the environment: KEPT stays, OWN is the shim's; the rest is the environment file's."""


TRUST = ("/etc/goferry/trust/{}.trust", "/etc/goferry/goferry.trust")
"""Where a provisioned host's trust file lies: the project's own, else the one that is everybody's."""


def may_start() -> int:
    """Return 0 when the slot on standard input may start, BARRED when its release is below the trust file's minimum.

    systemd asks it as root before each start (`ExecCondition=+`), also after a crash and at boot, since the unit itself
    sees no trust file. A slot that can't be read is for the shim to refuse.
    """
    try:
        slot = json.loads(b"".join(iter(lambda: os.read(0, 1 << 16), b"")))
        why = below_minimum(slot, trust_of(slot["project"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    if why:
        say(f"not started: {why}")
    return BARRED if why else 0


def trust_of(project: str) -> str:
    """Return the path of the trust file that holds for a project of a provisioned host."""
    own, common = TRUST[0].format(project), TRUST[1]
    return own if os.path.exists(own) else common


def below_minimum(slot: Mapping[str, Any], trust: str) -> str:
    """Return why the trust file lets a slot's release never be started again, or an empty text.

    One that is not there, or can't be read, ends nothing that serves: it is the agent's to complain.
    """
    try:
        with open(trust) as file:
            minimum = json.load(file)["projects"][slot["project"]]["minimum"]
        barred = slot["sequence"] < minimum
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"sequence {slot['sequence']} is below the minimum {minimum} of the trust file" if barred else ""


def unit() -> int:
    """Become the service that systemd starts; the slot's description is standard input."""
    slot: dict[str, Any] = {}
    try:
        slot = described(b"".join(iter(lambda: os.read(0, 1 << 16), b"")).decode())
        refuse_without_leave(slot, os.environ)
        wait_noted(slot, os.environ)
        if os.environ.get(PORT) and slot["mode"] == "plain":
            slot = placed(slot, int(os.environ[PORT]))
        descriptor = checked(
            os.path.join(STORE.format(slot["project"], slot["service"]), slot["sha256"]), slot["sha256"]
        )
        become(descriptor, slot, unit_environment(slot, os.environ), os.environ["STATE_DIRECTORY"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return failed(slot, error)
    return FAILED


def refuse_without_leave(slot: dict[str, Any], given: Mapping[str, str]) -> None:
    """Raise ValueError when a candidate is started by the boot instead of by the agent."""
    if not slot["guarded"] and given.get(LEAVE, slot["attempt"]) != slot["attempt"]:
        raise ValueError("this version was not committed before the host was switched off")


def placed(slot: dict[str, Any], port: int) -> dict[str, Any]:
    """Return the slot with another port in place of the one that it was described with; pure."""
    now = f"127.0.0.1:{port}"
    if "template" in slot:
        words = {"host": "127.0.0.1", "port": port, "address": now, "url": "http://" + now}
        env = {**slot["env"], **{name: text % words for name, text in slot["template"]["env"].items()}}
        return {**slot, "env": env, "args": [text % words for text in slot["template"]["args"]], "listen": port}
    before = f"127.0.0.1:{slot['listen']}"  # a slot that an older agent filled
    env = {name: now if value == before else value for name, value in slot["env"].items()}
    args = [now if word == before else word for word in slot["args"]]
    return {**slot, "env": env, "args": args, "listen": port}


def unit_environment(slot: dict[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the service's environment: systemd's, then what the release declares, then the environment file's."""
    kept = KEPT - SOCKETS if slot.get("mode") == "plain" else KEPT  # its unit may have one for the version before
    environ = {key: value for key, value in given.items() if key in kept}
    environ.update(slot["env"])
    environ.update({key: value for key, value in given.items() if key not in KEPT | OWN})
    return environ


def become(descriptor: int, slot: dict[str, Any], environ: dict[str, str], folder: str) -> None:
    """Execute the checked binary with nothing on standard input."""
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0, inheritable=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a service's secrets are in its memory
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored is inherited
    os.execve(descriptor, [slot["program"], *slot["args"]], environ)  # noqa: S606  becoming the service is the point


def say(text: str) -> None:
    """Write one line to the slot's log."""
    sys.stderr.write(f"goferry: {text}\n")
    sys.stderr.flush()


def wait_turn(path: str, slot: dict[str, Any]) -> None:
    """Note this start, and wait when the one before was only a moment ago."""
    wait(note_start(path, slot))


def wait(pause: float) -> None:
    """Wait before a start that follows on another."""
    if pause:
        say(f"the process ended; starting it again in {pause:.1f} s")
        time.sleep(pause)


def wait_noted(slot: dict[str, Any], given: Mapping[str, str]) -> None:
    """Wait as `note_turn` noted before this start; a unit that an older Goferry wrote notes it by itself.

    Raises ValueError when a candidate would be started a second time.
    """
    if TURN in given:
        if given[TURN] == NEVER:
            raise ValueError(SECOND)
        wait(float(given[TURN]))
    elif "RUNTIME_DIRECTORY" in given:
        wait_turn(os.path.join(given["RUNTIME_DIRECTORY"], "start"), slot)


def note_turn(path: str) -> None:
    """Note the start of the slot on standard input, as a file of variables (systemd.exec(5)) that its unit is given.

    Where that can't be done the unit starts without a pause: whatever is wrong there, it must not keep a service down.
    """
    before: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        before = json.loads(file.read().partition("\n# ")[2])
    try:
        slot = described(b"".join(iter(lambda: os.read(0, 1 << 16), b"")).decode())
        record, pause = following(before, slot, time.time())
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path + ".new", "w") as file:
            file.write(f"{TURN}={NEVER if pause is None else pause}\n# {json.dumps(record)}\n")
        os.replace(path + ".new", path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"this start is not noted: {error}")
        with contextlib.suppress(OSError):
            os.unlink(path)


SECOND = "this version ended before it was committed; it is not started again"


def following(before: Mapping[str, Any], slot: Mapping[str, Any], now: float) -> tuple[dict[str, Any], float | None]:
    """Return the note of a start and how many seconds it waits first, None: never; pure.

    before: the note of the last start, empty when there was none. A candidate is started once.
    """
    again = before.get("attempt") == slot["attempt"]
    count = before.get("count", 0) + 1 if again and 0 <= now - before.get("at", 0) < 30 else 0
    record = {"attempt": slot["attempt"], "count": count, "at": now}
    if again and not slot["guarded"]:
        return record, None
    return record, min(10.0, 0.1 * 2 ** min(count - 1, 7)) if count > 1 else 0


def note_start(path: str, slot: dict[str, Any]) -> float:
    """Record this process beside the slot and return how long to wait before it becomes the service, in seconds.

    Raises ValueError when a candidate would be started a second time.
    """
    before: dict[str, Any] = {}
    try:
        with open(path) as file:
            before = json.load(file)
    except (OSError, ValueError):
        pass
    record, pause = following(before, slot, time.time())
    if pause is None:
        raise ValueError(SECOND)
    boot = 0
    with contextlib.suppress(FileNotFoundError), open("/proc/sys/kernel/random/boot_id") as file:
        boot = int(file.read().replace("-", "")[:12], 16)  # a hardened unit does not see it, and needs it not
    record.update(pid=os.getpid(), boot=boot)
    record["started"] = started(os.getpid())
    with open(path + ".new", "w") as file:
        json.dump(record, file)
    os.replace(path + ".new", path)
    return pause


def environment(base: str, slot: dict[str, Any]) -> dict[str, str]:
    """Return the service's whole environment: the slot's, then the environment file's lines."""
    environ: dict[str, str] = dict(slot["env"])
    if slot["env_file"]:
        with open(os.path.join(base, "..", "..", slot["env_file"])) as file:
            for line in file:
                key, equals, value = line.strip().partition("=")
                if equals and key and not key.startswith("#"):
                    environ[key] = (
                        value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
                    )
    return environ


def checked(path: str, sha256: str) -> int:
    """Open the binary and return its descriptor when its bytes are the released ones."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 10)  # clear of 3, where the socket belongs
    os.close(opened)
    digest = hashlib.sha256()
    for block in iter(lambda: os.read(descriptor, 1 << 20), b""):
        digest.update(block)
    if digest.hexdigest() != sha256:
        raise ValueError(f"the stored binary was changed: {sha256[:12]} has SHA-256 {digest.hexdigest()[:12]}")
    return descriptor


def hand_over(slot: dict[str, Any], environ: dict[str, str]) -> str:
    """Move the listening socket to descriptor 3, say so in the environment, and return the control socket's path."""
    folder = os.open("run", os.O_RDONLY | os.O_DIRECTORY)
    control = os.path.join(os.path.abspath("run"), slot["control"])
    if len(os.fsencode(control)) > 100:
        os.dup2(folder, 9, inheritable=True)
        control = "/proc/self/fd/9/" + slot["control"]
    os.dup2(0, 3, inheritable=True)
    environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), GOFERRY_CONTROL=control)
    return control


def accept_when_ready(control: str, health: str) -> None:
    """Leave a process behind that tells a committed version, started again, to accept once it is healthy."""
    me = os.getpid()
    since = started(me)
    if os.fork():
        os.wait()
        return
    if not os.fork():
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
