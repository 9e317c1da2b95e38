"""A real host on which nobody reaches a service: what a deploy, `status`, `provision` and `provision --check` say.

Each way to lose the public address is tried on one host after the other; the version before stays live all the while.
"""

import json

import pytest
from provisioned import Site
from sampling import sample

PATIENT = {"ready_within_ms": 30_000}
SERVER_FILE = "/etc/nginx/goferry/shop-api.conf"
RELOAD = "systemctl reload nginx && sleep 0.5"
OTHER = "server { listen 8080 default_server; location / { return 301 https://elsewhere.example/; } }"
SQUAT = "systemd-run --quiet --uid=nobody python3 -m http.server 8080 && sleep 1"
LOST = {
    "nginx is stopped": (
        "systemctl stop nginx",
        "systemctl start nginx",
        "nginx is not running",
        "systemctl start nginx",
    ),
    "its server file is gone": (
        f"mv {SERVER_FILE} /root/kept && {RELOAD}",
        f"mv /root/kept {SERVER_FILE} && {RELOAD}",
        f"{SERVER_FILE} is gone",
        "goferry provision HOST",
    ),
    "nginx.conf does not include it": (
        f"sed -i.kept 's#include /etc/nginx/conf.d/.*#\\##' /etc/nginx/nginx.conf && {RELOAD}",
        f"mv /etc/nginx/nginx.conf.kept /etc/nginx/nginx.conf && {RELOAD}",
        "nginx.conf does not include /etc/nginx/conf.d/goferry.conf",
        "in the http block of /etc/nginx/nginx.conf:  include /etc/nginx/conf.d/goferry.conf;",
    ),
    "another server of nginx has the port": (
        f"echo '{OTHER}' >/etc/nginx/conf.d/a.conf && {RELOAD}",
        f"rm /etc/nginx/conf.d/a.conf && {RELOAD}",
        "another server answers on port 8080 (HTTP 301, Server: nginx/1.22.1, Location: https://elsewhere.example/)",
        "nginx -T | grep",
    ),
    "another program has the port": (
        f"systemctl stop nginx && {SQUAT}",
        "systemctl stop 'run-*.service' && systemctl start nginx",
        "a program of user nobody listens on port 8080",
        "ss -ltnp",
    ),
    "a folder is closed to nginx": (
        "chmod 0700 /run/goferry/shop-api",
        "chmod 0755 /run/goferry/shop-api",
        "/run/goferry/shop-api is closed to nginx (mode 0700)",
        "chmod o+x /run/goferry/shop-api",
    ),
    "nginx hangs": (
        "systemctl kill --signal=STOP nginx",
        "systemctl kill --signal=CONT nginx",
        "nothing answers at http://127.0.0.1:8080: no whole answer within",
        "systemctl reload nginx",
    ),
}


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    first = made.provision()
    (host,) = first["hosts"].values()
    assert {(each["name"], each["of"], each["ok"]) for each in host["checks"]} == {
        ("policy", "shop", True),
        ("port", "shop/api", True),
        ("port", "shop/web", True),
        ("public-address", "shop/api", True),  # nothing is deployed yet: the 502 is our own server's
        ("public-address", "shop/web", True),
    }
    made.deploy(made.release(1, **PATIENT))
    made.deploy(made.release(1, "web", **PATIENT))
    return made


def provision(site, *options):
    done = site.run_provision(*options)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


DEMANDED, MORE = tuple(LOST)[:3], tuple(LOST)[3:]


@pytest.mark.parametrize("way", [*DEMANDED, *sample(MORE, 2)])
def test_whom_nobody_reaches_goes_back_and_everybody_is_told(site, way):
    lose, mend, what, advice = LOST[way]
    before = site.live()["api"]
    assert before["unreached"] == ""
    site.host.run(lose)
    try:
        error = site.refused(site.release(2, **PATIENT))
        live = site.live()["api"]
        checked = provision(site, "--check")
    finally:
        site.host.run(mend)
    assert (error.name, error.exit_code, error.facts["cause"]) == ("rollback-failed", 4, "public-address-unreachable")
    assert what in error.what
    assert any(advice in line for line in error.advice)
    assert error.state.startswith("api v1.0.0 is live again, and nobody is served:\n  api: ")
    assert (live["version"], live["pid"], live["state"]) == ("v1.0.0", before["pid"], "healthy")
    assert what in live["unreached"]
    code, told = checked
    assert (code, told["error"]) == (1, "host-differs")
    assert what in told["state"]
    assert site.fetch(8080) == "v1.0.0"


def test_provision_ends_with_asking_and_check_is_content_with_what_it_left(site):
    assert provision(site, "--check")[0] == 0
    site.host.run("sed -i.kept 's#include /etc/nginx/conf.d/.*##' /etc/nginx/nginx.conf && systemctl restart nginx")
    code, told = provision(site)
    site.host.run("mv /etc/nginx/nginx.conf.kept /etc/nginx/nginx.conf")
    assert (code, told["error"]) == (1, "public-address-unreachable")
    assert "nginx.conf does not include /etc/nginx/conf.d/goferry.conf" in told["what"]
    site.host.run(
        "systemctl stop nginx; rm /etc/nginx/goferry/shop-api.conf; systemctl disable goferry-recover.service"
    )
    code, told = provision(site, "--check")
    assert code == 1
    for line in (
        "/etc/nginx/goferry/shop-api.conf differs or is missing",
        "would run: systemctl start nginx.service",
        "would run: systemctl --quiet enable goferry-recover.service",
        "nginx is not running",
    ):
        assert line in told["state"]
    assert site.host.run("systemctl is-active nginx", check=False) == "inactive"
    code, told = provision(site)
    assert code == 0
    assert provision(site, "--check")[0] == 0
    assert site.deploy(site.release(3, **PATIENT))["services"]["api"]["version"] == "v3.0.0"


def test_the_question_is_nobody_else_s_and_costs_no_header(site):
    secret = site.host.run(
        "sed -n 's/^map .http_x_goferry_probe.*default \"\"; \\([0-9a-f]*\\) .*/\\1/p' /etc/nginx/conf.d/goferry.conf"
    )
    assert len(secret) == 32
    ask = "curl -si -o /dev/null -D - http://127.0.0.1:8080/healthz"
    assert "X-Goferry" not in site.host.run(ask)
    assert "X-Goferry" not in site.host.run(ask + " -H 'X-Goferry-Probe: " + "0" * 32 + "'")
    assert "unix:/var/lib/goferry/shop/api/live.sock 200" in site.host.run(ask + f" -H 'X-Goferry-Probe: {secret}'")
    assert site.host.run("stat -c %a /etc/nginx/conf.d/goferry.conf") == "600"
