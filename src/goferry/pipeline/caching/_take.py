"""Packs made of what a job used, where all of it was done and something of it is new."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from goferry.caches import gocache, pack, statement, storage as places, worth
from goferry.caches.statement import StatementEntry
from goferry.caches.storage import KeptPack, Storage
from goferry.caches.warm import CacheSlot, Unpacked
from goferry.config.settings import Settings
from goferry.gobuild import cache_slots
from goferry.golang import kept_modules as keptmodules
from goferry.kernel.files import sha256_file
from goferry.pipeline.caching._belief import stated
from goferry.pipeline.caching._pack_report import PackRow, guarded
from goferry.pipeline.caching.scope import ALL, DEPS, MODULES, OWN, RESULTS, TESTS, Scope, key_of, sums_of

NOT_PROVEN = "no pack, as no  goferry cache restore --signed  began this job, or its tests have run"
MOST_NEW, MOST_OLD = 0.25, 0.3
"""Parts of a pack's bytes: so much of others may go with the small packs, and so much may lie in it unused, before a
pack that stays is written anew."""


def save_modules(ground: Scope, place: Storage) -> list[PackRow]:
    """Take the modules of this go.sum away, where the place lacks them."""
    sums = sums_of(ground)

    def work() -> PackRow:
        if places.find(place, ground.where(MODULES), key_of(sums.inputs))[1]:
            return PackRow(MODULES, ALL, "kept")
        names = keptmodules.names(ground.modcache, sums)
        if not names:
            return PackRow(MODULES, ALL, "kept", "there are none")
        return _put(ground, place, MODULES, None, key_of(sums.inputs), ground.modcache, names, {})

    return [guarded(MODULES, ALL, work)]


def save_slot(ground: Scope, place: Storage, slot: CacheSlot) -> list[PackRow]:
    """Take away what was compiled for a slot."""
    built, tested = ground.warm.used(slot, "build"), ground.warm.used(slot, "test")
    if built is None and tested is None:
        return [PackRow(OWN, slot.name, "kept", "no build ran here from end to end")]
    of_build, of_tests = (each.names if each else frozenset() for each in (built, tested))
    before, folder = ground.warm.packs(slot), ground.warm.gocache(slot)
    saving = _Slot(ground, place, slot, folder, before, of_build | of_tests)
    rows = [saving.deps(sum(each.seconds for each in (built, tested) if each))]
    if built:
        rows.append(saving.since(OWN, of_build))
    if tested:
        seconds = tested.seconds if built is None else 0.0  # else the build made some of what they need
        rows += [saving.base(TESTS, of_tests - of_build, seconds), saving.since(RESULTS, of_tests - of_build)]
    elif TESTS in ground.kinds(slot):
        rows.append(PackRow(TESTS, slot.name, "kept", "no tests ran here from end to end"))
    return rows


def listed(ground: Scope, rows: Sequence[PackRow], file: Path, settings: Settings, *, proven: bool) -> PackRow:
    """Write which packs this job made from nothing but signed ones, to be signed by a job that compiles nothing."""
    kinds = statement.SIGNABLE if proven else ()
    made = [row for row in rows if row.done == "saved" and row.kind in kinds]
    packs = [StatementEntry(row.kind, ground.slots[row.slot], row.sha256) for row in made]
    file.write_bytes(stated(ground.name, packs, ground.loaded.directory, settings))
    return PackRow("list", ALL, "listed", f"{len(packs)} packs" if proven else NOT_PROVEN)


@dataclass
class _Slot:
    """What is taken away of a slot.

    `before` was unpacked into it, `used` are entries that its work used, `taken` are those that packs hold by now.
    """

    ground: Scope
    place: Storage
    slot: CacheSlot
    folder: Path
    before: Mapping[str, Unpacked]
    used: frozenset[str]
    taken: set[str] = field(default_factory=set)

    @property
    def _key(self) -> str:
        return key_of(self.ground.decides)

    def deps(self, seconds: float) -> PackRow:
        """Take packages of others: as one pack that stays, until much of it is another."""
        earlier = self.before.get(DEPS)
        if earlier and earlier.key == self._key:
            self.taken |= earlier.names
            return PackRow(DEPS, self.slot.name, "kept")

        def work() -> PackRow:
            env = {**self.ground.environ, "GOCACHE": str(self.folder)}
            loaded = self.ground.loaded
            mains = loaded.project.builds.mains
            names = cache_slots.others(self.ground.toolchain, loaded.directory, mains, env, self.slot)
            return self._large(DEPS, names & self.used, 0.0 if earlier else seconds)

        return guarded(DEPS, self.slot.name, work)

    def base(self, kind: str, names: frozenset[str], seconds: float) -> PackRow:
        """Take all of a kind as one pack that stays, until much of it is another."""
        names = gocache.compiled(self.folder, names - self.taken)
        return guarded(kind, self.slot.name, partial(self._large, kind, names, 0.0 if kind in self.before else seconds))

    def since(self, kind: str, names: frozenset[str]) -> PackRow:
        """Take what no pack that stays holds."""
        earlier = self.before.get(kind)
        names = gocache.compiled(self.folder, names - self.taken)
        if not names or (earlier and names <= earlier.names):  # what is no longer used goes with the next change
            return PackRow(kind, self.slot.name, "kept")
        return guarded(kind, self.slot.name, partial(self._put, kind, names, key_of(dict.fromkeys(names, "")), {}))

    def _large(self, kind: str, names: frozenset[str], seconds: float = 0.0) -> PackRow:
        earlier = self.before.get(kind)
        if earlier and self._close(names, earlier.names):
            self.taken |= earlier.names
            return PackRow(kind, self.slot.name, "kept", "" if earlier.key == self._key else "what is new is little")
        self.taken |= names
        there = places.find(self.place, self.ground.where(kind, self.slot), self._key)[1]
        if (
            there and earlier is None and not self.ground.proven
        ):  # a proven job may have left an unsigned one where it is
            return PackRow(kind, self.slot.name, "kept", "another job of this key was first")
        return self._put(kind, names, self._key, self.ground.decides, seconds, pack.SMALL)

    def _close(self, now: frozenset[str], then: frozenset[str]) -> bool:
        """Whether a pack can stay: it lacks little, and little of it is used no more."""
        whole = self._bytes(then)
        return self._bytes(now - then) <= MOST_NEW * whole and self._bytes(then - now) <= MOST_OLD * whole

    def _bytes(self, names: Iterable[str]) -> int:
        total = 0
        for name in names:
            with contextlib.suppress(OSError):
                total += (self.folder / name).stat().st_size
        return total

    def _put(
        self,
        kind: str,
        names: frozenset[str],
        key: str,
        inputs: Mapping[str, str],
        seconds: float = 0.0,
        level: int = pack.FAST,
    ) -> PackRow:
        where = self.ground, self.place, kind, self.slot
        return _put(*where, key, self.folder, sorted(names), inputs, seconds, level)


def _put(
    ground: Scope,
    place: Storage,
    kind: str,
    slot: CacheSlot | None,
    key: str,
    root: Path,
    names: Sequence[str],
    inputs: Mapping[str, str],
    seconds: float = 0.0,
    level: int = pack.FAST,
) -> PackRow:
    since = time.monotonic()
    where = ground.where(kind, slot)
    held = sum((root / name).stat().st_size for name in names)
    if 0 < seconds < worth.least(held, len(names)):
        return PackRow(
            kind, slot.name if slot else ALL, "kept", f"making it anew takes {seconds:.1f} s, less than bringing it"
        )
    if ground.dry:
        return PackRow(kind, slot.name if slot else ALL, "would be saved", "before it is packed", held)
    with tempfile.TemporaryDirectory(prefix="goferry-pack-") as work:
        path = Path(work) / "pack"
        with path.open("wb") as out:
            index = pack.write(out, kind, slot.name if slot else ALL, root, names, level)
        digest, name = sha256_file(path), places.new_name(key)
        held = path.stat().st_size
        kept = KeptPack(where, name, key, held, index.size, len(names), digest, round(seconds, 1), inputs)
        places.put(place, kept, path)
        if slot is None:
            ground.warm.note(kind, ground.mark(digest))
        else:
            packs = {**ground.warm.packs(slot, made=True), kind: Unpacked(key, frozenset(names), digest)}
            ground.warm.note_packs(slot, packs, made=True)
    return PackRow(kind, slot.name if slot else ALL, "saved", "", held, time.monotonic() - since, digest)
