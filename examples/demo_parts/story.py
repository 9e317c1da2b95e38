"""The demo's steps, each a span of the event stream."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from demo_parts import traffic
from demo_parts.surroundings import SHOP, Folder, own_platform
from goferry import deploy
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.deploy import Deployment
from goferry.deploy.errors import TargetMissing
from goferry.kernel import trustfile
from goferry.kernel.errors import Refused
from goferry.observe.events import Stream
from goferry.pipeline import chain, signing_keys
from goferry.pipeline.project import ProjectRequest
from goferry.trust.verification import check_release

SERVICE = "shop"


@dataclass
class Told:
    """What the demo found out; filled step by step."""

    releases: list[chain.SealedRelease] = field(default_factory=list)
    refusal: str = ""
    url: str = ""
    switched: Deployment | None = None
    rolled_back: Deployment | None = None
    load: traffic.Report | None = None
    bare: traffic.Report | None = None


class Story:
    """The demo: release, deploy, switch under load, go back, and compare with a bare restart."""

    def __init__(self, folder: Folder, targets: tuple[str, ...], settings: Settings, stream: Stream) -> None:
        self.folder, self.targets, self.settings, self.stream = folder, targets, settings, stream
        self.keys = signing_keys.Keys(
            folder.keys / "openpgp.asc", folder.keys / "minisign.key", folder.keys / "goferry.trust", throw_away=True
        )
        self.target = deploy.Local(folder.root, self.keys.trust)
        self.told = Told()

    def run(self) -> Told:
        """Run all of it; whatever it deployed is down afterwards."""
        try:
            self._tell()
        finally:
            self._down()
        return self.told

    def _down(self) -> None:
        """Take down what was deployed; a demo that failed before has nothing to take down."""
        with contextlib.suppress(TargetMissing):
            deploy.down(self.target, settings=self.settings, stream=self.stream)

    def _tell(self) -> None:
        told = self.told
        self._afresh()
        signing_keys.make_once(self.keys, self.stream)
        told.releases.append(self._release(1, "v1.0.0"))
        self._tamper(told.releases[0].folder)
        first = self._deploy(1)
        told.url = first.services[SERVICE].url
        with self.stream.span("next version"):
            told.releases.append(self._release(2, "v1.1.0"))
        with self.stream.span("switch under load") as span:
            told.load, told.switched = traffic.under_load(told.url, lambda: self._deploy(2), before=2.0, after=1.5)
            span.numbers.update(sent=told.load.sent, lost=told.load.lost)
        told.rolled_back = deploy.done(deploy.rollback(self.target, settings=self.settings, stream=self.stream))
        self._compare()

    def _afresh(self) -> None:
        """Take down and remove what an earlier demo deployed; its releases stay and are made again when changed."""
        if self.folder.root.exists():
            self._down()
            shutil.rmtree(self.folder.root)

    def _release(self, number: int, version: str) -> chain.SealedRelease:
        request = chain.RunOptions(
            ProjectRequest(SHOP, version=version, targets=self.targets, out=self.folder.dist(number)),
            self.keys,
            test=number == 1,  # the second version has the same source
        )
        opened = chain.open_run(Context(self.settings, self.stream), request)
        return chain.run(Context(self.settings, self.stream), request, opened)

    def _tamper(self, dist: Path) -> None:
        """Change one byte in a copy of the release; it must be refused."""
        copy = self.folder.path / "tampered"
        with self.stream.span("tampered copy") as span:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(dist, copy)
            victim = min(copy.glob("*.tar.gz"), key=lambda path: path.stat().st_size)
            data = bytearray(victim.read_bytes())
            data[len(data) // 2] ^= 1
            victim.chmod(0o644)
            victim.write_bytes(data)
            try:
                trust = trustfile.load(self.keys.trust)
                check_release(Context(self.settings, Stream()), copy, trust)
            except Refused as refused:
                self.told.refusal = refused.name
                span.numbers["refused"] = refused.name
            else:
                raise SystemExit("error: a tampered copy was accepted")
            finally:
                shutil.rmtree(copy)

    def _deploy(self, number: int) -> Deployment:
        found = deploy.deploy(self.folder.dist(number), self.target, settings=self.settings, stream=self.stream)
        return deploy.done(found)

    def _compare(self) -> None:
        """Run the same service by hand at the same address, and restart it under the same load."""
        deploy.down(self.target, settings=self.settings, stream=self.stream)
        binary = self.told.releases[0].folder / f"shop-server_{own_platform().replace('/', '_')}"
        with self.stream.span("bare restart") as span:
            self.told.bare = traffic.bare_restart(binary, self.told.url, self.folder.path / "data")
            span.numbers.update(sent=self.told.bare.sent, lost=self.told.bare.lost)
