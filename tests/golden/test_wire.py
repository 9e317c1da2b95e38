"""Every form in which a file or a frame was ever written is still read: one golden of each schema.

A golden is never changed: it lies on hosts. A new schema gets new ones beside it.
"""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from goferry.deploy.past_deploys import PastDeploy
from goferry.host import bounded_lines, deploy_record, engine, journal
from goferry.kernel import canonical, extension, frames, hostfile, machine, manifest, protocol, trustfile
from goferry.kernel.extension import CriticalUnknown, Extension
from goferry.kernel.hostfile import Policy
from goferry.kernel.trustfile import ProjectTrust

FOLDER = Path(__file__).parent / "wire"
NOTES = {"colour.2031": {"red": [1, "grüße"]}}


def golden(name):
    return (FOLDER / name).read_bytes()


def test_the_canonical_form_is_rfc_8785_with_a_line_feed():
    value = {
        "\ue000": 1,
        "𝄞": {"\u20ac": "\x7f€\n\x0f", "\r": [], "1": {}, "\x80": 2**53 - 1, "ö": -1},
        "": [True, None],
    }
    # RFC 8785, section 3.2.3: by UTF-16 code units the clef (D834 DD1E) comes before U+E000
    expected = (
        '{"":[true,null],"𝄞":{"\\r":[],"1":{},"\x80":9007199254740991,"ö":-1,"€":"\x7f€\\n\\u000f"},"\ue000":1}\n'
    )
    assert canonical.dumps(value) == expected.encode()
    assert canonical.loads(canonical.dumps(value)) == value


@pytest.mark.parametrize("value", [2**53, -(2**53), [{"a": 2**60}], 0.5, {1: 2}, {"a": {None: 1}}, "\ud800"])
def test_what_has_no_canonical_form(value):
    with pytest.raises(ValueError, match=r"2\^53|floats|key|surrogates"):
        canonical.dumps(value)


def test_releases():
    first, second = (manifest.parse(golden(f"release.{schema}.json")) for schema in (1, 2))
    assert (first.schema, second.schema) == (1, 2)
    assert first.to_bytes() == golden("release.1.json")
    assert second.to_bytes() == golden("release.2.json")
    assert second == replace(first, schema=2, notes=NOTES)


def test_trust_files():
    first, second = (trustfile.parse(golden(f"trust.{schema}.json")) for schema in (1, 2))
    assert first.project("shop") == ProjectTrust("time", 0)
    expected = {"shop": ProjectTrust("manual", 7), "web": ProjectTrust("time", 1_795_409_822)}
    assert second == replace(first, projects=expected, places=Extension({}, NOTES))
    assert second.to_bytes() == golden("trust.2.json")


def test_host_files():
    first, second = (hostfile.parse(golden(f"host.{schema}.json")) for schema in (1, 2))
    assert first.policy("shop") is None
    policies = {"shop": Policy("releases", ("production",), 5)}
    assert second == replace(first, policies=policies, places=Extension({}, NOTES))
    assert second.to_bytes() == golden("host.2.json")


def replayed(*records):
    return engine.replay([journal.JournalLine.of(record) for record in records])


def test_journals():
    first, second = (journal.decode(golden(f"journal.{schema}.jsonl")) for schema in (1, 2))
    begun, later = replayed(*first), replayed(*second)
    assert (begun.phase, begun.trace) == (machine.STARTED, "")
    assert later == replace(begun, trace="4bf92f3577b34da6a3ce929d0e0e4736")


def test_the_record_of_deploys():
    (record,) = bounded_lines.read(FOLDER / "deploys.1.jsonl")
    assert journal.encode(deploy_record.DeployLine(**{n: v for n, v in record.items() if n != "schema"}).record()) == (
        golden("deploys.1.jsonl")
    )
    each = PastDeploy.read("web-1", record)
    assert (each.number, each.seconds, each.by, each.committed_at) == (12, 12.5, "octocat", 1_767_220_000)


def test_frames():
    for schema in (1, 2):
        request, payload = frames.read(io.BytesIO(golden(f"frame.{schema}.bin")))
        assert protocol.check(request) == "prepare"
        assert payload == b""
        assert protocol.trace(request) == ("4bf92f3577b34da6a3ce929d0e0e4736" if schema == 2 else "")
    assert request["notes"] == NOTES


def critical(data, **more):
    record = canonical.loads(data)
    return canonical.dumps({**record, "critical": {"signed-by-moonlight": {}}, **more})


@pytest.mark.parametrize(
    "read",
    [
        lambda: manifest.parse(critical(golden("release.2.json"))),
        lambda: trustfile.parse(critical(golden("trust.2.json"))),
        lambda: hostfile.parse(critical(golden("host.2.json"))),
        lambda: replayed({**journal.decode(golden("journal.2.jsonl"))[0], "critical": {"signed-by-moonlight": 1}}),
        lambda: protocol.check({"request": "hello", "critical": {"signed-by-moonlight": None}}),
    ],
    ids=["release", "trust file", "host file", "journal", "request"],
)
def test_what_is_critical_and_unknown_is_refused_by_its_name(read):
    with pytest.raises(CriticalUnknown, match="signed-by-moonlight") as caught:
        read()
    assert (caught.value.name, caught.value.exit_code) == ("critical-unknown", 3)
    assert caught.value.facts["unknown"] == ["signed-by-moonlight"]


PLACES = [
    [], "x", None, {"": 1}, {"A": 1}, {"a b": 1}, {"x" * 101: 1}, {f"n{number}": 1 for number in range(101)},
    {"é": 1}, {"-a": 1},
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", extension.PLACES)
def test_a_place_is_an_object_of_names(name, place):
    with pytest.raises((TypeError, ValueError)):
        extension.read({name: place}, "it")
    with pytest.raises(protocol.RequestMalformed):
        protocol.check({"request": "hello", name: place})


@pytest.mark.parametrize("schema", [0, 3, "2", True, None, []])
def test_a_journal_of_another_schema_is_not_guessed_at(schema):
    first = journal.decode(golden("journal.2.jsonl"))[0]
    with pytest.raises(engine.JournalUnreadable):
        replayed({**first, "schema": schema})


@pytest.mark.parametrize(
    "change", [{"transaction": None}, {"transaction": {}}, {"transaction": {"id": "t", "more": 1}}]
)
def test_a_journal_of_unknown_fields_is_not_guessed_at(change):
    with pytest.raises(engine.JournalUnreadable):
        replayed({**journal.decode(golden("journal.2.jsonl"))[0], **change})


REQUEST = json.loads(golden("frame.2.bin")[11:])


@pytest.mark.parametrize(
    "change",
    [
        {"request": "destroy"}, {"request": None}, {"request": ["prepare"]}, {"request": {}}, {"on_silence": "rm -rf"},
        {"on_silence": ""}, {"on_silence": None}, {"wait_ms": "nan"}, {"wait_ms": -1}, {"wait_ms": True},
        {"wait_ms": 10**12}, {"wait_ms": None}, {"services": "api"}, {"services": [1]}, {"services": ["x" * 5000]},
        {"services": ["a"] * 1001}, {"services": {"api": 1}}, {"dry_run": 1}, {"dry_run": "false"}, {"id": 7},
        {"id": "../x"}, {"id": ""}, {"id": "a" * 64}, {"dist": None}, {"dist": ["incoming"]}, {"dist": "a\0b"}, {"colour": "red"},
        {"trace": ""}, {"trace": "4BF92F3577B34DA6A3CE929D0E0E4736"}, {"trace": 5}, {"trace": "x" * 32},
    ],
)  # fmt: skip
def test_wrongly_typed_requests_are_refused_by_name(change):
    protocol.check(REQUEST)
    with pytest.raises(protocol.RequestMalformed) as caught:
        protocol.check({**REQUEST, **change})
    assert (caught.value.name, caught.value.exit_code) == ("request-malformed", 2)


@pytest.mark.parametrize("name", sorted(protocol.REQUESTS))
@pytest.mark.parametrize("value", [None, {}, [{}], 10**30, "\u202e", float("nan"), b"x"])
def test_no_field_of_a_request_takes_everything(name, value):
    for field in protocol.REQUESTS[name]:
        whole = {"request": name, "id": "t", "dist": "d"}
        refused = {}
        for each in (value, [value] * 2000):
            try:
                protocol.check({**whole, field: each})
            except protocol.RequestMalformed as error:
                refused[repr(each)[:20]] = error
        assert refused, field


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, fields in protocol.NEEDED.items() for field in fields]
)
def test_what_is_needed(name, field):
    whole = {"request": name, **dict.fromkeys(protocol.NEEDED[name], "t")}
    protocol.check(whole)
    with pytest.raises(protocol.RequestMalformed, match=field):
        protocol.check({key: value for key, value in whole.items() if key != field})
