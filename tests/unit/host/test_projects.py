"""What one project's key sees and does on a host that others share, and what the host takes of a project."""

import contextlib
import io
import os

import pytest
from surveyed import facts

from goferry.deploy.provision import HostSpec, ServiceSpec, _authorized_keys as authorized_keys, plan
from goferry.host import lock, policy, processes, serve
from goferry.host.agent import AgentSession
from goferry.host.provisioned import Provisioned
from goferry.kernel import frames, hostfile, protocol
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import AGENT, HostFile, Place, Policy
from goferry.kernel.manifest import Manifest

HOST = HostFile(
    projects={
        "shop": {"api": Place("shop", "api", 8080, "socket")},
        "blog": {"web": Place("blog", "web", 8081, "socket")},
    }
)
ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ4"
ONE_SHOWN = "SHA256:+nPOg23WxyxrPVG6Ei290DWhl2wvsBKddNZ/Y7TYXcw"
TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ5"


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "root"
    path.mkdir(mode=0o755)
    for project, service in (("shop", "api"), ("blog", "web")):
        folder = Provisioned(path, HOST).service(project, service)
        folder.prepare()
        (folder.store / (("a" if project == "shop" else "b") * 64)).write_bytes(b"x")
        os.symlink(folder.pointer(0), folder.live)
    return path


class Quiet:
    """A driver whose units say nothing."""

    def running(self, *_):
        return processes.Process()

    def log(self, folder, _number):
        return folder.name

    def tail(self, folder, *_):
        return [folder.name]

    def runs(self, *_):
        return True

    def tidy(self):
        pass


def session(root, project, monkeypatch):
    made = AgentSession(Provisioned(root, HOST, project), None, {})
    monkeypatch.setattr(made.guard, "driver", Quiet())
    return made


def test_a_project_s_key_sees_its_own_project_alone(root, monkeypatch):
    shop = session(root, "shop", monkeypatch)
    hello = shop.answer({"request": "hello"})
    assert (hello["projects"].keys(), hello["held"]) == ({"shop"}, ["a" * 64])
    assert shop.answer({"request": "logs"})["logs"] == {"api": ["api"]}
    shop.root.prepare()
    assert shop.answer({"request": "status"})["live"].keys() == {"api"}
    with pytest.raises(GoferryError) as told:
        shop.answer({"request": "rollback", "id": "t", "project": "blog"})
    assert told.value.name == "project-mismatch"
    assert "blog" not in str(hello) + str(told.value.as_json())


def test_a_project_s_change_holds_no_other_project_up(root):
    shop, blog = Provisioned(root, HOST, "shop"), Provisioned(root, HOST, "blog")
    shop.prepare()
    blog.prepare()
    with lock.held(shop.locks, 0):
        with lock.held(blog.locks, 0):
            assert lock.acquire(shop.locks) == []
        assert lock.acquire([(root / ".goferry" / "lock", False)]) == []  # as agents before this one took it
    old = lock.acquire([(root / ".goferry" / "lock", False)])
    assert lock.acquire(shop.locks) == []
    lock.release(old)


def served(root, host, *sent, folder=None):
    (root.parent / "host.json").write_bytes(host.to_bytes())
    reader, writer = os.pipe()
    os.write(writer, b"".join(frames.encode(each) for each in sent))
    os.close(writer)
    heard = io.BytesIO()
    with os.fdopen(reader, "rb", buffering=0) as stream:
        code = serve.serve(stream, heard, root, None, {}, host=root.parent / "host.json", own=folder)
    heard.seek(0)
    answers = []
    while (frame := frames.read(heard)) is not None:
        answers.append(frame[0])
    return code, answers


def test_the_key_s_line_says_the_project_and_the_client_can_not(root):
    hello = {"request": "hello"}
    assert served(root, HOST, protocol.bind("blog"), hello)[1][0]["projects"].keys() == {"blog"}
    _, answers = served(root, HOST, protocol.bind("blog"), protocol.bind("shop"), hello)
    assert answers[0]["error"]["name"] == "request-malformed"
    assert answers[1]["projects"].keys() == {"blog"}
    for first in (hello, {**protocol.bind("shop"), **hello}, {"bind": "shop"}, {"bind": {"project": 1}}):
        code, answers = served(root, HOST, first, hello)
        assert (code, answers[0]["error"]["name"]) == (2, "request-malformed")
    code, answers = served(root, HOST, protocol.bind("other"), hello)
    assert (code, answers[0]["error"]["name"]) == (3, "not-provisioned")
    assert "blog" not in str(answers)


def test_a_key_of_the_first_provisioning_works_while_the_host_has_one_project(root):
    one = HostFile(projects={"shop": HOST.projects["shop"]})
    assert served(root, one, protocol.bind(""), {"request": "hello"})[1][0]["project"] == "shop"
    code, answers = served(root, HOST, protocol.bind(""), {"request": "hello"})
    assert (code, answers[0]["error"]["name"]) == (3, "deploy-key-unbound")
    assert "--deploy-key" in str(answers[0]["error"]["advice"])


@pytest.mark.parametrize(
    ("given", "release", "environment", "name"),
    [
        (None, {"snapshot": True, "dirty": True}, "", ""),
        (Policy("releases"), {}, "anything", ""),
        (Policy("releases"), {"snapshot": True}, "", "snapshot-refused"),
        (Policy("releases"), {"dirty": True}, "", "snapshot-refused"),
        (Policy("snapshots"), {"snapshot": True, "dirty": True}, "", ""),
        (Policy("snapshots", ("staging", "test")), {}, "test", ""),
        (Policy("releases", ("production",)), {}, "staging", "environment-refused"),
        (Policy("releases", ("production",)), {}, "", "environment-refused"),
    ],
)
def test_what_a_host_takes_is_its_own_to_say(given, release, environment, name):
    made = Manifest("shop", "m", "v1", "c" * 40, 1, "2026-11-23T04:57:02Z", (), **release)
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(pytest.raises(GoferryError)) if name else None
        policy.judge_environment(given, environment)
        policy.judge(given, made)
    assert told is None or (told.value.name, told.value.exit_code) == (name, 3)


def test_keys_are_added_and_removed_and_nothing_else_changes():
    text, notes = authorized_keys.changed("# mine\nssh-rsa AAAA me\n", "shop", [ONE + " ci"], (), {"shop"})
    words = f"{AGENT} connect --project shop --key {ONE_SHOWN}"
    assert text == f'# mine\nssh-rsa AAAA me\nrestrict,command="{words}" {ONE} ci\n'
    again, _ = authorized_keys.changed(text, "shop", [ONE + " other"], (), {"shop"})
    assert (again, notes) == (text, [])
    both, notes = authorized_keys.changed(text, "blog", [TWO], (), {"shop", "blog"})
    assert (both.startswith(text), notes) == (True, [])
    with pytest.raises(GoferryError, match="deploys shop") as told:
        authorized_keys.changed(both, "blog", [ONE], (), {"shop", "blog"})
    assert (told.value.name, told.value.exit_code) == ("deploy-key-taken", 3)
    assert authorized_keys.changed(both, "shop", (), [TWO], {"shop", "blog"})[0] == both
    assert authorized_keys.changed(both, "blog", (), [TWO + " x"], {"shop", "blog"})[0] == text


def test_a_line_without_a_project_gets_one_when_its_key_is_given_again():
    old = f'restrict,command="{AGENT} connect" {ONE} ci\nrestrict,command="{AGENT} connect" {TWO}\n'
    text, notes = authorized_keys.changed(old, "shop", [ONE], (), {"shop"})
    words = f"{AGENT} connect --project shop --key {ONE_SHOWN}"
    assert text == f'restrict,command="{AGENT} connect" {TWO}\nrestrict,command="{words}" {ONE}\n'
    assert notes == []
    text, notes = authorized_keys.changed(old, "blog", [ONE], (), {"shop", "blog"})
    assert "--project blog" in text
    assert ["for blog alone" in notes[0], "1 deploy key(s) name no project" in notes[1]] == [True, True]
    assert authorized_keys.changed(old, "shop", (), [ONE, TWO], {"shop"})[0] == ""


def test_a_line_without_the_key_s_fingerprint_gets_it_when_its_key_is_given_again():
    old = f'restrict,command="{AGENT} connect --project shop" {ONE} ci\n'
    text, notes = authorized_keys.changed(old, "shop", [ONE + " ci"], (), {"shop"})
    assert (text, notes) == (authorized_keys.line("shop", ONE + " ci"), [])
    assert authorized_keys.changed(text, "shop", [ONE + " ci"], (), {"shop"}) == (text, [])
    assert authorized_keys.changed(old, "shop", (), (), {"shop"})[0] == old
    assert authorized_keys.changed(text, "shop", (), [ONE], {"shop"})[0] == ""
    assert [authorized_keys.fingerprint(key) for key in ("ssh-ed25519 not/base64", "")] == ["", ""]


@pytest.mark.parametrize("key", ["", ONE_SHOWN])
def test_the_agent_learns_the_key_before_the_client_speaks(key):
    assert protocol.bound(protocol.bind("shop", key)) == ("shop", key)


@pytest.mark.parametrize("key", [1, None, "MD5:aa", "SHA256:" + "a" * 44, "SHA256:" + "\n" * 43])
def test_what_is_no_fingerprint_is_refused(key):
    with pytest.raises(GoferryError) as told:
        protocol.bound({"bind": {"project": "shop", "key": key}})
    assert told.value.name == "request-malformed"


FACTS = facts()
SHOP = HostSpec("shop", (ServiceSpec("api", "socket", 8080),), b"shop's", (ONE,), b"agent")


def written(made):
    return {entry.path: entry.content for entry in made.entries if entry.content is not None}


def test_a_second_project_changes_nothing_of_the_first():
    first = written(plan(SHOP, FACTS))
    keys_file = first["/var/lib/goferry-login/.ssh/authorized_keys"].decode()
    after = {"host_file": first[hostfile.HOST_FILE].decode(), "trusts": ["shop"], "authorized_keys": keys_file}
    blog = HostSpec("blog", (ServiceSpec("web", "socket"),), b"blog's", (TWO,), b"agent", accepts="snapshots")
    second = written(plan(blog, facts(**after)))
    assert second["/etc/goferry/trust/blog.trust"] == b"blog's"
    assert not {"/etc/goferry/trust/shop.trust", "/etc/goferry/goferry.trust"} & set(second)
    assert second["/var/lib/goferry-login/.ssh/authorized_keys"].decode().startswith(keys_file)
    host = hostfile.parse(second[hostfile.HOST_FILE])
    assert (host.policy("shop"), host.policy("blog")) == (Policy("releases"), Policy("snapshots"))
    with pytest.raises(GoferryError, match="no trust file for blog"):
        plan(HostSpec("blog", (ServiceSpec("web", "socket"),)), facts(**after, trust="shared"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, None),
        ({"accepts": "releases"}, Policy("releases")),
        ({"keep": 9}, Policy("releases", (), 9)),
        ({"environments": ("production",)}, Policy("releases", ("production",))),
    ],
)
def test_a_project_of_a_first_host_has_no_policy_until_one_is_told(spec, expected):
    one = HostFile(projects={"shop": HOST.projects["shop"]})
    there = facts(host_file=one.to_bytes().decode(), trust="theirs")
    made = plan(HostSpec("shop", (ServiceSpec("api", "socket"),), agent=b"agent", **spec), there)
    assert hostfile.parse(written(made)[hostfile.HOST_FILE]).policy("shop") == expected
    assert any("no policy" in note for note in made.notes) is (expected is None)


def test_environments_of_a_host_add_up():
    host = HostFile(projects={"shop": HOST.projects["shop"]}, policies={"shop": Policy("snapshots", ("staging",), 3)})
    there = facts(host_file=host.to_bytes().decode(), trusts=["shop"])
    made = plan(HostSpec("shop", (ServiceSpec("api", "socket"),), agent=b"a", environments=("production",)), there)
    expected = Policy("snapshots", ("production", "staging"), 3)
    assert hostfile.parse(written(made)[hostfile.HOST_FILE]).policy("shop") == expected


def test_uploads_of_a_project_are_its_own(root, monkeypatch):
    shop, blog = session(root, "shop", monkeypatch), session(root, "blog", monkeypatch)
    about = {
        "request": "upload",
        "name": "api",
        "size": 4,
        "sha256": "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a",
    }
    assert shop.answer({**about, "id": "same", "offset": 0}, b"\1\2\3\4")["done"]
    assert blog.answer({**about, "id": "same", "offset": 0}) == {"have": 0, "done": False}
    assert not list((root / ".goferry").glob("incoming"))
