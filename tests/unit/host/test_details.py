"""What a target holds: each size as it is on the disk, within a limit, and what the next deploy removes."""

import os

import pytest
from hypothesis import given, strategies as st
from simulated import PLACE, change, host  # noqa: F401

from goferry.host import agent, details, history, state
from goferry.host.embedded import Embedded
from goferry.host.history import HistoryEntry

ASKED = {"request": "status", "notes": {"details": True}}


def test_a_status_says_what_is_held_only_when_asked(host):  # noqa: F811
    change(host, "deploy", "v1", "")
    change(host, "deploy", "v2", "v1")
    session = agent.AgentSession(host.root, None, {})
    assert "details" not in session.answer({"request": "status"})
    show = host.show
    host.show = lambda unit: show(unit).replace("NRestarts=0", "NRestarts=3")
    held = session.answer(ASKED)["details"]
    api = held["services"]["api"]
    assert [(each["version"], each["live"], each["goes_next"]) for each in api["versions"]] == [
        ("v2", True, False), ("v1", False, False)
    ]  # fmt: skip
    size = (host.dist / "api-2").stat().st_size
    assert api["versions"][0]["bytes"] == size
    assert api["store"] >= 2 * size
    assert (api["restarts"], api["part"], "data" in api) == (3, [], False)
    assert 0 < held["free"] < held["size"]
    assert PLACE.unit(1) in host.processes


def test_what_a_local_target_holds(tmp_path):
    root = Embedded(tmp_path)
    folder = root.service("shop", "api")
    root.prepare()
    folder.prepare()
    (folder.data / "db").write_bytes(b"x" * 100_000)
    (folder.data / "link").symlink_to("/")
    folder.log_file(0).write_bytes(b"y" * 10_000)
    held = agent.AgentSession(root, None, {}).answer(ASKED)["details"]
    api = held["services"]["api"]
    assert api["data"] in range(100_000, 120_000)
    assert api["log"] in range(10_000, 30_000)
    assert ("restarts" in api, "journal" in held) == (False, False)


@pytest.mark.parametrize("limit", ["ENTRIES", "SECONDS"])
def test_a_folder_of_many_files_is_measured_in_part_and_says_so(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(details, limit, 0)
    root = Embedded(tmp_path)
    folder = root.service("shop", "api")
    root.prepare()
    folder.prepare()
    (folder.data / "a").touch()
    held = agent.AgentSession(root, None, {}).answer(ASKED)["details"]
    assert "data" in held["services"]["api"]["part"]


def test_a_folder_that_goes_meanwhile_or_is_closed_is_unknown(tmp_path):
    assert details.Tape().folder(tmp_path / "gone") is None
    (tmp_path / "f").touch()
    assert details.Tape().folder(tmp_path / "f") is None
    assert details.Tape().folder(tmp_path) == details.Measured(os.stat(tmp_path / "f").st_blocks * 512, whole=True)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), unique_by=lambda each: each[0]), st.integers(2, 6))
def test_what_goes_next_is_what_a_newer_commit_removes(entries, keep):
    found = tuple(HistoryEntry(n, f"v{n}", "", "", 0, "", left) for n, left in sorted(entries, reverse=True))
    live = state.Live(0, found[0].sequence, "v", "", "", 0) if found else None
    kept = state.State(live, found)
    after = details._after_next(kept, keep)
    coming = HistoryEntry(99, "v99", "", "", 0)
    real = history.committed(found, coming, live.sequence if live else 0, keep=keep, floor=None)
    assert {entry.sequence for entry in after} & {entry.sequence for entry in found} == {
        entry.sequence for entry in real
    } - {99}
