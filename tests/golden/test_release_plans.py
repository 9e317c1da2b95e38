"""What is on GitHub and what should be → the steps between, or a refusal; and no step is left when they were taken."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from goferry.kernel.errors import GoferryError
from goferry.release import _notes as notes
from goferry.release._inventory import Asset, GitHubRelease, LocalRelease, ReleaseFile, Remote
from goferry.release._release_plan import plan

CASES = sorted((Path(__file__).parent / "release").glob("*.json"))


def facts(case):
    local = {**case["local"], "files": tuple(ReleaseFile(**file) for file in case["local"]["files"])}
    releases = [
        GitHubRelease(**{**release, "assets": tuple(Asset(**asset) for asset in release.get("assets", ()))})
        for release in case["remote"].get("releases", ())
    ]
    remote = {**case["remote"], "releases": tuple(releases), "published": tuple(case["remote"].get("published", ()))}
    return LocalRelease(**local), Remote(**remote)


def outcome(case):
    try:
        planned = plan(*facts(case))
    except GoferryError as error:
        return {"refusal": error.name, "exit_code": error.exit_code}
    chosen = planned.release.id if planned.release else 0
    return {"release": chosen, "kept": list(planned.kept), "steps": [step.as_json() for step in planned.steps]}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_plan(path):
    case = json.loads(path.read_text())
    assert outcome(case) == case["expected"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_nothing_is_left_to_do_after_the_steps(path):
    case = json.loads(path.read_text())
    if "refusal" in case["expected"]:
        return
    local, remote = facts(case)
    assets, draft, found = {}, True, plan(local, remote).release
    if found:
        assets, draft = {asset.id: asset for asset in found.assets}, found.draft
    for number, step in enumerate(plan(local, remote).steps, 1000):
        if step.do == "delete-asset":
            del assets[step.id]
        elif step.do == "upload":
            assert step.name not in {asset.name for asset in assets.values()}
            assets[number] = Asset(number, step.name, step.size, step.sha256)
        elif step.do == "publish":
            draft = False
    body = found.body if found else notes.draft()
    after = GitHubRelease(7, local.tag, draft=draft, body=body, assets=tuple(assets.values()))
    again = plan(local, replace(remote, releases=(after,)))
    assert [step.do for step in again.steps] == (["verify"] if local.draft else [])
