"""Each line of advice as it is read on a command line, in a step, and by the caller of a reusable workflow."""

import io
import re
from pathlib import Path

import pytest
import yaml
from parts import messages

from goferry.actions import main
from goferry.kernel.errors import Advice, Misuse
from goferry.runner import child_environment
from goferry.runner._surface import ACTIONS, CALLED, TWINS, Surface, adapt, lines_of

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = ["push-to-release", "push-to-deploy", "promote", "rollback"]
OWN = ("actions/", "runner/", "observe/", "pipeline/notification.py")
"""Where messages are made that no command line shows."""
COMMANDS_ALONE = ("cli/", "deploy/provision/", "host/floor.py", "pipeline/starter_workflows.py", "pipeline/up.py")
"""Where messages are made that no step shows."""
IN_A_WORKFLOW = re.compile(r"\$\{\{|\bwith: \{|\buses: |\benv: \{GOFERRY|\bsecrets: \{|\bgh secret set\b")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
ANOTHER_S = re.compile(r":  .*|`[^`]*`")
"""What is typed to another program, or on a machine of the reader's, has options of its own."""


def inputs(path):
    data = yaml.safe_load(path.read_text())
    return data.get("inputs") or data[True]["workflow_call"]["inputs"]


STEP_INPUTS = {name for path in [ROOT / "action.yml", *ROOT.glob("actions/*/action.yml")] for name in inputs(path)}
CALLER_INPUTS = {name for name in WORKFLOWS for name in inputs(ROOT / f".github/workflows/{name}.yml")}


def shown(line):
    """Return a line without what is typed to a program, which has options of its own."""
    return re.sub(
        r":  (?:on|git|go|gh|gpg|ssh|docker|goferry|ssh-keygen|apt-get|env|/usr/local/libexec/goferry-host|journalctl|puttygen|ss|cp) .*|`[^`]*`",
        "",
        line,
    )


def test_each_line_speaks_to_whoever_reads_it():
    """One test, as reading them takes seconds: no process of a test run does that for another's sake."""
    read = [message for message in messages.advice() if not message.where.startswith(COMMANDS_ALONE)]
    assert len(read) > 100
    for message in read:
        speaks_to_its_reader(message)


def speaks_to_its_reader(message):
    assert lines_of(message.text, Surface.COMMAND_LINE) == [message.text]
    if not message.where.startswith(OWN):
        assert not IN_A_WORKFLOW.search(message.text), message
    for surface, known in ((Surface.STEP, STEP_INPUTS), (Surface.CALLER, CALLER_INPUTS)):
        for line in lines_of(message.text, surface):
            assert not OPTION.search(shown(line)), f"{surface}: {line} ({message.where})"
            assert "same command" not in line, message
            assert not line.startswith(":  "), message
            for given in re.findall(r"with: \{([^}]*)\}", line):
                names = {pair.partition(":")[0].strip() for pair in given.split(",")}
                assert message.where.startswith(OWN) or names <= known, f"{surface}: {line} ({message.where})"


@pytest.mark.parametrize(
    "line",
    [
        "the log:  journalctl --unit goferry-shop-api@0.service",
        "on the host:  /usr/local/libexec/goferry-host purge PROJECT --dry-run",
        "look:  systemctl status --no-pager goferry-shop-api@0.service",
    ],
)
@pytest.mark.parametrize("surface", Surface)
def test_what_is_typed_on_a_host_is_typed_there_whoever_reads_it(surface, line):
    assert lines_of(line, surface) == [line]


def test_what_a_line_says_elsewhere_is_of_there():
    read = messages.variants()
    assert {surface for surface, _ in read} == {"step", "caller"}
    for surface, message in read:
        assert not OPTION.search(shown(message.text)), message
        if surface == "caller":
            assert "give the step" not in message.text, message
            assert "env: {" not in message.text, message
        else:
            assert "secrets: {" not in message.text, message


def test_every_twin_exists():
    assert {twin.step for twin in TWINS.values()} <= STEP_INPUTS | {""}
    assert {twin.caller for twin in TWINS.values() if not twin.caller.startswith("in ")} <= CALLER_INPUTS | {""}
    assert {twin.secret for twin in TWINS.values()} <= {*child_environment.SECRETS, ""}
    assert set(ACTIONS.values()) <= set(main.ACTIONS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_reusable_workflow_says_that_it_was_called(name):
    data = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    assert data["env"] == {CALLED: name}


CASES = [
    ("name it:  --trust FILE", ["name it:  with: {trust: FILE}"], ["name it:  with: {trust: FILE}"]),
    ("name it:  --host HOST", ["name it:  with: {hosts: HOST}"],
     ["name it, in goferry.yml:  environments: {NAME: {target: ssh, hosts: [HOST]}}"]),
    ("name the key:  --identity FILE",
     ["name the key:  env: {GOFERRY_DEPLOY_KEY: '${{ secrets.GOFERRY_DEPLOY_KEY }}'}",
      "store it:  gh secret set GOFERRY_DEPLOY_KEY < FILE"],
     ["name the key:  secrets: {GOFERRY_DEPLOY_KEY: '${{ secrets.GOFERRY_DEPLOY_KEY }}'}",
      "store it:  gh secret set GOFERRY_DEPLOY_KEY < FILE"]),
    ("or wait longer:  --wait SECONDS", [], []),
    ("run the same command again; it goes on from there", *[["run the job again; it goes on from there"]] * 2),
    ("go back:  goferry rollback --to v1.0.0",
     ["go back, in a step:  uses: OWNER/goferry/actions/rollback@REF  with: {to: v1.0.0}"],
     ["go back, on a machine of yours:  goferry rollback --to v1.0.0"]),
    ("let it in:  goferry provision HOST", *[["let it in, on a machine of yours:  goferry provision HOST"]] * 2),
    ("see the changes:  git status", *[["see the changes:  git status"]] * 2),
    (Advice("type", step="write", caller="say"), ["write"], ["say"]),
    (Advice("type", step=""), [], []),
]  # fmt: skip


@pytest.mark.parametrize(("line", "step", "caller"), CASES, ids=[case[0] for case in CASES])
def test_how_lines_are_said(line, step, caller):
    assert lines_of(line, Surface.STEP) == step
    assert lines_of(line, Surface.CALLER) == caller


def test_an_error_is_said_once_on_its_surface():
    error = Misuse("go vet: --project x", advice=["name it:  --project NAME", "name it:  --project NAME"])
    adapt(error, Surface.STEP)
    assert error.what == "go vet: --project x"
    assert error.advice == ("name it:  with: {project: NAME}",)


def test_a_log_speaks_to_its_reader(start):
    logs = []
    for more in ({}, {CALLED: "push-to-release"}):
        step, out = start(GOFERRY_SIGNING_KEY="rubbish", **more), io.StringIO()
        (step.job.workspace / "dist").mkdir(exist_ok=True)
        assert main.run("sign", step.job.environ, out) == 2
        logs.append(out.getvalue())
    for log in logs:
        assert "the secret GOFERRY_SIGNING_KEY is not an OpenPGP secret key" in log
        assert "gh secret set GOFERRY_SIGNING_KEY < FILE" in log
        assert str(step.job.temp) not in log
