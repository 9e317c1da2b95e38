"""Secrets on a real host: changed as root, brought in by a proof without a lost request, kept through every other start."""

import contextlib
import json
import random
import subprocess
import sys
import time

import embedded
import pytest
from releases import SETTINGS, fetch

from goferry import deploy
from goferry.kernel import envfile
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream

UNIT = "goferry-shop-plain@{}.service"


@pytest.fixture(scope="module")
def ready(works, shared_host):
    """The module's shared host, with a version of both services."""
    works.provision(shared_host)
    works.deploy(works.release("v1.0.0"), shared_host)
    return shared_host


def env(works, host, verb, *words, data=""):
    """Run goferry env on the service plain; return what it printed."""
    argv = [
        sys.executable, "-I", "-m", "goferry", "env", verb, "plain", *words, "--host", host.address,
        "--dir", works.repository, "--identity", host.root_key, "--known-hosts", host.known_hosts, "--json",
    ]  # fmt: skip
    done = subprocess.run(argv, input=data, capture_output=True, text=True, check=False, timeout=100)
    assert "hunter" not in done.stdout + done.stderr
    return json.loads(done.stdout)


def restart(works, host, *services):
    return deploy.restart(works.fleet(host), services=services, settings=SETTINGS, stream=Stream()).as_json()


def plain(works, host):
    return deploy.status(works.fleet(host), settings=SETTINGS).as_json()["live"]["plain"]


def secret(host):
    """What the service answers behind its version: the value of SECRET."""
    return fetch(host, 8081).partition(" ")[2].removesuffix("\n")


def test_values_change_under_traffic_and_no_request_is_lost(works, ready):
    before, served = [""], []
    clients = [embedded.Clients(ready.ports[8081], 4, method="GET"), embedded.Clients(ready.ports[8080], 2, "GET", "/healthz")]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for each in clients:
            stack.enter_context(each)
        for value in ("hunter1", "hunter 2 # 'x' \"y\" $HOME `id` \\", "'hunter3'"):
            changed = env(works, ready, "set", data=f"SECRET={value}\n")
            assert changed["hosts"] == {ready.address: {"changed": ["SECRET"]}}
            assert (secret(ready), plain(works, ready)["newer_values"]) == (before[-1], True)
            done = restart(works, ready, *([] if value == "hunter1" else ["plain"]))
            served.append(done["services"]["plain"]["slot"])
            assert (done["version"], done["previous"], done["outcome"]) == ("v1.0.0", "v1.0.0", "deployed")
            assert (secret(ready), plain(works, ready)["newer_values"]) == (value, False)
            before.append(value)
        time.sleep(0.3)
    assert [each.lost for each in clients] == [[], []]
    assert min(each.sent for each in clients) > 200
    print(json.dumps({"requests": [each.sent for each in clients], "lost": 0, "restarts": len(served)}))
    assert len(set(served)) == 2
    assert ready.run("stat -c '%a %U' /etc/goferry/env/shop-plain /var/lib/goferry/shop/plain/slots/*.env") == "\n".join(["600 root"] * 2)  # fmt: skip
    assert env(works, ready, "list")["hosts"] == {ready.address: {"names": ["SECRET"]}}


def test_a_value_that_breaks_the_service_waits_and_every_other_start_keeps_the_good_ones(works, ready):
    env(works, ready, "set", data="SECRET=hunter-good\n")
    restart(works, ready, "plain")
    env(works, ready, "set", data="SECRET=hunter-bad\nGOMEMLIMIT=none\n")  # with which Go's runtime starts no program
    newer = works.release("v1.1.0")
    with embedded.Clients(ready.ports[8081], 4, method="GET") as clients:
        for change in (lambda: restart(works, ready), lambda: works.deploy(newer, ready)):
            with pytest.raises(GoferryError) as told:
                change()
            assert (told.value.name, told.value.exit_code) == ("candidate-crashed", 1)
            assert "malformed GOMEMLIMIT" in told.value.state
            live = plain(works, ready)
            assert (live["version"], live["state"], live["newer_values"]) == ("v1.0.0", "healthy", True)
    assert (clients.lost, {heard.partition(" ")[2] for heard in clients.heard}) == ([], {"hunter-good"})

    unit = UNIT.format(live["slot"])
    for start in (f"systemctl kill --signal=SIGKILL {unit}", f"systemctl restart {unit}"):
        pid = plain(works, ready)["pid"]
        ready.run(start)
        answers(ready, lambda pid=pid: plain(works, ready)["pid"] not in (0, pid))
        assert secret(ready) == "hunter-good"
    ready.cut_power()
    ready.start()
    answers(ready, lambda: fetch(ready, 8081))
    assert (secret(ready), plain(works, ready)["newer_values"]) == ("hunter-good", True)

    env(works, ready, "unset", "GOMEMLIMIT")
    assert works.deploy(newer, ready)["version"] == "v1.1.0"
    assert (secret(ready), plain(works, ready)["newer_values"]) == ("hunter-bad", False)


def answers(host, good):
    """Wait until `good()` is so, whatever is refused until then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if good() and fetch(host, 8081):
                return
        time.sleep(0.2)
    raise AssertionError("the service does not come back: " + host.run("journalctl --no-pager -n 60", check=False))


def test_a_service_that_the_host_does_not_have_is_refused(works, ready):
    (works.repository / "goferry.yml").write_text("project: other\n")
    refused = env(works, ready, "set", data="SECRET=hunter2\n")
    assert (refused["error"], refused["exit_code"]) == ("not-provisioned", 3)


WRITTEN = {"A": "\ttwo\nlines ", "B": '\'"`$\\\\" #;=', "C": "", "D": "é \U0001f600 \u00a0", "_E1": " \\n "}


def test_files_are_read_as_systemd_reads_them(ready):
    """Files of random quotes, escapes and comments, and one that `goferry env` wrote."""
    draw = random.Random(7)
    texts = ["".join(draw.choices("AB=#;'\"\\ \t\n\nx$`\r1", k=draw.randrange(4, 60))) for _ in range(60)]
    files = [
        *(text.encode() for text in texts),
        envfile.edited(b"# kept\nA=1\n", WRITTEN),
        b"A='\xff'\n",
        b"A=\x01\nB=2\n",
    ]
    script = "cd /tmp; for f in env-*; do systemd-run --quiet --wait --pipe -p EnvironmentFile=-/tmp/$f env -0; printf 'END OF FILE\\0'; done"
    for number, data in enumerate(files):
        quoted = "".join(f"\\{byte:03o}" for byte in data)
        script = f"printf '{quoted}' >/tmp/env-{number:03}\n{script}"
    done = subprocess.run(
        ["docker", "exec", "-i", ready.name, "sh"], input=script.encode(), capture_output=True, check=True
    )
    found = [
        dict(line.decode().split("=", 1) for line in part.split(b"\0") if line)
        for part in done.stdout.split(b"END OF FILE\0")[:-1]
    ]
    assert len(found) == len(files)
    for data, variables in zip(files, found, strict=True):
        names = {*envfile.values(data), "A", "B", "x", "x1"}
        known = {name: variables[name] for name in variables if name in names or name.strip("ABx1") == ""}
        assert known == envfile.values(data), data
        with contextlib.suppress(envfile.EnvFileError):
            assert envfile.checked(data) == known, data
    assert {**found[-3], **WRITTEN} == found[-3]
