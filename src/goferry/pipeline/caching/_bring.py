"""Packs on their way to a job: modules are held to go.sum, entries of a build cache to their names."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import BinaryIO

from goferry.caches import gocache, pack, storage as places
from goferry.caches.pack import PackUnusable
from goferry.caches.storage import KeptPack, Storage
from goferry.caches.warm import CacheSlot, Unpacked
from goferry.golang import kept_modules as keptmodules
from goferry.pipeline.caching._pack_report import NOTHING, PackRow, differs, guarded, nearest
from goferry.pipeline.caching.scope import ALL, DEPS, MODULES, Scope, key_of, sums_of


def looked_up(
    ground: Scope, place: Storage, kind: str, slot: CacheSlot | None, inputs: Mapping[str, str], *, signed: bool
) -> PackRow:
    """Say what would be brought, with `signed` of those that are signed alone, and whether it is."""
    where, key, name = ground.where(kind, slot), key_of(inputs), slot.name if slot else ALL
    believed = False
    if signed and ground.belief and slot:
        found, exact = ground.belief.find(where, kind, slot, key)
        believed = found is not None
    else:
        found, exact = places.find(place, where, key)
        if found and ground.belief and slot:
            with contextlib.suppress(PackUnusable, OSError):
                ground.belief.judge(found, kind, slot)
                believed = True
    if found is None:
        return PackRow(kind, name, "missing", NOTHING)
    why = {MODULES: nearest(exact), DEPS: "" if exact else differs(found.inputs, inputs)}.get(kind, "")
    return PackRow(kind, name, "there", why, found.bytes, sha256=found.sha256, signed=believed, saves=found.seconds)


def restore_modules(ground: Scope, place: Storage) -> list[PackRow]:
    """Bring the modules that go.sum knows."""
    sums = sums_of(ground)

    def work() -> PackRow:
        since = time.monotonic()
        found, exact = places.find(place, ground.where(MODULES), key_of(sums.inputs))
        if found is None:
            return PackRow(MODULES, ALL, "missed", NOTHING)
        mark = ground.mark(found.sha256)
        if ground.warm.noted(MODULES) == mark:
            return PackRow(MODULES, ALL, "kept", "it is here already")
        with place.open(found.where, found.name) as source:
            index = pack.read(source, MODULES, keptmodules.NAME)
            restoring = keptmodules.Restoring(ground.modcache, sums)
            try:
                refused = [*pack.unpack(source, index, restoring.take), *restoring.settle()]
            finally:
                restoring.close()
        ground.warm.note(MODULES, mark)
        why = f"{len(refused)} of it are not what go.sum says, and were left out" if refused else ""
        return PackRow(MODULES, ALL, "restored", why or nearest(exact), found.bytes, time.monotonic() - since)

    return [guarded(MODULES, ALL, work)]


def restore_slot(ground: Scope, place: Storage, slot: CacheSlot) -> list[PackRow]:
    """Bring what was compiled for a slot."""
    unpacked = ground.warm.packs(slot)
    rows = [
        guarded(kind, slot.name, partial(_restore_kind, ground, place, slot, kind, unpacked))
        for kind in ground.kinds(slot)
    ]
    ground.warm.note_packs(slot, unpacked)
    return rows


def _restore_kind(ground: Scope, place: Storage, slot: CacheSlot, kind: str, unpacked: dict[str, Unpacked]) -> PackRow:
    since = time.monotonic()
    made = ground.warm.packs(slot, made=True).get(kind)  # what was packed from it lies here too
    here = {each.sha256: each for each in (unpacked.get(kind), made) if each}
    with _opened(ground, place, slot, kind, here) as brought:
        if brought is None:
            unpacked.pop(kind, None)
            return PackRow(kind, slot.name, "missed", NOTHING)
        found, exact, source = brought
        if source is None:
            unpacked[kind] = here[found.sha256]
            return PackRow(kind, slot.name, "kept", "it is here already", sha256=found.sha256, saves=found.seconds)
        index = pack.read(source, kind, gocache.NAME)
        if index.about.slot != slot.name:
            raise PackUnusable("it was made for another Go, target or flags")
        folder = ground.warm.gocache(slot)
        writer = pack.Writer(folder, stamp=time.time() - gocache.AGED)

        def take(name: str, data: memoryview) -> bool:
            genuine = gocache.genuine(name, data)
            if genuine:
                writer.write(name, data)
            return genuine

        refused = pack.unpack(source, index, take)
    if refused:
        raise PackUnusable(f"{len(refused)} of its entries are none that Go writes")
    signed = ground.belief is not None
    unpacked[kind] = Unpacked(found.key, frozenset(name for name, _ in index.files), found.sha256, signed)
    why = "" if kind != DEPS or exact else differs(found.inputs, ground.decides)
    seconds = time.monotonic() - since
    return PackRow(kind, slot.name, "restored", why, found.bytes, seconds, found.sha256, signed, found.seconds)


@contextlib.contextmanager
def _opened(
    ground: Scope, place: Storage, slot: CacheSlot, kind: str, here: Collection[str]
) -> Iterator[tuple[KeptPack, bool, BinaryIO | None] | None]:
    """Yield the best pack, whether it is the key's own, and its bytes unless it is here; None where there is none."""
    where, key = ground.where(kind, slot), key_of(ground.decides)
    if ground.belief is not None:
        with ground.belief.best(where, kind, slot, key, here) as brought:
            yield brought
        return
    found, exact = places.find(place, where, key)
    if found is None:
        yield None
    elif found.sha256 in here:
        yield found, exact, None
    else:
        with place.open(where, found.name) as source:
            yield found, exact, source
