"""A dist/ folder travels as one tar; what is no such tar is refused whole."""

import io
import tarfile

import pytest

from goferry.artifacts import tarball


def folder(tmp_path):
    made = tmp_path / "dist"
    made.mkdir()
    (made / "api_linux_amd64").write_bytes(b"\x7fELF")
    (made / "api_linux_amd64").chmod(0o755)
    (made / "goferry.json").write_text("{}")
    return made


def test_modes_and_bytes_survive_and_the_tar_is_the_same_again(tmp_path):
    made = folder(tmp_path)
    first = tarball.pack(made, tmp_path / "a.tar").read_bytes()
    (made / "goferry.json").touch()
    assert tarball.pack(made, tmp_path / "b.tar").read_bytes() == first
    out = tarball.unpack(tmp_path / "a.tar", tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == ["api_linux_amd64", "goferry.json"]
    assert out.joinpath("api_linux_amd64").stat().st_mode & 0o777 == 0o755
    assert out.joinpath("goferry.json").stat().st_mode & 0o777 == 0o644


def member(name, kind=tarfile.REGTYPE, data=b"x", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


BAD = {
    "dotdot": [member("../x")],
    "absolute": [member("/tmp/x")],
    "folder-part": [member("a/b")],
    "backslash": [member("a\\b")],
    "dot": [member(".")],
    "newline": [member("a\nb")],
    "symlink": [member("a", tarfile.SYMTYPE, link="/etc/passwd")],
    "hardlink": [member("a"), member("b", tarfile.LNKTYPE, link="a")],
    "directory": [member("a", tarfile.DIRTYPE)],
    "fifo": [member("a", tarfile.FIFOTYPE)],
    "device": [member("a", tarfile.CHRTYPE)],
    "twice": [member("a"), member("a", data=b"y")],
    "case-twins": [member("a"), member("A")],
}


@pytest.mark.parametrize("members", BAD.values(), ids=BAD)
def test_anything_but_plain_files_is_refused_and_nothing_is_left(tmp_path, members):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(tarball.ParcelUnsafe):
        tarball.unpack(path, tmp_path / "out")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bad.tar"]


@pytest.mark.parametrize("cut", [0, 100, 600])
def test_a_cut_or_compressed_tar_is_refused(tmp_path, cut):
    whole = tarball.pack(folder(tmp_path), tmp_path / "a.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(b"\x1f\x8b" + whole[:cut])
    with pytest.raises(tarball.ParcelUnsafe):
        tarball.unpack(tmp_path / "cut.tar", tmp_path / "out")


def test_nothing_is_packed_of_a_folder_with_links(tmp_path):
    made = folder(tmp_path)
    (made / "link").symlink_to("goferry.json")
    with pytest.raises(tarball.ParcelUnsafe):
        tarball.pack(made, tmp_path / "a.tar")


def test_a_missing_tar_is_named(tmp_path):
    with pytest.raises(tarball.ParcelMissing, match=r"dist\.tar"):
        tarball.unpack(tmp_path / "dist.tar", tmp_path / "out")
