"""What came of each transaction is recorded exactly once, whenever the agent or the power dies, and read back."""

import contextlib
import itertools
import os
import time

import pytest
from hypothesis import given, settings, strategies as st
from sampling import sample
from simulated import change, engine, host, recover, wanted  # noqa: F401

from goferry.host import agent, bounded_lines, deploy_record, journal, takedown
from goferry.host.embedded import Embedded
from goferry.host.journal import JournalLine
from goferry.kernel import machine
from goferry.kernel.manifest import COMMIT_TIME, Manifest

LINES = ("begin", "staged", "proven", "switch", "baked", "commit", "retired", "settled")


class Killed(BaseException):
    """The agent is gone."""


def run(made, kind, version, old, number):
    """A change as the agent does it: in a journal of its own, recorded when it is over."""
    begun = engine(made, version)
    begun.journal = journal.begin(made.root.journals("shop"), f"{kind}-{number}", kind)
    begun._on_settled = lambda: deploy_record.catch_up(made.root, "shop")
    begun.begin(wanted(made, kind, version, old), {"by": "ann"})
    for event in ("switch", "commit"):
        if machine.waits(begun.transaction) and begun.transaction.phase != machine.IDLE:
            begun.advance(event)


def recorded(made):
    return bounded_lines.read(deploy_record.path(made.root, "shop"))


def brief(lines):
    return [(line["number"], line["kind"], line["outcome"], line["changes"][0]["to"]) for line in lines]


CASES = sample(
    [
        (when, *how)
        for when, how in itertools.product(LINES, itertools.product(("before", "after"), (False, True), (False, True)))
    ],
    8,
)


@pytest.mark.parametrize(("line", "when", "power", "torn"), CASES)
def test_killed_at_any_line_each_transaction_is_recorded_once(host, monkeypatch, line, when, power, torn):  # noqa: F811
    run(host, "deploy", "v1", "", 1)
    append, written = journal.Journal.append, bounded_lines.append

    def killing(self, record):
        if record.event == line and when == "before":
            raise Killed
        append(self, record)
        if record.event == line:
            raise Killed

    monkeypatch.setattr(journal.Journal, "append", killing)
    with pytest.raises(Killed):
        run(host, "deploy", "v2", "v1", 2)
    monkeypatch.setattr(journal.Journal, "append", append)
    if power:
        host.power_cut()

    def tearing(path, record, most):
        with path.open("ab") as file:
            file.write(journal.encode(record)[:-20])
        raise Killed

    if torn:
        # Killed a second time, in the middle of the line of what the recovery ended.
        monkeypatch.setattr(bounded_lines, "append", tearing)
        with contextlib.suppress(Killed):
            deploy_record.catch_up(host.root, "shop")
        monkeypatch.setattr(bounded_lines, "append", written)
    recover(host)
    recover(host)
    lines = recorded(host)
    numbers = [each["number"] for each in lines]
    assert numbers == sorted(set(numbers))
    begun = not (line == "begin" and when == "before")
    assert len(numbers) == 1 + begun
    if begun:
        serving = host.serving()
        assert brief(lines)[1][2:] == (("committed", "v2") if serving == "v2" else (brief(lines)[1][2], "v2"))
        assert (lines[1]["outcome"] == "committed") == (serving == "v2")


def test_a_line_says_who_what_when_and_what_came_of_it(host, monkeypatch):  # noqa: F811
    before = time.time_ns() // 1_000_000
    run(host, "deploy", "v1", "", 1)
    host.closed = "nginx is not running"
    run(host, "deploy", "v2", "v1", 2)
    first, second = recorded(host)
    assert brief([first, second]) == [(1, "deploy", "committed", "v1"), (2, "deploy", "rolled-back", "v2")]
    assert before <= first["begun"] <= first["switched"] <= first["ended"] <= second["begun"] <= second["ended"]
    assert (first["error"], second["error"]) == ("", "public-address-unreachable")
    assert "nginx is not running" in second["what"]
    assert first["noted"] == {"by": "ann"}
    assert second["changes"] == [{"service": "api", "from": "v1", "to": "v2", "sequence": 2, "from_sequence": 1}]


def settle(folder, number, outcome="committed", result=None, **more):
    path = folder / f"_{number:010}-{'a' * 16}.jsonl"
    made = journal.Journal(path)
    transaction = {"id": f"t{number}", "kind": "deploy", "project": "shop", "changes": []}
    made.append(JournalLine("begin", "STAGING", {"schema": 2, "transaction": transaction, **more}))
    made.append(JournalLine("settled", "", {"result": result or {"outcome": outcome}}))
    return path


def test_journals_of_an_older_agent_are_read_and_recorded(tmp_path):
    root = Embedded(tmp_path)
    (tmp_path / "shop").mkdir()
    path = settle(root.journals("shop"), 7)
    os.utime(path, (1_767_225_600, 1_767_225_600))
    (older,) = deploy_record.page(root, "", 0, 0, 0)["deploys"]
    assert (older["begun"], older["ended"], older["number"]) == (0, 1_767_225_600_000, 7)
    deploy_record.catch_up(root, "shop")
    deploy_record.catch_up(root, "shop")
    assert [line["number"] for line in bounded_lines.read(tmp_path / "shop" / ".deploys.jsonl")] == [7]
    path.unlink()
    assert deploy_record.page(root, "", 0, 0, 0)["deploys"] == [older]


def test_what_is_not_over_or_not_read_is_not_there(tmp_path):
    root = Embedded(tmp_path)
    (tmp_path / "shop").mkdir()
    open_ = settle(root.journals("shop"), 1)
    open_.write_bytes(open_.read_bytes()[:-10])
    settle(root.journals("shop"), 2, critical={"unknown": 1})
    settle(root.journals("shop"), 3)
    assert [line["number"] for line in deploy_record.page(root, "", 0, 0, 0)["deploys"]] == [3]


STRANGE = [
    {"outcome": "committed", "numbers": 5},
    {"outcome": "committed", "error": ["no", "mapping"]},
    {"outcome": "aborted", "error": {"name": 5, "what": {}}},
    "no mapping",
]


@pytest.mark.parametrize("result", STRANGE)
def test_a_whole_journal_of_a_strange_form_keeps_no_other_from_being_recorded(tmp_path, result):
    root = Embedded(tmp_path)
    (tmp_path / "shop").mkdir()
    settle(root.journals("shop"), 1)
    settle(root.journals("shop"), 2, result=result)
    settle(root.journals("shop"), 3)
    deploy_record.catch_up(root, "shop")
    numbers = [line["number"] for line in bounded_lines.read(deploy_record.path(root, "shop"))]
    assert [number for number in numbers if number != 2] == [1, 3]
    assert {line["number"] for line in deploy_record.page(root, "", 0, 0, 0)["deploys"]} == set(numbers)


@pytest.mark.parametrize("steps", range(4))
def test_what_is_deployed_after_an_interrupted_purge_is_recorded(tmp_path, monkeypatch, steps):
    root = Embedded(tmp_path)
    root.prepare()
    (tmp_path / "shop").mkdir()
    settle(root.journals("shop"), 7)
    deploy_record.catch_up(root, "shop")
    remove, left = takedown.remove, iter(range(steps))

    def removing(path):
        if next(left, None) is None:
            raise Killed
        remove(path)

    monkeypatch.setattr(takedown, "remove", removing)
    with contextlib.suppress(Killed):
        agent.AgentSession(root, None, {}).answer({"request": "purge", "project": "shop", "dry_run": False})
    new = journal.begin(root.journals("shop"), "new", "deploy").path
    number = int(new.name[1:].partition("-")[0])
    settle(root.journals("shop"), number)
    deploy_record.catch_up(root, "shop")
    assert number in [line["number"] for line in bounded_lines.read(deploy_record.path(root, "shop"))]


def test_pages_are_the_newest_first_and_end(tmp_path):
    root = Embedded(tmp_path)
    (tmp_path / "shop").mkdir()
    for number in range(1, 8):
        settle(root.journals("shop"), number)
    deploy_record.catch_up(root, "shop")
    settle(root.journals("shop"), 8)
    pages = [deploy_record.page(root, "shop", 0, skip, 3) for skip in (0, 3, 6)]
    assert [[line["number"] for line in page["deploys"]] for page in pages] == [[8, 7, 6], [5, 4, 3], [2, 1]]
    assert [page["more"] for page in pages] == [True, True, False]
    assert deploy_record.page(root, "shop", 1 << 50, 0, 3) == {"deploys": [], "more": False}
    assert deploy_record.page(root, "other", 0, 0, 3)["deploys"] == []


@given(st.lists(st.binary(max_size=30), max_size=5))
@settings(deadline=None)
def test_whatever_lies_in_the_file_good_lines_are_found(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("lines") / "f.jsonl"
    for number, piece in enumerate(junk):
        bounded_lines.append(path, {"number": number}, 1 << 20)
        with path.open("ab") as file:
            file.write(piece.replace(b"\n", b""))
    bounded_lines.append(path, {"number": len(junk)}, 1 << 20)
    assert [line["number"] for line in bounded_lines.read(path)] == list(range(len(junk) + 1))


def test_the_file_loses_its_oldest_and_keeps_the_newest(tmp_path):
    path = tmp_path / "f.jsonl"
    for number in range(200):
        bounded_lines.append(path, {"number": number}, 1000)
        assert path.stat().st_size <= 1000
    found = [line["number"] for line in bounded_lines.read(path)]
    assert found == list(range(found[0], 200))
    assert len(found) > 10


def test_what_is_noted_is_of_its_type_and_short():
    notes = {COMMIT_TIME: "2026-01-01T00:00:00Z"}
    release = Manifest("shop", "m", "v1", "c" * 40, 1, "2026-01-02T00:00:00Z", (), notes=notes)
    asked = {"by": "x" * 900, "run": ["no text"], "other": "left out"}
    assert deploy_record.notes_of(release, "production", asked, "SHA256:abc") == {
        "by": "x" * 200, "environment": "production", "key": "SHA256:abc", "commit": "c" * 40,
        "commit-time": 1_767_225_600,
    }  # fmt: skip
    strange = Manifest("shop", "m", "v1", "", 1, "2026-01-02T00:00:00Z", (), notes={COMMIT_TIME: "yesterday"})
    assert deploy_record.notes_of(strange, "", {}, "") == {}
    assert deploy_record.notes_of(None, "e" * 900, {}, "") == {"environment": "e" * 200}
