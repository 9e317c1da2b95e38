"""What hosts say they hold, read with suspicion, and shown; and a status that is watched."""

import json

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from goferry import deploy
from goferry.cli import main, status as cli
from goferry.deploy._overview import FleetStatus
from goferry.deploy.errors import HostUnreachable
from goferry.deploy.held import Held
from goferry.deploy.live import Status
from goferry.kernel.errors import Misuse

VERSION = {"version": "v1.1.0", "sequence": 2, "bytes": 9_000_000, "live": True, "goes_next": False}
DETAILS = {
    "services": {
        "api": {
            "versions": [VERSION, {**VERSION, "version": "v1.0.0", "live": False, "goes_next": True}],
            "store": 18_000_000, "data": 1_000_000, "part": ["data"], "restarts": 2,
        }
    },
    "free": 12_000_000_000, "size": 40_000_000_000, "journal": 120_000_000,
}  # fmt: skip
LIVE = {
    "project": "shop", "service": "api", "version": "v1.1.0", "state": "healthy", "url": "http://127.0.0.1:80",
    "digest": "a" * 64, "pid": 7,
}  # fmt: skip


def status(**more):
    return Status.read({"live": {"api": LIVE}, "recovered": [], "busy": False, **more})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*DETAILS, *VERSION]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*DETAILS]), JSON))
def test_any_record_is_read_and_can_be_shown(record):
    held = Held.read(record)
    json.dumps(held.as_json())
    assert all(isinstance(line, str) for line in cli._holds({"": held}))


def test_what_is_held_as_a_person_and_a_program_read_it():
    held = Held.read(DETAILS)
    assert cli._holds({"web-1": held}) == [
        "api holds 2 versions: store 18.0 MB, data more than 1.0 MB",
        "  the next deploy removes v1.0.0",
        "  started again 2 times since its deploy",
        "web-1: 12.0 GB free of 40.0 GB, systemd's journal 120 MB",
    ]
    assert cli._holds({"web-1": held, "web-2": held})[0].startswith("web-1 api holds")
    assert held.as_json() == {
        **DETAILS, "services": {"api": {**DETAILS["services"]["api"], "log": None}}
    }  # fmt: skip
    assert "older" in cli._holds({})[0]


def test_details_of_a_fleet_are_each_host_s():
    fleet = FleetStatus({"web-1": status(details=DETAILS), "web-2": status()})
    assert list(fleet.holds) == ["web-1"]
    shown = fleet.as_json()["hosts"]
    assert ("details" in shown["web-1"], "details" in shown["web-2"]) == (True, False)
    assert "details" not in fleet.as_json()


class Watched:
    """Answers in turn; then somebody presses Ctrl-C."""

    def __init__(self, monkeypatch, *answers):
        self.answers = list(answers)
        monkeypatch.setattr(deploy, "status", self)
        monkeypatch.setattr(cli.time, "sleep", lambda _: None)
        monkeypatch.setattr(cli.time, "strftime", lambda *_: "NOW")

    def __call__(self, *_args, **_fields):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def run(self, *words):
        return CliRunner().invoke(cli.command, ["--target", "local", "--root", "run", "--watch", *words])


def test_a_pipe_gets_what_changes(monkeypatch):
    answers = [status(), status(), HostUnreachable("no route"), status(busy=True), KeyboardInterrupt()]
    done = Watched(monkeypatch, *answers).run()
    api = "api v1.1.0 healthy at http://127.0.0.1:80 (pid 7, aaaaaaaaaaaa)"
    assert done.stdout.splitlines() == [
        f"NOW {api}",
        f"NOW gone: {api}",
        "NOW host-unreachable: no route",
        "NOW gone: host-unreachable: no route",
        f"NOW {api}",
        "NOW a deploy is going on",
    ]
    assert done.exit_code == 130


def test_watching_ends_with_its_own_code(monkeypatch):
    Watched(monkeypatch, status(), KeyboardInterrupt())
    assert main.run(["status", "--target", "local", "--root", "run", "--watch"]) == 130


def test_as_json_a_change_is_an_object(monkeypatch):
    done = Watched(monkeypatch, status(), status(busy=True), KeyboardInterrupt()).run("0.5", "--json")
    assert json.loads(done.stdout.splitlines()[1]) == {"time": "NOW", "change": "now", "line": "a deploy is going on"}


def test_a_terminal_is_drawn_anew(monkeypatch, capsys):
    monkeypatch.setattr(cli.sys.stdout, "isatty", lambda: True, raising=False)
    Watched(monkeypatch)
    with pytest.raises(click.exceptions.Exit):
        cli._watch(None, 1, iter_of([["one \x1b[2J"], KeyboardInterrupt()]))
    assert capsys.readouterr().out == "\x1b[HNOW\x1b[K\none \\x1b[2J\x1b[K\n\x1b[J"


def iter_of(answers):
    def ask():
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return ask


def test_what_no_watching_mends_ends_it(monkeypatch):
    assert isinstance(Watched(monkeypatch, Misuse("no folder")).run().exception, Misuse)
    assert Watched(monkeypatch).run("--logs", "5").exit_code == 2
