"""What tests share: the Go of this machine, settings that leave the network alone, and a workshop of releases."""

import os
import subprocess
from pathlib import Path

import embedded
import pytest
from releases import Works

from goferry.artifacts import Toolchain
from goferry.config.settings import Settings


@pytest.fixture(scope="session")
def goenv(part):
    """`goenv("GOROOT")` returns what `go env` says."""

    def say(name):
        done = subprocess.run([part("go"), "env", name], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return say


@pytest.fixture
def toolchain(goenv):
    """The Go of this machine, as if it had been found there."""
    return Toolchain(goenv("GOVERSION").removeprefix("go"), Path(goenv("GOROOT")), "machine", "unproven")


@pytest.fixture
def gocache(goenv):
    """The machine's own build cache: what is compiled of the standard library is nobody's subject here."""
    return goenv("GOCACHE")


@pytest.fixture
def settings(tmp_path, gocache):
    """A home of its own and no network."""
    home = tmp_path / "home"
    home.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GOCACHE": gocache, "GOPROXY": "off", "GOSUMDB": "off"}
    return Settings(environ, home / "goferry", home=home)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Builds services and seals releases."""
    return embedded.Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def works(tmp_path_factory, part):
    """Builds two services, seals releases of them, and puts these on hosts."""
    return Works(tmp_path_factory.mktemp("works"), part("go"))
