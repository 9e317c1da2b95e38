import os
import subprocess
import sys

import pytest

from goferry.pipeline._staging import OutputForeign, Staging, UpRunning
from goferry.pipeline._step_record import Done, StepRecord


def make(staging, text="1", sealed=True):
    """Make a release in the work folder as the steps do."""
    staging.prepare(afresh=True)
    record = StepRecord.load(staging.work_state)
    (staging.work / "api").write_text(text)
    record.remember("build", Done("k", {}, {"api": "0"}))
    if sealed:
        (staging.work / "SHA256SUMS").write_text(text)
        record.remember("sign", Done("k", {}, {"api": "0", "SHA256SUMS": "0"}))
        (staging.work.parent / ".goferry").mkdir(exist_ok=True)
        (staging.work.parent / ".goferry" / "dist.json").write_text(text)
        (staging.work / "api").chmod(0o444)
        staging.work.chmod(0o555)


@pytest.fixture
def staging(tmp_path):
    return Staging(tmp_path / "dist")


def test_a_release_appears_whole_with_its_ledger_and_record(staging):
    make(staging)
    assert not staging.out.exists()
    staging.publish()
    assert (staging.out / "api").read_text() == "1"
    assert staging.out.stat().st_mode & 0o777 == 0o555
    assert StepRecord.load(staging.state).made() == {"api", "SHA256SUMS"}
    assert (staging.home / "dist.json").read_text() == "1"
    assert not staging.work.exists()


def test_its_own_release_is_replaced(staging):
    make(staging)
    staging.publish()
    make(staging, "2")
    staging.publish()
    assert (staging.out / "api").read_text() == "2"
    assert not list((staging.home / "staging").glob("*.old"))


def test_a_file_that_it_did_not_make_stops_it(staging):
    make(staging)
    staging.publish()
    staging.out.chmod(0o755)
    (staging.out / "notes.txt").write_text("mine")
    with pytest.raises(OutputForeign, match=r"notes\.txt"):
        staging.refuse_foreign()
    make(staging, "2")
    with pytest.raises(OutputForeign):
        staging.publish()
    assert (staging.out / "notes.txt").read_text() == "mine"
    assert (staging.out / "api").read_text() == "1"


def test_a_foreign_folder_file_or_link_stops_it(staging, tmp_path):
    staging.out.mkdir()
    staging.refuse_foreign()  # an empty folder is anybody's
    (staging.out / "x").write_text("")
    with pytest.raises(OutputForeign):
        staging.refuse_foreign()
    for path in (tmp_path / "file", tmp_path / "link"):
        path.write_text("") if path.name == "file" else path.symlink_to(tmp_path)
        with pytest.raises(OutputForeign, match="not a folder"):
            Staging(path).refuse_foreign()


def test_work_that_was_cut_off_goes_on_or_starts_afresh(staging):
    make(staging)
    staging.prepare(afresh=False)
    assert (staging.work / "api").exists()
    staging.prepare(afresh=True)
    assert not list(staging.work.iterdir())
    assert not staging.work_state.exists()


def test_one_at_a_time_and_the_lock_dies_with_its_process(staging):
    with staging.locked(), pytest.raises(UpRunning), staging.locked():
        pass
    code = f"import os; from pathlib import Path; from goferry.pipeline._staging import Staging\nwith Staging(Path({str(staging.out)!r})).locked(): os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, env={**os.environ})
    with staging.locked():
        pass
