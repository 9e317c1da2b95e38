"""The embedded target for tests: a service in any version and with any fault, sealed releases of it, and its clients."""

import contextlib
import http.client
import os
import shutil
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from goferry import deploy
from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.host import executable
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.trust import keys, seal

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings.from_environ({**os.environ, "SECRET_OF_THE_DEPLOYER": "never passed on"})
BEGIN = int(time.time()) - 3600
"""Sequences are times: the tests' small ones count from here."""
QUICK = {"ready_within_ms": 4000, "bake_ms": 400, "drain_ms": 1500}

SERVICE = """package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"example.com/service/ferry"
)

var version, fault string

func main() {
	fmt.Fprintln(os.Stderr, "starting", version)
	for _, err := os.Stat("ill"); err == nil; _, err = os.Stat("ill") {
		time.Sleep(50 * time.Millisecond)
	}
	switch fault {
	case "chatty":
		for number := range 3000 {
			fmt.Fprintln(os.Stderr, "line", number)
		}
		os.Exit(3)
	case "crash":
		os.WriteFile("state.db", []byte("kept by "+version), 0o600)
		fmt.Fprintln(os.Stderr, "panic: no database \\x1b[31m")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "bake":
		go func() { time.Sleep(800 * time.Millisecond); os.Exit(4) }()
	case "freeze":
		go func() { time.Sleep(800 * time.Millisecond); syscall.Kill(os.Getpid(), syscall.SIGSTOP) }()
	case "other":
		version = "v9.9.9"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version) })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\\n")) })
	mux.HandleFunc("GET /die", func(w http.ResponseWriter, r *http.Request) { os.Exit(5) })
	service := &ferry.Service{Handler: mux, Version: version}
	if fault == "bake" || fault == "freeze" {
		time.Sleep(300 * time.Millisecond)
	}
	if err := service.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"""


class Workshop:
    def __init__(self, folder):
        self.folder, self.built = folder, {}
        self.keys = folder / "keys"
        keys.generate(self.keys)
        self.source = folder / "service"
        shutil.copytree(ROOT / "examples/shop/ferry", self.source / "ferry", ignore=shutil.ignore_patterns("*_test.go"))
        (self.source / "go.mod").write_text("module example.com/service\n\ngo 1.25\n")
        (self.source / "main.go").write_text(SERVICE)

    def binary(self, go, version, fault="", source=None):
        key = (version, fault, source)
        if key not in self.built:
            out = self.folder / f"bin-{len(self.built)}"
            flags = f"-s -w -X main.version={version} -X main.fault={fault}"
            environ = {
                **os.environ,
                "CGO_ENABLED": "0",
                "GOFLAGS": "-buildvcs=false",
            }
            subprocess.run(
                [go, "build", "-trimpath", "-ldflags", flags, "-o", out, "."],
                cwd=source or self.source,
                env=environ,
                check=True,
            )
            self.built[key] = out
        return self.built[key]

    def release(self, folder, binaries, version, sequence, project="shop", **service):
        """Seal a release of `{service: binary}`."""
        folder.mkdir(parents=True)
        goos, goarch = executable.host_platform()
        ledger = Ledger(project, version, module="example.com/service")
        for name, binary in binaries.items():
            path = folder / f"{name}_{goos}_{goarch}"
            shutil.copy(binary, path)
            ledger.add(
                Artifact.of_file(
                    path, project=project, kind="binary", goos=goos, goarch=goarch, meta={"main": ".", "program": name}
                )
            )
            ledger.services[name] = {
                "main": ".",
                "binary": name,
                "listen": {"socket": True},
                "health": "/healthz",
                **QUICK,
                **service,
            }
        ledger.save(folder)
        signers = keys.load_signers(
            openpgp_key=None, minisign_key_file=self.keys / "minisign.key", passphrase_file=None, settings=SETTINGS
        )
        seal.seal(Context(SETTINGS, Stream()), folder, signers, now=int(time.time()), sequence=BEGIN + sequence)
        return folder


class Site:
    """A target and releases for it."""

    def __init__(self, workshop, go, folder, root):
        self.workshop, self.go, self.folder, self.root = workshop, go, folder, root
        self.count = 0

    def release(self, number, fault="", sequence=0, **service):
        self.count += 1
        binary = self.workshop.binary(self.go, f"v{number}.0.0", fault)
        return self.workshop.release(
            self.folder / f"dist-{self.count}", {"api": binary}, f"v{number}.0.0", sequence or number, **service
        )

    def target(self, **more):
        return deploy.Local(self.root, self.workshop.keys / "goferry.trust", **more)

    def deploy(self, dist, services=(), dry_run=False, **more):
        return deploy.deploy(
            dist, self.target(**more), services=services, settings=SETTINGS, stream=Stream(), dry_run=dry_run
        ).as_json()

    def rollback(self, **more):
        return deploy.rollback(self.target(), settings=SETTINGS, stream=Stream(), **more).as_json()

    def live(self):
        return deploy.status(self.target(), settings=SETTINGS).as_json()["live"]

    def down(self):
        return deploy.down(self.target(), settings=SETTINGS, stream=Stream()).as_json()

    def refused(self, dist, **more):
        with pytest.raises(GoferryError) as caught:
            self.deploy(dist, **more)
        return caught.value

    def pids(self):
        """Processes whose working folder or command line lies in the target."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry / "cwd").startswith(str(self.root)):
                    found.append(int(entry.name))
        return found


def post(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("POST", "/")
        return connection.getresponse().read().decode().strip()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()


class Clients:
    """A few bounded clients, half of them with kept connections; every request is sent once, and all but 200 is lost."""

    def __init__(self, port, count=4, method="POST", path="/"):
        self.port, self.method, self.path = port, method, path
        self.sent, self.lost, self.heard = 0, [], set()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n % 2 == 0,)) for n in range(count)]

    def work(self, keep):
        connection = None
        while not self.over.is_set():
            self.sent += 1
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request(self.method, self.path, body=uuid.uuid4().hex if self.method == "POST" else None)
                response = connection.getresponse()
                self.heard.add(response.read().decode().strip())
                if response.status != 200:
                    self.lost.append(f"HTTP {response.status}")
                if not keep or response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection = None
            time.sleep(0.002)
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
