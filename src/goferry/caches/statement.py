r"""Statements: which packs a job made of nothing but signed packs and its own compiler's output, signed afterwards.

A statement is canonical JSON (kernel.canonical), and what is signed is DOMAIN and then its bytes:

    {"schema": 1, "repository": "712345678", "project": "shop-0a1b2c3d", "commit": "…", "packs": [
        {"kind": "deps" | "own", "slot": "go1.27.3-linux-amd64-…", "go": "1.27.3", "goos": "linux", "goarch": "amd64",
         "flags": {"CGO_ENABLED": "0", …}, "sha256": "…"}]}

The domain keeps signatures apart: no list of a release begins with it, and whoever checks one puts it in front. Beside
a pack lies the statement with its signatures, at least one:

    {"schema": 1, "statement": {…}, "signatures": {"minisign": "untrusted comment: …\n…"}}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from goferry.caches.pack import PackUnusable
from goferry.caches.warm import CacheSlot
from goferry.kernel import canonical
from goferry.kernel.certificate import Verifier
from goferry.kernel.errors import printable
from goferry.kernel.refusals import Refusal
from goferry.kernel.signatures import Text, check
from goferry.kernel.trustfile import TrustFile

DOMAIN = b"goferry cache statement 1\n"
SCHEMA: Literal[1] = 1
SIGNABLE = ("deps", "own")
"""Kinds of packs that a statement may name: what tests add is never signed."""
WHERE = "signed"
"""The folder of a project's statements in a place."""
MOST_BYTES = 1 << 20
TEXT = Text("the statement", "cache", {"openpgp": "its OpenPGP signature", "minisign": "its minisign signature"})
# Patterns are searched for: `\Z` ends them, as `$` would let a line feed through.
_Repository = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,127}\Z")]
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,254}\Z")]
_Word = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}\Z")]
_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Commit = Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})?\Z")]


class _Pack(Struct, frozen=True, forbid_unknown_fields=True):
    """An Entry as it lies in a file."""

    kind: Annotated[str, Meta(pattern=rf"^(?:{'|'.join(SIGNABLE)})\Z")]
    slot: _Name
    go: _Word
    goos: _Word
    goarch: _Word
    flags: dict[str, str]
    sha256: _Digest


class _StatementDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A Statement as it lies in a file."""

    schema: Literal[1]
    repository: _Repository
    project: _Name
    commit: _Commit
    packs: tuple[_Pack, ...]


class _Signed(Struct, frozen=True, forbid_unknown_fields=True):
    """What lies beside a pack; `signatures` are by format."""

    schema: Literal[1]
    statement: _StatementDocument
    signatures: dict[str, str]


class StatementEntry(Struct, frozen=True):
    """One pack: its kind, of SIGNABLE, what it is for, and its SHA-256 in hex."""

    kind: str
    slot: CacheSlot
    sha256: str


class PackStatement(Struct, frozen=True):
    """What is said of packs.

    Attributes:
        repository: the repository's number where GitHub runs, else the project. project: as places call it.
        commit: what was compiled, in hex; empty outside git. packs: what was made.
    """

    repository: str
    project: str
    commit: str
    packs: tuple[StatementEntry, ...]

    @property
    def file(self) -> bytes:
        """What a file holds of it that is not signed yet."""
        return _file(_document(self))

    @property
    def signed(self) -> bytes:
        """What is signed."""
        return DOMAIN + self.file


def parse(data: bytes) -> PackStatement:
    """Read a statement that is not signed yet.

    Raises:
        ValueError: it is none; the words say why.
    """
    return _statement(msgspec.convert(canonical.loads(_limited(data)), _StatementDocument))


def with_signatures(statement: PackStatement, signatures: Mapping[str, bytes]) -> bytes:
    """Return what lies beside a pack; `signatures` are by format."""
    texts = {name: text.decode("ascii") for name, text in signatures.items()}
    return _file(_Signed(SCHEMA, _document(statement), texts))


class Believer(Struct, frozen=True):
    """Who believes a statement, and of what.

    Attributes:
        trust: whose signatures count, keys of role `cache`. tools: as kernel.signatures.check takes them.
        repository, project: as in Statement. name: the project's, as the keys' scope has it.
        now: gives the seconds since the epoch.
    """

    trust: TrustFile
    tools: Sequence[Verifier]
    repository: str
    project: str
    name: str
    now: Callable[[], int]

    def read(self, data: bytes) -> PackStatement:
        """Return the statement, which is believed.

        Raises:
            PackUnusable: it is not; the words say why.
        """
        try:
            statement, files = _apart(data)
        except ValueError as error:
            raise PackUnusable(f"its statement can't be read: {printable(str(error), 120)}") from None
        try:
            signers, _ = check(files, statement.signed, self.trust, self.tools, self.now(), TEXT)
        except Refusal as error:
            raise PackUnusable(f"it is not signed by a key that counts: {printable(error.what, 160)}") from None
        by_id = {key.id: key for key in self.trust.keys}
        for signer in signers:
            if not by_id[signer.id].covers(self.name):
                raise PackUnusable(f"key {signer.id} does not sign for {printable(self.name, 60)}")
        for what, mine in (("repository", self.repository), ("project", self.project)):
            if getattr(statement, what) != mine:
                raise PackUnusable(f"its statement is of another {what}, {printable(getattr(statement, what), 60)}")
        return statement

    def covers(self, data: bytes, entry: StatementEntry) -> None:
        """Say whether a statement is believed and names this very pack.

        Raises:
            PackUnusable: it does not; the words say why.
        """
        packs = self.read(data).packs
        if entry in packs:
            return
        if any(each.sha256 == entry.sha256 for each in packs):
            raise PackUnusable("its statement names it for another kind, Go, target or flags")
        raise PackUnusable("its statement names other packs")


def _apart(data: bytes) -> tuple[PackStatement, dict[str, bytes]]:
    """Return a statement and its signatures, by the names that messages have for them."""
    found = msgspec.convert(canonical.loads(_limited(data)), _Signed)
    if not set(found.signatures) <= set(TEXT.signatures):
        raise ValueError("a signature's format is not known")
    files = {TEXT.signatures[name]: _encoded(text) for name, text in found.signatures.items()}
    return _statement(found.statement), files


def _limited(data: bytes) -> bytes:
    if len(data) >= MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return data


def _statement(document: _StatementDocument) -> PackStatement:
    return PackStatement(document.repository, document.project, document.commit, tuple(map(_entry, document.packs)))


def _entry(document: _Pack) -> StatementEntry:
    slot = CacheSlot(document.go, document.goos, document.goarch, document.flags)
    # The name follows from the rest; it is in the file so that a person can find the folder.
    if slot.name != document.slot:
        raise ValueError(f"the slot {document.slot[:80]} is not that of its Go, target and flags")
    return StatementEntry(document.kind, slot, document.sha256)


def _document(statement: PackStatement) -> _StatementDocument:
    packs = tuple(_pack(each) for each in statement.packs)
    return _StatementDocument(SCHEMA, statement.repository, statement.project, statement.commit, packs)


def _pack(entry: StatementEntry) -> _Pack:
    slot = entry.slot
    return _Pack(entry.kind, slot.name, slot.go, slot.goos, slot.goarch, dict(slot.flags), entry.sha256)


def _file(content: _StatementDocument | _Signed) -> bytes:
    # Whoever checks a signature makes its text anew from what was read: only canonical JSON has one text for it.
    return canonical.dumps(msgspec.to_builtins(content))


def _encoded(text: str) -> bytes:
    if not text.isascii():
        raise ValueError("a signature is not ASCII")
    return text.encode("ascii")
