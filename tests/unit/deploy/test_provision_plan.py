"""Provisioning as data: golden plans, ports that stay, what is refused, and the script on a folder of its own."""

import json
from pathlib import Path

import pytest

from goferry.deploy.address import parse
from goferry.deploy.provision import Wanted, Wishes, plan
from goferry.deploy.provision.execute import as_request, checked, known_lines
from goferry.deploy.provision.wishes import public_key
from goferry.kernel import hostfile
from goferry.kernel.errors import GoferryError

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "provision"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ4 ci"
FACTS = {
    "user": 0, "system": "Linux", "machine": "x86_64", "hostname": "web-1", "python": [3, 11, 2], "systemd": 252,
    "apt": True, "nginx": "1.22.1", "nginx_group": "www-data", "proxyd": "/usr/lib/systemd/systemd-socket-proxyd",
    "private_users": False, "ipv6": True, "ports": [22, 80], "host_file": "", "trust": "", "host_keys": [],
}  # fmt: skip
SHOP = Wishes("shop", (Wanted("api", "socket", 8080, 120), Wanted("web", "env")), b"trust", (KEY,), b"agent")
CASES = {
    "bare": (SHOP, FACTS),
    "no-nginx": (SHOP, {**FACTS, "nginx": ""}),
    "bound-newer": (
        Wishes("shop", (Wanted("api", "socket", 8080),), b"trust", bind="127.0.0.1"),
        {**FACTS, "nginx": "1.29.7", "private_users": True, "ipv6": False},
    ),
}


def rendered(made):
    record = {
        "install": [list(words) for words in made.install],
        "commands": [command.as_record() for command in made.commands],
        "notes": list(made.notes),
        "entries": [
            {"path": each.path, "mode": oct(each.mode), "owner": f"{each.owner}:{each.group}", "keep": each.keep,
             "content": None if each.content is None else each.content.decode().splitlines()}
            for each in made.entries
        ],
    }  # fmt: skip
    return json.dumps(record, indent=1) + "\n"


@pytest.mark.parametrize("case", sorted(CASES))
def test_golden_plans(case):
    wishes, facts = CASES[case]
    assert rendered(plan(wishes, facts)) == (GOLDEN / f"{case}.json").read_text(), "UPDATE: see tests/golden/provision"


def host_file(made):
    (content,) = (each.content for each in made.entries if each.path == hostfile.HOST_FILE)
    return content.decode()


def test_a_second_plan_on_what_the_first_made_is_the_same():
    first = plan(SHOP, FACTS)
    after = {**FACTS, "host_file": host_file(first), "ports": [22, 80, 8080, 8081]}
    assert plan(SHOP, after) == first


def test_another_project_keeps_its_place_and_ports_are_never_shared():
    first = plan(SHOP, FACTS)
    other = Wishes("blog", (Wanted("web", "flag"), Wanted("api", "socket")), b"trust")
    second = plan(other, {**FACTS, "host_file": host_file(first), "ports": [22, 80, 8080, 8081]})
    found = hostfile.parse(host_file(second).encode()).projects
    assert set(found) == {"shop", "blog"}
    places = [place for services in found.values() for place in services.values()]
    assert len({place.port for place in places}) == len(places)
    assert len({place.backend for place in places if place.backend}) == 2


def test_a_service_that_is_gone_stays_and_is_told():
    first = plan(SHOP, FACTS)
    later = plan(Wishes("shop", (Wanted("api", "socket", 8080),), b"trust"), {**FACTS, "host_file": host_file(first)})
    assert "web" in hostfile.parse(host_file(later).encode()).projects["shop"]
    assert later.notes == ("web is no longer declared; the host stays ready for it",)


@pytest.mark.parametrize(
    ("change", "name", "what"),
    [
        ({"user": 1000}, "host-unsuitable", "root"),
        ({"system": "Darwin"}, "host-unsuitable", "Darwin"),
        ({"python": [3, 8, 1]}, "host-unsuitable", "3.8.1"),
        ({"systemd": 0}, "host-unsuitable", "not running"),
        ({"nginx": "", "apt": False}, "host-unsuitable", "nginx"),
        ({"ports": [8080]}, "port-taken", "8080"),
        ({"host_file": "{}"}, "host-file-invalid", "host.json"),
    ],
)
def test_what_a_host_may_not_be(change, name, what):
    with pytest.raises(GoferryError, match=what) as told:
        plan(SHOP, {**FACTS, **change})
    assert told.value.name == name


def test_names_that_would_meet_are_refused():
    first = plan(Wishes("a", (Wanted("b-c", "socket"),), b"trust"), FACTS)
    with pytest.raises(GoferryError):
        plan(Wishes("a-b", (Wanted("c", "socket"),), b"trust"), {**FACTS, "host_file": host_file(first)})


def test_without_a_trust_file_nothing_is_planned():
    with pytest.raises(GoferryError, match="trust"):
        plan(Wishes("shop", (Wanted("api", "socket"),)), FACTS)


@pytest.mark.parametrize(
    "change",
    [
        {"nginx_group": "x;\nExecStart=/bin/sh"},
        {"proxyd": "/tmp/evil"},
        {"ports": "no"},
        {"nginx": "1;x"},
        {"python": ["3"]},
    ],
)
def test_facts_of_another_kind_are_refused(change):
    with pytest.raises(GoferryError, match="no usable facts"):
        checked(parse("web", "root"), {**FACTS, **change})


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN OPENSSH PRIVATE KEY-----", KEY + "\n" + KEY, 'command="x" ' + KEY, "ssh-ed25519 x"]
)
def test_what_is_no_public_key_is_refused(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(GoferryError) as told:
        public_key(tmp_path / "key")
    assert told.value.name == "deploy-key-unusable"


def test_a_key_s_comment_can_not_add_a_line(tmp_path):
    (tmp_path / "key").write_text(KEY + ' x"y $(id) ')
    assert set(public_key(tmp_path / "key").rpartition(" ")[2]) <= set("abcdefghijklmnopqrstuvwxyz-.@+_0123456789")


def test_requests_are_json_and_known_hosts_lines_bear_the_name():
    json.dumps(as_request(plan(SHOP, FACTS), dry_run=False))
    assert known_lines(parse("root@web:2222", "root"), [KEY]) == ["[web]:2222 " + " ".join(KEY.split()[:2])]
