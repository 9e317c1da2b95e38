"""Signed notes, the format in which Go's checksum database signs its tree heads (golang.org/x/mod/sumdb/note).

    text, each line ended by a newline
    <empty line>
    — NAME BASE64(key hash of 4 bytes, Ed25519 signature of 64 bytes)

The key hash is the first four bytes of SHA-256(name + newline + algorithm byte + public key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from msgspec import Struct

from goferry.kernel.ed25519 import verify
from goferry.kernel.errors import Misuse, Refused, printable

ED25519 = b"\x01"
GO_KEY = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
"""The public key of Go's checksum database with its algorithm byte; GO_KEY_HASH ties it to the database's name."""
GO_KEY_HASH = bytes.fromhex("033de0ae")
_PREFIX = "\u2014 "
_MOST_SIGNATURES = 100


class NoteMalformed(Refused):
    """A tree head of the checksum database is not a signed note.

    Usual causes: it is cut off, or its address leads to another page.
    """

    name = "note-malformed"


class NoteUnsigned(Refused):
    """A tree head has no signature by the checksum database's key.

    Usual causes: it comes from another database than the one in GOSUMDB.
    """

    name = "note-unsigned"


class NoteForged(Refused):
    """A tree head's signature does not match its text: somebody altered it.

    Usual causes: a proxy or mirror on the way changes what it passes on.
    """

    name = "note-forged"


class ChecksumDatabaseUnknown(Misuse):
    """GOSUMDB names a checksum database whose key is not known.

    Usual causes: the key is missing. Go's own database is known by name; any other is written NAME+HASH+KEY.
    """

    name = "checksum-database-unknown"


class NoteKey(Struct, frozen=True):
    """A verifier key.

    Attributes:
        name: of the database; a host name with an optional path.
        data: algorithm byte and public key, 33 bytes.
    """

    name: str
    data: bytes

    @property
    def hash(self) -> bytes:
        """The four bytes that tie key and name together."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.data).digest()[:4]

    @property
    def text(self) -> str:
        """`NAME+HASH+KEY`, as GOSUMDB takes it."""
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(self.data).decode()}"


def key(text: str) -> NoteKey:
    """Read `NAME` (of Go's own database) or `NAME+HASH+KEY`.

    Raises:
        ChecksumDatabaseUnknown: when it is neither, or name, hash and key do not belong together.
    """
    name, plus, rest = text.partition("+")
    digest, _, encoded = rest.partition("+")
    try:
        found = NoteKey(name, base64.b64decode(encoded, validate=True) if plus else GO_KEY)
        wanted = bytes.fromhex(digest) if plus else GO_KEY_HASH
    except (ValueError, binascii.Error):
        raise _unknown(text) from None
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:_/-]*", name) or name.endswith("/") or ".." in name:
        raise _unknown(text)
    if found.hash != wanted or found.data[:1] != ED25519 or len(found.data) != 33:
        raise _unknown(text)
    return found


def _unknown(text: str) -> ChecksumDatabaseUnknown:
    return ChecksumDatabaseUnknown(
        f"GOSUMDB={printable(text, 120)} is not a checksum database whose key is known",
        state="Nothing was installed.",
        advice=["see what Go has:  go env GOSUMDB", "another database is written:  GOSUMDB='NAME+HASH+KEY URL'"],
    )


def open_note(message: bytes, verifier: NoteKey) -> str:
    """Return the text of a note that `verifier` signed; signatures by other keys are passed over.

    Raises:
        NoteMalformed: a tree head of the checksum database is not a signed note.
        NoteUnsigned: a tree head has no signature by the checksum database's key.
        NoteForged: a tree head's signature does not match its text: somebody altered it.
    """
    try:
        whole = message.decode("utf-8")
    except UnicodeDecodeError:
        whole = "\0"
    text, split, block = whole.rpartition("\n\n")
    if not split or not block.endswith("\n") or re.search("[\x00-\x09\x0b-\x1f]", whole):
        raise NoteMalformed("the tree head is not a signed note", state="Nothing was installed.")
    text += "\n"
    lines = block[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteMalformed(f"the tree head has {len(lines)} signatures", state="Nothing was installed.")
    signatures = [_signature(line) for line in lines]
    ours = [signature for name, digest, signature in signatures if (name, digest) == (verifier.name, verifier.hash)]
    if not ours:
        raise NoteUnsigned(
            f"the tree head is not signed by {verifier.name}+{verifier.hash.hex()}",
            state="Nothing was installed.",
            advice=["compare with Go's own setting:  go env GOSUMDB"],
        )
    if len(ours[0]) != 64 or not verify(verifier.data[1:], text.encode(), ours[0]):
        raise NoteForged(f"the tree head's signature by {verifier.name} is invalid", state="Nothing was installed.")
    return text


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if not line.startswith(_PREFIX) or not name or "+" in name or len(data) < 5:
        raise NoteMalformed("a signature line of the tree head is malformed", state="Nothing was installed.")
    return name, data[:4], data[4:]
