"""`actions/sign-caches`: sign what the jobs of this run compiled, once every gate has passed.

It runs twice, with actions/cache/restore between: what was signed before goes along, so that the newest entry has all
statements. Nothing here comes from a checkout but the trust file.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from goferry.actions import cache_entries, shared
from goferry.kernel.files import sha256_file
from goferry.pipeline import caching, entries
from goferry.runner.job import Job
from goferry.trust.keys import Secret

_MOST = 200
"""How many statements go along: more than there are packs that an entry could still bring."""
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.-]{0,200}-[0-9a-f]{8}")


def run(job: Job) -> Mapping[str, object]:
    """Name the entry or, in the second step, sign the lists.

    Raises:
        InputInvalid: an input is none that it takes.
        KeyUnusable, KeyUnknown, TrustFileMissing, TrustFileInvalid: the key, or the trust file, is none.
        StatementInvalid, StatementForeign: a list is not of this run; nothing was signed.
    """
    folder, trust = job.inputs.path("lists"), job.inputs.path("trust", "goferry.cache.trust")
    lists = _of_this_run(job, sorted(path for path in folder.rglob("*.json") if _PROJECT.fullmatch(path.stem)))
    if not lists:
        job.say("Nothing is to be signed: no job of this run lists a pack.")
        return {"signed": 0}
    project = lists[0].stem
    place = cache_entries.place(job) / "v1" / project
    entry = entries.signatures(project, cache_entries.run(job))
    if job.environ.get(cache_entries.STEP) != cache_entries.SECOND:
        if place.is_dir():
            shutil.rmtree(place)
        taking = cache_entries.taking(job)
        named = {"place": str(place), "taking": taking, "name": entry.name}
        return named | ({"serve": "\n".join(entry.serve)} if taking else {})
    key = job.required_secret("GOFERRY_CACHE_KEY", "to sign what this run compiled")
    rows = caching.sign(
        [path for path in lists if path.stem == project],
        str(cache_entries.place(job)),
        key=Secret("the secret GOFERRY_CACHE_KEY", key.encode("utf-8", "surrogateescape")),
        trust=trust,
        directory=shared.directory(job),
        settings=job.settings,
    )
    cache_entries.report(job, "Signed", rows)
    _thin(place / entries.SIGNED)
    signed = sum(row.done == "signed" for row in rows)
    return {"signed": signed, **({"entry": entry.name} if signed else {})}


def _of_this_run(job: Job, lists: Sequence[Path]) -> list[Path]:
    """Return the lists of the digests that were given: whoever has the run's token can replace an artifact."""
    digests = job.inputs.text("digests").split()
    if digests == ["any"]:
        return list(lists)
    for path in lists:
        if sha256_file(path) not in digests:
            job.say(f"{job.relative(path)} is not signed: no job of this run handed its digest on.")
    return [path for path in lists if sha256_file(path) in digests]


def _thin(folder: Path) -> None:
    """Leave the newest statements."""
    found = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[_MOST:]:
        path.unlink()
