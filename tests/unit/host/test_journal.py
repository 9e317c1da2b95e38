"""The journal survives torn tails and damage; the lock dies with its process."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings, strategies as st
from sampling import FULL, examples

from goferry.host import journal, lock
from goferry.host.journal import JournalLine, Result
from goferry.kernel.outcomes import DeployBusy

RECORDS = [{"event": "begin", "n": 1}, {"event": "staged"}, {"event": "settled", "result": {"outcome": "aborted"}}]
WRITTEN = [JournalLine.of(record) for record in RECORDS]


@pytest.fixture
def written(tmp_path):
    made = journal.Journal(tmp_path / "j" / "t.jsonl")
    for line in WRITTEN:
        made.append(line)
    return made


def test_lines_come_back(written):
    assert written.lines() == WRITTEN
    assert [line.record() for line in WRITTEN] == RECORDS
    assert journal.outcome(written) == Result("aborted")


def test_an_open_transaction_has_no_result(tmp_path):
    made = journal.Journal(tmp_path / "j" / "t.jsonl")
    assert journal.outcome(made) is None
    made.append(WRITTEN[0])
    assert journal.outcome(made) is None


@settings(deadline=None, max_examples=examples(80))
@given(st.data())
def test_any_cut_leaves_a_prefix(data):
    whole = b"".join(journal.encode(record) for record in RECORDS)
    cut = data.draw(st.integers(0, len(whole)))
    records = journal.decode(whole[:cut])
    assert records == RECORDS[: len(records)]
    ends = [sum(len(journal.encode(r)) for r in RECORDS[:n]) for n in range(len(RECORDS) + 1)]
    assert len(records) == max(n for n, end in enumerate(ends) if end <= cut)


@settings(deadline=None, max_examples=examples(80))
@given(st.data())
def test_a_flipped_bit_ends_what_is_believed(data):
    whole = bytearray(b"".join(journal.encode(record) for record in RECORDS))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    records = journal.decode(bytes(whole))
    assert records == RECORDS[: len(records)]
    assert len(records) < len(RECORDS)


@settings(deadline=None, max_examples=examples(80))
@given(st.binary(max_size=100))
def test_noise_is_no_line(noise):
    assert journal.decode(noise) == []


def test_a_torn_tail_is_cut_before_the_next_line(written):
    with written.path.open("ab") as file:
        file.write(b"00000000 {torn")
    written.append(JournalLine("more"))
    assert written.lines() == [*WRITTEN, JournalLine("more")]


def begin(folder, identifier, kind="deploy"):
    made = journal.begin(folder, identifier, kind)
    made.append(JournalLine("begin", more={"transaction": {"id": identifier}}))
    return made


def settle(folder, identifier, age=0.0):
    made = begin(folder, identifier)
    made.append(JournalLine("settled", more={"result": {"outcome": identifier}}))
    age_by(made.path, age)
    return made


def age_by(path, days):
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def of_a_first_agent(folder, identifier, days, event="settled"):
    made = journal.Journal(folder / f"{identifier}.jsonl")
    made.append(JournalLine("begin", more={"transaction": {"id": identifier}}))
    made.append(JournalLine(event, more={"result": {"outcome": "committed"}}))
    age_by(made.path, days)
    return made


def names(folder):
    return [entry.path.name for entry in journal.journals(folder)]


def test_order_and_pruning_are_the_agent_s_whatever_ids_a_client_chooses(tmp_path):
    ids = ["zzz", "00000", "~".replace("~", "a.b"), "9" * 60, "_0000000099-x".strip("_")]
    made = [settle(tmp_path, identifier).path for identifier in ids]
    assert [entry.path for entry in journal.journals(tmp_path)] == made
    for number in range(3 * journal.KEEP):
        settle(tmp_path, f"z{number}")
    journal.prune(tmp_path)
    assert len(names(tmp_path)) == len(ids) + 3 * journal.KEEP
    assert names(tmp_path)[: len(ids)] == [path.name for path in made]


def test_what_is_older_than_thirty_days_goes_and_the_newest_stay(tmp_path):
    for number in range(journal.KEEP + 5):
        settle(tmp_path, f"t{number}", age=31)
    unfinished = begin(tmp_path, "open")
    age_by(unfinished.path, 400)
    young = settle(tmp_path, "young", age=29)
    for _ in range(journal.KEEP - 2):
        settle(tmp_path, "new")
    before = names(tmp_path)
    journal.prune(tmp_path)
    assert names(tmp_path) == before[journal.KEEP + 5 :]
    assert unfinished.path.exists()
    assert young.path.exists()


def test_the_counter_never_sinks(tmp_path):
    for number in range(3):
        settle(tmp_path, f"t{number}")
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    assert settle(tmp_path, "t").path.name.startswith("_0000000004-")
    (tmp_path / ".counter").write_bytes(b"torn")
    assert settle(tmp_path, "t").path.name.startswith("_0000000005-")
    (tmp_path / ".counter").unlink()
    assert settle(tmp_path, "t").path.name.startswith("_0000000006-")


def test_an_id_is_the_key_of_what_was_asked_twice(tmp_path):
    settle(tmp_path, "one")
    settle(tmp_path, "two")
    begin(tmp_path, "three")
    assert journal.result(tmp_path, "one") == Result("one")
    assert journal.result(tmp_path, "two") == Result("two")
    assert journal.result(tmp_path, "three") is None
    assert journal.result(tmp_path, "none") is None
    of_a_first_agent(tmp_path, "20260101T000000-0a", 1)
    assert journal.result(tmp_path, "20260101T000000-0a") == Result("committed")
    assert journal.result(tmp_path / "another", "one") is None


def test_journals_that_a_client_named_are_read_and_are_the_older_ones(tmp_path):
    settle(tmp_path, "new")
    for number, identifier in enumerate(("zzz", "aaa", "_x".strip("_"))):
        of_a_first_agent(tmp_path, identifier, 10 - number)
    crashed = of_a_first_agent(tmp_path, "9999", 20, event="staged")
    assert names(tmp_path)[:4] == ["9999.jsonl", "zzz.jsonl", "aaa.jsonl", "x.jsonl"]
    assert [entry.path for entry in journal.unsettled(tmp_path)] == []  # one was begun since, so all had been ended
    for path in tmp_path.glob("_*"):
        path.unlink()
    assert [entry.path for entry in journal.unsettled(tmp_path)] == [crashed.path]
    last = begin(tmp_path, "last")
    assert [entry.path for entry in journal.unsettled(tmp_path)] == [last.path, crashed.path]


def test_a_project_has_an_end_of_journals_and_the_way_back_has_more_room(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MOST", {"deploy": 5, "rollback": 6})
    for number in range(5):
        settle(tmp_path, f"t{number}")
    with pytest.raises(journal.JournalFull) as caught:
        begin(tmp_path, "t5")
    assert (caught.value.name, caught.value.exit_code) == ("journal-full", 1)
    begin(tmp_path, "back", "rollback")
    with pytest.raises(journal.JournalFull):
        begin(tmp_path, "back again", "rollback")


def test_what_is_no_journal_of_the_agent_s_is_left_alone(tmp_path):
    (tmp_path / "notes.jsonl").write_text("theirs")
    (tmp_path / "damaged.jsonl").write_text("00000000 {}\n")
    (tmp_path / "folder.jsonl").mkdir()
    torn = tmp_path / "torn.jsonl"
    torn.write_text('0123abcd {"event":')
    begun = {entry.path.name: journal.never_begun(entry) for entry in journal.journals(tmp_path)}
    assert begun == {"notes.jsonl": False, "damaged.jsonl": False, "torn.jsonl": True}
    for _ in range(2 * journal.KEEP):
        settle(tmp_path, "t", age=31)
    age_by(tmp_path / "notes.jsonl", 99)
    journal.prune(tmp_path)
    assert (tmp_path / "notes.jsonl").read_text() == "theirs"


def test_as_many_journals_as_there_may_be_are_looked_through_quickly(tmp_path, monkeypatch):
    many = journal.MOST["deploy"] if FULL else 1000
    monkeypatch.setitem(journal.MOST, "deploy", many)
    line = journal.encode({"event": "settled", "result": {}})
    for number in range(many):
        (tmp_path / f"_{number:010d}-{number:016x}.jsonl").write_bytes(line)
    last = begin(tmp_path, "last", "rollback")
    since = time.process_time()
    journal.prune(tmp_path)
    assert [entry.path for entry in journal.unsettled(tmp_path)] == [last.path]
    assert journal.result(tmp_path, "none") is None
    assert time.process_time() - since < 1 + many / 1000  # what this process computed, however busy the machine is


HOLDER = "import sys, time; from goferry.host import lock; from pathlib import Path; d = lock.acquire([(Path(sys.argv[1]), False)]); print(d[0], flush=True); time.sleep(60)"


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path):
    path, mine = tmp_path / "lock", [(tmp_path / "other", True), (tmp_path / "lock", False)]
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    with holder:
        assert int(holder.stdout.readline()) > 0
        start = time.monotonic()
        with pytest.raises(DeployBusy), lock.held(mine, 0.2):
            pass
        assert time.monotonic() - start >= 0.2  # and not for the holder, which sleeps on
        with pytest.raises(DeployBusy), lock.held(mine, 1e9, lambda: True):  # nobody waits for who went away
            pass
        os.kill(holder.pid, signal.SIGKILL)
    with lock.held(mine, 2):
        assert lock.acquire(mine) == []
        others = lock.acquire(mine[:1])  # what is shared is shared, and keeps those out who want it for themselves
        assert lock.acquire([(mine[0][0], False)]) == []
        lock.release(others)
    descriptors = lock.acquire(mine)
    assert len(descriptors) == 2
    lock.release(descriptors)


def test_room_is_set_aside_until_it_goes_back(tmp_path):
    entry = journal.Journal(tmp_path / "root" / "shop" / ".journal" / "t1.jsonl")
    reserve = entry.path.parent / ".reserve"
    entry.append(JournalLine("begin"))
    assert reserve.stat().st_blocks * 512 >= journal.RESERVE
    entry.append(JournalLine("staged"))
    assert reserve.exists()
    entry.append(JournalLine("failed"))
    assert not reserve.exists()
    entry.append(JournalLine("settled"))
    assert [line.event for line in entry.lines()] == ["begin", "staged", "failed", "settled"]
    assert [each.path for each in journal.journals(entry.path.parent)] == [entry.path]


def test_the_way_back_begins_on_a_disk_that_is_full(tmp_path, monkeypatch):
    folder = tmp_path / "shop" / ".journal"
    journal.begin(folder, "one", "deploy").append(JournalLine("begin"))
    monkeypatch.setattr(journal, "_full", lambda folder: (folder / ".reserve").exists())
    journal.begin(folder, "two", "deploy")
    assert (folder / ".reserve").exists()
    entry = journal.begin(folder, "three", "rollback")
    entry.append(JournalLine("begin"))
    entry.append(JournalLine("settled"))
    assert not (folder / ".reserve").exists()
    assert journal.settled(entry)
