"""What the agent checks of a release of which only some files were sent."""

import time

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import trustfile, verify
from goferry.kernel.refusals import FileAltered, FileMissing, FileUnlisted, ManifestMissing, SignatureMissing
from goferry.observe.events import Stream
from goferry.trust import keys, seal


@pytest.fixture
def sealed(tmp_path):
    folder, settings = tmp_path / "dist", Settings.from_environ({})
    folder.mkdir()
    keys.generate(tmp_path / "keys")
    ledger = Ledger("shop", "v1.0.0", module="m")
    for name in ("one", "two"):
        (folder / name).write_text(name)
        ledger.add(
            Artifact.of_file(folder / name, project="shop", kind="binary", goos="linux", goarch="amd64", meta={})
        )
    ledger.save(folder)
    signers = keys.load_signers(
        openpgp_key=None, minisign_key_file=tmp_path / "keys/minisign.key", passphrase_file=None, settings=settings
    )
    seal.seal(Context(settings, Stream()), folder, signers, now=int(time.time()), sequence=1)
    folder.chmod(0o755)
    return folder, trustfile.load(tmp_path / "keys/goferry.trust")


def check(sealed, only):
    return verify.verify(*sealed, now=int(time.time()), only=only)


def test_the_named_files_are_checked_and_the_others_may_be_absent(sealed):
    (sealed[0] / "two").unlink()
    found = check(sealed, ["release.json", "one"])
    assert sorted(found.files) == ["one", "release.json"]
    assert found.manifest is not None
    assert sorted(check(sealed, []).files) == []
    with pytest.raises(FileMissing):
        check(sealed, ["two"])
    with pytest.raises(FileUnlisted):
        check(sealed, ["three"])


def test_a_changed_file_is_refused(sealed):
    (sealed[0] / "one").chmod(0o644)
    (sealed[0] / "one").write_text("eno")
    with pytest.raises(FileAltered):
        check(sealed, ["one"])


@pytest.mark.parametrize(
    ("name", "refusal"), [("release.json", ManifestMissing), ("SHA256SUMS.minisig", SignatureMissing)]
)
def test_manifest_and_signatures_must_be_there(sealed, name, refusal):
    (sealed[0] / name).unlink()
    with pytest.raises(refusal):
        check(sealed, ["one"])
