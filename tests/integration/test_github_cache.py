"""The rules of GitHub's cache that Goferry's entries rely on, each held by the fake with GitHub's own client before it.

The rules are those of GitHub's documentation, "Dependency caching reference".
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.cache import FakeCache

PARTS = Path(__file__).parents[1] / "parts" / "npm"
MAIN, TOPIC, PULL = "refs/heads/main", "refs/heads/topic", "refs/pull/7/merge"


@pytest.fixture
def cache():
    with FakeCache() as fake:
        yield fake


@pytest.fixture
def client(cache, part, node_part, tmp_path):
    """`client(ref, [calls], base="")` makes the calls in a run of that ref and returns what they gave."""
    node, _ = part("node"), node_part("@actions/cache")
    part("zstd")

    def call(ref, calls, base="", **options):
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "GITHUB_WORKSPACE": str(tmp_path),
            "RUNNER_TEMP": str(tmp_path),
            **cache.run(ref, base, **options),
        }
        done = subprocess.run(
            [node, "cache.mjs"], cwd=PARTS, env=environ, input=json.dumps(calls), capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return call


def test_the_name_itself_then_beginnings_and_of_those_the_newest(client):
    saved = client(MAIN, [["save", name, name] for name in ("a-1", "a-2", "a-10", "b-1")])
    assert saved == [True] * 4
    found = client(
        MAIN,
        [
            ["restore", "a-1"],
            ["restore", "a-"],
            ["restore", "c-9", "c-", "b-", "a-"],
            ["restore", "c-9"],
            ["restore", "A-"],
        ],
    )
    assert found[:4] == [["a-1", "a-1"], ["a-10", "a-10"], ["b-1", "b-1"], None]


def test_an_entry_is_never_written_again(client):
    assert client(MAIN, [["save", "a", "first"], ["save", "a", "second"], ["restore", "a"]]) == [
        True,
        False,
        ["a", "first"],
    ]


def test_a_branch_reads_its_own_first_then_the_default_branchs_and_no_others(client):
    client(MAIN, [["save", "a-1", "of main"]])
    client(TOPIC, [["save", "a-2", "of topic"]])
    assert client(TOPIC, [["restore", "a-1", "a-"]]) == [["a-2", "of topic"]]
    assert client("refs/heads/other", [["restore", "a-2", "a-"]]) == [["a-1", "of main"]]
    assert client(MAIN, [["restore", "a-2"]]) == [None]


def test_a_pull_request_reads_its_base_and_what_it_wrote_nobody_else_reads(client):
    """From a fork or not: it runs with refs/pull/N/merge."""
    client(TOPIC, [["save", "a-1", "of topic"]])
    client(MAIN, [["save", "b-1", "of main"]])
    found = client(PULL, [["restore", "a-1"], ["restore", "b-1"], ["save", "a-2", "of a stranger"]], base=TOPIC)
    assert found == [["a-1", "of topic"], ["b-1", "of main"], True]
    assert client(PULL, [["restore", "a-2"]], base=TOPIC) == [["a-2", "of a stranger"]]
    for ref in (MAIN, TOPIC, "refs/pull/8/merge", "refs/tags/v1.0.0"):
        assert client(ref, [["restore", "a-2"]]) == [None], ref


def test_a_tag_reads_the_default_branch_and_no_other_tag(client):
    client(MAIN, [["save", "a-1", "of main"]])
    client("refs/tags/v1.0.0", [["save", "a-2", "of a tag"]])
    assert client("refs/tags/v1.1.0", [["restore", "a-2"], ["restore", "a-1"]]) == [None, ["a-1", "of main"]]


def test_a_run_in_the_default_branchs_name_writes_what_everybody_reads(client):
    """pull_request_target and the like: why such runs of ours write nothing, whatever they are asked."""
    client(MAIN, [["save", "a-1", "of a stranger"]])
    assert client(TOPIC, [["restore", "a-1"]]) == [["a-1", "of a stranger"]]
    assert client(MAIN, [["save", "a-2", "x"], ["restore", "a-1"]], reads_only=True) == [
        False,
        ["a-1", "of a stranger"],
    ]


def test_what_nobody_read_for_seven_days_goes(client, cache):
    client(MAIN, [["save", "a", "a"], ["save", "b", "b"]])
    start = time.time()
    cache.now = lambda: start + 5 * 86_400
    assert client(MAIN, [["restore", "a"]]) == [["a", "a"]]
    cache.now = lambda: start + 8 * 86_400
    assert client(MAIN, [["restore", "b"], ["restore", "a"]]) == [None, ["a", "a"]]


def test_beyond_the_limit_goes_what_was_read_longest_ago(client, cache):
    large = os.urandom(20_000).hex()
    client(MAIN, [["save", "a", large], ["save", "b", large], ["restore", "a"]])
    cache.limit = cache.bytes
    client(MAIN, [["save", "c", "c"]])
    assert cache.names() == ["a", "c"]


def test_a_service_that_is_full_or_down_is_a_miss(client, cache):
    cache.fault = "full"
    assert client(MAIN, [["save", "a", "a"]]) == [False]
    cache.fault = "down"
    assert client(MAIN, [["restore", "a"]]) == [None]
