"""Taking a project or a service off a host, as data: golden plans, what stays, and what a host notes of how it was."""

import json
import os
from pathlib import Path

import pytest
from surveyed import facts

from goferry.deploy.provision import (
    HostSpec,
    ServiceSpec,
    _as_found_on_host as as_found,
    _authorized_keys as authorized_keys,
    _removal_on_host as removal_on_host,
    changes_on_host,
    plan,
)
from goferry.deploy.provision._order_on_host import HostOrder, Removal
from goferry.deploy.provision._perform import as_order
from goferry.deploy.provision._removal_plan import purged_plan, removal_plan
from goferry.kernel import hostfile, leftfile
from goferry.kernel.errors import GoferryError

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "provision"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ4 ci"
SHOP = HostSpec("shop", (ServiceSpec("api", "socket", 8080), ServiceSpec("web", "env", 8081)), b"trust", (KEY,))
BLOG = HostSpec("blog", (ServiceSpec("web", "env", 8082),), b"trust")


def text(made, path):
    """What a plan writes to a file; empty where it is to be gone, None where it stays as it is."""
    found = [each for each in made.entries if each.path == path]
    return (found[0].content or b"").decode() if found else None


def gone(made):
    return sorted(each.path for each in made.entries if each.gone)


def of_hosts(*specs):
    """Return the facts of a host that was provisioned for these, one after another."""
    host_file, keys = "", ""
    for spec in specs:
        made = plan(spec, facts(host_file=host_file, authorized_keys=keys))
        host_file, keys = (
            text(made, hostfile.HOST_FILE),
            text(made, "/var/lib/goferry-login/.ssh/authorized_keys") or keys,
        )
    return {"host_file": host_file, "authorized_keys": keys}


def rendered(made):
    record = {
        "commands": [command.as_json() for command in made.commands],
        "removal": made.removal.as_json(),
        "gone": gone(made),
        "written": {each.path: (each.content or b"").decode().splitlines() for each in made.entries if not each.gone},
        "notes": list(made.notes),
    }
    return json.dumps(record, indent=1) + "\n"


CASES = {
    "leave-one-of-two": lambda: removal_plan("shop", facts(**of_hosts(SHOP, BLOG))),
    "leave-last": lambda: removal_plan("shop", facts(**of_hosts(SHOP)), packages=True),
    "leave-last-rhel": lambda: removal_plan("shop", facts(selinux="enforcing", **of_hosts(SHOP))),
    "leave-bare": lambda: removal_plan("shop", facts()),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_golden_plans(case):
    found = rendered(CASES[case]())
    if os.environ.get("GOFERRY_WRITE_GOLDEN"):
        (GOLDEN / f"{case}.json").write_text(found)
    assert found == (GOLDEN / f"{case}.json").read_text(), "GOFERRY_WRITE_GOLDEN=1 writes it"


def test_no_plan_names_a_file_that_is_a_service_s_own_as_one_to_go():
    for made in [case() for case in CASES.values()] + [pruned()]:
        touched = [*gone(made), *made.removal.clears, *made.removal.tidies]
        own = ("/etc/goferry/env", "/var/lib/goferry-data", "/var/lib/private")
        assert not [path for path in touched if path.startswith(own)]


def pruned(**more):
    smaller = HostSpec("shop", (ServiceSpec("api", "socket", 8080),), b"trust", prune=True)
    return plan(smaller, facts(**of_hosts(SHOP, BLOG), **more))


def test_a_pruned_service_is_left_and_comes_back_when_it_is_declared_again():
    made = pruned()
    host = hostfile.parse(text(made, hostfile.HOST_FILE).encode())
    left = leftfile.parse(text(made, leftfile.LEFT_FILE).encode())
    assert (set(host.projects["shop"]), set(host.projects["blog"]), set(left.projects["shop"])) == (
        {"api"},
        {"web"},
        {"web"},
    )
    assert "/etc/nginx/goferry/shop-web.conf" in gone(made)
    assert "goferry-shop-web@*.service" in made.removal.ends
    assert not [each for each in (*gone(made), *made.removal.ends) if "shop-api" in each or "blog" in each]
    again = plan(SHOP, facts(host_file=text(made, hostfile.HOST_FILE), left_file=text(made, leftfile.LEFT_FILE)))
    assert leftfile.LEFT_FILE in gone(again)


def test_a_service_that_is_renamed_takes_its_port_with_it_when_the_old_one_is_pruned():
    renamed = HostSpec("shop", (ServiceSpec("api", "socket", 8080), ServiceSpec("site", "env", 8081)), b"trust")
    with pytest.raises(GoferryError, match="port 8081"):
        plan(renamed, facts(**of_hosts(SHOP), ports=[8081]))
    made = plan(HostSpec(**{**vars(renamed), "prune": True}), facts(**of_hosts(SHOP), ports=[8081]))
    assert [place.port for place in made.places] == [8080, 8081]


def test_a_project_that_a_host_never_had_is_named_and_those_that_it_has():
    with pytest.raises(GoferryError, match="it is for blog, shop") as told:
        removal_plan("typo", facts(**of_hosts(SHOP, BLOG)))
    assert (told.value.name, told.value.exit_code) == ("not-provisioned", 3)


def test_what_was_left_is_forgotten_when_it_is_purged():
    left = text(removal_plan("shop", facts(**of_hosts(SHOP))), leftfile.LEFT_FILE)
    one = purged_plan("shop", "web", facts(left_file=left))
    assert set(leftfile.parse(text(one, leftfile.LEFT_FILE).encode()).projects["shop"]) == {"api"}
    assert one.removal.tidies == ()
    whole = purged_plan("shop", "", facts(left_file=left))
    assert gone(whole) == [leftfile.LEFT_FILE]
    assert whole.removal.tidies == ("/var/lib/goferry/shop",)
    assert "/etc/goferry" in whole.removal.folders
    served = purged_plan("shop", "", facts(**of_hosts(SHOP)))
    assert (served.entries, served.removal) == ((), Removal())


def test_keys_of_others_stay_and_the_login_with_them():
    mine, other = authorized_keys.line("shop", KEY), 'command="uptime" ssh-ed25519 AAAA ops\n'
    assert authorized_keys.without(mine + other, "shop", last=True) == other
    made = removal_plan("shop", facts(host_file=of_hosts(SHOP)["host_file"], authorized_keys=mine + other))
    assert made.removal.login == ""
    assert any("authorized_keys has lines of others" in note for note in made.notes)


def test_a_removal_is_read_as_it_was_sent():
    order = as_order(removal_plan("shop", facts(**of_hosts(SHOP)), packages=True), do="apply")
    assert HostOrder.of(json.loads(json.dumps(order.as_json()))) == order


def test_what_was_changed_of_others_is_noted_once_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(as_found, "FILE", str(tmp_path / "goferry" / "as-found.json"))
    assert as_found.read_as_found() == as_found.AsFound()
    as_found.record_packages("apt-get", ["bash"], ["bash", "nginx-light", "nginx-common"])
    changes = changes_on_host.Changes()
    changes.made, changes.owned = ["/a", "/a/b"], [("/c", 0, 50, 0o2775)]
    changes.undo = [("systemctl", "stop", "nginx.service")]
    as_found.record_changes(changes)
    changes.owned = [("/c", 0, 0, 0o755), ("/a", 0, 0, 0o755)]  # the second run finds what the first one did
    as_found.record_changes(changes)
    found = as_found.read_as_found()
    assert found.owned == (("/c", 0, 50, 0o2775),)
    assert (found.folders, found.undo) == (("/a", "/a/b"), (("systemctl", "stop", "nginx.service"),))
    assert dict(found.packages) == {"apt-get": ("nginx-common", "nginx-light")}
    words = removal_on_host.removals(Removal(packages=(("apt-get", "purge"), ("dnf", "remove"))))
    assert words == [("apt-get", "purge", "nginx-common", "nginx-light")]
    for damaged in ("", "[]", '{"folders": 1}', '{"owned": [[1]]}', '{"packages": {"apt-get": "x"}}'):
        Path(as_found.FILE).write_text(damaged)
        assert as_found.read_as_found() == as_found.AsFound()


def test_folders_go_where_they_are_empty_and_a_project_s_where_a_lock_is_all(tmp_path):
    for name in ("empty", "full", "shop", "blog"):
        (tmp_path / name).mkdir()
    for name in ("full/file", "shop/.lock", "blog/.lock", "blog/.floor.json"):
        (tmp_path / name).touch()
    paths = {name: str(tmp_path / name) for name in ("empty", "full", "shop", "blog", "none")}
    removal = Removal(
        folders=(paths["empty"], paths["full"], paths["none"]), tidies=(paths["shop"], paths["blog"], paths["none"])
    )
    assert removal_on_host.finish(removal, []) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blog", "full"]


def test_a_user_of_whom_a_file_is_left_is_found_by_it(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert removal_on_host.file_of(54_321, [str(tmp_path)]) == ""
    (tmp_path / "deep" / "er" / "file").touch()
    os.chown(tmp_path / "deep" / "er" / "file", 54_321, -1)
    assert removal_on_host.file_of(54_321, [str(tmp_path)]) == str(tmp_path / "deep" / "er" / "file")
    table = (
        "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\nnas:/x /mnt nfs4 rw 0 0\n/dev/sdb1 /my\\040disk xfs rw 0 0\n"
    )
    assert removal_on_host.local_mounts(table) == ["/", "/my disk"]


def test_a_person_of_the_login_s_name_is_not_the_login():
    assert removal_on_host.uid("root") is None
    assert removal_on_host.uid("nobody-of-that-name") is None
