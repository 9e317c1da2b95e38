"""The Docker actions, built from this repository's Dockerfile: in host mode, and in a job that is a container itself."""

import pytest
from foreign import CONFIG

STEPS = """
on: push
jobs:
  trust:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - {shell: bash, run: chown -R 1000:1000 .}
      - id: sign
        uses: OURS/actions/sign@v1
        with: {dist: dist, archive: true, sequence: 7}
        env: {GOFERRY_SIGNING_KEY: "${{ secrets.GOFERRY_SIGNING_KEY }}"}
      - {id: verify, uses: OURS/actions/verify@v1, with: {dist: "${{ steps.sign.outputs.dist }}"}}
      - {id: parcel, uses: OURS/actions/verify@v1, with: {dist: "${{ steps.sign.outputs.archive }}"}}
      - {id: twin, uses: OURS/actions/verify/native@v1, with: {dist: "${{ steps.sign.outputs.dist }}"}}
      - {id: owners, shell: bash, run: "find . -not -uid 1000 -not -path './.git*'; echo done"}
      - {id: flip, shell: bash, run: "printf x | dd of=dist/greeter_linux_amd64 bs=1 seek=5000 conv=notrunc"}
      - {id: refused, uses: OURS/actions/verify@v1, with: {dist: dist}, continue-on-error: true}
      - {id: refused-too, uses: OURS/actions/verify/native@v1, with: {dist: dist}, continue-on-error: true}
      - {id: unsigned, uses: OURS/actions/sign@v1, with: {dist: dist}, continue-on-error: true}
"""


@pytest.fixture(scope="module")
def built(make_repository, goferry, signing):
    """A repository whose last commit holds a dist/ that was built from the one before."""
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust, ".gitignore": "/dist.tar\\n"})
    repository.workflow(STEPS.replace("OURS", "octo-org/goferry"))
    repository.commit(tag="v1.0.0")
    goferry("build", "--out", repository.folder / "dist", cwd=repository.folder)
    repository.commit("Keep what was built")
    return repository


def _holds(run):
    job = run["trust"]
    assert job["sign"].outputs["version"] == "v1.0.0", run.told()
    assert job["sign"].outputs["sequence"] == "7"
    assert job["verify"].outputs == {**job["twin"].outputs}
    assert job["parcel"].outputs["digest"] == job["sign"].outputs["digest"]
    assert job["owners"].lines == ["done"], "files of root are left in the workspace"
    for name in ("refused", "refused-too"):
        assert job[name].result == "failure", run.told()
        ((title, message),) = job[name].annotations("error")
        assert title == "file-altered"
        assert "greeter_linux_amd64" in message
    ((title, message),) = job["unsigned"].annotations("error")
    assert "GOFERRY_SIGNING_KEY" in message


def test_in_host_mode(act, docker_actions, built, signing):
    _holds(act.run(built, secrets=signing.secrets, served=docker_actions))


def test_in_docker_mode(act, runner_image, docker_actions, built, signing):
    _holds(act.run(built, secrets=signing.secrets, served=docker_actions, docker=True))
