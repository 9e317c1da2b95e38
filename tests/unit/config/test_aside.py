"""What is said of main packages that no user of the repository wants: helpers of tests and tools, odd program names."""

import json

import pytest
import yaml

from goferry.cli.main import run
from goferry.config import aside, start
from goferry.config.survey import survey

CHOOSE = "to choose, in goferry.yml:  builds: {mains: ["
SERVER = 'package main\nimport (\n"net/http"\n"os"\n)\nfunc main() { http.ListenAndServe(os.Getenv("ADDR"), nil) }\n'
PROGRAM = "package main\nfunc main() {}\n"


@pytest.mark.parametrize(
    ("mains", "said"),
    [
        (["./cmd/api"], []),
        ([".", "./cmd/api"], []),
        (["./tools/gen"], []),  # nothing else is there to choose
        (["./cmd/api", "./internal/fixture"], [f"./internal/fixture lies in a folder of helpers and is built too; {CHOOSE}./cmd/api]}}"]),
        ([".", "./hack/a", "./test/e2e/b"], [f"./hack/a, ./test/e2e/b lie in folders of helpers and are built too; {CHOOSE}.]}}"]),
        ([".", *(f"./scripts/{name}" for name in "abcdefg")], [f"./scripts/a, ./scripts/b, ./scripts/c, ./scripts/d, ./scripts/e and 2 more lie in folders of helpers and are built too; {CHOOSE}.]}}"]),
        (["./cmd"], ["./cmd builds a program named cmd, as go install does; move it to ./cmd/shop to name it so"]),
        (["./cmd/tooling", "./toolset"], []),
    ],
)  # fmt: skip
def test_what_is_said_of_main_packages(mains, said):
    assert aside.notes(mains, "example.com/shop/v3") == said


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**files):
        (tmp_path / "go.mod").write_text("module example.com/shop\n")
        for folder, text in files.items():
            place = tmp_path / folder.replace("__", "/")
            place.mkdir(parents=True)
            (place / "main.go").write_text(text)
        return tmp_path

    return write


def test_init_says_so_and_a_choice_ends_it(repository, capsys):
    root = repository(cmd__api=SERVER, tools__gen=PROGRAM)
    assert run(["init", "--dry-run"]) == 0
    assert (
        f"note: ./tools/gen lies in a folder of helpers and is built too; {CHOOSE}./cmd/api]}}\n"
        in capsys.readouterr().out
    )
    assert run(["init", "--dry-run", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["notes"]) == 1
    (root / "goferry.yml").write_text("builds: {mains: [./cmd/api]}\n")
    assert run(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []


def test_two_services_of_one_last_element_get_names_of_their_own(repository):
    root = repository(a__cmd__server=SERVER, b__cmd__server=SERVER, server=SERVER, cmd=SERVER)
    text = start.proposal(survey(root))
    found = {name: each["main"] for name, each in yaml.safe_load(text)["services"].items()}
    assert found == {
        "a-server": "./a/cmd/server",
        "b-server": "./b/cmd/server",
        "server": "./server",
        "shop": "./cmd",
    }
    assert text.count("server: {") == 3


def test_where_no_service_is_named_what_comes_next_deploys_nothing(repository, capsys):
    repository(cmd__shop=PROGRAM)
    assert run(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["goferry test", "goferry build"]
