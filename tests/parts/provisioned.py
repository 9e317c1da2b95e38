"""A provisioned host for tests, reached as sshd's forced command reaches it, and the clients of its services."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
from pathlib import Path

import embedded
import pytest

from goferry.config.settings import Settings
from goferry.deploy import _client as client, _upload as upload
from goferry.deploy._session import transaction_id
from goferry.kernel.errors import GoferryError

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings.from_environ(os.environ)
AGENT = "/usr/local/libexec/goferry-host"

CONFIG = """project: shop
services:
  api: {main: ., listen: {socket: true}, port: 8080}
  web: {main: ., listen: {env: ADDR}, port: 8081}
"""


class Site:
    """A provisioned host and releases for it; `config` is the goferry.yml that it is provisioned with."""

    config = CONFIG

    def __init__(self, host, workshop, go, folder):
        self.host, self.workshop, self.go, self.folder = host, workshop, go, folder
        self.sequence = 0

    def provision(self):
        (self.folder / "goferry.yml").write_text(self.config)
        done = self.run_provision()
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def run_provision(self, *options):
        argv = [
            sys.executable, "-I", "-m", "goferry", "provision", self.host.address, "--dir", self.folder,
            "--identity", self.host.root_key, "--known-hosts", self.host.known_hosts,
            "--trust", self.workshop.keys / "goferry.trust", "--json", *options,
        ]  # fmt: skip
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)

    def release(self, number, service="api", fault="", **more):
        self.sequence += 1
        source = ROOT / "examples/plain" if service == "web" else None
        listen = {"env": "ADDR"} if service == "web" else {"socket": True}
        binary = self.workshop.binary(self.go, f"v{number}.0.0", fault, source)
        folder = self.folder / f"dist-{self.sequence}"
        return self.workshop.release(
            folder,
            {service: binary},
            f"v{number}.0.0",
            self.sequence,
            **{"listen": listen, "ready_within_ms": 15_000, **more},
        )

    def opened(self, *options):
        return client.opened(["docker", "exec", "-i", self.host.name, AGENT, "connect", *options], SETTINGS.environ)

    def prepare(self, agent, dist, **more):
        release, identifier, hello = upload.read_release(dist), transaction_id(), agent.ask("hello")
        items = upload.plan(dist, release, services=(), platform=hello["platform"], held=hello["held"])
        self.sent = upload.send(agent, items, identifier, lambda _: None)
        return agent.ask("prepare", id=identifier, dist="incoming", services=[], wait_ms=20_000, **more)

    def deploy(self, dist):
        with self.opened() as agent:
            prepared = self.prepare(agent, dist)
            if prepared.get("unchanged"):
                return prepared
            switched = agent.ask("switch")
            return {**switched, **agent.ask("commit")}

    def refused(self, dist):
        with pytest.raises(GoferryError) as caught:
            self.deploy(dist)
        return caught.value

    def rollback(self):
        with self.opened() as agent:
            agent.ask("rollback", id=transaction_id(), project="shop", services=[], wait_ms=20_000)
            agent.ask("switch")
            return agent.ask("commit")

    def live(self):
        with self.opened() as agent:
            return agent.ask("status")["live"]

    def fetch(self, port, method="POST", path="/"):
        connection = http.client.HTTPConnection("127.0.0.1", self.host.ports[port], timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path)
            return connection.getresponse().read().decode().strip()

    def properties(self, slot, service="api"):
        out = self.host.run(f"systemctl show goferry-shop-{service}@{slot}.service -p ActiveState,NRestarts,MainPID")
        return dict(line.split("=", 1) for line in out.splitlines())

    def clients(self, port, count=4, **more):
        return embedded.Clients(self.host.ports[port], count, **more)
