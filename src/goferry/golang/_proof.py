"""What proves a module's hash: a record, a signed tree head, and the path from one to the other.

A proof stands on its own: it is checked again from its own bytes and the database's key, without the network.
"""

from __future__ import annotations

import base64
import re

import msgspec
from msgspec import Struct

from goferry.golang import _signed_note as signed_note, _tlog as tlog
from goferry.kernel.errors import Refused

_HEAD = r"(?a)go\.sum database tree\n(0|[1-9]\d{0,17})\n([A-Za-z0-9+/]{43}=)\n(?:.*\n)*"


class ProofInvalid(Refused):
    """The checksum database's proof for a module is wrong.

    Usual causes: a proxy or mirror altered the answer, so that the record is not in the tree whose head was signed.
    """

    name = "proof-invalid"


class RecordForeign(Refused):
    """The checksum database answered with the record of another module or version, or with several hashes.

    Usual causes: a proxy that mixes up its files, or one that passes off another toolchain.
    """

    name = "record-foreign"


def tree_head(message: bytes, key: signed_note.NoteKey) -> tlog.Tree:
    """Return the tree of a signed head.

    Raises:
        NoteMalformed, NoteUnsigned, NoteForged: from `note.open_note`; NoteMalformed also when the text is not a tree.
    """
    match = re.fullmatch(_HEAD, signed_note.open_note(message, key))
    if not match:
        raise signed_note.NoteMalformed("the signed note is not a tree head", state="Nothing was installed.")
    return tlog.Tree(int(match[1]), base64.b64decode(match[2]))


class Written(Struct, frozen=True):
    """A Proof as it lies in a file; the parts of the path are base64."""

    module: str
    version: str
    index: int
    record: str
    head: str
    path: list[str]


class Proof(Struct, frozen=True):
    """The proof of one module version's hash.

    Attributes:
        module, version: `golang.org/toolchain`, `v0.0.1-go1.27.3.linux-amd64`.
        record: the record's text, go.sum lines; index: its number in the log.
        head: the signed note of the tree head.
        path: the inclusion proof, from the leaf's sibling up.
    """

    module: str
    version: str
    index: int
    record: bytes
    head: bytes
    path: tuple[bytes, ...]

    @property
    def h1(self) -> str:
        """The module's hash as the record states it, `h1:…`.

        Raises:
            RecordForeign: when the record has not exactly one for this module and version.
        """
        lines = self.record.decode("utf-8", "replace").split("\n")
        prefix = f"{self.module} {self.version} "
        found = {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}
        if len(found) != 1 or not re.fullmatch(r"h1:[A-Za-z0-9+/]{43}=", next(iter(found)), re.ASCII):
            raise RecordForeign(
                f"record {self.index} of the checksum database states no single hash of {self.module}@{self.version}",
                state="Nothing was installed.",
            )
        return next(iter(found))

    def check(self, key: signed_note.NoteKey) -> tlog.Tree:
        """Check signature, inclusion and the record's subject; return the tree head that was signed.

        Raises:
            ProofInvalid: the checksum database's proof for a module is wrong.
            RecordForeign: the checksum database answered with the record of another module or version, or
                with several hashes.
            NoteMalformed: a tree head of the checksum database is not a signed note.
            NoteUnsigned: a tree head has no signature by the checksum database's key.
            NoteForged: a tree head's signature does not match its text: somebody altered it.
        """
        tree = tree_head(self.head, key)
        if not tlog.included(self.path, tree, self.index, tlog.leaf_hash(self.record)):
            raise ProofInvalid(
                f"record {self.index} is not in the signed tree of {tree.size}", state="Nothing was installed."
            )
        _ = self.h1
        return tree

    def as_json(self) -> dict[str, object]:
        """Return the proof in JSON types."""
        return {
            "module": self.module,
            "version": self.version,
            "index": self.index,
            "record": self.record.decode("utf-8"),
            "head": self.head.decode("utf-8"),
            "path": [base64.b64encode(item).decode() for item in self.path],
        }

    @classmethod
    def from_json(cls, value: object) -> Proof:
        """Read what `as_json` made.

        Raises:
            ValueError: when it is not that.
        """
        try:
            return cls.of(msgspec.convert(value, Written))
        except msgspec.ValidationError as error:
            raise ValueError(f"no proof: {error}") from error

    @classmethod
    def of(cls, written: Written) -> Proof:
        """Take a proof as it lies in a file.

        Raises:
            ValueError: a part of its path is not base64.
        """
        path = tuple(base64.b64decode(item, validate=True) for item in written.path)
        return cls(written.module, written.version, written.index, written.record.encode(), written.head.encode(), path)
