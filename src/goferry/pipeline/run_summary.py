"""What a finished run came to, as the record that report and summary draw (observe.record)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from goferry import artifacts
from goferry.artifacts import Ledger
from goferry.deploy import Deployment
from goferry.deploy.deployment import HostRecord
from goferry.deploy.reading import Row
from goferry.gobuild.gate import Report
from goferry.kernel.manifest import File, Manifest
from goferry.observe import delivery
from goferry.observe.delivery import Delivery
from goferry.observe.record import (
    Run,
    RunArtifact,
    RunCompiled,
    RunGate,
    RunHost,
    RunImage,
    RunPack,
    RunService,
    RunSigner,
    RunToolchain,
    RunTrend,
    Trust,
)
from goferry.pipeline.chain import SealedRelease


class SummaryKey(Protocol):
    """A key that signed, or that is to sign."""

    @property
    def format(self) -> str: ...  # noqa: D102
    @property
    def id(self) -> str: ...  # noqa: D102


def of_release(
    release: SealedRelease,
    *,
    trust: Path,
    seconds: float,
    deployed: Deployment | None = None,
    root: Path | None = None,
) -> Run:
    """Return the record of a release and, when it was deployed on this machine, of its services.

    Paths in commands are relative to the folder above the release.
    """
    made, above = release.manifest, release.folder.parent
    services = _services(deployed) if deployed else ()
    check = ["goferry", "verify", release.folder.name, "--trust", _shown(trust, above)]
    back = ["goferry", "rollback", "--target", "local", "--root", _shown(root, above)] if root else []
    return replace(
        _built(made, made.files),
        created=made.created,
        seconds=seconds,
        images=tuple(RunImage(name=one.name, digest=one.digest, platforms=tuple(one.platforms)) for one in made.images),
        gate=of_gate(release.tested),
        compiled=of_compiled(release.compiled),
        trust=Trust(signers=signers(release.verified.signers), commands=(shlex.join(check),)),
        services=services,
        go_back=(shlex.join(back),) if back and any(service.previous for service in services) else (),
    )


def of_build(ledger: Ledger, part: str = "", tested: Report | None = None) -> Run:
    """Return the record of a build that is not sealed; `part` of a matrix; `tested`: what its gate found."""
    title = f"{ledger.project} {ledger.version} is built"
    built = _built(ledger, ledger.artifacts.values())
    return replace(
        built,
        sentence=title + (f", part {part}" if part else ""),
        gate=of_gate(tested),
        compiled=of_compiled(ledger.compiled),
    )


def of_compiled(reported: Sequence[artifacts.Compiled]) -> tuple[RunCompiled, ...]:
    """Return what a ledger says of what its programs were compiled from (`Ledger.compiled`)."""
    return tuple(
        RunCompiled(
            slot=each.slot,
            source=each.source,
            packs=tuple(RunPack(kind=pack.kind, sha256=pack.sha256, signed=pack.signed) for pack in each.packs),
        )
        for each in reported
    )


def of_gate(report: Report | None) -> RunGate | None:
    """Return the counts of the gate's report; None where there was no gate."""
    return RunGate(tests=report.tests, packages=report.tested, cached=report.cached) if report else None


def of_fleet(deployed: Deployment, *, outcome: str, environment: str = "", go_back: str = "") -> Run:
    """Return the record of a deploy or a rollback over ssh.

    `outcome` is what it came to for a person: `deployed`, `unchanged`, or `rolled-back` of a rollback. `go_back` is the
    command of the way back; it is shown when some host has a version to go back to.
    """
    return Run(
        project=deployed.project,
        version=deployed.version,
        seconds=deployed.seconds,
        environment=environment,
        outcome=outcome,
        hosts=tuple(_host(name, each) for name, each in sorted(deployed.hosts.items())),
        go_back=(go_back,) if go_back and any(host.previous for host in deployed.hosts.values()) else (),
    )


def of_trend(found: Delivery) -> RunTrend:
    """Return a project's figures as a summary shows them."""
    return RunTrend(
        window=delivery.window(found.seconds),
        recent=delivery.trend(found.recent),
        frequency=delivery.frequency(found),
        lead_time=delivery.spread(found.lead_time, "not known"),
        failure_rate=delivery.failures(found),
        recovery_time=delivery.spread(found.recovery_time, "nothing to recover from"),
    )


def _host(name: str, reported: HostRecord) -> RunHost:
    return RunHost(
        name=name,
        version=reported.version,
        previous=reported.previous,
        switch_ms=reported.switch_ms,
        gap_ms=max(reported.gap_ms.values(), default=None),
        uploaded=reported.uploaded,
        outcome=reported.outcome,
    )


def of_undone(sentence: str, reported: object) -> Run:
    """Return the record of a deploy that failed: what it came to, and the hosts of the error's facts."""
    return Run(sentence=sentence, hosts=hosts(reported))


def hosts(reported: object) -> tuple[RunHost, ...]:
    """Return the hosts of a record in the order of their names; what is none, or of another type, is left out."""
    found = reported if isinstance(reported, dict) else {}
    return tuple(_read_host(str(name), Row(each)) for name, each in sorted(found.items()) if isinstance(each, dict))


def _read_host(name: str, row: Row) -> RunHost:
    return RunHost(
        name=name,
        version=row.text("version"),
        previous=row.text("previous"),
        switch_ms=row.milliseconds("switch_ms"),
        gap_ms=max(row.gaps().values(), default=None),
        uploaded=row.whole("uploaded"),
        outcome=row.text("outcome"),
    )


def signers(keys: Iterable[SummaryKey]) -> tuple[RunSigner, ...]:
    """Return whose signatures are good, or with whose keys something was signed."""
    return tuple(RunSigner(format=each.format, id=each.id) for each in keys)


def way_back(project: str, environment: str, names: Sequence[str], services: Sequence[str]) -> str:
    """Return the command that takes the same hosts to the version before."""
    where = ["--environment", environment] if environment else [word for name in names for word in ("--host", name)]
    only = [word for name in services for word in ("--service", name)]
    about = [] if environment else ["--project", project]
    return shlex.join(["goferry", "rollback", "--target", "ssh", *where, *about, *only])


def _services(deployed: Deployment) -> tuple[RunService, ...]:
    return tuple(
        RunService(
            name=name,
            version=service.version,
            previous=service.previous,
            url=service.url,
            switch_ms=deployed.switch_ms or None,
        )
        for name, service in sorted(deployed.services.items())
    )


def _built(made: Manifest | Ledger, files: Iterable[File | artifacts.Artifact]) -> Run:
    """Return what a release and a build that is not sealed have in common."""
    return Run(
        project=made.project,
        version=made.version,
        commit=made.commit,
        snapshot=made.snapshot,
        dirty=made.dirty,
        artifacts=tuple(
            RunArtifact(name=one.name, kind=one.kind, target=_target(one), size=one.size, sha256=one.sha256)
            for one in files
        ),
        toolchain=_toolchain(made.toolchain),
    )


def _toolchain(about: Mapping[str, Any]) -> RunToolchain | None:
    return RunToolchain(version=about["version"], source=about["source"], proof=about["proof"]) if about else None


def _target(entry: File | artifacts.Artifact) -> str:
    return "/".join(part for part in (entry.goos, entry.goarch, entry.variant) if part)


def _shown(path: Path, above: Path) -> str:
    """Return a path as a person types it in the folder `above`; of one elsewhere its name alone."""
    whole = path.absolute()
    return str(whole.relative_to(above)) if whole.is_relative_to(above) else whole.name
