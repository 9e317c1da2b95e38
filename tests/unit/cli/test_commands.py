"""Every command: help with an example, --json, one table of exit codes, a quick start."""

import json
import subprocess
import sys
import time

import click
import pytest

from goferry.cli.commands import COMMANDS
from goferry.cli.main import goferry, run
from goferry.cli.output import one_object

CHANGES_SOMETHING = {
    "init", "setup-go", "test", "build", "merge", "image", "keygen", "sign", "deploy", "rollback", "down", "up",
}  # fmt: skip


@pytest.fixture(params=list(COMMANDS))
def command(request):
    found = goferry.get_command(click.Context(goferry), request.param)
    found.name = request.param
    return found


def options(command):
    return {flag for parameter in command.params for flag in parameter.opts}


def test_has_an_example_and_the_promised_options(command):
    assert f"goferry {command.name}" in (command.epilog or "")
    assert "--json" in options(command)
    if command.name in CHANGES_SOMETHING:
        assert "--dry-run" in options(command)


def test_every_option_says_what_it_is_for(command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} {parameter.opts}"


def test_the_table_says_what_the_command_says(command):
    assert command.help
    assert COMMANDS[command.name][1].endswith(".")


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["--nonsense"], 2), (["nonsense"], 2), (["verify"], 2), (["--help"], 0), (["verify", "--help"], 0)],
)
def test_usage_ends_with_the_documented_code(argv, code, capsys):
    assert run(argv) == code
    assert "Traceback" not in capsys.readouterr().err


def test_wrong_usage_with_json_is_one_object(capsys):
    assert run(["verify", "--json"]) == 2
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is False
    assert record["error"] == "misuse"


def seconds(*argv):
    best = 9.0
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-m", "goferry", *argv], check=True, capture_output=True)
        best = min(best, time.perf_counter() - start)
    return best


@pytest.mark.parametrize(("argv", "limit"), [(["--version"], 0.100), (["--help"], 0.150)])
def test_starts_quickly(argv, limit):
    assert seconds(*argv) <= limit


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "1e9"])
def test_a_wait_is_a_number_of_seconds(wait, tmp_path, capsys):
    assert run(["down", "--root", str(tmp_path), "--wait", wait, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "misuse"


def test_json_holds_no_command_for_a_runner():
    line = one_object({"what": "##[error]x"})
    assert "##[" not in line
    assert json.loads(line) == {"what": "##[error]x"}
