"""What was built stands only if its tests pass and left it alone."""

from pathlib import Path

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.gobuild.folder import DistForeign, DistTouched, on_trial, ours, work


@pytest.fixture
def built(tmp_path):
    out = tmp_path / "dist"
    out.mkdir()
    ledger = Ledger("shop", "v1.0.0")
    for name in ("shop_linux_amd64", "shop_linux_arm64"):
        (out / name).write_text(name)
        ledger.add(Artifact.of_file(out / name, project="shop", kind="binary", goos="linux"))
    ledger.save(out)
    return out, ledger


def test_after_tests_that_passed_all_of_it_stands(built):
    out, ledger = built
    with on_trial(out, ledger):
        (out / "goferry.json").write_text("{}")  # what the run itself knows counts
    assert Ledger.load(out) == ledger
    assert len(list(out.iterdir())) == 3


def test_after_red_tests_nothing_of_it_is_left(built):
    out, ledger = built
    with pytest.raises(KeyboardInterrupt), on_trial(out, ledger):
        raise KeyboardInterrupt
    assert not out.exists()


def changed(out):
    (out / "shop_linux_amd64").write_text("evil")


def removed(out):
    (out / "shop_linux_amd64").unlink()


def linked(out):
    (out / "shop_linux_amd64").rename(out.parent / "elsewhere")
    (out / "shop_linux_amd64").symlink_to(out.parent / "elsewhere")


def added(out):
    (out / "evil_linux_amd64").write_text("evil")


@pytest.mark.parametrize("change", [changed, removed, linked, added])
def test_what_tests_touched_is_refused(built, change):
    out, ledger = built
    with pytest.raises(DistTouched), on_trial(out, ledger):
        change(out)
    assert not (out / "goferry.json").exists()
    assert not list(out.glob("shop_*"))


@pytest.mark.parametrize("name", ["file", "file/dist", "file/a/b", "nowhere", "nowhere/dist"])
def test_what_can_not_be_a_folder_is_refused_before_the_work(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("absent")
    with pytest.raises(DistForeign, match="is not a folder"):
        ours(tmp_path / name)


def test_a_folder_that_can_not_be_made_is_named():
    out = Path("/proc/goferry")  # where root can make none either
    assert ours(out) is None
    with pytest.raises(DistForeign, match="can't be made"), work(out):
        pass
