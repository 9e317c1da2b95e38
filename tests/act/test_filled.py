"""push-to-release.yml for releases that others published without files: by hand, by another action, by a run."""

import json
import re

import pytest
from sampling import sample

NOTES = {"tag_name": "v1.0.0", "name": "Greetings", "body": "What is new"}


def filled(hub, made):
    """Say that the release of the notes is whole, with its notes, and in the order that was promised."""
    assert list(hub.releases.values()) == [made]
    names = [asset.name for asset in made.assets.values()]
    assert names[-2:] == ["SHA256SUMS", "SHA256SUMS.asc"]
    assert (made.draft, made.name) == (False, "Greetings")
    assert made.body.startswith("What is new\n\n<!-- goferry: begin -->")


def test_an_immutable_release_without_files_stops_before_the_build(act, project, signing, github):
    project.commit("Greet again", tag="v1.0.0")
    hub, env, secrets = github(project)
    hub.immutable = True
    github.release(hub, NOTES)
    run = act.run(project, payload=project.tag("v1.0.0"), secrets={**signing.secrets, **secrets}, env=env)
    assert not run.ok
    assert "build" not in run.results
    assert "force-tag-creation" in run["ready"].text


@pytest.fixture(params=sample(["by hand", "release-please.yml", "tag-and-release.yml"]))
def published(request, project, example, github):
    """A release without files that others published, in each of the ways: (the fake, the release, how act is run).

    What makes the tag in a run is replaced by its effects: act starts no Node action of others, and knows no gh.
    """
    steps = {
        "release-please.yml": (
            "        uses: googleapis/release-please-action@.*",
            '        run: echo tag_name=v1.0.0 >>"$GITHUB_OUTPUT"',
        ),
        "tag-and-release.yml": ("      - run: gh api .*", "      - run: 'true'"),
    }
    if request.param in steps:
        line, step = steps[request.param]
        text, changed = re.subn(line, lambda _: step, example(request.param))
        assert changed == 1
        project.workflow(text)
    project.commit("Greet again", tag="v1.0.0")
    hub, env, secrets = github(project)
    made = github.release(hub, NOTES)
    released = project.head
    if request.param == "by hand":
        return hub, made, released, {"event": "push", "payload": project.tag("v1.0.0"), "env": env, "secrets": secrets}
    hub.tags["v1.0.0"] = released
    project.commit("Meanwhile")
    pushed = request.param == "release-please.yml"
    about = ("push", project.push()) if pushed else ("workflow_dispatch", project.dispatch(tag="v1.0.0"))
    return hub, made, released, {"event": about[0], "payload": about[1], "env": env, "secrets": secrets}


def test_a_release_that_others_published_is_filled_with_the_tag_and_not_with_what_the_run_began_with(
    act, project, signing, published
):
    hub, made, released, how = published
    secrets = {**signing.secrets, **how["secrets"]}
    run = act.run(project, how["event"], how["payload"], secrets=secrets, env=how["env"])
    assert run.ok, run.told()
    filled(hub, made)
    assert json.loads(made.named("release.json").data)["commit"] == released
