"""Packs made of what a job used, where all of it was done and something of it is new."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from goferry.build import slots
from goferry.caches import gocache, pack, statement
from goferry.caches import place as places
from goferry.caches.place import Kept, Place
from goferry.caches.statement import Entry
from goferry.caches.warm import Slot
from goferry.config.settings import Settings
from goferry.golang import kept as keptmodules
from goferry.pipeline.caching.belief import stated
from goferry.pipeline.caching.ground import ALL, DEPS, MODULES, OWN, TESTS, Ground, key_of, sums_of
from goferry.pipeline.caching.report import Row, guarded

NOT_PROVEN = "no pack, as no  goferry cache restore --signed  began this job, or its tests have run"


def save_modules(ground: Ground, place: Place) -> list[Row]:
    """Take the modules of this go.sum away, where the place lacks them."""
    sums = sums_of(ground)

    def work() -> Row:
        if places.find(place, ground.where(MODULES), key_of(sums.inputs))[1]:
            return Row(MODULES, ALL, "kept")
        names = keptmodules.names(ground.modcache, sums)
        if not names:
            return Row(MODULES, ALL, "kept", "there are none")
        return _put(ground, place, MODULES, None, key_of(sums.inputs), ground.modcache, names, {})

    return [guarded(MODULES, ALL, work)]


def save_slot(ground: Ground, place: Place, slot: Slot) -> list[Row]:
    """Take away what was compiled for a slot."""
    built, tested = ground.warm.used(slot, "build"), ground.warm.used(slot, "test")
    before = ground.warm.packs(slot)
    key = key_of(ground.decides)
    if built is None and tested is None:
        return [Row(OWN, slot.name, "kept", "no build ran here from end to end")]
    folder = ground.warm.gocache(slot)
    of_build, of_tests = (each.names if each else frozenset() for each in (built, tested))
    rows: list[Row] = []
    deps = before[DEPS].names if DEPS in before and before[DEPS].key == key else frozenset()

    def others() -> frozenset[str]:
        env = {**ground.environ, "GOCACHE": str(folder)}
        return slots.others(ground.toolchain, ground.loaded.directory, ["./..."], env, slot)

    def save_deps() -> Row:
        nonlocal deps
        if deps:
            return Row(DEPS, slot.name, "kept")
        deps = others()
        seconds = built.seconds if built and DEPS not in before else 0.0
        return _put(ground, place, DEPS, slot, key, folder, sorted(deps), ground.decides, seconds)

    def save_rest(kind: str, names: frozenset[str]) -> Row:
        if kind in before and names <= before[kind].names:  # what is no longer used goes with the next change
            return Row(kind, slot.name, "kept")
        return _put(ground, place, kind, slot, key_of(dict.fromkeys(names, "")), folder, sorted(names), {})

    rows.append(guarded(DEPS, slot.name, save_deps))
    if built:
        rows.append(guarded(OWN, slot.name, partial(save_rest, OWN, gocache.compiled(folder, of_build - deps))))
    if tested:
        rows.append(
            guarded(TESTS, slot.name, partial(save_rest, TESTS, gocache.compiled(folder, of_tests - of_build - deps)))
        )
    elif slot == ground.native:
        rows.append(Row(TESTS, slot.name, "kept", "no tests ran here from end to end"))
    return rows


def listed(ground: Ground, rows: Sequence[Row], file: Path, settings: Settings, *, proven: bool) -> Row:
    """Write which packs this job made from nothing but signed ones, to be signed by a job that compiles nothing."""
    kinds = statement.SIGNABLE if proven else ()
    made = [row for row in rows if row.done == "saved" and row.kind in kinds]
    packs = [Entry(row.kind, ground.slots[row.slot], row.sha256) for row in made]
    file.write_bytes(stated(ground.name, packs, ground.loaded.directory, settings))
    return Row("list", ALL, "listed", f"{len(packs)} packs" if proven else NOT_PROVEN)


def _put(
    ground: Ground,
    place: Place,
    kind: str,
    slot: Slot | None,
    key: str,
    root: Path,
    names: Sequence[str],
    inputs: Mapping[str, str],
    seconds: float = 0.0,
) -> Row:
    since = time.monotonic()
    where = ground.where(kind, slot)
    if ground.dry:
        held = sum((root / name).stat().st_size for name in names)
        return Row(kind, slot.name if slot else ALL, "would be saved", "before it is packed", held)
    with tempfile.TemporaryDirectory(prefix="goferry-pack-") as work:
        path = Path(work) / "pack"
        with path.open("wb") as out:
            index = pack.write(out, kind, {"slot": slot.name if slot else ALL}, root, names)
        with path.open("rb") as made:
            digest = hashlib.file_digest(made, "sha256").hexdigest()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{key}"
        held = path.stat().st_size
        kept = Kept(where, name, key, held, index.size, len(names), digest, round(seconds, 1), inputs)
        places.put(place, kept, path)
    return Row(kind, slot.name if slot else ALL, "saved", "", held, time.monotonic() - since, digest)
