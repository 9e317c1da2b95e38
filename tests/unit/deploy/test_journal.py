"""The journal survives torn tails and damage; the lock dies with its process."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goferry.host import journal, lock
from goferry.kernel.outcomes import DeployBusy

RECORDS = [{"event": "begin", "n": 1}, {"event": "staged"}, {"event": "settled", "result": {"outcome": "aborted"}}]


@pytest.fixture
def written(tmp_path):
    made = journal.Journal(tmp_path / "j" / "t.jsonl")
    for record in RECORDS:
        made.append(record)
    return made


def test_lines_come_back(written):
    assert written.records() == RECORDS
    assert journal.result(written) == {"outcome": "aborted"}


def test_an_open_transaction_has_no_result(tmp_path):
    made = journal.Journal(tmp_path / "j" / "t.jsonl")
    assert journal.result(made) is None
    made.append(RECORDS[0])
    assert journal.result(made) is None


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_any_cut_leaves_a_prefix(data):
    whole = b"".join(journal.encode(record) for record in RECORDS)
    cut = data.draw(st.integers(0, len(whole)))
    records = journal.decode(whole[:cut])
    assert records == RECORDS[: len(records)]
    ends = [sum(len(journal.encode(r)) for r in RECORDS[:n]) for n in range(len(RECORDS) + 1)]
    assert len(records) == max(n for n, end in enumerate(ends) if end <= cut)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_flipped_bit_ends_what_is_believed(data):
    whole = bytearray(b"".join(journal.encode(record) for record in RECORDS))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    records = journal.decode(bytes(whole))
    assert records == RECORDS[: len(records)]
    assert len(records) < len(RECORDS)


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=100))
def test_noise_is_no_line(noise):
    assert journal.decode(noise) == []


def test_a_torn_tail_is_cut_before_the_next_line(written):
    with written.path.open("ab") as file:
        file.write(b"00000000 {torn")
    written.append({"event": "more"})
    assert written.records() == [*RECORDS, {"event": "more"}]


def test_old_journals_are_pruned(tmp_path):
    for number in range(journal.KEEP + 5):
        journal.Journal(tmp_path / "j" / f"{number:03}.jsonl").append({"event": "settled"})
    journal.prune(tmp_path / "j")
    kept = [entry.path.stem for entry in journal.journals(tmp_path / "j")]
    assert kept == [f"{number:03}" for number in range(5, journal.KEEP + 5)]


HOLDER = "import sys, time; from goferry.host import lock; from pathlib import Path; d = lock.acquire([(Path(sys.argv[1]), False)]); print(d[0], flush=True); time.sleep(60)"


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path):
    path, mine = tmp_path / "lock", [(tmp_path / "other", True), (tmp_path / "lock", False)]
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    with holder:
        assert int(holder.stdout.readline()) > 0
        start = time.monotonic()
        with pytest.raises(DeployBusy), lock.held(mine, 0.2):
            pass
        assert 0.2 <= time.monotonic() - start < 2
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
    entry.append({"event": "begin"})
    assert reserve.stat().st_blocks * 512 >= journal.RESERVE
    entry.append({"event": "staged"})
    assert reserve.exists()
    entry.append({"event": "failed"})
    assert not reserve.exists()
    entry.append({"event": "settled"})
    assert [line["event"] for line in entry.records()] == ["begin", "staged", "failed", "settled"]
    assert [each.path for each in journal.journals(entry.path.parent)] == [entry.path]
