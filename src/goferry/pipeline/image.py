"""The image as a step of the way: whether a project has one, and making it."""

from __future__ import annotations

from pathlib import Path

from goferry import image
from goferry.artifacts import Ledger
from goferry.image.errors import ImageMainUnclear
from goferry.image.image_plan import entry_point
from goferry.observe.events import Stream
from goferry.pipeline.project import OpenProject


def wanted(opened: OpenProject) -> bool:
    """Tell whether the way makes an image; raises what `why_none` raises."""
    return not why_none(opened)


def why_none(opened: OpenProject) -> str:
    """Return why the way makes no image: no Linux target, or no main is the entry point beyond doubt; empty if it does.

    Raises:
        ImageMainUnclear: `image.main` is set, and is not a main package.
    """
    config, facts = opened.config, opened.facts
    linux = {str(target) for target in facts.targets if target.goos == "linux"}
    mains = [main.path for main in facts.mains if linux.intersection(main.targets)]
    try:
        entry_point(mains, {service.main for service in config.services.values()}, config.image.main)
    except ImageMainUnclear as error:
        if config.image.main:
            raise
        found = f"{error.what}; name one in goferry.yml:  image: {{main: {mains[0]}}}" if mains else error.what
    else:
        found = ""
    return found if linux else "no target is a Linux one"


def make(opened: OpenProject, folder: Path, stream: Stream) -> Ledger:
    """Write the image into `folder` and return the ledger, which lists it; raises what `image.write` raises."""
    ledger = Ledger.load(folder)
    image.write(image.plan(ledger, opened.config), folder, ledger, stream)
    return ledger
