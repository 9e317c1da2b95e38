"""restore-caches, save-caches and sign-caches step by step, one job after another, each on a machine of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import composite
import pytest
from sampling import full

ROOT = Path(__file__).resolve().parents[2]
MAIN, TAG = "refs/heads/main", "refs/tags/v1.0.0"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "made"
    subprocess.run([ROOT / ".venv/bin/goferry", "keygen", "--cache", "--out", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory, keys):
    """A small module with the trust file of the caches."""
    folder = tmp_path_factory.mktemp("repository") / "hello"
    shutil.copytree(ROOT / "examples" / "plain", folder)
    shutil.copy(keys / "goferry.cache.trust", folder)
    (folder / ".gitignore").write_text("/dist\n")
    (folder / "goferry.yml").write_text("builds: {targets: [linux/amd64]}\n")
    git = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "One"], ["tag", "v1.0.0"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    return tmp_path_factory.mktemp("tools")


class Job:
    """A job on an empty machine that has Go."""

    def __init__(self, folder, repository, tools, cache, number, ref, event):
        self.workspace, self.temp, self.cache = folder / "hello", folder / "temp", cache
        shutil.copytree(repository, self.workspace)
        self.temp.mkdir()
        head = subprocess.run(
            ["git", "-C", repository, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        )
        self.environ = composite.surroundings(
            self.workspace, tools, GOFERRY_CACHE=str(folder / "cache"), GOCACHE=str(folder / "go-build"),
            GOFERRY_PYTHON=os.environ.get("GOFERRY_PYTHON", sys.executable), GITHUB_RUN_ID=str(number), GITHUB_RUN_ATTEMPT="1",
            GITHUB_JOB="build", GITHUB_EVENT_NAME=event, GITHUB_REF=ref, GITHUB_SHA=head.stdout.strip(),
            GITHUB_REPOSITORY_ID="712345678",
        )  # fmt: skip

    def run(self, name, env=None, **given):
        given = {each.replace("_", "-"): value for each, value in given.items()}
        done = composite.run(ROOT / "actions" / name, given, {**self.environ, **(env or {})}, self.temp, self.cache)
        assert "Traceback" not in done.log
        return done

    def restore(self, **given):
        done = self.run("restore-caches", work="build", **given)
        assert done.code == 0, done.log
        self.log = done.log
        return rows(done)

    def build(self):
        done = self.run("cross-compile", test="false")
        assert done.code == 0, done.log
        return {each["name"]: each["sha256"] for each in json.loads(done.outputs["artifacts"])}

    def save(self, **given):
        done = self.run("save-caches", work="build", **given)
        assert done.code == 0, done.log
        self.log = done.log
        return rows(done), done.outputs["list"]


def rows(done):
    """kind → what came of it, as the summary says."""
    cells = [line.split(" | ") for line in done.summary.splitlines() if line.startswith("| ")]
    return {row[0].strip("| "): row[2] for row in cells if row[0] not in ("| pack", "| ---")}


@pytest.fixture
def job(tmp_path, repository, tools):
    cache = composite.Cache(tmp_path / "entries")
    count = iter(range(101, 200))

    def make(ref=MAIN, event="push"):
        number = next(count)
        (tmp_path / str(number)).mkdir()
        return Job(tmp_path / str(number), repository, tools, cache, number, ref, event)

    make.cache = cache
    return make


def test_a_release_uses_what_was_signed_and_nothing_else(job, keys, tmp_path):
    key = {"GOFERRY_CACHE_KEY": (keys / "cache.key").read_text()}
    first = job()
    assert first.restore(signed="true")["deps"] == "missed"
    made = first.build()
    kept, listing = first.save()
    assert {name: done for name, done in kept.items() if done == "saved"}.keys() >= {"deps", "own"}
    release = job(TAG)
    assert release.restore(signed="true") == {"modules": "missed", "deps": "missed", "own": "missed"}, (
        "nothing is signed"
    )

    (tmp_path / "lists" / "shard-1-of-1").mkdir(parents=True)
    shutil.copy(listing, tmp_path / "lists" / "shard-1-of-1")
    signing = job()
    signing.environ["GITHUB_RUN_ID"] = first.environ["GITHUB_RUN_ID"]
    refused = signing.run("sign-caches", lists=str(tmp_path / "lists"))
    assert refused.errors == ["secret-missing"]
    signed = signing.run("sign-caches", key, lists=str(tmp_path / "lists"))
    assert (signed.code, signed.outputs["signed"]) == (0, "2"), signed.log
    told = "\n".join(line for line in signed.log.splitlines() if not line.startswith("::add-mask::"))
    assert not [line for line in key["GOFERRY_CACHE_KEY"].splitlines() if line in told]

    release = job(TAG)
    assert release.restore(signed="true") == {"modules": "missed", "deps": "restored", "own": "restored"}
    assert len(release.build()) == len(made)
    assert release.save() == ({}, "")
    assert "tags write nothing" in release.log

    # Whoever can write an entry puts another pack there: it is no more than none.
    number = max(n for n, name in enumerate(job.cache.names) if "-own-" in name)
    (pack,) = (job.cache.folder / str(number)).rglob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes() + b"\0")
    assert job(TAG).restore(signed="true") == {"modules": "missed", "deps": "restored", "own": "missed"}


@full()
def test_without_a_trust_file_a_release_is_cold_and_a_notice_says_so(job):
    first = job()
    first.restore()
    first.build()
    _, listing = first.save()
    assert listing == "", "what began unsigned is never listed"
    release = job(TAG)
    (release.workspace / "goferry.cache.trust").unlink()
    assert "restored" not in release.restore(signed="true").values()
    assert "::notice title=cold build::" in release.log
    assert "goferry keygen --cache" in release.log
    branch = job()
    assert branch.restore() == {"modules": "missed", "deps": "restored", "own": "restored"}, "snapshots take both"


@full()
def test_a_pull_request_keeps_what_it_made_only_where_it_is_asked_to(job):
    work = job("refs/pull/7/merge", "pull_request")
    work.restore()
    work.build()
    assert work.save() == ({}, "")
    work.environ |= {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_REF": MAIN}
    assert work.save(pull_requests="true") == ({}, ""), "its entries would be the default branch's"
    assert job.cache.names == []
    work.environ |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}
    kept, _ = work.save(pull_requests="true")
    assert kept["own"] == "saved"
    assert job.cache.names


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("restore-caches", {"work": "everything"}),
        ("restore-caches", {"signed": "perhaps"}),
        ("save-caches", {"work": "bild"}),
        ("save-caches", {"pull_requests": "some"}),
        ("restore-caches", {"working_directory": "nowhere"}),
        ("sign-caches", {}),
    ],
)
def test_what_no_input_is_is_refused(job, name, given):
    done = job().run(name, **given)
    if name == "sign-caches":
        assert done.code == 0
        assert "Nothing is to be signed" in done.log
    else:
        assert done.errors == ["input-invalid"], done.log


def test_a_broken_project_is_the_builds_to_tell(job):
    work = job()
    (work.workspace / "goferry.yml").write_text("builds: [")
    done = work.run("restore-caches")
    assert (done.code, done.errors) == (0, []), done.log
    assert "::warning title=no caches::" in done.log
    assert work.run("save-caches").code == 0
