"""What a deploy changes, from the release and the host's state; what a slot and supervisord are told."""

import struct

import pytest

from goferry.host import deploy_plan, executable, shim, slots, supervisor
from goferry.host.embedded import Embedded
from goferry.host.layout import BadName
from goferry.host.state import Live, State
from goferry.kernel.machine import Change
from goferry.kernel.manifest import File, Manifest
from goferry.kernel.outcomes import NothingToDeploy, WrongPlatform
from goferry.kernel.services import Declared

EMPTY = State()
PLATFORM = ("linux", "amd64")


def binary(program, goarch="amd64", variant="", sha="a"):
    return File(
        f"{program}_linux_{goarch}{variant}", 10, sha * 64, "binary", "linux", goarch, variant, {"program": program}
    )


def release(*files, sequence=5, **services):
    declared = services or {"api": {"binary": "api", "listen": {"socket": True}}}
    return Manifest(
        "shop", "m", "v5", "", sequence, "2026-01-01T00:00:00Z", tuple(files or [binary("api")]), services=declared
    )


def live(slot, sequence, sha="b", port=81, mode="socket"):
    return State(Live(slot, sequence, f"v{sequence}", sha * 64, mode, port), running=slot)


def deploy(made, states, wanted=()):
    return deploy_plan.deploy(made, states, wanted, PLATFORM, lambda: 9999)


def test_the_first_deploy_takes_slot_0_and_a_free_port():
    (change,) = deploy(release(), {"api": EMPTY})
    assert (change.slot, change.old_slot, change.port, change.old_version) == (0, -1, 9999, "")


def test_the_next_takes_the_other_slot_and_keeps_the_port():
    (change,) = deploy(release(), {"api": live(0, 4)})
    assert (change.slot, change.old_slot, change.port, change.old_version) == (1, 0, 81, "v4")


def test_a_service_that_is_named_twice_is_one_change():
    assert len(deploy(release(), {"api": live(0, 4)}, ["api", "api"])) == 1


def test_what_is_live_already_is_no_change():
    assert deploy(release(), {"api": live(1, 5, "a")}) == []


def test_after_down_the_same_release_is_a_change():
    (change,) = deploy(release(), {"api": live(1, 5, "a")._replace(running=-1)})
    assert (change.slot, change.old_slot) == (0, -1)


def test_a_service_that_begins_to_take_its_socket_gets_another_port():
    (change,) = deploy(release(), {"api": live(0, 4, mode="plain")})
    assert (change.mode, change.port) == ("socket", 9999)


def test_a_declared_port_is_used():
    made = release(api={"binary": "api", "listen": {"env": "ADDR"}, "port": 8080})
    (change,) = deploy(made, {"api": live(0, 4)})
    assert (change.mode, change.port) == ("plain", 8080)


def test_the_plainest_variant_is_taken():
    (change,) = deploy(
        release(binary("api", variant="v3", sha="c"), binary("api", variant="v1", sha="d")), {"api": EMPTY}
    )
    assert change.sha256 == "d" * 64


def test_a_release_without_this_platform_is_refused_by_name():
    with pytest.raises(WrongPlatform, match="for linux/arm64; this host is linux/amd64"):
        deploy(release(binary("api", "arm64")), {"api": EMPTY})


@pytest.mark.parametrize("made", [release(), Manifest("shop", "m", "v5", "", 5, "x", (), services={})])
def test_a_service_that_is_not_declared_is_named(made):
    with pytest.raises(NothingToDeploy):
        deploy(made, {"apy": EMPTY, "api": EMPTY}, ["apy"])


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".git", "a/b", "/abs", "a b", "-rf", "a\n", "a" * 64, "é", "a:b", "%x"]
)
def test_names_that_are_no_folder_are_refused(tmp_path, name):
    with pytest.raises(BadName):
        Embedded(tmp_path).service("shop", name)
    with pytest.raises(BadName):
        Embedded(tmp_path).project(name)


def describe(tmp_path, mode="socket", port=8080, *, filled=False, **declared):
    change = Change("api", mode, 1, 0, 5, "v5", "a" * 64, port=8080)
    folder = Embedded(tmp_path).service("shop", "api")
    return slots.describe(
        folder,
        change,
        Declared.of({"binary": "api", **declared}),
        {"PATH": "/bin", "SECRET": "x"},
        port,
        filled=filled,
    )


def test_a_slot_gets_a_clean_environment(tmp_path):
    slot = describe(tmp_path, env={"MODE": "test"})
    assert slot.env == {
        "PATH": "/bin", "MODE": "test", "GOFERRY_SERVICE": "api", "GOFERRY_VERSION": "v5", "GOFERRY_DRAIN": "4000ms"
    }  # fmt: skip


def test_the_address_is_given_by_environment_or_flag(tmp_path):
    assert describe(tmp_path, "plain", 7001, listen={"env": "ADDR"}).env["ADDR"] == "127.0.0.1:7001"
    slot = describe(tmp_path, "plain", 7001, args=["serve"], listen={"flag": "--listen"})
    assert slot.args == ["serve", "--listen", "127.0.0.1:7001"]


def test_the_port_alone_is_given_and_given_anew_on_another_port(tmp_path):
    slot = describe(tmp_path, "plain", 7001, filled=True, listen={"port_env": "PORT"}, args=["100%", "--mode=7001"])
    assert (slot.env["PORT"], slot.args) == ("7001", ["100%", "--mode=7001"])
    again = shim.placed(slot, 7002)
    assert (again.env["PORT"], again.args, again.listen) == ("7002", ["100%", "--mode=7001"], 7002)
    assert shim.placed(again, 7001) == slot


def test_placeholders_are_filled_in_a_release_that_says_so_and_are_text_in_an_older_one(tmp_path):
    declared = {"args": ["--port={port}", "{{port}}"], "env": {"BASE": "{url}/api", "GOFERRY_VERSION": "{port}"}}
    slot = describe(tmp_path, "plain", 7001, filled=True, listen={"env": "ADDR"}, **declared)
    assert slot.args == ["--port=7001", "{port}"]
    assert slot.env["BASE"] == "http://127.0.0.1:7001/api"
    assert (slot.env["ADDR"], slot.env["GOFERRY_VERSION"]) == ("127.0.0.1:7001", "v5")
    older = describe(tmp_path, "plain", 7001, listen={"env": "ADDR"}, **declared)
    assert older.args == declared["args"]
    assert older.env["BASE"] == "{url}/api"
    assert shim.placed(older, 7002).args == declared["args"]
    assert shim.placed(older, 7002).env["ADDR"] == "127.0.0.1:7002"


def test_a_slot_that_an_older_agent_filled_is_moved_to_another_port(tmp_path):
    slot = describe(tmp_path, "plain", 7001, listen={"env": "ADDR"}, args=["127.0.0.1:7001"])._replace(template=None)
    moved = shim.placed(slot, 7002)
    assert (moved.env["ADDR"], moved.args) == ("127.0.0.1:7002", ["127.0.0.1:7002"])


def test_supervisord_is_told_of_each_group_in_relative_paths():
    groups = [
        supervisor.Group("shop~api~8080", "shop/api", 8080, 10_000),
        supervisor.Group("shop~web~plain", "shop/web", 0, 500),
    ]
    text = supervisor.render(groups, "/x.sock")
    assert "[fcgi-program:shop~api~8080]\nsocket=tcp://127.0.0.1:8080\nsocket_backlog=4096\n" in text
    assert "[program:shop~web~plain]\ncommand=bin/python -I -S shim.py shop/web %(process_num)d\n" in text
    assert "stopwaitsecs=12" in text
    assert text == supervisor.render(list(reversed(groups)), "/x.sock")


def elf_file(machine=62, kind=2, loader=b"", magic=b"\x7fELF"):
    head = (
        magic
        + bytes([2, 1, 1])
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    segment = struct.pack("<IIQQQQQQ", 3 if loader else 1, 0, 120, 0, 0, len(loader), len(loader), 1)
    return head + segment + loader


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (elf_file(), ""),
        (elf_file(183), "built for arm64; this host is amd64"),
        (
            elf_file(loader=b"/lib/ld-nowhere.so\0"),
            "linked against the loader /lib/ld-nowhere.so, which this host lacks",
        ),
        (elf_file(kind=1), "not an executable"),
        (elf_file(magic=b"MZ\0\0"), "not an ELF"),
        (b"#!/bin/sh\nexit 0\n" + bytes(60), "not an ELF"),
        (b"\x7fELF", "not an ELF"),
        (b"", "not an ELF"),
    ],
)
def test_the_header_says_whether_a_binary_runs_here(tmp_path, monkeypatch, data, why):
    monkeypatch.setattr(executable, "host_platform", lambda: PLATFORM)
    (tmp_path / "bin").write_bytes(data)
    said = executable.cannot_run(tmp_path / "bin")
    assert why in said if why else said == ""
