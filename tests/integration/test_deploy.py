"""The embedded local target with real processes: supervisord, two slots, Go services, traffic, and what goes wrong."""

import contextlib
import functools
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from embedded import BEGIN, ROOT, SETTINGS, Clients, Site, get, post
from sampling import sample

from goferry import deploy
from goferry.deploy import _client as client
from goferry.deploy.errors import TargetMissing
from goferry.host import executable, processes, supervised
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream


@pytest.fixture
def site(workshop, part, tmp_path):
    made = Site(workshop, part("go"), tmp_path, tmp_path / "root")
    yield made
    with contextlib.suppress(TargetMissing):  # nothing was deployed, or its disk is gone
        made.down()
    assert made.pids() == []


def test_versions_change_under_traffic_without_a_lost_request_and_go_back(site):
    first = site.deploy(site.release(1))
    port = first["services"]["api"]["port"]
    second = site.release(2)
    with Clients(port) as clients:
        deployed = site.deploy(second)
        back = site.rollback()
    assert (clients.lost, clients.heard) == ([], {"v1.0.0", "v2.0.0"})
    assert clients.sent > 100
    assert deployed["services"]["api"]["previous"] == "v1.0.0"
    assert deployed["gap_ms"] == {}
    assert deployed["switch_ms"] < 1000
    assert back["services"]["api"]["version"] == "v1.0.0"
    live = site.live()["api"]
    assert (live["version"], live["state"], live["url"]) == ("v1.0.0", "healthy", f"http://127.0.0.1:{port}")
    with pytest.raises(GoferryError) as caught:
        site.rollback()
    assert caught.value.name == "nothing-to-roll-back-to"
    assert site.deploy(second)["services"]["api"]["version"] == "v2.0.0"
    again = site.deploy(second)
    assert again["unchanged"]
    assert site.down() == {"stopped": ["api"], "dry_run": False}
    assert site.live() == {}
    assert site.refused(site.release(1)).name == "sequence-lower"
    assert site.deploy(second)["services"]["api"]["version"] == "v2.0.0"


def test_rollbacks_walk_back_under_traffic_and_a_named_version_comes_back(site, tmp_path):
    trust = tmp_path / "goferry.trust"
    trust.write_bytes((site.workshop.keys / "goferry.trust").read_bytes())
    dists = [site.release(number) for number in (1, 2, 3)]
    for dist in dists:
        port = site.deploy(dist)["services"]["api"]["port"]
    with Clients(port) as clients:
        walked = [site.rollback()["version"] for _ in range(2)]
        assert site.deploy(dists[0])["unchanged"]
        planned = site.rollback(to="v3.0.0", dry_run=True)
        named = site.rollback(to="v3.0.0")
        same = site.rollback(to="v3.0.0")
    assert (clients.lost, clients.heard) == ([], {"v1.0.0", "v2.0.0", "v3.0.0"})
    assert walked == ["v2.0.0", "v1.0.0"]
    assert [(step["from"], step["to"]) for step in planned["changes"]] == [("v1.0.0", "v3.0.0")]
    assert (named["version"], named["previous"], named["unchanged"], same["unchanged"]) == (
        "v3.0.0",
        "v1.0.0",
        False,
        True,
    )
    shown = deploy.status(site.target(), settings=SETTINGS).as_json()
    assert (shown["live"]["api"]["held"], shown["live"]["api"]["previous"]) == (["v2.0.0", "v1.0.0"], "v1.0.0")
    assert shown["floors"]["shop"] == {"sequence": BEGIN + 3, "lowered": [], "error": ""}
    argv = [sys.executable, "-I", "-m", "goferry", "status", "--target", "local", "--root", str(site.root)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "api can go back: v2.0.0, v1.0.0 (v1.0.0 is next)" in told
    record = json.loads(trust.read_text())
    record.update(schema=2, projects={"shop": {"minimum": BEGIN + 2}})
    trust.write_text(json.dumps(record))
    argv[4] = "rollback"
    refused = subprocess.run([*argv, "--trust", str(trust), "--json"], capture_output=True, text=True, check=False)
    assert (refused.returncode, json.loads(refused.stdout)["error"]) == (3, "sequence-below-minimum")


def test_a_restart_takes_the_env_file_of_now_under_traffic_and_a_crash_that_of_the_proof(site):
    secrets = site.root / "api.env"
    site.root.mkdir()
    secrets.write_text("SECRET=one\n")
    port = site.deploy(site.release(1, env_file="api.env"))["services"]["api"]["port"]
    with Clients(port) as clients:
        secrets.write_text("SECRET=two\n")
        assert site.live()["api"]["newer_values"]
        done = deploy.restart(site.target(), settings=SETTINGS, stream=Stream()).as_json()
    assert (clients.lost, clients.heard) == ([], {"v1.0.0"})
    assert (done["version"], done["previous"], done["gap_ms"]) == ("v1.0.0", "v1.0.0", {})
    live = site.live()["api"]
    assert (live["state"], live["newer_values"]) == ("healthy", False)
    assert "SECRET=two" in get(port, "/env")
    secrets.write_text("GOMEMLIMIT=none\n")  # with which Go's runtime starts no program
    with pytest.raises(GoferryError) as told:
        deploy.restart(site.target(), settings=SETTINGS, stream=Stream())
    assert told.value.name == "candidate-crashed"
    with contextlib.suppress(OSError, http.client.HTTPException):
        get(port, "/die")
    deadline = time.monotonic() + 20
    while site.live()["api"]["pid"] in (0, live["pid"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "SECRET=two" in get(port, "/env")
    assert site.live()["api"]["newer_values"]


def test_a_rollback_without_a_trust_file_is_judged_by_that_of_the_last_deploy(site, tmp_path):
    trust = tmp_path / "goferry.trust"
    trust.write_bytes((site.workshop.keys / "goferry.trust").read_bytes())
    target = deploy.Local(site.root, trust)
    for number in (1, 2):
        deploy.deploy(site.release(number), target, settings=SETTINGS, stream=Stream())
    record = json.loads(trust.read_text())
    for key in record["keys"]:
        key.update(revoked_at="2020-01-01T00:00:00Z", reason="compromised")
    trust.write_text(json.dumps(record))
    with pytest.raises(GoferryError) as refused:
        deploy.rollback(deploy.Local(site.root), settings=SETTINGS, stream=Stream())
    assert (refused.value.name, refused.value.exit_code) == ("key-revoked", 3)
    assert site.live()["api"]["version"] == "v2.0.0"


@pytest.mark.parametrize(
    ("fault", "name", "code"),
    [("crash", "candidate-crashed", 1), ("hang", "candidate-unhealthy", 1), ("other", "health-identity", 1)],
)
def test_a_bad_candidate_never_gets_traffic(site, fault, name, code):
    site.deploy(site.release(1))
    port = site.live()["api"]["port"]
    with Clients(port, 2) as clients:
        error = site.refused(site.release(2, fault, ready_within_ms=1500 if fault == "hang" else 10_000))
    assert (error.name, error.exit_code) == (name, code)
    assert error.facts["serving"] == {"api": {"version": "v1.0.0", "state": "healthy"}}
    assert error.state.endswith("Serving now: api v1.0.0")
    assert clients.lost == []
    assert clients.heard == {"v1.0.0"}
    if fault == "crash":
        assert "panic: no database \\x1b[31m" in error.state
        assert any(line.endswith(f" folder, {site.root}/shop/api/data") for line in error.advice)
        assert any(line.endswith(f"relative to {site.root}") for line in error.advice)
    assert len(list((site.root / "shop/api/store").iterdir())) == 1
    assert not (site.root / "shop/api/slots/1.json").exists()


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_that_a_service_or_a_person_keeps_is_lost_by_a_failure_a_rollback_or_down(site):
    service = site.root / "shop/api"
    theirs = [
        service / "data/accounts.db",
        service / "data/deep/er/blob",
        service / "secrets.env",
        service / "store/notes",
        service / "store/more/notes",
        service / "releases/notes",
        service / "releases/1/notes",
        service / "log/archive/notes",
        service / "slots/notes",
        site.root / "shop/notes",
        site.root / ".goferry/known_hosts",
        site.root / ".goferry/bin/notes",
    ]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("TOKEN=kept")
    more = {"env_file": "shop/api/secrets.env"}

    def kept():
        assert {path for path in theirs if not path.is_file() or path.read_text() != "TOKEN=kept"} == set()
        assert "panic: no database" in (service / "log/0.log").read_text()
        assert (service / "data/state.db").read_text() == "kept by v1.0.0"

    first = site.refused(site.release(1, "crash", **more))
    assert first.name == "candidate-crashed"
    assert first.state.endswith("Serving now: nothing")
    kept()
    assert site.live() == {}
    assert site.pids() == []
    assert site.refused(site.release(1, "bake", sequence=2, bake_ms=1500, **more)).name == "rolled-back"
    kept()
    site.deploy(site.release(1, sequence=3, **more))
    assert site.refused(site.release(2, "hang", sequence=4, ready_within_ms=700, **more)).name == "candidate-unhealthy"
    site.deploy(site.release(2, sequence=5, **more))
    site.deploy(site.release(3, sequence=6, **more))
    kept()
    site.rollback()
    kept()
    site.down()
    kept()
    held = [path for path in (service / "store").iterdir() if len(path.name) == 64]
    assert len(held) == 3  # what was committed, and nothing of what failed


def test_after_down_status_says_what_was_stopped_and_how_it_is_started_again(site):
    def command(*words):
        argv = [sys.executable, "-I", "-m", "goferry", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    where = ("--target", "local", "--root", str(site.root))
    site.deploy(site.release(1))
    assert deploy.status(site.target(), settings=SETTINGS).as_json()["stopped"] == {}
    told = command("down", *where).stdout.splitlines()
    assert told == ["stopped api", f"what is kept, and how to go on:  goferry status {' '.join(where)}"]
    assert deploy.status(site.target(), settings=SETTINGS).as_json()["stopped"] == {
        "api": {"project": "shop", "service": "api", "version": "v1.0.0", "held": ["v1.0.0"]}
    }
    told = command("status", *where).stdout.splitlines()
    assert told[0] == "api v1.0.0 was stopped; its releases, data and logs are kept"
    assert told[1].startswith("start it again:  goferry rollback --to v1.0.0 --target local")
    again = command(*shlex.split(told[1].partition(":  goferry ")[2]))
    assert again.returncode == 0, again.stderr
    assert site.live()["api"]["state"] == "healthy"
    assert deploy.status(site.target(), settings=SETTINGS).as_json()["stopped"] == {}


def test_purge_alone_removes_what_is_kept_and_says_what(site):
    def purge(*words):
        argv = [sys.executable, "-I", "-m", "goferry", "purge", *words, "--root", str(site.root), "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    site.deploy(site.release(1))
    (site.root / "shop/api/data/accounts.db").write_text("kept")
    (site.root / "other").mkdir()
    (site.root / "other/notes").write_text("not Goferry's")
    before = files_of(site.root)
    code, asked = purge("shop")
    assert (code, asked["error"]) == (2, "misuse")
    assert f"would remove {site.root}/shop/api: " in asked["state"]
    code, planned = purge("shop", "--dry-run")
    assert (code, planned["stopped"]) == (0, ["api"])
    assert set(before) - {Path(".goferry/lock")} <= set(files_of(site.root))
    assert site.live()["api"]["state"] == "healthy"
    code, done = purge("shop", "--yes")
    assert code == 0
    assert [each["path"] for each in done["removed"]] == [
        f"{site.root}/shop/{name}" for name in ("api", ".deploys.jsonl", ".journal", ".floor.json")
    ]
    assert done["removed"][0]["files"] >= 6
    assert not (site.root / "shop").exists()
    assert (site.root / "other/notes").read_text() == "not Goferry's"
    assert site.pids() == []
    code, again = purge("shop", "--yes")
    assert (code, again["error"]) == (2, "target-missing")
    assert site.deploy(site.release(1))["services"]["api"]["version"] == "v1.0.0"


def test_a_log_shows_the_lines_of_its_own_version_alone(site):
    for number in (1, 2):
        site.deploy(site.release(number))
    error = site.refused(site.release(3, "chatty"))
    assert error.name == "candidate-crashed"
    *lines, serving = [line.strip() for line in error.state.splitlines()]
    assert serving == "Serving now: api v2.0.0"
    assert lines[0] == f"Its log since it was started ({site.root}/shop/api/log/0.log):"
    assert "api v3.0.0 starts" in lines[1]
    last = [line for line in lines[2:] if not line.startswith("goferry: ")]  # which refuses a second start, if it may
    assert last[:2] == ["starting v3.0.0", "line 0"]
    assert re.fullmatch("… [0-9]+ more like it", last[2])
    assert last[4] == "…"
    assert re.fullmatch("… [0-9]+ more like it", last[-2])
    assert last[-1] == "line 2999"
    assert len(last) == 8
    assert (site.root / "shop/api/log/0.log").is_file()
    site.deploy(site.release(4))
    shown = deploy.logs(site.target(), settings=SETTINGS).as_json()["logs"]["api"]
    assert [line for line in shown if "starting" in line] == ["starting v4.0.0"]


@pytest.mark.parametrize(("fault", "cause"), [("bake", "candidate-crashed"), ("freeze", "candidate-unhealthy")])
def test_a_version_that_fails_while_it_bakes_is_rolled_back(site, fault, cause):
    site.deploy(site.release(1))
    error = site.refused(site.release(2, fault, bake_ms=1500))
    assert (error.name, error.exit_code, error.facts["cause"]) == ("rolled-back", 4, cause)
    live = site.live()["api"]
    assert (live["version"], live["state"], post(live["port"])) == ("v1.0.0", "healthy", "v1.0.0")


def test_another_public_port_is_another_socket(site):
    first = site.deploy(site.release(1))["services"]["api"]
    second = site.deploy(site.release(2, port=supervised.free_port()))["services"]["api"]
    assert second["port"] != first["port"]
    assert post(second["port"]) == "v2.0.0"
    with pytest.raises(OSError, match="refused"):
        post(first["port"])
    assert site.rollback()["services"]["api"]["version"] == "v1.0.0"


def test_a_committed_version_that_dies_is_started_again_and_accepts(site):
    live = site.deploy(site.release(1))["services"]["api"]
    with contextlib.suppress(OSError, http.client.HTTPException):
        get(live["port"], "/die")
    deadline = time.monotonic() + 10
    said = ""
    while said != "v1.0.0" and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            said = post(live["port"])
        time.sleep(0.05)
    now = site.live()["api"]
    assert said == "v1.0.0"
    assert now["state"] == "healthy"
    assert now["pid"] != live["pid"]
    assert site.deploy(site.release(2))["services"]["api"]["version"] == "v2.0.0"


def limits(pid):
    return Path(f"/proc/{pid}/limits").read_text().splitlines()


def test_a_service_gets_a_clean_environment(site):
    site.release(1)
    (site.root).mkdir()
    (site.root / "api.env").write_text("# secrets\nTOKEN='from the file'\n")
    live = site.deploy(site.release(1, env={"MODE": "test"}, env_file="api.env"))["services"]["api"]
    environ = dict(line.split("=", 1) for line in get(live["port"], "/env").splitlines())
    assert environ["TOKEN"] == "from the file"
    assert environ["MODE"] == "test"
    assert environ["STATE_DIRECTORY"] == str(site.root / "shop/api/data")
    assert set(environ) <= {
        "PATH", "HOME", "LANG", "TZ", "MODE", "TOKEN", "STATE_DIRECTORY", "GOFERRY_SERVICE", "GOFERRY_VERSION",
        "GOFERRY_CONTROL", "GOFERRY_DRAIN",
    }  # fmt: skip
    (cores,) = (line for line in limits(live["pid"]) if line.startswith("Max core file size"))
    assert cores.split()[4:6] == ["0", "0"], "a core file would hold its secrets"


PLAIN_ARMS = {"env": {"env": "ADDR"}}


@pytest.mark.parametrize("listen", PLAIN_ARMS.values(), ids=PLAIN_ARMS)
def test_a_service_that_knows_nothing_of_goferry_deploys_with_a_stated_gap(site, listen):
    source = ROOT / "examples/plain"
    for number in (1, 2):
        binary = site.workshop.binary(site.go, f"v{number}.0.0", "", source)
        dist = site.workshop.release(
            site.folder / f"plain-{number}", {"plain": binary}, f"v{number}.0.0", number, "plain", listen=listen
        )
        record = site.deploy(dist)
    gap = record["gap_ms"]["plain"]
    assert 0 < gap < 5000
    assert "Hello, you." in get(record["services"]["plain"]["port"], "/hello/you")
    assert site.rollback()["services"]["plain"]["version"] == "v1.0.0"


PORT_ALONE = """package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
)

var version, fault string

func main() {
	port := flag.String("port", os.Getenv("PORT"), "")
	flag.Parse()
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version, " ", os.Getenv("BASE")) })
	panic(http.ListenAndServe(":"+*port, nil))
}
"""
PORTS = {
    "variable": {"listen": {"port_env": "PORT"}, "env": {"BASE": "{url}/api"}},
    "argument": {"listen": {}, "args": ["--port", "{port}"], "env": {"BASE": "http://{host}:{port}/api"}},
}


@pytest.mark.parametrize("told", PORTS.values(), ids=PORTS)
def test_a_service_that_takes_a_port_alone_is_deployed_and_told_where_it_is(site, told):
    source = site.folder / "port"
    source.mkdir()
    (source / "go.mod").write_text("module example.com/port\n\ngo 1.24\n")
    (source / "main.go").write_text(PORT_ALONE)
    for number in (1, 2):
        binary = site.workshop.binary(site.go, f"v{number}.0.0", "", source)
        version = f"v{number}.0.0"
        live = site.deploy(site.workshop.release(site.folder / version, {"p": binary}, version, number, "port", **told))
        port = live["services"]["p"]["port"]
        assert get(port, "/") == f"{version} http://127.0.0.1:{port}/api"
    os.kill(live["services"]["p"]["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            assert get(port, "/") == f"v2.0.0 http://127.0.0.1:{port}/api"
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert site.rollback()["services"]["p"]["version"] == "v1.0.0"
    assert get(port, "/") == f"v1.0.0 http://127.0.0.1:{port}/api"


def test_a_plain_service_whose_successor_fails_serves_on(site):
    source = ROOT / "examples/plain"
    binary = site.workshop.binary(site.go, "v1.0.0", "", source)
    site.deploy(
        site.workshop.release(site.folder / "p1", {"plain": binary}, "v1.0.0", 1, "plain", listen={"env": "ADDR"})
    )
    port = site.live()["plain"]["port"]
    bad = site.workshop.release(
        site.folder / "p2",
        {"plain": binary},
        "v2.0.0",
        2,
        "plain",
        listen={"env": "ADDR"},
        health="/nowhere",
        ready_within_ms=700,
    )
    assert site.refused(bad).name == "candidate-unhealthy"
    assert "Hello, you." in get(port, "/hello/you")


def test_several_services_of_a_release_switch_together(site):
    def release(number, fault=""):
        good = site.workshop.binary(site.go, f"v{number}.0.0")
        other = site.workshop.binary(site.go, f"v{number}.0.0", fault)
        return site.workshop.release(
            site.folder / f"two-{number}", {"api": good, "worker": other}, f"v{number}.0.0", number
        )

    site.deploy(release(1))
    assert site.refused(release(2, "crash")).name == "candidate-crashed"
    assert {name: live["version"] for name, live in site.live().items()} == {"api": "v1.0.0", "worker": "v1.0.0"}
    dist = release(3)
    planned = site.deploy(dist, dry_run=True)
    assert [step["service"] for step in planned["changes"]] == ["api", "worker"]
    site.deploy(dist)
    assert {post(live["port"]) for live in site.live().values()} == {"v3.0.0"}
    site.rollback(services=["worker"])
    assert {name: live["version"] for name, live in site.live().items()} == {"api": "v3.0.0", "worker": "v1.0.0"}


def test_a_binary_for_another_machine_is_refused_by_its_header(site):
    foreign, machine = ("arm64", 183) if executable.host_platform()[1] != "arm64" else ("amd64", 62)
    binary = site.folder / "foreign-binary"
    data = bytearray(site.workshop.binary(site.go, "v1.0.0").read_bytes())
    data[18:20] = machine.to_bytes(2, "little")
    binary.write_bytes(data)
    error = site.refused(site.workshop.release(site.folder / "foreign", {"api": binary}, "v1.0.0", 1))
    assert (error.name, error.exit_code) == ("wrong-platform", 3)
    assert foreign in error.what


def test_a_changed_file_in_the_store_is_neither_started_nor_rolled_back_to(site):
    site.deploy(site.release(1))
    site.deploy(site.release(2))
    _, before = json.loads((site.root / "shop/api/state.json").read_text())["history"]
    blob = site.root / "shop/api/store" / before["sha256"]
    blob.chmod(0o755)
    with blob.open("ab") as file:
        file.write(b"evil")
    with pytest.raises(GoferryError) as caught:
        site.rollback()
    assert (caught.value.name, caught.value.exit_code) == ("blob-changed", 3)
    assert site.live()["api"]["version"] == "v2.0.0"


def test_a_tampered_release_changes_nothing(site):
    dist = site.release(1)
    binary = next(p for p in dist.iterdir() if p.name.startswith("api_"))
    binary.chmod(0o755)
    with binary.open("ab") as file:
        file.write(b"evil")
    assert site.refused(dist).exit_code == 3
    assert not site.root.exists()


def test_the_second_of_two_deploys_waits_or_says_that_the_first_is_busy(site):
    site.deploy(site.release(1))
    slow, late = site.release(2, bake_ms=2500), site.release(3)
    thread = threading.Thread(target=site.deploy, args=(slow,))
    thread.start()
    time.sleep(1.2)
    error = site.refused(late, wait=0.2)
    assert (error.name, error.exit_code) == ("deploy-busy", 5)
    assert error.state.splitlines()[-1].startswith("Serving now: api v")
    site.deploy(late, wait=30)
    thread.join()
    assert site.live()["api"]["version"] == "v3.0.0"


def test_a_folder_with_a_long_and_odd_name_works(workshop, part, tmp_path):
    root = tmp_path / ("deep " * 10) / "a;b%c#d 'e' ü" / ("x" * 60)
    site = Site(workshop, part("go"), tmp_path, root)
    try:
        site.deploy(site.release(1))
        live = site.deploy(site.release(2))["services"]["api"]
        assert (post(live["port"]), live["state"]) == ("v2.0.0", "healthy")
    finally:
        site.down()
    assert site.pids() == []


KILLER = """
import os, runpy, signal, sys
from goferry.host import journal
wanted, when = int(sys.argv.pop(1)), sys.argv.pop(1)
append, count = journal.Journal.append, 0
def killing(self, record):
    global count
    count += 1
    if count == wanted and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, record)
    if count == wanted and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.append = killing
runpy.run_module("goferry.host", run_name="__main__")
"""


LINES = ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked", "commit", "retired", "settled"]
EVERY = [(line, when) for line in LINES for when in ("before", "after")]
TURNS = [("switch", "after"), ("commit", "before"), ("commit", "after")]
"""Where what serves, or what counts, changes: these are always among the cases."""


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_killed_at_each_journal_line_one_version_answers(site, kind):
    port = site.deploy(site.release(1))["services"]["api"]["port"]
    now, sequence = 1, 1
    for line, when in [*TURNS, *sample([each for each in EVERY if each not in TURNS], 4)]:
        other, sequence = 3 - now, sequence + 1
        argv = client.agent_argv(site.root, site.workshop.keys / "goferry.trust")
        target = site.target(argv=[argv[0], "-c", KILLER, str(LINES.index(line) + 1), when, *argv[4:]])
        dist = site.release(other, sequence=sequence)
        if kind == "deploy":
            change, before, after = functools.partial(deploy.deploy, dist), now, other
        else:
            site.deploy(dist)
            change, before, after = deploy.rollback, other, now
        with pytest.raises(GoferryError) as caught:
            change(target, settings=SETTINGS, stream=Stream())
        assert caught.value.name == "agent-lost"
        committed = line in ("retired", "settled") or (line, when) == ("commit", "after")
        now = after if committed else before
        told = caught.value.state.splitlines()[-1]  # the agent that is asked once more may be killed in its turn
        assert told == f"Serving now: api v{now}.0.0" or told.startswith("Serving now: nobody knows: ")
        live = site.live()["api"]
        assert (live["version"], live["state"]) == (f"v{now}.0.0", "healthy"), (line, when)
        assert {post(port) for _ in range(6)} == {f"v{now}.0.0"}
        again = deploy.status(site.target(), settings=SETTINGS).as_json()
        assert again["recovered"] == []
        assert again["live"]["api"]["pid"] in (live["pid"], 0)  # 0: it did not answer a busy machine in time
        assert site.live()["api"]["pid"] == live["pid"]
        assert len([path for path in (site.root / "shop/api/slots").iterdir() if path.suffix == ".json"]) == 1


def test_a_client_that_dies_before_the_commit_is_undone_by_the_host(site):
    site.deploy(site.release(1))
    argv = client.agent_argv(site.root, site.workshop.keys / "goferry.trust")
    with client.opened(argv, SETTINGS.environ) as agent:
        agent.ask("prepare", dist=str(site.release(2)), id="one", services=[])
        agent.ask("switch")
    assert site.live()["api"]["version"] == "v1.0.0"
    with client.opened(argv, SETTINGS.environ) as agent:
        answer = agent.ask("prepare", dist=str(site.release(3)), id="two", services=[])
        assert answer["phase"] == "HEALTHY"
        agent.ask("switch")
        agent.ask("commit")
    assert site.live()["api"]["version"] == "v3.0.0"


@pytest.mark.parametrize("client_waits", [False, True])
def test_a_candidate_that_dies_before_its_client_commits_is_not_committed(site, client_waits):
    port = site.deploy(site.release(1))["services"]["api"]["port"]
    argv = client.agent_argv(site.root, site.workshop.keys / "goferry.trust")
    with client.opened(argv, SETTINGS.environ) as agent:
        agent.ask("prepare", dist=str(site.release(2)), id="one", services=[])
        agent.ask("switch")
        os.kill(json.loads((site.root / "shop/api/slots/1.run").read_text())["pid"], signal.SIGKILL)
        if client_waits:
            deadline = time.monotonic() + 15
            while (site.root / "shop/api/live").readlink() != Path("slots/0.json"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert post(port) == "v1.0.0"
            assert site.deploy(site.release(3))["outcome"] == "deployed"  # the lock was let go
        with pytest.raises(GoferryError) as caught:
            agent.ask("commit")
    assert (caught.value.name, caught.value.exit_code) == ("rolled-back", 4)
    serves = "v3.0.0" if client_waits else "v1.0.0"
    assert post(port) == serves
    live = site.live()["api"]
    assert (live["version"], live["state"]) == (serves, "healthy")


def test_an_interrupted_deploy_goes_back_and_says_so(site):
    site.deploy(site.release(1))
    trust = site.workshop.keys / "goferry.trust"
    argv = [
        sys.executable,
        "-I",
        "-m",
        "goferry",
        "deploy",
        site.release(2, bake_ms=20_000),
        "--root",
        site.root,
        "--trust",
        trust,
    ]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as command:
        deadline = time.monotonic() + 20
        while (site.root / "shop/api/live").readlink() != Path("slots/1.json") and time.monotonic() < deadline:
            time.sleep(0.02)
        command.send_signal(signal.SIGINT)
        said = command.communicate(timeout=30)[1]
    assert command.returncode == 130
    assert "Traceback" not in said
    assert "Serving now: api v1.0.0" in said
    assert (site.root / "shop/api/live").readlink() == Path("slots/0.json")
    assert site.live()["api"]["version"] == "v1.0.0"


def test_a_floor_that_was_removed_is_found_again_and_a_damaged_one_stops_everything(site):
    old, new = site.release(1), site.release(2)
    site.deploy(old)
    site.deploy(new)
    floor = site.root / "shop/.floor.json"
    floor.unlink()
    refused = site.refused(old)
    assert (refused.name, refused.facts["serving"]["api"]["version"]) == ("sequence-lower", "v2.0.0")
    assert site.refused(site.release(2, bake_ms=401)).name == "sequence-conflict"
    floor.write_text("{")
    assert site.refused(site.release(3)).name == "state-damaged"
    assert site.live()["api"]["version"] == "v2.0.0"


def test_a_folder_of_another_user_is_refused(site):
    site.root.mkdir()
    site.root.chmod(0o777)
    assert site.refused(site.release(1)).name == "unsafe-root"
    site.root.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(site.root, 12345, 12345)
        assert site.refused(site.release(1)).name == "unsafe-root"
        os.chown(site.root, 0, 0)
        (site.root / ".goferry").mkdir(exist_ok=True)
        os.chown(site.root / ".goferry", 12345, 12345)
        assert site.refused(site.release(1)).name == "unsafe-root"
        shutil.rmtree(site.root / ".goferry")


def test_a_port_in_use_is_named(site):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        error = site.refused(site.release(1, port=other.getsockname()[1]))
    assert error.name == "port-taken"
    assert site.pids() == []


def test_supervisord_killed_is_recovered_by_the_next_command(site):
    before = site.deploy(site.release(1))["services"]["api"]
    note = json.loads((site.root / ".goferry/supervisord.json").read_text())
    os.kill(note["pid"], signal.SIGKILL)
    while processes.same(processes.Process(**note)):
        time.sleep(0.01)
    assert until_healthy(site)["api"]["version"] == post(before["port"]) == "v1.0.0"
    assert len(site.pids()) == 2


def test_ill_services_hold_no_other_back_when_everything_is_started_again(site):
    dist, binary = site.folder / "three", site.workshop.binary(site.go, "v1.0.0")
    site.workshop.release(dist, dict.fromkeys(("a", "b", "c"), binary), "v1.0.0", 1, ready_within_ms=30_000)
    ports = {name: one["port"] for name, one in site.deploy(dist)["services"].items()}
    for name in ("a", "b"):
        (site.root / "shop" / name / "data/ill").touch()
    for pid in site.pids():
        os.kill(pid, signal.SIGKILL)
    since = time.monotonic()
    while site.live()["c"]["state"] != "healthy":
        assert time.monotonic() - since < 30
    assert post(ports["c"]) == "v1.0.0"
    assert time.monotonic() - since < 30  # for each that is ill it was 30 once
    for name in ("a", "b"):
        (site.root / "shop" / name / "data/ill").unlink()
    assert set(until_healthy(site)) == {"a", "b", "c"}
    assert {post(port) for port in ports.values()} == {"v1.0.0"}


def until_healthy(site, seconds=15):
    """Wait until what a recovery has started is well; the recovery itself waits for nobody."""
    deadline = time.monotonic() + seconds
    live = site.live()
    while any(one["state"] != "healthy" for one in live.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
        live = site.live()
    assert {one["state"] for one in live.values()} == {"healthy"}
    return live


def test_a_full_disk_is_named_and_leaves_the_old_version(site, tmp_path, missing):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        missing("a small file system, which needs root")
    try:
        site.root = small / "root"
        site.deploy(site.release(1))
        (small / "data").write_bytes(b"x" * (8 << 20))
        assert site.refused(site.release(2)).name == "disk-full"
        assert site.live()["api"]["version"] == "v1.0.0"
        (small / "data").unlink()
        port = site.deploy(site.release(2))["services"]["api"]["port"]
        with (
            contextlib.suppress(OSError),
            (small / "data").open("wb", buffering=0) as data,
        ):  # the version that fills it
            while data.write(bytes(4096)):
                pass
        assert site.rollback()["services"]["api"]["version"] == "v1.0.0"
        assert post(port) == "v1.0.0"
    finally:
        site.down()
        subprocess.run(["umount", "-l", small], check=True)


def test_the_command_line_deploys_shows_and_takes_down(site):
    def goferry(*words):
        argv = [sys.executable, "-I", "-m", "goferry", *words, "--target", "local", "--root", str(site.root), "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    dist, trust = site.release(1), str(site.workshop.keys / "goferry.trust")
    code, planned = goferry("deploy", str(dist), "--trust", trust, "--dry-run")
    assert (code, planned["dry_run"], site.root.exists()) == (0, True, False)
    code, done = goferry("deploy", str(dist), "--trust", trust)
    assert (code, done["ok"], done["services"]["api"]["version"]) == (0, True, "v1.0.0")
    code, status = goferry("status")
    assert (code, status["ok"], status["live"]["api"]["sequence"]) == (0, True, BEGIN + 1)
    assert goferry("rollback")[1]["error"] == "nothing-to-roll-back-to"
    assert goferry("down")[1]["stopped"] == ["api"]
    assert goferry("status")[1]["live"] == {}
