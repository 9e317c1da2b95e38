"""The host file, and the names that provisioning and the agent share."""

import json

import pytest

from goferry.kernel import hostfile
from goferry.kernel.hostfile import HostFile, HostFileInvalid, Place
from goferry.kernel.outcomes import NotProvisioned

API = {"listen": "socket", "port": 8080}
WEB = {"listen": "env", "port": 8081, "backend": 23180}


def record(**services):
    return {"schema": 1, "guard": "systemd", "switch": "nginx", "projects": {"shop": {"services": services}}}


def parse(value):
    return hostfile.parse(value if isinstance(value, bytes) else json.dumps(value).encode())


def test_it_is_read_back_as_it_was_written():
    host = parse(record(api=API, web=WEB))
    assert hostfile.parse(host.to_bytes()) == host
    assert host.place("shop", "web") == Place("shop", "web", 8081, "env", 23180)


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"[]", b"{", b"\xff", b"x" * (2 << 20), {}, {**record(), "schema": 3}, {**record(), "schema": True}, {**record(), "guard": "runit"},
        {**record(), "switch": "caddy"}, {**record(), "more": 1}, {**record(), "projects": []}, record(api=[]),
        record(api={}), record(api={**API, "listen": "fd"}), record(api={**API, "port": 0}),
        record(api={**API, "port": "80"}), record(api={**API, "port": True}), record(api={**API, "port": 65536}),
        record(api={**API, "backend": 23180}), record(api={**API, "x": 1}), record(web={**WEB, "backend": 23181}),
        record(web={"listen": "flag", "port": 80}), record(api=API, two=API), record(**{"a/b": API}),
        record(**{"..": API}), record(web={**WEB, "port": 23181}), {**record(), "projects": {"-x": {"services": {}}}},
        {**record(), "projects": {"a": {"services": {"b-c": API}}, "a-b": {"services": {"c": {**API, "port": 81}}}}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(bad):
    with pytest.raises(HostFileInvalid):
        parse(bad)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("shop", "other"), "not provisioned for it"),
        (("other", "api"), "not provisioned for it"),
        (("shop", "api", "plain"), "listen: socket"),
        (("shop", "api", "socket", 9999), "port 8080, not 9999"),
    ],
)
def test_what_was_not_provisioned_is_refused(asked, why):
    with pytest.raises(NotProvisioned, match=why):
        parse(record(api=API)).place(*asked)


def test_names():
    place = Place("shop", "web", 8081, "env", 23180)
    assert (place.unit(1), place.socket_unit(0)) == ("goferry-shop-web@1.service", "goferry-shop-web@port0.socket")
    assert place.door_unit(0) == "goferry.door-shop-web@port0.service"
    assert (place.socket_path(1), place.first_port(1)) == ("/run/goferry/shop-web/port1.sock", 23181)
    assert place.port_note(1) == "/run/goferry/shop-web/port1"
    assert place.serving("socket").socket_path(1) == "/run/goferry/shop-web/1.sock"
    assert place.user == "goferry-shop-web"
    assert HostFile().projects == {}


@pytest.mark.parametrize("service", ["Api", "a.b", "a" * 40])
def test_a_user_has_a_name_that_systemd_takes(service):
    user = Place("shop", service, 80, "socket").user
    assert len(user) <= 31
    assert user != Place("shop", service + "x", 80, "socket").user
    assert set(user) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
