"""`init`, `up`, `status`, `rollback`, `down` as a person types them, on repositories that know nothing of Goferry."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".demo" / "cache"
SERVER = """package main

import (
	"net/http"
	"os"

	"example.com/team/shop/v3/internal/greet"
)

var version = "dev"

func main() {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(version + " " + greet.Word)) })
	if err := http.ListenAndServe(os.Getenv("ADDR"), nil); err != nil {
		panic(err)
	}
}
"""
FILES = {
    ".gitignore": "/dist/\nzz_*.go\n",
    "go.mod": "module example.com/team/shop/v3\n\ngo 1.24\n",
    "cmd/api/main.go": SERVER,
    "cmd/tool/main.go": 'package main\n\nimport "example.com/team/shop/v3/internal/greet"\n\nfunc main() { println(greet.Word) }\n',
    "cmd/special/main.go": "//go:build special\n\npackage main\n\nfunc main() { this does not compile }\n",
    "internal/greet/greet.go": 'package greet\n\nconst Word = "hello"\n',
    "internal/greet/greet_test.go": 'package greet\n\nimport "testing"\n\nfunc TestWord(t *testing.T) {\n\tif Word == "" {\n\t\tt.Fatal("no word")\n\t}\n}\n',
}


@pytest.fixture
def goferry(tmp_path, part):
    """Run a command in a folder; the caches are the demo's. What is deployed is taken down at the end."""
    part("git")
    home = tmp_path / "home"
    home.mkdir()
    roots = set()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GOFERRY_CACHE": str(CACHE),
        "GOCACHE": str(CACHE / "go-build"),
        "GOMODCACHE": str(CACHE / "go-mod"),
        "GOFLAGS": "-modcacherw",
        **{
            name: os.environ[name]
            for name in os.environ
            if name.endswith(("_proxy", "_PROXY")) or name in ("GOPROXY", "GOSUMDB", "SSL_CERT_FILE")
        },
    }

    def run(folder, *words, code=0):
        roots.add(folder)
        done = subprocess.run(
            [sys.executable, "-I", "-m", "goferry", *words],
            check=False,
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout) if "--json" in words else done.stdout

    CACHE.mkdir(parents=True, exist_ok=True)
    yield run
    for folder in roots:
        if (folder / ".goferry" / "root").exists():
            run(folder, "down", "--root", ".goferry/root")


def repository(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    commit(folder, "v3.0.0")
    return folder


def commit(folder, tag):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    subprocess.run(["git", *who, "-C", folder, "commit", "-q", "-m", tag], check=True)
    subprocess.run(["git", *who, "-C", folder, "tag", tag], check=True)


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=5).read().decode()


LOCAL = ("up", "--target", "local", "--targets", "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine])


def test_a_repository_of_two_mains_from_nothing_to_a_rollback(tmp_path, goferry):
    repo = repository(tmp_path / "shop", FILES)
    made = goferry(repo, *LOCAL[:1], *LOCAL[3:], "--json")
    assert (made["project"], made["version"], made["deploy"]) == ("shop", "v3.0.0", None)
    names = {path.name for path in (repo / "dist").iterdir()}
    assert {"release.json", "SHA256SUMS", "SHA256SUMS.asc", "SHA256SUMS.minisig"} <= names
    assert {name.split("_")[0] for name in names if "linux" in name and "tar" not in name} == {"api", "tool"}

    goferry(repo, "init", "--json")
    (repo / "goferry.yml").write_text("services:\n  api: {main: ./cmd/api, listen: {env: ADDR}}\n")
    commit(repo, "v3.0.1")
    first = goferry(repo, *LOCAL, "--json")
    url = first["deploy"]["services"]["api"]["url"]
    assert fetch(url) == "v3.0.1 hello"

    again = goferry(repo, *LOCAL, "--json")
    assert again["unchanged"]
    assert again["made"] == []
    assert "nothing changed" in goferry(repo, *LOCAL)

    (repo / "internal/greet/zz_generated.go").write_text("package greet\n\nfunc init() { println(1) }\n")
    generated = goferry(repo, "up", *LOCAL[3:], "--json")
    assert {"test", "build", "sign"} <= set(generated["made"]), "git ignores it, and the compiler reads it"

    (repo / "internal/greet/greet.go").write_text('package greet\n\nconst Word = "welcome"\n')
    commit(repo, "v3.1.0")
    shown = goferry(repo, *LOCAL, "--dry-run", "--json")
    second = goferry(repo, *LOCAL, "--json")
    foreseen = [step["id"] for step in shown["steps"] if step["runs"] and step["id"] not in ("verify", "deploy")]
    assert second["made"] == foreseen
    assert fetch(url) == "v3.1.0 welcome"
    live = goferry(repo, "status", "--root", ".goferry/root", "--json")["live"]["api"]
    assert live["version"] == "v3.1.0"

    goferry(repo, "rollback", "--root", ".goferry/root")
    assert fetch(url) == "v3.0.1 hello"

    (repo / "internal/greet/greet.go").write_text("package greet\n")
    red = goferry(repo, *LOCAL, "--no-test", "--json", code=1)
    assert red["serving"] == {"api": {"version": "v3.0.1", "state": "healthy"}}
    assert red["state"].endswith("Serving now: api v3.0.1")


def test_the_plain_example_with_what_init_writes(tmp_path, goferry):
    repo = tmp_path / "plain"
    shutil.copytree(ROOT / "examples" / "plain", repo)
    (repo / ".gitignore").write_text("/dist/\n")
    refused = goferry(repo, *LOCAL, "--json", code=2)
    assert refused["error"] == "nothing-to-deploy"
    assert "{plain: {main: ., " in refused["advice"][0]
    assert not (repo / "dist").exists(), "it was said before anything was built"
    goferry(repo, "init")
    lines = [line for line in (repo / "goferry.yml").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 3
    commit(repo, "v1.0.0")
    first = goferry(repo, *LOCAL, "--report", str(tmp_path / "report.html"), "--json")
    assert first["tests"]["tests"] > first["tests"]["cached"] == 0, "a release runs its tests"
    url = first["deploy"]["services"]["plain"]["url"]
    assert fetch(f"{url}/hello/you") == "Hello, you.\n"
    assert "plain v1.0.0 runs on this machine" in (tmp_path / "report.html").read_text()
    (repo / "main.go").write_text((repo / "main.go").read_text().replace("Hello, %s.", "Welcome, %s."))
    (repo / "main_test.go").unlink()
    commit(repo, "v1.1.0")
    goferry(repo, *LOCAL)
    assert fetch(f"{url}/hello/you") == "Welcome, you.\n"
    goferry(repo, "rollback", "--root", ".goferry/root")
    assert fetch(f"{url}/hello/you") == "Hello, you.\n"


def test_red_tests_stop_the_way_and_the_release_before_stays(tmp_path, goferry):
    repo = repository(tmp_path / "shop", FILES)
    goferry(repo, *LOCAL[:1], *LOCAL[3:])
    before = (repo / "dist" / "release.json").read_bytes()
    (repo / "internal/greet/greet.go").write_text('package greet\n\nconst Word = ""\n')
    failed = goferry(repo, *LOCAL[:1], *LOCAL[3:], "--json", code=1)
    assert failed["error"] == "tests-failed"
    assert failed["advice"][-1] == "to try it all the same, without vet and tests, add:  --no-test"
    assert (repo / "dist" / "release.json").read_bytes() == before


def test_a_foreign_folder_is_refused_before_any_work(tmp_path, goferry):
    repo = repository(tmp_path / "shop", FILES)
    (repo / "dist").mkdir()
    (repo / "dist" / "thesis.txt").write_text("mine")
    failed = goferry(repo, *LOCAL[:1], *LOCAL[3:], "--json", code=2)
    assert failed["error"] == "output-foreign"
    assert (repo / "dist" / "thesis.txt").read_text() == "mine"
