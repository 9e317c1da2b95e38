"""Two real hosts, by the documented commands, as a user with sudo: from bare over two projects to left as found.

One host's sudo asks for nothing, the other one's for a password, which is typed on a terminal.
"""

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
import time

import pytest
from releases import Works, fetch

CONFIGURATION = """\
project: PROJECT
services:
  plain: {main: ./plain, listen: {env: ADDR}, port: PORT}
  old: {main: ./plain, listen: {env: ADDR}, port: SECOND}
environments:
  production: {target: ssh, hosts: [HOSTS]}
"""
PASSWORD = "correct horse"
SITE = "server { listen 80; return 200 own; }\\n"
TREE = r"""
import hashlib, os, stat
# Logs are the system's, and so are what its tools keep beside the list of users, and sudo of whom it has lectured.
SKIP = {"/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/lib/sudo"}
SKIP |= {"/etc/" + name for name in ("passwd-", "shadow-", "group-", "gshadow-", ".pwd.lock")}
for folder, folders, files in os.walk("/"):
    folders[:] = sorted(name for name in folders if os.path.join(folder, name) not in SKIP)
    for name in [*folders, *sorted(files)]:
        path = os.path.join(folder, name)
        if path in SKIP:
            continue
        found, what = os.lstat(path), ""
        if stat.S_ISREG(found.st_mode):
            what = hashlib.sha256(open(path, "rb").read()).hexdigest()
        elif stat.S_ISLNK(found.st_mode):
            what = os.readlink(path)
        print(path, oct(found.st_mode), found.st_uid, found.st_gid, what)
"""


class Operator:
    """A person with the login `ada` on hosts, who may use sudo, in a repository."""

    def __init__(self, works, hosts):
        self.works, self.hosts = works, hosts
        works.folder.joinpath("known_hosts").write_text("".join(host.known_hosts.read_text() for host in hosts))
        self.key = works.folder / "ada_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)

    def join(self, host, sudoers):
        public = self.key.with_suffix(".pub").read_text().strip()
        host.run(
            "id -u ada >/dev/null 2>&1 || useradd -m -s /bin/bash ada; "
            f"echo 'ada:{PASSWORD}' | chpasswd; mkdir -p /home/ada/.ssh; "
            f"echo '{public}' >> /home/ada/.ssh/authorized_keys; chown -R ada: /home/ada/.ssh; "
            f"echo '{sudoers}' > /etc/sudoers.d/ada; chmod 0440 /etc/sudoers.d/ada"
        )

    def words(self, command, *words):
        options = ["--user", "ada", "--identity", self.key, "--known-hosts", self.works.folder / "known_hosts"]
        return [sys.executable, "-m", "goferry", command, *map(str, [*words, *options]), "--json"]

    def type(self, *words, typing="", exits=0):
        """Type a command on a terminal, and the password where it is asked for; return its object."""
        words = self.words(*words)
        reader, writer = os.pipe()
        child, terminal = pty.fork()
        if not child:
            os.dup2(writer, 1)
            os.chdir(self.works.repository)
            os.execv(words[0], words)
        os.close(writer)
        shown = b""
        while True:
            try:
                more = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            shown += more
            if typing and b"sudo's password of ada on" in shown:
                os.write(terminal, typing.encode() + b"\n")
                typing = ""
        with os.fdopen(reader) as out:
            answer = json.loads(out.read())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == exits, (answer, shown)
        assert PASSWORD not in shown.decode() + json.dumps(answer)
        return answer

    def run(self, *words, exits=0):
        done = subprocess.run(
            self.words(*words), cwd=self.works.repository, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        answer = json.loads(done.stdout)
        assert done.returncode == exits, answer
        return answer


def named(host):
    return f"127.0.0.1:{host.port}"


def tree(host):
    done = subprocess.run(
        ["docker", "exec", "-i", host.name, "/usr/bin/python3", "-IB", "-"],
        input=TREE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def differences(before, after):
    return sorted(f"- {line}" for line in {*before} - {*after}) + sorted(f"+ {line}" for line in {*after} - {*before})


def await_answer(host, port, wanted):
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            if fetch(host, port) == wanted:
                return
        assert time.monotonic() < deadline, f"port {port} does not answer"
        time.sleep(0.2)


class Load:
    """Requests to a port, one after another, for the block; none may fail."""

    def __init__(self, host, port):
        self.host, self.port, self.count, self.failed, self.over = host, port, 0, [], threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()
        return self

    def ask(self):
        while not self.over.is_set():
            try:
                assert fetch(self.host, self.port).startswith("v7")
                self.count += 1
            except Exception as error:  # noqa: BLE001  whatever it is, it is a request that was lost
                self.failed.append(error)
            time.sleep(0.01)

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        assert (self.failed, self.count > 20) == ([], True)


def project(folder, go, name, ports, hosts):
    folder.mkdir()
    works = Works(folder, go)
    works.project = name
    works.sources["old"] = works.sources["plain"]
    works.configuration = CONFIGURATION.replace("PORT", ports[0]).replace("SECOND", ports[1])
    names = ", ".join(f"'{named(host)}'" for host in hosts)
    (works.repository / "goferry.yml").write_text(works.configuration.replace("HOSTS", names).replace("PROJECT", name))
    return Operator(works, hosts)


def provision(operator, host, *more):
    works = operator.works
    return (
        "provision",
        named(host),
        "--deploy-key",
        works.deploy_key.with_suffix(".pub"),
        "--trust",
        works.trust,
        *more,
    )


@pytest.fixture
def hosts(systemd_hosts):
    return [systemd_hosts(), systemd_hosts()]


def test_two_projects_come_and_go_and_the_hosts_are_left_as_they_were_found(tmp_path, part, hosts):
    free, asking = hosts
    shop = project(tmp_path / "shop", part("go"), "shop", ("8081", "8083"), hosts)
    blog = project(tmp_path / "blog", part("go"), "blog", ("8082", "8080"), [free])
    blog.works.built = shop.works.built
    for operator in (shop, blog):
        operator.join(free, "ada ALL=(ALL) NOPASSWD: ALL")
    shop.join(asking, "ada ALL=(ALL) ALL")
    for host in hosts:  # a site of its own, with which nginx has made the folders that it works in
        host.run(f"printf '{SITE}' > /etc/nginx/sites-enabled/own && systemctl reload nginx.service")
    before = [tree(host) for host in hosts]

    # Nothing changes for who has no password to give, or a wrong one.
    told = shop.run(*provision(shop, asking), exits=2)
    assert told["error"] == "sudo-password-needed"
    told = shop.type(*provision(shop, asking), typing="battery staple", exits=3)
    assert told["error"] == "sudo-refused"
    assert differences(before[1], tree(asking)) == []

    told = shop.type(*provision(shop, asking), typing=PASSWORD)
    assert told["hosts"][named(asking)]["unchanged"] is False
    shop.run(*provision(shop, free))
    blog.run(*provision(blog, free))
    assert shop.run(*provision(shop, free))["unchanged"] is True
    for host in hosts:
        host.run("echo SECRET=1 > /etc/goferry/env/shop-old; echo SECRET=2 > /etc/goferry/env/shop-plain")
    shop.works.deploy(shop.works.release("v1.0.0", ("plain", "old")), *hosts)
    blog.works.deploy(blog.works.release("v7.0.0", ("plain", "old")), free)
    for host in hosts:
        host.run("for each in old plain; do echo kept > /var/lib/goferry-data/shop-$each/notes; done")
    mine = "cat /etc/goferry/env/shop-* /var/lib/goferry-data/shop-*/notes"
    kept = free.run(mine)
    of_blog = "find /etc /var/lib/goferry -name '*blog*' -type f -exec sha256sum {} + | sort"
    blogs = free.run(of_blog)

    with Load(free, 8082):
        yml = shop.works.repository / "goferry.yml"
        yml.write_text("".join(line for line in yml.read_text().splitlines(True) if "  old:" not in line))
        told = shop.run("provision", named(free), "--dry-run", "--prune")
        assert "/etc/systemd/system/goferry-shop-old@.service" in told["hosts"][named(free)]["changed"]
        told = shop.run("provision", named(free), "--prune")
        assert [note for note in told["hosts"][named(free)]["notes"] if note.startswith("old is no longer declared")]
        assert free.run("systemctl list-units --plain --no-legend 'goferry*shop-old*'; ls /etc/nginx/goferry") == (
            "blog-old.conf\nblog-plain.conf\nshop-plain.conf"
        )
        assert fetch(free, 8081) == "v1.0.0 2\n"
        assert free.run(mine) == kept
        assert shop.run("provision", named(free), "--prune")["unchanged"] is True

        told = shop.run("unprovision", named(free))
        assert told["hosts"][named(free)]["kept"]
        assert "goferry purge shop" in told["next"][0]
        assert free.run(mine) == kept
        assert free.run(of_blog) == blogs
        assert shop.run("unprovision", named(free))["hosts"][named(free)]["unchanged"] is True
        shop.run(*provision(shop, free))  # what it keeps serves again
        await_answer(free, 8081, "v1.0.0 2\n")
        shop.run("unprovision", named(free))
        told = shop.run("unprovision", named(free), "--project", "typo", exits=3)
        assert told["error"] == "not-provisioned"

        told = shop.run("purge", "shop", "--host", named(free), "--service", "old", "--yes")
        assert "/etc/goferry/env/shop-old" in [each["path"] for each in told["hosts"][named(free)]["removed"]]
        assert free.run("cat /etc/goferry/env/shop-plain") == "SECRET=2"

    free.run("install -o goferry -m 0600 /dev/null /opt/his")
    told = blog.run("unprovision", named(free))
    assert told["hosts"][named(free)]["notes"] == ["the login goferry stays: /opt/his is his"]
    free.run("id goferry && rm /opt/his")
    blog.run("unprovision", named(free))
    assert (
        free.run("{ ls /usr/local/libexec /run/goferry /etc/nginx/goferry; id goferry; } 2>&1", check=False).count(
            "o such"
        )
        == 4
    )
    told = shop.run("purge", "shop", "--host", named(free), exits=2)
    assert "wants --yes" in told["what"]
    shop.run("purge", "shop", "--host", named(free), "--yes")
    assert shop.run("purge", "shop", "--host", named(free), "--yes", exits=2)["error"] == "nothing-kept"
    blog.run("purge", "blog", "--host", named(free), "--yes")
    assert differences(before[0], tree(free)) == []
    assert fetch(free, 80) == "own"
    assert free.run("ls /run | grep goferry", check=False) == ""

    shop.type("unprovision", named(asking), typing=PASSWORD)
    assert asking.run(mine) == kept
    shop.type("purge", "shop", "--host", named(asking), "--yes", typing=PASSWORD)
    assert differences(before[1], tree(asking)) == []
