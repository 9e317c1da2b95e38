"""Domains on a host: who may have one, which ports are nginx's to join, certificates, and where the servers are."""

import grp
import json
import os
import pwd
import re
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from earlier import UNTYPED, Earlier
from surveyed import ANSWER, facts

from goferry.deploy._hosts import parse
from goferry.deploy.provision import HostEntry, HostSpec, ServiceSpec, _template as template, changes_on_host, plan
from goferry.deploy.provision._certificate_files import Certified
from goferry.deploy.provision._host_facts import GUARDS, PROXIES, questions, read as read_facts
from goferry.deploy.provision._nginx_proxy import NginxProxy
from goferry.deploy.provision._removal_plan import removal_plan
from goferry.deploy.provision.needs import ProxySettings
from goferry.kernel import hostfile
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import HostFile
from goferry.kernel.sites import CertificateFiles, Site

FILES = CertificateFiles("/etc/ssl/a.pem", "/etc/ssl/a.key")
OTHERS = CertificateFiles("/etc/ssl/b.pem", "/etc/ssl/b.key")
ENABLED, DROPPED_IN = "/etc/nginx/sites-enabled/zz-goferry.conf", "/etc/nginx/conf.d/zz-goferry.conf"
ME = pwd.getpwuid(os.geteuid())
SERVER = "/etc/nginx/goferry/shop-api.conf"
NGINX = NginxProxy((1, 22, 1), ports=frozenset([80, 443]))


def spec(project="shop", **services):
    return HostSpec(project, tuple(ServiceSpec(name, "env", site=site) for name, site in services.items()), b"trust")


def files(made):
    return {each.path: (each.content or b"").decode() for each in made.entries}


def after(made, **more):
    return facts(**{"proxy": NGINX, "host_file": files(made)[hostfile.HOST_FILE], **more})


def test_a_host_file_without_domains_is_as_it_was():
    made = plan(spec(api=Site()), facts())
    assert json.loads(files(made)[hostfile.HOST_FILE])["notes"] == {}
    assert not {ENABLED, DROPPED_IN, "/etc/nginx/goferry/shop-api.location"} & set(files(made))


def test_an_agent_of_before_reads_a_host_file_with_domains(tmp_path, missing):
    """What it does not know is a note, which every reader keeps."""
    made = plan(spec(api=Site(("a.example",))), facts(proxy=NGINX))
    record = json.loads(files(made)[hostfile.HOST_FILE])
    assert set(record) == {"schema", "guard", "switch", "projects", "critical", "notes"}
    assert record["projects"]["shop"]["services"]["api"].keys() == {"backend", "listen", "port"}
    assert record["notes"] == {"sites": {"shop": {"api": {"domains": ["a.example"]}}}}
    source = Earlier(UNTYPED, tmp_path, missing).source
    again = (
        "from goferry.kernel.hostfile import parse; sys.stdout.buffer.write(parse(sys.stdin.buffer.read()).to_bytes())"
    )
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source)!r}); {again}"]
    done = subprocess.run(words, input=files(made)[hostfile.HOST_FILE].encode(), capture_output=True, check=True)
    assert json.loads(done.stdout) == record


@pytest.mark.parametrize(
    ("site", "why"),
    [
        (Site(("a.example",)), "a.example/ is service web of project blog"),
        (Site(("b.example", "a.example"), "/"), "a.example/ is service web of project blog"),
        (Site(("a.example",), "/x", OTHERS), "a.example has the certificate /etc/ssl/a.pem"),
    ],
)
def test_what_another_project_has_is_refused_by_name(site, why):
    first = plan(spec("blog", web=Site(("a.example",), files=FILES)), facts(proxy=NGINX))
    with pytest.raises(GoferryError) as told:
        plan(spec(api=site), after(first))
    assert (told.value.name, told.value.exit_code, told.value.state) == ("domain-taken", 2, "Nothing was changed.")
    assert why in told.value.what


def test_two_projects_share_a_domain_by_its_paths():
    first = plan(spec("blog", web=Site(("a.example",), files=FILES)), facts(proxy=NGINX))
    second = files(plan(spec(api=Site(("a.example",), "/api/")), after(first)))
    server = second[ENABLED]
    assert "include /etc/nginx/goferry/blog-web.location;\n    include /etc/nginx/goferry/shop-api.location;" in server
    assert "ssl_certificate /etc/ssl/a.pem;" in server


def test_a_domain_goes_over_to_a_service_of_the_same_project_with_a_note():
    first = plan(spec(api=Site(("a.example", "b.example"), files=FILES)), facts(proxy=NGINX))
    second = plan(spec(web=Site(("a.example",), files=OTHERS)), after(first))
    assert "a.example/ goes from api, which is no longer declared, to web" in second.notes
    places = hostfile.parse(files(second)[hostfile.HOST_FILE].encode()).projects["shop"]
    assert (places["api"].site, places["web"].site.files) == (Site(("b.example",), files=FILES), OTHERS)
    assert files(second)[ENABLED].count("shop-api.location") == 1
    shared = plan(spec(web=Site(("a.example",), "/x", OTHERS)), after(first))  # the one of before has the domain still
    assert "/etc/ssl/a.pem" not in files(shared)[ENABLED]


def test_the_last_domain_that_goes_leaves_no_server():
    first = plan(spec(api=Site(("a.example",))), facts(proxy=NGINX))
    gone = plan(spec(api=Site()), after(first, proxy=NginxProxy((1, 22, 1), had=(ENABLED,))))
    assert files(gone)[ENABLED] == "# Written by goferry provision: no service of this host has a domain.\n"
    assert json.loads(files(gone)[hostfile.HOST_FILE])["notes"] == {}


def test_the_servers_of_domains_are_where_nginx_reads_last():
    named = spec(api=Site(("a.example",)))
    bare = plan(named, facts(proxy=NginxProxy((1, 22, 1), ports=frozenset([80]), sites_enabled=False)))
    assert DROPPED_IN in files(bare)
    assert ENABLED not in files(bare)
    moved = plan(named, facts(proxy=NginxProxy((1, 22, 1), ports=frozenset([80]), had=(DROPPED_IN,))))
    assert "server_name a.example;" in files(moved)[ENABLED]
    assert "server_name" not in files(moved)[DROPPED_IN]
    old = plan(spec(api=Site(("a.example",), files=FILES)), facts(proxy=NginxProxy((1, 18), ports=frozenset([80]))))
    assert "ssl_reject_handshake" not in files(old)[ENABLED]


@pytest.mark.parametrize("bind", ["", "192.0.2.9", "[2001:db8::1]", "[::1]"])
def test_a_closed_port_is_closed_before_anything_that_an_operator_adds(bind):
    closed = ServiceSpec("api", "env", site=Site(("a.example",), bind=bind), proxy=ProxySettings(closed=True))
    server = files(plan(HostSpec("shop", (closed,), b"trust", bind=bind), facts(proxy=NGINX)))[SERVER]
    (known,) = re.findall(r"(?m)^geo \$goferry_here_8080 \{ default 0;((?: \S+ 1;)+) \}$", server)
    assert sorted(known.replace(" 1;", "").split()) == sorted({"127.0.0.1", "::1", bind.strip("[]")} - {""})
    assert server.index("if ($goferry_here_8080 = 0) { return 403; }") < server.index("include")
    opened = replace(closed, port=8080, proxy=ProxySettings())
    assert (
        "goferry_here" not in files(plan(HostSpec("shop", (opened,), b"trust", bind=bind), facts(proxy=NGINX)))[SERVER]
    )


def served(text, address, port, name):
    """Return which server nginx takes: of those of the most specific address alone, and the first by default."""
    wildcard = f"[::]:{port}" if ":" in address else str(port)
    servers = [re.findall(r"(?m)^    (?:listen|server_name) ([^ ;]+)", each) for each in text.split("server {")[1:]]
    exact, every = ([each[-1] for each in servers if at in each] for at in (f"{address}:{port}", wildcard))
    names = exact or every or [""]
    return name if name in names else names[0]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("projects", [("blog", "shop"), ("shop", "shop")])
@pytest.mark.parametrize("bind", ["10.0.0.1", "[2001:db8::1]", "0.0.0.0", "[::]"])
def test_a_service_on_one_address_takes_no_request_for_one_that_is_served_on_all(bind, projects, order):
    """Also where the first one is no longer declared, and keeps the address that it was provisioned with."""
    named = {"web": Site(("a.example",), files=FILES), "api": Site(("b.example",), files=OTHERS, bind=bind)}
    given, made = facts(proxy=NGINX), None
    for project, name in list(zip(projects, named, strict=True))[::order]:
        made = plan(spec(project, **{name: named[name]}), given)
        given = after(made)
    text = files(made)[ENABLED]
    for address in (bind, "192.0.2.9", "[2001:db8::9]"):
        for port in (80, 443):
            assert served(text, address, port, "a.example") == "a.example"
            assert served(text, address, port, "c.example") == "goferry.invalid"
    assert served(text, bind, 443, "b.example") == "b.example"
    other_family = "192.0.2.9" if ":" in bind else "[2001:db8::9]"
    assert served(text, other_family, 443, "b.example") == "goferry.invalid"
    lines = [re.findall(r"listen [^;]+", each) for each in text.split("server {")]
    assert all(len(set(each)) == len(each) for each in lines)  # nginx refuses a line that a server has twice


def test_addresses_of_several_services_are_theirs_alone():
    web, api = Site(("a.example",), files=FILES, bind="10.0.0.1"), Site(("a.example",), "/api/", bind="10.0.0.2")
    text = files(plan(spec(web=web, api=api, other=Site(("b.example",), bind="10.0.0.3")), facts(proxy=NGINX)))[ENABLED]
    for address in ("10.0.0.1", "10.0.0.2"):
        assert served(text, address, 443, "a.example") == "a.example"
        assert served(text, address, 443, "b.example") == served(text, address, 80, "b.example") == "goferry.invalid"
    assert served(text, "10.0.0.3", 443, "b.example") == ""
    assert served(text, "192.0.2.9", 80, "a.example") == ""


@pytest.mark.parametrize(
    ("site", "ports", "proxy", "refused"),
    [
        (Site(("a.example",)), [22, 80], [80], ""),
        (Site(("a.example",)), [22, 80], [], "port 80"),
        (Site(("a.example",)), [22], [], ""),
        (Site(("a.example",)), [22, 80, 443], [80], ""),
        (Site(("a.example",), files=FILES), [22, 80, 443], [80], "port 443"),
        (Site(), [22, 80], [], ""),
    ],
)
def test_nginx_is_joined_and_another_program_is_refused(site, ports, proxy, refused):
    given = facts(proxy=NginxProxy((1, 22, 1), ports=frozenset(proxy)), ports=ports)
    if not refused:
        assert plan(spec(api=site), given).places
        return
    with pytest.raises(GoferryError, match=f"another program than nginx listens on {refused}") as told:
        plan(spec(api=site), given)
    assert told.value.name == "port-taken"


def test_a_port_of_nginx_s_own_site_is_refused_for_a_service_without_a_name():
    with pytest.raises(GoferryError, match="listens on port 80") as told:
        plan(HostSpec("shop", (ServiceSpec("api", "env", 80),), b"trust"), facts(proxy=NGINX))
    assert any("give the service a `domain`" in line for line in told.value.advice)


def test_a_service_on_port_443_is_none_beside_tls():
    first = plan(HostSpec("blog", (ServiceSpec("web", "env", 443),), b"trust"), facts())
    with pytest.raises(GoferryError, match="service web's of project blog without TLS") as told:
        plan(spec(api=Site(("a.example",), files=FILES)), after(first))
    assert told.value.name == "port-taken"


def test_a_host_is_asked_for_the_certificates_and_refused_by_the_file():
    named = spec(api=Site(("a.example",), files=FILES), web=Site(("a.example",), "/x", FILES))
    assert named.certificates == (Certified(FILES, ("a.example",)),)
    asks, _ = questions([*PROXIES, *GUARDS], named.certificates)
    assert asks[-1][-3:] == (*FILES, "a.example")
    answer = {**ANSWER, "said": [*ANSWER["said"], [1, "/etc/ssl/a.pem: No such file or directory\n\x1b[2J"]]}
    given = read_facts(parse("web", "root"), answer, PROXIES, GUARDS, named.certificates)
    with pytest.raises(GoferryError) as told:
        plan(named, given)
    assert (told.value.name, told.value.state) == ("certificate-unusable", "Nothing was changed.")
    assert "/etc/ssl/a.pem: No such file or directory" in told.value.what
    assert "\x1b" not in told.value.what
    answer["said"][-1] = [0, "a.example: certificate has expired\n"]
    made = plan(named, read_facts(parse("web", "root"), answer, PROXIES, GUARDS, named.certificates))
    assert "clients will refuse /etc/ssl/a.pem for a.example: certificate has expired" in made.notes


@pytest.fixture
def pair(tmp_path, part):
    """Two certificates with their keys, and one key with a password."""
    openssl = part("openssl")
    names = ["-addext", "subjectAltName=DNS:shop.example,DNS:*.shop.example"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    for name, more in (("a", ["-nodes"]), ("b", ["-nodes"]), ("closed", ["-passout", "pass:secret"])):
        made = ["-subj", "/CN=a", *names, *more, "-out", f"{name}.pem", "-keyout", f"{name}.key"]
        subprocess.run([openssl, "req", "-x509", *key, *made], cwd=tmp_path, check=True, capture_output=True)
    words = [openssl, "x509", "-in", "a.pem", "-signkey", "a.key", "-days", "0", "-out", "old.pem"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "text").write_text("no certificate")
    return tmp_path


@pytest.mark.parametrize(
    ("certificate", "key", "why"),
    [
        ("a.pem", "a.key", ""),
        ("none.pem", "a.key", "none.pem: No such file or directory"),
        ("a.pem", ".", ": Is a directory"),
        ("a.pem", "b.key", "b.key is not the key of"),
        ("closed.pem", "closed.key", "without a password"),
        ("text", "a.key", "are not a certificate and its key"),
    ],
)
def test_a_certificate_is_tried_as_a_server_does(pair, certificate, key, why):
    words = Certified(CertificateFiles(str(pair / certificate), str(pair / key)), ()).question
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=20)
    assert (done.returncode != 0) is bool(why)
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_that_clients_would_refuse_is_told(pair):
    domains = ("shop.example", "*.shop.example", "other.example", "shop.example.other")
    files, old = (CertificateFiles(str(pair / f"{name}.pem"), str(pair / "a.key")) for name in ("a", "old"))
    done = subprocess.run(Certified(files, domains).question, capture_output=True, text=True, check=True)
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["other.example", "shop.example.other"]
    assert "Hostname mismatch" in done.stdout
    done = subprocess.run(Certified(old, domains[:1]).question, capture_output=True, text=True, check=True)
    assert done.stdout == "shop.example: certificate has expired\n"


@pytest.mark.parametrize(
    ("conf", "folder", "included"),
    [
        ("http {\n\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;\n}\n", True, True),
        ("include sites-enabled/*.conf;\n", True, True),
        ("include /etc/nginx/sites-enabled/*;\n", False, False),
        ("# include /etc/nginx/sites-enabled/*;\n", True, False),
        ("", True, False),
    ],
)
def test_a_folder_that_nginx_reads_last_is_found(tmp_path, conf, folder, included):
    (tmp_path / "nginx.conf").write_text(conf.replace("/etc/nginx", str(tmp_path)))
    if folder:
        (tmp_path / "sites-enabled").mkdir()
    script = template.text("nginx/sites-enabled.sh").replace("/etc/nginx", str(tmp_path))
    assert (subprocess.run(["sh", "-c", script], check=False).returncode == 0) is included


def test_the_ports_of_nginx_are_those_of_processes_of_this_name(tmp_path):
    """A process is known by its name alone, so an interpreter of that name stands for nginx."""
    script = template.text("nginx/ports.txt")
    program = "import socket, sys, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
    (tmp_path / "nginx").symlink_to(os.path.realpath(sys.executable))
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        words = [tmp_path / "nginx", "-I", "-c", program]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            try:
                port = process.stdout.readline().strip()
                done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
            finally:
                process.kill()
        assert port in done.stdout.split()
        assert str(stranger.getsockname()[1]) not in done.stdout.split()


def test_a_host_s_notes_are_judged_again():
    place = plan(spec(api=Site(("a.example",))), facts(proxy=NGINX)).places[0]
    record = json.loads(HostFile(projects={"shop": {"api": place}}).to_bytes())
    for bad in (
        [], {"shop": []}, {"shop": {"api": {}}}, {"shop": {"api": {"domains": ["a b"]}}}, {"shop": {"api": {"domains": []}}},
        {"shop": {"api": {"domains": ["a.example"], "path": "x"}}}, {"shop": {"api": {"domains": "a.example"}}},
        {"shop": {"api": {"domains": ["a.example"], "certificate": "/a;b", "key": "/a"}}},
        {"shop": {"api": {"domains": ["a.example"], "bind": "1;2"}}},
    ):  # fmt: skip
        record["notes"]["sites"] = bad
        with pytest.raises(hostfile.HostFileInvalid):
            hostfile.parse(json.dumps(record).encode())
    record["notes"] = {
        "later": 1,
        "sites": {"shop": {"api": {"domains": ["a.example"], "later": 1}, "gone": 1}, "x": 2},
    }
    again = hostfile.parse(json.dumps(record).encode())
    assert again.projects["shop"]["api"] == place
    assert json.loads(again.to_bytes())["notes"] == {"later": 1, "sites": {"shop": {"api": {"domains": ["a.example"]}}}}


def test_a_folder_of_the_operator_s_stays_as_it_was_closed(tmp_path):
    named, ours = tmp_path / "own", {"owner": ME.pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
    for keep in (True, False):
        entry = HostEntry(str(named), mode=0o755, keep=keep, **ours)
        assert HostEntry.of(entry.as_json()) == entry
        assert not changes_on_host.same(entry)
    changes_on_host.Changes().stage(HostEntry(str(named), mode=0o755, keep=True, **ours))
    named.chmod(0o700)
    assert changes_on_host.same(HostEntry(str(named), mode=0o755, keep=True, **ours))
    assert not changes_on_host.same(HostEntry(str(named), mode=0o755, **ours))


def test_a_project_that_goes_takes_its_part_of_a_domain_along():
    first = plan(spec("blog", web=Site(("a.example",), files=FILES)), facts(proxy=NGINX))
    second = plan(spec(api=Site(("a.example",), "/api/")), after(first))
    gone = removal_plan("shop", after(second, proxy=NginxProxy((1, 22, 1), had=(ENABLED,))))
    entries = {each.path: each for each in gone.entries}
    assert b"blog-web.location" in entries[ENABLED].content
    assert b"shop-api.location" not in entries[ENABLED].content
    assert entries["/etc/nginx/goferry/shop-api.location"].gone
    assert not [path for path in entries if path.startswith("/etc/goferry/nginx")]
