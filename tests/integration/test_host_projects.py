"""Two projects on one real host: neither key reaches the other's, and the host's own policy decides."""

import shutil
import threading
import time

import pytest
from releases import SETTINGS, Works, fetch

from goferry import deploy
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream

CONFIGURATION = """\
project: PROJECT
services:
  plain: {main: ./plain, listen: {env: ADDR}, port: PORT}
environments:
  production: {target: ssh, hosts: [HOSTS]}
"""


def project(folder, go, name, port):
    folder.mkdir()
    works = Works(folder, go)
    works.project, works.configuration = name, CONFIGURATION.replace("PORT", str(port))
    return works


def test_two_projects_share_a_host_and_nothing_else(tmp_path, part, systemd_host):
    shop = project(tmp_path / "shop", part("go"), "shop", 8081)
    blog = project(tmp_path / "blog", part("go"), "blog", 8082)
    shop.provision(systemd_host)
    before = systemd_host.run("cat /etc/goferry/trust/shop.trust /var/lib/goferry-login/.ssh/authorized_keys")
    blog.built = shop.built
    blog.provision(systemd_host)
    after = systemd_host.run("cat /etc/goferry/trust/shop.trust /var/lib/goferry-login/.ssh/authorized_keys")
    assert after.startswith(before)
    shop.deploy(shop.release("v1.0.0", ("plain",)), systemd_host)
    blog.deploy(blog.release("v7.0.0", ("plain",)), systemd_host)
    assert (fetch(systemd_host, 8081)[:6], fetch(systemd_host, 8082)[:6]) == ("v1.0.0", "v7.0.0")

    seen = deploy.status(blog.fleet(systemd_host), settings=SETTINGS).as_json()
    assert {(each["project"], each["version"]) for each in seen["live"].values()} == {("blog", "v7.0.0")}
    logs = deploy.logs(blog.fleet(systemd_host), settings=SETTINGS).as_json()["logs"]
    assert "v1.0.0" not in str(logs)
    with pytest.raises(GoferryError) as told:  # shop's release, signed by shop's key, with blog's deploy key
        blog.deploy(shop.release("v1.1.0", ("plain",)), systemd_host)
    assert told.value.name in ("key-unknown", "project-mismatch")
    with pytest.raises(GoferryError) as told:
        blog.rollback(systemd_host, project="shop")
    assert told.value.name == "project-mismatch"
    assert fetch(systemd_host, 8081).startswith("v1.0.0")

    with pytest.raises(GoferryError) as told:  # with the deploy key alone, and a good signature
        shop.deploy(shop.release("v1.2.0-dev", ("plain",), snapshot=True), systemd_host)
    assert (told.value.name, told.value.exit_code) == ("snapshot-refused", 3)
    shop.provision(systemd_host, accepts="snapshots")
    assert shop.deploy(shop.release("v1.2.1-dev", ("plain",), snapshot=True), systemd_host)["outcome"] == "deployed"

    slow = shop.release("v1.3.0", ("plain",))  # shop's lock is held in its bake; blog deploys meanwhile
    thread = threading.Thread(target=shop.deploy, args=(slow, systemd_host))
    thread.start()
    deadline = time.monotonic() + 60
    while systemd_host.run("systemctl list-units -q 'goferry-shop-plain@*' --state=running | wc -l") != "2":
        assert time.monotonic() < deadline
    done = deploy.deploy(
        blog.release("v7.1.0", ("plain",)), blog.fleet(systemd_host, wait=0), settings=SETTINGS, stream=Stream()
    ).as_json()
    thread.join()
    assert done["outcome"] == "deployed"
    assert (fetch(systemd_host, 8081)[:6], fetch(systemd_host, 8082)[:6]) == ("v1.3.0", "v7.1.0")

    shutil.copy(shop.deploy_key.with_suffix(".pub"), tmp_path / "again.pub")
    blog.deploy_key = tmp_path / "again"
    with pytest.raises(GoferryError) as told:
        blog.provision(systemd_host)
    assert told.value.name == "deploy-key-taken"
