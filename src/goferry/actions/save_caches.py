"""`actions/save-caches`: keep in GitHub's cache what this job's work used and no earlier run has kept.

It says which entries are to be written; actions/cache/save, to which alone the runner gives its token, writes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from goferry.actions import cache_entries
from goferry.caches import statement, storage as places
from goferry.config.context import Context
from goferry.gobuild.trigger import Trigger
from goferry.kernel.files import sha256_file
from goferry.pipeline import caching, entries
from goferry.runner.job import Job

_EVER = 36_500.0
_LIST = "list.json"


def run(job: Job) -> Mapping[str, object]:
    """Pack what is new and name the entries that it goes to; the others are empty.

    Raises:
        InputInvalid: an input is none that it takes.
    """
    request = cache_entries.request(job)
    why = entries.refusal(Trigger.from_environ(job.environ), pull_requests=job.inputs.boolean("pull-requests"))
    if why:
        job.say(f"Nothing is kept: {why}.")
        return {"saved": 0, "bytes": 0}
    outputs: dict[str, Any] = {}
    rows: list[caching.PackRow] = []
    place = cache_entries.place(job)
    with cache_entries.forgiven(job), job.stream() as stream:
        place.mkdir(parents=True, exist_ok=True)
        rows = caching.save(Context(job.settings, stream), request, str(place), listing=place / _LIST)
        cache_entries.report(job, "Kept", [row for row in rows if row.kind != "list"])
    saved = [row for row in rows if row.done == "saved"]
    with cache_entries.forgiven(job):
        outputs = _to_write(job, request, saved) if saved else {}
    return {**outputs, "saved": len(saved), "bytes": sum(row.bytes for row in saved)}


def _to_write(job: Job, request: caching.JobRequest, saved: Sequence[caching.PackRow]) -> dict[str, object]:
    """Return the folder, the names of the entries, and the list of what may be signed.

    What newer packs have replaced leaves the folder first: an entry holds what the job needs and no more.
    """
    names, place = cache_entries.names(job, request), cache_entries.place(job)
    folder = places.Folder(place)
    for each in places.surplus(folder.all(), 1, _EVER, time.time()):
        folder.remove(each.where, each.name)
    new = {row.kind for row in saved}
    found = entries.entries(names, cache_entries.run(job), request.works)
    outputs = {kind: entry.name for kind, entry in found.items() if kind in new}
    if statement.parse((place / _LIST).read_bytes()).packs:
        listing = (place / _LIST).rename(place / f"{names.project}.json")
        outputs |= {"list": str(listing), "list-digest": sha256_file(listing)}
    return {"place": str(place / "v1" / names.project), **outputs}
