"""What `init` has git ignore: the dist/ of each project, unless a line names it already."""

import subprocess

import pytest

from goferry.cli.main import run
from goferry.config.ignored import ignore
from goferry.config.load import folders


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["."]),
        ("services: {api: {main: ., listen: {env: ADDR}}}", ["."]),
        ("dir: service", ["service"]),
        ("projects: {api: {dir: api}, web: {dir: ./apps/web/}, top: {}}", ["api", "./apps/web/", "."]),
        ("projects: [", ["."]),
    ],
)
def test_a_configuration_says_in_which_folders_builds_write(text, found):
    assert folders(text) == found


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ("", ["/dist/", "/api/dist/", "/apps/we\\[b]/dist/"]),
        ("/dist/\n", ["/api/dist/", "/apps/we\\[b]/dist/"]),
        ("dist/  \r\n", []),
        ("**/dist\n", []),
        ("/dist\napi/dist\n", ["/apps/we\\[b]/dist/"]),
        ("dist2\n", ["/dist/", "/api/dist/", "/apps/we\\[b]/dist/"]),
    ],
)
def test_each_project_s_dist_is_ignored_by_git(tmp_path, lines, missing):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    path = tmp_path / ".gitignore"
    path.write_text(lines)
    projects = [".", "api", "./apps/we[b]/", "../other", "a\nb"]
    assert ignore(tmp_path, projects, dry_run=True) == missing
    assert path.read_text() == lines.replace("\r", "")
    assert ignore(tmp_path, projects) == missing
    assert ignore(tmp_path, projects) == []
    files = [f"{folder}/file" for folder in ("dist", "api/dist", "apps/we[b]/dist")]
    told = subprocess.run(["git", "-C", tmp_path, "check-ignore", *files], capture_output=True, text=True, check=False)
    assert told.stdout.splitlines() == files


@pytest.mark.parametrize("above", [".gitignore", "api/.gitignore"])
def test_a_line_above_or_in_the_project_s_own_folder_is_enough(tmp_path, above):
    (tmp_path / ".git").mkdir()
    (tmp_path / "api" / "v2").mkdir(parents=True)
    (tmp_path / above).write_text("dist/\n")
    assert ignore(tmp_path / "api", (".", "v2")) == []
    assert ignore(tmp_path, ["api"]) == []


def test_init_ignores_what_a_project_in_a_folder_builds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "go.mod").write_text("module example.com/shop/api\n")
    (tmp_path / "goferry.yml").write_text("projects:\n  api: {dir: api}\n")
    assert run(["init"]) == 0
    assert "added /api/dist/ to .gitignore" in capsys.readouterr().out
    assert (tmp_path / ".gitignore").read_text() == "/api/dist/\n"
