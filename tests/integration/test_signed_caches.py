"""Releases from signed packs: the job that compiled them lists them, another one signs, and tests have no part in it."""

import json
from dataclasses import replace

import pytest
from sampling import full
from tests.integration.test_caches import FILES, Job

from goferry.caches import ci_job as jobs, statement
from goferry.kernel.trustfile import TrustFile
from goferry.pipeline import caching
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.keys import Secret

KEY = MinisignSecretKey.from_seed(b"12345678", b"s" * 32)
TRUST = TrustFile((replace(KEY.signer().as_trust_key(), role="cache"),)).to_bytes().decode()
SHOP = {**FILES, "goferry.cache.trust": TRUST}
POISON = """package price

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPoison(t *testing.T) {
	cache := os.Getenv("GOCACHE")
	if err := os.WriteFile(filepath.Join(cache, "..", "..", "proven"), []byte(IDENTITY), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "*", "*-d"))
	for _, path := range found {
		data, _ := os.ReadFile(path)
		os.Chmod(path, 0o600)
		os.WriteFile(path, append(data, "poison"...), 0o600)
	}
	if len(found) == 0 {
		t.Fatal("nothing to poison")
	}
}
"""


class Leg(Job):
    """A job of the repository that has the cache's trust file."""

    def __init__(self, folder, settings, place, number, poison=False):
        environ = {"CI": "true", "CI_JOB_ID": str(number), "GITHUB_REPOSITORY_ID": "712345678"}
        identity = json.dumps(jobs.identity({**settings.environ, **environ}))
        files = {**SHOP, "price/poison_test.go": POISON.replace("IDENTITY", identity)} if poison else SHOP
        super().__init__(folder, settings, place, files, **environ)

    def restore_signed(self):
        rows = self._call(caching.restore, self.asked(), str(self.place), signed=True)
        return {row.kind: (row.done, row.signed) for row in rows if row.kind in statement.SIGNABLE}

    def listed(self):
        """Save; return the list and the kinds of packs that it holds."""
        path = self.repository.parent / "list"
        self._call(caching.save, self.asked(), str(self.place), listing=path)
        return path, [each.kind for each in statement.parse(path.read_bytes()).packs]

    def sign(self, path):
        trust = self.repository / "goferry.cache.trust"
        more = {"key": Secret("KEY", KEY.to_bytes()), "trust": trust, "directory": self.repository}
        return [row.done for row in caching.sign([path], str(self.place), settings=self.settings, **more)]

    def released(self):
        """Build; return the files that a release would have, by name, with their digests."""
        return {name: each.sha256 for name, each in self.build().artifacts.items()}


@pytest.fixture
def leg(tmp_path, settings, part):
    part("git")
    numbers = iter(range(10))

    def make(**more):
        number = next(numbers)
        return Leg(tmp_path / f"job{number}", settings, tmp_path / "place", number, **more)

    return make


@full()
def test_a_release_is_the_same_cold_from_signed_packs_and_beside_a_test_that_poisons(leg):
    first = leg()
    assert first.restore_signed() == {"deps": ("missed", False), "own": ("missed", False)}
    released = first.released()
    path, kinds = first.listed()
    assert kinds == ["deps", "own"]

    assert first.sign(path) == ["signed", "signed"]

    poisoned = leg(poison=True)
    poisoned.restore_signed()
    poisoned.test()
    assert poisoned.listed()[1] == []
    assert not poisoned.warm.proven(jobs.identity(poisoned.settings.environ))

    second = leg()
    assert second.restore_signed() == {"deps": ("restored", True), "own": ("restored", True)}
    before = second.entries()
    assert second.released() == released
    assert not second.compiled(before)
    assert second.listed()[1] == []  # all of it is there, and signed
