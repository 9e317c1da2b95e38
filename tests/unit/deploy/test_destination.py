"""Where a command goes, and whose project that is."""

import pytest

from goferry.deploy.destination import TARGETS, of_name, resolve
from goferry.deploy.options import Options

HOSTS = "environments: {production: {target: ssh, hosts: [web-1]}}\n"


@pytest.mark.parametrize(
    ("files", "project", "name"),
    [
        ({"goferry.yml": "project: shop\n" + HOSTS}, "", "shop"),
        ({"goferry.yml": HOSTS, "go.mod": "module example.com/team/store/v2\n"}, "", "store"),
        ({"goferry.yml": HOSTS}, "", ""),
        ({"goferry.yml": HOSTS + "projects: {shop: {dir: .}, admin: {dir: .}}\n"}, "admin", "admin"),
    ],
)
def test_an_environment_names_its_project(tmp_path, files, project, name):
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    (tmp_path / ".git").mkdir()
    assert resolve(Options(environment="production", directory=tmp_path, project=project)).project == name


def test_hosts_without_an_environment_name_none(tmp_path):
    (tmp_path / "goferry.yml").write_text("project: shop\n")
    assert resolve(Options(hosts=("web-1",), directory=tmp_path)).project == ""


@pytest.mark.parametrize("name", TARGETS)
def test_each_name_of_a_target_is_one(name):
    assert callable(of_name(name).of)
