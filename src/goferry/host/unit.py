"""What systemd starts in a slot of a provisioned host, and what it asks and notes before, as root.

    goferry-host may-start     asked before each start: may the slot's release run?
    goferry-host shim SLOT     becomes the service, as host.shim does under supervisord

The slot's file is standard input. The socket is descriptor 3 already, the process is not root, and its attempts are
noted by root before it is started (`note_turn`), beside the leave: the unit has no place of its own in /run, which it
could fill. systemd starts both slots at boot, a candidate only by the agent's leave.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping

from goferry.host.shim import (
    FAILED,
    SECOND,
    Slot,
    Start,
    become,
    below_minimum,
    checked,
    described,
    failed,
    following,
    placed,
    say,
    wait,
    wait_turn,
)

BARRED = 78
"""How `may_start` ends for a release below the minimum; as in kernel.hostfile, which takes longer to load."""
LEAVE = "GOFERRY_LEAVE"
"""As in kernel.hostfile; a unit that has none was provisioned before there was one."""
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
        slot = Slot.of(json.loads(_given()))
        why = below_minimum(slot, trust_of(slot.project))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    if why:
        say(f"not started: {why}")
    return BARRED if why else 0


def trust_of(project: str) -> str:
    """Return the path of the trust file that holds for a project of a provisioned host."""
    own, common = TRUST[0].format(project), TRUST[1]
    return own if os.path.exists(own) else common


def unit(given: Mapping[str, str]) -> int:
    """Become the service that systemd starts; `given` is its environment, the slot's file standard input."""
    slot: Slot | None = None
    try:
        slot = described(_given())
        refuse_without_leave(slot, given)
        wait_noted(slot, given)
        if given.get(PORT) and not slot.shares:
            slot = placed(slot, int(given[PORT]))
        descriptor = checked(os.path.join(STORE.format(slot.project, slot.service), slot.sha256), slot.sha256)
        become(descriptor, slot, unit_environment(slot, given), given["STATE_DIRECTORY"])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        return failed(slot, error)
    return FAILED


def refuse_without_leave(slot: Slot, given: Mapping[str, str]) -> None:
    """Raise ValueError when a candidate is started by the boot instead of by the agent."""
    if not slot.guarded and given.get(LEAVE, slot.attempt) != slot.attempt:
        raise ValueError("this version was not committed before the host was switched off")


def unit_environment(slot: Slot, given: Mapping[str, str]) -> dict[str, str]:
    """Return the service's environment: systemd's, then what the release declares, then the environment file's."""
    kept = KEPT if slot.shares else KEPT - SOCKETS  # its unit may have one for the version before
    environ = {key: value for key, value in given.items() if key in kept}
    environ.update(slot.env)
    # Root's file has the last word over what a release declares.
    environ.update({key: value for key, value in given.items() if key not in KEPT | OWN})
    return environ


def wait_noted(slot: Slot, given: Mapping[str, str]) -> None:
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
    try:
        slot = described(_given())
        noted, pause = following(_noted(path), slot, time.time())
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path + ".new", "w") as file:
            file.write(f"{TURN}={NEVER if pause is None else pause}\n# {json.dumps(noted.record())}\n")
        os.replace(path + ".new", path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"this start is not noted: {error}")
        with contextlib.suppress(OSError):
            # The note of the start before would hold for this one: a pause that is not due, or `never`.
            os.unlink(path)


def _noted(path: str) -> Start:
    """Return the note of the start before; an empty one when there is none."""
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        return Start.of(json.loads(file.read().partition("\n# ")[2]))
    return Start()


def _given() -> str:
    """Return the slot's file, which is standard input."""
    return b"".join(iter(lambda: os.read(0, 1 << 16), b"")).decode()
