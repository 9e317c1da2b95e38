"""The ssh target on real hosts when something fails.

Hosts that are lost after the switch, uploads that are cut, full disks, two clients at once, a bastion in between, and a
host without nginx.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import releases
from hosts import docker
from pages import script
from releases import SETTINGS, fetch
from sampling import FULL

from goferry import deploy
from goferry.deploy._client import Agent
from goferry.deploy._session import HostSession
from goferry.deploy.provision import unprovision
from goferry.kernel.errors import FleetSplit, GoferryError
from goferry.observe.events import Stream

ROOT = Path(__file__).resolve().parents[2]
GOFERRY = str(ROOT / ".venv" / "bin" / "goferry")

INCOMING = "/var/lib/goferry/shop/.incoming"


@pytest.fixture(scope="module")
def ready(works, shared_host):
    """The module's shared host, provisioned, with a version that serves."""
    works.provision(shared_host)
    works.deploy(release(works, "v1.0.0"), shared_host)
    return shared_host


def release(works, version, bake_ms=500):
    """A release of the plain service; it bakes for 3000 ms where something is to happen meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(releases.QUICK, "bake_ms", bake_ms)
        return works.release(version, services=("plain",))


def serving(host, port=8081):
    return fetch(host, port).split()[0]


def failed(dist, fleet):
    with pytest.raises(GoferryError) as caught:
        deploy.deploy(dist, fleet, settings=SETTINGS, stream=Stream())
    return caught.value


@contextlib.contextmanager
def once(host, version, act):
    """Do `act` in the block as soon as the host serves that version."""

    def wait():
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if serving(host) == version:
                    break
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


@contextlib.contextmanager
def before(monkeypatch, request, host, act):
    """Do `act` before that request goes to that host."""
    ask = HostSession.ask

    def asked(session, wanted, *arguments, **fields):
        if wanted == request and session.address.port == host.port:
            monkeypatch.setattr(HostSession, "ask", ask)
            act()
        return ask(session, wanted, *arguments, **fields)

    monkeypatch.setattr(HostSession, "ask", asked)
    yield
    monkeypatch.setattr(HostSession, "ask", ask)


def outcomes(error):
    return [host["outcome"] for host in error.facts["hosts"].values()]


def test_two_hosts_are_switched_together_or_not_at_all(works, systemd_hosts, monkeypatch):
    one, two = sorted((systemd_hosts(), systemd_hosts()), key=lambda host: host.port)
    works.provision(one, two)
    record = works.deploy(release(works, "v1.0.0"), one, two)
    assert [host["outcome"] for host in record["hosts"].values()] == ["deployed", "deployed"]
    assert (serving(one), serving(two)) == ("v1.0.0", "v1.0.0")
    fleet = works.fleet(one, two)

    # The candidate of one does not start: nothing is switched anywhere.
    unit = "/run/systemd/system/goferry-shop-plain@.service.d"
    two.run(f"mkdir -p {unit}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{unit}/x.conf")
    two.run("systemctl daemon-reload")
    error = failed(release(works, "v1.1.0"), fleet)
    assert not isinstance(error, FleetSplit)
    assert outcomes(error) == ["aborted", "failed"]
    assert (serving(one), serving(two)) == ("v1.0.0", "v1.0.0")
    two.run(f"rm -r {unit}; systemctl daemon-reload")

    # The candidate of one dies in the bake, that of the other is good: both go back, at once.
    dies = "kill -9 $(systemctl show -P MainPID 'goferry-shop-plain@1')"
    with once(two, "v2.0.0", lambda: two.run(dies)):
        since = time.monotonic()
        error = failed(release(works, "v2.0.0", 30_000), fleet)
        assert time.monotonic() - since < 25
    assert (error.name, error.exit_code) == ("rolled-back", 4)
    assert error.facts["cause"] == "candidate-crashed"
    assert outcomes(error) == ["rolled-back", "rolled-back"]
    assert (serving(one), serving(two)) == ("v1.0.0", "v1.0.0")

    # The connection is cut as it is to commit: it goes back, and so does the other, which had committed.
    with before(monkeypatch, "commit", two, lambda: two.run("systemctl kill -s KILL ssh; systemctl start ssh")):
        error = failed(release(works, "v3.0.0"), fleet)
    assert not isinstance(error, FleetSplit)
    assert outcomes(error) == ["rolled-back", "rolled-back"]
    assert (serving(one), serving(two)) == ("v1.0.0", "v1.0.0")

    # Its power is cut in the bake: the other goes back, and nobody can say what serves on this one.
    dist = release(works, "v4.0.0", 3000)
    with once(two, "v4.0.0", two.cut_power):
        error = failed(dist, fleet)
    assert (error.name, error.exit_code) == ("fleet-split", 6)
    assert outcomes(error) == ["rolled-back", "unknown"]
    assert f"127.0.0.1:{one.port}: rolled-back, v1.0.0 serves" in error.state
    assert f"127.0.0.1:{two.port}: unknown, v1.0.0 or v4.0.0 serves" in error.state
    assert f"goferry status --target ssh --host 127.0.0.1:{one.port} --host 127.0.0.1:{two.port}" in error.advice[1]
    assert serving(one) == "v1.0.0"

    # The same command again brings all to one version.
    two.start()
    record = works.deploy(dist, one, two)
    assert [host["outcome"] for host in record["hosts"].values()] == ["deployed", "deployed"]
    assert (serving(one), serving(two)) == ("v4.0.0", "v4.0.0")


@pytest.mark.skipif(not FULL, reason="waits for ssh's and the agent's deadlines: GOFERRY_TEST_FULL=1")
def test_a_host_that_hangs_at_the_commit(works, systemd_hosts, monkeypatch):
    one, two = sorted((systemd_hosts(), systemd_hosts()), key=lambda host: host.port)
    works.provision(one, two)
    works.deploy(release(works, "v1.0.0"), one, two)
    comes_back = threading.Timer(40, docker, ("unpause", two.name))

    def hang():
        docker("pause", two.name)
        comes_back.start()

    with before(monkeypatch, "commit", two, hang), contextlib.suppress(GoferryError):
        works.deploy(release(works, "v2.0.0"), one, two)
    comes_back.join()
    time.sleep(65)  # the deadline of an agent that hears nothing
    assert serving(one) == serving(two)


def test_an_upload_that_was_cut_goes_on(works, ready, monkeypatch):
    dist = release(works, "v1.1.0")
    size = next(path for path in dist.iterdir() if path.name.startswith("plain_")).stat().st_size
    small = sum(path.stat().st_size for path in dist.iterdir()) - size

    def cut_at(offset):
        whole = Agent.ask

        def asked(agent, request, *arguments, **fields):
            if request == "upload" and fields["offset"] >= offset:
                os.kill(agent.pid, signal.SIGKILL)
            return whole(agent, request, *arguments, **fields)

        monkeypatch.setattr(Agent, "ask", asked)
        error = failed(dist, works.fleet(ready))
        monkeypatch.setattr(Agent, "ask", whole)
        assert error.exit_code == 5

    def left():
        return int(ready.run(f"cat {INCOMING}/*/.*.part | wc -c"))

    cut_at(2 << 20)
    there = left()
    assert 2 << 20 <= there < size
    assert serving(ready) == "v1.0.0"
    record = works.deploy(dist, ready)
    (host,) = record["hosts"].values()
    assert host["uploaded"] == size - there
    assert serving(ready) == "v1.1.0"
    assert ready.run(f"ls -A {INCOMING}") == ""
    digest = record["services"]["plain"]["digest"]
    assert ready.run(f"sha256sum <$(readlink /proc/{record['services']['plain']['pid']}/exe)").split()[0] == digest

    dist = release(works, "v1.2.0")
    cut_at(2 << 20)
    there = left()
    ready.run(f"printf other | dd of=$(ls {INCOMING}/*/.*.part) conv=notrunc bs=1 seek=1000 2>/dev/null")
    (host,) = works.deploy(dist, ready)["hosts"].values()
    assert host["uploaded"] in (size - there + size, size - there + size + small)
    assert serving(ready) == "v1.2.0"


def test_two_clients_at_once(works, ready, monkeypatch):
    mine, late = release(works, "v2.0.0"), release(works, "v2.1.0")
    fleet = works.fleet(ready, wait=0.2)
    told = []

    def interrupt():
        told.append(deploy.status(fleet, settings=SETTINGS).as_json()["busy"])
        told.append(failed(late, fleet))
        with pytest.raises(GoferryError) as caught:
            deploy.rollback(fleet, settings=SETTINGS, stream=Stream())
        told.append(caught.value)

    with before(monkeypatch, "commit", ready, interrupt):
        record = works.deploy(mine, ready)
    assert record["outcome"] == "deployed"
    assert serving(ready) == "v2.0.0"
    busy, deployed, rolled_back = told
    assert busy is True
    for error in (deployed, rolled_back):
        assert (error.name, error.exit_code) == ("deploy-busy", 5)
        assert "Nothing was changed by this one." in error.state
        assert any("--wait" in line for line in error.advice)
    (host,) = works.deploy(late, ready)["hosts"].values()  # what it had sent is still there
    assert host["uploaded"] == 0
    assert serving(ready) == "v2.1.0"


def test_a_full_disk(works, systemd_hosts):
    host = systemd_hosts("--tmpfs", "/var/lib/goferry:size=64m,mode=0755,exec")
    works.provision(host)
    works.deploy(release(works, "v1.0.0"), host)
    dist = release(works, "v2.0.0", 6000)

    def fill(leave):
        host.run("rm -f /var/lib/goferry/fill")
        free = int(host.run("stat -f -c '%a %S' /var/lib/goferry | awk '{print $1 * $2}'"))
        host.run(f"head -c {max(0, free - leave)} /dev/zero >/var/lib/goferry/fill", check=leave > 0)

    fill(10 << 20)  # in the upload
    error = failed(dist, works.fleet(host))
    assert (error.name, error.exit_code) == ("disk-full", 1)
    assert "make room" in error.advice[0]
    assert host.run(f"find {INCOMING} -type f -name 'plain*'") == ""

    host.run("rm /var/lib/goferry/fill")  # in the store: a disk of its own, which is too small
    store = "/var/lib/goferry/shop/plain/store"
    host.run(f"mount -t tmpfs -o size=6m tmpfs {store}")
    error = failed(dist, works.fleet(host))
    assert (error.name, error.exit_code) == ("disk-full", 1)
    assert host.run(f"ls -A {store}") == ""
    host.run(f"umount {store}")
    assert serving(host) == "v1.0.0"

    # All of it, while the new version bakes, which then dies: going back needs no room.
    def full_and_dead():
        fill(0)
        host.run("kill -9 $(systemctl show -P MainPID 'goferry-shop-plain@1')")

    with once(host, "v2.0.0", full_and_dead):
        error = failed(dist, works.fleet(host))
    assert (error.name, error.exit_code) == ("rolled-back", 4)
    assert serving(host) == "v1.0.0"
    host.run("rm /var/lib/goferry/fill")
    works.deploy(dist, host)
    assert serving(host) == "v2.0.0"


@pytest.fixture
def own_ssh(tmp_path):
    """`own_ssh(config, known)` returns the words before a command that gives it a user's own ssh files.

    ssh looks up the home folder in /etc/passwd, whatever HOME says; the command sees another one there.
    """
    home, users = tmp_path / "home", tmp_path / "passwd"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    users.write_text("".join(
        ":".join([*line.split(":")[:5], str(home), *line.split(":")[6:]]) if line.startswith("root:") else line
        for line in Path("/etc/passwd").read_text().splitlines(keepends=True)
    ))  # fmt: skip

    def words(config, known):
        (home / ".ssh" / "config").write_text(config)
        (home / ".ssh" / "known_hosts").write_text(known)
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', users]

    return words


@pytest.fixture
def bastion(works, ready, systemd_host, own_ssh, tmp_path):
    """`bastion(known)` runs goferry's status as a user whose ssh_config leads through a bastion, whose key is known."""
    inside = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", ready.name)
    key = ready.known_hosts.read_text().splitlines()[-1].split()[1:]
    (tmp_path / "known_hosts").write_text(f"web-1.internal {' '.join(key)}\n")
    config = (
        f"Host web-1.internal\n  HostName {inside}\n  HostKeyAlias web-1.internal\n  ProxyJump bastion\n"
        f"Host bastion\n  HostName 127.0.0.1\n  Port {systemd_host.port}\n  User root\n"
        f"  IdentityFile {systemd_host.root_key}\n"
    )

    def status(known):
        words = [GOFERRY, "status", "--target", "ssh", "--host", "web-1.internal", "--identity", works.deploy_key,
                 "--known-hosts", tmp_path / "known_hosts", "--json"]  # fmt: skip
        words = [*own_ssh(config, known), *words]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    status.host, status.pinned = systemd_host, tmp_path / "known_hosts"
    return status


def test_the_way_through_a_bastion(bastion, works, ready):
    code, shown, errors = bastion(bastion.host.known_hosts.read_text())
    assert code == 0, errors
    assert {live["state"] for live in shown["live"].values()} == {"healthy"}
    through = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", bastion.host.name)
    assert f"for goferry from {through}" in ready.run("journalctl -q -u ssh --no-pager")

    # Nobody on the way is trusted on first sight, and the error names who was not known.
    code, shown, _ = bastion("")
    assert (code, shown["error"]) == (3, "host-key-unknown")
    assert "on the way to web-1.internal" in shown["what"]
    stranger = works.deploy_key.with_suffix(".pub").read_text()
    code, shown, _ = bastion(f"[127.0.0.1]:{bastion.host.port} {stranger}")
    assert (code, shown["error"]) == (3, "host-key-changed")
    assert f"[127.0.0.1]:{bastion.host.port}, on the way" in shown["what"]

    # A bastion that is known can still not pass itself off as the host behind it.
    bastion.pinned.write_text(f"web-1.internal {stranger}")
    code, shown, _ = bastion(bastion.host.known_hosts.read_text())
    assert (code, shown["error"]) == (3, "host-key-changed")
    assert "web-1.internal" in shown["what"]


def test_a_bare_host_gets_nginx(works, systemd_host, monkeypatch):
    monkeypatch.setattr(works, "configuration", releases.CONFIGURATION.replace("8081", "80"))
    packages = "nginx nginx-light nginx-common libnginx-mod-http-echo"
    systemd_host.run(f"DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y {packages} >&2; rm -rf /etc/nginx")
    assert systemd_host.run("command -v nginx", check=False) == ""
    (looked,) = works.provision(systemd_host, dry_run=True).values()
    assert any("nginx-light" in command for command in looked["ran"])
    (first,) = works.provision(systemd_host).values()
    assert any("install" in command for command in first["ran"])
    works.deploy(release(works, "v1.0.0"), systemd_host)
    assert serving(systemd_host, 80) == "v1.0.0"
    (again,) = works.provision(systemd_host).values()
    assert again["unchanged"], again

    there = unprovision.RootOptions(
        (systemd_host.address,), project="shop", identity=systemd_host.root_key, known_hosts=systemd_host.known_hosts
    )
    left = unprovision.run(there, packages=True, settings=SETTINGS, stream=Stream(), dry_run=False)
    (host,) = left.hosts.values()
    assert any(words.startswith("apt-get -qq purge -y ") and "nginx-light" in words for words in host.ran)
    assert (host.notes, host.packages) == ((), ())
    assert systemd_host.run("command -v nginx; ls -d /etc/nginx 2>/dev/null", check=False) == ""


def test_the_page_s_commands(works, systemd_host, own_ssh, tmp_path):
    """docs/ssh.md in order, on a host that serves a version already; `web-1` is what the user's ssh_config says."""
    systemd_host.run(
        "useradd -m -p '*' ubuntu && cp -r /root/.ssh /home/ubuntu/ && chown -R ubuntu: /home/ubuntu/.ssh && "
        "echo 'ubuntu ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ubuntu"
    )
    works.provision(systemd_host)
    works.deploy(works.release("v1.0.0"), systemd_host)
    config = f"Host web-1\n  HostName 127.0.0.1\n  Port {systemd_host.port}\n  IdentityFile {systemd_host.root_key}\n"
    work = tmp_path / "work"
    shutil.copytree(release(works, "v1.1.0"), work / "dist")
    shutil.copy(works.trust, work / "goferry.trust")
    (work / "goferry.yml").write_text(releases.CONFIGURATION.replace("PROJECT", "shop").replace("HOSTS", "web-1"))
    page = (ROOT / "docs/ssh.md").read_text()
    environ = {**os.environ, "PATH": f"{Path(GOFERRY).parent}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
    words = [*own_ssh(config, systemd_host.known_hosts.read_text()), "bash", "-xc", script(page)]
    done = subprocess.run(words, cwd=work, env=environ, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "serving v1.1.0" in done.stdout
    assert "shop v1.0.0 is live" in done.stdout
    left = "/etc/goferry /var/lib/goferry* /usr/local/libexec/goferry-host /etc/systemd/system/goferry*"
    assert systemd_host.run(f"ls -d {left} 2>/dev/null || :") == ""
