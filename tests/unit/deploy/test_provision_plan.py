"""Provisioning as data: golden plans, ports that stay, what is refused, and the script on a folder of its own."""

import json
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from surveyed import ANSWER, facts

from goferry.config.load import load
from goferry.deploy._hosts import parse
from goferry.deploy.provision import HostSpec, ServiceSpec, on_host, plan
from goferry.deploy.provision._host_facts import GUARDS, PROXIES, read as read_facts
from goferry.deploy.provision._host_spec import public_key, read as read_spec
from goferry.deploy.provision._nginx_proxy import NginxProxy
from goferry.deploy.provision._order_on_host import Command, HostEntry, HostOrder, SlotCopy
from goferry.deploy.provision._perform import SCRIPTS, as_order, known_lines
from goferry.deploy.provision._provision_record import HostCheck
from goferry.deploy.provision._root_shell import LOADER, answer, script
from goferry.deploy.provision._systemd_guard import SystemdGuard
from goferry.deploy.provision.changes_on_host import ChangeFailure, Changes
from goferry.deploy.provision.needs import ProxySettings
from goferry.kernel import hostfile, probe
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.outcomes import AgentLost
from goferry.kernel.sites import CertificateFiles, Site

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "provision"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ4 ci"
FACTS = facts()
SECRET = probe.ProbeSecret("0" * 32, "f" * 32)
RHEL = {
    "release": 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nPRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\n',
    "selinux": "enforcing",
}
SHOP = HostSpec(
    "shop",
    (ServiceSpec("api", "socket", 8080, 120), ServiceSpec("web", "env")),
    b"trust",
    (KEY,),
    b"agent",
    secret=SECRET,
)
FILES = CertificateFiles(
    "/etc/letsencrypt/live/shop.example/fullchain.pem", "/etc/letsencrypt/live/shop.example/privkey.pem"
)
NAMED = HostSpec(
    "shop",
    (
        ServiceSpec(
            "api",
            "socket",
            8080,
            site=Site(("shop.example",), "/api/"),
            proxy=ProxySettings(300_000, 100 << 20, websockets=False, buffering=False),
        ),
        ServiceSpec(
            "rpc",
            "env",
            site=Site(("rpc.shop.example",), files=FILES),
            proxy=ProxySettings(1_500, grpc=True, closed=True),
        ),
        ServiceSpec(
            "web", "env", site=Site(("shop.example", "*.shop.example"), files=FILES), proxy=ProxySettings(closed=True)
        ),
        ServiceSpec("plain", "env", site=Site(("plain.example",), "/only")),
    ),
    b"trust",
    secret=SECRET,
)
CASES = {
    "bare": (SHOP, FACTS),
    "no-nginx": (SHOP, facts(proxy=NginxProxy())),
    "ubuntu": (SHOP, facts(proxy=NginxProxy(), release='PRETTY_NAME="Ubuntu 24.04.1 LTS"\n', guard=SystemdGuard(255))),
    "rhel-bare": (SHOP, facts(proxy=NginxProxy(), found=["/usr/bin/dnf"], **RHEL)),
    "rhel": (SHOP, facts(proxy=NginxProxy((1, 20, 1), "nginx"), found=["/usr/bin/dnf"], **RHEL)),
    "unknown-with-nginx": (SHOP, facts(release='PRETTY_NAME="Arch Linux"\n', found=[])),
    "bound-newer": (
        HostSpec("shop", (ServiceSpec("api", "socket", 8080),), b"trust", bind="127.0.0.1", secret=SECRET),
        facts(proxy=NginxProxy((1, 29, 7)), guard=SystemdGuard(252, private_users=True), ipv6=False),
    ),
    "domains": (NAMED, facts(proxy=NginxProxy((1, 22, 1), ports=frozenset([80])))),
    "domains-newer": (
        replace(
            NAMED,
            bind="[::1]",
            services=tuple(replace(each, site=each.site._replace(bind="[::1]")) for each in NAMED.services[1:2]),
        ),
        facts(proxy=NginxProxy((1, 29, 7), sites_enabled=False), ports=[22]),
    ),
}


def rendered(made, *, proxy_alone=False):
    entries = [each for each in made.entries if not proxy_alone or "nginx" in each.path]
    record = {
        "install": [list(words) for words in made.install],
        "commands": [command.as_json() for command in made.commands if not proxy_alone],
        "notes": list(made.notes),
        "copies": [each.as_json() for each in made.copies],
        "entries": [
            {"path": each.path, "mode": oct(each.mode), "owner": f"{each.owner}:{each.group}", "keep": each.keep,
             "content": None if each.content is None else each.content.decode().splitlines()}
            for each in entries
        ],
    }  # fmt: skip
    return json.dumps(record, indent=1) + "\n"


@pytest.mark.parametrize("case", sorted(CASES))
def test_golden_plans(case):
    spec, given = CASES[case]
    made = rendered(plan(spec, given), proxy_alone=case.startswith("domains"))
    file = GOLDEN / f"{case}.json"
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        file.write_text(made)
    assert made == file.read_text(), "GOFERRY_WRITE_GOLDEN=1 writes it again; look at the difference"


def host_file(made):
    (content,) = (each.content for each in made.entries if each.path == hostfile.HOST_FILE)
    return content.decode()


@pytest.mark.parametrize(("listens", "serves"), [("env", "socket"), ("socket", "plain")])
def test_what_serves_can_be_started_again_although_the_next_version_listens_otherwise(listens, serves):
    before = plan(HostSpec("shop", (ServiceSpec("api", "socket" if serves == "socket" else "env"),), b"trust"), FACTS)
    live = {"shop/api": serves}
    spec = HostSpec("shop", (ServiceSpec("api", listens),), b"trust", secret=SECRET)
    made = plan(spec, facts(host_file=host_file(before), live=live))
    files = {each.path.rpartition("/")[2]: (each.content or b"").decode() for each in made.entries}
    unit, entrance = files["goferry-shop-api@.service"], files["goferry-shop-api@.socket"]
    assert "Wants=goferry-shop-api@" in unit
    assert {"goferry-shop-api@%i.socket", "goferry-shop-api@port%i.socket"} <= set(unit.split())
    assert "Sockets=goferry-shop-api@%i.socket\n" in unit
    assert "ports /run/goferry/shop-api/%i.turn /run/goferry/shop-api/port%i 2300%i\n" in unit
    assert "ConditionPathExists" not in entrance
    assert "case %i in port*)" in files["goferry.door-shop-api@.service"]
    assert any("serves a version that listens in another way" in note for note in made.notes)
    again = plan(spec, facts(host_file=host_file(made), live=live))  # by a pipeline that provisions before each deploy
    assert {each.path: each.content for each in again.entries} == {each.path: each.content for each in made.entries}
    live = {"shop/api": "socket" if listens == "socket" else "plain"}
    after = plan(spec, facts(host_file=host_file(made), live=live))
    alone = plan(spec, facts(host_file=host_file(made)))
    assert after.entries == alone.entries
    assert "case %i" not in str(after.entries)


def test_a_second_plan_on_what_the_first_made_is_the_same():
    first = plan(SHOP, FACTS)
    after = facts(host_file=host_file(first), ports=[22, 80, 8080, 8081])
    assert plan(SHOP, after) == first


def test_the_secret_that_a_host_has_is_kept_and_shown_to_nobody():
    first = plan(SHOP, FACTS)
    (include,) = (each for each in first.entries if each.path == "/etc/nginx/conf.d/goferry.conf")
    assert include.mode == 0o600
    other = HostSpec("blog", (ServiceSpec("web", "flag"),), b"trust")
    assert probe.secret(include.content.decode()) == SECRET != other.secret
    assert SECRET.asked not in repr(SHOP)
    second = plan(other, facts(NginxProxy((1, 22, 1), include=include.content.decode()), host_file=host_file(first)))
    assert include in second.entries
    old = include.content.decode().replace(probe.line(SECRET) + "\n", "")  # as it was before there was a secret
    (renewed,) = (
        each for each in plan(other, facts(NginxProxy((1, 22, 1), include=old))).entries if each.path == include.path
    )
    assert probe.secret(renewed.content.decode()) == other.secret


def test_another_project_keeps_its_place_and_ports_are_never_shared():
    first = plan(SHOP, FACTS)
    other = HostSpec("blog", (ServiceSpec("web", "flag"), ServiceSpec("api", "socket")), b"trust")
    second = plan(other, facts(host_file=host_file(first), ports=[22, 80, 8080, 8081]))
    found = hostfile.parse(host_file(second).encode()).projects
    assert set(found) == {"shop", "blog"}
    places = [place for services in found.values() for place in services.values()]
    assert len({place.port for place in places}) == len(places)
    assert len({place.backend for place in places if place.backend}) == 2


def test_a_service_that_is_gone_stays_and_is_told():
    first = plan(SHOP, FACTS)
    later = plan(HostSpec("shop", (ServiceSpec("api", "socket", 8080),), b"trust"), facts(host_file=host_file(first)))
    assert "web" in hostfile.parse(host_file(later).encode()).projects["shop"]
    assert later.notes == ("web is no longer declared; the host stays ready for it until:  --prune",)


@pytest.mark.parametrize(
    ("change", "name", "what"),
    [
        ({"user": 1000}, "host-unsuitable", "root"),
        ({"system": "Darwin"}, "host-unsuitable", "Darwin"),
        ({"python": [3, 8, 1]}, "host-unsuitable", "3.8.1"),
        ({"guard": SystemdGuard()}, "host-unsuitable", "not running"),
        (
            {"proxy": NginxProxy(), "found": []},
            "host-unsuitable",
            "Debian GNU/Linux 12 .* has no nginx, and no apt-get",
        ),
        ({"ports": [8080]}, "port-taken", "8080"),
        ({"host_file": "{}"}, "host-file-invalid", "host.json"),
    ],
)
def test_what_a_host_may_not_be(change, name, what):
    with pytest.raises(GoferryError, match=what) as told:
        plan(SHOP, facts(**change))
    assert told.value.name == name


@pytest.mark.parametrize(("project", "service"), [("a-b", "c"), ("A", "b-c"), ("a-B", "C")])
def test_names_that_would_meet_another_project_s_are_refused_by_name(project, service):
    first = plan(HostSpec("a", (ServiceSpec("b-c", "socket"),), b"trust"), FACTS)
    with pytest.raises(GoferryError, match="b-c of project a ") as told:
        plan(HostSpec(project, (ServiceSpec(service, "socket"),), b"trust"), facts(host_file=host_file(first)))
    assert (told.value.name, told.value.exit_code) == ("service-name-unusable", 2)


@pytest.mark.parametrize("listen", ["socket", "env"])
def test_names_whose_socket_would_not_fit_are_refused_by_name(listen):
    project, long = "p" * 40, "s" * (107 - 40 - len("/var/lib/goferry///live.sock"))
    made = plan(HostSpec(project, (ServiceSpec(long, listen),), b"trust"), FACTS)
    assert len(made.places[0].live_link) == 107
    with pytest.raises(GoferryError, match="108 bytes") as told:
        plan(HostSpec(project, (ServiceSpec(long + "s", listen),), b"trust"), FACTS)
    assert told.value.name == "service-name-unusable"
    kept = facts(host_file=host_file(made).replace(long, long + "ss"))  # what an older provision left half done
    assert plan(HostSpec(project, (ServiceSpec("api", "socket"),), b"trust"), kept).places


def test_what_the_repository_alone_says_wrong_is_refused_before_a_host_is_named(tmp_path):
    (tmp_path / "go.mod").write_text("module example.com/my~app\n\ngo 1.25\n")
    two = (
        "services:\n  one: {main: ., listen: {socket: true}, port: 80}\n  two: {main: ., listen: {env: A}, port: 80}\n"
    )
    cases = {
        "service-name-unusable": "services: {api: {main: ., listen: {socket: true}}}\n",
        "port-taken": "project: shop\n" + two,
    }
    long = f"project: {'p' * 60}\nservices: {{{'s' * 60}: {{main: ., listen: {{env: A}}}}}}\n"
    for name, text in [*cases.items(), ("service-name-unusable", long)]:
        (tmp_path / "goferry.yml").write_text(text)
        with pytest.raises(GoferryError) as told:
            read_spec(load(tmp_path), trust=None, keys=())
        assert told.value.name == name


def test_a_port_of_another_service_is_refused_by_name():
    first = plan(HostSpec("blog", (ServiceSpec("web", "env", 9000),), b"trust"), FACTS)
    there = facts(host_file=host_file(first))
    with pytest.raises(GoferryError, match="service web's of project blog") as told:
        plan(HostSpec("shop", (ServiceSpec("api", "socket", 9000),), b"trust"), there)
    assert told.value.name == "port-taken"


def test_no_service_is_served_on_a_port_that_may_be_drawn_for_another():
    first = plan(HostSpec("blog", (ServiceSpec("web", "env", 9000),), b"trust"), FACTS)
    there = facts(host_file=host_file(first))
    for given, port in ((FACTS, 23_000), (there, 23_001), (there, 23_004), (there, 23_999)):
        with pytest.raises(GoferryError, match="are drawn for the host's services") as told:
            plan(HostSpec("shop", (ServiceSpec("api", "socket", port),), b"trust"), given)
        assert told.value.name == "port-taken"
    older = HostFile(projects={"shop": {"api": Place("shop", "api", 23_500, "socket")}})
    again = facts(host_file=older.to_bytes().decode())
    assert plan(HostSpec("shop", (ServiceSpec("api", "socket", 23_500),), b"trust"), again).places[0].port == 23_500


def test_a_port_that_a_host_gave_before_it_was_drawn_is_kept_and_told():
    host_file = HostFile(projects={"shop": {"api": Place("shop", "api", 23_005, "socket")}}).to_bytes().decode()
    made = plan(HostSpec("shop", (ServiceSpec("api", "socket", 23_005),), b"trust"), facts(host_file=host_file))
    assert [place.port for place in made.places] == [23_005]
    (told,) = [note for note in made.notes if "23005" in note]
    assert told.startswith("api is served on port 23005, one of 23000 to 23999")
    assert "another `port` for api" in told


@pytest.mark.parametrize(("files", "version"), [((), 1), (("unified",), 2), (("",), 2)])
def test_a_host_with_old_control_groups_alone_is_told_what_it_can_not_tell_apart(tmp_path, files, version):
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd/cgroup.procs").touch()
    for name in files:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "cgroup.procs").touch()
    found = on_host.control_groups(str(tmp_path))
    assert found == version
    notes = plan(SHOP, facts(control_groups=found)).notes
    assert [note.partition(":")[0] for note in notes] == ["control-groups-v1"] * (version == 1)


def test_without_a_trust_file_nothing_is_planned():
    with pytest.raises(GoferryError, match="trust"):
        plan(HostSpec("shop", (ServiceSpec("api", "socket"),)), FACTS)


@pytest.mark.parametrize(
    "change",
    [
        {"said": [ANSWER["said"][0], [0, "x;\nExecStart=/bin/sh"], *ANSWER["said"][2:]]},
        {"said": [ANSWER["said"][0], [0, "x\nExecStart=/bin/sh"], *ANSWER["said"][2:]]},
        {"said": ANSWER["said"][1:]},
        {"said": "no"},
        {"texts": {}},
        {"texts": {"/etc/nginx/conf.d/goferry.conf": 1}},
        {"ports": "no"},
        {"python": ["3"]},
        {"live": {"shop/api": "other"}},
        {"control_groups": 3},
        {"user": True},
    ],
)
def test_facts_of_another_kind_are_refused(change):
    with pytest.raises(GoferryError, match="no usable facts"):
        read_facts(parse("web", "root"), {**ANSWER, **change}, PROXIES, GUARDS)


def test_half_a_character_of_a_host_is_a_question_mark():
    """A lone half of a surrogate pair, which JSON's escapes can name, can't be written anywhere."""
    found = answer(parse("web", "root"), rb'{"a\ud800": ["\udfff", "\ud834\udd1e"], "what": "\ud800"}')
    assert found == {"a?": ["?", "\U0001d11e"], "what": "?"}
    assert HostCheck.read(found).what == "?"


@pytest.mark.parametrize("output", [b"", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"\xff"])
def test_an_answer_that_is_not_an_object_is_an_error_with_a_name(output):
    with pytest.raises(AgentLost):
        answer(parse("web", "root"), b"Welcome!\n" + output)


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
    order = as_order(plan(SHOP, FACTS), do="apply")
    assert HostOrder.of(json.loads(json.dumps(order.as_json()))) == order
    assert known_lines(parse("root@web:2222", "root"), [KEY]) == ["[web]:2222 " + " ".join(KEY.split()[:2])]


def test_what_is_sent_needs_nothing_but_python_on_the_host(tmp_path):
    order = HostOrder("diff", entries=(HostEntry(str(tmp_path / "new"), b"x"),), commands=(Command(("true",), ("/",)),))
    sent = {name: script(name) for name in SCRIPTS}
    words = [str(word) for name, source in sent.items() for word in (name, len(source))]
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", LOADER, "mark", *words],
        input=b"a password that sudo left\nmark\n" + b"".join(sent.values()) + json.dumps(order.as_json()).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout) == {"changed": [str(tmp_path / "new")], "ran": ["true"]}


@pytest.mark.parametrize(("said", "skipped"), [(0, False), (hostfile.BARRED, True), (1, False), (127, False)])
def test_a_unit_is_skipped_for_good_only_when_the_agent_says_so(tmp_path, said, skipped):
    unit = SystemdGuard(252).slots(hostfile.Place("shop", "api", 8080, "socket"), drain_seconds=1)
    (condition,) = (line for line in unit.splitlines() if line.startswith("ExecCondition="))
    agent = tmp_path / "goferry-host"
    agent.write_text(f"#!/bin/sh\nexit {said}\n")
    agent.chmod(0o755)
    script = condition.partition("-c ")[2].strip("'").replace("$$", "$").replace(hostfile.AGENT, str(agent))
    done = subprocess.run(["/bin/sh", "-c", script], check=False)
    assert (done.returncode != 0) is skipped


def test_root_s_lines_of_a_unit_get_no_variable_of_the_service(tmp_path):
    unit = SystemdGuard(252).slots(hostfile.Place("shop", "api", 8080, "socket"), drain_seconds=1)
    lines = [line.partition("=+")[2] for line in unit.splitlines() if line.startswith("Exec") and "=+" in line]
    agent, seen = tmp_path / "goferry-host", tmp_path / "seen"
    agent.write_text(f'#!/bin/sh\necho "$1 $OPENSSL_CONF" >>{seen}\nexit 3\n')
    agent.chmod(0o755)
    for line in lines:
        words = shlex.split(line.replace("$$", "$").replace(hostfile.AGENT, str(agent)))
        done = subprocess.run(words, env={"OPENSSL_CONF": "/srv/other.cnf", "PATH": "/nowhere"}, check=False)
        assert done.returncode == (3 if "ports" in words else 0)
    assert seen.read_text() == "may-start \nports \n"


@pytest.mark.parametrize(
    ("unit", "slot", "copy", "taken"),
    [
        ("EnvironmentFile=-SOURCE\n", True, None, True),  # it serves since before there were copies
        ("EnvironmentFile=-SOURCE\n", True, "A=0\n", True),  # an older Goferry had the host meanwhile
        ("EnvironmentFile=COPY\n", True, "A=0\n", False),
        ("EnvironmentFile=COPY\n", True, None, True),
        ("EnvironmentFile=-SOURCE\n", False, None, False),
        ("", False, None, False),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_a_slot_gets_its_copy_before_its_unit_changes(tmp_path, unit, slot, copy, taken, fails):
    source, places = tmp_path / "env", [tmp_path / name for name in ("0.env", "0.json", "api@.service")]
    source.write_text("A=1\n")
    places[2].write_text(unit.replace("SOURCE", str(source)).replace("COPY", str(places[0])))
    if slot:
        places[1].write_text("{}")
    if copy is not None:
        places[0].write_text(copy)
    changes = Changes()
    changes.copy(SlotCopy(str(source), *map(str, places)))
    if fails:
        changes.bring_back()
        assert places[0].exists() == (copy is not None and not taken)  # the unit of before needs none
        return
    assert (places[0].read_text() if places[0].exists() else None) == ("A=1\n" if taken else copy)
    assert not taken or places[0].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("# Schlüssel\nDB=x\n".encode("latin-1"), ""),
        (b"DB=\xff\n", "line 1 gives a value that is not UTF-8"),
        (b"DB=x\0\n", "NUL"),
        ("# a comment\nDB=\ufffe\n".encode(), "line 2 has the code point U\\+FFFE"),
    ],
)
def test_what_systemd_reads_is_copied_byte_for_byte_and_what_it_does_not_changes_nothing(tmp_path, data, why):
    source, copy, slot, unit = (tmp_path / name for name in ("env", "0.env", "0.json", "api@.service"))
    source.write_bytes(data)
    slot.write_text("{}")
    unit.write_text(f"EnvironmentFile=-{source}\n")
    order = HostOrder("apply", copies=(SlotCopy(*map(str, (source, copy, slot, unit))),))
    if why:
        with pytest.raises(ChangeFailure, match=why) as failure:
            on_host.refuse_unread(order)
        assert failure.value.state == "Nothing was changed."
        with pytest.raises(ChangeFailure, match=why):
            Changes().copy(order.copies[0])
        assert not copy.exists()
        return
    on_host.refuse_unread(order)
    Changes().copy(order.copies[0])
    assert copy.read_bytes() == data
