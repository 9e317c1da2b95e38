"""Where the variables and files of a candidate that crashed belong, on each kind of target."""

import pytest

from goferry.host import own_files
from goferry.host.embedded import Embedded
from goferry.host.provisioned import Provisioned
from goferry.kernel.hostfile import HostFile, Place

HOST = HostFile(projects={"shop": {"api": Place("shop", "api", 8080, "plain")}})
LOCAL, PROVISIONED = None, HOST


@pytest.mark.parametrize(
    ("host", "env_file", "variables", "data"),
    [
        (LOCAL, "", "a file that env-file names there, relative to {root}", "{root}/shop/api/data"),
        (LOCAL, "api.env", "its env-file, {root}/api.env", "{root}/shop/api/data"),
        (PROVISIONED, "", "/etc/goferry/env/shop-api (goferry env set api)", "/var/lib/goferry-data/shop-api"),
        (PROVISIONED, "api.env", "/etc/goferry/env/shop-api (goferry env set api)", "/var/lib/goferry-data/shop-api"),
    ],
    ids=["local", "local with env-file", "host", "host, which reads no env-file"],
)
def test_where_variables_and_files_belong(tmp_path, host, env_file, variables, data):
    first, second, docs = own_files.lines(
        (Provisioned(tmp_path, host) if host else Embedded(tmp_path)).service("shop", "api"), env_file
    )
    assert (
        first
        == "variables that it needs belong under env at the service in goferry.yml, or into "
        + variables.format(root=tmp_path)
    )
    assert second.endswith(" folder, " + data.format(root=tmp_path))
    assert docs.endswith(":  docs/deploy.md#its-own-files")


def test_what_is_not_known_of_its_place_is_left_out(tmp_path):
    assert own_files.lines(Provisioned(tmp_path, HOST).service("shop", "web"), "") == []
