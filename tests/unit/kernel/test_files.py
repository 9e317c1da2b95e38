"""What is written survives a power cut: the disk has the bytes before the name, and the name before anybody is told."""

import os
import stat

import pytest

from goferry.host import journal
from goferry.kernel import files


@pytest.fixture
def acts(monkeypatch):
    """Return what is asked of the disk, in order."""
    done = []

    def synced(descriptor):
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")

    rename = os.replace
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: done.append("rename") or rename(*names))
    return done


def test_a_file_is_synced_before_it_gets_its_name_and_its_folder_after(acts, tmp_path):
    files.write_atomically(tmp_path / "state", b"whole", 0o600)
    assert acts == ["sync file", "rename", "sync folder"]
    assert (tmp_path / "state").read_bytes() == b"whole"
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_the_folder_of_a_link_is_synced_after_it_has_its_name(acts, tmp_path):
    files.link_atomically(tmp_path / "live", "slots/1")
    assert acts == ["rename", "sync folder"]
    assert os.readlink(tmp_path / "live") == "slots/1"


def test_a_line_of_the_journal_is_synced_before_it_counts(monkeypatch, tmp_path):
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    written = journal.Journal(tmp_path / "j" / "t.jsonl")
    for event in ("begin", "staged"):
        written.append(journal.JournalLine(event))
        assert synced[-1] == written.path.stat().st_size
    assert len(synced) == 2
