"""What a command prints: one JSON object, or text for a person; events go to a renderer on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps

import click
from msgspec import Struct, field

from goferry.config.settings import Settings
from goferry.kernel.errors import printable
from goferry.observe.events import Renderer, Stream


class Output(Struct):
    """How this run prints; made by the `@output_options` decorator.

    Attributes:
        json: print one object on standard output and nothing else there.
        quiet: print results only.
        renderers: more renderers of the event stream (the HTML report's).
    """

    json: bool = False
    quiet: bool = False
    renderers: list[Renderer] = field(default_factory=list)

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """Open the event stream: live lines on a terminal, plain lines elsewhere, none with -q or --json."""
        if self.json or self.quiet:
            yield Stream(self.renderers)
            return
        from goferry.observe import progress

        with progress.renderer(sys.stderr, os.environ) as renderer:
            yield Stream([renderer, *self.renderers])

    def result(self, record: Mapping[str, object], *lines: str) -> None:
        """Print the command's result: `record` with `"ok": true` as JSON, or `lines` for a person."""
        if self.json:
            sys.stdout.write(one_object({"ok": True, **record}))
        else:
            for line in lines:
                sys.stdout.write(printable(line, 10_000) + "\n")

    def each(self, record: Mapping[str, object], line: str) -> None:
        """Print one of many results at once: `record` as a line of JSON, or `line` for a person."""
        sys.stdout.write(one_object(record) if self.json else printable(line, 10_000) + "\n")
        sys.stdout.flush()


def one_object(record: Mapping[str, object]) -> str:
    """Return `record` as one line of JSON in which GitHub's runner finds no command.

    The runner takes `##[name]` anywhere in a line; the escape is JSON's own, so a parser reads the same value.
    """
    return json.dumps(record).replace("##[", "#\\u0023[") + "\n"


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add --json and -q; the command gets `output: Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on standard output.")
    @click.option("-q", "--quiet", is_flag=True, help="Print results only.")
    @wraps(function)
    def wrapped(*args: object, as_json: bool, quiet: bool, **kwargs: object) -> None:
        function(Output(json=as_json, quiet=quiet), *args, **kwargs)

    return wrapped


def settings() -> Settings:
    """Read the surroundings, once."""
    return Settings.from_environ(os.environ)


def example(*lines: str) -> str:
    """Return the epilog with a command's examples; every command has one."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


dry_run_option = click.option("--dry-run", is_flag=True, help="Show the steps and do nothing.")
