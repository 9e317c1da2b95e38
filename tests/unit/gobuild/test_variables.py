import msgspec
import pytest

from goferry.gobuild import _variables as variables
from goferry.gobuild._golist import GoPackage

PROMETHEUS = "github.com/prometheus/common/version"


@pytest.fixture
def project(tmp_path):
    """Write packages, path → source, and return what is found of them."""

    def make(packages, requires=""):
        (tmp_path / "go.mod").write_text(f"module example.com/shop\n{requires}\n")
        records = []
        for path, source in packages.items():
            folder = tmp_path / path
            folder.mkdir(parents=True)
            (folder / "x.go").write_text(source)
            name = source.split()[1]
            records.append(
                {"Dir": str(folder), "ImportPath": f"example.com/shop/{path}", "Name": name, "GoFiles": ["x.go"]}
            )
        return variables.find(msgspec.convert(records, list[GoPackage]), {"example.com/shop": tmp_path})

    return make


def test_the_version_package_of_the_project_is_found(project):
    found = project(
        {
            "internal/build": 'package build\n\nvar (\n\tVersion = "dev"\n\tCommit string\n)\n',
            "store": "package store\n\nvar Version string\n",
        }
    )
    path = "example.com/shop/internal/build"
    assert found == ((f"{path}.Version", "version"), (f"{path}.Commit", "commit"))


@pytest.mark.parametrize(
    "packages",
    [
        {
            "a/version": "package version\n\nvar Version string\n",
            "b/version": "package version\n\nvar Version string\n",
        },
        {"version": 'package version\n\nconst Version = "1"\n'},
        {"version": "package version\n\nvar Version = read()\n"},
        {"version": "package version\n\nvar Commit string\n"},
        {"version": "package other\n\nvar Version string\n"},
    ],
)
def test_what_is_not_plain_is_left_alone(project, packages):
    assert project(packages) == ()


def test_a_known_package_is_set_where_it_is_imported(project):
    importing = {"web": f'package web\n\nimport "{PROMETHEUS}"\n\nvar _ = version.Info\n'}
    found = project(importing, "require github.com/prometheus/common v0.60.0")
    assert [symbol.removeprefix(PROMETHEUS) for symbol, _ in found] == [".Version", ".Revision", ".BuildDate"]


def test_a_known_package_is_not_set_where_it_is_not(project):
    assert project({"web": "package web\n"}, "require github.com/prometheus/common v0.60.0") == ()
