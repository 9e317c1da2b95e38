"""The local target: what serves is told also when the environment's rules refuse a release before the agent is asked."""

from pathlib import Path

import pytest

from goferry import deploy
from goferry.config.settings import Settings
from goferry.deploy import client, local
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import SnapshotRefused
from goferry.observe.events import Stream

LIVE = {"live": {"api": {"version": "v1.0.0", "state": "healthy"}}, "busy": False}


@pytest.mark.parametrize(("there", "said"), [(True, "api v1.0.0"), (False, "nothing")])
def test_a_release_that_the_rules_refuse_says_what_serves(there, said, tmp_path, monkeypatch):
    def refuse(*_):
        raise SnapshotRefused("it is a snapshot", state="Nothing was changed.")

    monkeypatch.setattr(deploy, "judge_accepts", refuse)
    if there:
        monkeypatch.setattr(local, "status", lambda *_, **__: LIVE)
    with pytest.raises(SnapshotRefused) as caught:
        deploy.deploy(
            tmp_path / "dist",
            deploy.Target(tmp_path / "run"),
            settings=Settings({}, Path("/nonexistent")),
            stream=Stream(),
            accepts="releases",
        )
    assert caught.value.state == f"Nothing was changed.\nServing now: {said}"
    assert not (tmp_path / "run").exists()


WHERE = "--target ssh --host web-1 --identity deploy"


@pytest.mark.parametrize(
    ("line", "placed"),
    [
        ("what is live:  goferry status --target ssh --host HOST", f"what is live:  goferry status {WHERE}"),
        ("see what else is held:  goferry status", f"see what else is held:  goferry status {WHERE}"),
        ("then:  goferry rollback --to v1.0.0", f"then:  goferry rollback --to v1.0.0 {WHERE}"),
        ("deploy a release instead:  goferry deploy DIST", f"deploy a release instead:  goferry deploy DIST {WHERE}"),
        ("as it is:  goferry status --host web-9", "as it is:  goferry status --host web-9"),
        ("make room on the disk", "make room on the disk"),
    ],
)
def test_a_host_s_advice_says_on_which_target(line, placed):
    assert client.placed(line, WHERE) == placed


def test_a_deploy_to_a_folder_names_the_trust_file_too():
    assert client.placed("goferry deploy DIST", "--target local --root run").endswith("--root run --trust FILE")


def test_what_is_no_target_is_an_error_of_its_own(tmp_path):
    with pytest.raises(GoferryError) as caught:
        deploy.status(deploy.Target(tmp_path / "run"), settings=Settings({}, Path("/nonexistent")))
    assert (caught.value.name, caught.value.exit_code) == ("target-missing", 2)
