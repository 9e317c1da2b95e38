"""Modules that are kept: only what go.sum knows, and only with the bytes that it knows."""

import hashlib
import io
import zipfile

import pytest

from goferry.golang import kept, modzip
from goferry.golang.kept import Module

ZIP = "example.com/!big/dep/@v/v1.2.3.zip"
MOD = "example.com/!big/dep/@v/v1.2.3.mod"
OTHER = "h1:" + "A" * 43 + "="


def zipped(files, **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **more) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return out.getvalue()


FILES = {"example.com/Big/dep@v1.2.3/go.mod": b"module example.com/Big/dep\n", "example.com/Big/dep@v1.2.3/a.go": b"x"}
H1 = modzip.h1({name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()})


def test_go_sum_says_which_files_are_wanted():
    mod = "h1:" + "B" * 43 + "="
    text = f"example.com/Big/dep v1.2.3 {H1}\r\nexample.com/Big/dep v1.2.3/go.mod {mod}\nnonsense\n"
    assert kept.wanted([text, text]) == {
        ZIP: Module("example.com/Big/dep", "v1.2.3", H1),
        MOD: Module("example.com/Big/dep", "v1.2.3", mod),
    }


@pytest.mark.parametrize(
    "line",
    [
        f"example.com/dep v1.0.0 {H1}\nexample.com/dep v1.0.0 {OTHER}\n",
        f"golang.org/toolchain v0.0.1-go1.27.3.linux-amd64 {H1}\n",
        f"../../etc v1.0.0 {H1}\n",
        f"/etc v1.0.0 {H1}\n",
        f"example.com/dep v1/../../x {H1}\n",
        f"example.com/dep v1.0.0 h2:{H1[3:]}\n",
        "",
    ],
)
def test_two_hashes_toolchains_and_strange_names_are_left_out(line):
    assert kept.wanted([line]) == {}


@pytest.mark.parametrize(
    ("data", "genuine"),
    [
        (zipped(FILES), True),
        (zipped(FILES, compression=zipfile.ZIP_DEFLATED), True),
        (zipped(dict(reversed(FILES.items()))), True),
        (zipped({**FILES, "example.com/Big/dep@v1.2.3/a.go": b"y"}), False),
        (zipped({**FILES, "example.com/Big/dep@v1.2.3/b.go": b""}), False),
        (zipped(FILES)[:-10], False),
        (zipped(FILES)[:40] + b"\0" * 40 + zipped(FILES)[80:], False),
        (b"", False),
        (b"PK\x05\x06" + b"\0" * 18, False),
    ],
)
def test_a_zip_is_held_to_go_sum(data, genuine):
    assert kept.genuine(Module("example.com/Big/dep", "v1.2.3", H1), ZIP, data) is genuine


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_of_two_equal_names_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, data in [*FILES.items(), ("example.com/Big/dep@v1.2.3/a.go", b"x")]:
            opened.writestr(name, data)
    assert not kept.genuine(Module("example.com/Big/dep", "v1.2.3", H1), ZIP, out.getvalue())


def test_a_bomb_is_refused_before_it_is_inflated():
    data = zipped({"example.com/Big/dep@v1.2.3/a.go": b"\0" * (1 << 20)}, compression=zipfile.ZIP_DEFLATED)
    inflated = (1 << 20).to_bytes(4, "little")
    bomb = data.replace(inflated, (0xFFFF_FFF0).to_bytes(4, "little"))
    assert bomb != data
    assert not kept.genuine(Module("example.com/Big/dep", "v1.2.3", H1), ZIP, bomb)


def test_a_go_mod_is_held_to_go_sum():
    data = b"module example.com/Big/dep\n"
    h1 = modzip.h1({"go.mod": hashlib.sha256(data).hexdigest()})
    assert kept.genuine(Module("example.com/Big/dep", "v1.2.3", h1), MOD, data)
    assert not kept.genuine(Module("example.com/Big/dep", "v1.2.3", h1), MOD, data + b"\n")


def test_what_go_expects_beside_a_zip_is_made_anew(tmp_path):
    (tmp_path / ZIP).parent.mkdir(parents=True)
    kept.complete(tmp_path, ZIP, Module("example.com/Big/dep", "v1.2.3", H1))
    made = {path.name: path.read_text() for path in (tmp_path / ZIP).parent.iterdir()}
    assert made == {"v1.2.3.ziphash": H1, "v1.2.3.info": '{"Version": "v1.2.3"}'}
