"""`up`: the whole way in one call: look, make the release where anything changed, bring it into service, report."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from msgspec import Struct, to_builtins

from goferry import deploy
from goferry.artifacts import given
from goferry.config import start
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild.gate import Report
from goferry.kernel.outcomes import NothingToDeploy
from goferry.observe.events import Event
from goferry.pipeline import chain, image, run_summary, signing_keys
from goferry.pipeline._graph import Choice
from goferry.pipeline.project import OpenProject


class UpOptions(Struct, frozen=True):
    """What is wanted besides the release: `root` is where it is deployed on this machine, `report` the page's path."""

    request: chain.RunOptions
    root: Path | None = None
    report: Path | None = None


class Tests(Struct, frozen=True):
    """How many tests passed, how many packages were `tested`, and for how many of those an earlier run answered."""

    tests: int
    tested: int
    cached: int


class UpResult(Struct, frozen=True):
    """What it came to; its fields are the keys of what `--json` prints.

    Attributes:
        dist: the release's folder. made: the steps that ran to make it; none when it was there, unchanged.
        unchanged: nothing was made and nothing was switched. no_image: why there is none, or empty.
        tests: what the gate found; None without one. keys: `given` or `throw-away`. trust: the trust file.
        deploy: what `deploy.deploy` returned; None where nothing was to be deployed. seconds: of the whole.
    """

    project: str
    version: str
    dist: str
    made: tuple[str, ...]
    unchanged: bool
    no_image: str
    tests: Tests | None
    keys: str
    trust: str
    deploy: deploy.Deployment | None
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "project": self.project,
            "version": self.version,
            "dist": self.dist,
            "made": list(self.made),
            "unchanged": self.unchanged,
            "no_image": self.no_image,
            "tests": to_builtins(self.tests),
            "keys": self.keys,
            "trust": self.trust,
            "deploy": self.deploy.as_json() if self.deploy else None,
            "seconds": self.seconds,
        }


def plan(ctx: Context, order: UpOptions) -> list[Choice]:
    """Return the steps that `up` would take now; changes nothing but the toolchain's and Go's caches."""
    opened = chain.open_run(ctx, order.request)
    return chain.plan(order.request, opened, ctx.settings)


def up(ctx: Context, order: UpOptions) -> UpResult:
    """Go the whole way and return what it came to.

    Raises:
        NothingToDeploy: it is to be deployed, and goferry.yml names no service; before anything is built.
        GoferryError: of the first stage that fails; what stood before stands, and of a deploy it is said what serves.
    """
    began, events = time.monotonic(), list[Event]()
    ctx.stream.renderers.append(events.append)
    request = order.request
    target = deploy.Local(order.root, request.keys.trust) if order.root else None
    with _reporting_what_serves(target, ctx.settings):
        opened = chain.open_run(ctx, request)
        if target:
            _refuse_without_services(opened)
        signing_keys.make_once(request.keys, ctx.stream)
        release = chain.run(ctx, request, opened)
    done = None
    if target:
        done = deploy.done(deploy.deploy(release.folder, target, settings=ctx.settings, stream=ctx.stream))
    seconds = time.monotonic() - began
    if order.report:
        from goferry.observe import report

        record = run_summary.of_release(
            release, trust=request.keys.trust, seconds=seconds, deployed=done, root=order.root
        )
        with _reporting_what_serves(target, ctx.settings):
            report.write(order.report, record, events)
    return UpResult(
        project=release.manifest.project,
        version=release.manifest.version,
        dist=str(release.folder),
        made=release.made,
        unchanged=not release.made and (done is None or done.unchanged),
        no_image=image.why_none(opened) if request.image else "",
        tests=_tests(release.tested) if release.tested else None,
        keys="throw-away" if request.keys.throw_away else "given",
        trust=str(request.keys.trust),
        deploy=done,
        seconds=round(seconds, 3),
    )


def _tests(report: Report) -> Tests:
    return Tests(report.tests, report.tested, report.cached)


def _reporting_what_serves(target: deploy.Target | None, settings: Settings) -> contextlib.AbstractContextManager[None]:
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


def lines(result: UpResult) -> list[str]:
    """Return the result for a person, but for the deployment's own lines."""
    name, folder = f"{result.project} {result.version}", given.typed(Path(result.dist))
    if result.unchanged:
        return [f"{name} is up to date in {folder}; nothing changed, nothing was done."]
    if not result.made:
        return [f"{name} stands unchanged in {folder}; nothing was built again."]
    throw_away = " (throw-away keys)" if result.keys == "throw-away" else ""
    imageless = [f"no image was made: {result.no_image}"] if result.no_image else []
    return [f"{name} is sealed and verified in {folder}{throw_away}", *imageless]
