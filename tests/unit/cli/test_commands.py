"""Every command: help with an example, --json, one table of exit codes, and a start without what is not needed."""

import json
import subprocess
import sys

import click
import pytest

from goferry.cli.commands import COMMANDS
from goferry.cli.main import goferry, run
from goferry.cli.output import one_object

READS_ONLY = {
    "cache status",
    "doctor",
    "env list",
    "history",
    "inspect",
    "logs",
    "metrics",
    "plan",
    "verify",
    "status",
    "schema",
}
"""Every other command changes something, a new one too until it is named here."""
SLOW = {"asyncio", "cryptography", "github", "http", "json", "logging", "msgspec", "rich", "socket", "ssl", "subprocess",
        "urllib", "yaml"}  # fmt: skip
"""What takes long to import."""


def leaves():
    """Every command, and those of a group in its place: `cache restore`."""
    found = {}
    for name in COMMANDS:
        command = goferry.get_command(click.Context(goferry), name)
        if isinstance(command, click.Group):
            found |= {f"{name} {each}": command.commands[each] for each in command.commands}
        else:
            found[name] = command
    return found


@pytest.fixture(params=list(leaves()))
def command(request):
    found = leaves()[request.param]
    found.name = request.param
    return found


def options(command):
    return {flag for parameter in command.params for flag in parameter.opts}


def test_has_an_example_and_the_promised_options(command):
    assert f"goferry {command.name}" in (command.epilog or "")
    assert "--json" in options(command)
    assert ("--dry-run" in options(command)) == (command.name not in READS_ONLY)


def test_every_option_says_what_it_is_for(command):
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} {parameter.opts}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name):
    """The table is printed without importing a command: its line is the first one of the command's help."""
    command = goferry.get_command(click.Context(goferry), name)
    assert COMMANDS[name][1] == command.help.partition("\n")[0]


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


@pytest.mark.parametrize(("argv", "slow"), [(["--version"], {*SLOW, "click", "re", "typing"}), (["--help"], SLOW)])
def test_starts_without_what_only_commands_need(argv, slow):
    """The modules, not the clock: benchmarks/ measure how long it takes."""
    program = "import sys; from goferry.__main__ import main\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    told = subprocess.run([sys.executable, "-I", "-c", program, *argv], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in told.stdout.splitlines()[-1].split()}
    assert loaded.isdisjoint(slow), loaded & slow


@pytest.mark.parametrize(
    ("given", "code", "out"),
    [
        ("sys.argv[1:] = ['--version']", 0, "goferry "),
        ("sys.argv[1:] = ['nope']", 2, ""),
        ("import atexit; atexit.register(print, 'at exit'); sys.argv[1:] = ['nope']", 2, "at exit"),
        (
            (
                "import threading, time; sys.argv[1:] = ['nope']\n"
                "threading.Thread(target=lambda: (time.sleep(0.2), print('threads end'))).start()"
            ),
            2,
            "threads end",
        ),
        ("sys.argv[1:] = ['schema']; import os; os.close(1); os.open('/dev/full', os.O_WRONLY)", 1, ""),
    ],
)
def test_a_process_ends_with_its_code_and_nothing_is_lost(given, code, out):
    program = f"import sys\n{given}\nfrom goferry.__main__ import script\nscript()"
    done = subprocess.run([sys.executable, "-I", "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, out in done.stdout) == (code, True)
    assert "Traceback" not in done.stderr


NETWORK = {"urllib3", "ssl", "http", "certifi", "netrc", "goferry.system.http", "goferry.golang._proxies"}
UNREAD = {"yaml", "zipfile", "difflib", "goferry.config._document", "goferry.config._validate"}
"""What reads a goferry.yml, an archive, a slip: nothing that a build with nothing to do has."""
GENERATED = {"dataclasses", "concurrent", "logging", "tempfile", "random", "secrets"}
"""What takes long to load: records are msgspec's, which need no generated code, and threads are plain."""
LOOK = "from goferry.cli import main, build; from goferry.pipeline import build, project; from goferry.golang import _setup as setup"
EMPTY = "from goferry.cli.main import run; assert run(['status', '--target', 'local', '--root', '{}']) == 2"


@pytest.mark.parametrize(
    ("program", "without"),
    [
        (LOOK, NETWORK | GENERATED | UNREAD - {"difflib"}),
        (EMPTY, NETWORK | UNREAD | {"goferry.config.survey", "goferry.config.gocode"}),
    ],
)
def test_loads_nothing_for_what_is_not_there(program, without, tmp_path):
    """The rest of a build with nothing to do, and of a look at an empty target, is Go's time and Python's start."""
    program = f"import sys; {program.format(tmp_path)}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)
    loaded = {*told.stdout.splitlines()[-1].split()}
    assert loaded.isdisjoint(without), loaded & without


def test_expressions_are_compiled_where_they_are_used():
    """`re.fullmatch(TEXT, …)` compiles once, at its first use; of a hundred that a build may need, few are used."""
    program = "import re, sys; compiled = []; make = re.compile; "
    program += "re.compile = lambda *a: compiled.append(sys._getframe(1).f_globals['__name__']) or make(*a); "
    program += f"{LOOK}; print(*compiled)"
    told = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)
    assert not [name for name in told.stdout.split() if name.startswith("goferry")]


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "1e9"])
def test_a_wait_is_a_number_of_seconds(wait, tmp_path, capsys):
    assert run(["down", "--root", str(tmp_path), "--wait", wait, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "misuse"


def test_json_holds_no_command_for_a_runner():
    line = one_object({"what": "##[error]x"})
    assert "##[" not in line
    assert json.loads(line) == {"what": "##[error]x"}
