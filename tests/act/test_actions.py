"""Every composite action, one after the other in one job of a repository that is not ours, in host and Docker mode."""

import json
import re

import pytest
import serving
from acting import modes
from foreign import CONFIG

STEPS = """
on: push
permissions: {}
jobs:
  all:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - {id: before, shell: bash, run: "env | cut -d= -f1 | sort; echo PATH is $PATH; git status --porcelain"}
      - {id: go, uses: OURS/actions/setup-go@v1}
      - {id: gone, shell: bash, run: "go version; go env GOROOT"}
      - {id: inspect, uses: OURS/actions/inspect@v1}
      - {id: build, uses: OURS/actions/cross-compile@v1, with: {archive: true}}
      - {id: image, uses: OURS/actions/build-image@v1, with: {dist: "${{ steps.build.outputs.dist }}"}}
      - id: sign
        uses: OURS/actions/sign/native@v1
        with: {dist: "${{ steps.build.outputs.dist }}", archive: true}
        env: {GOFERRY_SIGNING_KEY: "${{ secrets.GOFERRY_SIGNING_KEY }}"}
      - {id: verify, uses: OURS/actions/verify/native@v1, with: {dist: "${{ steps.sign.outputs.archive }}"}}
      - {id: release, uses: OURS/actions/release@v1, with: {dist: "${{ steps.sign.outputs.archive }}"}}
      - {id: notify, uses: OURS/actions/notify@v1, with: {needs: '{"all": {"result": "success", "outputs": {}}}', when: always}}
      - {id: after, shell: bash, run: "env | cut -d= -f1 | sort; echo PATH is $PATH; git status --porcelain; ls -1 dist"}
"""


@pytest.fixture(scope="module", params=modes("actions"))
def run(request, in_mode, make_repository, signing):
    """The run of all of them, on a tag."""
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust})
    repository.workflow(STEPS.replace("OURS", "octo-org/goferry"))
    repository.commit(tag="v1.2.3")
    with serving.github() as github:
        hub, env, secrets = github(repository)
        secrets = {**signing.secrets, **secrets}
        made = in_mode(request.param)(repository, payload=repository.tag("v1.2.3"), secrets=secrets, env=env)
        assert made.ok, made.told()
        made.hub, made.commit = hub, repository.head
        yield made


def test_setup_go_leaves_go_on_the_path(run):
    outputs = run["all"]["go"].outputs
    assert re.fullmatch(r"1\.\d+\.\d+", outputs["go-version"])
    assert f"go{outputs['go-version']} " in run["all"]["gone"].text
    assert outputs["goroot"] in run["all"]["gone"].lines
    assert outputs["proof"]


def test_inspect_says_what_the_push_means(run):
    outputs = run["all"]["inspect"].outputs
    assert (outputs["version"], outputs["commit"], outputs["push"]) == ("v1.2.3", run.commit, "release")
    assert outputs["snapshot"] == "false"
    assert json.loads(outputs["shards"]) == ["1/1"]
    assert json.loads(outputs["targets"])


def test_a_release_is_built_sealed_and_verified(run):
    build, image, sign, verify = (run["all"][name].outputs for name in ("build", "image", "sign", "verify"))
    assert build["version"] == sign["version"] == verify["version"] == "v1.2.3"
    assert build["dist"] == "dist"
    assert json.loads(build["artifacts"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
    assert re.fullmatch(r"(sha256:)?[0-9a-f]{64}", sign["digest"])
    assert sign["digest"] == verify["digest"]
    assert verify["signers"]
    assert "release.json" in run["all"]["after"].lines
    assert "SHA256SUMS.asc" in run["all"]["after"].lines


def test_the_release_is_published_and_the_end_is_told(run):
    (release,) = run.hub.releases.values()
    assert not release.draft
    assert run["all"]["release"].outputs["release"] == f"v1.2.3@sha256:{run['all']['sign'].outputs['digest']}"
    assert run["all"]["notify"].outputs == {"sent": "false", "conclusion": "success"}


def test_nothing_else_is_left_in_the_callers_environment(run):
    before, after = (set(run["all"][name].lines) for name in ("before", "after"))
    added = {line for line in after - before if re.fullmatch("[A-Z][A-Z0-9_]*", line)}
    added = {name for name in added if not name.startswith(("GOFERRY_", "SHA256SUMS"))}
    assert added <= {"GOROOT", "GOTOOLCHAIN", "GOFLAGS"}, added
    (path,) = (line.removeprefix("PATH is ") for line in after if line.startswith("PATH is "))
    (old,) = (line.removeprefix("PATH is ") for line in before if line.startswith("PATH is "))
    new = path.removesuffix(old).strip(":").split(":")
    assert len(new) == 1, new
    assert new[0].startswith(run["all"]["go"].outputs["goroot"])


def test_the_workspace_stays_clean(run):
    left = [line for line in run["all"]["after"].lines if line.startswith(("?? ", " M "))]
    assert left == []


def test_every_step_tells_its_part_in_the_summary(run):
    for name in ("build", "verify"):
        assert run["all"][name].summary.strip(), name
    assert "v1.2.3" in run["all"].summary


ONE = """
on: push
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    permissions: {contents: write}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - id: all
        uses: octo-org/goferry@v1
        env: {GOFERRY_SIGNING_KEY: "${{ secrets.GOFERRY_SIGNING_KEY }}"}
"""


@pytest.mark.parametrize("mode", modes("actions"))
def test_the_whole_way_in_one_step(in_mode, mode, repository, signing, github):
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust})
    repository.workflow(ONE)
    repository.commit(tag="v1.9.0")
    hub, env, secrets = github(repository)
    secrets = {**signing.secrets, **secrets}
    run = in_mode(mode)(repository, payload=repository.tag("v1.9.0"), secrets=secrets, env=env)
    assert run.ok, run.told()
    outputs = run["one"]["all"].outputs
    assert (outputs["version"], outputs["snapshot"]) == ("v1.9.0", "false")
    assert outputs["release"].startswith("v1.9.0@sha256:")
    (release,) = hub.releases.values()
    assert not release.draft
    assert "v1.9.0" in run["one"].summary
