"""The right Go for a folder: resolved, installed with proof, or taken as it was found.

The order, and why:

    1. what Goferry installed and proved before          needs no network, and loads nothing for it
    2. the toolchain module through GOPROXY, proven       the normal way
    3. a Go that was here: tool cache, then PATH          unproven; only if allowed, and only when 2 cannot be had

`prefer_machine` puts 3 first. A failed proof is never a reason to take 3: somebody altered what we were given.

Where a file leaves the patch open (`go 1.27`, no `go` line), a stage takes the newest one that was proved before, and
asks for the list of versions only when there is none. Setting up (`afresh`) asks, and so brings newer patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from goferry.artifacts.fetching import ProxyListInvalid
from goferry.artifacts.native import host
from goferry.artifacts.toolchain import Toolchain
from goferry.config import model, workspace
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.golang import (
    _preinstalled as preinstalled,
    _signed_note as signed_note,
    _toolchain_store as toolchain_store,
    _zips as zips,
    earlier,
)
from goferry.golang._goenv import GoEnv
from goferry.golang._resolve import GoVersionUnavailable, Resolved, WantedGo, resolve, wanted
from goferry.golang._untouched import TreeWatch
from goferry.golang.versions import GoVersion
from goferry.kernel.errors import GoferryError, Unreachable, printable
from goferry.observe.events import Span

if TYPE_CHECKING:
    from goferry.golang import _proxies as proxies, _sumdb as sumdb

_LIST_LIMIT, _INFO_LIMIT = 4 << 20, 1 << 16


class GoRequest(Struct, frozen=True):
    """Which Go is asked for, and on what terms; `resolve_version` and `setup_go` answer the same request.

    Attributes:
        directory: where go.work or go.mod is looked for.
        version: a spec (`1.27.3`, `1.27`, `stable`, …) that a person asked for.
        config: goferry.yml, for `go` and `builds.env`; the defaults where there is none.
        allow_unproven: whether a Go that was here may serve when none can be installed; `go.unproven` must agree.
        prefer_machine: take such a Go first when it answers.
        afresh: decide anew, whatever an earlier setup-go of the job set up.
        keep_zip: keep the zip of what is installed, for other jobs (golang.zips).
    """

    directory: Path
    version: str = ""
    config: model.Project = field(default_factory=model.Project)
    allow_unproven: bool = True
    prefer_machine: bool = False
    afresh: bool = False
    keep_zip: bool = False


def resolve_version(ctx: Context, request: GoRequest) -> Resolved:
    """Return the version that `setup_go` would set up for the request, without installing it.

    Raises:
        GoVersionInvalid, GoVersionTooLow, GoModInvalid: what was asked for, or a file, can't be used.
        GoVersionUnavailable, Unreachable: there is no such version, or nobody says so.
    """
    with ctx.stream.span("resolve-go") as span:
        return _Setup(ctx, request).resolved(span)


def setup_go(ctx: Context, request: GoRequest) -> Toolchain:
    """Return the toolchain that is asked for, installed if need be.

    Raises:
        Refused: when a proof fails; nothing is left on disk. Misuse, Failed, Unreachable: see `resolve_version`.
    """
    with ctx.stream.span("setup-go") as span:
        found = _Setup(ctx, request).run(span)
        span.numbers |= {"version": found.version, "proof": found.proof, "source": found.source}
        if found.proof == "unproven":
            span.note(f"Go {found.version} ({found.source}) was here before and is unproven", "warning")
        return found


def lacking(ctx: Context, request: GoRequest) -> Path | None:
    """Return where the zip of the toolchain is looked for that `setup_go` would install; None: it installs none.

    Raises:
        GoferryError: see `resolve_version`.
    """
    with ctx.stream.span("resolve-go") as span:
        return _Setup(ctx, request).lacking(span)


def zipped(toolchain: Toolchain, settings: Settings) -> Path | None:
    """Return the zip of a proven toolchain, where it is kept here."""
    if toolchain.proof != "checksum-database":
        return None
    kept = zips.path(settings.cache, toolchain_store.module_version(toolchain.version, *host()))
    return kept if kept.is_file() else None


def _cannot_be_had() -> tuple[type[GoferryError], ...]:
    """Return the errors after which a Go that was here may serve: nothing was altered, there is just none to be had."""
    from goferry.golang import _proxies as proxies, _sumdb as sumdb

    return (
        *(Unreachable, GoVersionUnavailable),
        *(proxies.ProxyLacks, proxies.ProxyRefuses, proxies.ProxyOff, ProxyListInvalid),
        *(sumdb.ChecksumDatabaseOff, sumdb.NotInChecksumDatabase),
    )


class _Setup:
    """One run: configuration and network are looked at, and their libraries loaded, only when they are needed."""

    def __init__(self, ctx: Context, request: GoRequest) -> None:
        self.ctx, self.request = ctx, request
        self.earlier = None if request.afresh else earlier.read(ctx.settings.environ)
        self.unproven = request.allow_unproven and request.config.go.unproven
        self.goos, self.goarch = host()
        self.goenv = GoEnv(ctx.settings, self._defaults)

    def _defaults(self) -> str:
        from goferry.golang._gowheel import go_env

        return go_env(self.ctx)

    @cached_property
    def proxies(self) -> proxies.ProxyList:
        from goferry.golang import _proxies as proxies
        from goferry.system.http import Client

        return proxies.ProxyList(proxies.parse(self.goenv.get("GOPROXY")), Client(self.ctx.settings.environ))

    @cached_property
    def database(self) -> sumdb.ChecksumDatabase:
        from goferry.golang import _sumdb as sumdb
        from goferry.system.http import Client

        client = Client(self.ctx.settings.environ)
        return sumdb.database(self.goenv.get("GOSUMDB"), self.proxies, client, self.ctx.settings.cache)

    def run(self, span: Span) -> Toolchain:
        want = self._wanted(span)
        here = self._preferred(want)
        if here:
            want.hold(GoVersion(here.version))
            return here
        kept = self._kept(want, span)
        if kept:
            return kept
        try:
            resolved = resolve(want, partial(self._available, span))
            return self._proven(resolved, span) or self._installed(resolved)
        except _cannot_be_had() as error:
            return self._instead(want, error, span)

    def resolved(self, span: Span) -> Resolved:
        want = self._wanted(span)
        here = self._preferred(want)
        kept = None if here else self._kept(want, span)
        if kept:
            return Resolved(kept.version, want.source, want.minimum, want.by)
        try:
            if not here:
                resolved = resolve(want, partial(self._available, span))
                self._find(resolved, span)
                return resolved
        except _cannot_be_had() as error:
            here = self._instead(want, error, span)
        want.hold(GoVersion(here.version))
        return Resolved(here.version, f"{want.source}; here before, unproven", want.minimum, want.by)

    def lacking(self, span: Span) -> Path | None:
        want = self._wanted(span)
        if self._preferred(want) or self._kept(want, span):
            return None
        resolved = resolve(want, partial(self._available, span))
        if self._proven(resolved, span):
            return None
        return zips.path(
            self.ctx.settings.cache, toolchain_store.module_version(resolved.version, self.goos, self.goarch)
        )

    def _wanted(self, span: Span) -> WantedGo:
        request, caller = self.request, self.goenv.get("GOWORK")
        counts = workspace.gowork(request.directory, request.config.builds.env)
        if caller not in ("", "auto", counts):
            span.note(
                f"GOWORK={printable(caller, 200)} of the environment is not used: what decides the build stands in the "
                "repository; if you mean it, write in goferry.yml:  builds: {env: {GOWORK: 'off'}}",
                "warning",
            )
        return wanted(request.directory, request.version, self.goenv, request.config, self.earlier)

    def _preferred(self, want: WantedGo) -> Toolchain | None:
        """Return a Go that was here, where one is preferred and may serve."""
        return self._from_machine(want, None) if self.request.prefer_machine and self.unproven else None

    def _instead(self, want: WantedGo, error: GoferryError, span: Span) -> Toolchain:
        """Return a Go that was here, or raise why none could be had."""
        here = self._from_machine(want, error) if self.unproven else None
        if here is None:
            raise error
        want.hold(GoVersion(here.version))
        span.note(f"no proven toolchain can be had: {printable(error.what, 300)}", "warning")
        return here

    def _find(self, resolved: Resolved, span: Span) -> None:
        """Make sure that a version exists, without its zip: installed before, listed, or known to a proxy.

        Raises:
            GoVersionUnavailable: nobody has it. And what `ProxyList.get` raises.
        """
        if self._proven(resolved, span) or GoVersion(resolved.version) in self._available(span):
            return
        from goferry.golang import _proxies as proxies

        try:
            full = toolchain_store.module_version(resolved.version, self.goos, self.goarch)
            self.proxies.get(f"{toolchain_store.MODULE}/@v/{proxies.escaped(full)}.info", _INFO_LIMIT)
        except (proxies.ProxyLacks, proxies.ProxyRefuses) as error:
            raise self._unavailable(resolved, error) from error

    def _available(self, span: Span) -> Iterable[GoVersion]:
        """Ask the proxies; when they do not answer, what is installed must do."""
        try:
            text = self.proxies.get(f"{toolchain_store.MODULE}/@v/list", _LIST_LIMIT).decode("utf-8", "replace")
        except _cannot_be_had() as error:
            installed = [item for item in self._installed_before() if item.is_release]
            if not installed:
                raise
            span.note(f"the list of versions cannot be had, so what is installed decides: {error.what}", "warning")
            return installed
        return toolchain_store.listed(text, self.goos, self.goarch)

    def _installed_before(self) -> Iterator[GoVersion]:
        for record in (self.ctx.settings.cache / "toolchains").glob(f"go*.{self.goos}-{self.goarch}.proof.json"):
            yield from toolchain_store.listed(
                f"v0.0.1-{record.name.removesuffix('.proof.json')}", self.goos, self.goarch
            )
        if self.ctx.settings.tool_cache is not None:
            for record in (self.ctx.settings.tool_cache / "go").glob("*/*.proof.json"):
                version = toolchain_store.recorded_version(record)
                if version is not None:
                    yield version

    def _kept(self, want: WantedGo, span: Span) -> Toolchain | None:
        """Return the newest Go that was proved before and serves, where a file leaves the choice open and a stage asks.

        A person's `1.27` or `stable` means the newest that there is, and that is the proxies' to say.
        """
        if self.request.afresh or not want.minimum or want.spec.kind == "exact":
            return None
        version = want.spec.choose(set(self._installed_before()))
        if version is None or not want.serves(version):
            return None
        return self._proven(Resolved(version.text, want.source, want.minimum, want.by), span)

    def _proven(self, resolved: Resolved, span: Span) -> Toolchain | None:
        """Return what was installed and proven before."""
        for place in toolchain_store.places(self.ctx.settings, resolved.version, self.goos, self.goarch):
            kept = toolchain_store.read_installed(
                place,
                resolved.version,
                self.goos,
                self.goarch,
                watch=TreeWatch.of(self.ctx.settings),
                key=self._own_key,
            )
            if kept.toolchain:
                return kept.toolchain
            if kept.why:
                span.note(f"{place.root} does not count: {kept.why}", "warning")
        return None

    @cached_property
    def _own_key(self) -> signed_note.NoteKey | None:
        """The database that the surroundings name; the defaults are not fetched for it."""
        try:
            words = self.ctx.settings.environ.get("GOSUMDB", "").split()
            return signed_note.key(words[0]) if words else None
        except signed_note.ChecksumDatabaseUnknown:
            return None

    def _installed(self, resolved: Resolved) -> Toolchain:
        place = toolchain_store.free(
            toolchain_store.places(self.ctx.settings, resolved.version, self.goos, self.goarch)
        )
        from goferry.golang import _proxies as proxies
        from goferry.golang._install import Sources, install

        kept = zips.path(
            self.ctx.settings.cache, toolchain_store.module_version(resolved.version, self.goos, self.goarch)
        )
        sources = Sources(
            self.proxies, self.database, TreeWatch.of(self.ctx.settings), kept, keep=self.request.keep_zip
        )
        try:
            return install(place, resolved.version, self.goos, self.goarch, sources=sources, stream=self.ctx.stream)
        except (proxies.ProxyLacks, proxies.ProxyRefuses) as error:
            raise self._unavailable(resolved, error) from error

    def _unavailable(self, resolved: Resolved, error: GoferryError) -> GoVersionUnavailable:
        return GoVersionUnavailable(
            f"Go {resolved.version} for {self.goos}/{self.goarch} ({resolved.source}) cannot be had: {error.what}",
            state="Nothing was installed.",
            advice=["see what can be had:  goferry setup-go --go-version stable --resolve-only"],
        )

    def _from_machine(self, want: WantedGo, error: GoferryError | None) -> Toolchain | None:
        """Return the best unproven toolchain that answers, or None; after `error`, a newer one may serve go.mod."""
        candidates = {
            GoVersion(item.version): item for item in reversed(list(preinstalled.found(self.ctx.settings, self.goarch)))
        }
        exact = want.spec.choose(candidates)
        if exact in candidates:
            return candidates[exact]
        if error is None or not want.minimum or not candidates:
            return None
        newest = max(candidates)
        enough = want.spec.version is None or newest >= want.spec.version
        return candidates[newest] if enough else None
