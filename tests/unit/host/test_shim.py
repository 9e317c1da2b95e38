"""What the supervisor starts: refusals end with 77 and say why; the environment file is read as lines."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from goferry.host import shim, unit
from goferry.kernel import errors, hostfile, outcomes


@pytest.fixture
def place(tmp_path):
    """A target with one plain service whose binary is /bin/echo's copy."""
    own, base = tmp_path / ".goferry", tmp_path / "shop" / "api"
    for folder in (own / "run", base / "slots", base / "store", base / "data"):
        folder.mkdir(parents=True)
    program = Path("/bin/echo").read_bytes()
    digest = hashlib.sha256(program).hexdigest()
    (base / "store" / digest).write_bytes(program)
    (base / "store" / digest).chmod(0o755)
    slot = {
        "mode": "plain", "sha256": digest, "program": "echo", "args": ["hello"], "env": {}, "env_file": "",
        "guarded": False, "attempt": "one", "control": "c.sock", "health": "/healthz",
    }  # fmt: skip
    return own, base, slot


def start(place, **changes):
    own, base, slot = place
    (base / "slots" / "0.json").write_text(json.dumps({**slot, **changes}))
    return subprocess.run(
        [sys.executable, "-I", "-S", shim.__file__, "shop/api", "0"],
        cwd=own,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_becomes_the_binary_and_notes_its_process(place):
    done = start(place)
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert set(json.loads((place[1] / "slots/0.run").read_text())) == {
        "attempt",
        "count",
        "at",
        "pid",
        "started",
        "boot",
    }


def test_a_candidate_is_started_once(place):
    start(place)
    again = start(place)
    assert (again.returncode, again.stdout) == (shim.REFUSED, "")
    assert "not started again" in again.stderr
    assert start(place, attempt="two").returncode == 0


def test_a_committed_version_is_started_again_with_growing_pauses(place):
    assert start(place, guarded=True).returncode == 0
    assert "starting it again" not in start(place, guarded=True).stderr
    assert "starting it again in 0.2 s" in start(place, guarded=True).stderr


def test_a_changed_binary_is_not_started(place):
    with (place[1] / "store" / place[2]["sha256"]).open("ab") as file:
        file.write(b"evil")
    for guarded, code in ((False, shim.REFUSED), (True, shim.FAILED)):
        done = start(place, guarded=guarded, attempt=str(guarded))
        assert (done.returncode, done.stdout) == (code, "")
        assert "was changed" in done.stderr


def test_a_committed_version_whose_binary_cannot_be_opened_now_is_tried_again(place):
    blob = place[1] / "store" / place[2]["sha256"]
    away = blob.rename(blob.with_suffix(".away"))
    said = [start(place, guarded=True) for _ in range(3)]
    assert [done.returncode for done in said] == [shim.FAILED] * 3
    assert "starting it again in 0.2 s" in said[2].stderr
    away.rename(blob)
    assert start(place, guarded=True).stdout == "hello\n"


@pytest.mark.parametrize(
    ("given", "guarded", "code"),
    [
        ({}, False, 0),  # the unit is an older provisioning's
        ({unit.LEAVE: "one"}, False, 0),
        ({unit.LEAVE: "none"}, False, shim.REFUSED),  # /run is new: the host was switched off
        ({unit.LEAVE: "another"}, False, shim.REFUSED),
        ({unit.LEAVE: "none"}, True, 0),
    ],
)
def test_a_unit_starts_a_candidate_by_the_agents_leave_alone(place, tmp_path, given, guarded, code):
    _, base, slot = place
    slot = {**slot, "guarded": guarded, "project": "shop", "service": "api", "args": ["hello"]}
    store = f"unit.STORE = {str(tmp_path)!r} + '/{{}}/{{}}/store'"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os; from goferry.host import unit; {store}; raise SystemExit(unit.unit(os.environ))",
        ],
        input=json.dumps(slot),
        env={"RUNTIME_DIRECTORY": str(base / "slots"), "STATE_DIRECTORY": str(base / "data"), **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "" if code else "hello\n")
    assert (unit.LEAVE, unit.BARRED) == (hostfile.LEAVE, hostfile.BARRED)


def noted(turn, slot):
    """Note a start as root does before the unit's own process; return what that one is given."""
    do = f"from goferry.host import unit; unit.note_turn({str(turn)!r})"
    subprocess.run([sys.executable, "-c", do], input=json.dumps(slot), text=True, check=True)
    name, equals, value = turn.read_text().splitlines()[0].partition("=") if turn.exists() else ("", "", "")
    return {name: value} if equals else {}


def test_a_candidate_of_a_unit_that_has_no_folder_in_run_is_started_once(place, tmp_path):
    slot, turn = {**place[2], "guarded": False}, tmp_path / "run/0.turn"
    unit.wait_noted(shim.Slot.of(slot), noted(turn, slot))
    with pytest.raises(ValueError, match="not started again"):
        unit.wait_noted(shim.Slot.of(slot), noted(turn, slot))
    other = {**slot, "attempt": "two"}
    unit.wait_noted(shim.Slot.of(other), noted(turn, other))


def test_pauses_grow_also_where_root_notes_the_starts(place, tmp_path):
    slot, turn = {**place[2], "guarded": True}, tmp_path / "run/0.turn"
    assert [float(noted(turn, slot)[unit.TURN]) for _ in range(4)] == [0, 0, 0.2, 0.4]
    turn.write_text("GOFERRY_TURN=never\n# {")
    assert float(noted(turn, slot)[unit.TURN]) == 0


@pytest.mark.parametrize("slot", ["{", "{}", "[]", '{"guarded": true}'])
def test_a_start_that_can_not_be_noted_is_not_kept_from_the_unit(tmp_path, slot):
    turn = tmp_path / "0.turn"
    turn.write_text("GOFERRY_TURN=never\n# {}\n")  # of an earlier start
    do = f"from goferry.host import unit; unit.note_turn({str(turn)!r})"
    done = subprocess.run([sys.executable, "-c", do], input=slot, capture_output=True, text=True, check=True)
    assert "is not noted" in done.stderr
    assert not turn.exists()


def test_a_link_in_place_of_the_binary_is_not_followed(place):
    blob = place[1] / "store" / place[2]["sha256"]
    blob.unlink()
    blob.symlink_to("/bin/echo")
    assert start(place).returncode == shim.REFUSED


@pytest.mark.parametrize("slot", ["", "{", "[]", "{}", '{"guarded": 1}'])
def test_a_damaged_slot_is_not_started_and_tried_again(place, slot):
    (place[1] / "slots" / "0.json").write_text(slot)
    argv = [sys.executable, "-I", "-S", shim.__file__, "shop/api", "0"]
    assert subprocess.run(argv, cwd=place[0], capture_output=True, check=False).returncode == shim.FAILED


def test_the_environment_file_is_read(tmp_path):
    base = tmp_path / "shop" / "api"
    base.mkdir(parents=True)
    (tmp_path / "e").write_text("# no\nA=1\nB = spaced\nC='q=x'\nnothing\n=x\nD=\"$HOME `id`\"\n")
    assert shim.environment(str(base), shim.Slot(env={"A": "0"}, env_file="e")) == {
        "A": "1", "B ": " spaced", "C": "q=x", "D": "$HOME `id`"
    }  # fmt: skip


def test_errors_travel_as_frames_by_name():
    error = outcomes.CandidateCrashed("it died", state="log", advice=["look"], pid=7)
    again = outcomes.from_frame(outcomes.as_frame(error))
    assert type(again) is outcomes.CandidateCrashed
    assert (again.what, again.state, again.advice, again.facts) == ("it died", "log", ("look",), {"pid": 7})


def test_an_unknown_error_keeps_its_name_and_exit_code():
    again = outcomes.from_frame({"name": "brand-new", "exit_code": 3, "what": "no"})
    assert isinstance(again, errors.Refused)
    assert (again.name, again.exit_code) == ("brand-new", 3)


@pytest.mark.parametrize("code", [0, -1, 7, 130, 255, 2**31, True, None, "3", 4.0, [1]])
@pytest.mark.parametrize("name", ["brand-new", "disk-full", "interrupted", "rolled-back", "fleet-split"])
def test_the_other_side_chooses_no_exit_code_beyond_the_documented_ones(name, code):
    known = {"disk-full": 1, "rolled-back": 4, "fleet-split": 6}
    again = outcomes.from_frame({"name": name, "exit_code": code, "what": "no"})
    assert again.exit_code == known.get(name, 1)
    assert not isinstance(again, errors.Interrupted)
    assert again.name != "interrupted"


def test_the_service_does_not_inherit_an_ignored_sigpipe(place):
    base = place[1]
    program = Path("/bin/cat").read_bytes()
    digest = hashlib.sha256(program).hexdigest()
    (base / "store" / digest).write_bytes(program)
    (base / "store" / digest).chmod(0o755)
    done = start(place, sha256=digest, args=["/proc/self/status"])
    ignored = next(line for line in done.stdout.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) & (1 << 12) == 0


@pytest.mark.parametrize(("minimum", "starts"), [(7, True), (8, False), (2**53 - 1, False)])
def test_below_the_minimum_nothing_is_started_whoever_starts_it(place, tmp_path, monkeypatch, minimum, starts):
    own, base, _ = place
    trust = tmp_path / "goferry.trust"
    trust.write_text(json.dumps({"schema": 2, "projects": {"shop": {"sequence": "time", "minimum": minimum}}}))
    (own / "trust").symlink_to(trust)
    for guarded in (False, True):
        done = start(place, project="shop", sequence=7, guarded=guarded, attempt=f"a{guarded}")
        assert (done.returncode, "below the minimum" in done.stderr) == ((0, False) if starts else (77, True))
    monkeypatch.setattr(unit, "TRUST", (str(tmp_path / "{}.none"), str(trust)))
    for own_file, code in ((False, 0 if starts else unit.BARRED), (True, 0)):
        if own_file:  # the project's own takes the other's place
            (tmp_path / "shop.none").write_text("{}")
        with (base / "slots/0.json").open("rb") as file:
            saved = os.dup(0)
            os.dup2(file.fileno(), 0)
            try:
                assert unit.may_start() == code
            finally:
                os.dup2(saved, 0)
                os.close(saved)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"projects": []}',
        '{"projects": {"shop": {"minimum": "9"}}}',
        '{"projects": {"x": {"minimum": 9}}}',
    ],
)
def test_a_trust_file_that_says_nothing_of_it_ends_nothing_that_serves(place, tmp_path, text):
    (tmp_path / "goferry.trust").write_text(text)
    (place[0] / "trust").symlink_to(tmp_path / "goferry.trust")
    assert start(place, project="shop", sequence=7).returncode == 0
