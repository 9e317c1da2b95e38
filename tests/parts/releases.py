"""Releases for tests of the ssh target: two services in any version, provisioned hosts to put them on, and answers."""

import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from goferry import deploy
from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.deploy.provision import command as provisioning
from goferry.host import executable
from goferry.observe.events import Stream
from goferry.trust import keys, seal

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings.from_environ(os.environ)
QUICK = {"ready_within_ms": 15_000, "bake_ms": 1000, "drain_ms": 1500}
CONFIGURATION = """\
project: PROJECT
services:
  shop: {main: ./cmd/shop-server, listen: {socket: true}, port: 8080}
  plain: {main: ./plain, listen: {env: ADDR}, port: 8081}
environments:
  production: {target: ssh, hosts: [HOSTS]}
"""
PLAIN = """package main

import (
	"fmt"
	"net/http"
	"os"
)

var version, fault string

func main() {
	if fault == "crash" {
		fmt.Fprintln(os.Stderr, "panic: no database")
		os.Exit(3)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version, os.Getenv("SECRET")) })
	fmt.Fprintln(os.Stderr, "serving", version)
	panic(http.ListenAndServe(os.Getenv("ADDR"), nil))
}
"""


BEGIN = int(time.time()) - 3600
"""Sequences are times; the works count from here."""


class Works:
    """Binaries and releases of two services: one that takes its socket, and one that knows nothing of Goferry."""

    def __init__(self, folder, go):
        self.folder, self.go, self.count, self.built = folder, go, 0, {}
        self.project, self.configuration = "shop", CONFIGURATION
        keys.generate(folder / "keys")
        self.trust = folder / "keys" / "goferry.trust"
        self.deploy_key = folder / "deploy_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.deploy_key], check=True)
        self.repository = folder / "repository"
        self.repository.mkdir()
        plain = folder / "plain"
        plain.mkdir()
        (plain / "go.mod").write_text("module example.com/plain\n\ngo 1.25\n")
        (plain / "main.go").write_text(PLAIN)
        self.sources = {"shop": (ROOT / "examples" / "shop", "./cmd/shop-server"), "plain": (plain, ".")}

    def binary(self, service, version, fault=""):
        key = (service, version, fault)
        if key not in self.built:
            source, package = self.sources[service]
            out = self.folder / f"binary-{len(self.built)}"
            flags = f"-s -w -X main.version={version} -X main.fault={fault}"
            environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod"}
            words = [self.go, "build", "-trimpath", "-ldflags", flags, "-o", out, package]
            subprocess.run(words, cwd=source, env=environ, check=True)
            self.built[key] = out
        return self.built[key]

    def release(self, version, services=("shop", "plain"), fault="", snapshot=False, sequence=0, date=""):
        self.count += 1
        folder = self.folder / f"dist-{self.count}"
        folder.mkdir()
        goos, goarch = executable.host_platform()
        commit = "c" * 40 if date else ""
        ledger = Ledger(self.project, version, module="example.com/shop", snapshot=snapshot, commit=commit, date=date)
        for name in services:
            path = folder / f"{name}_{goos}_{goarch}"
            shutil.copy(self.binary(name, version, fault), path)
            meta = {"main": ".", "program": name}
            ledger.add(Artifact.of_file(path, project=self.project, kind="binary", goos=goos, goarch=goarch, meta=meta))
            listen = {"socket": True} if name == "shop" else {"env": "ADDR"}
            health = "/healthz" if name == "shop" else "/"
            ledger.services[name] = {"main": ".", "binary": name, "listen": listen, "health": health, **QUICK}
        ledger.save(folder)
        secret = self.folder / "keys" / "minisign.key"
        signers = keys.load_signers(openpgp_key=None, minisign_key_file=secret, passphrase_file=None, settings=SETTINGS)
        number = sequence or BEGIN + self.count
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(seal, "check_sealed", lambda *_: None)  # a thief of the key has no client that refuses
            seal.seal(Context(SETTINGS, Stream()), folder, signers, now=int(time.time()), sequence=number)
        return folder

    def provision(self, *hosts, dry_run=False, **more):
        names = ", ".join(f"'127.0.0.1:{host.port}'" for host in hosts)
        (self.repository / "goferry.yml").write_text(
            self.configuration.replace("HOSTS", names).replace("PROJECT", self.project)
        )
        known = self.folder / "known_hosts"
        known.write_text("".join(host.known_hosts.read_text() for host in hosts))
        root_key = self.folder / "root_key"
        records = {}
        for host in hosts:
            shutil.copy(host.root_key, root_key)
            root_key.chmod(0o600)
            order = provisioning.ProvisionOptions(
                (host.address,), directory=self.repository, keys=(self.deploy_key.with_suffix(".pub"),),
                trust=self.trust, identity=root_key, known_hosts=known, **more,
            )  # fmt: skip
            record = provisioning.run(order, settings=SETTINGS, stream=Stream(), dry_run=dry_run)
            records |= record.as_json()["hosts"]
        return records

    def fleet(self, *hosts, **more):
        names = [f"127.0.0.1:{host.port}" for host in hosts]
        return deploy.Fleet(names, self.deploy_key, self.folder / "known_hosts", **more)

    def deploy(self, dist, *hosts, **more):
        return deploy.deploy(dist, self.fleet(*hosts), settings=SETTINGS, stream=Stream(), **more).as_json()

    def rollback(self, *hosts, **more):
        return deploy.rollback(self.fleet(*hosts), settings=SETTINGS, stream=Stream(), **more).as_json()


def fetch(host, port, path="/"):
    with urllib.request.urlopen(host.url(port) + path, timeout=10) as answer:
        return answer.read().decode()
