"""Modules that are kept: only what go.sum knows, and only with the bytes that it knows."""

import hashlib
import re
import stat

import pytest

from goferry.golang import _modzip as modzip, kept_modules
from goferry.golang.kept_modules import Module, Sums

TREE = "example.com/!big/dep@v1.2.3"
MOD = "cache/download/example.com/!big/dep/@v/v1.2.3.mod"
OTHER = "h1:" + "A" * 43 + "="
FILES = {"go.mod": b"module example.com/Big/dep\n", "a.go": b"package a\n", "a b/ä@v2.go": b"package b\n"}


def h1_of(files, prefix="example.com/Big/dep@v1.2.3/"):
    return modzip.h1({prefix + name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


H1 = h1_of(FILES)
H1_MOD = h1_of({"go.mod": FILES["go.mod"]}, "")
SUM = f"example.com/Big/dep v1.2.3 {H1}\r\nexample.com/Big/dep v1.2.3/go.mod {H1_MOD}\nnonsense\n"
SUMS = Sums({MOD: Module("example.com/Big/dep", "v1.2.3", H1_MOD)}, {TREE: Module("example.com/Big/dep", "v1.2.3", H1)})


def test_go_sum_says_which_files_are_wanted():
    assert kept_modules.wanted([SUM, SUM]) == SUMS


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
    assert kept_modules.wanted([line]) == Sums({}, {})


def restored(root, files, sums=SUMS):
    restoring = kept_modules.Restoring(root, sums)
    try:
        refused = [name for name, data in files.items() if not restoring.take(name, memoryview(data))]
        return [*refused, *restoring.settle()]
    finally:
        restoring.close()


def below(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


PACKED = {**{f"{TREE}/{name}": data for name, data in FILES.items()}, MOD: FILES["go.mod"]}


def test_what_go_sum_knows_is_restored_with_what_go_expects_beside_it(tmp_path):
    assert restored(tmp_path, PACKED) == []
    stem = MOD.removesuffix(".mod")
    expected = {f"{stem}.ziphash": H1.encode(), f"{stem}.info": b'{"Version": "v1.2.3"}'}
    assert below(tmp_path) == {**PACKED, **expected}
    assert stat.S_IMODE((tmp_path / TREE).stat().st_mode) == 0o555
    assert stat.S_IMODE((tmp_path / TREE / "a.go").stat().st_mode) & 0o222 == 0


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({f"{TREE}/a.go": b"package evil\n"}, [TREE]),
        ({f"{TREE}/more.go": b"package a\n"}, [TREE]),
        ({f"{TREE}/a.go": None}, [TREE]),
        ({MOD: b"module example.com/evil\n"}, [MOD]),
    ],
)
def test_what_is_not_what_go_sum_says_is_left_out_whole(tmp_path, change, refused):
    files = {name: data for name, data in {**PACKED, **change}.items() if data is not None}
    assert restored(tmp_path, files) == refused
    assert not [name for name in below(tmp_path) if name.startswith(refused[0])]


def test_what_go_sum_does_not_know_is_passed_over(tmp_path):
    assert restored(tmp_path, PACKED, Sums({}, {})) == []
    assert below(tmp_path) == {}


def test_a_module_that_is_there_stays(tmp_path):
    (tmp_path / TREE).mkdir(parents=True)
    (tmp_path / TREE / "a.go").write_bytes(b"mine")
    assert restored(tmp_path, PACKED) == []
    assert (tmp_path / TREE / "a.go").read_bytes() == b"mine"


def test_whole_modules_that_go_sum_knows_are_packed(tmp_path):
    restored(tmp_path, PACKED)
    assert sorted(kept_modules.names(tmp_path, SUMS)) == sorted(PACKED)
    (tmp_path / MOD).with_name("v1.2.3.partial").touch()  # Go was stopped while it unpacked
    assert kept_modules.names(tmp_path, SUMS) == [MOD]


NAMES = [
    (MOD, True),
    (f"{TREE}/a.go", True),
    (f"{TREE}/.github/x", True),
    (f"{TREE}/a..b/...", True),
    ("go.uber.org/zap@v1.0.0/x", True),
    (TREE, False),
    (f"{TREE}/", False),
    (f"{TREE}/../x", False),
    (f"{TREE}/a/..", False),
    (f"{TREE}/a//b", False),
    (f"{TREE}/a\\b", False),
    (f"{TREE}/a\nb", False),
    (f"../{TREE}/a", False),
    (f"/{TREE}/a", False),
    ("cache/download/example.com/dep/@v/v1.0.0.zip", False),
    ("cache/download/example.com/dep/@v/../v1.mod", False),
    ("cache/lock", False),
]


@pytest.mark.parametrize(("name", "may"), NAMES)
def test_a_pack_names_files_of_modules_alone(name, may):
    assert bool(re.fullmatch(kept_modules.NAME, name)) is may
