"""Publishing and downloading against a fake GitHub that keeps bytes, enforces permissions and injects faults."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from goferry import release
from goferry.config.settings import Settings
from goferry.dist import Artifact, Ledger
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.release import retry
from goferry.trust import seal
from goferry.trust.minisign_key import SecretKey
from goferry.trust.signer import clean_trust

REPOSITORY = "acme/shop"
COMMIT = "3f1c2ab0" * 5
SETTINGS = Settings({"PATH": os.environ["PATH"]}, Path("/nonexistent"))
FILES = {
    "api_linux_amd64": (b"\x7fELF" + b"a" * 300_000, "binary"),
    "shop_1.4.0_linux_amd64.tar.gz": (b"archive" * 1000, "archive"),
    "shop_1.4.0_sbom.json": (b"{}\n", "sbom"),
    "empty.txt": (b"", "archive"),
}


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """How long a run would have waited, without waiting."""
    slept = []
    monkeypatch.setattr(retry, "sleep", slept.append)
    return slept


def make_dist(folder, version="v1.4.0", commit=COMMIT, sequence=1_795_409_822, files=FILES, **flags):
    folder.mkdir(parents=True)
    ledger = Ledger("shop", version, module="example.com/shop", commit=commit, snapshot=flags.get("snapshot", False), dirty=flags.get("dirty", False))
    for name, (data, kind) in files.items():
        (folder / name).write_bytes(data)
        ledger.add(Artifact.of_file(folder / name, project="shop", kind=kind, goos="linux" if kind == "binary" else "", goarch="amd64" if kind == "binary" else ""))
    ledger.save(folder)
    signer = SecretKey.generate().signer()
    seal.seal(folder, [signer], settings=SETTINGS, stream=Stream(), now=sequence)
    trust = folder.parent / f"{folder.name}.trust"
    trust.write_bytes(clean_trust([signer]).to_bytes())
    return folder, trust


@pytest.fixture
def dist(tmp_path):
    return make_dist(tmp_path / "dist")


@pytest.fixture
def github(fake_github):
    fake_github.repository(REPOSITORY).tags["v1.4.0"] = COMMIT
    return release.GitHub(REPOSITORY, token=fake_github.token({"contents": "write"}), api_url=fake_github.url)


def publish(dist, github, **options):
    folder, trust = dist
    return release.publish(folder, github=github, settings=SETTINGS, stream=Stream(), **{"trust": trust, **options})


def there(fake, name=REPOSITORY):
    return list(fake.repository(name).releases.values())


def test_publishes(dist, github, fake_github):
    record = publish(dist, github)
    folder, _ = dist
    assert record["published"] and not record["unchanged"]
    (found,) = there(fake_github)
    assert not found.draft and not found.prerelease
    assert {asset.name: asset.data for asset in found.assets.values()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    digest = hashlib.sha256((folder / "release.json").read_bytes()).hexdigest()
    assert record["release"] == f"v1.4.0@sha256:{digest}"
    assert sorted(record["uploaded"]) == sorted(path.name for path in folder.iterdir())
    assert fake_github.repository(REPOSITORY).latest == found.id == record["id"]
    assert f"goferry fetch acme/shop@v1.4.0@sha256:{digest}" in found.body
