"""What is kept between jobs: modules and compiled packages, brought here before the work and taken away after it.

A cache never fails a job: what can't be used, reached or written is reported, and the work goes on cold.

Contract (what other rooms import; a module with `_` is private):

    scope  the project, its Go, its slots, and where its packs lie
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from goferry.artifacts.native import host
from goferry.caches import statement, storage as places, worth
from goferry.caches.ci_job import identity
from goferry.caches.storage import Storage
from goferry.config.context import Context
from goferry.config.load import load
from goferry.config.settings import Settings
from goferry.kernel import trustfile
from goferry.kernel.errors import printable
from goferry.pipeline.caching._belief import believing, sign, signing_key
from goferry.pipeline.caching._bring import looked_up, restore_modules, restore_slot
from goferry.pipeline.caching._pack_report import PackRow, guarded, lines, record
from goferry.pipeline.caching._take import listed, save_modules, save_slot
from goferry.pipeline.caching._toolchain_zip import restore_toolchain, save_toolchain
from goferry.pipeline.caching.scope import ALL, MODULES, JobRequest, Scope, asked, key_of, open_scope, sums_of

__all__ = [
    "JobRequest",
    "Names",
    "PackRow",
    "lines",
    "names",
    "prune",
    "record",
    "restore",
    "save",
    "sign",
    "signing_key",
    "status",
]


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


def names(ctx: Context, request: JobRequest) -> Names:
    """Say what distinguishes a job's packs, for a cache that keeps entries by name.

    Args and Raises: as for `restore`.
    """
    ground = open_scope(ctx, request)
    about = {"works": " ".join(request.works), "machine": " ".join(host()), "slots": " ".join(sorted(ground.slots))}
    return Names(ground.name, key_of(about)[:16], key_of(sums_of(ground).inputs), key_of(ground.decides))


def restore(
    ctx: Context,
    request: JobRequest,
    place: str,
    *,
    signed: bool = False,
    trust: Path | None = None,
    deadline: float = worth.DEADLINE,
) -> list[PackRow]:
    """Bring what was kept for a project, and have its stages use it from now on.

    Args:
        ctx: the surroundings, and who hears of it.
        request: the project, and what the job does.
        place: where packs are kept, as `caches.storage.opened` takes it.
        signed: bring compiled packages only where a signature covers them, into an empty folder: the job may say of
            what it compiles from then on that nobody else had a part in it.
        trust: whose signatures count; None: the repository's goferry.cache.trust.
        deadline: seconds after which the job goes on without what is not here.

    Raises:
        PlaceUnknown, and what opening a project raises.
    """
    where = worth.Worthwhile(places.opened(place), deadline)
    go = restore_toolchain(ctx, asked(load(request.directory, project=request.project), request), where)
    ground = open_scope(ctx, request)
    try:
        if signed:
            ground = _believing(ground, where, trust, ctx.settings)
            ground.warm.begin(identity(ctx.settings.environ))
        else:
            ground.warm.make()
    except OSError as error:
        return [*go, PackRow(ALL, ALL, "missed", printable(str(error), 200))]
    with ctx.stream.span("cache-restore") as span, ThreadPoolExecutor(4, thread_name_prefix="restore") as pool:
        futures = [pool.submit(restore_modules, ground, where)]
        futures += [pool.submit(restore_slot, ground, where, slot) for slot in ground.slots.values()]
        rows = [*go, *(row for future in futures for row in future.result())]
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def save(
    ctx: Context,
    request: JobRequest,
    place: str,
    *,
    dry_run: bool = False,
    listing: Path | None = None,
) -> list[PackRow]:
    """Take away what the work of this checkout used, where all of it was done and something of it is new.

    Args and Raises: as for `restore`; with `dry_run` nothing is taken away. `listing` is a file that shall hold which
    packs this job made of nothing but signed ones (caches.statement), for `sign`.
    """
    where = places.opened(place)
    ground = open_scope(ctx, request)
    proven = ground.warm.proven(identity(ctx.settings.environ))
    ground = replace(ground, dry=dry_run, proven=proven)
    with ctx.stream.span("cache-save") as span:
        rows = [*save_toolchain(ground, where, ctx.settings), *save_modules(ground, where)]
        for slot in ground.slots.values():
            rows += save_slot(ground, where, slot)
        if listing and not dry_run:
            rows.append(guarded("list", ALL, partial(listed, ground, rows, listing, ctx.settings, proven=proven)))
        span.numbers.update(bytes=sum(row.bytes for row in rows))
    return rows


def status(
    ctx: Context,
    request: JobRequest,
    place: str,
    *,
    signed: bool = False,
    trust: Path | None = None,
) -> list[PackRow]:
    """Say what `restore` would bring, whether it is signed, and why not where it would not; nothing is brought.

    Args and Raises: as for `restore`.
    """
    where = places.opened(place)
    ground = _believing(open_scope(ctx, request), where, trust, ctx.settings)
    look_up = partial(looked_up, ground, where, signed=signed)
    rows = [guarded(MODULES, ALL, partial(look_up, MODULES, None, sums_of(ground).inputs))]
    for slot in ground.slots.values():
        rows += [guarded(kind, slot.name, partial(look_up, kind, slot, ground.decides)) for kind in ground.kinds(slot)]
    return rows


def _believing(ground: Scope, place: Storage, trust: Path | None, settings: Settings) -> Scope:
    file = trust or ground.loaded.root / trustfile.CACHE_NAME
    return replace(ground, belief=believing(place, ground.name, ground.called, file, settings))


def prune(place: str, *, keep: int, days: float, dry_run: bool = False) -> list[PackRow]:
    """Remove from a place what `caches.storage.surplus` says.

    Raises:
        PlaceUnknown: when it is not a place. PlaceUnreachable: it can't be read, or nothing can be removed from it.
    """
    where = places.opened(place)
    rows = []
    try:
        for each in places.surplus(where.all(), keep, days, time.time()):
            owner, kind, slot = each.where.split("/")
            if not dry_run:
                kept = places.read_note(where, each.where, each.name)
                where.remove(each.where, each.name)
                if kept:
                    where.remove(f"{owner}/{statement.WHERE}", kept.sha256)
            rows.append(PackRow(kind, slot, "would go" if dry_run else "removed", printable(each.name, 80), each.bytes))
    except OSError as error:
        raise places.PlaceUnreachable(
            printable(str(error), 400),
            state=f"{len(rows)} packs were removed.",
            advice=["look whether it is there, and who may read and write it"],
        ) from None
    return rows
