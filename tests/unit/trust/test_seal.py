import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import checksums, manifest, trustfile
from goferry.kernel.errors import GoferryError
from goferry.kernel.refusals import Refusal
from goferry.kernel.verify import verify
from goferry.observe.events import Stream
from goferry.trust import _sequoia as sequoia, keys, seal
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust

NOW = 1_795_409_822
SETTINGS = Settings({"PATH": ""}, Path("/nonexistent"))
FILES = {"api_linux_amd64": b"\x7fELF", "shop_1.2.3_linux_amd64.tar.gz": b"archive", "shop_1.2.3_oci.tar": b"image"}
IMAGE = {"image": "shop", "digest": "sha256:" + "0" * 64, "platforms": ["linux/amd64"]}


@pytest.fixture
def dist(tmp_path):
    folder = tmp_path / "dist"
    folder.mkdir()
    ledger = Ledger("shop", "v1.2.3", module="example.com/shop", snapshot=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
        kind, meta = ("image", IMAGE) if "oci" in name else ("binary", {})
        ledger.add(Artifact.of_file(folder / name, project="shop", kind=kind, meta=meta))
    (folder / "api_linux_amd64").chmod(0o755)
    ledger.save(folder)
    return folder


@pytest.fixture(scope="module")
def signer():
    return MinisignSecretKey.generate().signer()


@pytest.fixture(scope="module")
def pgp():
    return sequoia.load(sequoia.generate("one")[0], "", "one")


def sealed(folder, *signers, **options):
    return seal.seal(Context(SETTINGS, Stream()), folder, signers, now=NOW, **options)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_seals(dist, signer):
    result = sealed(dist, signer)
    assert {path.name for path in dist.iterdir()} == {*FILES, "release.json", "SHA256SUMS", "SHA256SUMS.minisig"}
    release = manifest.parse((dist / "release.json").read_bytes())
    assert release == result.manifest
    assert (release.sequence, release.created, release.snapshot) == (NOW, "2026-11-23T04:57:02Z", True)
    assert [image.digest for image in release.images] == [IMAGE["digest"]]
    assert set(checksums.parse((dist / "SHA256SUMS").read_bytes())) == {*FILES, "release.json"}
    assert Ledger.parse((dist.parent / ".goferry" / "dist.json").read_bytes()).version == "v1.2.3"


def test_a_sealed_folder_is_read_only_and_programs_stay_executable(dist, signer):
    sealed(dist, signer)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in dist.iterdir()}
    assert modes.pop("api_linux_amd64") == 0o555
    assert set(modes.values()) == {0o444}
    with pytest.raises(GoferryError) as caught:
        Ledger.load(dist)
    assert caught.value.name == "dist-sealed"


def test_the_sequence_may_be_given(dist, signer):
    assert sealed(dist, signer, sequence=7).manifest.sequence == 7


def test_another_sequence_for_a_sealed_folder_is_refused_by_name(dist, signer):
    sealed(dist, signer, sequence=7)
    before = content(dist)
    for ask in (sealed, planned):
        with pytest.raises(GoferryError, match="is sealed with sequence 7, which can't become 8") as told:
            ask(dist, signer, sequence=8)
        assert (told.value.name, told.value.exit_code) == ("sequence-sealed", 3)
    assert content(dist) == before
    assert sealed(dist, signer, sequence=7).manifest.sequence == sealed(dist, signer).manifest.sequence == 7


def planned(folder, *signers, **options):
    return seal.plan(folder, signers, now=NOW, **options)


@pytest.mark.parametrize("ahead", [86_400 + 60, 2**53 - 1 - NOW])
def test_nothing_is_sealed_that_comes_from_the_future(dist, signer, monkeypatch, ahead):
    monkeypatch.setattr(seal, "_clock", lambda: NOW)
    before = content(dist)
    for ask in (sealed, planned):
        with pytest.raises(GoferryError, match="2026-11-23T04:57:02Z") as told:
            ask(dist, signer, sequence=NOW + ahead)
        assert (told.value.name, told.value.exit_code) == ("release-in-future", 3)
    monkeypatch.setattr(seal, "_clock", lambda: NOW - 86_460)  # the time of sealing is ahead
    with pytest.raises(GoferryError, match="the time of sealing"):
        sealed(dist, signer, sequence=7)
    assert content(dist) == before
    monkeypatch.setattr(seal, "_clock", lambda: NOW)
    assert sealed(dist, signer, sequence=NOW + 86_400).manifest.sequence == NOW + 86_400


def test_the_same_ledger_gives_the_same_list(dist, signer, tmp_path):
    first = sealed(dist, signer).manifest
    again = Ledger.parse((tmp_path / ".goferry" / "dist.json").read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    for name, data in FILES.items():
        (other / name).write_bytes(data)
    again.save(other)
    assert sealed(other, signer).manifest.digest == first.digest


def test_signing_again_replaces_the_signature_alone(dist, signer, pgp):
    sealed(dist, signer, pgp)
    before = content(dist)
    result = seal.seal(Context(SETTINGS, Stream()), dist, [signer], now=NOW + 9)
    after = content(dist)
    assert result.again
    assert {name for name in before if before[name] != after[name]} == {"SHA256SUMS.minisig"}
    assert verify(dist, clean_trust([signer, pgp]), now=NOW + 99_999_999).digest == result.manifest.digest


def test_signing_again_with_another_format_is_refused(dist, signer, pgp):
    sealed(dist, signer)
    before = content(dist)
    with pytest.raises(GoferryError) as caught:
        sealed(dist, pgp)
    assert caught.value.name == "formats-missing"
    assert content(dist) == before


def test_signing_again_a_tampered_folder_changes_nothing(dist, signer):
    sealed(dist, signer)
    (dist / "api_linux_amd64").chmod(0o644)
    (dist / "api_linux_amd64").write_bytes(b"evil")
    before = content(dist)
    with pytest.raises(Refusal) as caught:
        seal.seal(Context(SETTINGS, Stream()), dist, [signer], now=NOW + 9)
    assert caught.value.name == "file-altered"
    assert content(dist) == before


UNFIT = {
    "a file changed": (lambda d: (d / "api_linux_amd64").write_bytes(b"evil"), "ledger-disagrees"),
    "a file added": (lambda d: (d / "x").write_bytes(b"x"), "ledger-disagrees"),
    "a hidden file added": (lambda d: (d / ".x").write_bytes(b"x"), "ledger-disagrees"),
    "a folder added": (lambda d: (d / "x").mkdir(), "ledger-disagrees"),
    "a file removed": (lambda d: (d / "api_linux_amd64").unlink(), "ledger-disagrees"),
    "a file linked": (lambda d: os.link(d / "api_linux_amd64", d.parent / "x"), "file-linked"),
    "the ledger removed": (lambda d: (d / "goferry.json").unlink(), "ledger-missing"),
    "the ledger broken": (lambda d: (d / "goferry.json").write_bytes(b"{}"), "ledger-invalid"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_refuses_to_seal(case, dist, signer):
    mutate, expected = UNFIT[case]
    mutate(dist)
    before = content(dist.parent)
    for act in (lambda: seal.plan(dist, [signer], now=NOW), lambda: sealed(dist, signer)):
        with pytest.raises(GoferryError) as caught:
            act()
        assert caught.value.name == expected
        assert content(dist.parent) == before


def refuse(*_):
    raise KeyboardInterrupt


FAILING = {
    "a key that signs something else": (lambda s: replace(s, sign=lambda _m, now: s.sign(b"other", now)), Refusal),
    "a key that writes rubbish": (lambda s: replace(s, sign=lambda _m, _n: b"rubbish"), Refusal),
    "a key whose public part is another's": (
        lambda s: replace(MinisignSecretKey.generate().signer(), sign=s.sign),
        Refusal,
    ),
    "an interrupt while signing": (lambda s: replace(s, sign=refuse), KeyboardInterrupt),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_failure_leaves_everything_as_it_was(case, dist, signer):
    make, kind = FAILING[case]
    before = content(dist.parent)
    with pytest.raises(kind):
        sealed(dist, make(signer))
    assert content(dist.parent) == before
    assert not (dist / "SHA256SUMS").exists()
    sealed(dist, signer)


@pytest.mark.parametrize("left", [("release.json",), ("release.json", "SHA256SUMS.minisig", "SHA256SUMS")])
def test_a_sealing_that_was_killed_is_done_again(left, dist, signer):
    """Killed before the ledger went: what lies there is rubbish of another time."""
    for name in left:
        (dist / name).write_bytes(b"rubbish")
    assert not seal.is_sealed(dist)
    result = sealed(dist, signer)
    assert verify(dist, clean_trust([signer]), now=NOW).digest == result.manifest.digest


def test_a_dry_run_names_the_steps_and_writes_nothing(dist, signer, pgp):
    before = content(dist.parent)
    steps = seal.plan(dist, [signer, pgp], now=NOW)
    assert content(dist.parent) == before
    assert any("SHA256SUMS.asc" in step for step in steps)
    assert any(str(NOW) in step for step in steps)
    sealed(dist, signer, pgp)
    assert len(seal.plan(dist, [signer], now=NOW)) == 1


def test_demanded_formats_need_keys(dist, signer):
    with pytest.raises(GoferryError) as caught:
        sealed(dist, signer, formats=["openpgp", "minisign"])
    assert caught.value.name == "formats-missing"
    assert not (dist / "SHA256SUMS").exists()


def test_keygen_writes_private_files_once(tmp_path):
    folder = tmp_path / "KEYS"
    trust = keys.generate(folder)
    assert {path.name for path in folder.iterdir()} == {".gitignore", *keys.FILES}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert [key.format for key in trust.keys] == ["openpgp", "minisign"]
    before = content(folder)
    with pytest.raises(GoferryError) as caught:
        keys.generate(folder)
    assert caught.value.name == "keys-exist"
    assert content(folder) == before


def test_keygen_makes_a_cache_s_key_beside_those_of_releases(tmp_path):
    keys.generate(tmp_path)
    before = content(tmp_path)
    trust = keys.generate_cache(tmp_path)
    made = content(tmp_path)
    assert {name: made[name] for name in before} == before
    assert set(made) - set(before) == {"cache.key", "goferry.cache.trust"}
    assert stat.S_IMODE((tmp_path / "cache.key").stat().st_mode) == 0o600
    assert [(key.format, key.role) for key in trust.keys] == [("minisign", "cache")]
    assert trustfile.load(tmp_path / "goferry.cache.trust", "cache") == trust
    signer = keys.load_signer(tmp_path / "cache.key", settings=Settings({}, tmp_path))
    assert signer.id == trust.keys[0].id
    with pytest.raises(GoferryError) as caught:
        keys.generate_cache(tmp_path)
    assert caught.value.name == "keys-exist"
    assert content(tmp_path) == made


def test_keygen_follows_no_link(tmp_path):
    (tmp_path / "goferry.trust").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GoferryError):
        keys.generate(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"goferry.trust"}


def load(tmp_path, data, environ=None, **options):
    (tmp_path / "key").write_bytes(data)
    chosen = {"openpgp_key": None, "minisign_key_file": None, "passphrase_file": None, **options}
    chosen = {name: tmp_path / "key" if value == "key" else value for name, value in chosen.items()}
    return keys.load_signers(settings=Settings(environ or {}, tmp_path), **chosen)


@pytest.mark.parametrize("option", ["openpgp_key", "minisign_key_file"])
@pytest.mark.parametrize(
    "data", [b"", b"rubbish", b"\x00" * 300, b"x" * (1 << 20 | 1), MinisignSecretKey.generate().public_file()]
)
def test_what_is_no_secret_key_is_named(option, data, tmp_path):
    with pytest.raises(GoferryError) as caught:
        load(tmp_path, data, **{option: "key"})
    assert caught.value.name == "key-unusable"


def test_a_public_key_is_no_signing_key(tmp_path):
    with pytest.raises(GoferryError) as caught:
        load(tmp_path, sequoia.generate("one")[1].encode(), openpgp_key="key")
    assert caught.value.name == "key-unusable"


def test_no_key_is_named(tmp_path):
    with pytest.raises(GoferryError) as caught:
        load(tmp_path, b"")
    assert caught.value.name == "key-unusable"


def test_a_damaged_minisign_key_is_named(tmp_path):
    data = bytearray(MinisignSecretKey.generate().to_bytes())
    data[150] ^= 1
    with pytest.raises(GoferryError) as caught:
        load(tmp_path, bytes(data), minisign_key_file="key")
    assert caught.value.name == "key-unusable"


def test_a_minisign_key_round_trips(tmp_path):
    secret = MinisignSecretKey.generate()
    (loaded,) = load(tmp_path, secret.to_bytes(), minisign_key_file="key")
    assert loaded.sign(b"x", NOW) == secret.sign(b"x", NOW)
    assert loaded.as_trust_key() == secret.signer().as_trust_key()
    assert secret.seed.hex() not in repr(secret)
