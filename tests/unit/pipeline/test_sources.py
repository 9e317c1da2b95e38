from types import SimpleNamespace

import pytest

from goferry.pipeline import _sources as sources


@pytest.fixture
def project(tmp_path):
    """A project with a module in its own folder and one below it."""
    repo = tmp_path / "repo"
    for folder in (repo, repo / "api"):
        folder.mkdir()
        (folder / "go.mod").write_text(f"module example.com/{folder.name}\n")
        (folder / "go.sum").write_text("")
    (repo / "main.go").write_text("package main\n")
    return SimpleNamespace(directory=repo, modules={"example.com/repo": ".", "example.com/repo/api": "api"})


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "api/go.mod", "api/go.sum", "vendor/modules.txt"])
def test_what_says_which_modules_are_needed_counts(project, name):
    before = sources.modules(project)
    path = project.directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("another\n")
    assert sources.modules(project) != before


def test_a_workspace_of_the_repository_counts_and_source_does_not(project):
    before = sources.modules(project)
    (project.directory / "main.go").write_text("package other\n")
    assert sources.modules(project) == before
    (project.directory / ".git").mkdir()
    (project.directory / "go.work").write_text("go 1.26\nuse ./api\n")
    assert sources.modules(project).keys() - before.keys() == {"go.work"}
