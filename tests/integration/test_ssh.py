"""The ssh target on real hosts: provisioning, the restricted key, the chain, rollback, fleets, and what goes wrong."""

import json
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from releases import BEGIN, SETTINGS, fetch

from goferry import deploy
from goferry.deploy import _ssh as ssh
from goferry.deploy.provision import command as provisioning
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream

ROOT = Path(__file__).resolve().parents[2]
GOFERRY = str(ROOT / ".venv" / "bin" / "goferry")


@pytest.fixture(scope="module")
def ready(works, shared_host):
    """The module's shared host, provisioned."""
    works.provision(shared_host)
    return shared_host


def test_provisioning_twice_is_provisioning_once(works, systemd_host):
    (looked,) = works.provision(systemd_host, dry_run=True).values()
    assert "/etc/goferry/host.json" in looked["changed"]
    assert systemd_host.run("ls /etc/goferry /usr/local/libexec 2>&1 | grep -c goferry-host", check=False) == "0"
    (first,) = works.provision(systemd_host).values()
    assert not first["unchanged"]
    (again,) = works.provision(systemd_host).values()
    assert again["unchanged"], again
    assert again["changed"] == again["ran"] == []
    assert systemd_host.run("systemctl is-enabled goferry-agent.socket goferry-recover.service") == "enabled\nenabled"
    assert [line.split()[2] for line in first["known_hosts"]] == [
        line.split()[2] for line in sorted(systemd_host.known_hosts.read_text().splitlines())
    ]


def test_a_broken_nginx_is_told_and_what_was_given_is_brought_back(works, systemd_host):
    systemd_host.run("echo 'nonsense;' >/etc/nginx/conf.d/other.conf")
    with pytest.raises(GoferryError) as told:
        works.provision(systemd_host)
    assert told.value.name == "provision-failed"
    assert "nonsense" in told.value.what
    assert told.value.state.startswith("What this run had changed was brought back")
    made = "/etc/nginx/goferry /etc/goferry /usr/local/libexec/goferry-host /etc/systemd/system/goferry*"
    assert systemd_host.run(f"ls -d {made} 2>/dev/null", check=False) == ""
    assert "goferry" not in systemd_host.run("systemctl list-units --all --no-legend", check=False)
    systemd_host.run("rm /etc/nginx/conf.d/other.conf")
    works.provision(systemd_host)
    assert "goferry-shop-shop" in systemd_host.run("nginx -T 2>&1")


def test_units_are_hardened(ready):
    for unit, most in (("goferry-shop-shop@.service", 15), ("goferry-shop-plain@.service", 15)):
        words = f"systemd-analyze security --offline=yes --no-pager --threshold={most} /etc/systemd/system/{unit}"
        ready.run(words)


def test_the_deploy_key_opens_nothing_but_the_agent(works, ready):
    key = {"key": works.deploy_key, "user": "goferry"}
    asked = ready.ssh("id", **key)
    assert "uid=" not in asked.stdout
    assert "uid=" not in ready.ssh("sh", "-c", "id", options=("-tt",), **key).stdout
    copy = subprocess.run(
        ["scp", "-q", "-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={ready.known_hosts}", "-i",
         works.deploy_key, "-P", str(ready.port), "/etc/hostname", "goferry@127.0.0.1:/tmp/x"],
        capture_output=True, check=False, timeout=10, start_new_session=True,
    )  # fmt: skip
    assert copy.returncode
    forward = ready.ssh(options=("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:9999:127.0.0.1:22"), **key)
    assert "forward" in forward.stderr.lower()
    tunnel = ready.ssh(options=("-W", "127.0.0.1:80"), **key)
    assert "prohibited" in tunnel.stderr
    assert ready.run("ls /tmp/x || echo absent", check=False).endswith("absent")


def test_the_chain_and_the_way_back(works, ready):
    ready.run("printf 'SECRET=from-the-host\\n' >/etc/goferry/env/shop-plain")
    first = works.deploy(works.release("v1.0.0"), ready)
    (name,) = first["hosts"]
    assert first["outcome"] == first["hosts"][name]["outcome"] == "deployed"
    assert '"version":"v1.0.0"' in fetch(ready, 8080, "/healthz").replace(" ", "")
    assert fetch(ready, 8081) == "v1.0.0 from-the-host\n"
    dist = works.release("v1.1.0")
    second = works.deploy(dist, ready)
    assert (second["version"], second["previous"], second["gap_ms"]) == ("v1.1.0", "v1.0.0", {})
    assert fetch(ready, 8081).startswith("v1.1.0")
    again = works.deploy(dist, ready)
    assert again["unchanged"]
    assert again["outcome"] == "unchanged"
    with pytest.raises(GoferryError) as crashed:
        works.deploy(works.release("v1.2.0", services=("plain",), fault="crash"), ready)
    assert crashed.value.name == "candidate-crashed"
    assert "no database" in crashed.value.state
    assert fetch(ready, 8081).startswith("v1.1.0")
    shown = deploy.status(works.fleet(ready), settings=SETTINGS).as_json()
    assert {live["version"] for live in shown["live"].values()} == {"v1.1.0"}
    logs = deploy.logs(works.fleet(ready), settings=SETTINGS).as_json()["logs"]
    assert any("serving v1.1.0" in line for line in logs["plain"])
    back = works.rollback(ready)
    assert (back["version"], back["outcome"]) == ("v1.0.0", "deployed")
    assert fetch(ready, 8081).startswith("v1.0.0")
    assert '"version":"v1.0.0"' in fetch(ready, 8080, "/healthz").replace(" ", "")


RULES = """
import glob, json, sys
(path,) = glob.glob("/etc/goferry/trust/PROJECT.trust") or ["/etc/goferry/goferry.trust"]
record = json.load(open(path))
record.update(schema=2, projects={"PROJECT": json.loads(sys.argv[1])})
open(path, "w").write(json.dumps(record))
"""


def test_back_to_the_third_version_and_from_a_release_of_the_future(works, ready, capsys):
    def rules(**said):
        code = RULES.replace("PROJECT", works.project)
        ready.run(f"python3 -c {shlex.quote(code)} {shlex.quote(json.dumps(said))}")

    def refused(ask, *arguments, **more):
        with pytest.raises(GoferryError) as told:
            ask(*arguments, **more)
        return told.value.name

    dists = [works.release(f"v5.{number}.0", services=("plain",)) for number in range(4)]
    for dist in dists:
        works.deploy(dist, ready)
    since = time.monotonic()
    back = works.rollback(ready, to="v5.0.0")
    with capsys.disabled():
        print(f"\nback to the third version before in {time.monotonic() - since:.1f} s, {back['gap_ms']} ms gap")
    assert (back["version"], back["previous"]) == ("v5.0.0", "v5.3.0")
    assert fetch(ready, 8081).startswith("v5.0.0")
    assert works.deploy(dists[0], ready)["unchanged"]
    assert refused(works.deploy, dists[1], ready) == "sequence-lower"
    assert works.deploy(dists[3], ready)["version"] == "v5.3.0"
    rogue = works.release("v6.0.0", services=("plain",), sequence=2**53 - 1)
    assert refused(works.deploy, rogue, ready) == "release-in-future"
    rules(sequence="manual")  # as an agent of before admitted it
    assert works.deploy(rogue, ready)["version"] == "v6.0.0"
    rules()
    good = works.release("v6.0.1", services=("plain",))
    assert refused(works.deploy, good, ready) == "sequence-lower"
    words = f"/usr/local/libexec/goferry-host floor {works.project} --to {BEGIN + works.count - 2} --reason 'a slip of the build'"
    assert "not-root" in ready.run(f"runuser -u nobody -- {words} 2>&1 || true")
    assert ready.run(f"{words} 2>&1 || true").startswith(f"{works.project}: the floor was lowered from {2**53 - 1}")
    shown = deploy.status(works.fleet(ready), settings=SETTINGS).as_json()
    assert shown["floors"][works.project]["lowered"][-1]["reason"] == "a slip of the build"
    assert shown["live"]["plain"]["version"] == "v6.0.0"  # nothing was ended
    assert works.deploy(good, ready)["version"] == "v6.0.1"
    assert refused(works.rollback, ready, to="v6.0.0") == "nothing-to-roll-back-to"
    rules(minimum=BEGIN + works.count - 1)
    assert refused(works.rollback, ready, to="v5.3.0") == "sequence-below-minimum"
    rules(minimum=2**53 - 1)
    unit = ready.run(f"systemctl list-units --plain --no-legend 'goferry-{works.project}-plain@*.service'").split()[0]
    ready.run(f"systemctl kill --signal=SIGKILL {unit}")
    for _ in range(100):
        if "below the minimum" in ready.run(f"journalctl --unit {unit} --lines 20 --output cat"):
            break
        time.sleep(0.1)
    time.sleep(1)  # ten times the pause before a restart
    assert ready.run(f"systemctl show --property=ActiveState {unit}") == "ActiveState=inactive"
    assert "below the minimum" in ready.run(f"journalctl --unit {unit} --lines 20 --output cat")
    assert deploy.status(works.fleet(ready), settings=SETTINGS).as_json()["live"]["plain"]["barred"]
    rules()
    ready.run(f"systemctl start {unit}")
    assert works.rollback(ready)["version"] == "v5.3.0"
    works.deploy(good, ready)


def test_a_wrong_signature_and_a_foreign_service_are_refused_by_the_host(works, ready):
    dist = works.release("v9.0.0", services=("plain",))
    (dist / "SHA256SUMS").write_text("0" * 64 + "  release.json\n")
    with pytest.raises(GoferryError) as refused:
        works.deploy(dist, ready)
    assert refused.value.exit_code == 3


def test_who_is_not_known_or_not_let_in(works, ready, tmp_path):
    fleet = works.fleet(ready)
    empty = tmp_path / "known_hosts"
    empty.write_text("# nobody\n")
    wrong = tmp_path / "wrong"
    wrong.write_text(f"[127.0.0.1]:{ready.port} {works.deploy_key.with_suffix('.pub').read_text()}")
    stranger = tmp_path / "a stranger's 100%key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    cases = {
        "host-key-unknown": {"known_hosts": empty},
        "host-key-changed": {"known_hosts": wrong},
        "deploy-key-refused": {"identity": stranger},
        "host-unreachable": {"hosts": ["127.0.0.1:1"], "known_hosts": None},
    }
    for name, change in cases.items():
        asked = deploy.Fleet(
            **{"hosts": fleet.hosts, "identity": fleet.identity, "known_hosts": fleet.known_hosts, **change}
        )
        with pytest.raises(GoferryError) as told:
            deploy.status(asked, settings=SETTINGS)
        assert told.value.name == name, told.value.what


def test_a_new_host_is_met_once_its_fingerprint_was_compared(works, ready, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text("")
    order = {"directory": works.repository, "identity": ready.root_key, "known_hosts": known, "trust": works.trust}
    with pytest.raises(GoferryError) as told:
        provisioning.run(
            provisioning.ProvisionOptions((ready.address,), **order), settings=SETTINGS, stream=Stream(), dry_run=True
        )
    assert told.value.name == "host-key-unknown"
    shown = told.value.facts["fingerprint"]
    listed = subprocess.run(["ssh-keygen", "-lf", ready.known_hosts], capture_output=True, text=True, check=True).stdout
    assert shown in listed
    wrong = provisioning.ProvisionOptions((ready.address,), host_key="SHA256:" + "A" * 43, **order)
    with pytest.raises(GoferryError) as other:
        provisioning.run(wrong, settings=SETTINGS, stream=Stream(), dry_run=True)
    assert other.value.name == "host-key-changed"
    assert known.read_text() == ""
    right = provisioning.ProvisionOptions((ready.address,), host_key=shown, **order)
    provisioning.run(right, settings=SETTINGS, stream=Stream(), dry_run=True)
    assert known.read_text().startswith(f"[127.0.0.1]:{ready.port} ssh-ed25519 ")


def test_a_host_without_an_agent_says_what_to_do(works, systemd_host):
    works.provision(systemd_host)
    systemd_host.run("rm /usr/local/libexec/goferry-host")
    with pytest.raises(GoferryError) as told:
        deploy.status(works.fleet(systemd_host), settings=SETTINGS)
    assert (told.value.name, told.value.exit_code) == ("agent-missing", 2)
    assert "goferry provision" in told.value.advice[0]


def test_the_command_takes_hosts_and_rules_from_the_environment(works, ready):
    common = ["--environment", "production", "--dir", works.repository, "--identity", works.deploy_key]
    common += ["--known-hosts", works.folder / "known_hosts", "--json"]
    works.provision(ready)
    dist = works.release("v3.0.0-dev", services=("plain",), snapshot=True)
    refused = subprocess.run([GOFERRY, "deploy", dist, *common], capture_output=True, text=True, check=False)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert json.loads(refused.stdout)["error"] == "snapshot-refused"
    done = subprocess.run(
        [GOFERRY, "deploy", works.release("v3.0.0", services=("plain",)), *common],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outcome"] == "deployed"
    shown = subprocess.run([GOFERRY, "status", *common, "--logs", "5"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["live"]["plain"]["version"] == "v3.0.0"


def test_options_of_ssh_can_not_be_said_by_a_host_name():
    with pytest.raises(GoferryError) as told:
        deploy.Fleet(["-oProxyCommand=touch${IFS}x"]).addresses(SETTINGS)
    assert told.value.name == "host-name-invalid"
    assert ssh.AGENT.startswith("/")
