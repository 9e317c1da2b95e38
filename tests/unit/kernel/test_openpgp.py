import base64
import time

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples
from tests.parts.openpgp import BORN, Public, Secret, dated, detached, sub

from goferry.kernel import certificate, gpgv, openpgp, packets, pgp_signature, signatures
from goferry.kernel.packets import FormError, Surrounded
from goferry.kernel.pgp_signature import Unsupported
from goferry.kernel.refusals import IssuerAmbiguous, Refusal, SignatureWrong
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.trust import _sequoia as sequoia

SIGNATURE = "PGP SIGNATURE"
MESSAGE = b"the list"


@pytest.fixture(scope="module")
def signer():
    return sequoia.load(sequoia.generate("one")[0], "", "one")


@pytest.fixture(scope="module")
def packet(signer):
    """One signature: each has a salt, and hypothesis wants the same input twice."""
    return packets.dearmor(signer.sign(MESSAGE, 0), SIGNATURE)


def test_armor_round_trip():
    for size in (1, 2, 3, 47, 48, 49, 1000):
        content = bytes(range(256)) * 4
        assert packets.dearmor(packets.armor(content[:size], SIGNATURE), SIGNATURE) == content[:size]


GOOD = packets.armor(b"some content that is long enough for two lines of base64", SIGNATURE)
ARMOR = {
    "empty": (b"", FormError),
    "no end": (GOOD[:-20], FormError),
    "another kind": (GOOD.replace(b"SIGNATURE", b"MESSAGE"), FormError),
    "an unknown header": (GOOD.replace(b"\n\n", b"\nHash: SHA1\n\n", 1), FormError),
    "no empty line": (GOOD.replace(b"\n\n", b"\n", 1), FormError),
    "no body": (b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", FormError),
    "a checksum alone": (b"-----BEGIN PGP SIGNATURE-----\n\n=AAAA\n-----END PGP SIGNATURE-----\n", FormError),
    "a wrong checksum": (GOOD.replace(b"\n=", b"\n=A", 1), FormError),
    "not base64": (GOOD.replace(b"c", b"!", 1), FormError),
    "text before": (b"x\n" + GOOD, Surrounded),
    "an empty line before": (b"\n" + GOOD, Surrounded),
    "text after": (GOOD + b"x", Surrounded),
    "two blocks": (GOOD + GOOD, Surrounded),
    "a block within a block": (GOOD.replace(b"\n=", b"\n" + GOOD + b"=", 1), Surrounded),
}


@pytest.mark.parametrize("case", ARMOR)
def test_armor_refuses(case):
    data, error = ARMOR[case]
    with pytest.raises(FormError) as caught:
        packets.dearmor(data, SIGNATURE)
    assert type(caught.value) is error


def test_armor_takes_what_tools_write():
    packets.dearmor(GOOD.replace(b"\n\n", b"\nVersion: GnuPG v2\nComment: x\n\n", 1), SIGNATURE)
    packets.dearmor(GOOD.replace(b"\n", b"\r\n"), SIGNATURE)
    packets.dearmor(GOOD.rstrip(b"\n"), SIGNATURE)
    without_checksum = b"\n".join(line for line in GOOD.split(b"\n") if not line.startswith(b"="))
    packets.dearmor(without_checksum, SIGNATURE)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\xc2",
        b"\xc2\x05abc",
        b"\x8b",
        b"\xc2\xe1a",
        b"\xc2\xff\xff\xff\xff\xff",
        b"\x8a\xff\xff\xff\xff",
        b"\x88",
    ],
)
def test_packets_refuse(data):
    with pytest.raises(FormError):
        list(packets.split(data))


@settings(deadline=None, max_examples=examples(200))
@given(st.binary(max_size=120))
def test_any_bytes_in_an_armor_are_refused(data):
    with pytest.raises(Refusal):
        openpgp.read(packets.armor(data, SIGNATURE), "SHA256SUMS.asc")


@settings(deadline=None, max_examples=examples(200))
@given(st.binary(max_size=120))
def test_any_bytes_as_a_certificate_are_refused(data):
    with pytest.raises(FormError):
        certificate.read(packets.armor(b"\xc6" + data, certificate.KIND))


@settings(deadline=None, max_examples=examples(60))
@given(draw=st.data())
def test_any_flipped_bit_of_a_signature_is_refused(draw, signer, packet):
    """Every bit of the packet is covered, but for what nobody signs: unhashed parts and the lengths' other spelling."""
    hashed = len(pgp_signature.parse(next(packets.split(packet))[1]).hashed)
    head = len(packet) - len(next(packets.split(packet))[1])
    at = draw.draw(st.integers(head, head + hashed - 1) | st.integers(len(packet) - 64, len(packet) - 1))
    bit = draw.draw(st.integers(0, 7))
    bent = bytearray(packet)
    bent[at] ^= 1 << bit
    assert verdict(signer, packets.armor(bytes(bent), SIGNATURE)) != "good"


def verdict(signer, data, message=MESSAGE, *others):
    """Judge a signature by the key's trust entry, on a machine without any tool."""
    trust = TrustFile(tuple(one.as_trust_key() for one in (signer, *others)))
    try:
        signatures.check({"SHA256SUMS.asc": data}, message, trust, (), int(time.time()) + 60)
    except Refusal as refusal:
        return refusal.name
    return "good"


def test_a_signature_over_something_else_does_not_match(signer, packet):
    data = packets.armor(packet, SIGNATURE)
    assert verdict(signer, data) == "good"
    assert verdict(signer, data, MESSAGE + b"x") == "signature-wrong"


def test_a_signature_of_broken_numbers_does_not_match():
    key = Secret("ed25519")
    public = Public(key)
    broken = key.sign(0, MESSAGE, dated(BORN + 1) + key.fpr, values=b"\xff\xff\x01")
    trust = TrustFile((TrustKey(key.fingerprint, "openpgp", public.text),))
    with pytest.raises(SignatureWrong):
        signatures.check({"SHA256SUMS.asc": detached(broken)}, MESSAGE, trust, (), int(time.time()))


def test_a_key_that_two_certificates_hold_is_ambiguous():
    one, two, shared = Secret("ed25519"), Secret("ed25519"), Secret("ed25519")
    owners = [Public(one).subkey(shared), Public(two).subkey(shared)]
    trust = TrustFile(tuple(TrustKey(owner.primary.fingerprint, "openpgp", owner.text) for owner in owners))
    made = detached(shared.sign(0, MESSAGE, dated(BORN + 1) + shared.fpr))
    with pytest.raises(IssuerAmbiguous):
        signatures.check({"SHA256SUMS.asc": made}, MESSAGE, trust, (), int(time.time()))


def test_an_id_that_several_keys_share_names_them_all():
    """Nobody finds two keys with one id of 16 digits in a test's time; so the fingerprints are written by hand."""
    found = [certificate.CertificateKey(first * 24 + "0123456789ABCDEF", b"", 22, b"", 0) for first in "ABC"]
    whole = certificate.Certificate(certificate.Part(found[0]), tuple(certificate.Part(key) for key in found[1:]))
    signature = pgp_signature.OpenpgpSignature(0, 22, 8, b"", b"", b"", issuers=("0123456789ABCDEF",))
    assert whole.signers_of(signature) == found
    assert whole.signers_of(signature._replace(issuers=(found[1].fingerprint, "0123456789ABCDEF"))) == [found[1]]


def test_an_area_without_room_for_an_id_stays_as_it_is():
    key = Secret("ed25519")
    filler = b"".join(sub(100, bytes(8_000)) for _ in range(8)) + sub(100, bytes(1_506))
    full = key.sign(0, MESSAGE, dated(BORN + 1) + key.fpr, filler)
    assert 0xFFFF - 9 <= len(filler) <= 0xFFFF
    assert pgp_signature.with_issuer_id(full, key.fingerprint) == full
    roomy = key.sign(0, MESSAGE, dated(BORN + 1) + key.fpr, sub(100, b"x"))
    assert len(pgp_signature.with_issuer_id(roomy, key.fingerprint)) == len(roomy) + 10


def test_other_verifiers_see_the_judged_key_alone():
    primary, first, second = Secret("ed25519"), Secret("ed25519"), Secret("ed25519")
    found = certificate.read(Public(primary).subkey(first).subkey(second).text.encode())
    reduced = list(packets.split(found.reduced_to(found.subkeys[1])))
    keys = [body for kind, body in reduced if kind in (packets.PUBLIC_KEY, packets.PUBLIC_SUBKEY)]
    assert keys == [primary.body, second.body]
    assert [kind for kind, _ in packets.split(found.reduced_to(found.primary))] == [6, 13, 2]


def test_a_certificate_of_sequoia(signer):
    found = signer.as_trust_key().certificate
    statuses = [found.key_status(key) for key in (found.primary, *found.subkeys)]
    assert statuses[0].bound
    assert [status.signs and status.bound for status in statuses[1:]].count(True) == 1
    assert found.primary.fingerprint == signer.id


# What gpgv says, line by line (GnuPG, doc/DETAILS).
FPR, KEY = "A" * 40, "B" * 40
VALID = f"VALIDSIG {KEY} 2026-11-23 1795409822 0 4 0 22 10 00 {FPR}"
STATUS = {
    "good": (["NEWSIG", "KEY_CONSIDERED x 0", "SIG_ID x", "GOODSIG BB name", VALID], ""),
    "nothing": ([], "signature-wrong"),
    "good without VALIDSIG": (["NEWSIG", "GOODSIG BB name"], "signature-wrong"),
    "valid without GOODSIG": (["NEWSIG", VALID], "signature-wrong"),
    "two signatures": (["NEWSIG", "GOODSIG BB n", VALID, "NEWSIG", "GOODSIG BB n", VALID], "signature-wrong"),
    "bad": (["NEWSIG", "BADSIG BB name"], "signature-wrong"),
    "good and bad": (["NEWSIG", "GOODSIG BB n", VALID, "BADSIG CC evil"], "signature-wrong"),
    "a revoked key": (["NEWSIG", "REVKEYSIG BB name", VALID], "key-revoked"),
    "a revoked key beside a good one": (["NEWSIG", "GOODSIG BB name", "KEYREVOKED", VALID], "key-revoked"),
    "an expired key": (["NEWSIG", "KEYEXPIRED 1", "EXPKEYSIG BB name", VALID], "key-expired"),
    "an expired signature": (["NEWSIG", "EXPSIG BB name", VALID], "signature-expired"),
    "no key": (["NEWSIG", "ERRSIG BB 22 10 00 1 9 -", "NO_PUBKEY BB"], "unsupported"),
    "an unknown curve": (["NEWSIG", "ERRSIG BB 19 10 00 1 188 -"], "unsupported"),
    "two errors": (["NEWSIG", "ERRSIG BB 19 10 00 1 188 -", "ERRSIG BB 19 10 00 1 4 -"], "signature-wrong"),
    "another subkey": (["NEWSIG", "GOODSIG BB n", VALID.replace(KEY, "C" * 40)], "signature-wrong"),
    "the primary key instead of the subkey": (["NEWSIG", "GOODSIG BB n", VALID.replace(KEY, FPR)], "signature-wrong"),
    "an unknown algorithm": (["NEWSIG", "ERRSIG BB 99 10 00 1 4 -"], "unsupported"),
    "a weak digest": (["NEWSIG", "ERRSIG BB 1 2 00 1 5 -"], "unsupported"),
    "another error": (["NEWSIG", "ERRSIG BB 22 10 00 1 8 -"], "signature-wrong"),
    "another primary key": (["NEWSIG", "GOODSIG BB n", VALID.replace(FPR, "C" * 40)], "signature-wrong"),
    "the long id alone": (["NEWSIG", "GOODSIG BB n", VALID.replace(FPR, "A" * 16)], "signature-wrong"),
    "no primary key": (["NEWSIG", "GOODSIG BB n", VALID.replace(" " + FPR, "")], "signature-wrong"),
    "text mode": (["NEWSIG", "GOODSIG BB n", VALID.replace(" 00 ", " 01 ")], "signature-wrong"),
    "an inline message": (["PLAINTEXT 62 0 x", "NEWSIG", "GOODSIG BB n", VALID], "signature-not-detached"),
    "no data": (["NODATA 4"], "signature-malformed"),
}


@pytest.mark.parametrize("case", STATUS)
def test_gpgvs_status_lines(case):
    status, expected = STATUS[case]
    try:
        found = "" if gpgv.judge([line.split(" ") for line in status], FPR, KEY) else "false"
    except Refusal as refusal:
        found = refusal.name
    except Unsupported:
        found = "unsupported"
    assert found == expected


def test_a_gpgv_that_cannot_be_run_checks_nothing(signer, packet, tmp_path):
    found = gpgv.find(str(tmp_path / "absent"))
    assert found is not None
    certified = signer.as_trust_key().certificate
    with pytest.raises(Unsupported):
        found(certified, certified.primary, b"", packet)


def test_base64_is_not_lenient():
    with pytest.raises(FormError):
        packets.dearmor(GOOD.replace(base64.b64encode(b"so")[:2], b"~~", 1), SIGNATURE)
