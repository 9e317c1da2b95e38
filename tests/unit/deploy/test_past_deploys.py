"""What hosts say of their deploys, read with suspicion, and shown."""

import contextlib
import json

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from goferry.cli import history as cli
from goferry.deploy import _client as client, past_deploys
from goferry.deploy.errors import HostUnreachable
from goferry.deploy.past_deploys import PastDeploy
from goferry.kernel.errors import GoferryError

RECORD = {
    "schema": 1, "number": 12, "id": "t12", "trace": "ab" * 16, "kind": "deploy", "project": "shop",
    "changes": [{"service": "api", "from": "v1.0.0", "to": "v1.1.0", "sequence": 2, "from_sequence": 1}],
    "begun": 1_767_225_600_000, "switched": 1_767_225_604_000, "ended": 1_767_225_612_500, "outcome": "rolled-back",
    "error": "candidate-unhealthy", "what": "api answered 500 \x1b[31m",
    "noted": {"by": "octocat", "run": "https://example.com/runs/1", "environment": "production", "commit": "c" * 40,
              "commit-time": 1_767_220_000},
    "numbers": {"switch_ms": 3},
}  # fmt: skip


class Host:
    def __init__(self, records, error=None):
        self.records, self.error = records, error

    @contextlib.contextmanager
    def source(self):
        yield self

    def ask(self, request, *, skip, limit, **_):
        if self.error:
            raise self.error
        page = self.records[skip : skip + min(limit, 2)]
        return {"deploys": page, "more": skip + len(page) < len(self.records)}


def sources(**hosts):
    return {name: host.source for name, host in hosts.items()}


def test_pages_of_all_hosts_come_in_one_list_the_newest_first():
    one = Host([{**RECORD, "number": n, "ended": n} for n in (5, 4, 3, 2, 1)])
    two = Host([{**RECORD, "number": 9, "ended": 4}])
    found = past_deploys.read(sources(a=one, b=two))
    assert [(each.host, each.ended) for each in found.deploys] == [
        ("a", 5), ("a", 4), ("b", 4), ("a", 3), ("a", 2), ("a", 1)
    ]  # fmt: skip
    assert [each.ended for each in past_deploys.read(sources(a=one), limit=3).deploys] == [5, 4, 3]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*RECORD]), JSON))
def test_any_record_is_read_and_can_be_shown(record):
    each = PastDeploy.read("web-1", record)
    json.dumps(each.as_json())
    assert all(isinstance(line, str) for line in cli._lines(each, several=True))


def shown(monkeypatch, *words, **hosts):
    from goferry.deploy import _local_target as local

    monkeypatch.setattr(local.Local, "sources", lambda *_: sources(**hosts))
    return CliRunner().invoke(cli.command, ["--target", "local", "--root", "run", *words])


def test_a_line_says_who_what_when_how_long_and_why(monkeypatch):
    good = {
        **RECORD,
        "outcome": "committed",
        "error": "",
        "what": "",
        "noted": {"key": "SHA256:abc"},
        "begun": 0,
        "number": 11,
    }
    assert shown(monkeypatch, web=Host([RECORD, good])).stdout.splitlines() == [
        "2026-01-01T00:00:12Z deploy shop: api v1.0.0 → v1.1.0  rolled-back in 12.5 s by octocat",
        "  candidate-unhealthy: api answered 500 \\x1b[31m",
        "  https://example.com/runs/1",
        "2026-01-01T00:00:12Z deploy shop: api v1.0.0 → v1.1.0  committed (key SHA256:abc)",
    ]


@pytest.mark.parametrize(
    ("by", "key", "end"),
    [
        ("dependabot[bot]", "", " by dependabot[bot]"),
        ("ann (key SHA256:abc)", "", ' by "ann (key SHA256:abc)"'),
        ('ann" (key SHA256:abc)', "SHA256:def", ' by "ann\\" (key SHA256:abc)" (key SHA256:def)'),
    ],
)
def test_a_name_does_not_look_like_a_key_that_the_host_knows(by, key, end):
    line, *_ = cli._lines(PastDeploy.read("web-1", {**RECORD, "noted": {"by": by, "key": key}}), several=False)
    assert line.endswith(" in 12.5 s" + end)


def test_as_json_with_every_field(monkeypatch):
    found = json.loads(shown(monkeypatch, "--json", web=Host([RECORD])).stdout)
    assert found == {
        "ok": True,
        "deploys": [
            {
                "host": "web", "id": "t12", "trace": "ab" * 16, "kind": "deploy", "project": "shop",
                "environment": "production", "changes": [{"service": "api", "from": "v1.0.0", "to": "v1.1.0"}],
                "begun": "2026-01-01T00:00:00Z", "switched": "2026-01-01T00:00:04Z", "ended": "2026-01-01T00:00:12Z",
                "seconds": 12.5, "outcome": "rolled-back", "error": "candidate-unhealthy",
                "what": "api answered 500 \x1b[31m", "by": "octocat", "run": "https://example.com/runs/1", "key": "",
                "commit": "c" * 40, "committed_at": "2025-12-31T22:26:40Z",
            }
        ],
    }  # fmt: skip


def test_a_host_that_cannot_be_asked_hides_nobody_s_deploys(monkeypatch):
    hosts = {"web": Host([RECORD]), "gone": Host([], HostUnreachable("no route"))}
    done = shown(monkeypatch, **hosts)
    assert "web deploy shop" in done.stdout
    assert isinstance(done.exception, GoferryError)
    assert done.exception.exit_code == 5
    done = shown(monkeypatch, "--json", **hosts)
    assert (done.stdout, len(done.exception.facts["deploys"])) == ("", 1)


@pytest.mark.parametrize(
    ("environ", "asker"),
    [
        ({"USER": "ann"}, {"by": "ann"}),
        ({"LOGNAME": "ann\x1b"}, {"by": "ann\\x1b"}),
        ({}, {}),
        (
            {
                "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat", "GITHUB_SERVER_URL": "https://example.com",
                "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "USER": "runner",
            },
            {"by": "octocat", "run": "https://example.com/o/r/actions/runs/7"},
        ),
    ],
)  # fmt: skip
def test_who_asks_is_the_actor_or_the_user(environ, asker):
    assert client.asker(environ) == asker
