"""Records as their producers make them: a fleet of scripted hosts, and a folder that is sealed and verified."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from unit.deploy.test_fleet_faults import Hosts

from goferry.artifacts import Artifact, Ledger, Toolchain
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import trustfile
from goferry.observe.events import Stream
from goferry.pipeline import chain, run_summary
from goferry.trust import seal
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust
from goferry.trust.verification import check_release

SETTINGS = Settings({"PATH": os.environ["PATH"]}, Path("/nonexistent"))


@pytest.fixture
def fleet(tmp_path):
    """Two hosts that serve v1, to which v2 can be deployed."""
    return Hosts(tmp_path, 2)


@pytest.fixture
def sealed(tmp_path):
    """Return the record of a release: built files are made up, all that tells of them is real."""
    dist, now = tmp_path / "dist", 1_795_409_822
    dist.mkdir()
    toolchain = Toolchain("1.27.3", Path("/go"), "module", "checksum-database", {"h1": "h1:x"})
    ledger = Ledger("shop", "v1.4.0", module="example.com/shop", commit="3f1c2ab0" * 5, toolchain=toolchain.as_record())
    for name, size, kind, goos in (
        ("api_linux_amd64", 300_000, "binary", "linux"),
        ("shop_1.4.0_linux_amd64.tar.gz", 120_000, "archive", "linux"),
        ("shop_1.4.0_sbom.json", 4_000, "sbom", ""),
    ):
        (dist / name).write_bytes((hashlib.sha256(name.encode()).digest() * size)[:size])
        about = {"goos": goos, "goarch": "amd64" if goos else ""}
        ledger.add(Artifact.of_file(dist / name, project="shop", kind=kind, **about))
    ledger.save(dist)
    signer = MinisignSecretKey.generate().signer()
    seal.seal(Context(SETTINGS, Stream()), dist, [signer], now=now)
    trust = tmp_path / "goferry.trust"
    trust.write_bytes(clean_trust([signer]).to_bytes())
    verified = check_release(Context(SETTINGS, Stream()), dist, trustfile.load(trust), now=int(time.time()))
    release = chain.SealedRelease(dist, verified.manifest, verified, ("build",))
    return run_summary.of_release(release, trust=trust, seconds=33.4)
