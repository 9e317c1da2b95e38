"""Entries of GitHub's cache: what each is called, which older ones serve in its place, and who may write any.

An entry is found by its name or by a beginning of it, can't be changed, and is seen by the branch that wrote it, by
pull requests into that branch and, if that is the default branch, by everybody (GitHub docs, "Dependency caching").
So what is written once is named by what decides it, and what changes with each push ends with its run:

    goferry-v1-PROJECT-modules-KEY
    goferry-v1-PROJECT-deps-SLOTS-KEY-RUN-ATTEMPT     and `tests` alike
    goferry-v1-PROJECT-own-SLOTS-RUN-ATTEMPT          and `results` alike
    goferry-v1-PROJECT-signed-RUN-ATTEMPT             what sign-caches signed, of this run and of earlier ones

SLOTS is a digest of what a job works on, so that legs of a matrix, and tests beside builds, never write the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goferry.gobuild.trigger import Trigger
from goferry.pipeline.caching import Names
from goferry.pipeline.caching.scope import BUILD, DEPS, MODULES, OWN, RESULTS, TEST, TESTS

__all__ = ["KINDS", "MODULES", "SIGNED", "CacheEntry", "entries", "refusal", "signatures"]
SIGNED = "signed"
KINDS = {BUILD: (MODULES, DEPS, OWN), TEST: (MODULES, DEPS, TESTS, RESULTS)}
"""The entries of a job that does such work."""
BRANCHES = "refs/heads/"
QUEUE = "refs/heads/gh-readonly-queue/"
PULL_REQUEST = "pull_request"
KEPT_BY = frozenset({"push", "schedule", "workflow_dispatch", "repository_dispatch"})
"""Events that write: only those start them who may write to the repository, and no stranger's code lies behind them.

`pull_request_target`, `workflow_run`, `issue_comment` and the like run with the default branch's cache: what a
stranger's code wrote there everybody would read.
"""


@dataclass(frozen=True)
class CacheEntry:
    """One entry.

    Attributes:
        kind: of pack. name: what it is written as. serve: beginnings of the names of those that serve in its place.
    """

    kind: str
    name: str
    serve: tuple[str, ...] = ()


def entries(names: Names, run: str, works: Sequence[str]) -> dict[str, CacheEntry]:
    """Return a job's entries by kind.

    Args:
        names: what tells the job's packs apart.
        run: `<run id>-<attempt>`.
        works: what the job does.
    """
    first = f"goferry-v1-{names.project}"
    deps, own, tests, results = (f"{first}-{kind}-{names.slots}-" for kind in (DEPS, OWN, TESTS, RESULTS))
    every = (
        CacheEntry(MODULES, f"{first}-{MODULES}-{names.modules}", (f"{first}-{MODULES}-",)),
        CacheEntry(DEPS, f"{deps}{names.deps}-{run}", (f"{deps}{names.deps}-", deps)),
        CacheEntry(OWN, f"{own}{run}", (own,)),
        CacheEntry(TESTS, f"{tests}{names.deps}-{run}", (f"{tests}{names.deps}-", tests)),
        CacheEntry(RESULTS, f"{results}{run}", (results,)),
    )
    wanted = {kind for work in works for kind in KINDS[work]}
    return {entry.kind: entry for entry in every if entry.kind in wanted}


def signatures(project: str, run: str) -> CacheEntry:
    """Return the entry of what is signed."""
    first = f"goferry-v1-{project}-{SIGNED}-"
    return CacheEntry(SIGNED, f"{first}{run}", (first,))


def refusal(trigger: Trigger, *, pull_requests: bool) -> str:
    """Return why a run writes no entry, in words that end a row; empty where it may.

    Args:
        trigger: what started the run.
        pull_requests: whether those of `pull_request` write too, for their own next runs.
    """
    if trigger.event.startswith(PULL_REQUEST):
        if trigger.event == PULL_REQUEST and pull_requests:
            return ""
        return "pull requests write nothing"
    if trigger.event not in KEPT_BY:
        return f"runs of {trigger.event} write nothing: strangers may have started them, or nobody could read it"
    if not trigger.ref.startswith(BRANCHES):
        return "tags write nothing: no other run could read it"
    if trigger.ref.startswith(QUEUE):
        return "merge queues write nothing: no other run could read it"
    return ""
