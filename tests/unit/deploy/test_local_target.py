"""What serves is told also when nothing was asked yet: rules that refuse a release, an `up` that fails before it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from goferry import deploy
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.deploy import _client as client
from goferry.deploy.live import Status
from goferry.kernel.errors import Failed, GoferryError
from goferry.kernel.outcomes import SnapshotRefused
from goferry.observe import report
from goferry.observe.events import Stream
from goferry.pipeline import chain, up
from goferry.pipeline.project import ProjectRequest
from goferry.pipeline.signing_keys import Keys

LIVE = {"live": {"api": {"version": "v1.0.0", "state": "healthy"}}, "recovered": [], "busy": False}


@pytest.mark.parametrize(("there", "said"), [(True, "api v1.0.0"), (False, "nothing")])
def test_a_release_that_the_rules_refuse_says_what_serves(there, said, tmp_path, monkeypatch):
    def refuse(*_):
        raise SnapshotRefused("it is a snapshot", state="Nothing was changed.")

    (tmp_path / "dist").mkdir()
    monkeypatch.setattr(deploy, "judge_accepts", refuse)
    if there:
        monkeypatch.setattr(deploy.Local, "status", lambda *_, **__: Status.read(LIVE))
    with pytest.raises(SnapshotRefused) as caught:
        deploy.deploy(
            tmp_path / "dist",
            deploy.Local(tmp_path / "run"),
            settings=Settings({}, Path("/nonexistent")),
            stream=Stream(),
            accepts="releases",
        )
    assert caught.value.state == f"Nothing was changed.\nServing now: {said}"
    assert not (tmp_path / "run").exists()


def test_a_fleet_whose_rules_refuse_a_release_is_not_connected_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise SnapshotRefused("it is a snapshot", state="Nothing was changed.")

    (tmp_path / "dist").mkdir()
    monkeypatch.setattr(deploy, "judge_accepts", refuse)
    with pytest.raises(SnapshotRefused) as caught:
        deploy.deploy(
            tmp_path / "dist",
            deploy.Fleet(["web-1", "web-2"]),
            settings=Settings({}, Path("/nonexistent")),
            stream=Stream(),
            accepts="releases",
        )
    assert caught.value.state == "Nothing was changed on any host."


@pytest.mark.parametrize("stage", ["open_run", "run", "report"])
@pytest.mark.parametrize("raised", [Failed, KeyboardInterrupt])
def test_an_up_that_fails_before_its_deploy_or_after_it_says_what_serves(tmp_path, monkeypatch, stage, raised):
    def fail(*_, **__):
        raise raised("red")

    keys = Keys(None, None, tmp_path / "goferry.trust")
    services = SimpleNamespace(config=SimpleNamespace(services={"api": {}}))
    monkeypatch.setattr(deploy.Local, "status", lambda *_, **__: Status.read(LIVE))
    monkeypatch.setattr(up.chain, "open_run", lambda *_: services)
    monkeypatch.setattr(up.chain, "run", lambda *_: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr(up.deploy, "deploy", lambda *_, **__: {})
    monkeypatch.setattr(up.run_summary, "of_release", lambda *_, **__: None)
    monkeypatch.setattr(*{"report": (report, "write", fail)}.get(stage, (up.chain, stage, fail)))
    order = up.UpOptions(chain.RunOptions(ProjectRequest(tmp_path), keys), tmp_path / "run", tmp_path / "report.html")
    with pytest.raises(GoferryError) as caught:
        up.up(Context(Settings({}, Path("/nonexistent")), Stream()), order)
    assert caught.value.exit_code == {Failed: 1, KeyboardInterrupt: 130}[raised]
    assert caught.value.state == "Serving now: api v1.0.0"
    assert caught.value.facts["serving"] == LIVE["live"]
    with pytest.raises(raised) as alone:  # no target, so nothing to tell
        up.up(Context(Settings({}, Path("/nonexistent")), Stream()), replace(order, root=None))
    assert getattr(alone.value, "state", "") == ""


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
        deploy.status(deploy.Local(tmp_path / "run"), settings=Settings({}, Path("/nonexistent")))
    assert (caught.value.name, caught.value.exit_code) == ("target-missing", 2)
