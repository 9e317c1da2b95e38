"""The starter workflows as an organisation's members get them: synced, chosen in a new repository, and pushed."""

import pytest
from foreign import CONFIG
from sampling import sample

COMMIT = "c" * 40
STARTERS = ("goferry-release", "goferry-push-to-deploy", "goferry-pull-request")


@pytest.fixture(scope="module")
def starters(ours, tmp_path_factory, goferry):
    """The organisation's `.github` repository after `goferry sync-templates`."""
    folder = tmp_path_factory.mktemp("organisation") / ".github"
    folder.mkdir()
    goferry("sync-templates", folder, "--owner", "octo-org", "--ref", "v1.0.0", "--sha", COMMIT)
    return folder / "workflow-templates"


def _chosen(starters, name):
    """What GitHub puts into a repository whose default branch is main."""
    return (
        (starters / f"{name}.yml").read_text().replace("$default-branch", "main").replace("$protected-branches", "main")
    )


@pytest.mark.parametrize("name", sample(STARTERS, 2))
def test_a_starter_workflow_runs(act, make_repository, starters, ours, signing, name):
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust})
    repository.workflow(_chosen(starters, name))
    repository.commit()
    served = {f"octo-org/goferry@{COMMIT}": ours}
    if name == "goferry-pull-request":
        run = act.run(repository, "pull_request", repository.pull_request(), served=served)
        assert run.results == {"check": "success"}, run.told()
    else:
        run = act.run(repository, secrets=signing.secrets, served=served)
        assert run.results == {"plan": "success", "build": "success", "test": "success", "package": "success"}, (
            run.told()
        )
        assert "goferry-release" in run.artifacts
