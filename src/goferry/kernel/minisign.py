"""minisign signatures (jedisct1.github.io/minisign, "Signature format"), checked in pure Python.

    untrusted comment: <text>
    base64(<"ED"> || <key id, 8 bytes> || <Ed25519 signature of BLAKE2b-512(file), 64 bytes>)
    trusted comment: <text>
    base64(<Ed25519 signature of the signature above || trusted comment, 64 bytes>)

Only the prehashed form, `ED`, is accepted. The legacy form, `Ed`, is refused: minisign writes `ED` since 0.11, and two
forms for one file are one too many. The trusted comment's `timestamp:` is the signature's time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from goferry.kernel import ed25519
from goferry.kernel.refusals import SignatureMalformed, SignatureNotSingle, SignatureWrong

MAX_BYTES = 8 << 10
_UNTRUSTED, _TRUSTED = b"untrusted comment: ", b"trusted comment: "
_TIMESTAMP = re.compile(rb"(?:^|\t)timestamp:([0-9]{1,11})(?:\t|$)")


class MinisignSignature(NamedTuple):
    """A parsed signature file.

    Attributes:
        key_id: 16 upper-case hex digits, as minisign prints it.
        signature, global_signature: 64 bytes each. comment: the trusted comment's bytes.
        created: seconds since the epoch, or 0 when the comment has no timestamp.
    """

    key_id: str
    signature: bytes
    comment: bytes
    global_signature: bytes
    created: int


class PublicKey(NamedTuple):
    """A public key: its id (16 upper-case hex digits) and its 32 bytes."""

    key_id: str
    key: bytes


def read_public(text: str) -> PublicKey:
    """Read a public key's base64 line (`RW…`).

    Raises:
        ValueError: when it is not one.
    """
    raw = base64.b64decode(text.encode("ascii"), validate=True)
    # A key says `Ed` whichever form its signatures have.
    if len(raw) != 42 or raw[:2] != b"Ed":
        raise ValueError("it is not a minisign public key")
    return PublicKey(key_id(raw[2:10]), raw[10:])


def key_id(raw: bytes) -> str:
    """Return the id as minisign prints it: the eight bytes as a little-endian number in hex."""
    return raw[::-1].hex().upper()


def read(data: bytes, where: str) -> MinisignSignature:
    """Read a signature file strictly: four lines, nothing else.

    Raises:
        SignatureMalformed, SignatureNotSingle: otherwise.
    """
    if not data.strip() or len(data) > MAX_BYTES:
        raise SignatureMalformed(f"{where} is empty or larger than {MAX_BYTES} bytes")
    lines = data.split(b"\n")
    if len(lines) > 5 or (len(lines) == 5 and lines[4]):
        raise SignatureNotSingle(f"{where} has more than the four lines of one signature")
    if len(lines) < 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignatureMalformed(f"{where} lacks a line; it is cut off or not a minisign signature")
    first, second = _base64(lines[1], 74, where), _base64(lines[3], 64, where)
    if first[:2] == b"Ed":
        raise SignatureMalformed(
            f"{where} is a legacy minisign signature (Ed); only the prehashed form (ED) is accepted",
            advice=["sign again with minisign 0.11 or newer, or with:  goferry sign DIST --minisign-key FILE"],
        )
    if first[:2] != b"ED":
        raise SignatureMalformed(f"{where} is of a kind that minisign does not have")
    comment = lines[2][len(_TRUSTED) :]
    stamp = _TIMESTAMP.search(comment)
    return MinisignSignature(key_id(first[2:10]), first[10:], comment, second, int(stamp.group(1)) if stamp else 0)


def check(
    public: PublicKey, message: bytes, signature: MinisignSignature, where: str, what: str = "SHA256SUMS"
) -> None:
    """Check both signatures of the file `where`; `what` is what was signed, for the message.

    Raises:
        SignatureWrong: when one does not match.
    """
    digest = hashlib.blake2b(message).digest()
    if not ed25519.verify(public.key, digest, signature.signature):
        raise SignatureWrong(f"{where} does not match {what}")
    # Its time is in the comment, which the first signature does not cover.
    if not ed25519.verify(public.key, signature.signature + signature.comment, signature.global_signature):
        raise SignatureWrong(f"the trusted comment of {where} was changed")


def _base64(line: bytes, size: int, where: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except binascii.Error:
        raw = b""
    # base64 may spell the last bits of a text in several ways; a signature has one.
    if len(raw) != size or base64.b64encode(raw) != line:
        raise SignatureMalformed(f"{where} holds a line that is not base64 of {size} bytes")
    return raw
