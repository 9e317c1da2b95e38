"""What is kept between jobs: modules and compiled packages, brought here before the work and taken away after it.

A cache never fails a job: what can't be used, reached or written is told, and the work goes on cold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from goferry.caches import place as places
from goferry.config.settings import Settings
from goferry.dist.native import host
from goferry.observe.events import Stream
from goferry.pipeline.caching.bring import looked_up, restore_modules, restore_slot
from goferry.pipeline.caching.ground import ALL, MODULES, WHOLE, Part, key_of, look, sums_of
from goferry.pipeline.caching.report import Row, guarded, lines, record
from goferry.pipeline.caching.take import save_modules, save_slot

__all__ = ["Names", "Part", "Row", "lines", "names", "prune", "record", "restore", "save", "status"]


@dataclass(frozen=True)
class Names:
    """What tells a job's packs from those of others.

    Attributes:
        project: what a place calls the project. slots: a digest of the work, this machine and the job's slots.
        modules, deps: the keys of these packs.
    """

    project: str
    slots: str
    modules: str
    deps: str


def names(
    directory: Path,
    *,
    settings: Settings,
    stream: Stream,
    project: str = "",
    wanted: Sequence[str] = (),
    part: Part = WHOLE,
) -> Names:
    """Say what a job's packs are told apart by, for a cache that keeps entries by name.

    Args and Raises: as for `restore`.
    """
    ground = look(directory, settings, stream, project, wanted, part)
    told = {"works": " ".join(part.works), "machine": " ".join(host()), "slots": " ".join(sorted(ground.slots))}
    return Names(ground.name, key_of(told)[:16], key_of(sums_of(ground).inputs), key_of(ground.decides))


def restore(
    directory: Path,
    place: str,
    *,
    settings: Settings,
    stream: Stream,
    project: str = "",
    wanted: Sequence[str] = (),
    part: Part = WHOLE,
) -> list[Row]:
    """Bring what was kept for a project, and have its stages use it from now on.

    Args:
        directory: the repository, or a folder in it.
        place: where packs are kept, as `caches.place.opened` takes it.
        settings: the surroundings.
        stream: hears of it.
        project: one of several in goferry.yml.
        wanted: targets instead of `builds.targets`.
        part: which part of the work this job does.

    Raises:
        PlaceUnknown, and what opening a project raises.
    """
    where = places.opened(place)
    ground = look(directory, settings, stream, project, wanted, part)
    ground.warm.make()
    with stream.span("cache-restore") as span, ThreadPoolExecutor(4, thread_name_prefix="restore") as pool:
        futures = [pool.submit(restore_modules, ground, where)]
        futures += [pool.submit(restore_slot, ground, where, slot) for slot in ground.slots.values()]
        rows = [row for future in futures for row in future.result()]
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def save(
    directory: Path,
    place: str,
    *,
    settings: Settings,
    stream: Stream,
    project: str = "",
    wanted: Sequence[str] = (),
    part: Part = WHOLE,
    dry_run: bool = False,
) -> list[Row]:
    """Take away what the work of this checkout used, where all of it was done and something of it is new.

    Args and Raises: as for `restore`; with `dry_run` nothing is taken away.
    """
    where = places.opened(place)
    ground = replace(look(directory, settings, stream, project, wanted, part), dry=dry_run)
    with stream.span("cache-save") as span:
        rows = save_modules(ground, where)
        for slot in ground.slots.values():
            rows += save_slot(ground, where, slot)
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def status(
    directory: Path, place: str, *, settings: Settings, stream: Stream, project: str = "", wanted: Sequence[str] = ()
) -> list[Row]:
    """Say what `restore` would bring, and why not where it would not; nothing is brought.

    Args and Raises: as for `restore`.
    """
    where = places.opened(place)
    ground = look(directory, settings, stream, project, wanted)
    rows = [guarded(MODULES, ALL, partial(looked_up, ground, where, MODULES, None, sums_of(ground).inputs))]
    for slot in ground.slots.values():
        rows += [
            guarded(kind, slot.name, partial(looked_up, ground, where, kind, slot, ground.decides))
            for kind in ground.kinds(slot)
        ]
    return rows


def prune(place: str, *, keep: int, days: float, dry_run: bool = False) -> list[Row]:
    """Remove from a place what `caches.place.surplus` says.

    Raises:
        PlaceUnknown: when it is no place.
    """
    where = places.opened(place)
    rows = []
    for each in places.surplus(where.all(), keep, days, time.time()):
        _, kind, slot = each.where.split("/")
        if not dry_run:
            where.remove(each.where, each.name)
        rows.append(Row(kind, slot, "would go" if dry_run else "removed", each.name, each.bytes))
    return rows
