"""Every composite action, run step by step by the small runner of tests/parts/composite.py on a real project."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import composite
import pytest

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = ROOT / "actions"
HOSTILE = "$(touch pwned)`touch pwned`;::set-output name=x::y\n::error::no"


MAIN = 'package main\n\nfunc main() { println(word()) }\n\nfunc word() string { return "hello" }\n'
TEST = """package main

import "testing"

func TestWord(t *testing.T) {
	if word() == "" {
		t.Fatal("no word")
	}
}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What all runs share: a tool cache and Goferry's cache, as a self-hosted runner has them."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Throw-away keys and their trust file."""
    folder = tmp_path_factory.mktemp("keys") / "made"
    subprocess.run([ROOT / ".venv" / "bin" / "goferry", "keygen", "--out", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, keys):
    """A checkout of a small module at a tag."""
    folder = tmp_path_factory.mktemp("work space") / "hello"
    shutil.copytree(ROOT / "examples" / "plain", folder)
    (folder / "main.go").write_text(MAIN)  # a release in CI is compiled cold, and this needs the runtime alone
    (folder / "main_test.go").write_text(TEST)
    (folder / ".gitignore").write_text("/dist*\n/shard*\n/parts\n/.goferry\n")
    git = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git[:3], "init", "-q"], check=True)
    shutil.copy(keys / "goferry.trust", folder)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "One"], check=True)
    subprocess.run([*git, "tag", "v1.0.0"], check=True)
    return folder


@pytest.fixture(scope="module")
def key(keys):
    """The armored signing key, as the secret holds it."""
    return (keys / "openpgp.asc").read_text()


@pytest.fixture
def step(workspace, shared, tmp_path):
    """`step("sign/native", dist="dist", env={…})` runs an action and holds what every run must hold."""

    def run(name, env=None, **given):
        temp = tmp_path / f"temp-{len(list(tmp_path.iterdir()))}"
        temp.mkdir()
        cache = {
            "GOFERRY_CACHE": os.environ.get("GOFERRY_CACHE", str(shared / "goferry")),
            "GOFERRY_PYTHON": sys.executable,
        }
        environ = composite.surroundings(workspace, shared, **cache, **(env or {}))
        folder = ROOT if name == "goferry" else ACTIONS / name
        done = composite.run(folder, {each.replace("_", "-"): value for each, value in given.items()}, environ, temp)
        secrets = [value for title, value in (env or {}).items() if title.startswith("GOFERRY_SIGNING")]
        rest = "\n".join(line for line in done.log.splitlines() if not line.startswith("::add-mask::"))
        for line in "\n".join(secrets).splitlines():
            if len(line) > 8:
                assert line in done.masks
                assert line not in rest + done.summary + json.dumps(done.outputs)
        told = {"GOFERRY_PYTHON"} | ({"GOFERRY_GO", "GOTOOLCHAIN"} if name == "setup-go" else set())
        assert set(done.env) <= told, "something is left in the caller's environment"
        assert "Traceback" not in done.log
        assert not list(temp.glob("goferry-*")), "a private file is left behind"
        assert not (workspace / "pwned").exists()
        return done

    return run


def test_setup_go_leaves_go_on_the_path_and_nothing_else(step):
    done = step("setup-go")
    assert done.code == 0, done.log
    assert done.path == [str(Path(done.outputs["goroot"]) / "bin")]
    said = subprocess.run([Path(done.path[0]) / "go", "version"], capture_output=True, text=True, check=True).stdout
    assert f"go{done.outputs['go-version']} " in said
    assert done.outputs["proof"] == "checksum-database"
    dry = step("setup-go", dry_run="true")
    assert dry.code == 0
    assert dry.path == []
    assert dry.outputs["go-version"] == done.outputs["go-version"]


def test_the_go_that_was_asked_for_runs_in_the_next_step_and_in_goferrys(step, workspace):
    """Beside a `toolchain` line go would switch, and goferry would take that line's."""
    folder = workspace / "older"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/older\n\ngo 1.24\n\ntoolchain go1.27.3\n")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    try:
        done = step("setup-go", go_version="1.26.11", working_directory="older")
        assert (done.code, done.outputs["go-version"]) == (0, "1.26.11"), done.log
        environ = {**os.environ, **done.env, "PATH": f"{done.path[0]}{os.pathsep}{os.environ['PATH']}"}
        said = subprocess.run(["go", "version"], cwd=folder, env=environ, capture_output=True, text=True, check=True)
        assert "go1.26.11 " in said.stdout
        assert "  go        1.26.11, checksum-database" in step("inspect", env=done.env, working_directory="older").log
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("event", "ref", "meaning"),
    [
        ("push", "refs/tags/v1.0.0", "release"),
        ("push", "refs/heads/main", "snapshot"),
        ("workflow_dispatch", "refs/heads/main", "snapshot"),
        ("pull_request", "refs/pull/7/merge", "pull-request"),
        ("pull_request_target", "refs/heads/main", "pull-request"),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7", "pull-request"),
        ("push", "refs/heads/" + HOSTILE, "snapshot"),
    ],
)
def test_inspect_says_what_a_push_means(step, event, ref, meaning):
    done = step("inspect", env={"GITHUB_EVENT_NAME": event, "GITHUB_REF": ref})
    assert done.code == 0, done.log
    assert done.outputs["push"] == meaning
    assert done.outputs["version"] == "v1.0.0"
    assert done.outputs["snapshot"] == str(meaning != "release").lower(), "a tag on the commit is not enough"
    assert json.loads(done.outputs["shards"]) == ["1/2", "2/2"]
    assert json.loads(done.outputs["targets"]) == ["linux/amd64", "linux/arm64"]
    assert "\n::error::no" not in done.log


@pytest.fixture
def git(workspace):
    def run(*words):
        command = ["git", "-C", workspace, "-c", "user.name=A", "-c", "user.email=a@example.com", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.mark.parametrize("name", ["inspect", "cross-compile"])
def test_a_pushed_tag_of_a_changed_tree_names_what_changed(step, workspace, git, name):
    changed = workspace / "go.mod"
    before = changed.read_text()
    changed.write_text(before + "// changed\n")
    try:
        done = step(name, env={"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.0.0"})
        snapshot = step("inspect", env={"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"})
    finally:
        changed.write_text(before)
    assert (done.code, done.errors) == (2, ["tag-unreleased"]), done.log
    assert "changed since the commit of v1.0.0: go.mod" in done.log
    assert "fetch-depth" not in done.log
    assert snapshot.outputs["push"] == "snapshot"


@pytest.mark.parametrize(
    ("tag", "code", "said"),
    [
        ("v3.0.0", 2, "version: {scheme: semver}"),
        ("v.1.5.0", 2, "did you mean the tag v1.5.0?"),
        ("nightly", 0, "nothing is released"),
        ("v1", 0, "nothing is released"),
    ],
)
def test_another_tag_on_the_commit_is_told_of(step, git, tag, code, said):
    git("tag", tag)
    try:
        done = step("inspect", env={"GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}"})
    finally:
        git("tag", "-d", tag)
    assert done.code == code, done.log
    assert said in done.log


def test_tests_are_counted_and_run_again_for_a_tag(step):
    branch = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    tag = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.0.0"}
    dry = step("test", dry_run="true", env=branch)
    assert (dry.code, dry.outputs["tests"]) == (0, ""), dry.log
    assert "go test -json" in dry.log
    counted = []
    for env, fresh in ((branch, ""), (branch, ""), (branch, "true"), (tag, "")):
        done = step("test", env=env, fresh=fresh)
        assert done.code == 0, done.log
        counted.append(done.outputs)
        assert "### Tests" in done.summary
    assert len({(each["tests"], each["packages"]) for each in counted}) == 1
    assert int(counted[0]["tests"]) > 0
    assert [each["cached"] for each in counted[1:]] == [counted[0]["packages"], "0", "0"]


def test_the_chain_in_shards_is_sealed_and_checked(step, workspace, key):
    for number in (1, 2):
        done = step(
            "cross-compile", shard=f"{number}/2", out=f"shard-{number}", archive="true", test=str(number == 1).lower()
        )
        assert done.code == 0, done.log
        assert done.outputs["archive"] == f"shard-{number}.tar"
        assert "is built" in done.summary
    (workspace / "parts").mkdir()
    one = (workspace / "shard-1.tar").rename(workspace / "parts" / "shard-1.tar")
    assert step("cross-compile", merge="parts").errors == ["shard-missing"]
    (workspace / "shard-2.tar").rename(workspace / "parts" / "shard-2.tar")
    done = step("cross-compile", merge="parts", out="dist")
    assert done.code == 0, done.log
    assert {each["target"] for each in json.loads(done.outputs["artifacts"])} == {"linux/amd64", "linux/arm64"}
    done = step("build-image", dist="dist")
    assert done.code == 0, done.log
    assert done.outputs["digest"].startswith("sha256:")
    assert (workspace / done.outputs["file"]).is_file()
    before = sorted(path.name for path in (workspace / "dist").iterdir())
    dry = step("sign/native", dist="dist", dry_run="true", env={"GOFERRY_SIGNING_KEY": key})
    assert dry.code == 0, dry.log
    assert sorted(path.name for path in (workspace / "dist").iterdir()) == before
    done = step("sign/native", dist="dist", archive="true", sequence="7", env={"GOFERRY_SIGNING_KEY": key})
    assert done.code == 0, done.log
    assert done.outputs["sequence"] == "7"
    assert json.loads(done.outputs["signatures"]) == ["SHA256SUMS.asc"]
    for dist in ("dist", "dist.tar"):
        seen = step("verify/native", dist=dist)
        assert seen.code == 0, seen.log
        assert seen.outputs["digest"] == done.outputs["digest"]
    binary = workspace / "dist" / "plain_linux_amd64"
    binary.chmod(0o755)
    with binary.open("r+b") as file:
        file.seek(5000)
        file.write(b"\0evil\0")
    seen = step("verify/native", dist="dist")
    assert seen.code == 3
    assert seen.errors == ["file-altered"]
    assert "file-altered" in seen.summary
    assert one.exists()


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("setup-go", {"dry_run": "yes"}, "input-invalid"),
        ("setup-go", {"working_directory": "no/such"}, "input-invalid"),
        ("inspect", {"shards": "many"}, "input-invalid"),
        ("test", {"fresh": "perhaps"}, "input-invalid"),
        ("build-image", {"dist": "nowhere"}, "parcel-missing"),
        ("sign/native", {"dist": "parts"}, "secret-missing"),
        ("verify/native", {"trust": "no.trust"}, "input-invalid"),
        ("verify/native", {"dist": "dist", "release": "v1@sha256:" + "0" * 64}, "misuse"),
        ("release", {"dist": "nowhere"}, "parcel-missing"),
        ("release", {"prerelease": "perhaps"}, "input-invalid"),
        ("deploy/native", {"environment": "production"}, "secret-missing"),
        ("rollback/native", {"environment": "production"}, "secret-missing"),
        ("notify", {}, "input-missing"),
        ("goferry", {"publish": "perhaps"}, "input-invalid"),
        ("goferry", {}, "secret-missing"),
        ("sign/native", {"check": "true"}, "secret-missing"),
        ("sign/native", {"check": "true", "formats": "pgp", "dist": "nowhere"}, "secret-missing"),
        ("release", {"check": "true"}, "input-invalid"),
        ("cross-compile", {"shard": HOSTILE}, ""),
        ("cross-compile", {"targets": HOSTILE}, ""),
        ("inspect", {"version": HOSTILE}, ""),
        ("inspect", {"project": HOSTILE}, ""),
    ],
)
def test_a_wrong_call_is_an_annotation_with_a_name(step, workspace, name, given, error):
    (workspace / "parts").mkdir(exist_ok=True)
    done = step(name, **given)
    assert done.code in (1, 2), done.log
    assert done.errors
    if error:
        assert done.errors == [error]
    assert "\n::set-output" not in done.log
    assert done.log.count("::error ") == 1


def test_keys_are_proven_before_anything_is_built_for_them(step, key, tmp_path):
    secret = {"GOFERRY_SIGNING_KEY": key}
    nowhere = {"check": "true", "dist": "nowhere", "working_directory": "nowhere"}
    done = step("sign/native", env=secret, formats='["openpgp"]', **nowhere)
    assert done.code == 0, done.log
    assert "can sign" in done.log
    assert step("sign/native", env=secret, formats='["openpgp", "minisign"]', **nowhere).errors == ["formats-missing"]
    assert step("sign/native", env=secret, formats="pgp", **nowhere).errors == ["input-invalid"]
    broken = {"GOFERRY_SIGNING_KEY": key[: len(key) // 2]}
    assert step("sign/native", env=broken, **nowhere).code == 2


def test_a_tag_that_a_workflow_names_is_released_and_refused_for_pull_requests(step, workspace):
    shutil.rmtree(workspace / "dist", ignore_errors=True)
    main = {"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/main"}
    done = step("inspect", tag="v1.0.0", env=main)
    assert (done.code, done.outputs["push"], done.outputs["snapshot"]) == (0, "release", "false"), done.log
    assert (done.outputs["tag"], json.loads(done.outputs["formats"])) == ("v1.0.0", [])
    built = step("cross-compile", tag="v1.0.0", targets="linux/amd64", test="false", env=main)
    assert (built.code, built.outputs["snapshot"]) == (0, "false"), built.log
    for event in ("pull_request", "workflow_run"):
        assert step("inspect", tag="v1.0.0", env={**main, "GITHUB_EVENT_NAME": event}).errors == ["tag-forbidden"]


def test_the_whole_way_in_one_step(step, workspace, key):
    shutil.rmtree(workspace / "dist", ignore_errors=True)
    done = step("goferry", targets="linux/amd64", publish="false", env={"GOFERRY_SIGNING_KEY": key})
    assert done.code == 0, done.log
    assert done.outputs["push"] == "release"
    assert len(done.outputs["digest"]) == 64
    assert step("verify/native", dist=done.outputs["dist"]).code == 0
    shutil.rmtree(workspace / "dist")
    foreign = step(
        "goferry", targets="linux/amd64", working_directory=".",
        env={"GOFERRY_SIGNING_KEY": key, "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"},
        dry_run="true",
    )  # fmt: skip
    assert foreign.code == 0, foreign.log
    assert foreign.outputs["push"] == "pull-request"
    assert foreign.outputs["digest"] == ""


LEAK = """package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLeak(t *testing.T) {
	filepath.WalkDir(os.Getenv("RUNNER_TEMP"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if data, _ := os.ReadFile(path); strings.Contains(string(data), "PRIVATE KEY") {
				t.Errorf("a key lies in %s", filepath.Base(path))
			}
		}
		return nil
	})
	for _, each := range os.Environ() {
		if strings.Contains(each, "PRIVATE KEY") || strings.HasPrefix(each, "GOFERRY_SIGNING") {
			t.Error("a key is in the environment")
		}
	}
}
"""


def test_no_key_lies_about_while_the_repositorys_tests_run(step, workspace, key):
    """One step does all, so tests of whatever go.mod names run beside the key: they find it in no file and variable."""
    shutil.rmtree(workspace / "dist", ignore_errors=True)
    (workspace / "leak_test.go").write_text(LEAK)
    try:
        done = step(
            "goferry", targets="linux/amd64", publish="false", image="false",
            env={"GOFERRY_SIGNING_KEY": key, "GITHUB_REF": "refs/heads/main"},
        )  # fmt: skip
    finally:
        (workspace / "leak_test.go").unlink()
    assert done.code == 0, done.log
    assert len(done.outputs["digest"]) == 64
    assert not list((workspace / "dist").glob("*_oci.tar")), "no image was asked for"
    shutil.rmtree(workspace / "dist")


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"publish": "true"}, "GOFERRY_SIGNING_KEY"),
        ({"environment": "production"}, "GOFERRY_DEPLOY_KEY"),
        ({"hosts": "web-1", "secret": "GOFERRY_SIGNING_KEY"}, "GOFERRY_DEPLOY_KEY"),
        ({"hosts": "web-1", "secret": "GOFERRY_DEPLOY_KEY"}, "GOFERRY_SIGNING_KEY"),
    ],
)
def test_what_needs_a_key_is_not_passed_over_without_one(step, workspace, key, given, needed):
    """A green run that published or deployed nothing, for want of a secret, would be believed."""
    shutil.rmtree(workspace / "dist", ignore_errors=True)
    given = dict(given)
    env = {given.pop("secret", "NONE"): key}
    done = step("goferry", targets="linux/amd64", test="false", env=env, **given)
    assert done.code == 2, done.log
    assert done.errors == ["secret-missing"]
    assert needed in done.log
    assert not (workspace / "dist").exists()


def proxied(folder, text):
    """A module example.com/dep v1.0.0 as a proxy's files serve it."""
    versions = folder / "example.com" / "dep" / "@v"
    versions.mkdir(parents=True)
    files = {"go.mod": "module example.com/dep\n\ngo 1.21\n", "dep.go": text}
    (versions / "list").write_text("v1.0.0\n")
    (versions / "v1.0.0.info").write_text('{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}')
    (versions / "v1.0.0.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"example.com/dep@v1.0.0/{name}", content)
    return folder.as_uri()


def test_a_release_is_not_built_from_a_module_cache_that_another_job_changed(step, workspace, tmp_path):
    """Runners that keep their caches: go itself never looks again at what it once unpacked."""
    proxy = proxied(tmp_path / "go" / "proxy", 'package dep\n\nfunc Say() string { return "good" }\n')
    mods = tmp_path / "go" / "mods"
    root = step("setup-go").outputs["goroot"]
    usual = subprocess.run([f"{root}/bin/go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout
    go = {"GOPROXY": f"{proxy},{usual.strip()}", "GOMODCACHE": str(mods), "GOFLAGS": "-modcacherw"}
    repository = workspace / "user"
    repository.mkdir()
    (repository / "go.mod").write_text("module example.com/user\n\ngo 1.21\n\nrequire example.com/dep v1.0.0\n")
    (repository / "main.go").write_text(
        'package main\n\nimport "example.com/dep"\n\nfunc main() { println(dep.Say()) }\n'
    )
    offline = {**os.environ, **go, "GONOSUMDB": "*", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod -modcacherw"}
    subprocess.run([f"{root}/bin/go", "mod", "tidy"], cwd=repository, env=offline, check=True, capture_output=True)
    git = ["git", "-C", workspace, "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "Two"], check=True)
    subprocess.run([*git, "tag", "user/v1.1.0"], check=True)
    given = {"working_directory": "user", "targets": "linux/amd64", "test": "false"}
    env = {**go, "GITHUB_REF": "refs/tags/user/v1.1.0"}
    try:
        (mods / "example.com" / "dep@v1.0.0" / "dep.go").write_text(
            'package dep\n\nfunc Say() string { return "evil" }\n'
        )
        done = step("cross-compile", env=env, **given)
        assert done.code == 3, done.log
        assert done.errors == ["modules-modified"]
        assert not (repository / "dist").exists()
        shutil.rmtree(mods)
        done = step("cross-compile", env=env, **given)
        assert done.code == 0, done.log
        assert done.outputs["snapshot"] == "false"
    finally:
        subprocess.run([*git, "tag", "-d", "user/v1.1.0"], check=True, capture_output=True)
        subprocess.run([*git, "reset", "-q", "--hard", "v1.0.0"], check=True)
        shutil.rmtree(repository, ignore_errors=True)


def test_a_release_signed_by_a_stranger_is_refused(step, workspace, tmp_path):
    shutil.rmtree(workspace / "dist-foreign", ignore_errors=True)
    built = step("cross-compile", targets="linux/amd64", out="dist-foreign", test="false")
    assert built.code == 0, built.log
    subprocess.run(
        [ROOT / ".venv" / "bin" / "goferry", "keygen", "--out", tmp_path / "stranger"], check=True, capture_output=True
    )
    theirs = {"GOFERRY_SIGNING_KEY": (tmp_path / "stranger" / "openpgp.asc").read_text()}
    assert step("sign/native", dist="dist-foreign", env=theirs).code == 0
    seen = step("verify/native", dist="dist-foreign")
    assert seen.code == 3
    assert seen.errors == ["key-unknown"], seen.errors
    assert seen.outputs["digest"] == ""
