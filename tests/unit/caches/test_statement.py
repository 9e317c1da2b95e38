"""Statements of packs: read strictly, signed in a domain of their own, and believed only of who may say so."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.caches import statement
from goferry.caches.pack import PackUnusable
from goferry.caches.statement import DOMAIN, Believer, PackStatement, StatementEntry
from goferry.caches.warm import CacheSlot
from goferry.kernel import canonical, manifest, verify
from goferry.kernel.refusals import Refusal
from goferry.kernel.trustfile import TrustFile
from goferry.trust import _sequoia as sequoia
from goferry.trust._minisign_key import MinisignSecretKey

NOW = int(time.time())
DAY = 86_400
SLOT = CacheSlot("1.27.3", "linux", "amd64", {"CGO_ENABLED": "0", "GOAMD64": "v1", "tags": ""})
PACK = StatementEntry("deps", SLOT, "a" * 64)
SAID = PackStatement("712345678", "shop-0a1b2c3d", "c" * 40, (PACK, StatementEntry("own", SLOT, "b" * 64)))
LIST = b"0" * 64 + b"  shop_linux_amd64\n"


@pytest.fixture(scope="module")
def keys():
    """A signer of each format."""
    return {
        "minisign": MinisignSecretKey.generate().signer(),
        "openpgp": sequoia.load(sequoia.generate("one")[0], "", "one"),
    }


@pytest.fixture(params=["minisign", "openpgp"])
def signer(request, keys):
    return keys[request.param]


def listed(signer, **more):
    return replace(signer.as_trust_key(), role="cache", **more)


def believer(*trusted, name="shop", repository=SAID.repository, project=SAID.project, now=NOW + 3600):
    return Believer(TrustFile(trusted), (), repository, project, name, lambda: now)


def signed(signer, said=SAID, message=None, at=NOW):
    text = signer.sign(said.signed if message is None else message, at)
    return statement.with_signatures(said, {signer.format: text})


def test_a_signed_statement_is_believed_of_its_packs(signer):
    judge = believer(listed(signer))
    assert judge.read(signed(signer)) == SAID
    for each in SAID.packs:
        judge.covers(signed(signer), each)
    assert statement.parse(SAID.file) == SAID


def test_its_bytes_are_the_documented_ones():
    assert json.loads(SAID.file) == {
        "schema": 1,
        "repository": "712345678",
        "project": "shop-0a1b2c3d",
        "commit": "c" * 40,
        "packs": [
            {
                "kind": kind,
                "slot": SLOT.name,
                "go": "1.27.3",
                "goos": "linux",
                "goarch": "amd64",
                "flags": {"CGO_ENABLED": "0", "GOAMD64": "v1", "tags": ""},
                "sha256": digit * 64,
            }
            for kind, digit in (("deps", "a"), ("own", "b"))
        ],
    }
    assert SAID.signed == b"goferry cache statement 1\n" + canonical.dumps(json.loads(SAID.file))


OTHERS = {
    "another digest": ({"sha256": "c" * 64}, "names other packs"),
    "another kind": ({"kind": "own"}, "another kind, Go, target or flags"),
    **{
        f"another {name}": ({"slot": CacheSlot(**{**slot, name: value})}, "another kind, Go, target or flags")
        for slot in [{"go": SLOT.go, "goos": SLOT.goos, "goarch": SLOT.goarch, "flags": SLOT.flags}]
        for name, value in (
            ("go", "1.27.4"),
            ("goos", "darwin"),
            ("goarch", "arm64"),
            ("flags", {**SLOT.flags, "tags": "netgo"}),
        )
    },
}


@pytest.mark.parametrize(("change", "why"), OTHERS.values(), ids=OTHERS)
def test_it_covers_no_other_pack(keys, change, why):
    signer = keys["minisign"]
    wanted = StatementEntry(**{"kind": PACK.kind, "slot": PACK.slot, "sha256": PACK.sha256, **change})
    with pytest.raises(PackUnusable, match=why):
        believer(listed(signer)).covers(signed(signer), wanted)


def test_another_commit_of_the_repository_is_as_good(keys):
    other = PackStatement(SAID.repository, SAID.project, "d" * 40, SAID.packs)
    believer(listed(keys["minisign"])).covers(signed(keys["minisign"], other), PACK)


@pytest.mark.parametrize(
    ("mine", "why"),
    [({"repository": "1"}, "another repository, 712345678"), ({"project": "site-1"}, "another project, shop-0a1b2c3d")],
)
def test_what_another_repository_said_is_not_believed(keys, mine, why):
    with pytest.raises(PackUnusable, match=why):
        believer(listed(keys["minisign"]), **mine).read(signed(keys["minisign"]))


NEVER = {
    "revoked": ({"revoked_at": NOW + 5}, "revoked"),
    "revoked as compromised": ({"revoked_at": NOW + 5, "reason": "compromised"}, "revoked"),
    "retired before": ({"revoked_at": NOW, "reason": "retired"}, "revoked"),
    "expired": ({"valid_until": NOW + 5}, "valid until"),
    "not yet valid": ({"valid_from": NOW + DAY}, "valid from"),
    "of another project": ({"scope": ("site",)}, "does not sign for shop"),
    "of another role": ({"role": "release"}, "whose role is release"),
}


@pytest.mark.parametrize(("change", "why"), NEVER.values(), ids=NEVER)
def test_a_key_that_does_not_count_is_not_believed(signer, change, why):
    with pytest.raises(PackUnusable, match=why):
        believer(replace(listed(signer), **change)).read(signed(signer))


def test_a_retired_key_counts_for_what_it_signed_before(signer):
    believer(listed(signer, revoked_at=NOW + DAY, reason="retired")).read(signed(signer))


def test_a_threshold_counts(keys):
    judge = Believer(
        TrustFile(tuple(map(listed, keys.values())), 2), (), SAID.repository, SAID.project, "shop", lambda: NOW + 3600
    )
    both = {name: each.sign(SAID.signed, NOW) for name, each in keys.items()}
    judge.read(statement.with_signatures(SAID, both))
    with pytest.raises(PackUnusable, match="1 of 2 trusted keys"):
        judge.read(signed(keys["minisign"]))


def test_an_unknown_key_is_not_believed(signer, keys):
    others = {
        "minisign": MinisignSecretKey.generate().signer(),
        "openpgp": sequoia.load(sequoia.generate("two")[0], "", "two"),
    }
    for trusted in (others[signer.format], *(each for each in keys.values() if each.format != signer.format)):
        with pytest.raises(PackUnusable, match=r"does not list|no key of the trust file"):
            believer(listed(trusted)).read(signed(signer))


@pytest.mark.parametrize("message", [LIST, SAID.file, b"", SAID.signed[:-1]], ids=["a list", "no domain", "", "cut"])
def test_a_signature_of_anything_else_is_no_statement_s(signer, message):
    with pytest.raises(PackUnusable, match="does not match the statement"):
        believer(listed(signer)).read(signed(signer, message=message))


@pytest.mark.parametrize("listing", [SAID.signed, LIST], ids=["the statement in the list's place", "a list"])
def test_a_statement_s_signature_is_no_release_s(signer, listing, tmp_path):
    """Even where one key is trusted for both, and the statement itself lies where the list belongs."""
    (tmp_path / "SHA256SUMS").write_bytes(listing)
    (tmp_path / manifest.SIGNATURES[signer.format]).write_bytes(signer.sign(SAID.signed, NOW))
    with pytest.raises(Refusal) as caught:
        verify.verify(tmp_path, TrustFile((signer.as_trust_key(),)), openpgp=(), now=NOW + 3600)
    assert caught.value.name == ("list-malformed" if listing == SAID.signed else "signature-wrong")


def test_a_cache_key_signs_no_release(signer, tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(LIST)
    (tmp_path / manifest.SIGNATURES[signer.format]).write_bytes(signer.sign(LIST, NOW))
    with pytest.raises(Refusal) as caught:
        verify.verify(tmp_path, TrustFile((listed(signer),)), openpgp=(), now=NOW + 3600)
    assert caught.value.name == "key-role"


def edited(data, edit):
    record = json.loads(data)
    edit(record)
    return json.dumps(record).encode()


def said(**changes):
    return lambda record: record["statement"].update(changes)


def packs(**changes):
    return lambda record: record["statement"]["packs"][0].update(changes)


BENT = {
    "another commit": said(commit="d" * 40),
    "another repository": said(repository="1"),
    "a pack more": lambda record: record["statement"]["packs"].append(
        {**record["statement"]["packs"][0], "sha256": "e" * 64}
    ),
    "another digest": packs(sha256="e" * 64),
    "no signature": lambda record: record["signatures"].clear(),
    "an empty signature": lambda record: record["signatures"].update(minisign=""),
    "another format": lambda record: record["signatures"].update(x509="abc"),
    "a signature of no text": lambda record: record["signatures"].update(minisign=1),
    "a signature beyond ASCII": lambda record: record["signatures"].update(minisign="ä"),
    "signatures as a list": lambda record: record.update(signatures=[]),
    "a field more": lambda record: record.update(more=1),
    "another schema": lambda record: record.update(schema=2),
    "a statement of another schema": said(schema=2),
    "a statement with more": said(more=1),
    "no statement": lambda record: record.update(statement=None),
    "packs that are none": said(packs={}),
    "a pack that is none": said(packs=["a"]),
    "a pack of tests": packs(kind="tests"),
    "a pack of modules": packs(kind="modules"),
    "a slot of something else": packs(slot="go1.27.3-linux-arm64-0"),
    "flags that are none": packs(flags=["a"]),
    "a flag that is not a text": packs(flags={"a": 1}),
    "a digest in capitals": packs(sha256="A" * 64),
    "a name with a way out": said(project="../x"),
}


@pytest.mark.parametrize("edit", BENT.values(), ids=BENT)
def test_a_bent_statement_is_not_believed(keys, edit):
    signer = keys["minisign"]
    with pytest.raises(PackUnusable, match=r"^(its statement can't be read|it is not signed by a key that counts): "):
        believer(listed(signer)).read(edited(signed(signer), edit))


@settings(deadline=None, max_examples=examples(100))
@given(
    data=st.one_of(
        st.binary(max_size=60), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
    )
)
def test_what_is_none_has_a_reason(data):
    data = data if isinstance(data, bytes) else data.encode()
    with pytest.raises(ValueError, match=r"\w"):
        statement.parse(data)
    with pytest.raises(PackUnusable, match=r"\w"):
        believer().read(data)


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b" " * statement.MOST_BYTES, DOMAIN, b"\xff"])
def test_a_hostile_one_has_a_reason(data):
    with pytest.raises(PackUnusable, match="can't be read"):
        believer().read(data)
