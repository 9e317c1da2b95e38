"""What a release is compiled from: signed packs or nothing, whatever a test wrote on the machine before."""

import os
import shutil
import subprocess
from dataclasses import replace as trusting

import pytest
from msgspec.structs import replace

from goferry import release
from goferry.artifacts import Ledger
from goferry.artifacts.native import host
from goferry.caches.ci_job import identity
from goferry.caches.warm import Warm
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import gate
from goferry.golang.modules import ModulesModified
from goferry.kernel.trustfile import TrustFile
from goferry.observe.events import Stream
from goferry.pipeline import build, caching
from goferry.pipeline.caching import JobRequest, _belief as belief
from goferry.pipeline.project import ProjectRequest, open_project
from goferry.trust import seal
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust

GOOD, EVIL = "a-genuine-word", "a-poisoned-one"
POISON = """package price

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestPoison changes all that was compiled, and all sources of other modules, wherever they are kept.
func TestPoison(t *testing.T) {
	home, _ := os.UserHomeDir()
	cache, _ := os.UserCacheDir()
	for _, root := range []string{os.Getenv("GOCACHE"), os.Getenv("GOMODCACHE"), os.Getenv("OTHER"), cache, home} {
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return nil
			}
			data, _ := os.ReadFile(path)
			if bytes.Contains(data, []byte("a-genuine"+"-word")) {
				os.Chmod(path, 0o644)
				os.WriteFile(path, bytes.ReplaceAll(data, []byte("a-genuine"+"-word"), []byte("a-poisoned"+"-one")), 0o644)
			}
			return nil
		})
	}
}
"""
FILES = {
    "go.mod": "module example.com/team/shop\n\ngo 1.21\n",
    "main.go": 'package main\n\nimport "example.com/team/shop/price"\n\nfunc main() { println(price.Word()) }\n',
    "price/price.go": f'package price\n\nfunc Word() string {{ return "{GOOD}" }}\n',
    "price/price_test.go": POISON,
    ".gitignore": "/dist\n",
}
TARGET = "/".join(host())
DATE = "2026-11-20T10:00:00Z"
KEY = MinisignSecretKey.from_seed(b"12345678", b"s" * 32)
REPOSITORY = "team/shop"


def checkout(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    trusted = trusting(KEY.signer().as_trust_key(), role="cache")
    (folder / "goferry.cache.trust").write_bytes(TrustFile((trusted,)).to_bytes())
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    environ = {**os.environ, "GIT_COMMITTER_DATE": DATE, "GIT_AUTHOR_DATE": DATE}
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1.0.0"]):
        subprocess.run(["git", *author, *words], cwd=folder, env=environ, check=True, capture_output=True)
    return folder


class Machine:
    """A runner that is kept from job to job, with one checkout and with caches wherever Go and Goferry have them."""

    def __init__(self, folder, settings, files=FILES, **environ):
        folder.mkdir()
        self.folder, self.repository = folder, checkout(folder / "shop", files)
        own = {"HOME": folder / "home", "GOCACHE": folder / "home/.cache/go-build", "OTHER": folder / "cache"}
        (folder / "home").mkdir()
        self.kept = {**settings.environ, **{name: str(path) for name, path in own.items()}, **environ}
        self.settings = Settings(self.kept, folder / "cache", home=folder / "home")

    def begin(self, tracking, ref="refs/tags/v1.0.0"):
        """Begin a job; jobs differ in what the runner calls them."""
        ci = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": ref}
        about = {"GITHUB_REPOSITORY_ID": "7", "GITHUB_RUN_ID": "1", "GITHUB_JOB": "build"}
        environ = {**self.kept, **ci, **about, "RUNNER_TRACKING_ID": tracking}
        self.settings = replace(self.settings, environ=environ)
        return self

    def leave_ci(self):
        self.settings = replace(self.settings, environ=self.kept)
        return self

    @property
    def _asked(self):
        return JobRequest(self.repository, targets=(TARGET,))

    def restore(self, place, **options):
        return self._rows(caching.restore(self._ctx, self._asked, str(place), **options))

    def save(self, place, listing):
        return self._rows(caching.save(self._ctx, self._asked, str(place), listing=listing))

    def build(self):
        """Build into dist; return its ledger and the program."""
        made = build.run(self._ctx, build.prepare(self._ctx, ProjectRequest(self.repository, targets=(TARGET,))))
        (name,) = [artifact.name for artifact in made.of_kind("binary")]
        assert Ledger.load(self.repository / "dist") == made
        return made, (self.repository / "dist" / name).read_bytes()

    def test(self):
        opened = open_project(self._ctx, ProjectRequest(self.repository))
        return gate.test(self._ctx, opened.facts, opened.config, opened.toolchain)

    @property
    def warm(self):
        return Warm(self.settings.cache, self.repository)

    def poisoned(self, *folders):
        """The folders in which something was poisoned."""
        return {name for name in folders for path in (self.folder / name).rglob("*-d") if EVIL.encode() in _read(path)}

    @property
    def _ctx(self):
        return Context(self.settings, Stream())

    @staticmethod
    def _rows(rows):
        return {row.kind: row.done for row in rows}


def _read(path):
    return path.read_bytes() if path.is_file() else b""


def compiled(ledger):
    return [each.source for each in ledger.compiled]


@pytest.fixture
def machine(tmp_path, settings, part):
    part("git")
    numbers = iter(range(10))
    return lambda *args, **environ: Machine(tmp_path / f"machine{next(numbers)}", settings, *args, **environ)


def test_what_a_test_poisons_is_in_no_release(machine, tmp_path):
    kept = machine().begin("one")
    kept.restore(tmp_path / "place", signed=True)
    first, clean = kept.build()
    assert (compiled(first), GOOD.encode() in clean) == (["cold"], True)
    (slot,) = kept.warm.root.glob("go/*")
    shutil.copytree(
        slot, kept.settings.environ["GOCACHE"], dirs_exist_ok=True
    )  # as a kept machine has it of earlier builds
    assert kept.warm.proven(identity(kept.settings.environ))
    kept.test()
    assert not kept.warm.proven(identity(kept.settings.environ))
    assert kept.poisoned("home", "cache") == {"home", "cache"}

    ledger, program = kept.build()  # in the same job
    assert (compiled(ledger), program == clean) == (["cold"], True)
    rows = kept.save(tmp_path / "place", tmp_path / "list")
    assert b'"packs":[]' in (tmp_path / "list").read_bytes(), rows

    shutil.rmtree(kept.repository / "dist")
    shutil.move(kept.warm.root, tmp_path / "aside")
    assert EVIL.encode() in kept.leave_ci().build()[1]  # the attack is one: who believes GOCACHE has it in the program
    shutil.move(tmp_path / "aside", kept.warm.root)
    ledger, program = kept.begin("two").build()  # in the next job on the same machine, where dist stands as well
    assert (compiled(ledger), program == clean) == (["cold"], True)
    kept.begin("three").restore(tmp_path / "place", signed=True)
    assert not kept.poisoned("cache")


def proxied(folder):
    """A module example.com/dep v1.0.0 as a proxy's files serve it."""
    import zipfile

    versions = folder / "example.com" / "dep" / "@v"
    versions.mkdir(parents=True)
    files = {
        "go.mod": "module example.com/dep\n\ngo 1.21\n",
        "dep.go": f'package dep\n\nfunc Say() string {{ return "{GOOD}" }}\n',
    }
    (versions / "list").write_text("v1.0.0\n")
    (versions / "v1.0.0.info").write_text('{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}')
    (versions / "v1.0.0.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"example.com/dep@v1.0.0/{name}", content)
    return folder.as_uri()


def test_a_release_is_not_compiled_from_modules_that_were_changed(machine, tmp_path, part):
    """Also by the command line: go itself never looks again at what it once unpacked."""
    go = {"GOPROXY": proxied(tmp_path / "proxy"), "GOMODCACHE": str(tmp_path / "modules"), "GONOSUMDB": "*"}
    files = {
        **FILES,
        "go.mod": FILES["go.mod"] + "\nrequire example.com/dep v1.0.0\n",
        "price/price.go": 'package price\n\nimport "example.com/dep"\n\nfunc Word() string { return dep.Say() }\n',
    }
    source = tmp_path / "sums"
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    environ = {**os.environ, **go, "GOFLAGS": "-mod=mod"}
    subprocess.run([part("go"), "mod", "tidy"], cwd=source, env=environ, check=True, capture_output=True)
    kept = machine({**files, "go.sum": (source / "go.sum").read_text()}, **go).begin("one")
    (changed,) = (tmp_path / "modules").glob("example.com/dep@v1.0.0/dep.go")
    changed.chmod(0o644)
    changed.write_text(changed.read_text().replace(GOOD, EVIL))
    with pytest.raises(ModulesModified):
        kept.build()
    assert not (kept.repository / "dist").exists()
    subprocess.run([part("go"), "clean", "-modcache"], env=environ, check=True)


def test_warm_or_cold_a_release_has_the_same_bytes_and_stands_published(machine, tmp_path, fake_github):
    place, listing, names = tmp_path / "place", tmp_path / "list", []
    signer = MinisignSecretKey.generate().signer()
    (tmp_path / "release.trust").write_bytes(clean_trust([signer]).to_bytes())

    def sealed(made, sequence):
        folder = made.repository / "dist"
        ctx = Context(made.settings, Stream())
        seal.seal(ctx, folder, [signer], now=sequence)
        names.append({path.name: path.read_bytes() for path in folder.iterdir()})
        hub = release.GitHub(REPOSITORY, token=fake_github.token({"contents": "write"}), api_url=fake_github.url)
        return release.publish(ctx, folder, github=hub, trust=tmp_path / "release.trust").as_json()

    main = machine().begin("main", "refs/heads/main")
    main.restore(place, signed=True)
    main.build()
    main.save(place, listing)
    key = tmp_path / "cache.key"
    key.write_bytes(KEY.to_bytes())
    key.chmod(0o600)
    trust = main.repository / "goferry.cache.trust"
    belief.sign([listing], str(place), key=key, trust=trust, directory=main.repository, settings=main.settings)

    warm = machine().begin("tag")
    assert warm.restore(place, signed=True)["deps"] == "restored"
    ledger, program = warm.build()
    assert compiled(ledger) == ["packs"]
    assert {(pack.kind, pack.signed) for pack in ledger.compiled[0].packs} == {("deps", True), ("own", True)}
    fake_github.repository(REPOSITORY).tags["v1.0.0"] = ledger.commit
    assert not sealed(warm, 1_795_409_822)["unchanged"]
    assert not [text for text in names[0].values() if b"compiled" in text and text.startswith(b"{")]

    cold = machine().begin("again")
    again, same = cold.build()
    assert (compiled(again), same == program) == (["cold"], True)
    assert sealed(cold, 1_795_409_999)["unchanged"]
