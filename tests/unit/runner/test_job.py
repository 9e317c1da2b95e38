import json
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sampling import examples

from goferry.kernel.errors import Failed, Misuse, RolledBack
from goferry.runner.errors import OidcPermissionMissing, SecretMissing


def test_outputs_variables_and_folders_reach_the_runner(start, github):
    step = start(PATH="/bin")
    job = step.job
    job.set_output("version", "v1.4.0")
    job.set_output("snapshot", value=False)
    job.set_output("targets", ["linux/amd64", "é"])
    job.set_output("notes", "two\nlines")
    job.export("GOFERRY_PYTHON", "/a b/python")
    job.add_path("/opt/go/bin")
    assert github.entries(step.file("OUTPUT")) == [
        ("version", "v1.4.0"),
        ("snapshot", "false"),
        ("targets", '["linux/amd64","é"]'),
        ("notes", "two\nlines"),
    ]
    assert github.entries(step.file("ENV")) == [("GOFERRY_PYTHON", "/a b/python")]
    assert step.file("PATH") == "/opt/go/bin\n"
    assert job.environ["GOFERRY_PYTHON"] == "/a b/python"
    assert job.environ["PATH"] == os.pathsep.join(["/opt/go/bin", "/bin"])
    assert step.log() == ""


def test_what_a_step_starts_sees_neither_its_inputs_nor_its_secrets(start):
    secrets = {"GOFERRY_SIGNING_KEY": "k", "GOFERRY_DEPLOY_KEY": "k", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    environ = start(INPUT_TOKEN="t", GOPROXY="x", CI="true", GOFERRY_CACHE="/c", **secrets).job.settings.environ
    assert not set(environ) & {
        "INPUT_TOKEN",
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STEP_SUMMARY",
        *secrets,
    }
    assert environ["GOPROXY"] == "x"
    assert environ["CI"] == "true"
    assert environ["GOFERRY_CACHE"] == "/c"


def test_a_secret_is_masked_before_it_is_used(start, github):
    step = start(GOFERRY_SIGNING_KEY="first\nsecond\n", BLANK=" \n")
    assert step.job.secret("GOFERRY_SIGNING_KEY") == "first\nsecond\n"
    assert [data for _, _, data in github.log(step.log())] == ["first\nsecond", "first", "second"]
    assert step.job.secret("ABSENT") == step.job.secret("BLANK") == ""
    with step.job.secret_file("ABSENT") as path:
        assert path is None
    with step.job.secret_file("GOFERRY_SIGNING_KEY") as path:
        assert path.read_text() == "first\nsecond\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.is_relative_to(step.job.temp)
    assert not path.parent.exists()


def test_a_missing_secret_says_why_it_is_missing(start, tmp_path):
    with pytest.raises(SecretMissing, match="GOFERRY_DEPLOY_KEY is empty; it is needed to reach the hosts") as caught:
        start(GOFERRY_DEPLOY_KEY="").job.required_secret("GOFERRY_DEPLOY_KEY", "to reach the hosts")
    advice = "\n".join(caught.value.advice)
    assert "env: {GOFERRY_DEPLOY_KEY: '${{ secrets.GOFERRY_DEPLOY_KEY }}'}" in advice
    assert "never reach a workflow of another owner" in advice
    event = tmp_path / "event"
    event.write_text(
        json.dumps({"pull_request": {"head": {"repo": {"full_name": "x/y"}}, "base": {"repo": {"full_name": "o/r"}}}})
    )
    fork = start(GITHUB_EVENT_PATH=str(event), GITHUB_EVENT_NAME="pull_request").job
    with pytest.raises(SecretMissing) as caught:
        fork.required_secret("GOFERRY_DEPLOY_KEY", "to reach the hosts")
    assert caught.value.advice == ("pull requests from forks get no secrets: leave this step out for them",)
    with pytest.raises(OidcPermissionMissing, match="fork"):
        fork.oidc_token("x")


def test_an_identity_token_is_masked(start, monkeypatch):
    step = start()
    monkeypatch.setattr("goferry.runner._oidc.request", lambda *_, **__: "to.k.en")
    assert step.job.oidc_token("x") == "to.k.en"
    assert step.log() == "::add-mask::to.k.en\n"


def test_a_failure_is_told_everywhere(start, github):
    step = start(action="deploy", GITHUB_RUN_ID="7")
    error = RolledBack("shop v1.4.0 crashed", state="v1.3.2 serves again.", advice=["look:  goferry status"])
    with (
        pytest.raises(RolledBack),
        step.job.stream() as stream,
        stream.span("deploy"),
        stream.span("judge", host="web-1"),
    ):
        raise error
    assert step.job.fail(error) == 4
    assert (
        "error",
        {"title": "rolled-back"},
        "shop v1.4.0 crashed\nv1.3.2 serves again.\nlook, on a machine of yours:  goferry status",
    ) in github.log(step.log())
    assert "error: rolled-back (exit 4)\n\n  shop v1.4.0 crashed\n\n  v1.3.2 serves again.\n" in step.log()
    assert "## ❌ rolled-back (exit 4)\n\nshop v1.4.0 crashed\n\n**v1.3.2 serves again.**\n" in step.file(
        "STEP_SUMMARY"
    )
    record = json.loads((step.job.temp / "goferry" / "failure.json").read_text())
    lines = record.pop("lines")
    assert any(line.startswith("deploy: rolled-back after") for line in lines)
    assert record == {
        "error": "rolled-back", "what": "shop v1.4.0 crashed", "state": "v1.3.2 serves again.", "advice": ["look, on a machine of yours:  goferry status"],
        "exit_code": 4, "docs": "docs/errors.md#rolled-back", "stage": "judge web-1", "action": "deploy",
    }  # fmt: skip


def test_what_is_handed_on_as_an_artifact_holds_no_secret_of_the_step(start):
    """GitHub masks the log and the summary, and no file: whoever may read the repository may read its artifacts."""
    armor = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nxYZ0123456789\n-----END PGP PRIVATE KEY BLOCK-----"
    step = start(
        DB_PASSWORD="hunter2-and-more",
        INPUT_TOKEN="t0k3n-of-the-job",
        GOFERRY_SIGNING_KEY=armor,
        CI="true",
        LANG="C.UTF-8",
    )
    error = Failed(
        "dsn postgres://app:hunter2-and-more@db/x in C.UTF-8", state="t0k3n-of-the-job", advice=["say hunter2-and-more"]
    )
    step.job.fail(error, [*armor.split("\n"), "PASSWORD=hunter2-and-more true", "rest"])
    text = (step.job.temp / "goferry" / "failure.json").read_text()
    for secret in ("hunter2-and-more", "t0k3n-of-the-job", "xYZ0123456789"):
        assert secret not in text
    record = json.loads(text)
    assert record["what"].endswith("@db/x in C.UTF-8")
    assert record["lines"][-2:] == ["PASSWORD=*** true", "rest"]


def test_each_problem_of_gos_tools_is_annotated_in_its_file(start, github):
    step = start(INPUT_WORKING_DIRECTORY="./services/api/")
    what = "services/api/main.go:3:4: bad\nservices/api/pkg/x/x_test.go:12: TestX: worse"
    problems = [
        {"file": "services/api/main.go", "line": 3, "column": 4, "message": "bad"},
        {"file": "services/api/pkg/x/x_test.go", "line": 12, "column": 0, "message": "worse\n::error::no"},
        {"file": "services/api/main.go", "line": 3, "column": 4, "message": "bad"},
        {"file": "", "line": "7"},
        "no place",
    ]
    step.job.fail(Failed(what, problems=problems))
    assert "  services/api/main.go:3:4: bad\n" in step.log(), "the text is the error's own"
    errors = [entry for entry in github.log(step.log()) if entry[0] == "error"]
    assert [entry[1:] for entry in errors] == [
        ({"title": "failed", "file": "services/api/main.go", "line": "3", "col": "4"}, what),
        ({"title": "failed", "file": "services/api/pkg/x/x_test.go", "line": "12"}, "worse\n\\x3a:error::no"),
    ]


def test_more_problems_than_github_shows_are_counted(start, github):
    step = start()
    problems = [{"file": f"{n}.go", "line": 1, "column": 0, "message": "bad"} for n in range(30)]
    step.job.fail(Failed("bad", problems=problems))
    errors = [entry for entry in github.log(step.log()) if entry[0] == "error"]
    assert len(errors) == 10
    assert errors[0][1]["file"] == "0.go"
    assert "more" in errors[-1][2]


def test_an_error_in_a_file_is_annotated_there(start, github):
    step = start()
    step.job.fail(Misuse("goferry.yml:3:1: unknown key", file="goferry.yml", line=3))
    assert (
        "error",
        {"title": "misuse", "file": "goferry.yml", "line": "3"},
        "goferry.yml:3:1: unknown key",
    ) in github.log(step.log())


def test_annotations_carry_places(start):
    step = start()
    step.job.warning("w", "t", "a.go", 3, 4, column=5)
    step.job.notice("n")
    step.job.error("e", file="b,c.go", line=1)
    assert (
        step.log()
        == "::warning title=t,file=a.go,line=3,endLine=4,col=5::w\n::notice::n\n::error file=b%2Cc.go,line=1::e\n"
    )


def test_paths_are_told_from_the_workspace(start, tmp_path):
    job = start().job
    assert job.relative(job.workspace / "dist" / "x") == "dist/x"
    assert job.relative(tmp_path / "out") == (tmp_path / "out").as_posix()


def test_without_runner_folders_it_still_starts(start):
    job = start(RUNNER_TEMP="", GITHUB_STEP_SUMMARY="").job
    job.summary("# x")
    assert job.temp.is_dir()
    job.temp.rmdir()


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_text_becomes_a_command(data, start, github, hostile_text):
    step = start()
    job = step.job

    def draw():
        return data.draw(hostile_text)

    job.say(draw(), draw())
    with job.group(draw()):
        job.say(draw())
    job.warning(draw(), draw(), draw(), 3)
    error = Failed(draw(), state=draw(), advice=[draw()])

    def build():
        with job.stream() as stream, stream.span("build", target=draw(), host=draw()) as span:
            span.progress(draw())
            span.note(draw(), level="warning")
            span.note(draw())
            raise error

    with pytest.raises(Failed):
        build()
    job.fail(error)
    names = [name for name, _, _ in github.log(step.log())]
    assert names == ["group", "endgroup", "warning", "group", "warning", "endgroup", "error"]
    assert not {"\x1b", "\r", "\x00", "\u2028"} & set(step.log())
    json.loads((job.temp / "goferry" / "failure.json").read_text())
