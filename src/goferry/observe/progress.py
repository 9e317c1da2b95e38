"""What a person sees while it runs: a live table on a terminal, plain lines anywhere else.

    with renderer(sys.stderr, os.environ) as draw:
        stream = Stream([draw])

`live_table`, and with it rich, is imported on a terminal alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from goferry.observe.events import Renderer
from goferry.observe.plain import PlainLines


@contextmanager
def renderer(file: TextIO, environ: Mapping[str, str]) -> Iterator[Renderer]:
    """Yield the renderer that fits `file`; a terminal is left with the table as it stood at the end."""
    if not moves_cursor(file, environ):
        yield PlainLines(file)
        return
    from goferry.observe._live_table import LiveTable

    with LiveTable(file, environ) as table:
        yield table


def moves_cursor(file: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether `file` is a terminal that can redraw lines; TERM=dumb and CI logs can't."""
    return file.isatty() and environ.get("TERM", "") not in {"", "dumb"} and environ.get("CI") != "true"
