"""The main job end to end on examples/shop: `make demo`.

A proven Go is set up, the shop is tested, built for three platforms, put into an image, sealed with throw-away keys
and verified; a tampered copy is refused; version 1 is deployed here, version 2 is switched in under load, and rolled
back. Everything lies in `.demo` at the checkout's top (`--folder` names another), and nothing runs on at the end.

Needs neither Go nor Docker nor gnupg nor root. `TARGETS=all` builds for more platforms.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from demo_parts.surroundings import CHECKOUT, Folder, targets

from goferry.cli.main import show
from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError, Interrupted
from goferry.observe import progress, report
from goferry.observe._events_json import EventLog
from goferry.observe.events import Event, Stream


def main(arguments: list[str]) -> int:
    """Run the demo and return its exit code: 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description="The main job end to end on examples/shop.")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".demo", help="where everything is put")
    folder = Folder(parser.parse_args(arguments).folder.absolute())
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with folder.locked():
            return run(folder)
    except KeyboardInterrupt:
        return show(Interrupted("the demo was stopped; nothing that it started runs on"), as_json=False)
    except GoferryError as error:
        return show(error, as_json=False)


def run(folder: Folder) -> int:
    """Run the story, then print and write what it told."""
    from demo_parts import telling
    from demo_parts.story import Story

    settings = Settings.from_environ(folder.environ(os.environ))
    events: list[Event] = []
    began = time.monotonic()
    with EventLog(folder.events) as log, progress.renderer(sys.stderr, os.environ) as draw:
        stream = Stream([draw, log, events.append])
        told = Story(folder, targets(os.environ), settings, stream).run()
    seconds = time.monotonic() - began
    report.write(folder.report, telling.record(told, folder, seconds), events)
    print("\n".join(telling.lines(told, events, folder, seconds)))
    wrong = telling.complaints(told)
    for text in wrong:
        print(f"error: {text}", file=sys.stderr)
    return 1 if wrong else 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
