"""The ports of plain services: which one a start draws, what a unit is denied, and who listens, as the kernel tells it."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from goferry.host import bindings, listener, ports, processes, shim, start_note, unit
from goferry.host.embedded import Embedded
from goferry.host.supervised import Supervised
from goferry.kernel.loopback_ports import RANGE, SPARE

SO_COOKIE = 57


@pytest.fixture
def listen():
    """`listen(address, family)` makes a listening socket."""
    with contextlib.ExitStack() as stack:

        def make(address=("127.0.0.1", 0), family=socket.AF_INET):
            one = stack.enter_context(socket.socket(family))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
            one.listen()
            return one

        yield make


def cookie(one):
    return one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8)


@pytest.fixture
def kernel():
    with contextlib.closing(listener.Kernel()) as made:
        yield made


def base():
    """Ten ports that nobody uses."""
    return next(first for first in range(40_000, 60_000, 10) if all(ports.free(first + n) for n in range(10)))


def test_each_slot_draws_from_its_own_half_and_never_what_it_had_just_before():
    first = base()
    for slot in (0, 1):
        drawn = {ports.draw(first + slot) for _ in range(60)}
        assert drawn == {first + slot + 2 * step for step in range(5)}
        assert ports.draw(first + slot, tuple(sorted(drawn)[:4])) == max(drawn)


def test_a_squatter_of_all_own_ports_keeps_nobody_from_starting(listen):
    first = base()
    for number in range(10):
        listen(("0.0.0.0" if number % 3 else "127.0.0.1", first + number))
    assert ports.draw(first) in SPARE
    assert ports.free(first) == 0


def test_where_every_port_of_the_range_is_taken_the_kernel_gives_one(listen, monkeypatch):
    first = base()
    for number in range(10):
        listen(("127.0.0.1", first + number))
    monkeypatch.setattr(ports, "SPARE", range(first, first + 10))
    monkeypatch.setattr(ports, "TRIES", 10)
    assert ports.draw(first) not in range(first, first + 10)


def test_a_note_says_what_was_drawn_and_its_unit_s_group(tmp_path):
    path = tmp_path / "run" / "port0"
    first = base()
    for _ in range(6):
        before = start_note.read(str(path))
        assert ports.main([str(path), str(first)]) == 0
        now = start_note.read(str(path))
        assert now.group == listener.group_of()
        assert now.before == tuple(port for port in (before.port, *before.before) if port)[: ports.REMEMBERED]
        assert now.port not in now.before
    assert path.read_text().splitlines()[0] == f"{unit.PORT}={now.port}"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["", "GOFERRY_PORT=", "GOFERRY_PORT=x\n# group /\n# before \n", "\0\n\n\n"])
def test_a_damaged_note_names_no_port(tmp_path, text):
    (tmp_path / "port0").write_text(text)
    assert start_note.read(str(tmp_path / "port0")) == start_note.Note()


def test_the_shim_puts_the_drawn_port_where_the_slot_has_its_first_one():
    slot = shim.Slot(
        listen=23000, args=["-a", "127.0.0.1:23000", "x127.0.0.1:23000"],
        env={"ADDR": "127.0.0.1:23000", "PEER": "127.0.0.1:230001"},
    )  # fmt: skip
    now = shim.placed(slot, 24567)
    assert now.args == ["-a", "127.0.0.1:24567", "x127.0.0.1:23000"]
    assert now.env == {"ADDR": "127.0.0.1:24567", "PEER": "127.0.0.1:230001"}
    assert unit.unit_environment(now, {unit.PORT: "24567"}) == now.env


def test_the_kernel_tells_which_socket_listens_and_whose_it_is(listen, kernel):
    assert kernel._diag is not None
    for one in (listen(), listen(("0.0.0.0", 0)), listen(("::", 0), socket.AF_INET6)):
        port = one.getsockname()[1]
        found = kernel.listener(port)
        assert (found.port, found.key, found.uid) == (port, cookie(one), os.getuid())
        (other,) = listener.in_table(port)
        assert (other.key, other.uid) == (str(os.fstat(one.fileno()).st_ino).encode(), os.getuid())
        with socket.create_connection(("127.0.0.1", port)):
            assert kernel.listener(port) == found  # not the connection in its queue
        one.close()
        assert kernel.listener(port) is None
        assert list(listener.in_table(port)) == []
        again = listen(("127.0.0.1", port))
        assert kernel.listener(port).key == cookie(again) != found.key


def test_what_listens_on_ipv6_alone_gets_no_connection_of_ipv4(kernel):
    one = socket.socket(socket.AF_INET6)
    with one:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(("::1", 0))
        one.listen()
        assert kernel.listener(one.getsockname()[1]) is None


LISTEN = """
import os, socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
os.setgid(54321)
os.setuid(54321)
one = socket.socket()
one.bind(("127.0.0.1", 0))
one.listen()
print(one.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def groups(missing):
    """Two control groups of version 2, and a way to start a listener in one: `listens(group) → port`."""
    root = next(
        (each for each in (listener.MOUNT, listener.MOUNT / "unified") if (each / "cgroup.procs").exists()), None
    )
    if os.geteuid() != 0 or root is None or not os.access(root, os.W_OK):
        missing("root and control groups of version 2")
    names = [f"goferry-test-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    processes = []

    def listens(name):
        argv = [sys.executable, "-I", "-c", LISTEN, str(root / name)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return int(process.stdout.readline())

    for name in names:
        (root / name).mkdir()
    yield names, listens
    for process in processes:
        process.communicate("")
    for name in names:
        (root / name).rmdir()


def test_a_unit_owns_what_was_made_in_its_group_and_not_what_its_user_made_elsewhere(groups, kernel):
    (mine, other), listens = groups
    first, second = kernel.listener(listens(mine)), kernel.listener(listens(other))
    assert (first.uid, second.uid) == (54321, 54321)
    assert listener.Unit("/" + mine).owns(first)
    assert not listener.Unit("/" + mine).owns(second)
    assert listener.Unit("/" + other).owns(second)
    assert not listener.Unit("/never-made").owns(first)
    for group in ("", "/", "/.."):
        assert not listener.Unit(group).owns(first)
    unknown = first._replace(cgroup=0)  # of a kernel that does not tell it: the user of the unit's processes counts
    assert listener.Unit("/" + mine).owns(unknown)
    assert not listener.Unit("/" + mine).owns(unknown._replace(uid=54322))
    assert not listener.Unit("/" + mine).owns(unknown._replace(uid=0))


def test_with_old_control_groups_the_user_counts_and_nobody_owns_an_empty_unit(tmp_path):
    folder = tmp_path / "systemd" / "system.slice" / "goferry-shop-web@0.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("")
    unit = listener.Unit("/system.slice/goferry-shop-web@0.service", tmp_path)
    found = listener.Listener(23000, b"1", 54321, 0)
    assert not unit.owns(found)
    assert not unit.owns(found._replace(uid=0))
    with subprocess.Popen(["sleep", "100"], **({"user": 54321} if os.geteuid() == 0 else {})) as process:
        (folder / "cgroup.procs").write_text(f"1\n{process.pid}\n999999999\n")
        uid = os.stat(f"/proc/{process.pid}").st_uid
        assert unit.owns(found._replace(uid=uid))
        assert not unit.owns(found._replace(uid=uid + 1))
        process.kill()


def run_program(code, port, kind):
    """What the kernel would answer; an interpreter of the instructions that are used."""
    given = {bindings.USER_PORT: int.from_bytes(struct.pack(">H", port), "little"), bindings.TYPE: kind}
    registers, place = {}, 0
    while True:
        operation, names, jump, value = struct.unpack_from("<BBhi", code, 8 * place)
        to = names & 15
        place += 1
        if operation == 0x61:
            registers[to] = given[jump]
        elif operation == 0xDC:
            registers[to] = int.from_bytes(registers[to].to_bytes(2, "little"), "big")
        elif operation == 0xB7:
            registers[to] = value
        elif operation == 0x95:
            return registers[0]
        else:
            one = registers[to]
            place += (
                jump if {0x55: one != value, 0xA5: one < value, 0x25: one > value, 0xB5: one <= value}[operation] else 0
            )


def test_only_streams_on_ports_of_others_are_denied():
    own = range(23_010, 23_020)
    for kept in (own, ()):
        code = bindings.program(list(kept))
        for port in (0, 1, 22_999, 23_000, 23_009, 23_010, 23_019, 23_020, 23_999, 24_000, 65_535):
            allowed = port not in RANGE or port in kept
            assert run_program(code, port, socket.SOCK_STREAM) == allowed
            assert run_program(code, port, socket.SOCK_DGRAM) == 1


BIND = """
import os, socket, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from goferry.host import bindings
folder = Path(sys.argv[1])
(folder / "cgroup.procs").write_text(str(os.getpid()))
for own in (range(23010, 23020), range(23020, 23030)):  # the second takes the place of the first
    bindings.attach(folder, bindings.program(list(own)))
os.setuid(54321)
def bound(port, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
    with socket.socket(family, kind, protocol) as one:
        try:
            one.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        except OSError as error:
            return error.strerror
        return "ok"
print(bound(23010), bound(23999), bound(23000, socket.AF_INET6), bound(23001, protocol=262), sep="|")
print(bound(23021), bound(0), bound(24000), bound(23010, kind=socket.SOCK_DGRAM), sep="|")
"""


def test_the_kernel_takes_the_denial_for_each_kind_of_stream(groups):
    (mine, _), _ = groups
    root = listener.unified("/" + mine)
    source = str(Path(bindings.__file__).parents[2])
    done = subprocess.run([sys.executable, "-I", "-c", BIND, root, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    denied, allowed = done.stdout.splitlines()
    assert set(denied.split("|")) <= {"Operation not permitted", "Protocol not supported"}
    assert denied.startswith("Operation not permitted|Operation not permitted|Operation not permitted")
    assert allowed == "ok|ok|ok|ok"


def test_the_embedded_target_tells_by_the_process_who_took_a_candidate_s_port(tmp_path, listen):
    """All may be one user's there: the listener must be the slot's own process."""
    root = Embedded(tmp_path / "root")
    root.prepare()
    folder, driver = root.service("shop", "web"), Supervised(root, {})
    folder.prepare()
    port = listen().getsockname()[1]
    address = f"127.0.0.1:{port}"
    slot = shim.Slot(slot=0, mode="plain", listen=port, port=8080, env={"ADDR": address}, drain_ms=1, group="g")
    with subprocess.Popen(["sleep", "100"]) as other:
        for pid, taken in ((other.pid, port), (os.getpid(), 0)):
            folder.run(0).write_text(json.dumps(processes.identity(pid)._asdict()))
            assert driver.taken_port(folder, slot) == taken
        folder.run(0).write_text(json.dumps(processes.identity(other.pid)._asdict()))
        assert driver.taken_port(folder, slot._replace(port=port)) == 0  # the public one can't be moved
        assert driver.taken_port(folder, slot._replace(mode="socket")) == 0
        moved = driver.move_port(folder, slot)
        assert other.wait(5) == -15
    assert moved.listen != port
    assert moved.env == {"ADDR": f"127.0.0.1:{moved.listen}"}
    assert driver.taken_port(folder, moved) == 0
