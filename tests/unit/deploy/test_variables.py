"""`goferry env`: what standard input may hold, what changes on hosts, and that a value is nowhere shown."""

import io
import json
import subprocess
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from goferry.cli.main import run
from goferry.config.settings import Settings
from goferry.deploy.errors import VariableLineInvalid, VariableRefused
from goferry.deploy.provision import on_host, variables, variables_on_host
from goferry.deploy.provision._root_shell import LOADER, script
from goferry.deploy.provision._variables_request_on_host import VariablesRequest
from goferry.deploy.provision.variables import EnvironmentOptions, assignments
from goferry.kernel import envfile
from goferry.kernel.errors import GoferryError, Misuse
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.outcomes import NotProvisioned
from goferry.observe.events import Stream

SECRET = "postgres://shop:pa$s`w\"o\\rd'@db/shop #1"
API = Place("shop", "api", 8080, "socket")


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """Two hosts as folders; what is asked of one runs in this process."""

    class Hosts:
        failing = ""

        def file(self, name):
            return tmp_path / name / "env" / "shop-api"

        def open(self, addresses, _access, _settings, ask_password):
            assert ask_password is None
            return [SimpleNamespace(ask=partial(self.ask, address)) for address in addresses]

        def ask(self, address, request, _modules):
            folder = tmp_path / address.host
            monkeypatch.setattr(variables_on_host, "HOST_FILE", str(folder / "host.json"))
            monkeypatch.setattr(variables_on_host, "FOLDER", str(folder / "env"))
            if address.host == self.failing and request.do == "change":
                raise NotProvisioned("as the test wants")
            out, reply = io.StringIO(), json.dumps(request.as_json()).encode()
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(reply)))
            monkeypatch.setattr("sys.stdout", out)
            variables_on_host.main()
            monkeypatch.undo()
            self.patch()
            assert SECRET not in out.getvalue()
            return json.loads(out.getvalue())

        def patch(self):
            monkeypatch.setattr(variables.perform, "open_root_shells", self.open)
            monkeypatch.setattr(variables.ssh, "check", lambda *_: None)
            monkeypatch.setattr(on_host, "LOCK", str(tmp_path / "lock"))
            monkeypatch.setattr(variables_on_host, "LOCK", str(tmp_path / "lock"))
            monkeypatch.chdir(tmp_path)

    for name in ("web-1", "web-2"):
        (tmp_path / name / "env").mkdir(parents=True)
        (tmp_path / name / "host.json").write_bytes(HostFile(projects={"shop": {"api": API}}).to_bytes())
    made = Hosts()
    made.patch()
    return made


OPTIONS = EnvironmentOptions("api", ("web-1", "web-2"))
SETTINGS = Settings.from_environ({})


def set_(data, options=OPTIONS, **more):
    more = {"debug": False, "dry_run": False, **more}
    return variables.set_values(options, data, settings=SETTINGS, stream=Stream([]), **more)


def test_variables_are_set_unset_and_listed_on_every_host(hosts):
    data = f"DATABASE_URL={SECRET}\n\nTOKEN='t'\n".encode()
    hosts.file("web-2").write_text("# of people\nOTHER=1\nTOKEN=\"'t'\"\n")
    foreseen = set_(data, dry_run=True)
    assert foreseen.hosts == {"web-1": ("DATABASE_URL", "TOKEN"), "web-2": ("DATABASE_URL",)}
    assert not hosts.file("web-1").exists()
    record = set_(data)
    assert record.hosts == foreseen.hosts
    assert record.next == ("goferry restart api --host web-1 --host web-2 --identity DEPLOY_KEY",)
    assert record.notes == ("the quotes around the value of TOKEN are a part of it",)
    assert "s`w" not in "\n".join(record.lines()) + json.dumps(record.as_json())
    assert envfile.checked(hosts.file("web-1").read_bytes()) == {"DATABASE_URL": SECRET, "TOKEN": "'t'"}
    assert hosts.file("web-1").stat().st_mode & 0o777 == 0o600
    assert hosts.file("web-2").read_text().startswith("# of people\nOTHER=1\nTOKEN=\"'t'\"\nDATABASE_URL=")
    again = set_(data)
    assert (again.hosts, again.next) == ({"web-1": (), "web-2": ()}, ())
    listed = variables.listed(OPTIONS, settings=SETTINGS, stream=Stream([]))
    assert listed.lines() == ["web-1: DATABASE_URL, TOKEN", "web-2: OTHER, TOKEN, DATABASE_URL"]
    gone = variables.unset(OPTIONS, ["OTHER", "TOKEN"], settings=SETTINGS, stream=Stream([]), dry_run=False)
    assert gone.hosts == {"web-1": ("TOKEN",), "web-2": ("OTHER", "TOKEN")}
    assert hosts.file("web-2").read_text().startswith("# of people\nDATABASE_URL=")


def test_all_hosts_can_take_a_change_or_none_is_changed(hosts):
    hosts.file("web-2").write_text("A='open\n")
    with pytest.raises(GoferryError, match=r"web-2: .*line 1 begins a value that does not end") as told:
        set_(b"TOKEN=1\n")
    assert (told.value.name, told.value.state) == ("environment-file-invalid", "Nothing was changed on any host.")
    assert not hosts.file("web-1").exists()
    hosts.file("web-2").unlink()
    hosts.failing = "web-2"
    with pytest.raises(GoferryError) as told:
        set_(b"TOKEN=1\n")
    assert told.value.state == "Changed on web-1 alone; the same command again changes the others."


@pytest.mark.parametrize(("service", "name"), [("web", "not-provisioned"), ("../api", Misuse.name)])
def test_a_service_that_a_host_does_not_have_is_named(hosts, service, name):
    with pytest.raises(GoferryError) as told:
        set_(b"A=1", EnvironmentOptions(service, ("web-1",)))
    assert (told.value.name, hosts.file("web-1").exists()) == (name, False)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no line NAME=VALUE"),
        (b"A=1\nhunter2\n", "line 2 has no ="),
        (b"A=1\nexport B=2\n", "before the = of line 2"),
        (b"# B=hunter2\n", "before the = of line 1"),
        (b"hunter-2==\n", "before the = of line 1"),
        (b"A=hunter2\r\n", "line 1 has a carriage return"),
        (b"A=\xffhunter2\n", "line 1 has a control character"),
        (b"A=1\nA=hunter2\n", "line 2 sets a variable that an earlier line sets"),
        (b"A=" + b"hunter2" * 20_000, "line 1 has more than"),
        (b"A=1\n" * 300_000, "more than 1048576 bytes"),
    ],
)
def test_a_line_that_is_none_is_refused_and_not_shown(data, told):
    with pytest.raises(VariableLineInvalid, match=told) as raised:
        assignments(data)
    assert "hunter" not in str(raised.value.as_json())


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LISTEN_FDS", "NOTIFY_SOCKET", "GOFERRY_SERVICE", "GODEBUG"])
def test_names_that_decide_what_is_started_are_refused(name):
    with pytest.raises(VariableRefused, match=name) as told:
        assignments(f"{name}=x".encode())
    assert bool(told.value.advice) is (name == "GODEBUG")
    assert assignments(b"GODEBUG=x", debug=True) == {"GODEBUG": "x"}


@given(st.binary(max_size=60))
def test_whatever_is_given_is_taken_or_refused_by_name(data):
    try:
        assert envfile.checked(envfile.edited(b"", assignments(data))) == assignments(data)
    except (VariableLineInvalid, VariableRefused) as error:
        assert error.exit_code in (2, 3)  # noqa: PT017


def test_the_command_reads_standard_input_and_prints_names(hosts, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"DATABASE_URL={SECRET}\n".encode())))
    assert run(["env", "set", "api", "--host", "web-1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hosts"] == {"web-1": {"changed": ["DATABASE_URL"]}}
    assert run(["env", "list", "api", "--host", "web-1"]) == 0
    assert capsys.readouterr().out == "web-1: DATABASE_URL\n"
    assert run(["env", "unset", "api", "DATABASE_URL", "--host", "web-1", "-q"]) == 0
    assert "goferry restart api --host web-1" in capsys.readouterr().out
    assert run(["env", "list", "api", "--json"]) == 2
    assert "no host is named" in capsys.readouterr().out


def test_what_is_sent_needs_nothing_but_python_on_the_host():
    sent = {name: script(name) for name in variables.SCRIPTS}
    words = [str(word) for name, source in sent.items() for word in (name, len(source))]
    request = VariablesRequest("list", "goferry-test-no-such-service")
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", LOADER, "mark", *words],
        input=b"mark\n" + b"".join(sent.values()) + json.dumps(request.as_json()).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout)["name"] == "not-provisioned"
