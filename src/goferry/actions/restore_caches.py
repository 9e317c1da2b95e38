"""`actions/restore-caches`: bring what earlier runs kept in GitHub's cache.

It runs twice, with actions/cache/restore between: first it names the entries, then it takes what came of them. The
runner gives its token for the cache to actions/cache alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goferry.actions import cache_entries
from goferry.config.context import Context
from goferry.pipeline import caching, entries
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Name the entries or, in the second step, restore from the folder that they filled.

    Raises:
        InputInvalid: an input is none that it takes.
    """
    request = cache_entries.request(job)
    signed, trust = job.inputs.boolean("signed"), job.inputs.path("trust", "goferry.cache.trust")
    if job.environ.get(cache_entries.STEP) != cache_entries.SECOND:
        return _names(job, request, signed=signed, trust=trust)
    rows: list[caching.PackRow] = []
    with cache_entries.forgiven(job), job.stream() as stream:
        rows = caching.restore(
            Context(job.settings, stream), request, str(cache_entries.place(job)), signed=signed, trust=trust
        )
        cache_entries.report(job, "Restored", rows)
    restored = [row for row in rows if row.done == "restored"]
    return {"restored": len(restored), "bytes": sum(row.bytes for row in restored)}


def _names(job: Job, request: caching.JobRequest, *, signed: bool, trust: Path) -> Mapping[str, Any]:
    outputs: dict[str, Any] = {}
    with cache_entries.forgiven(job):
        names = cache_entries.names(job, request)
        place = cache_entries.place(job) / "v1" / names.project
        if place.is_dir():  # a runner that keeps its temporary folder has another job's packs there
            shutil.rmtree(place)
        taking = cache_entries.taking(job)
        outputs = {"place": str(place), "taking": taking}
        found = entries.entries(names, cache_entries.run(job), request.works)
        if signed:
            why = _cold(job, trust, taking)
            if why:
                job.notice(f"Nothing that was compiled before is used: {why}", "cold build")
                found = {entries.MODULES: found[entries.MODULES]} if taking else {}
            else:
                found[entries.SIGNED] = entries.signatures(names.project, cache_entries.run(job))
        for kind, entry in found.items():
            outputs |= {kind: entry.name, f"{kind}-serve": "\n".join(entry.serve)}
    return outputs


def _cold(job: Job, trust: Path, taking: str) -> str:
    """Return why a job that believes signatures alone has none to believe; empty where it may have."""
    if not trust.is_file():
        return (
            f"there is no {job.relative(trust)}. To have releases compile less, make a key:  "
            "goferry keygen --cache --out KEYS"
        )
    return "" if taking else "this runner's tar can't be kept from writing elsewhere (GNU tar can)."
