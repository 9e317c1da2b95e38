"""Where the variables and files of a candidate that crashed belong, on each kind of target."""

import pytest

from goferry.host import own_files, slots
from goferry.host.layout import Root
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy

HOST = HostFile(projects={"shop": {name: Place("shop", name, 8080, "plain") for name in ("api", "api-2")}})
LOCAL, PROVISIONED = None, HOST


def crashed(root, what="api-2 v2 ended by itself: exited", kind=CandidateCrashed, **slot):
    """Return the error of the second of two services after it passed through."""
    changes = [Change(name, "plain", 0, -1, 2, "v2", "a" * 64) for name in ("api", "api-2")]
    for change in changes:
        folder = root.service("shop", change.service)
        folder.prepare()
        slots.write(folder, {"service": change.service, "slot": 0, **slot})
    error = kind(what, advice=["the log:  LOG"])
    own_files.advise(root, error, Transaction("t", "deploy", "shop", "rollback", "", tuple(changes)))
    return error


@pytest.mark.parametrize(
    ("host", "slot", "variables", "data"),
    [
        (LOCAL, {"env_file": ""}, "env-file there, relative to {root}", "{root}/shop/api-2/data"),
        (LOCAL, {"env_file": "api.env"}, "env-file: {root}/api.env", "{root}/shop/api-2/data"),
        (PROVISIONED, {"env_file": ""}, "/etc/goferry/env/shop-api-2", "/var/lib/goferry-data/shop-api-2"),
        (PROVISIONED, {"env_file": "api.env"}, "/etc/goferry/env/shop-api-2", "/var/lib/goferry-data/shop-api-2"),
    ],
    ids=["local", "local with env-file", "host", "host, which reads no env-file"],
)
def test_a_crash_names_where_variables_and_files_belong(tmp_path, host, slot, variables, data):
    first, second, docs, log = crashed(Root(tmp_path, host), **slot).advice
    assert first == "variables that it needs:  env at the service in goferry.yml, or " + (
        f"as root on the host {variables}" if host else variables.format(root=tmp_path)
    )
    assert second.endswith(":  " + data.format(root=tmp_path))
    assert docs.endswith(":  docs/deploy.md#its-own-files")
    assert log == "the log:  LOG"


@pytest.mark.parametrize(
    ("kind", "what"), [(CandidateUnhealthy, "api v2 was not healthy"), (CandidateCrashed, "other v2 ended by itself")]
)
def test_what_is_no_crash_of_a_candidate_keeps_its_advice(tmp_path, kind, what):
    assert crashed(Root(tmp_path), what, kind).advice == ("the log:  LOG",)


def test_what_is_not_known_of_its_place_hides_no_crash(tmp_path):
    root = Root(tmp_path, HOST)
    change = Change("web", "plain", 0, -1, 2, "v2", "a" * 64)
    error = CandidateCrashed("web v2 ended by itself: exited", advice=["the log:  LOG"])
    own_files.advise(root, error, Transaction("t", "deploy", "shop", "rollback", "", (change,)))
    assert error.advice == ("the log:  LOG",)
