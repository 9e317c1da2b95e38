import base64

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel import minisign
from goferry.kernel.refusals import Refusal
from goferry.trust._minisign_key import MinisignSecretKey

KEY = MinisignSecretKey.from_seed(bytes(range(8)), bytes(32))
MESSAGE = b"the list"
NOW = 1_795_409_822
GOOD = KEY.sign(MESSAGE, NOW)


def judge(data, message=MESSAGE, key=KEY):
    signature = minisign.read(data, "SHA256SUMS.minisig")
    minisign.check(minisign.read_public(key.public_line), message, signature, "SHA256SUMS.minisig")
    return signature


def test_a_good_signature():
    signature = judge(GOOD)
    assert signature.created == NOW
    assert signature.key_id == KEY.name == "0706050403020100"


def lines(*changes):
    result = GOOD.split(b"\n")
    for at, change in changes:
        result[at] = change(result[at])
    return b"\n".join(result)


def decoded(edit):
    return lambda line: base64.b64encode(edit(base64.b64decode(line)))


def flip(raw, at=-1):
    changed = bytearray(raw)
    changed[at] ^= 1
    return bytes(changed)


BENT = {
    "empty": (b"", "signature-malformed"),
    "white space": (b" \n", "signature-malformed"),
    "too large": (GOOD + b" " * 10_000, "signature-malformed"),
    "cut off in the first line": (GOOD[:20], "signature-malformed"),
    "without the global signature": (b"\n".join(GOOD.split(b"\n")[:3]) + b"\n", "signature-malformed"),
    "without the trusted comment": (b"\n".join(GOOD.split(b"\n")[:2]) + b"\n", "signature-malformed"),
    "two signatures": (GOOD + GOOD, "signature-not-single"),
    "text after it": (GOOD + b"evil\n", "signature-not-single"),
    "text before it": (b"hello\n" + GOOD, "signature-not-single"),
    "CR": (GOOD.replace(b"\n", b"\r\n"), "signature-malformed"),
    "no base64": (lines((1, lambda line: b"!" + line[1:])), "signature-malformed"),
    "base64 with white space": (lines((1, lambda line: line[:4] + b" " + line[4:])), "signature-malformed"),
    "base64 with loose last bits": (lines((3, lambda line: line[:-3] + b"B==")), "signature-malformed"),
    "a signature too short": (lines((1, decoded(lambda raw: raw[:-1]))), "signature-malformed"),
    "legacy": (lines((1, decoded(lambda raw: b"Ed" + raw[2:]))), "signature-malformed"),
    "an unknown kind": (lines((1, decoded(lambda raw: b"EX" + raw[2:]))), "signature-malformed"),
    "a flipped bit": (lines((1, decoded(flip))), "signature-wrong"),
    "a flipped bit in the global signature": (lines((3, decoded(flip))), "signature-wrong"),
    "an altered trusted comment": (
        lines((2, lambda line: line.replace(b"timestamp:1", b"timestamp:2"))),
        "signature-wrong",
    ),
    "an emptied trusted comment": (lines((2, lambda line: line[:17])), "signature-wrong"),
}


@pytest.mark.parametrize("case", BENT)
def test_refuses_a_bent_signature(case):
    data, expected = BENT[case]
    with pytest.raises(Refusal) as caught:
        judge(data)
    assert caught.value.name == expected


def test_refuses_another_message_and_another_key_of_the_same_id():
    with pytest.raises(Refusal):
        judge(GOOD, b"another list")
    with pytest.raises(Refusal):
        judge(GOOD, key=MinisignSecretKey.from_seed(KEY.key_id, b"x" * 32))


def test_the_untrusted_comment_is_nobodys():
    judge(lines((0, lambda line: line[:19] + b"anything")))


@pytest.mark.parametrize("text", ["", "RW", "!", "\u00fc", base64.b64encode(b"ED" + bytes(40)).decode()])
def test_refuses_what_is_no_public_key(text):
    with pytest.raises(ValueError):
        minisign.read_public(text)


@settings(deadline=None, max_examples=examples(150))
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    with pytest.raises(Refusal):
        judge(data)
