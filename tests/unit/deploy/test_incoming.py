"""Uploads: blocks in order, bounded whatever is claimed, resumable, and never under a name that leaves the folder."""

import hashlib
import os

import pytest

from goferry.host import incoming
from goferry.host.layout import Root
from goferry.kernel.errors import Misuse
from goferry.kernel.outcomes import DiskFull, UploadDamaged, UploadRefused

DATA = os.urandom(3000)


@pytest.fixture
def root(tmp_path):
    made = Root(tmp_path / "root")
    made.prepare()
    return made


def send(root, data, offset, name="api_linux_amd64", identifier="t1", whole=DATA, **changes):
    request = {"id": identifier, "name": name, "size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    return incoming.receive(root, {**request, "offset": offset, **changes}, data)


def test_a_file_gets_its_name_when_it_is_whole_and_right(root):
    place = incoming.folder(root, "t1")
    assert send(root, b"", -1) == {"have": 0, "done": False}
    assert send(root, DATA[:1000], 0) == {"have": 1000, "done": False}
    assert list(incoming.names(place)) == []
    assert send(root, DATA[1000:], 1000) == {"have": 3000, "done": True}
    assert list(incoming.names(place)) == ["api_linux_amd64"]
    assert (place / "api_linux_amd64").read_bytes() == DATA
    assert (place / "api_linux_amd64").stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o777 == 0o700
    assert send(root, b"", -1) == {"have": 3000, "done": True}


def test_a_broken_upload_goes_on_where_the_host_says(root):
    send(root, DATA[:1000], 0)
    assert send(root, DATA[:1000], 0) == {"have": 1000, "done": False}  # sent twice, written once
    assert send(root, DATA[2000:], 2000) == {"have": 1000, "done": False}
    assert send(root, DATA[1000:], 1000)["done"]


def test_an_empty_file_is_whole_at_once(root):
    assert send(root, b"", 0, whole=b"") == {"have": 0, "done": True}


def test_other_bytes_than_announced_are_removed(root):
    with pytest.raises(UploadDamaged):
        send(root, b"x" * 3000, 0)
    assert send(root, b"", -1) == {"have": 0, "done": False}


@pytest.mark.parametrize(
    "changes",
    [
        *[{"name": name} for name in ("", ".", "..", "../x", "/etc/passwd", ".part", "-x", "a/b", "a\0", "a\n", "é" * 200, 5)],
        *[{"size": size} for size in (-1, True, "1", None, incoming.MAX_FILE + 1)],
        *[{"sha256": text} for text in ("", "x" * 64, "A" * 64, None, "a" * 63)],
        {"name": "release.json", "size": (8 << 20) + 1},
        {"name": "SHA256SUMS", "size": (1 << 20) + 1},
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_and_writes_nothing(root, changes):
    with pytest.raises(UploadRefused):
        send(root, DATA, 0, **changes)
    assert not root.incoming.exists()


def test_more_bytes_than_announced_are_refused(root):
    with pytest.raises(UploadRefused):
        send(root, DATA + b"x", 0)


@pytest.mark.parametrize("identifier", ["", "..", "../x", "a/b", ".x", "a" * 64])
def test_an_id_that_is_no_folder_is_refused(root, identifier):
    with pytest.raises(Misuse):
        send(root, DATA, 0, identifier=identifier)


def test_files_and_bytes_and_room_are_bounded(root, monkeypatch):
    monkeypatch.setattr(incoming, "MAX_FILES", 2)
    for number in range(2):
        send(root, DATA, 0, name=f"f{number}")
    with pytest.raises(UploadRefused, match="more than 2 files"):
        send(root, DATA, 0, name="f2")
    monkeypatch.setattr(incoming, "MAX_TOTAL", 8000)
    with pytest.raises(UploadRefused, match="8000 bytes"):
        send(root, DATA, 0, identifier="t2")
    monkeypatch.undo()
    monkeypatch.setattr(incoming, "MARGIN", 1 << 62)
    with pytest.raises(DiskFull):
        send(root, DATA, 0, identifier="t3")


def test_a_link_in_place_of_a_part_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    send(root, b"", -1)
    (incoming.folder(root, "t1") / ".api_linux_amd64.part").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic"):
        send(root, DATA, 0)
    assert outside.read_bytes() == b""


def test_what_nobody_continues_is_removed(root):
    send(root, DATA[:10], 0)
    incoming.prune(root)
    assert incoming.folder(root, "t1").is_dir()
    os.utime(incoming.folder(root, "t1"), (1, 1))
    incoming.prune(root)
    assert not incoming.folder(root, "t1").exists()
