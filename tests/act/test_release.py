"""push-to-release.yml, called in ten lines by a repository that is not ours: what each kind of push comes to."""

import functools
import json
import re
import tarfile

import pytest
from acting import modes
from foreign import CONFIG, SMALL
from harming import HARM
from sampling import FULL, sample

REFUSALS = {
    "a byte of a binary": "file-altered",
    "a byte of the signature": "signature-malformed",
    "a stranger's signature": "key-unknown",
}
SHA256 = re.compile(r"[0-9a-f]{64}")


def test_a_pull_request_is_tested_and_built_without_a_secret(act, project):
    run = act.run(project, "pull_request", project.pull_request(fork="visitor/greeter"), secrets={})
    assert run.ok, run.told()
    assert run.results == {"plan": "success", "build": "success", "test": "success", "package": "success"}
    assert run["plan"]["inspect"].outputs["push"] == "pull-request"
    assert "sign" not in run["package"].steps


def test_a_branch_leaves_a_sealed_snapshot_joined_from_its_shards(act, project, signing):
    project.write({"goferry.yml": CONFIG.replace("[linux/amd64]", "[linux/amd64, linux/arm64]")})
    project.commit("Build for arm64 too")
    run = act.run(project, secrets=signing.secrets)
    assert run.ok, run.told()
    assert run["plan"]["inspect"].outputs["push"] == "snapshot"
    assert run["package"]["sign"].outputs["digest"]
    assert run.results == {"plan": "success", "build": "success", "test": "success", "package": "success"}
    assert len(run.legs("build")) == len(json.loads(run["plan"]["inspect"].outputs["shards"])) == 2
    with tarfile.open(fileobj=run.artifact("goferry-release", "dist.tar")) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"release.json", "SHA256SUMS", "SHA256SUMS.asc", "greeter_linux_amd64", "greeter_linux_arm64"} <= names


@pytest.mark.parametrize("again", [FULL], ids=["twice" if FULL else "once"])
@pytest.mark.parametrize("mode", modes("release"))
def test_a_tag_becomes_a_release(again, in_mode, mode, project, signing, github, goferry, tmp_path):
    project.commit("Greet again", tag="v1.0.0")
    hub, env, secrets = github(project)
    push = functools.partial(
        in_mode(mode), project, payload=project.tag("v1.0.0"), secrets={**signing.secrets, **secrets}, env=env
    )
    run = push()
    assert run.ok, run.told()
    (release,) = hub.releases.values()
    assert not release.draft
    names = {asset.name for asset in release.assets.values()}
    assert {"release.json", "SHA256SUMS", "SHA256SUMS.asc"} <= names
    reference = run["release"]["release"].outputs["release"]
    assert re.fullmatch(r"v1\.0\.0@sha256:[0-9a-f]{64}", reference)
    assert "v1.0.0" in run.summary
    # The bytes that anybody gets are the ones that were signed.
    trust = tmp_path / "goferry.trust"
    trust.write_text(signing.trust)
    fetched = tmp_path / "fetched"
    goferry("fetch", reference, "--out", fetched, "--repository", project.name, env={**env, **secrets})
    assert json.loads(goferry("verify", fetched, "--trust", trust, "--json"))["version"] == "v1.0.0"
    if not again:
        return
    # Run again as a whole: the same files, sealed another time.
    before = [(asset.name, asset.data) for asset in release.assets.values()]
    second = push()
    assert second.ok, second.told()
    assert second["package"]["sign"].outputs["digest"] not in reference
    assert second["release"]["release"].outputs["release"] == reference
    assert [(asset.name, asset.data) for asset in release.assets.values()] == before


@pytest.mark.parametrize("harm", sample(sorted(HARM)))
def test_what_changes_between_the_jobs_is_refused(harm, act, project, signing, github, tampering, catcher):
    hub, env, secrets = github(project)
    secrets = {**signing.secrets, **secrets, "GOFERRY_WEBHOOK_URL": catcher.url}
    project.workflow((project.folder / ".github/workflows/ci.yml").read_text().replace(
        "secrets: {", "secrets: {GOFERRY_WEBHOOK_URL: '${{ secrets.GOFERRY_WEBHOOK_URL }}', "))  # fmt: skip
    project.commit("Greet again", tag="v1.0.0")
    run = act.run(project, payload=project.tag("v1.0.0"), secrets=secrets, env=env, served=tampering(harm))
    assert not run.ok
    assert run.results == {
        "plan": "success",
        "ready": "success",
        "build": "success",
        "test": "success",
        "package": "success",
        "release": "failure",
        "notify": "success",
    }
    ((title, message),) = run["release"]["release"].annotations("error")
    assert title == REFUSALS[harm], message
    assert not hub.releases
    assert [body for body in catcher.got if title in json.dumps(body)]
    assert len(catcher.got) == 1


def test_a_red_test_stops_it_and_the_team_learns_why(act, project, signing, catcher):
    project.write({"main_test.go": SMALL["main_test.go"].replace('word() == ""', 'word() == "hello"')})
    project.workflow((project.folder / ".github/workflows/ci.yml").read_text().replace(
        "secrets: {", "secrets: {GOFERRY_WEBHOOK_URL: '${{ secrets.GOFERRY_WEBHOOK_URL }}', "))  # fmt: skip
    project.commit("Break the test")
    run = act.run(project, secrets={**signing.secrets, "GOFERRY_WEBHOOK_URL": catcher.url})
    assert not run.ok
    assert run.results == {"plan": "success", "build": "success", "test": "failure", "notify": "success"}
    assert run.annotations("error")
    assert "TestWord" in run["test"].text
    (body,) = catcher.got
    assert "TestWord" in json.dumps(body)


def test_a_release_without_a_key_says_which_secret_is_missing(act, project, github):
    project.commit("Greet again", tag="v1.0.0")
    hub, env, secrets = github(project)
    run = act.run(project, payload=project.tag("v1.0.0"), secrets=secrets, env=env)
    assert not run.ok
    assert "GOFERRY_SIGNING_KEY" in run["ready"].text
    assert not hub.releases
    assert {name: run.results[name] for name in ("plan", "ready")} == {"plan": "success", "ready": "failure"}
    assert "build" not in run.results, "nothing was built for a release that can't be sealed"


def test_no_tag_is_released_for_a_pull_request(act, project, example, signing, github):
    text = example("release.yml").replace("    secrets:", "    with: {tag: v1.0.0}\n    secrets:")
    project.workflow(text)
    project.commit("Greet again", tag="v1.0.0")
    hub, env, secrets = github(project)
    run = act.run(project, "pull_request", project.pull_request(), secrets={**signing.secrets, **secrets}, env=env)
    assert not run.ok
    assert "tag-forbidden" in run["plan"].text
    assert not hub.releases
    assert "package" not in run.results
