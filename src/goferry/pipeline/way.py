"""The whole way as a graph: modules → test → build → image → sign → verify, and then into service.

    request = Request(directory, out, keys)
    opened = look(request, settings, stream)
    for choice in foresee(request, opened, settings): …      # --dry-run
    release = carry(request, opened, settings, stream)       # makes what is missing or changed, and nothing else

The release is made in a folder of Goferry's own and put in place whole (pipeline.staging).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from goferry.build import check
from goferry.config.settings import Settings
from goferry.dist import Ledger, ownfolder
from goferry.golang import modules
from goferry.golang.store import host
from goferry.kernel.checksums import LIST
from goferry.kernel.files import sha256_file
from goferry.kernel.manifest import MANIFEST, SIGNATURES, Manifest
from goferry.kernel.verify import Verified
from goferry.observe.events import Stream
from goferry.pipeline import build, graph, image, sources
from goferry.pipeline.graph import Choice, Step, digest_of
from goferry.pipeline.keys import Keys
from goferry.pipeline.project import OpenProject, default_out, open_project
from goferry.pipeline.record import Record
from goferry.pipeline.staging import Staging

_SEALING = (MANIFEST, LIST, *SIGNATURES.values())
_ELSEWHERE = frozenset({"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GOTMPDIR", "GOROOT", "GOENV"})


@dataclass(frozen=True)
class Request:
    """What a person asked for.

    Attributes:
        directory: the repository, or the project's folder in it. out: the folder of the release; default DIR/dist.
        keys: what signs. project, version, targets: as `goferry build` takes them. go_version: as `open_project` does.
        test: whether vet and tests gate the build. image: whether one is made, where there is one to make.
        without: files and folders that are no source, though they may lie in the repository: what the run itself
            writes.
    """

    directory: Path
    keys: Keys
    out: Path | None = None
    project: str = ""
    version: str = ""
    targets: tuple[str, ...] = ()
    test: bool = True
    image: bool = True
    without: tuple[Path, ...] = ()
    go_version: str = ""


@dataclass(frozen=True)
class Release:
    """A sealed release in `folder`; `made`: ids of the steps that ran to make it, none when it was there, unchanged."""

    folder: Path
    manifest: Manifest
    verified: Verified
    made: tuple[str, ...]


def look(request: Request, settings: Settings, stream: Stream) -> OpenProject:
    """Open the project: configuration, toolchain, facts. Raises what `open_project` raises."""
    return open_project(
        request.directory,
        settings=settings,
        stream=stream,
        project=request.project,
        version=request.version,
        targets=request.targets,
        out=request.out,
        go_version=request.go_version,
    )


def foresee(request: Request, opened: OpenProject, settings: Settings) -> list[Choice]:
    """Return which steps `carry` would run now; changes nothing."""
    way = _Way(request, opened, settings, Stream())
    standing = way.standing()
    return graph.choose(way.steps(standing.folder), standing.record, standing.folder)


def carry(request: Request, opened: OpenProject, settings: Settings, stream: Stream) -> Release:
    """Make the release where it is missing or anything that it is made of changed.

    Raises:
        OutputForeign, UpRunning: the output folder is not ours to replace.
        GoferryError: of the first stage that fails; the release that was there stays.
    """
    way = _Way(request, opened, settings, stream)
    staging = way.staging
    ownfolder.make(staging.home)
    with staging.locked():
        standing = way.standing()
        if standing.fresh:
            staging.refuse_foreign()
            staging.prepare(afresh=not standing.record.steps)
        choices = graph.execute(way.steps(standing.folder), standing.record, standing.folder, stream)
        if standing.fresh:
            staging.publish()
    made = tuple(choice.step.id for choice in choices if choice.runs and choice.step.key)
    assert way.verified is not None
    assert way.verified.manifest is not None
    return Release(staging.out, way.verified.manifest, way.verified, made)


@dataclass(frozen=True)
class _Standing:
    """Where the steps work, what was done there, and whether that is a release in the making."""

    record: Record
    folder: Path
    fresh: bool


class _Way:
    """The steps of one run, with what they share."""

    def __init__(self, request: Request, opened: OpenProject, settings: Settings, stream: Stream) -> None:
        self.request, self.opened, self.settings, self.stream = request, opened, settings, stream
        self.staging = Staging((request.out or default_out(opened.directory)).absolute())
        self.verified: Verified | None = None
        self.warm = ""

    def standing(self) -> _Standing:
        """Return the release that stands when nothing changed, else the one in the making as far as it got."""
        staging = self.staging
        record = Record.load(staging.state)
        if not self._missing(record, staging.out):
            return _Standing(record, staging.out, fresh=False)
        record = Record.load(staging.work_state)
        sealed = (staging.work / LIST).exists()
        if not staging.work.is_dir() or (sealed and self._missing(record, staging.work)):
            record = Record(staging.work_state)  # a sealed folder takes nothing more
        return _Standing(record, staging.work, fresh=True)

    def _missing(self, record: Record, folder: Path) -> bool:
        """Tell whether anything of the release has to be made; steps without a key only look."""
        return any(choice.runs and choice.step.key for choice in graph.choose(self.steps(folder), record, folder))

    def steps(self, folder: Path) -> list[Step]:
        """Return the way's steps, in order, working in `folder`."""
        steps = [Step("modules", self._modules, "go mod download, go mod verify", key=self._source)]
        if self.request.test:
            steps.append(Step("test", self._test, "go vet, go test", needs=("modules",), key=self._source))
        before = steps[-1].id
        facts = self.opened.facts
        targets = ", ".join(str(target) for target in facts.targets)
        about = f"{facts.project} {facts.version} for {targets}"
        steps.append(
            Step(
                "build", lambda: self._build(folder), about, (before,), key=self._build_key, writes_now=_listed(folder)
            )
        )
        if self.request.image and image.wanted(self.opened):
            key = digest_of(self._build_key, "image")
            made = _listed(folder, "image")
            steps.append(
                Step("image", lambda: self._image(folder), "an OCI image", ("build",), key=key, writes_now=made)
            )
        steps += [
            Step(
                "sign",
                lambda: self._sign(folder),
                "seal with " + " and ".join(self._key_names),
                needs=(steps[-1].id,),
                key=digest_of(self._key_digests, self.opened.config.sign.formats),
                writes_now=lambda: [name for name in _SEALING if (folder / name).exists()],
            ),
            Step("verify", lambda: self._verify(folder), f"against {self.request.keys.trust}", needs=("sign",)),
        ]
        return graph.order(steps)

    @cached_property
    def _source(self) -> str:
        """Digest of what the sources are and what reads them."""
        opened, environ = self.opened, self.settings.environ
        go = {name: environ[name] for name in sorted(environ) if name.startswith("GO") and name not in _ELSEWHERE}
        go = {name: value for name, value in go.items() if not name.startswith("GOFERRY_")}
        own = [self.staging.out, self.staging.home, *self.request.without]
        source = sources.digest(opened.directory, without=own)
        builds = msgspec.to_builtins(opened.config.builds)
        return digest_of(source, opened.toolchain.as_record(), go, builds)

    @cached_property
    def _build_key(self) -> str:
        facts = self.opened.facts
        stand = [facts.version, facts.commit, facts.date, facts.dirty, facts.snapshot]
        targets = [str(target) for target in facts.targets]
        return digest_of(self._source, stand, targets, msgspec.to_builtins(self.opened.config))

    @property
    def _key_files(self) -> list[Path]:
        return [file for file in (self.request.keys.openpgp, self.request.keys.minisign) if file]

    @property
    def _key_names(self) -> list[str]:
        return [signer.id for signer in self.request.keys.signers] or [file.name for file in self._key_files]

    @cached_property
    def _key_digests(self) -> list[str]:
        """Return what tells one key from another without opening it; one that is still to be made has none."""
        if self.request.keys.signers:
            return self._key_names
        return [digest_of(sha256_file(file)) if file.exists() else "" for file in self._key_files]

    def _modules(self) -> None:
        with self.stream.span("modules"):
            where = self.opened.toolchain, self.opened.directory, self.settings, self.stream
            modules.download(*where)
            modules.verify(*where)

    def _test(self) -> None:
        opened = self.opened
        with self.stream.span("test"):
            check.test(opened.facts, opened.config, opened.toolchain, self.settings, self.stream)
        self.warm = "/".join(host())

    def _build(self, folder: Path) -> None:
        build.run(build.planned(self.opened, out=folder, warm=self.warm), settings=self.settings, stream=self.stream)

    def _image(self, folder: Path) -> None:
        image.make(self.opened, folder, self.stream)

    def _sign(self, folder: Path) -> None:
        from goferry.trust import keys, seal

        chosen = self.request.keys
        signers = list(chosen.signers) or keys.load_signers(
            openpgp_key=chosen.openpgp, minisign_key_file=chosen.minisign, passphrase_file=None, settings=self.settings
        )
        formats = self.opened.config.sign.formats
        seal.seal(folder, signers, settings=self.settings, stream=self.stream, now=int(time.time()), formats=formats)

    def _verify(self, folder: Path) -> None:
        from goferry.kernel import trustfile
        from goferry.trust.check import check_release

        trust = trustfile.load(self.request.keys.trust)
        self.verified = check_release(
            folder, trust, settings=self.settings, stream=self.stream, project=self.opened.name
        )


def _listed(folder: Path, kind: str = "") -> Callable[[], list[str]]:
    """Return a question for the names that the ledger lists: of one kind, or of all but images."""

    def names() -> list[str]:
        artifacts = Ledger.load(folder).artifacts.values()
        return [
            artifact.name for artifact in artifacts if (artifact.kind == kind if kind else artifact.kind != "image")
        ]

    return names
