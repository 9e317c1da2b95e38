"""The whole way as a graph: modules → test → build → image → sign → verify, and then into service.

    request = RunOptions(ProjectRequest(directory), keys)
    opened = open_run(ctx, request)
    for choice in plan(request, opened, settings): …      # --dry-run
    release = run(ctx, request, opened)                    # makes what is missing or changed, and nothing else

The release is made in a folder of Goferry's own and put in place whole (pipeline.staging). What of the sources is new
is go's to say: it is asked every time, and what comes after the programs is left out when they, and all that the ledger
says of them, are what stands in the output's place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from goferry.artifacts import Compiled, Ledger, ownfolder
from goferry.artifacts.ledger import LedgerInvalid
from goferry.artifacts.native import host
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import folder, gate, replaced
from goferry.golang import modules
from goferry.kernel.checksums import LIST
from goferry.kernel.errors import Advice
from goferry.kernel.files import sha256_file
from goferry.kernel.manifest import MANIFEST, SIGNATURES, Manifest
from goferry.kernel.verify import Verified
from goferry.observe.events import Stream
from goferry.pipeline import _graph as graph, _sources as sources, build, image
from goferry.pipeline._graph import ChainStep, Choice, digest_of
from goferry.pipeline._staging import Staging
from goferry.pipeline._step_record import StepRecord
from goferry.pipeline.project import OpenProject, ProjectRequest, default_out, open_project
from goferry.pipeline.signing_keys import Keys

_SEALING = (MANIFEST, LIST, *SIGNATURES.values())
_ELSEWHERE = frozenset({"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOSUMDB", "GOTMPDIR", "GOROOT", "GOENV"})

_UNTESTED = Advice("to try it all the same, without vet and tests, add:  --no-test", step="")


class RunOptions(Struct, frozen=True):
    """What a person asked for.

    Attributes:
        project: which project, and the folder of its release. keys: what signs.
        test: whether vet and tests gate the build. image: whether one is made, where there is one to make.
        fresh: whether every test runs, also where an earlier run has its result.
    """

    project: ProjectRequest
    keys: Keys
    test: bool = True
    image: bool = True
    fresh: bool = False


class SealedRelease(Struct, frozen=True):
    """A sealed release in `folder`.

    Attributes:
        made: ids of the steps that ran to make it, none when it was there, unchanged. tested: what the gate found.
        compiled: what this run compiled the programs from (artifacts.ledger).
    """

    folder: Path
    manifest: Manifest
    verified: Verified
    made: tuple[str, ...]
    tested: gate.Report | None = None
    compiled: tuple[Compiled, ...] = ()


def open_run(ctx: Context, request: RunOptions) -> OpenProject:
    """Open the project: configuration, toolchain, facts. Raises what `open_project` raises."""
    return open_project(ctx, request.project)


def plan(request: RunOptions, opened: OpenProject, settings: Settings) -> list[Choice]:
    """Return which steps `run` would run now, as far as it shows before go has looked; changes nothing."""
    chain = _Chain(Context(settings, Stream()), request, opened)
    made = graph.choose(chain.making(chain.staging.work), chain.working(), chain.staging.work)
    return [*made, *chain.foreseen()]


def run(ctx: Context, request: RunOptions, opened: OpenProject) -> SealedRelease:
    """Make the release where it is missing or anything that it is made of changed.

    Raises:
        CodeReplaced: it is a release, and the commit does not show everything that would be built.
        OutputForeign, UpRunning: the output folder is not ours to replace.
        GoferryError: of the first stage that fails; the release that was there stays.
    """
    replaced.demand(opened.facts.replaced, snapshot=opened.facts.snapshot)
    chain = _Chain(ctx, request, opened)
    staging = chain.staging
    ownfolder.make(staging.home)
    with staging.locked():
        staging.refuse_foreign()
        record = chain.working()
        staging.prepare(afresh=not chain.resumes)
        choices = graph.execute(chain.making(staging.work), record, staging.work, ctx.stream)
        stands = chain.stands()
        if stands:
            chain.keep_modules(record)
            staging.discard()
            graph.execute(chain.sealing(staging.out), chain.record, staging.out, ctx.stream)
        else:
            choices += graph.execute(chain.sealing(staging.work), record, staging.work, ctx.stream)
            staging.publish()
    made = () if stands else tuple(choice.step.id for choice in choices if choice.runs and choice.step.key)
    assert chain.verified is not None
    assert chain.verified.manifest is not None
    compiled = chain.ledger.compiled if chain.ledger else ()
    return SealedRelease(staging.out, chain.verified.manifest, chain.verified, made, chain.tested, compiled)


class _Chain:
    """The steps of one run, with what they share."""

    def __init__(self, ctx: Context, request: RunOptions, opened: OpenProject) -> None:
        self.ctx, self.request, self.opened = ctx, request, opened
        self.staging = Staging((request.project.out or default_out(opened.directory)).absolute())
        self.record = StepRecord.load(self.staging.state)
        self.ledger: Ledger | None = None
        self.verified: Verified | None = None
        self.tested: gate.Report | None = None
        self.warm = ""

    @cached_property
    def resumes(self) -> bool:
        """Whether a release in the making is there that can be gone on with; a sealed folder takes nothing more."""
        return self.staging.work_state.exists() and not (self.staging.work / LIST).exists()

    def working(self) -> StepRecord:
        """Return the record of the release in the making.

        The modules that the release before needed are in the cache, whatever becomes of its folder.
        """
        path = self.staging.work_state
        done = StepRecord.load(path).steps if self.resumes else {}
        before = {name: each for name, each in self.record.steps.items() if name == "modules"}
        return StepRecord(path, {**before, **done})

    def keep_modules(self, record: StepRecord) -> None:
        """Note with the release that stands which modules are in the cache now."""
        if self.record.steps.get("modules") != record.steps["modules"]:
            self.record.remember("modules", record.steps["modules"])

    def stands(self) -> bool:
        """Tell whether the release in the output's place is the one that this run would make; after the build."""
        kept = self._kept
        if kept is None or self.ledger is None or _build_facts(kept) != _build_facts(self.ledger):
            return False
        return not any(choice.runs and choice.step.key for choice in self._choose_sealing())

    def foreseen(self) -> list[Choice]:
        """Return what comes after the build, if go finds nothing new; before the build."""
        kept, facts = self._kept, self.opened.facts
        self.ledger = kept
        choices = self._choose_sealing()
        if kept is None:
            return choices
        stand = [facts.version, facts.commit, facts.date, facts.dirty, facts.snapshot]
        new = stand != [kept.version, kept.commit, kept.date, kept.dirty, kept.snapshot]
        reason = f"{kept.version} stands there" if new else "unchanged, unless go makes other programs"
        return [choice if choice.runs else Choice(choice.step, runs=new, reason=reason) for choice in choices]

    def _choose_sealing(self) -> list[Choice]:
        return graph.choose(self.sealing(self.staging.out), self.record, self.staging.out)

    @cached_property
    def _kept(self) -> Ledger | None:
        """The ledger of the release in the output's place, if all that it lists is intact."""
        try:
            ledger = Ledger.parse(self.staging.ledger.read_bytes())
        except (OSError, LedgerInvalid):
            return None
        whole = folder.intact(self.staging.out, ledger)
        return whole if len(whole.artifacts) == len(ledger.artifacts) else None

    def making(self, where: Path) -> list[ChainStep]:
        """Return the steps to the programs, working in `where`; what is unchanged of them is go's to say."""
        steps = [ChainStep("modules", self._modules, "go mod download, go mod verify", key=self._modules_key)]
        if self.request.test:
            steps.append(ChainStep("test", self._test, "go vet, go test", needs=("modules",), key="go", judge="go"))
        facts = self.opened.facts
        targets = ", ".join(str(target) for target in facts.targets)
        steps.append(
            ChainStep(
                "build",
                lambda: self._build(where),
                f"{facts.project} {facts.version} for {targets}",
                (steps[-1].id,),
                key="go",
                judge="go",
                writes_now=_listed(where),
            )
        )
        return graph.sort_steps(steps)

    def sealing(self, where: Path) -> list[ChainStep]:
        """Return the steps from the programs to the release, working in `where`; after the build."""
        built = digest_of(_build_facts(self.ledger)) if self.ledger else ""
        steps: list[ChainStep] = []
        if self.request.image and image.wanted(self.opened):
            key = digest_of(built, "image", msgspec.to_builtins(self.opened.config.image))
            steps.append(
                ChainStep(
                    "image", lambda: self._image(where), "an OCI image", key=key, writes_now=_listed(where, "image")
                )
            )
        imaged = [step.key for step in steps]
        steps += [
            ChainStep(
                "sign",
                lambda: self._sign(where),
                "seal with " + " and ".join(self._key_names),
                needs=tuple(step.id for step in steps),
                key=digest_of(built, imaged, self._key_digests, self.opened.config.sign.formats),
                writes_now=lambda: [name for name in _SEALING if (where / name).exists()],
            ),
            ChainStep("verify", lambda: self._verify(where), f"against {self.request.keys.trust}", needs=("sign",)),
        ]
        return graph.sort_steps(steps)

    @cached_property
    def _modules_key(self) -> str:
        """Digest of what says which modules are needed, and of what fetches them."""
        opened, environ = self.opened, self.ctx.settings.environ
        go = {name: environ[name] for name in sorted(environ) if name.startswith("GO") and name not in _ELSEWHERE}
        go = {name: value for name, value in go.items() if not name.startswith("GOFERRY_")}
        return digest_of(sources.modules(opened.facts, opened.config.builds.env), opened.toolchain.as_record(), go)

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
        with self.ctx.stream.span("modules"):
            where = self.opened.toolchain, self.opened.directory, self.opened.config.builds.env
            modules.download(self.ctx, *where)
            if not build.held(self.opened, self.ctx.settings):  # the build itself does it then, after the tests
                modules.verify(self.ctx, *where)

    def _test(self) -> None:
        opened, fresh = self.opened, self.request.fresh
        with self.ctx.stream.span("test"):
            try:
                self.tested = gate.test(self.ctx, opened.facts, opened.config, opened.toolchain, fresh=fresh)
            except (gate.VetFailed, gate.TestsFailed) as error:
                error.advice += (_UNTESTED,)
                raise
        self.warm = "/".join(host())

    def _build(self, where: Path) -> None:
        job = build.planned(self.opened, out=where, warm=self.warm)
        earlier = [folder.EarlierBuild(self.staging.out, self._kept)] if self._kept else []
        self.ledger = build.run(self.ctx, job, earlier=earlier)

    def _image(self, where: Path) -> None:
        image.make(self.opened, where, self.ctx.stream)

    def _sign(self, where: Path) -> None:
        from goferry.trust import keys, seal

        chosen = self.request.keys
        signers = list(chosen.signers) or keys.load_signers(
            openpgp_key=chosen.openpgp,
            minisign_key_file=chosen.minisign,
            passphrase_file=None,
            settings=self.ctx.settings,
        )
        formats = self.opened.config.sign.formats
        seal.seal(self.ctx, where, signers, now=int(time.time()), formats=formats)

    def _verify(self, where: Path) -> None:
        from goferry.kernel import trustfile
        from goferry.trust.verification import check_release

        trust = trustfile.load(self.request.keys.trust)
        self.verified = check_release(self.ctx, where, trust, project=self.opened.name)


def _build_facts(ledger: Ledger) -> dict[str, Any]:
    """Return what a build's ledger says: all but the image, which comes after it, and what is of the run alone."""
    record = asdict(replace(ledger, trace="", compiled=()))
    artifacts = [each for _, each in sorted(ledger.artifacts.items()) if each.kind != "image"]
    facts: dict[str, Any] = msgspec.to_builtins({**record, "artifacts": artifacts})
    return facts


def _listed(where: Path, kind: str = "") -> Callable[[], list[str]]:
    """Return a question for the names that the ledger lists: of one kind, or of all but images."""

    def names() -> list[str]:
        artifacts = Ledger.load(where).artifacts.values()
        return [
            artifact.name for artifact in artifacts if (artifact.kind == kind if kind else artifact.kind != "image")
        ]

    return names
