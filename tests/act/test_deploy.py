"""The chain to its end: ten lines of YAML to a release, ten more to a systemd host that answers with the new version.

One repository, one host and one fake GitHub; the tests go on from each other, as pushes do.
"""

import subprocess
import urllib.request
from types import SimpleNamespace

import pytest
import serving
from acting import modes
from foreign import CONFIG, SERVICE, TEST
from sampling import full, sample

CRASHING = SERVICE.replace("import (\n", 'import (\n\t"time"\n').replace(
    "func main() {\n", 'func main() {\n\tgo func() { time.Sleep(time.Second); println("panic: lost the database"); os.Exit(3) }()\n'
)  # fmt: skip


@pytest.fixture(scope="module", params=modes("deploy"))
def story(
    request, in_mode, docker_actions, tampering, make_repository, shared_host, signing, goferry, part, tmp_path_factory
):
    """A provisioned host, and a repository that knows it; `push(tag)` releases and deploys what lies there."""
    keys = tmp_path_factory.mktemp("deploy")
    subprocess.run([part("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", keys / "deploy"], check=True)
    repository = make_repository()
    host = f"'127.0.0.1:{shared_host.port}'"
    config = CONFIG.replace("bake: 1", "bake: 3") + f"environments:\n  production: {{target: ssh, hosts: [{host}]}}\n"
    repository.write(
        {
            "goferry.yml": config,
            "goferry.trust": signing.trust,
            ".goferry/known_hosts": shared_host.known_hosts.read_text(),
        }
    )
    goferry(
        "provision", "--environment", "production", "--dir", repository.folder, "--deploy-key", keys / "deploy.pub",
        "--trust", repository.folder / "goferry.trust", "--identity", shared_host.root_key, cwd=repository.folder,
    )  # fmt: skip
    with serving.github() as github:
        hub, env, token = github(repository)
        secrets = {**signing.secrets, **token, "GOFERRY_DEPLOY_KEY": (keys / "deploy").read_text()}

        def go(event, payload, harm=""):
            served = {**docker_actions, **(tampering(harm) if harm else {})}
            return in_mode(request.param)(repository, event, payload, secrets=secrets, env=env, served=served)

        def push(tag, workflow, main=SERVICE, harm=""):
            repository.write({"main.go": main, "main_test.go": TEST})
            repository.workflow(workflow)
            repository.commit(f"Make {tag}", tag=tag)
            return go("push", repository.tag(tag), harm)

        def dispatch(workflow, **inputs):
            repository.workflow(workflow)
            return go("workflow_dispatch", repository.dispatch(**inputs))

        def answer():
            with urllib.request.urlopen(shared_host.url(8080), timeout=10) as reply:
                return reply.read().decode().split()[0]

        yield SimpleNamespace(push=push, dispatch=dispatch, answer=answer, references={}, hub=hub)


def test_a_tag_is_released_and_answers_on_the_host(story, example):
    run = story.push("v1.0.0", example("release-and-deploy.yml"))
    assert run.ok, run.told()
    assert run.results["production"] == "success"
    (deployed,) = (step for step in run["production"].steps.values() if "outcome" in step.outputs)
    assert (deployed.outputs["outcome"], deployed.outputs["version"]) == ("deployed", "v1.0.0")
    assert story.answer() == "v1.0.0"
    assert "v1.0.0" in run["production"].summary


def test_a_version_that_crashes_goes_back_by_itself_and_says_why(story, example):
    run = story.push("v1.1.0", example("release-and-deploy.yml"), CRASHING)
    assert not run.ok
    assert run.results["release"] == "success"
    assert run.results["production"] == "failure"
    told = [text for _, text in run["production"].steps["1"].annotations("error")]
    assert told, run.told()
    assert "greeter" in "\n".join(told)
    assert "lost the database" in run["production"].text
    assert story.answer() == "v1.0.0"


def test_one_call_releases_and_deploys(story, example):
    run = story.push("v1.2.0", example("push-to-deploy.yml"))
    assert run.ok, run.told()
    assert story.answer() == "v1.2.0"
    story.references["v1.2.0"] = next(step.outputs["release"] for step in run.steps if step.outputs.get("release"))


ROLLBACKS = ("rollback-shared-key.yml", "rollback.yml")


@pytest.mark.parametrize("workflow", sample(ROLLBACKS))
def test_rollback_brings_the_old_one_back_and_promote_the_new(story, example, workflow):
    run = story.dispatch(example(workflow), environment="production")
    assert run.ok, run.told()
    assert story.answer() == "v1.0.0"
    promote = example(workflow.replace("rollback", "promote"))
    run = story.dispatch(promote, environment="production", release=story.references["v1.2.0"])
    assert run.ok, run.told()
    assert story.answer() == "v1.2.0"


def test_a_dry_run_changes_nothing(story, example):
    run = story.dispatch(example("rollback.yml"), environment="production", **{"dry-run": "true"})
    assert run.ok, run.told()
    assert story.answer() == "v1.2.0"


@full()
def test_a_wrong_signature_between_the_jobs_stops_it(story, example):
    run = story.push("v1.3.0", example("push-to-deploy.yml"), harm="a stranger's signature")
    assert not run.ok
    assert "key-unknown" in [title for step in run.steps for title, _ in step.annotations("error")], run.told()
    assert {release.tag_name for release in story.hub.releases.values() if not release.draft} == {
        "v1.0.0",
        "v1.1.0",
        "v1.2.0",
    }
    assert "deploy" not in run.results, run.results
    assert story.answer() == "v1.2.0"


def test_a_release_that_a_stranger_signed_over_is_not_deployed(story, example, stranger):
    """Whoever can write to the releases puts a signature of his own beside the same bytes."""
    reference = story.references["v1.2.0"]
    release = next(each for each in story.hub.releases.values() if each.tag_name == "v1.2.0")
    asset = next(each for each in release.assets.values() if each.name == "SHA256SUMS.asc")
    listed = next(each.data for each in release.assets.values() if each.name == "SHA256SUMS")
    run = story.dispatch(example("rollback.yml"), environment="production")
    assert run.ok, run.told()
    kept, asset.data = asset.data, stranger(listed)
    run = story.dispatch(example("promote.yml"), environment="production", release=reference)
    asset.data = kept
    assert not run.ok
    ((title, _),) = run["promote"].steps["1"].annotations("error")
    assert title == "key-unknown", run.told()
    assert story.answer() == "v1.0.0"
