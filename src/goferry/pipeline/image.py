"""The image as a step of the way: whether a project has one, and making it."""

from __future__ import annotations

from pathlib import Path

from goferry import image
from goferry.dist import Ledger
from goferry.image.errors import ImageMainUnclear
from goferry.image.plan import entry_point
from goferry.observe.events import Stream
from goferry.pipeline.project import OpenProject


def wanted(opened: OpenProject) -> bool:
    """Tell whether the way makes an image: there is a Linux target, and one main is the entry point beyond doubt.

    Raises:
        ImageMainUnclear: `image.main` is set, and is no main package.
    """
    config, facts = opened.config, opened.facts
    linux = {str(target) for target in facts.targets if target.goos == "linux"}
    mains = [main.path for main in facts.mains if linux.intersection(main.targets)]
    try:
        entry_point(mains, {service.main for service in config.services.values()}, config.image.main)
    except ImageMainUnclear:
        if config.image.main:
            raise
        return False
    return bool(linux)


def make(opened: OpenProject, folder: Path, stream: Stream) -> Ledger:
    """Write the image into `folder` and return the ledger, which lists it; raises what `image.write` raises."""
    ledger = Ledger.load(folder)
    image.write(image.plan(ledger, opened.config), folder, ledger, stream)
    return ledger
