"""`up`: the whole way in one call: look, make the release where anything changed, bring it into service, report."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goferry import deploy
from goferry.artifacts import given
from goferry.config import start
from goferry.config.settings import Settings
from goferry.kernel.outcomes import NothingToDeploy
from goferry.observe.events import Event, Stream
from goferry.pipeline import image, keys, summary, way
from goferry.pipeline.graph import Choice
from goferry.pipeline.project import OpenProject


@dataclass(frozen=True)
class Order:
    """What is wanted besides the release: `root` is where it is deployed on this machine, `report` the page's path."""

    request: way.Request
    root: Path | None = None
    report: Path | None = None


def foresee(order: Order, settings: Settings, stream: Stream) -> list[Choice]:
    """Return the steps that `up` would take now; changes nothing but the toolchain's and Go's caches."""
    opened = way.look(order.request, settings, stream)
    return way.foresee(order.request, opened, settings)


def up(order: Order, settings: Settings, stream: Stream) -> dict[str, Any]:
    """Go the whole way and return what `--json` prints.

    `{"project", "version", "dist", "made": [step], "unchanged", "no_image", "keys", "tests": counts or None,
    "deploy": record or None, "seconds"}`; `unchanged` means that nothing was made and nothing was switched, `no_image`
    says why there is none, and of the packages that were `tested` an earlier run answered for those that are `cached`.

    Raises:
        NothingToDeploy: it is to be deployed, and goferry.yml names no service; before anything is built.
        GoferryError: of the first stage that fails; what stood before stands, and of a deploy it is said what serves.
    """
    began, events = time.monotonic(), list[Event]()
    stream.renderers.append(events.append)
    request = order.request
    target = deploy.Local(order.root, request.keys.trust) if order.root else None
    with _serving_told(target, settings):
        opened = way.look(request, settings, stream)
        if target:
            _refuse_without_services(opened)
        keys.make_once(request.keys, stream)
        release = way.carry(request, opened, settings, stream)
    deployed = deploy.deploy(release.folder, target, settings=settings, stream=stream) if target else None
    seconds = time.monotonic() - began
    if order.report:
        from goferry.observe import report

        told = summary.of_release(
            release, trust=request.keys.trust, seconds=seconds, deployed=deployed, root=order.root
        )
        with _serving_told(target, settings):
            report.write(order.report, told, events)
    return {
        "project": release.manifest.project,
        "version": release.manifest.version,
        "dist": str(release.folder),
        "made": list(release.made),
        "unchanged": not release.made and (deployed is None or deployed["unchanged"]),
        "no_image": image.why_none(opened) if request.image else "",
        "tests": release.tested.counts if release.tested else None,
        "keys": "throw-away" if request.keys.throw_away else "given",
        "trust": str(request.keys.trust),
        "deploy": deployed,
        "seconds": round(seconds, 3),
    }


def _serving_told(target: deploy.Target | None, settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Have what ends the block say what serves on the target, where there is one: nothing was switched in it."""
    return deploy.before_deploy(target, settings) if target else contextlib.nullcontext()


def _refuse_without_services(opened: OpenProject) -> None:
    if opened.config.services:
        return
    main = next((main.path for main in opened.facts.mains), "./cmd/NAME")
    name = start.service_name(main if main != "." else opened.facts.module)
    raise NothingToDeploy(
        f"{opened.name} names no service in goferry.yml, so there is nothing to deploy",
        state="Nothing was built.",
        advice=[
            f"name one:  services: {{{name}: {{main: {main}, listen: {{env: ADDR}}}}}}",
            "ADDR is the variable from which the program takes 127.0.0.1:PORT",
            "or say  listen: {port-env: PORT}  or  listen: {flag: --listen}",
            "to build and sign without deploying:  goferry up",
        ],
    )


def lines(record: dict[str, Any]) -> list[str]:
    """Return the record for a person, but for the deployment's own lines."""
    name, folder = f"{record['project']} {record['version']}", given.typed(Path(record["dist"]))
    if record["unchanged"]:
        return [f"{name} is up to date in {folder}; nothing changed, nothing was done."]
    if not record["made"]:
        return [f"{name} stands unchanged in {folder}; nothing was built again."]
    throw_away = " (throw-away keys)" if record["keys"] == "throw-away" else ""
    imageless = [f"no image was made: {record['no_image']}"] if record["no_image"] else []
    return [f"{name} is sealed and verified in {folder}{throw_away}", *imageless]
