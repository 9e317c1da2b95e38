"""The result of a run: the record that producers fill in and that report and summary draw. Types only.

Producers are `pipeline.run_summary`, which makes a record of a sealed release, a build or a deploy, the actions, and
the demo. A field that nobody measured is None, or empty, and then nothing is drawn in its place. A test
(tests/unit/observe/test_record.py) holds that every field here has a producer and a reader.

All text is untrusted: renderers escape it. Figures were judged where they came from (a host's: `deploy.answers`).
"""

from __future__ import annotations

from msgspec import Struct, field


class RunArtifact(Struct, frozen=True):
    """A file of the release: `size` in bytes, `target` as `linux/amd64` or empty for any, `sha256` in hex."""

    name: str
    kind: str
    target: str
    size: int
    sha256: str


class RunImage(Struct, frozen=True):
    """An OCI image index: `digest` as `sha256:…`, `platforms` as `linux/amd64`."""

    name: str
    digest: str
    platforms: tuple[str, ...]


class RunToolchain(Struct, frozen=True):
    """The Go that built it: `proof` is `checksum-database` or `unproven`, `source` where it came from."""

    version: str
    source: str
    proof: str


class RunPack(Struct, frozen=True):
    """A pack of compiled packages: of which kind, its digest in hex, and whether a trusted signature covers it."""

    kind: str
    sha256: str
    signed: bool


class RunCompiled(Struct, frozen=True):
    """What a slot's programs were compiled from: `cold`, `packs` or `gocache` (artifacts.ledger), and the packs."""

    slot: str
    source: str
    packs: tuple[RunPack, ...] = ()


class RunGate(Struct, frozen=True):
    """What the gate before the build ran: packages with tests, and of how many of them an earlier run answered."""

    tests: int
    packages: int
    cached: int


class RunSigner(Struct, frozen=True):
    """Whose signature is good: `format` is `openpgp` or `minisign`, `id` the key's."""

    format: str
    id: str


class RunRefusal(Struct, frozen=True):
    """What was tried and refused, and the refusal's name."""

    what: str
    refusal: str


class Trust(Struct, frozen=True):
    """Who signed, which commands verify it again, and what was refused."""

    signers: tuple[RunSigner, ...] = ()
    commands: tuple[str, ...] = ()
    refused: tuple[RunRefusal, ...] = ()


class Traffic(Struct, frozen=True):
    """Requests of a load that was put on a service, as its driver counted them; never bytes."""

    requests: int
    lost: int


class RunService(Struct, frozen=True):
    """A service that was brought into service on this machine.

    Attributes:
        previous: the version before; empty when there was none. url: where it answers.
        switch_ms: milliseconds that the switch took; None when nothing was switched, or nobody measured it.
        rollback_seconds: how long the way back took, when it was gone. traffic: the load that was on meanwhile.
    """

    name: str
    version: str
    previous: str = ""
    url: str = ""
    switch_ms: int | None = None
    rollback_seconds: float | None = None
    traffic: Traffic | None = None


class RunHost(Struct, frozen=True):
    """A host of a fleet after a deploy or a rollback.

    Attributes:
        version, previous: what it serves now, and what it served before; each empty if there is none.
        switch_ms: as of a service. gap_ms: the longest time in which one of its services answered nobody.
        uploaded: bytes that were sent to it; None when nothing was to be sent, as in a rollback.
        outcome: `deployed`, `unchanged`, `rolled-back`, `aborted`, `failed` or `unknown`.
    """

    name: str
    version: str = ""
    previous: str = ""
    switch_ms: int | None = None
    gap_ms: int | None = None
    uploaded: int | None = None
    outcome: str = ""


class RunTrend(Struct, frozen=True):
    """How deploys of the project do (observe.delivery), as a person reads it.

    Attributes:
        window: how long the time is that the figures are of. recent: the last deploys as marks, the newest last.
    """

    window: str
    recent: str
    frequency: str
    lead_time: str
    failure_rate: str
    recovery_time: str


class Run(Struct, frozen=True):
    """A run that has ended.

    Attributes:
        sentence: the result, where its producer says it; else one is made from the facts.
        commit: in hex. created: when it was sealed, RFC 3339. snapshot, dirty: as in release.json.
        seconds: from the first step to the last. release: the reference of a published release.
        environment: where it was deployed. outcome: `deployed`, `unchanged` or `rolled-back`.
        comparison: the same load over a bare restart. trend: of the deploys before and this one.
        go_back: commands of the way back.
        warnings: what a person must look at, besides the warnings of the event stream.
    """

    project: str = ""
    version: str = ""
    sentence: str = ""
    commit: str = ""
    created: str = ""
    snapshot: bool = False
    dirty: bool = False
    seconds: float | None = None
    release: str = ""
    environment: str = ""
    outcome: str = ""
    artifacts: tuple[RunArtifact, ...] = ()
    images: tuple[RunImage, ...] = ()
    toolchain: RunToolchain | None = None
    compiled: tuple[RunCompiled, ...] = ()
    gate: RunGate | None = None
    trust: Trust = field(default_factory=Trust)
    services: tuple[RunService, ...] = ()
    hosts: tuple[RunHost, ...] = ()
    comparison: Traffic | None = None
    trend: RunTrend | None = None
    go_back: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
