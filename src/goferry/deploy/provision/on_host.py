"""Runs on the host being provisioned, as root, with its Python alone: reports facts, or puts files in place.

It is sent over ssh with a JSON request behind it (`_order_on_host.HostOrder`) and prints one JSON object. `facts`,
`diff` and `check` change nothing. `apply` puts all files in place and runs the commands whose files changed; if
anything fails, what it had changed is brought back.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Callable

from goferry.deploy.provision._as_found_on_host import record_changes, record_packages
from goferry.deploy.provision._order_on_host import Command, HostEntry, HostOrder, Words
from goferry.deploy.provision._removal_on_host import end, finish, foreseen, kept, packages
from goferry.deploy.provision.changes_on_host import (
    ChangeFailure,
    Changes,
    check_call,
    due,
    note,
    pending_of_note,
    run,
    same,
    sweep,
    text,
    to_copy,
)
from goferry.kernel.fields import Fields

Answer = dict[str, object]
"""What is printed, JSON types."""
LOCK = "/run/goferry-provision.lock"
DEPLOYS = "/var/lib/goferry/.goferry/lock"
PATIENCE, SETTLE, QUESTION = 60.0, 5.0, 30.0
"""Seconds: for another provision or a deploy to end, for the proxy to reload, and for one question."""


def facts(order: HostOrder) -> Answer:
    """Return what the plan depends on, with what the commands of `asks` end with and the texts of the files of `reads`.

    Questions about the proxy and the guard are commands, which the client's class for each has sent.
    """
    return {
        "user": os.geteuid(),
        "system": os.uname().sysname,
        "python": list(sys.version_info[:3]),
        "release": text("/etc/os-release") or text("/usr/lib/os-release"),
        "selinux": {"0": "permissive", "1": "enforcing"}.get(text("/sys/fs/selinux/enforce").strip(), ""),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "control_groups": control_groups(),
        "ports": listening(),
        "host_file": text("/etc/goferry/host.json"),
        "live": live(),
        "left_file": text("/etc/goferry/left.json"),
        "packages": packages(),
        "trust": text("/etc/goferry/goferry.trust"),
        "trusts": sorted(os.path.basename(path)[:-6] for path in glob.glob("/etc/goferry/trust/*.trust")),
        "authorized_keys": text("/var/lib/goferry-login/.ssh/authorized_keys"),
        "host_keys": [
            line for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")) for line in [text(path).strip()]
        ],
        "said": [run(words, QUESTION) for words in order.asks],
        "texts": {path: text(path) for path in order.reads},
        "found": [path for path in order.finds if os.path.exists(path)],
    }


def control_groups(mount: str = "/sys/fs/cgroup") -> int:
    """Return the newest version of control groups that the host has, also beside the older one: 1 or 2."""
    return 2 if any(os.path.isfile(mount + place) for place in ("/cgroup.procs", "/unified/cgroup.procs")) else 1


def live() -> dict[str, str]:
    """Return the mode of each service's live version, by PROJECT/SERVICE."""
    found = {}
    for path in glob.glob("/var/lib/goferry/*/*/state.json"):
        with contextlib.suppress(ValueError, TypeError):  # nothing was ever live, or nobody can tell
            found["/".join(path.split("/")[4:6])] = Fields(json.loads(text(path)), path).fields("live").text("mode")
    return found


def listening() -> list[int]:
    """Return the TCP ports that are being listened on."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text(path).splitlines()[1:]:
            words = line.split()
            # TCP_LISTEN, from the kernel's include/net/tcp_states.h.
            if words[3] == "0A":
                found.add(int(words[1].rpartition(":")[2], 16))
    return sorted(found)


def apply(order: HostOrder) -> Answer:
    """Do the plan, all of it or nothing; return `{"changed": [path], "ran": [text], "unchanged": bool, "checks"}`.

    What changes is noted before it does, so that a run that is cut short is made whole by the next one: it finds the
    files right or wrong, and the pending commands in the note.
    """
    # First the lock among provisions: one that waits for its turn must not keep deploys from theirs.
    with alone(LOCK, "another provision"):
        changes = Changes()
        pending = pending_of_note(order.entries)
        # Not held for `afterwards`, whose commands take this lock themselves.
        with alone(DEPLOYS, "a deploy"):
            # Under the lock, since another provision may have written these files since the plan was made.
            refuse_changed(order)
            refuse_unread(order)
            sweep(order.entries)
            try:
                later = carry_out(order, changes, pending)
            except Exception as error:
                what = str(error) if isinstance(error, ChangeFailure) else f"{type(error).__name__}: {error}"
                # A second SIGTERM in the middle of the way back would leave the host neither old nor new.
                with deaf():
                    raise ChangeFailure(what, changes.bring_back()) from error
            changes.done()
            stays = finish(order.removal, changes.ran)
        if later:
            afterwards(later, changes)
    unchanged = not changes.changed and not changes.ran
    done = {"changed": changes.changed, "ran": changes.ran, "unchanged": unchanged}
    trials = [run(words, QUESTION)[0] for words in order.trials]
    stay = kept(order.removal.keeps)
    checks = settled_checks(order.check) if order.check else []
    return {**done, "trials": trials, "checks": checks, "stays": stays, "kept": stay}


def install(order: HostOrder) -> Answer:
    """Install packages, and note which that were; return `{"ran": [text]}`."""
    before = installed(order.listing)
    for words in order.install:
        check_call(words, 600)
    manager = order.install[0][0] if order.install else ""
    record_packages(manager, before, installed(order.listing))
    return {"ran": [" ".join(words) for words in order.install]}


def installed(listing: Words) -> list[str]:
    """Return the packages that a host has: of each line that begins with `ii`, what is behind a tab."""
    lines = run(listing, QUESTION, most=16 << 20)[1].splitlines() if listing else []
    return [line.partition("\t")[2] for line in lines if line.startswith("ii")]


def afterwards(commands: list[Command], changes: Changes) -> None:
    """Run the commands that take the locks of deploys; until they are done the note says that they are due."""
    for command in commands:
        try:
            check_call(command.run)
        except ChangeFailure as error:
            state = "The files and units are in place and were taken; the same command runs this step again."
            raise ChangeFailure(str(error), state) from error
        changes.ran.append(command.text)
    note([])


def carry_out(order: HostOrder, changes: Changes, pending: list[str]) -> list[Command]:
    """End what is to end, stage, swap, and run what is due; return the commands that are due afterwards."""
    end(order.removal, changes)
    for entry in differing(order.entries):
        changes.stage(entry)
    if not order.removal.leave:
        record_changes(changes)
    for each in order.copies:
        changes.copy(each)
    changes.swap(pending)
    later = [each for each in order.commands if each.after and due(each, changes.changed + pending)]
    for command in order.commands:
        if not command.after:
            changes.run_command(command, pending)
    if not order.removal.leave:
        record_changes(changes)
    if not later:
        note([])
    return later


def refuse_changed(order: HostOrder) -> None:
    """Refuse a plan whose files somebody changed since they were looked at: it would undo that."""
    for path, digest in order.seen.items():
        if hashlib.sha256(text(path).encode()).hexdigest() != digest:
            raise ChangeFailure(f"{path} was changed by somebody else meanwhile", "Nothing was changed.")


def refuse_unread(order: HostOrder) -> None:
    """Refuse a plan that would start services with a copy of a file of variables of which systemd reads nothing."""
    for each in order.copies:
        try:
            to_copy(each)
        except ChangeFailure as error:
            raise ChangeFailure(str(error), "Nothing was changed.") from None


@contextlib.contextmanager
def alone(path: str, who: str) -> Iterator[None]:
    """Hold a lock for the block; `who` says what else takes it. A host without deploys has no lock of deploys."""
    if path == DEPLOYS and not os.path.exists(path):
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await_lock(descriptor, who)
        # Who leaves the host removes the file, and then another one is the lock of those who come later.
        if os.path.lexists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            yield
            return
    finally:
        os.close(descriptor)
    with alone(path, who):
        yield


def await_lock(descriptor: int, who: str) -> None:
    """Take a lock, or give up after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    # flock(2) knows no time limit, so the lock is tried again and again.
    while not taken(descriptor):
        if time.monotonic() > deadline:
            raise ChangeFailure(f"{who} is going on", "Nothing was changed.")
        time.sleep(0.1)


def taken(descriptor: int) -> bool:
    """Take a lock if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def differing(entries: Sequence[HostEntry]) -> list[HostEntry]:
    """Return the files and folders that are not as they should be."""
    return [entry for entry in entries if not same(entry)]


def diff(order: HostOrder) -> Answer:
    """Return what apply would write and run."""
    changed = [entry.path for entry in differing(order.entries)]
    ran = [*foreseen(order.removal), *(each.text for each in order.commands if due(each, changed))]
    more = {"kept": kept(order.removal.keeps)} if order.removal.keeps else {}
    return {"changed": changed, "ran": ran, **more}


def check(order: HostOrder) -> Answer:
    """Return what differs, and the agent's own checks."""
    return {**diff(order), "checks": checks(order.check)}


def checks(words: Words) -> list[object]:
    """Return what the agent finds: `[{"name", "of", "ok", "what", "advice"}]`."""
    code, output = run(words, 60, most=16 << 20)  # several lines for each service of each project
    try:
        # Only the last line is the answer; standard error is in the same output.
        return Fields(json.loads(output.strip().splitlines()[-1]), "the answer").items("checks")
    except (ValueError, IndexError, TypeError):
        what = f"the host agent's checks ended with {code}: {output.strip()[-500:]}"
        return [{"name": "agent", "of": "", "ok": False, "what": what, "advice": []}]


def settled_checks(words: Words) -> list[object]:
    """Return the agent's checks, once the proxy has had a moment to load its files."""
    deadline = time.monotonic() + SETTLE
    found = checks(words)
    # A reload returns before nginx's new workers listen.
    while any(unreached(each) for each in found) and time.monotonic() < deadline:
        time.sleep(0.3)
        found = checks(words)
    return found


def unreached(check: object) -> bool:
    """Whether one of the agent's checks is that of a public address, and not well."""
    asked = Fields(check, "a check")
    return asked.value("name") == "public-address" and not asked.value("ok")


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Ignore SIGTERM for the block."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ended(*_: object) -> None:
    """Treat SIGTERM as a failure like any other: what was changed is brought back."""
    raise ChangeFailure("the run was ended by a signal")


def main() -> None:
    """Answer the one request."""
    order = HostOrder.of(json.loads(sys.stdin.buffer.read().decode()))
    # A connection that is cut must not stop the run: it goes on to its end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, ended)
    try:
        answer: Answer = DOES[order.do](order)
    except ChangeFailure as error:
        answer = {"error": str(error), "state": error.state}
    except (OSError, KeyError) as error:
        answer = {"error": f"{type(error).__name__}: {error}", "state": ""}
    sys.stdout.write(json.dumps(answer) + "\n")


DOES: dict[str, Callable[[HostOrder], Answer]] = {
    "facts": facts,
    "diff": diff,
    "check": check,
    "install": install,
    "apply": apply,
}
