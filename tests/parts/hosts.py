"""Real hosts for tests: containers that run systemd, sshd and nginx, from an image that is built once.

    def test_x(systemd_host):            # a fresh one for each test; `systemd_hosts()` makes more
        systemd_host.ssh("uptime")       # as root, with systemd_host.root_key and systemd_host.known_hosts
        systemd_host.address             # root@127.0.0.1:PORT, as `--host` takes it
        systemd_host.url(8080)           # http://127.0.0.1:PORT2: what listens on 8080 in the host
        systemd_host.cut_power(); systemd_host.start()

Everything is published on 127.0.0.1 alone. The host's keys are made here, so they are known before it starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PARTS = Path(__file__).resolve().parent
IMAGE = "goferry-test-host"
PORTS = (80, 443, 8080, 8081, 8082, 8083)
"""What a host publishes beside its port 22."""


def docker(*words: object, check: bool = True, stdin: bytes = b"", timeout: float = 300) -> str:
    """Run the docker client; return what it printed."""
    done = subprocess.run(["docker", *map(str, words)], input=stdin, capture_output=True, check=False, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(map(str, words))}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace").strip()


def _answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=60).returncode == 0


@contextlib.contextmanager
def running_daemon(missing: Callable[[str], None], log: Path) -> Iterator[None]:
    """A Docker daemon for the block: the one that runs, else one that is started here and ended by its own id.

    Its images stay on the machine, in Docker's usual folder. Test processes that run side by side share it: the one
    that started it waits at its end for the others.
    """
    if not shutil.which("docker"):
        missing("docker")
    with open("/tmp/goferry-test-dockerd.lock", "w") as lock, open("/tmp/goferry-test-dockerd.users", "w") as users:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = None if _answers() else _start(missing, log)
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield
        finally:
            if process is not None:
                _end(process, lock.fileno(), users.fileno())


def _end(process: subprocess.Popen[bytes], lock: int, users: int) -> None:
    """End the daemon when nobody else uses it; whoever comes meanwhile waits for `lock`, and starts another one."""
    while True:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_SH)  # what fails to be raised may be lost
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(40)


def _start(missing: Callable[[str], None], log: Path) -> subprocess.Popen[bytes]:
    daemon = shutil.which("dockerd")
    if not daemon or os.geteuid() != 0:
        missing("a Docker daemon, or dockerd and root to start one")
    with log.open("wb") as out:
        process = subprocess.Popen([str(daemon)], stdout=out, stderr=out, start_new_session=True)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if _answers():
            return process
        time.sleep(0.3)
    process.kill()
    process.wait()
    missing(f"a Docker daemon that starts here: {log.read_text(errors='replace')[-600:]}")
    raise AssertionError


class Host:
    """A running host.

    Attributes:
        name: the container's. port: where its sshd listens on 127.0.0.1.
        root_key: the private key that root accepts. known_hosts: a file with the host's keys.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir()
        self.folder, self.name = folder, f"goferry-host-{secrets.token_hex(6)}"
        self.root_key, self.known_hosts = folder / "root_key", folder / "known_hosts"
        self.ports = dict(zip((22, *PORTS), _free_ports(len(PORTS) + 1), strict=True))
        self._keys()
        docker(*self._create(arguments))
        docker("cp", f"{folder / 'etc'}/.", f"{self.name}:/etc/ssh/")
        docker("cp", f"{folder / 'root'}/.", f"{self.name}:/root/.ssh/")
        self.start()

    def _keys(self) -> None:
        etc, root = self.folder / "etc", self.folder / "root"
        etc.mkdir()
        root.mkdir()
        for kind in ("ed25519", "ecdsa"):
            _keygen(etc / f"ssh_host_{kind}_key", kind)
        keys = [path.read_text() for path in sorted(etc.glob("*.pub"))]
        self.known_hosts.write_text("".join(f"[127.0.0.1]:{self.port} {' '.join(key.split()[:2])}\n" for key in keys))
        _keygen(self.root_key, "ed25519")
        shutil.copy(self.root_key.with_suffix(".pub"), root / "authorized_keys")
        (root / "authorized_keys").chmod(0o600)

    def _create(self, arguments: tuple[str, ...]) -> list[str]:
        words = [
            "create", "--name", self.name, "--hostname", self.name, "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN",
            "--cap-add", "SYS_PTRACE",
            "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        ]  # fmt: skip
        if docker("info", "-f", "{{.CgroupVersion}}") == "2":
            words += ["--cgroupns", "host"]
        for inside, port in self.ports.items():
            words += ["-p", f"127.0.0.1:{port}:{inside}"]
        return [*words, *arguments, IMAGE]

    def start(self, timeout: float = 60) -> None:
        """Start it (again) and wait until systemd and sshd are up."""
        docker("start", self.name)
        _weigh_containers()
        deadline = time.monotonic() + timeout
        while self.run("systemctl is-system-running", check=False) not in ("running", "degraded"):
            assert time.monotonic() < deadline, "systemd did not come up: " + self.run(
                "systemctl --failed", check=False
            )
            time.sleep(0.2)

    @property
    def port(self) -> int:
        """Where sshd listens on 127.0.0.1."""
        return self.ports[22]

    @property
    def address(self) -> str:
        """What `--host` takes for root."""
        return f"root@127.0.0.1:{self.port}"

    def url(self, port: int) -> str:
        """Where something that listens on `port` in the host is reached."""
        return f"http://127.0.0.1:{self.ports[port]}"

    def run(self, script: str, check: bool = True) -> str:
        """Run a shell script in it as root, past sshd; return what it printed."""
        return docker("exec", self.name, "sh", "-c", script, check=check)

    def ssh(self, *words: str, key: Path | None = None, user: str = "root", options: tuple[str, ...] = ()):
        """Run ssh to it; returns the completed process with text outputs."""
        return subprocess.run(
            [
                "ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
                "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "IdentitiesOnly=yes", "-i", key or self.root_key,
                "-p", str(self.port), *options, f"{user}@127.0.0.1", *words,
            ],
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def cut_power(self) -> None:
        """Everything in it ends at once; `start` boots it again."""
        docker("kill", self.name)

    def remove(self) -> None:
        """Remove it and its disk."""
        docker("rm", "-f", "-v", self.name, check=False)


def _weigh_containers() -> None:
    """Give all containers together more of the processors than the one process's share that the kernel gives them.

    Docker puts them into one group. What the tests start beside it competes with that group process by process, so a
    few compilers would leave the hosts of all tests, and the services on them, next to nothing.
    """
    for group, weight in (("cpu/docker/cpu.shares", "20480"), ("docker/cpu.weight", "2000")):
        with contextlib.suppress(OSError):  # another kind of control groups, or another user's
            (Path("/sys/fs/cgroup") / group).write_text(weight)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _keygen(path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", path], check=True)


@pytest.fixture(scope="session")
def docker_daemon(missing, tmp_path_factory):
    """A Docker daemon on its usual socket, for `hosts.docker(…)`; started and ended here where none runs."""
    with running_daemon(missing, tmp_path_factory.mktemp("dockerd") / "log"):
        yield docker


@pytest.fixture(scope="session")
def host_image(docker_daemon, missing, part):
    """The image of the test host, built when its inputs changed."""
    part("ssh-keygen")
    with open("/tmp/goferry-test-host.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([PARTS / "host" / "build"], capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"the image of the test host: {done.stderr[-600:]}")
    return IMAGE


@pytest.fixture(scope="module")
def host_folder(tmp_path_factory):
    """Where the keys of this module's hosts lie."""
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture
def systemd_hosts(host_image, host_folder):
    """`systemd_hosts()` returns a fresh running `Host`; more words go to `docker create`. They end with the test."""
    made = []

    def make(*arguments: str) -> Host:
        host = Host(host_folder / f"host-{secrets.token_hex(4)}", *arguments)
        made.append(host)
        return host

    try:
        yield make
    finally:
        for host in made:
            host.remove()


@pytest.fixture
def systemd_host(systemd_hosts):
    """A fresh running host."""
    return systemd_hosts()


@pytest.fixture(scope="module")
def shared_host(host_image, host_folder):
    """A running host that the tests of one module share."""
    host = Host(host_folder / f"shared-{secrets.token_hex(4)}")
    try:
        yield host
    finally:
        host.remove()
