"""Entries of GitHub's cache: their names, what serves in their place, and which runs write any."""

import pytest

from goferry.gobuild.trigger import Trigger
from goferry.pipeline.caching import Names
from goferry.pipeline.caching.scope import BUILD, TEST
from goferry.pipeline.entries import CacheEntry, entries, refusal, signatures

NAMES = Names("shop-01234567", "5107" * 4, "a" * 32, "b" * 32)
FIRST = "goferry-v1-shop-01234567-"


def test_a_builds_entries():
    assert list(entries(NAMES, "77-2", [BUILD]).values()) == [
        CacheEntry("modules", f"{FIRST}modules-{'a' * 32}", (f"{FIRST}modules-",)),
        CacheEntry(
            "deps",
            f"{FIRST}deps-{NAMES.slots}-{'b' * 32}-77-2",
            (f"{FIRST}deps-{NAMES.slots}-{'b' * 32}-", f"{FIRST}deps-{NAMES.slots}-"),
        ),
        CacheEntry("own", f"{FIRST}own-{NAMES.slots}-77-2", (f"{FIRST}own-{NAMES.slots}-",)),
    ]


def test_tests_have_entries_of_their_own():
    assert list(entries(NAMES, "77-2", [TEST])) == ["modules", "deps", "tests", "results"]
    assert list(entries(NAMES, "77-2", [BUILD, TEST])) == ["modules", "deps", "own", "tests", "results"]


def test_no_entry_serves_for_another_kind_project_or_slot():
    """GitHub finds by beginnings: none may begin another's name."""
    other = Names("shop-01234567", "6" * 16, NAMES.modules, NAMES.deps)
    longer = Names("shop-01234567-deps", NAMES.slots, NAMES.modules, NAMES.deps)
    sets = [entries(each, "1-1", [BUILD, TEST]) for each in (NAMES, other, longer)]
    every = [(number, entry) for number, found in enumerate(sets) for entry in found.values()]
    every += [(0, signatures(NAMES.project, "1-1"))]
    for number, entry in every:
        for serve in entry.serve:
            served = {(n, e.kind) for n, e in every if e.name.startswith(serve)}
            assert served <= {(number, entry.kind)} | {(1, "modules"), (0, "modules")}, serve


@pytest.mark.parametrize("name", [entry.name for entry in entries(NAMES, "9" * 12 + "-99", [BUILD, TEST]).values()])
def test_names_are_what_github_takes(name):
    assert len(name) <= 512
    assert "," not in name


MAIN, TAG, PULL, QUEUE = (
    "refs/heads/main",
    "refs/tags/v1.0.0",
    "refs/pull/7/merge",
    "refs/heads/gh-readonly-queue/main/pr-7-0123",
)


@pytest.mark.parametrize(
    ("event", "ref", "asked", "writes"),
    [
        ("push", MAIN, False, True),
        ("push", "refs/heads/topic", False, True),
        ("schedule", MAIN, False, True),
        ("workflow_dispatch", MAIN, False, True),
        ("repository_dispatch", MAIN, False, True),
        ("push", TAG, True, False),
        ("workflow_dispatch", TAG, True, False),
        ("release", TAG, True, False),
        ("create", TAG, True, False),
        ("pull_request", PULL, False, False),
        ("pull_request", PULL, True, True),
        ("pull_request_target", MAIN, True, False),
        ("pull_request_review", PULL, True, False),
        ("workflow_run", MAIN, True, False),
        ("issue_comment", MAIN, True, False),
        ("issues", MAIN, True, False),
        ("discussion_comment", MAIN, True, False),
        ("fork", MAIN, True, False),
        ("watch", MAIN, True, False),
        ("merge_group", QUEUE, True, False),
        ("push", QUEUE, False, False),
        ("deployment", "", True, False),
        ("a_new_event", MAIN, True, False),
        ("", MAIN, True, False),
    ],
)
def test_only_runs_that_maintainers_start_of_branches_write(event, ref, asked, writes):
    why = refusal(Trigger(event, ref, runner=True), pull_requests=asked)
    assert (why == "") is writes
    assert writes or why
