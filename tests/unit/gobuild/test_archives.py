import gzip
import hashlib
import os
import subprocess
import tarfile
import zipfile

import pytest

from goferry.gobuild import _archives as archives

EPOCH = 1795406602


@pytest.fixture
def members(tmp_path):
    program, text = tmp_path / "in" / "api", tmp_path / "in" / "LICENSE"
    program.parent.mkdir()
    program.write_bytes(b"\x7fELF" + os.urandom(5000) + b"\0" * 3_000_000)
    program.chmod(0o755)
    text.write_bytes(b"text\n")
    text.chmod(0o600)
    return {"LICENSE": text, "api": program}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_the_bytes_depend_on_content_and_time_alone(tmp_path, members, name, monkeypatch):
    first, second = tmp_path / name, tmp_path / "other" / name
    second.parent.mkdir()
    facts = archives.pack(first, members, EPOCH)
    for path in members.values():
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.name == "api" else 0o444)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    umask = os.umask(0o077)
    try:
        assert archives.pack(second, members, EPOCH) == facts
    finally:
        os.umask(umask)
    assert first.read_bytes() == second.read_bytes()
    assert second.stat().st_mode & 0o777 == 0o644


def test_a_tar_holds_fixed_owner_time_and_modes(tmp_path, members):
    path = tmp_path / "a.tar.gz"
    facts = archives.pack(path, members, EPOCH)
    assert path.read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    with tarfile.open(path) as tar:
        entries = tar.getmembers()
        assert [(e.name, e.mode, e.mtime, e.uid, e.gid, e.uname, e.gname) for e in entries] == [
            ("LICENSE", 0o644, EPOCH, 0, 0, "", ""),
            ("api", 0o755, EPOCH, 0, 0, "", ""),
        ]
        assert tar.extractfile("api").read() == members["api"].read_bytes()
    assert facts["content"] == hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()


def test_plain_tools_can_read_both(tmp_path, members, part):
    archives.pack(tmp_path / "a.tar.gz", members, EPOCH)
    listed = subprocess.run([part("tar"), "tzf", tmp_path / "a.tar.gz"], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == ["LICENSE", "api"]


def test_a_zip_has_forward_slashes_and_unix_modes(tmp_path, members):
    path = tmp_path / "a.zip"
    archives.pack(path, {"docs/LICENSE": members["LICENSE"], "api.exe": members["api"]}, EPOCH)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        kept = {
            info.filename: (info.create_system, info.external_attr >> 16, info.date_time) for info in archive.infolist()
        }
        assert kept["api.exe"] == (3, 0o100755, (2026, 11, 23, 4, 3, 22))
        assert kept["docs/LICENSE"] == (3, 0o100644, (2026, 11, 23, 4, 3, 22))


@pytest.mark.parametrize("epoch", [0, 315532800, 4354819199, 253402300799])
def test_times_that_a_format_can_not_hold_are_moved_to_its_edge(tmp_path, members, epoch):
    archives.pack(tmp_path / "a.zip", members, epoch)
    archives.pack(tmp_path / "a.tar.gz", members, epoch)
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getmembers()[0].mtime == epoch
