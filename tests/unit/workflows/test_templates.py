import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from goferry.pipeline import starter_workflows
from goferry.pipeline.rendering import TemplateSource
from goferry.pipeline.starter_workflows import TagUnknown, TemplateForeign, TemplatesMissing

SOURCE = starter_workflows.SOURCE
NAMES = ["goferry-pull-request", "goferry-push-to-deploy", "goferry-release"]
SHA = "0123456789abcdef0123456789abcdef01234567"
PLACE = TemplateSource("acme/goferry", SHA, "v1.2.3")
CATEGORIES = {"continuous integration", "deployment", "automation", "code scanning", "dependency review", "pages"}


def problems(folder):
    """The rules of actions/starter-workflows' script/validate-data, for an organisation's folder (all side by side)."""
    found, names = [], set()
    for workflow in sorted(folder.glob("*.y*ml")):
        yaml.safe_load(workflow.read_text())
        properties = json.loads((folder / f"{workflow.stem}.properties.json").read_text())
        for key, kind in {"name": str, "description": str, "iconName": str, "categories": list}.items():
            if not isinstance(properties.get(key), kind):
                found.append(f"{workflow.name}: {key}")
        if not isinstance(properties.get("creator", ""), str) or not properties.get("name", "").strip():
            found.append(f"{workflow.name}: name or creator")
        if properties["name"] in names:
            found.append(f"{workflow.name}: name exists")
        names.add(properties["name"])
        icon = properties["iconName"]
        octicon = re.match(r"octicon\s+(\S+)", icon)
        if not octicon and not (folder / f"{icon}.svg").is_file():
            found.append(f"{workflow.name}: no icon {icon}")
        categories = properties.get("categories") or [""]
        if not all(isinstance(each, str) for each in categories) or categories[0].lower() not in CATEGORIES:
            found.append(f"{workflow.name}: first category")
        if categories[0].lower() == "deployment" and not properties.get("creator"):
            found.append(f"{workflow.name}: creator")
    return found


@pytest.fixture
def synced(tmp_path):
    starter_workflows.write(starter_workflows.plan(tmp_path, PLACE))
    return tmp_path / "workflow-templates"


def test_the_starters_pass_githubs_rules(synced):
    assert sorted(path.stem for path in SOURCE.glob("*.yml")) == NAMES
    assert problems(SOURCE) == []
    assert problems(synced) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "},
        {"name": "Goferry pull request"},
        {"description": None},
        {"iconName": "absent"},
        {"categories": []},
        {"categories": ["Go"]},
        {"creator": ""},
    ],
)
def test_the_rules_catch_a_broken_starter(synced, change):
    file = synced / "goferry-push-to-deploy.properties.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert problems(synced)


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_is_what_its_readers_expect(name):
    properties = json.loads((SOURCE / f"{name}.properties.json").read_text())
    assert set(properties) == {"name", "description", "iconName", "creator", "categories", "filePatterns"}
    assert re.fullmatch(r"[A-Z][a-z ]+", properties["name"])
    assert any(re.search(pattern, "go.mod") for pattern in properties["filePatterns"])
    text = (SOURCE / f"{name}.yml").read_text()
    assert text.startswith("# This workflow uses actions that are not certified by GitHub.")
    assert "[$default-branch]" in text
    assert set(re.findall(r"\$[a-z][a-z-]+", text)) <= {"$default-branch", "$protected-branches", "$cron-weekly"}
    assert yaml.safe_load(text)["name"] == properties["name"]
    icon = ET.fromstring((SOURCE / f"{name}.svg").read_text())
    assert icon.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [each for each in icon.iter() if each.tag.endswith(("script", "image", "foreignObject", "use"))]


def test_what_is_written_names_the_owner_and_the_commit(synced):
    assert sorted(path.name for path in synced.iterdir()) == sorted(
        f"{name}{end}" for name in NAMES for end in (".yml", ".properties.json", ".svg")
    )
    for path in synced.glob("*.yml"):
        text = path.read_text()
        assert "acme/goferry/" in text
        assert not re.search(r"OWNER|0{40}|v0\.0\.0", text)
        assert all(line.endswith(f"@{SHA} # v1.2.3") for line in text.splitlines() if "uses: acme/goferry/" in line)


def test_twice_is_once(tmp_path, synced):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in synced.iterdir()}
    changes = starter_workflows.plan(tmp_path, PLACE)
    assert {change.action for change in changes} == {"unchanged"}
    starter_workflows.write(changes)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in synced.iterdir()} == before


def test_a_newer_version_updates_the_workflows_alone(tmp_path, synced):
    changes = starter_workflows.plan(tmp_path, TemplateSource("acme/goferry", "f" * 40, "v2.0.0"))
    assert {change.path.suffix: change.action for change in changes} == {
        ".yml": "update",
        ".json": "unchanged",
        ".svg": "unchanged",
    }
    starter_workflows.write(changes)
    assert "f" * 40 + " # v2.0.0" in (synced / "goferry-release.yml").read_text()


def test_other_workflows_beside_are_left_alone(tmp_path, synced):
    (synced / "node.yml").write_text("name: Node\n")
    starter_workflows.write(starter_workflows.plan(tmp_path, TemplateSource("acme/goferry", "f" * 40, "v2.0.0")))
    assert (synced / "node.yml").read_text() == "name: Node\n"


def foreign_text(folder):
    (folder / "workflow-templates" / "goferry-release.yml").write_text("name: Ours\n")


def foreign_icon(folder):
    (folder / "workflow-templates" / "goferry-release.yml").unlink()
    (folder / "workflow-templates" / "goferry-release.svg").write_text("<svg/>")


def a_link(folder):
    (folder / "workflow-templates" / "goferry-release.svg").unlink()
    (folder / "workflow-templates" / "goferry-release.svg").symlink_to(folder / "elsewhere")


def a_dangling_folder(folder):
    (folder / "workflow-templates").rename(folder / "moved")
    (folder / "workflow-templates").symlink_to(folder / "moved")


def a_folder(folder):
    (folder / "workflow-templates" / "goferry-release.svg").unlink()
    (folder / "workflow-templates" / "goferry-release.svg").mkdir()


@pytest.mark.parametrize("spoil", [foreign_text, foreign_icon, a_link, a_dangling_folder, a_folder])
def test_what_others_wrote_is_never_overwritten(tmp_path, synced, spoil):
    spoil(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(TemplateForeign) as caught:
        starter_workflows.plan(tmp_path, TemplateSource("acme/goferry", "f" * 40, "v2.0.0"))
    assert caught.value.exit_code == 3
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_without_the_starters_there_is_a_named_error(tmp_path):
    with pytest.raises(TemplatesMissing):
        starter_workflows.plan(tmp_path, PLACE, source=tmp_path)


@pytest.fixture
def checkout(tmp_path):
    """A repository with an annotated tag v1.0.0, and its commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": os.devnull}

    def git(*words):
        settings = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        return subprocess.run(
            ["git", *settings, *words], cwd=folder, env=environ, check=True, capture_output=True, text=True
        ).stdout.strip()

    (folder / "workflows-templates").mkdir()
    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "x")
    git("tag", "-a", "-m", "x", "v1.0.0")
    git("branch", "v2.0.0")
    return folder, environ, git("rev-parse", "HEAD")


def test_a_tag_is_its_commit_and_nothing_else_is_taken_for_one(checkout):
    folder, environ, commit = checkout
    assert starter_workflows.commit_of("v1.0.0", environ, folder) == commit
    for tag in ("v9", "v2.0.0", "HEAD", "", "--all", "-x", "v1.0.0\nHEAD", "v1.0.0^{tree}", "../heads/v2.0.0"):
        with pytest.raises(TagUnknown):
            starter_workflows.commit_of(tag, environ, folder)


def test_a_goferry_without_a_checkout_asks_no_other_repository(checkout):
    folder, environ, _ = checkout
    (folder / "workflows-templates").rmdir()
    with pytest.raises(TemplatesMissing):
        starter_workflows.commit_of("v1.0.0", environ, folder)


def test_a_commit_is_given_whole():
    assert starter_workflows.checked_commit(SHA) == SHA
    for sha in ("main", SHA[:12], SHA.upper(), SHA + "0", ""):
        with pytest.raises(TagUnknown):
            starter_workflows.checked_commit(sha)


def test_the_command(tmp_path):
    from click.testing import CliRunner

    from goferry.cli import sync_templates

    def sync(*words):
        done = CliRunner().invoke(
            sync_templates.command, [str(tmp_path), "--owner", "acme", "--ref", "v1.2.3", "--sha", SHA, *words]
        )
        assert done.exit_code == 0, done.output
        return done.output

    assert "nothing was written" in sync("--dry-run")
    assert not list(tmp_path.iterdir())
    record = json.loads(sync("--json"))
    assert record["changed"] is True
    assert record["repository"] == "acme/goferry"
    assert {each["action"] for each in record["files"]} == {"create"}
    assert json.loads(sync("--json"))["changed"] is False
    assert Path(record["folder"]).name == "workflow-templates"
