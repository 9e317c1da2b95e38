"""What a build compiles from: which build cache Go may read, and what the ledger says of it.

A release in CI is compiled from signed packs or cold: from the checkout's build caches (caches.warm) where this very
job began them empty and nothing but signed packs and its own compiler wrote there since, and otherwise from an empty
GOCACHE that this build makes and removes. Never from GOCACHE: on a kept machine whoever ran there before may have
written to it, and Go believes what it finds. Programs and archives of earlier builds count as little.

Everything else, a laptop's release among it, is compiled from what is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from goferry.artifacts import Compiled, LedgerPack
from goferry.caches import ci_job, warm
from goferry.caches.warm import CacheSlot, Warm, Working

COLD: Final = "cold"
PACKS: Final = "packs"
GOCACHE: Final = "gocache"
"""What a slot is compiled from: nothing; packs, and what this job compiled beside them; whatever the machine has."""


def strict(environ: Mapping[str, str], *, snapshot: bool) -> bool:
    """Whether what is built may be compiled only from what is proven: a release, in CI."""
    return not snapshot and ci_job.running(environ)


class BuildCache(Struct, frozen=True):
    """What one build compiles from.

    Attributes:
        warm: the checkout's build caches. own: an empty GOCACHE of this build's own, which is used instead; or None.
        strict: whether nothing else counts.
    """

    warm: Warm
    own: Path | None
    strict: bool

    @classmethod
    def choose(cls, kept: Warm, environ: Mapping[str, str], work: Path, *, snapshot: bool) -> BuildCache:
        """Choose it; `work` is a folder that is gone after the build."""
        wanted = strict(environ, snapshot=snapshot)
        if not wanted or kept.proven(ci_job.identity(environ)):
            return cls(kept, None, wanted)
        own = work / "gocache"
        own.mkdir(mode=0o700)
        return cls(kept, own, wanted)

    @contextlib.contextmanager
    def working(self, slot: CacheSlot, work: str) -> Iterator[Working]:
        """Have a step use a slot, as `Warm.working` does."""
        if self.own is not None:
            yield Working(slot, work, self.own)
            return
        with self.warm.working(slot, work) as working:
            yield working

    def keep(self, kind: str, works: Sequence[Working]) -> None:
        """Keep what steps used, as `Warm.keep` does; of an own GOCACHE nothing is kept."""
        if self.own is None:
            self.warm.keep(kind, works)

    def environ(self, slots: Sequence[CacheSlot]) -> dict[str, str]:
        """Return the variables of a go command that asks about what these slots compiled."""
        if self.own is not None:
            return warm.at(self.own)
        return warm.at(self.warm.gocache(slots[0])) if self.strict and slots else {}

    def compiled(self, slots: Sequence[CacheSlot]) -> tuple[Compiled, ...]:
        """Return what the ledger says: of each slot its name, COLD, PACKS or GOCACHE, and the packs."""
        return tuple(self._of_slot(slot) for slot in sorted({slot.name: slot for slot in slots}.values(), key=_name))

    def _of_slot(self, slot: CacheSlot) -> Compiled:
        packs = {} if self.own is not None else self.warm.packs(slot)
        listed = tuple(LedgerPack(kind, packs[kind].sha256, packs[kind].signed) for kind in sorted(packs))
        return Compiled(slot.name, PACKS if packs else COLD if self.strict else GOCACHE, listed)


def _name(slot: CacheSlot) -> str:
    return slot.name
