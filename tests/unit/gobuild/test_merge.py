import pytest
from msgspec.structs import replace

from goferry.artifacts import Artifact, Compiled, Ledger, Uncommitted
from goferry.artifacts.ledger import DistSealed, LedgerInvalid, LedgerMissing
from goferry.gobuild import merge as joined
from goferry.gobuild.merge import FileConflict, FileDamaged, ShardDuplicate, ShardMismatch, ShardMissing, merge


@pytest.fixture
def part(tmp_path):
    def make(name, shard, files, **changes):
        folder = tmp_path / name
        folder.mkdir()
        ledger = Ledger("shop", "v1.0.0", commit="a" * 40, shards=[shard] if shard else [])
        ledger = replace(ledger, **changes)
        for file, content in files.items():
            (folder / file).write_bytes(content)
            ledger.add(Artifact.of_file(folder / file, project="shop", kind="binary", goos="linux"))
        ledger.save(folder)
        return folder

    return make


def test_parts_become_a_whole_with_modes_restored(part, tmp_path):
    parts = [part("b", "2/2@d", {"api_linux_arm64": b"arm"}), part("a", "1/2@d", {"api_linux_amd64": b"amd"})]
    ledger = merge(parts, tmp_path / "out")
    assert ledger.shards == []
    assert sorted(ledger.artifacts) == ["api_linux_amd64", "api_linux_arm64"]
    assert Ledger.load(tmp_path / "out") == ledger
    assert (tmp_path / "out/api_linux_amd64").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "api_linux_amd64",
        "api_linux_arm64",
        "goferry.json",
    ]


def test_what_any_part_read_beside_the_commit_is_listed(part, tmp_path):
    one, two = (Uncommitted("zz_a.go", "1" * 64),), (Uncommitted("zz_b.go", "2" * 64),)
    parts = [part("a", "1/2@d", {"x": b"1"}, uncommitted=two + one), part("b", "2/2@d", {"y": b"2"}, uncommitted=one)]
    assert merge(parts, tmp_path / "out").uncommitted == one + two


def test_parts_that_read_different_content_beside_the_commit_are_refused(part, tmp_path):
    entries = [(Uncommitted("web/index.html", digit * 64),) for digit in "12"]
    parts = [part(f"p{n}", f"{n + 1}/2@d", {f"x{n}": b"1"}, uncommitted=entries[n]) for n in range(2)]
    with pytest.raises(ShardMismatch, match=r"web/index\.html"):
        merge(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_parts_were_compiled_from_is_told_of_all(part, tmp_path):
    cold, packs = (Compiled(f"go1.27.3-{name}", name, ()) for name in ("cold", "packs"))
    parts = [
        part("a", "1/2@d", {"x": b"1"}, compiled=(packs, cold)),
        part("b", "2/2@d", {"y": b"2"}, compiled=(cold,)),
    ]
    assert merge(parts, tmp_path / "out").compiled == (cold, packs)


def test_merging_again_gives_the_same(part, tmp_path):
    parts = [part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"y": b"2"})]
    assert merge(parts, tmp_path / "out") == merge(parts, tmp_path / "out")


def test_the_same_file_in_two_parts_is_no_conflict(part, tmp_path):
    merge([part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"x": b"1"})], tmp_path / "out")


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ({"shard": "1/3@d"}, {"shard": "2/3@d"}, ShardMissing),
        ({"shard": "1/2@d"}, {"shard": "1/2@d"}, ShardDuplicate),
        ({"shard": "1/2@d"}, {"shard": "2/2@e"}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/3@d"}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": ""}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "commit": "b" * 40}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "version": "v1.0.1"}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "project": "other"}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "dirty": True}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "toolchain": {"version": "1.2"}}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "services": {"api": {}}}, ShardMismatch),
        ({"shard": "1/2@d"}, {"shard": "2/2@d", "files": {"x": b"other"}}, FileConflict),
        ({"shard": "x"}, {"shard": "y"}, ShardMismatch),
        ({"shard": "1/999999999999@d"}, {"shard": "2/999999999999@d"}, ShardMismatch),
    ],
)
def test_what_does_not_belong_together_is_refused_and_nothing_written(part, tmp_path, first, second, error):
    parts = [part("a", files={"x": b"1"}, **first), part("b", **{"files": {"y": b"2"}, **second})]
    with pytest.raises(error) as caught:
        merge(parts, tmp_path / "out")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()
    with pytest.raises(error):
        joined.check(parts)


def test_a_file_that_was_changed_on_the_way_is_refused(part, tmp_path):
    parts = [part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"y": b"2"})]
    (parts[1] / "y").write_bytes(b"3")
    with pytest.raises(FileDamaged):
        merge(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_and_missing_files_are_refused(part, tmp_path):
    parts = [part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"y": b"2"})]
    (parts[1] / "y").unlink()
    with pytest.raises(FileDamaged):
        merge(parts, tmp_path / "out")
    (parts[1] / "y").symlink_to("/etc/hostname")
    with pytest.raises(FileDamaged):
        merge(parts, tmp_path / "out")


def test_a_sealed_or_foreign_part_is_refused(part, tmp_path):
    parts = [part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"y": b"2"})]
    (parts[1] / "SHA256SUMS").write_text("")
    with pytest.raises(DistSealed):
        merge(parts, tmp_path / "out")
    (parts[1] / "SHA256SUMS").unlink()
    (parts[1] / "goferry.json").write_text("{}")
    with pytest.raises(LedgerInvalid):
        merge(parts, tmp_path / "out")
    (parts[1] / "goferry.json").unlink()
    with pytest.raises(LedgerMissing):
        merge(parts, tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/b", "", ".", "..", "SHA256SUMS", "goferry.json", ".building", "x\0y", "-rf", "x\ny"]
)
def test_a_hostile_ledger_can_not_name_a_path_outside(part, tmp_path, name):
    parts = [part("a", "1/2@d", {"x": b"1"}), part("b", "2/2@d", {"y": b"2"})]
    text = (parts[1] / "goferry.json").read_text()
    import json

    record = json.loads(text)
    record["artifacts"][0]["name"] = name
    (parts[1] / "goferry.json").write_text(json.dumps(record))
    with pytest.raises((LedgerInvalid, FileDamaged)):
        merge(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
