"""Where a command was stopped, told by its error."""

import json

import click
import pytest

from goferry.cli import main
from goferry.kernel.errors import Interrupted
from goferry.observe.events import Stream


def stopped(*stages):
    """Return the interrupt that leaves spans within each other."""
    stream = Stream()

    def work(rest):
        if not rest:
            raise KeyboardInterrupt
        with stream.span(rest[0], target="linux/amd64" if rest[0] == "compile" else ""):
            work(rest[1:])

    with pytest.raises(KeyboardInterrupt) as caught:
        work(stages)
    return caught.value


@pytest.mark.parametrize(
    ("stages", "what"),
    [
        ((), "stopped before the end"),
        (("test",), "stopped before the end, in test"),
        (("build", "compile"), "stopped before the end, in compile linux/amd64"),
    ],
)
def test_the_innermost_stage_is_named(stages, what):
    error = stopped(*stages)
    for raised in (error, _aborted(error)):
        told = Interrupted.by(raised, "run it again")
        assert (told.what, told.exit_code, told.advice) == (what, 130, ("run it again",))


def _aborted(error):
    """Return what click makes of it."""
    abort = click.Abort()
    abort.__cause__ = error
    return abort


def test_a_command_says_so(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise stopped("vet")

    monkeypatch.setattr(main.goferry, "invoke", interrupted)
    assert main.run(["test", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["what"] == "stopped before the end, in vet"
