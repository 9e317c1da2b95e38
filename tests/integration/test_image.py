"""Images on real parts: a real Go program, crane as the judge, and a Docker daemon."""

import contextlib
import json
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOFERRY = [str(ROOT / ".venv" / "bin" / "goferry")]
PROBE = """package main

import (
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	pool, err := x509.SystemCertPool()
	if err != nil {
		fmt.Println("pool:", err)
		os.Exit(1)
	}
	err = os.WriteFile("/written", nil, 0o600)
	fmt.Println(os.Getuid(), os.Getgid(), len(pool.Subjects()), err != nil, os.Getenv("HOME"))
}
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The dist/ of a program that says who it is, with its image."""
    repository = tmp_path_factory.mktemp("probe")
    (repository / "go.mod").write_text("module example.com/probe\n\ngo 1.24\n")
    (repository / "main.go").write_text(PROBE)
    out = repository / "dist"
    build = ["build", "--dir", repository, "--targets", "linux/amd64,linux/arm64", "--version", "v1.0.0", "--out", out]
    subprocess.run([*GOFERRY, *build, "-q"], check=True)
    subprocess.run([*GOFERRY, "image", out, "-q"], check=True, cwd=repository)
    return out


@pytest.fixture
def tar(dist):
    return dist / "probe_1.0.0_oci.tar"


def test_crane_validates_the_tar(tar, part):
    subprocess.run([part("crane"), "validate", "--tarball", tar], check=True)


@pytest.fixture
def registry(part):
    """Return host:port of a registry in memory, on the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [part("crane"), "registry", "serve", "--address", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(address.rsplit(":", 1), 1):
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def test_a_registry_keeps_the_index_byte_for_byte(dist, part, registry, tmp_path):
    done = subprocess.run(
        [*GOFERRY, "image", dist, "--out", f"oci:{tmp_path}/layout", "--json"], check=True, capture_output=True
    )
    meta = json.loads(done.stdout)
    (entry,) = json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"]
    assert entry["digest"] == meta["digest"]
    reference = f"{registry}/probe:1.0.0"
    subprocess.run([part("crane"), "push", "--index", tmp_path / "layout", reference], check=True, capture_output=True)
    for platform, made in meta["manifests"].items():
        asked = [part("crane"), "digest", "--platform", platform, f"{registry}/probe@{meta['digest']}"]
        assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip() == made["digest"]
        assert made["unpacked"] < 10_000_000
    subprocess.run([part("crane"), "validate", "--remote", f"{registry}/probe@{meta['digest']}"], check=True)


def test_crane_exports_the_files(tar, part, tmp_path):
    with (tmp_path / "root.tar").open("wb") as out, tar.open("rb") as image:
        subprocess.run([part("crane"), "export", "-", "-"], check=True, stdin=image, stdout=out)
    with tarfile.open(tmp_path / "root.tar") as archive:
        names = {member.name.rstrip("/") for member in archive}
    assert {"etc/passwd", "etc/ssl/certs/ca-certificates.crt", "tmp", "usr/local/bin/probe"} <= names


@pytest.fixture
def docker(docker_daemon):
    """Return `docker(*arguments)` for the tests' daemon; the image is removed afterwards."""

    def run(*arguments):
        return subprocess.run(
            ["docker", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
        )  # fmt: skip

    # One daemon serves all tests: a second one with other network settings removes the first one's bridge.
    yield run
    run("image", "rm", "--force", "probe:1.0.0")


def test_docker_loads_and_runs_it(tar, docker):
    loaded = docker("load", "-i", tar)
    assert loaded.returncode == 0, loaded.stderr
    assert "probe:1.0.0" in loaded.stdout
    ran = docker("run", "--rm", "--network", "none", "--read-only", "probe:1.0.0")
    assert ran.returncode == 0, ran.stderr
    uid, gid, authorities, read_only, home = ran.stdout.split()
    assert (uid, gid, read_only, home) == ("65532", "65532", "true", "/home/nonroot")
    assert int(authorities) > 50


def test_docker_sees_the_annotations_and_the_user(tar, docker):
    assert docker("load", "-i", tar).returncode == 0
    (seen,) = json.loads(docker("image", "inspect", "probe:1.0.0").stdout)
    assert seen["Config"]["User"] == "65532:65532"
    assert seen["Config"]["Labels"]["org.opencontainers.image.version"] == "v1.0.0"
