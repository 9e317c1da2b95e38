"""The outer main: every outcome becomes one documented exit code, and no traceback reaches a user."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from goferry.cli.commands import COMMANDS
from goferry.kernel.errors import Failed, GoferryError, Interrupted, Misuse, printable

EPILOG = """\b
Exit codes, the same for every command:
  0 done · 1 failed · 2 wrong usage or configuration · 3 refused (verification or policy)
  4 deployed but rolled back · 5 unreachable, try again · 6 fleet partly switched · 130 interrupted
"""


class InternalError(Failed):
    """Goferry itself failed: this is a bug in it.

    Please report it with the output of `GOFERRY_DEBUG=1`.
    """

    name = "internal-error"


class LazyGroup(click.Group):
    """A group that imports a command's module when it is used, and lists them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order of the way."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"goferry.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands from COMMANDS alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="goferry", message="goferry %(version)s")
def goferry() -> None:
    """Take a Go repository from git push to a verified, running service."""


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    as_json = "--json" in argv
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        # It returns the code of a click.exceptions.Exit, and else what the command does, which is nothing.
        code = goferry.main(args=list(argv), prog_name="goferry", standalone_mode=False)
    except click.ClickException as error:
        context = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "goferry COMMAND"
        hint = f"see the options:  {context} --help"
        return show(Misuse(error.format_message(), advice=[hint]), as_json=as_json)
    except GoferryError as error:
        return show(error, as_json=as_json)
    except (KeyboardInterrupt, click.Abort) as error:
        return show(Interrupted.by(error, "run the same command again to go on"), as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the last net: a defect must not look like a traceback
        if os.environ.get("GOFERRY_DEBUG"):
            traceback.print_exc()
        hint = "see where:  run it again with GOFERRY_DEBUG=1"
        return show(InternalError(f"{type(error).__name__}: {error}", advice=[hint]), as_json=as_json)
    finally:
        signal.signal(signal.SIGTERM, previous)
    return code if type(code) is int else 0


def show(error: GoferryError, *, as_json: bool) -> int:
    """Print an error for a person, or as the one JSON object, and return its exit code."""
    if as_json:
        from goferry.cli.output import one_object

        sys.stdout.write(one_object(error.as_json()))
        return error.exit_code
    sys.stderr.write("\n".join(_lines(error)) + "\n")
    return error.exit_code


def _lines(error: GoferryError) -> list[str]:
    head = f"error: {error.name} (exit {error.exit_code})"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        head = f"\x1b[1;31m{head}\x1b[0m"
    paragraphs = [[printable(line) for line in text.splitlines()] for text in (error.what, error.state) if text]
    if error.advice:
        paragraphs.append([printable(line) for line in error.advice])
    if error.name != Misuse.name:
        paragraphs.append([error.docs])
    lines = [head]
    for paragraph in paragraphs:
        lines += ["", *(f"  {line}" for line in paragraph)]
    return lines


def _interrupt(_signal: int, _frame: FrameType | None) -> Any:
    raise KeyboardInterrupt
