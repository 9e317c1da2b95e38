"""Module zips: every name that may not be, and h1."""

import hashlib
import io
import stat
import struct
import tracemalloc
import warnings
import zipfile

import pytest

from goferry.golang import _modzip as modzip

PREFIX = "golang.org/toolchain@v1/"


def archive(tmp_path, *entries, edit=None):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            for entry in entries:
                opened.writestr(entry, b"x" * 100)
    data = buffer.getvalue()
    path = tmp_path / "m.zip"
    path.write_bytes(edit(data) if edit else data)
    return path


def extract(tmp_path, path):
    folder = tmp_path / "out"
    folder.mkdir()
    return modzip.extract(path, folder, PREFIX)


@pytest.mark.parametrize(
    "names",
    [
        ["/etc/passwd"],
        ["../x"],
        [PREFIX],
        [PREFIX + "../x"],
        [PREFIX + "a/../../x"],
        [PREFIX + "./x"],
        [PREFIX + "a//x"],
        [PREFIX + "/x"],
        [PREFIX + "a/"],
        [PREFIX + "a\\b"],
        [PREFIX + "C:x"],
        [PREFIX + "a\nb"],
        [PREFIX + "a\x1b[31m"],
        [PREFIX + "a\u202eb"],
        [PREFIX + "x" * 300],
        [PREFIX + "go.mod"],
        [PREFIX + "src/go.mod"],
        ["golang.org/toolchain@v2/x"],
        [PREFIX + "x", PREFIX + "x"],
        [PREFIX + "x", PREFIX + "X"],
        [PREFIX + "a/x", PREFIX + "A/y"],
        [PREFIX + "a", PREFIX + "a/x"],
        [PREFIX + "a/x", PREFIX + "a"],
        [PREFIX + "\u00e9", PREFIX + "e\u0301"],
    ],
)
def test_unsafe_names(tmp_path, names):
    path = archive(tmp_path, *names)
    with pytest.raises(modzip.ZipUnsafe) as caught:
        extract(tmp_path, path)
    assert "\x1b" not in caught.value.what
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == [path]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_special_files(tmp_path, kind):
    info = zipfile.ZipInfo(PREFIX + "x")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(modzip.ZipUnsafe, match="link or a special"):
        extract(tmp_path, archive(tmp_path, info))


def test_local_header_names_another_file(tmp_path):
    path = archive(tmp_path, PREFIX + "abc", edit=lambda data: data.replace(b"abc", b"../", 1))
    with pytest.raises(modzip.ZipUnsafe, match="local header"):
        extract(tmp_path, path)


def test_bomb(tmp_path):
    infos = [zipfile.ZipInfo(f"{PREFIX}{number}") for number in range(3)]
    for info in infos:
        info.file_size, info.header_offset = modzip.MOST_BYTES // 2, 0
    with pytest.raises(modzip.ZipUnsafe, match="exceeds"):
        modzip.members(infos, PREFIX)


def test_size_that_lies(tmp_path):
    path = archive(tmp_path, PREFIX + "x", edit=lambda data: data.replace(b"\x64\x00\x00\x00", b"\x63\x00\x00\x00"))
    with pytest.raises(modzip.ZipDamaged):
        extract(tmp_path, path)


def test_no_zip(tmp_path):
    path = tmp_path / "m.zip"
    path.write_bytes(b"<html>")
    with pytest.raises(modzip.ZipDamaged):
        extract(tmp_path, path)


def test_h1_is_dirhash(tmp_path):
    # sha256("x" * 100), then the summary as `sha256sum` prints it, sorted, hashed again.
    import base64
    import hashlib

    found = extract(tmp_path, archive(tmp_path, PREFIX + "b", PREFIX + "a/c"))
    digest = hashlib.sha256(b"x" * 100).hexdigest()
    summary = f"{digest}  {PREFIX}a/c\n{digest}  {PREFIX}b\n"
    assert found == "h1:" + base64.b64encode(hashlib.sha256(summary.encode()).digest()).decode()
    assert (tmp_path / "out/a/c").read_bytes() == b"x" * 100


def test_a_path_of_20000_levels_is_refused_by_name(tmp_path):
    with pytest.raises(modzip.ZipUnsafe, match="its path has more than 1000 bytes"):
        extract(tmp_path, archive(tmp_path, PREFIX + "a/" * 20_000 + "x"))


def test_a_name_is_measured_in_bytes(tmp_path):
    with pytest.raises(modzip.ZipUnsafe):
        extract(tmp_path, archive(tmp_path, PREFIX + "\u754c" * 100))


def test_a_member_is_inflated_block_by_block(tmp_path):
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        opened.writestr(PREFIX + "large", bytes(64 << 20))
    tracemalloc.start()
    found = extract(tmp_path, path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "out" / "large").stat().st_size == 64 << 20
    assert found == modzip.h1({PREFIX + "large": hashlib.sha256(bytes(64 << 20)).hexdigest()})
    assert most < 16 << 20


@pytest.mark.parametrize("size", [99, 101, 0, 1 << 29])
def test_a_member_of_another_size_than_it_says_is_damaged(tmp_path, size):
    def edit(data):
        at = data.index(b"PK\x01\x02")
        return data[: at + 24] + struct.pack("<L", size) + data[at + 28 :]

    with pytest.raises(modzip.ZipDamaged):
        extract(tmp_path, archive(tmp_path, PREFIX + "x", edit=edit))


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(tmp_path, monkeypatch):
    path = archive(tmp_path, *(f"{PREFIX}{number}" for number in range(200)))
    monkeypatch.setattr(modzip, "MOST_DIRECTORY", 10_000)
    monkeypatch.setattr(modzip.zipfile, "ZipFile", None)
    with pytest.raises(modzip.ZipUnsafe, match="more files than a toolchain has"):
        extract(tmp_path, path)
