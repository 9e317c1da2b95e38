import json
import re
import time
from dataclasses import replace

import pytest
from tests.parts.openpgp import BORN, Public, Secret, dated

from goferry.kernel import trustfile
from goferry.kernel.refusals import Refusal
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.trust import _sequoia as sequoia
from goferry.trust._minisign_key import MinisignSecretKey

NOW = 1_795_409_822
DAY = 86400


@pytest.fixture(scope="module")
def trust():
    pgp = sequoia.load(sequoia.generate("one")[0], "", "one").as_trust_key()
    other = MinisignSecretKey.generate().signer().as_trust_key(("shop", "billing"))
    return TrustFile((pgp, replace(other, valid_from=NOW, valid_until=NOW + DAY, revoked_at=NOW, reason="retired")), 2)


def test_round_trip(trust):
    assert trustfile.parse(trust.to_bytes()) == trust


def edited(trust, edit):
    record = json.loads(trust.to_bytes())
    edit(record)
    return json.dumps(record).encode()


def key(number, **changes):
    def edit(record):
        entry = record["keys"][number]
        entry.update(changes)
        for name in [name for name, value in entry.items() if value is ...]:
            del entry[name]

    return edit


INVALID = {
    "another schema": lambda r: r.update(schema=3),
    "a schema as text": lambda r: r.update(schema="2"),
    "projects in schema 1": lambda r: r.update(schema=1, projects={}),
    "projects as a list": lambda r: r.update(projects=[]),
    "an unknown field of a project": lambda r: r.update(projects={"shop": {"keep": 1}}),
    "a sequence that is neither": lambda r: r.update(projects={"shop": {"sequence": "random"}}),
    "a minimum as text": lambda r: r.update(projects={"shop": {"minimum": "1"}}),
    "a minimum as a flag": lambda r: r.update(projects={"shop": {"minimum": True}}),
    "a minimum below nothing": lambda r: r.update(projects={"shop": {"minimum": -1}}),
    "a project with a path": lambda r: r.update(projects={"../shop": {}}),
    "notes as a list": lambda r: r.update(notes=[]),
    "an unknown field": lambda r: r.update(note="x"),
    "no keys": lambda r: r.update(keys=[], threshold=1),
    "keys as an object": lambda r: r.update(keys={}),
    "a threshold of zero": lambda r: r.update(threshold=0),
    "a threshold as a flag": lambda r: r.update(threshold=True),
    "a key twice": lambda r: r["keys"].append(r["keys"][0]),
    "a key that is a text": lambda r: r["keys"].append("x"),
    "no key for releases": lambda r: [entry.update(role="pointer") for entry in r["keys"]],
    "an unknown field of a key": key(0, trusted="yes"),
    "a missing field of a key": key(0, role=...),
    "an unknown format": key(0, format="pgp"),
    "an unknown role": key(0, role="root"),
    "an unknown reason": key(1, reason="lost"),
    "a scope of no project": key(0, scope=[]),
    "a scope as text": key(0, scope="*"),
    "a scope that nobody sees": key(0, scope=["shop\u3164"]),
    "a scope of numbers": key(0, scope=[1]),
    "a time as a number": key(1, valid_from=5),
    "a time with an offset": key(1, valid_from="2026-11-23T05:00:00+01:00"),
    "an id in lower case": lambda r: r["keys"][1].update(id=r["keys"][1]["id"].lower()),
    "a short id": lambda r: r["keys"][0].update(id=r["keys"][0]["id"][-16:]),
    "the id of another key": key(0, id="A" * 40),
    "a public part cut off": lambda r: r["keys"][0].update(public=r["keys"][0]["public"][:200]),
    "a public part that is not ASCII": key(0, public="\u00fc"),
    "minisign: not base64": key(1, public="RW!"),
    "minisign: cut off": lambda r: r["keys"][1].update(public=r["keys"][1]["public"][:-4]),
    "formats exchanged": lambda r: (r["keys"][0].update(format="minisign"), r["keys"][1].update(format="openpgp")),
}


@pytest.mark.parametrize("case", INVALID)
def test_refuses(case, trust):
    with pytest.raises(Refusal) as caught:
        trustfile.parse(edited(trust, INVALID[case]))
    assert caught.value.name == "trust-file-invalid"


# Thresholds that no release can meet. The file has an OpenPGP key for all projects and a minisign key for two.


def of_one_format(record):
    stranger = sequoia.load(sequoia.generate("two")[0], "", "two").as_trust_key()
    record["keys"][1] = json.loads(TrustFile((stranger,)).to_bytes())["keys"][0]


def weak(record, kind="rsa-1024"):
    public = Public(Secret(kind))
    record["keys"][0].update(id=public.primary.fingerprint, public=public.text)


def revoked_by_its_owner(record):
    secret = Secret("ed25519")
    public = Public(secret).add(secret.sign(0x20, secret.hashable, dated(BORN) + secret.fpr))
    record["keys"][0].update(id=secret.fingerprint, public=public.text)


UNREACHABLE = {
    "more than there are keys": lambda r: r.update(threshold=3),
    "far more": lambda r: r.update(threshold=2**53 - 1),
    "one key of another role": key(1, role="pointer"),
    "two keys of one format": of_one_format,
    "scopes that share no project": lambda r: (key(0, scope=["web"])(r), key(1, scope=["shop", "billing"])(r)),
    "a key that is compromised": key(1, reason="compromised"),
    "a key that is revoked for no reason": key(1, reason=...),
    "a key whose owner revoked it": revoked_by_its_owner,
    "a key that is never valid": lambda r: r["keys"][1].update(valid_from=r["keys"][1]["valid_until"]),
    "a weak key": weak,
    "a weak key alone": lambda r: (weak(r), r.update(threshold=1, keys=r["keys"][:1])),
    "a key that anybody can sign for": lambda r: weak(r, "exponent-1"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_a_threshold_that_no_release_can_meet_is_refused(case, trust):
    with pytest.raises(Refusal) as caught:
        trustfile.parse(edited(trust, UNREACHABLE[case]))
    assert caught.value.name == "threshold-unreachable"


REACHABLE = {
    "one of two keys of one format": lambda r: (of_one_format(r), r.update(threshold=1)),
    "one key for each of two projects": lambda r: (key(0, scope=["web"])(r), r.update(threshold=1)),
    "two keys that share one project of several": key(0, scope=["web", "shop"]),
    "one of two, the other revoked": lambda r: (key(1, reason="compromised")(r), r.update(threshold=1)),
    "all keys revoked, so that nothing is taken any more": lambda r: [
        entry.update(revoked_at="2026-01-02T03:04:05Z", reason="compromised") for entry in r["keys"]
    ],
}


@pytest.mark.parametrize("case", REACHABLE)
def test_a_threshold_that_some_release_can_meet_is_taken(case, trust):
    trustfile.parse(edited(trust, REACHABLE[case]))


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"\xff", b'{"schema":1,"schema":1}', b" " * (1 << 20 | 1)])
def test_refuses_what_is_no_trust_file(data):
    with pytest.raises(Refusal) as caught:
        trustfile.parse(data)
    assert caught.value.name == "trust-file-invalid"


def test_a_secret_key_is_never_a_public_part(trust):
    secret = sequoia.generate("secret")[0].decode()
    for text in (secret, re.sub("PRIVATE", "PUBLIC", secret)):
        with pytest.raises(Refusal):
            trustfile.parse(edited(trust, key(0, public=text)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "FILE is not a trust file: it is empty"),
        (b"not json\n", "FILE is not a trust file: it is not JSON: line 1, column 1: Expecting value"),
        (b"{}\n\xff", "FILE is not a trust file: it is not JSON: it is not UTF-8 text"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
            "FILE is not a trust file: it is a key; a trust file lists public keys",
        ),
        (b"untrusted comment: minisign public key\nRW\n", "FILE is not a trust file: it is a key; a trust file lists"),
        (b"[]", "FILE is not a trust file: its schema is not one of (1, 2)"),
    ],
)
def test_what_is_no_trust_file_is_told_in_plain_words(data, said):
    with pytest.raises(Refusal) as caught:
        trustfile.parse(data, "FILE")
    assert caught.value.what.startswith(said)
    assert caught.value.advice


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Refusal) as caught:
        trustfile.load(tmp_path / "absent")
    assert caught.value.name == "trust-file-missing"
    with pytest.raises(Refusal) as caught:
        trustfile.load(tmp_path)
    assert caught.value.name == "trust-file-missing"


TIMES = {
    "no limits": ({}, 0, 0, ""),
    "in its time": ({"valid_from": -DAY, "valid_until": DAY}, 0, 0, ""),
    "signed before it began": ({"valid_from": 0}, -1, DAY, "key-not-yet-valid"),
    "signed in the second it began": ({"valid_from": 0}, 0, 0, ""),
    "looked at before it began": ({"valid_from": 0}, 0, -1, "key-not-yet-valid"),
    "signed in the second it ended": ({"valid_until": 0}, 0, 0, "key-expired"),
    "signed in its time, looked at later": ({"valid_until": 0}, -DAY, DAY, "key-expired"),
    "retired, signed before": ({"revoked_at": 0, "reason": "retired"}, -1, DAY, ""),
    "retired, signed after": ({"revoked_at": 0, "reason": "retired"}, 0, DAY, "key-revoked"),
    "compromised, signed long before": ({"revoked_at": 0, "reason": "compromised"}, -DAY, DAY, "key-revoked"),
    "revoked for no reason": ({"revoked_at": 0}, -DAY, DAY, "key-revoked"),
    "compromised in the future": ({"revoked_at": DAY, "reason": "compromised"}, 0, 0, "key-revoked"),
}


@pytest.mark.parametrize("case", TIMES)
def test_a_keys_time(case):
    limits, created, now, expected = TIMES[case]
    limits = {name: value + NOW if isinstance(value, int) else value for name, value in limits.items()}
    entry = TrustKey("A", "minisign", "", **limits)
    try:
        entry.check_time(NOW + created, NOW + now)
        found = ""
    except Refusal as refusal:
        found = refusal.name
    assert found == expected


def test_many_user_ids_do_not_stall(trust):
    """A poisoned key is refused by its size, or read in bounded time."""
    started = time.process_time()
    with pytest.raises(Refusal):
        trustfile.parse(edited(trust, lambda r: r["keys"][0].update(public=r["keys"][0]["public"] * 400)))
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("module example.com/shop\n", "FILE is not a trust file"),
        ("[]", "FILE is not a trust file"),
        (
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
            "FILE is not a trust file: it is a key; a trust file lists public keys",
        ),
    ],
)
def test_another_file_in_its_place_is_a_typing_error(text, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text(text)
    with pytest.raises(Refusal) as caught:
        trustfile.load("FILE")
    assert (caught.value.name, caught.value.exit_code, caught.value.what) == ("trust-file-mistaken", 2, what)


@pytest.mark.parametrize("text", ["", '{"schema": 2', "{}"])
def test_a_damaged_trust_file_is_refused(text, tmp_path):
    (tmp_path / "FILE").write_text(text)
    with pytest.raises(Refusal) as caught:
        trustfile.load(tmp_path / "FILE")
    assert (caught.value.name, caught.value.exit_code) == ("trust-file-invalid", 3)


def test_keys_of_caches_stand_in_a_file_of_their_own(trust, tmp_path):
    """A host refuses a role that it does not know, so no trust file of releases ever has it."""
    cache = replace(trust, keys=tuple(replace(each, role="cache") for each in trust.keys), threshold=1)
    assert trustfile.parse(cache.to_bytes(), role="cache") == cache
    mixed = replace(trust, keys=(trust.keys[0], replace(trust.keys[1], role="cache")), threshold=1)
    for data, role, elsewhere in (
        (cache.to_bytes(), "release", "a key of role cache belongs in goferry.cache.trust"),
        (mixed.to_bytes(), "release", "a key of role cache belongs in goferry.cache.trust"),
        (trust.to_bytes(), "cache", "other keys belong in goferry.trust"),
        (mixed.to_bytes(), "cache", "other keys belong in goferry.trust"),
    ):
        with pytest.raises(Refusal, match=elsewhere) as caught:
            trustfile.parse(data, role=role)
        assert caught.value.name == "trust-file-invalid"
    with pytest.raises(Refusal) as caught:
        trustfile.load(tmp_path / "absent", "cache")
    assert "goferry keygen --cache --out KEYS" in caught.value.advice[-1]


@pytest.mark.parametrize("case", [case for case in INVALID if case != "no key for releases"])
def test_refuses_of_caches_too(case, trust):
    cache = replace(trust, keys=tuple(replace(each, role="cache") for each in trust.keys))
    with pytest.raises(Refusal) as caught:
        trustfile.parse(edited(cache, INVALID[case]), role="cache")
    assert caught.value.name == "trust-file-invalid"
