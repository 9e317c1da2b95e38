import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel.ed25519 import verify

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493

# RFC 8032, section 7.1: public key, message, signature.
RFC_8032 = {
    "empty": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "one byte": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "two bytes": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}


def signed(message: bytes = b"123400"):
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return key.public_key().public_bytes_raw(), message, key.sign(message)


@pytest.mark.parametrize("case", RFC_8032)
def test_accepts_the_vectors_of_the_rfc(case):
    public, message, signature = (bytes.fromhex(part) for part in RFC_8032[case])
    assert verify(public, message, signature)
    assert not verify(public, message + b"x", signature)


def with_s(signature: bytes, s: int) -> bytes:
    return signature[:32] + s.to_bytes(32, "little")


def s_of(signature: bytes) -> int:
    return int.from_bytes(signature[32:], "little")


# After Wycheproof's eddsa_test: every way to bend a good signature.
BENT = {
    "s plus the order": lambda sig: with_s(sig, s_of(sig) + L),
    "s plus twice the order": lambda sig: with_s(sig, s_of(sig) + 2 * L),
    "s plus eight times the order": lambda sig: with_s(sig, s_of(sig) + 8 * L),
    "s is zero": lambda sig: with_s(sig, 0),
    "s is one": lambda sig: with_s(sig, 1),
    "s is the order": lambda sig: with_s(sig, L),
    "s is the order less one": lambda sig: with_s(sig, L - 1),
    "s negated": lambda sig: with_s(sig, L - s_of(sig)),
    "s with its high bit": lambda sig: sig[:63] + bytes([sig[63] | 0x80]),
    "s all ones": lambda sig: sig[:32] + b"\xff" * 32,
    "R is zero": lambda sig: bytes(32) + sig[32:],
    "R all ones": lambda sig: b"\xff" * 32 + sig[32:],
    "R is the neutral point": lambda sig: b"\x01" + bytes(31) + sig[32:],
    "R is the prime": lambda sig: P.to_bytes(32, "little") + sig[32:],
    "R with its sign flipped": lambda sig: sig[:31] + bytes([sig[31] ^ 0x80]) + sig[32:],
    "R and s swapped": lambda sig: sig[32:] + sig[:32],
    "empty": lambda sig: sig[:0],
    "63 bytes": lambda sig: sig[:63],
    "65 bytes": lambda sig: sig + b"\0",
    "R alone": lambda sig: sig[:32],
    "twice": lambda sig: sig + sig,
}


@pytest.mark.parametrize("case", BENT)
def test_refuses_a_bent_signature(case):
    public, message, signature = signed()
    assert verify(public, message, signature)
    assert not verify(public, message, BENT[case](signature))


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_refuses_a_key_of_small_order_that_signs_everything(public):
    # With R the neutral point and s = 0 the equation holds for a key of order one whatever the message is.
    signature = b"\x01" + bytes(63)
    assert not verify(bytes.fromhex(public), b"any", signature)
    assert not verify(bytes.fromhex(public), b"any", bytes.fromhex(public) + bytes(32))


@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1])
def test_refuses_a_key_whose_encoding_is_not_canonical(y):
    _, message, signature = signed()
    assert not verify(y.to_bytes(32, "little"), message, signature)


def test_refuses_negative_zero_and_points_off_the_curve():
    _, message, signature = signed()
    assert not verify((1 | 1 << 255).to_bytes(32, "little"), message, signature)
    assert not verify((2).to_bytes(32, "little"), message, signature)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_refuses_a_key_of_another_length(length):
    public, message, signature = signed()
    assert not verify((public * 2)[:length], message, signature)


@settings(deadline=None, max_examples=examples(25))
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), bit=st.integers(0, 511))
def test_agrees_with_cryptography_and_refuses_any_flipped_bit(seed, message, bit):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verify(public, message, signature)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not verify(public, message, bytes(flipped))
    assert not verify(public, message + b"\0", signature)
