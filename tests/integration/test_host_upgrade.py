"""A running host that an earlier Goferry made ready is provisioned by this one, under traffic: nothing is lost.

Two projects, three versions in the store of one of them, data, secrets and journals. An old client at the new host and
a new one at the old host either work or are refused by name.
"""

import functools
import subprocess
import time

import pytest
import releases
from earlier import FIRST, PROJECTS, READS_FILES, UNTYPED, Earlier
from releases import SETTINGS, fetch
from sampling import full
from traffic import Traffic, nothing_lost

from goferry import deploy
from goferry.artifacts import Ledger
from goferry.deploy.provision import command as provisioning
from goferry.kernel import hostfile
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream

CONFIGURATION = """\
project: PROJECT
services:
  plain: {main: ./plain, listen: {env: ADDR}, port: PORT}
"""
CONTRACT = "  shop: {main: ./cmd/shop-server, listen: {socket: true}, port: 8080}\n"
PORTS = {8080: "/healthz", 8081: "/", 8082: "/"}


class Before:
    """What an earlier Goferry does: makes the host ready, seals and deploys."""

    def __init__(self, commit, folder, go, missing, host):
        self.earlier, self.host = Earlier(commit, folder / "earlier", missing), host
        self.works = {}
        for name, port in (("shop", 8081), ("blog", 8082)):
            (folder / name).mkdir()
            made = releases.Works(folder / name, go)
            made.project = name
            made.configuration = CONFIGURATION.replace("PORT", str(port)) + (CONTRACT if name == "shop" else "")
            made.repository.joinpath("goferry.yml").write_text(made.configuration.replace("PROJECT", name))
            made.folder.joinpath("known_hosts").write_text(host.known_hosts.read_text())
            self.works[name] = made
            if commit == FIRST:
                made.trust.write_text(made.trust.read_text().replace('"schema": 2', '"schema": 1'))  # as it was
        shop, blog = self.works["shop"], self.works["blog"]
        blog.deploy_key, blog.trust = shop.deploy_key, shop.trust  # as a host had one set of each
        for file in (folder / "shop" / "keys").iterdir():
            (folder / "blog" / "keys" / file.name).write_bytes(file.read_bytes())
        blog.sources, blog.built = shop.sources, shop.built

    def provision(self, name):
        made = self.works[name]
        self.earlier.run(
            "provision", self.host.address, "--dir", made.repository, "--deploy-key",
            made.deploy_key.with_suffix(".pub"), "--trust", made.trust, "--identity", self.host.root_key,
            "--known-hosts", self.host.known_hosts,
        )  # fmt: skip

    def release(self, name, version, services, sequence):
        made = self.works[name]
        folder = unsealed(made, version, services)
        self.earlier.reads_ledger(folder / "goferry.json")
        key = made.folder / "keys" / "minisign.key"
        self.earlier.run("sign", folder, "--minisign-key", key, "--sequence", sequence)
        return folder

    def access(self):
        shop = self.works["shop"]
        return (
            "--host",
            f"127.0.0.1:{self.host.port}",
            "--identity",
            shop.deploy_key,
            "--known-hosts",
            self.host.known_hosts,
        )

    def deploy(self, folder, check=True):
        return self.earlier.run("deploy", folder, *self.access(), check=check)


def unsealed(made, version, services):
    """Return a folder as the build leaves it: binaries and ledger."""
    sealing, releases.seal.seal = releases.seal.seal, lambda *_, **__: None
    try:
        folder = made.release(version, services)
    finally:
        releases.seal.seal = sealing
    assert Ledger.load(folder).version == version
    return folder


def kept(host):
    """What must be as it was: floors, journals, data, secrets, processes."""
    root = hostfile.ROOT
    return {
        "floors": host.run(f"cat {root}/*/.floor.json"),
        "journals": host.run(f"cd {root}; sha256sum */.journal/*.jsonl | sort").splitlines(),
        "data": host.run("cat /var/lib/private/goferry-data/shop-plain/kept"),
        "secrets": host.run("stat -c '%a %U' /etc/goferry/env/shop-plain; cat /etc/goferry/env/shop-plain"),
        "pids": host.run("systemctl show -p MainPID 'goferry-shop-*@*.service' 'goferry-blog-*@*.service' | sort -u"),
        "store": host.run(f"cd {root}; ls -d */*/store/* */*/releases/*").splitlines(),
    }


@pytest.fixture
def before(tmp_path, part, missing, systemd_host):
    return functools.partial(Before, folder=tmp_path, go=part("go"), missing=missing, host=systemd_host)


@pytest.mark.parametrize("commit", [pytest.param(PROJECTS, marks=full()), UNTYPED], ids=["projects", "untyped"])
def test_a_running_host_is_upgraded_under_traffic(before, systemd_host, commit):
    before = before(commit)
    host, shop = systemd_host, before.works["shop"]
    before.provision("shop")
    host.run("printf 'SECRET=ours\\n' >/etc/goferry/env/shop-plain")
    begin = releases.BEGIN - 100
    for number, version in enumerate(("v1.0.0", "v1.1.0", "v1.2.0")):
        before.deploy(before.release("shop", version, ("shop", "plain"), begin + number))
    host.run("echo 42 >/var/lib/private/goferry-data/shop-plain/kept")
    was = kept(host)
    in_run = "ls -d /run/goferry-slots/*/ /run/private/goferry-slots/*/ 2>/dev/null"
    if commit == PROJECTS:
        assert "shop-plain" in host.run(in_run, check=False)  # where services could fill what systemd needs
    with Traffic(host, {port: PORTS[port] for port in (8080, 8081)}) as traffic:
        time.sleep(1)
        upgrade(shop, host)
        assert host.run(in_run, check=False) == ""
        (again,) = upgrade(shop, host).values()
        assert again["unchanged"], again
        is_ = kept(host)
        assert set(was.pop("journals")) <= set(is_.pop("journals"))
        assert is_ == was
        assert before.deploy(before.release("shop", "v1.2.1", ("shop", "plain"), begin + 3))["outcome"] == "deployed"
        done = shop.deploy(shop.release("v1.3.0"), host)
        assert (done["version"], done["previous"]) == ("v1.3.0", "v1.2.1")
        assert shop.rollback(host)["version"] == "v1.2.1"
        assert shop.rollback(host, to="v1.1.0")["version"] == "v1.1.0"
    nothing_lost(traffic)
    assert traffic.versions[8081] == {b"v1.2.0", b"v1.2.1", b"v1.3.0", b"v1.1.0"}


def test_what_an_earlier_goferry_deployed_keeps_its_values_from_the_upgrade_on(before, systemd_host):
    before = before(READS_FILES)
    host, shop = systemd_host, before.works["shop"]
    before.provision("shop")
    host.run("printf 'SECRET=ours\\n' >/etc/goferry/env/shop-plain")
    before.deploy(before.release("shop", "v1.0.0", ("shop", "plain"), releases.BEGIN - 100))
    with pytest.raises(GoferryError) as told:
        deploy.restart(shop.fleet(host), settings=SETTINGS, stream=Stream())
    assert (told.value.name, told.value.exit_code) == ("host-outdated", 2)
    with Traffic(host, {port: PORTS[port] for port in (8080, 8081)}) as traffic:
        upgrade(shop, host)
        host.run("printf 'SECRET=new\\n' >/etc/goferry/env/shop-plain")
        time.sleep(1)
    nothing_lost(traffic)
    slot = deploy.status(shop.fleet(host), settings=SETTINGS).as_json()["live"]["plain"]["slot"]
    host.run(f"systemctl restart goferry-shop-plain@{slot}.service")
    deadline = time.monotonic() + 30
    while not (answer := plain_answers(host)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer == "v1.0.0 ours\n"
    with Traffic(host, {port: PORTS[port] for port in (8080, 8081)}) as traffic:
        time.sleep(1)
        done = deploy.restart(shop.fleet(host), settings=SETTINGS, stream=Stream()).as_json()
        time.sleep(1)
    nothing_lost(traffic)
    assert (done["version"], fetch(host, 8081)) == ("v1.0.0", "v1.0.0 new\n")


def plain_answers(host):
    try:
        return fetch(host, 8081)
    except OSError:
        return ""


def test_a_running_host_of_the_first_schema_is_upgraded_under_traffic(before, systemd_host):
    before = before(FIRST)
    host, works = systemd_host, before.works
    begin = releases.BEGIN - 100
    before.provision("shop")
    before.provision("blog")
    host.run("printf 'SECRET=ours\\n' >/etc/goferry/env/shop-plain")
    for number, version in enumerate(("v1.0.0", "v1.1.0", "v1.2.0")):
        before.deploy(before.release("shop", version, ("shop", "plain"), begin + number))
    before.deploy(before.release("blog", "v7.0.0", ("plain",), begin))
    before.deploy(before.release("blog", "v7.1.0", ("plain",), begin + 1))
    host.run("echo 42 >/var/lib/private/goferry-data/shop-plain/kept")
    assert fetch(host, 8081) == "v1.2.0 ours\n"

    newer = works["shop"].release("v1.3.0")  # a new client at the old host
    with pytest.raises(GoferryError) as told:
        works["shop"].deploy(newer, host)
    assert (told.value.name, told.value.exit_code) == ("host-outdated", 2)
    assert deploy.status(works["shop"].fleet(host), settings=SETTINGS).as_json()["live"]

    was = kept(host)
    with Traffic(host, PORTS) as traffic:
        time.sleep(1)
        for name in ("shop", "blog"):
            (record,) = upgrade(works[name], host).values()
            assert any("no policy" in note for note in record["notes"])
            assert any("name no project" in note for note in record["notes"])
        for name in ("shop", "blog"):
            (again,) = upgrade(works[name], host).values()
            assert again["unchanged"], again
        is_ = kept(host)
        assert {key: is_[key] for key in was if key != "journals"} == {
            key: was[key] for key in was if key != "journals"
        }
        assert set(was["journals"]) <= set(is_["journals"])

        older = before.release("shop", "v1.2.1", ("shop", "plain"), begin + 3)
        refused = before.deploy(older, check=False)  # an old client, and a key that names no project
        assert (refused["exit_code"], refused["error"]) == (3, "deploy-key-unbound")
        works["shop"].provision(host, dry_run=False)
        works["blog"].deploy_key = works["blog"].folder / "own"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", works["blog"].deploy_key], check=True)
        works["blog"].provision(host)
        shown = before.earlier.run("status", *before.access())
        assert {live["version"] for live in shown["live"].values()} == {"v1.2.0"}
        old = before.deploy(older)  # of schema 1, by an old client
        assert old["outcome"] == "deployed"

        back = works["shop"].rollback(host)
        assert back["version"] == "v1.2.0"
        done = works["shop"].deploy(newer, host)
        assert (done["version"], done["previous"]) == ("v1.3.0", "v1.2.0")
        assert works["blog"].rollback(host)["version"] == "v7.0.0"
    nothing_lost(traffic)
    assert traffic.versions[8081] >= {b"v1.2.0", b"v1.2.1", b"v1.3.0"}
    assert fetch(host, 8081) == "v1.3.0 ours\n"

    host.cut_power()
    host.start()
    deadline = time.monotonic() + 60
    while not (live := answers(host)) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert live == ("v1.3.0", "v7.0.0")


def answers(host):
    try:
        return fetch(host, 8081)[:6], fetch(host, 8082)[:6]
    except OSError:
        return ()


def upgrade(made, host):
    """Provision as somebody does who has upgraded Goferry and says nothing else."""
    order = provisioning.ProvisionOptions(
        (host.address,), directory=made.repository, identity=host.root_key, known_hosts=host.known_hosts
    )
    record = provisioning.run(order, settings=SETTINGS, stream=Stream(), dry_run=False)
    return record.as_json()["hosts"]
