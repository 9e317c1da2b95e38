"""Join the partial DIST folders of several runners into one whole; what does not belong together is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from goferry.artifacts import Artifact, Compiled, Ledger, Uncommitted
from goferry.gobuild import folder
from goferry.kernel.errors import Refused

_VERSION = ("version", "scheme", "tag", "commit", "date", "dirty", "snapshot")
_EQUAL = ("project", "module", *_VERSION, "toolchain", "services")
_LISTS = ("SHA256SUMS", "release.json")
"""What sealing writes; no part can have it."""

_NOTHING = "Nothing was written."


class ShardMissing(Refused):
    """A part of the build is missing.

    Usual causes: a job of the matrix failed or did not upload its folder.
    """

    name = "shard-missing"


class ShardDuplicate(Refused):
    """One part of the build is given twice.

    Usual causes: a folder that is named twice, or two jobs that built the same shard.
    """

    name = "shard-duplicate"


class ShardMismatch(Refused):
    """The parts do not belong to one build: project, commit, version, targets, toolchain or services differ.

    Usual causes: folders of two runs are mixed, or one runner had another checkout or another Go.
    """

    name = "shard-mismatch"


class FileConflict(Refused):
    """Two parts hold different files with the same name.

    Usual causes: a target was built twice, with different settings.
    """

    name = "file-conflict"


class FileDamaged(Refused):
    """A file of a part is not the one that its ledger lists.

    Usual causes: the file was cut off or changed on its way between the runners.
    """

    name = "file-damaged"


def merge(parts: Sequence[Path], out: Path) -> Ledger:
    """Join the folders `parts` into `out` and return its ledger.

    Raises:
        LedgerMissing, LedgerInvalid, DistSealed: a part is not one.
        ShardMissing: a part of the build is missing.
        ShardDuplicate: one part of the build is given twice.
        ShardMismatch: the parts do not belong to one build: project, commit, version, targets, toolchain or
            services differ.
        FileConflict: two parts hold different files with the same name.
        FileDamaged: a file of a part is not the one that its ledger lists.
        DistForeign: `out` holds other files.
    """
    ledgers, sources = _checked(parts)
    out = out.absolute()
    old = folder.present(out)
    whole = replace(ledgers[0], shards=[], uncommitted=_uncommitted(ledgers), compiled=_compiled(ledgers), artifacts={})
    with folder.work(out) as work:
        for name, (artifact, path) in sorted(sources.items()):
            _copy(path, work / name, artifact)
            whole.add(artifact)
        folder.replace(out, whole, {name: work / name for name in sources}, old)
    return whole


def check(parts: Sequence[Path]) -> list[str]:
    """Check the parts against each other and return the names of the files that `merge` would write."""
    return sorted(_checked(parts)[1])


def _checked(parts: Sequence[Path]) -> tuple[list[Ledger], dict[str, tuple[Artifact, Path]]]:
    ledgers = [Ledger.load(part) for part in parts]
    _check_equal(parts, ledgers)
    _check_shards(parts, ledgers)
    _uncommitted(ledgers)
    return ledgers, _sources(parts, ledgers)


def _check_equal(parts: Sequence[Path], ledgers: Sequence[Ledger]) -> None:
    for part, ledger in zip(parts[1:], ledgers[1:], strict=True):
        for name in _EQUAL:
            ours, theirs = getattr(ledgers[0], name), getattr(ledger, name)
            if ours != theirs:
                raise ShardMismatch(
                    f"{parts[0]} and {part} differ in {name}: {ours} and {theirs}",
                    state=_NOTHING,
                    advice=["build all shards from one commit, in one run"],
                    field=name,
                )


def _uncommitted(ledgers: Sequence[Ledger]) -> tuple[Uncommitted, ...]:
    """Return what any part read beside the commit; one path has one content in all of them."""
    listed: dict[str, str] = {}
    for entry in (entry for ledger in ledgers for entry in ledger.uncommitted):
        if listed.setdefault(entry.path, entry.sha256) != entry.sha256:
            raise ShardMismatch(
                f"the parts were built with different content of {entry.path}, which is not in the commit",
                state=_NOTHING,
                advice=["generate it once and hand it to every job, or commit it"],
                field="uncommitted",
            )
    return tuple(Uncommitted(path, digest) for path, digest in sorted(listed.items()))


def _compiled(ledgers: Sequence[Ledger]) -> tuple[Compiled, ...]:
    """Return what the parts were compiled from; a target is in one part alone, its slot may be in several."""
    listed = {(each.slot, each.source): each for ledger in ledgers for each in ledger.compiled}
    return tuple(listed[key] for key in sorted(listed))


def _check_shards(parts: Sequence[Path], ledgers: Sequence[Ledger]) -> None:
    held: dict[str, Path] = {}
    for part, ledger in zip(parts, ledgers, strict=True):
        if not ledger.shards:
            raise ShardMismatch(
                f"{part} is a whole build, not a part of one", state=_NOTHING, advice=["build parts with  --shard I/N"]
            )
        for shard in ledger.shards:
            if shard in held:
                raise ShardDuplicate(f"shard {shard} is in {held[shard]} and in {part}", state=_NOTHING, shard=shard)
            held[shard] = part
    plans = {shard.partition("/")[2] for shard in held}
    if len(plans) > 1:
        raise ShardMismatch(
            f"the parts are of different plans: {', '.join(sorted(held))}",
            state=_NOTHING,
            advice=["give every shard the same targets and the same count"],
        )
    count, _, digest = plans.pop().partition("@")
    if not re.fullmatch(r"[1-9][0-9]{0,3}", count):
        raise ShardMismatch(f"{min(held)} is not a shard's id", state=_NOTHING, advice=["build that shard again"])
    wanted = [f"{index}/{count}@{digest}" for index in range(1, int(count) + 1)]
    missing = [shard for shard in wanted if shard not in held]
    if missing:
        names = [shard.partition("@")[0] for shard in missing]
        raise ShardMissing(
            f"shard {', '.join(names)} is missing", state=_NOTHING, advice=["name every part's folder"], missing=names
        )


def _sources(parts: Sequence[Path], ledgers: Sequence[Ledger]) -> dict[str, tuple[Artifact, Path]]:
    sources: dict[str, tuple[Artifact, Path]] = {}
    for part, ledger in zip(parts, ledgers, strict=True):
        for artifact in ledger.artifacts.values():
            name = artifact.name
            first, _ = sources.setdefault(name, (artifact, part / name))
            if first.sha256 != artifact.sha256:
                raise FileConflict(f"{name} differs between the parts", state=_NOTHING, file=name)
            _refuse_unfit(part / name)
    return sources


def _refuse_unfit(path: Path) -> None:
    if path.name in _LISTS:
        raise FileDamaged(f"{path} is listed as an artifact", state=_NOTHING, advice=["build that shard again"])
    if path.is_symlink() or not path.is_file():
        raise FileDamaged(f"{path} is not a regular file", state=_NOTHING, advice=["pass the folder on as one tar"])


def _copy(source: Path, target: Path, artifact: Artifact) -> None:
    """Copy a file, hashing what is written, and give it the mode of its kind: runners' uploads lose modes."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as written:
        while block := read.read(1 << 20):
            digest.update(block)
            written.write(block)
    if digest.hexdigest() != artifact.sha256:
        raise FileDamaged(
            f"{source} is not what its ledger lists",
            state=_NOTHING,
            advice=["build that shard again"],
            file=artifact.name,
        )
    target.chmod(0o755 if artifact.kind == "binary" else 0o644)
