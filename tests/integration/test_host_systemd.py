"""The provisioned host with real parts: systemd, nginx, two services, traffic, and what goes wrong.

The agent is reached as sshd's forced command reaches it, by `goferry-host connect`, so this needs no ssh but for the
provisioning; tests/integration/test_ssh.py has the way from end to end.
"""

import contextlib
import functools
import http.client
import re
import socket
import subprocess
import threading
import time

import pytest
from provisioned import AGENT, CONFIG, ROOT, Site

from goferry.kernel import frames, protocol
from goferry.kernel.errors import GoferryError

DEPLOYED = "/var/lib/goferry/shop/api"


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    made.provision()
    return made


def test_versions_change_behind_nginx_without_a_lost_request_and_go_back(site):
    site.deploy(site.release(1))
    second = site.release(2)
    with site.clients(8080) as clients:
        deployed = site.deploy(second)
        back = site.rollback()
        time.sleep(0.3)
    assert (clients.lost, clients.heard) == ([], {"v1.0.0", "v2.0.0"})
    assert clients.sent > 200
    assert deployed["services"]["api"]["previous"] == "v1.0.0"
    assert deployed["switch_ms"] < 2000
    assert back["services"]["api"]["version"] == "v1.0.0"
    assert site.live()["api"]["state"] == "healthy"
    assert site.deploy(second)["services"]["api"]["version"] == "v2.0.0"
    assert site.deploy(second)["unchanged"]
    site.deploy(site.release(2))
    assert site.sent < 100_000  # another release of the same binary, which the host holds
    assert site.host.run("ls /var/lib/goferry/shop/.incoming") == ""
    slot = site.live()["api"]["slot"]
    assert site.properties(1 - slot)["ActiveState"] == "inactive"


def test_a_service_that_knows_nothing_of_goferry_loses_nothing_either(site):
    site.deploy(site.release(1, "web"))
    second = site.release(2, "web")
    with site.clients(8081, method="GET", path="/hello/you") as clients:
        site.deploy(second)
        site.rollback()
    assert (clients.lost, clients.heard) == ([], {"Hello, you."})
    assert site.live()["web"]["version"] == "v1.0.0"


def test_a_candidate_that_crashes_is_started_once_and_gets_no_traffic(site):
    live = site.live()["api"]
    error = site.refused(site.release(7, fault="crash"))
    assert (error.name, error.exit_code) == ("candidate-crashed", 1)
    assert any(line.endswith(" folder, /var/lib/goferry-data/shop-api") for line in error.advice)
    lines = [line.strip() for line in error.state.splitlines()]
    assert re.search(r"journalctl --unit goferry-shop-api@\d.service --since=@\d+", lines[0])
    timed = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)")
    texts = [timed.fullmatch(line)[1] for line in lines[1:] if timed.fullmatch(line)]
    assert texts[0] == "starting v7.0.0"
    assert "panic: no database" in texts[1]
    assert not any(f"v{other}.0.0" in text for text in texts for other in (1, 2))
    assert site.fetch(8080) == live["version"]
    assert site.live()["api"]["pid"] == live["pid"]


def test_a_version_that_crash_loops_after_the_switch_goes_back_by_itself(site):
    live = site.live()["api"]
    error = site.refused(site.release(8, fault="bake", bake_ms=2500))
    assert (error.name, error.exit_code, error.facts["cause"]) == ("rolled-back", 4, "candidate-crashed")
    assert site.fetch(8080) == live["version"]
    assert site.live()["api"]["pid"] == live["pid"]  # the one before had stayed warm


def test_a_committed_version_that_dies_is_started_again(site):
    live = site.live()["api"]
    with contextlib.suppress(OSError, http.client.HTTPException):
        site.fetch(8080, "GET", "/die")
    deadline, said = time.monotonic() + 10, ""
    while said != live["version"] and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            said = site.fetch(8080)
        time.sleep(0.1)
    assert said == live["version"]
    assert site.live()["api"]["pid"] != live["pid"]
    with site.opened() as agent:  # both of its starts, and neither another version's
        lines = agent.ask("logs", services=["api"])["logs"]["api"]
    assert [line.split()[-1] for line in lines if "starting" in line] == [live["version"]] * 2


def test_what_was_not_provisioned_is_refused(site):
    for dist, why in (
        (site.release(9, port=9999), "port 8080, not 9999"),
        (site.release(9, listen={"env": "ADDR"}), "listen: socket"),
        (site.release(9, "other"), "not provisioned for it"),
    ):
        error = site.refused(dist)
        assert (error.name, error.exit_code) == ("not-provisioned", 3)
        assert why in error.what


def test_a_host_takes_no_path_and_no_unsigned_byte(site):
    dist = site.release(10)
    with site.opened() as agent, pytest.raises(GoferryError) as caught:
        agent.ask("prepare", id="x", dist="/etc", services=[])
    assert caught.value.exit_code == 3
    binary = next(path for path in dist.iterdir() if path.name.startswith("api_"))
    binary.chmod(0o755)
    with binary.open("r+b") as file:
        file.seek(4096)
        file.write(b"evil")
    assert site.refused(dist).name == "upload-damaged"


def test_what_is_no_frame_is_told_so(site):
    argv = ["docker", "exec", "-i", site.host.name, AGENT, "connect"]
    done = subprocess.run(argv, input=b"GET / HTTP/1.1\r\n\r\n", capture_output=True, check=False, timeout=30)
    answer = frames._header(done.stdout[11:])
    assert answer["error"]["name"] == "malformed-frame"


def test_a_service_sees_its_secrets_and_its_own_binary_alone(site):
    # Whoever opens this waits for ever: the service has a /tmp of its own, root's lines of its unit have not.
    site.host.run("rm -f /tmp/openssl && mkfifo /tmp/openssl")
    site.host.run("printf 'TOKEN=from the file\\nOPENSSL_CONF=/tmp/openssl\\n' >/etc/goferry/env/shop-api")
    live = site.deploy(site.release(11, env={"MODE": "test"}))["services"]["api"]
    environ = dict(line.split("=", 1) for line in site.fetch(8080, "GET", "/env").splitlines())
    assert (environ["TOKEN"], environ["MODE"]) == ("from the file", "test")
    assert "GOFERRY_CONTROL" not in environ
    assert "RUNTIME_DIRECTORY" not in environ
    inside = site.host.run(f"nsenter -m -t {live['pid']} sh -c 'cd {DEPLOYED}; ls; ls /var/lib/goferry'")
    assert inside.split() == ["store", "shop"]
    assert site.host.run(f"stat -c %U /proc/{live['pid']}") != "root"


def test_what_services_are_given_is_read_by_nobody_else(site):
    site.deploy(site.release(11, env={"SECRET": "given-in-the-release"}))
    look = "grep -rsl given-in-the-release /var/lib/goferry /run /etc /tmp"
    assert "/releases/" in site.host.run(look)
    assert site.host.run(f"setpriv --reuid 65534 --regid 65534 --clear-groups {look}", check=False) == ""
    site.host.run(
        f"chmod -R go+rX {DEPLOYED}/releases {DEPLOYED}/slots {DEPLOYED}/../.journal"
    )  # as older agents left it
    site.live()
    assert site.host.run(f"setpriv --reuid 65534 --regid 65534 --clear-groups {look}", check=False) == ""


def test_every_unit_is_confined_and_says_why_it_is_not_more_so(site):
    exposed = {}
    for path in site.host.run("ls /etc/systemd/system/goferry*.service").split():
        unit = path.rpartition("/")[2].replace("@.", "@0.")
        *rows, last = site.host.run(f"systemd-analyze security --no-pager {unit} 2>&1").splitlines()
        exposed[unit] = float(last.partition(": ")[2].split()[0])
        open_ = {row.split()[1].partition("=")[0] for row in rows if row.startswith("✗")}
        reasons = [line for line in site.host.run(f"cat {path}").splitlines() if line.startswith("#   ")]
        assert {name for name in open_ if f"{name}=" not in "".join(reasons)} == set(), unit
    assert len(exposed) == 6
    assert max(exposed.values()) <= 3.0, exposed


STORM = """
import socket
for _ in range(600):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("/run/goferry/agent.sock")
"""


def test_a_storm_of_connections_does_not_shut_the_agent_out(site):
    live = site.live()["api"]["version"]
    site.host.run(f"setpriv --reuid goferry --clear-groups --regid goferry python3 -c '{STORM}'", check=False)
    deadline = time.monotonic() + 20
    while site.host.run("systemctl is-active 'goferry-agent@*'", check=False) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert site.host.run("systemctl is-active goferry-agent.socket", check=False) == "active"
    assert site.live()["api"]["version"] == live


CROWD = """
import contextlib, socket, time
begin, hello = bytes.fromhex("BEGIN"), bytes.fromhex("HELLO")
until, many = time.monotonic() + 120, []
while time.monotonic() < until:
    if len(many) < 16:
        many.append(socket.socket(socket.AF_UNIX))
        many[-1].connect("/run/goferry/agent.sock")
        many[-1].sendall(begin)
        print(len(many), flush=True)
    for one in many:
        with contextlib.suppress(OSError):
            one.sendall(hello)
    time.sleep(0.3)
"""


def test_sessions_that_only_say_hello_make_room_for_others(site):
    live = site.live()["api"]["version"]
    begin, hello = (frames.encode(each).hex() for each in (protocol.bind("shop"), {"request": "hello"}))
    script = CROWD.replace("BEGIN", begin).replace("HELLO", hello)
    site.host.run(f"setpriv --reuid goferry --clear-groups --regid goferry python3 -c '{script}' >/tmp/crowd 2>&1 &")
    count = "systemctl list-units --plain --no-legend --state=active 'goferry-agent@*' | wc -l"
    deadline = time.monotonic() + 80
    while "16" not in site.host.run("cat /tmp/crowd") or int(site.host.run(count)) > 11:
        assert time.monotonic() < deadline, site.host.run("cat /tmp/crowd; systemctl list-units 'goferry-agent@*'")
        time.sleep(0.3)
    assert int(site.host.run(count)) >= 8
    for _ in range(3):
        assert site.live()["api"]["version"] == live
    site.host.run("systemctl stop 'goferry-agent@*'")


def test_the_size_of_a_request_is_the_service_s_to_bound_and_not_the_disk_s(site):
    held = "find /proc/[0-9]*/fd -lname '*nginx*(deleted)' -printf '%l'"
    with socket.create_connection(("127.0.0.1", site.host.ports[8080]), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        with contextlib.suppress(OSError):  # the service answers without reading it
            for _ in range(16):
                client.sendall(bytes(1 << 20))
        assert site.host.run(held, check=False) == ""
        assert client.recv(20).startswith(b"HTTP/1.1 200")


def test_cut_off_in_the_middle_the_host_goes_back_by_itself(site):
    live = site.live()["api"]
    with site.opened() as agent:
        site.prepare(agent, site.release(12))
        agent.ask("switch")
        assert site.fetch(8080) == "v12.0.0"
    deadline = time.monotonic() + 15
    while site.fetch(8080) != live["version"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert site.live()["api"]["pid"] == live["pid"]


def test_an_agent_that_is_killed_in_the_bake_leaves_its_candidate_to_nobody(site):
    live = site.live()["api"]
    with site.opened() as agent:
        site.prepare(agent, site.release(13, bake_ms=40_000))
        thread = threading.Thread(target=swallow, args=(agent,))
        thread.start()
        deadline = time.monotonic() + 15
        while site.fetch(8080) != "v13.0.0" and time.monotonic() < deadline:
            time.sleep(0.05)
        site.host.run("systemctl kill --signal=KILL 'goferry-agent@*'")
        thread.join()
    deadline = time.monotonic() + 20
    while site.fetch(8080) != live["version"] and time.monotonic() < deadline:  # no command is given
        time.sleep(0.1)
    assert site.fetch(8080) == live["version"]
    assert site.live()["api"]["pid"] == live["pid"]


@pytest.mark.parametrize("when", ["prepared", "baking"])
def test_after_a_power_cut_in_the_middle_one_version_serves(site, when):
    live = site.live()["api"]
    dist = site.release(13, bake_ms=20_000)
    with site.opened() as agent:
        site.prepare(agent, dist)
        if when == "baking":
            thread = threading.Thread(target=swallow, args=(agent,))
            thread.start()
            deadline = time.monotonic() + 15
            while site.fetch(8080) != "v13.0.0" and time.monotonic() < deadline:
                time.sleep(0.05)
        cut = time.time()
        site.host.cut_power()
        if when == "baking":
            thread.join()
    site.host.start()
    deadline, said = time.monotonic() + 30, ""
    while said != live["version"] and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            said = site.fetch(8080)
        time.sleep(0.2)
    assert said == live["version"]
    now = site.live()
    assert (now["api"]["version"], now["api"]["state"]) == (live["version"], "healthy")
    assert now["web"]["state"] == "healthy"
    free = 1 - now["api"]["slot"]
    assert site.properties(free)["ActiveState"] == "inactive"
    assert "starting v13" not in site.host.run(f"journalctl --since @{cut} -u goferry-shop-api@{free}.service")
    assert "Hello" in site.fetch(8081, "GET", "/hello/you")
    with site.opened() as agent:
        assert agent.ask("status")["recovered"] == []


def swallow(agent):
    """Switch, whatever comes of it."""
    with contextlib.suppress(GoferryError):
        agent.ask("switch")


def test_a_slot_s_socket_stays_open_however_often_its_door_is_closed(site):
    slot = site.live()["api"]["slot"]
    with site.clients(8080):
        site.host.run(f"for n in $(seq 60); do systemctl stop goferry.door-shop-api@{slot}.service; sleep 0.02; done")
    assert site.host.run(f"systemctl is-active goferry-shop-api@{slot}.socket") == "active"
    assert site.fetch(8080).startswith("v")


def test_a_host_loses_what_a_service_keeps_by_its_root_s_purge_alone(site):
    purge = f"{AGENT} purge shop web"
    data, theirs = "/var/lib/private/goferry-data/shop-web", "/var/lib/goferry/shop/web/notes"
    site.host.run(f"echo kept >{data}/accounts.db; echo kept >{theirs}; echo TOKEN=kept >/etc/goferry/env/shop-web")
    files = f"{data}/accounts.db {theirs} /etc/goferry/env/shop-web"
    asked = site.host.run(f"{purge} 2>&1; echo exit $?")
    assert "would remove /var/lib/goferry/shop/web: " in asked
    assert "would remove /etc/goferry/env/shop-web: 1 files, 11 bytes" in asked
    assert asked.endswith("exit 2")
    assert site.host.run(f"cat {files}").split() == ["kept", "kept", "TOKEN=kept"]
    assert "Hello" in site.fetch(8081, "GET", "/hello/you")
    with site.opened() as agent, pytest.raises(GoferryError) as refused:
        agent.ask("purge", project="shop", service="web", dry_run=False)
    assert refused.value.exit_code == 3
    done = site.host.run(f"{purge} --yes")
    assert "ended: web serves" in done
    assert f"removed {data}: " in done
    assert site.host.run(f"ls {files} /var/lib/goferry/shop/web 2>/dev/null", check=False) == ""
    assert list(site.live()) == ["api"]
    # Its next deploy is a first one again. It fails, and loses nothing that was there.
    for folder in (data, "/var/lib/goferry/shop/web"):
        site.host.run(f"mkdir -p {folder}; echo kept >{folder}/notes")
    site.host.run("echo TOKEN=kept >/etc/goferry/env/shop-web")
    error = site.refused(site.release(14, "web", health="/nowhere", ready_within_ms=1500))
    assert error.name == "candidate-unhealthy"
    kept = f"cat {data}/notes /var/lib/goferry/shop/web/notes /etc/goferry/env/shop-web"
    assert site.host.run(kept).split() == ["kept", "kept", "TOKEN=kept"]
    site.deploy(site.release(1, "web"))
    assert site.host.run(kept).split() == ["kept", "kept", "TOKEN=kept"]
    assert "Hello" in site.fetch(8081, "GET", "/hello/you")


def test_what_serves_comes_back_when_the_host_is_ready_for_another_way_of_listening(site, monkeypatch):
    site.deploy(site.release(1))
    hello, first = functools.partial(said, site, 8081, "GET", "/hello/you"), functools.partial(said, site, 8080)
    ways = {"socket: true": "env: ADDR", "env: ADDR": "socket: true"}
    monkeypatch.setattr(site, "config", re.sub("|".join(ways), lambda found: ways[found[0]], CONFIG))
    (host,) = site.provision()["hosts"].values()
    assert len([note for note in host["notes"] if "listens in another way" in note]) == 2
    (host,) = site.provision()["hosts"].values()
    assert host["unchanged"]
    kill_what_serves(site)
    until(lambda: first() == "v1.0.0" and "Hello" in hello())
    units = "systemctl list-units --plain --no-legend 'goferry-shop-*' | cut -d' ' -f1"
    site.host.run(f"systemctl stop $({units}); systemctl start goferry.target")  # as at boot
    until(lambda: first() == "v1.0.0" and "Hello" in hello())

    plain, contract = (site.workshop.binary(site.go, "v2.0.0", source=each) for each in (ROOT / "examples/plain", None))
    for name, binary, listen in (("api", plain, {"env": "ADDR"}), ("web", contract, {"socket": True})):
        site.sequence += 1
        dist = site.folder / f"dist-{site.sequence}"
        site.deploy(site.workshop.release(dist, {name: binary}, "v2.0.0", site.sequence, listen=listen))
    hello, first = functools.partial(said, site, 8080, "GET", "/hello/you"), functools.partial(said, site, 8081)
    until(lambda: first() == "v2.0.0" and "Hello" in hello())
    (host,) = site.provision()["hosts"].values()
    assert not [note for note in host["notes"] if "listens in another way" in note]
    kill_what_serves(site)
    until(lambda: first() == "v2.0.0" and "Hello" in hello())


def kill_what_serves(site):
    for name, each in site.live().items():
        site.host.run(f"systemctl kill --signal=KILL goferry-shop-{name}@{each['slot']}.service")


def until(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def said(site, *asked):
    """What a service answers, or why nothing."""
    try:
        return site.fetch(*asked)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
