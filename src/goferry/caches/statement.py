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

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from goferry.caches.pack import PackUnusable
from goferry.caches.warm import Slot
from goferry.kernel import canonical
from goferry.kernel.certificate import Verifier
from goferry.kernel.errors import printable
from goferry.kernel.refusals import Refusal
from goferry.kernel.signatures import Text, check
from goferry.kernel.trustfile import TrustFile

DOMAIN = b"goferry cache statement 1\n"
SCHEMA = 1
SIGNABLE = ("deps", "own")
"""Kinds of packs that a statement may name: what tests add is never signed."""
WHERE = "signed"
"""The folder of a project's statements in a place."""
MOST_BYTES = 1 << 20
TEXT = Text("the statement", "cache", {"openpgp": "its OpenPGP signature", "minisign": "its minisign signature"})
_FIELDS = {"repository": r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}", "project": r"[a-z0-9][a-z0-9.-]{0,254}"}
_FIELDS |= {"commit": r"(?:[0-9a-f]{40}|[0-9a-f]{64})?"}
_ENTRY = {"slot": r"[a-z0-9][a-z0-9.-]{0,254}", "sha256": r"[0-9a-f]{64}"}
_ENTRY |= dict.fromkeys(["go", "goos", "goarch"], r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")


class Entry(Struct, frozen=True):
    """One pack: its kind, what it is for, and its SHA-256 in hex."""

    kind: str
    slot: Slot
    sha256: str

    @property
    def record(self) -> dict[str, Any]:
        """It as JSON."""
        slot = self.slot
        return {
            "kind": self.kind,
            "slot": slot.name,
            "go": slot.go,
            "goos": slot.goos,
            "goarch": slot.goarch,
            "flags": dict(slot.flags),
            "sha256": self.sha256,
        }


class Statement(Struct, frozen=True):
    """What is said of packs.

    Attributes:
        repository: the repository's number where GitHub runs, else the project. project: as places call it.
        commit: what was compiled, in hex; empty outside git. packs: what was made.
    """

    repository: str
    project: str
    commit: str
    packs: tuple[Entry, ...]

    @property
    def record(self) -> dict[str, Any]:
        """It as JSON."""
        packs = [each.record for each in self.packs]
        said = {name: getattr(self, name) for name in _FIELDS}
        return {"schema": SCHEMA, **said, "packs": packs}

    @property
    def file(self) -> bytes:
        """What a file holds of it that is not signed yet."""
        return canonical.dumps(self.record)

    @property
    def signed(self) -> bytes:
        """What is signed."""
        return DOMAIN + canonical.dumps(self.record)


def parse(data: bytes) -> Statement:
    """Read a statement that is not signed yet.

    Raises:
        ValueError: it is none; the words say why.
    """
    return _statement(canonical.loads(_limited(data)))


def with_signatures(statement: Statement, signatures: Mapping[str, bytes]) -> bytes:
    """Return what lies beside a pack; `signatures` are by format."""
    texts = {name: text.decode("ascii") for name, text in signatures.items()}
    return canonical.dumps({"schema": SCHEMA, "statement": statement.record, "signatures": texts})


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

    def read(self, data: bytes) -> Statement:
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

    def covers(self, data: bytes, entry: Entry) -> None:
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


def _apart(data: bytes) -> tuple[Statement, dict[str, bytes]]:
    """Return a statement and its signatures, by the names that messages have for them."""
    record = canonical.loads(_limited(data))
    if type(record) is not dict or set(record) != {"schema", "statement", "signatures"}:
        raise ValueError("it is not {schema, statement, signatures}")
    texts = record["signatures"]
    if record["schema"] != SCHEMA or type(texts) is not dict or not set(texts) <= set(TEXT.signatures):
        raise ValueError("its schema or a signature's format is not known")
    return _statement(record["statement"]), {TEXT.signatures[name]: _encoded(text) for name, text in texts.items()}


def _limited(data: bytes) -> bytes:
    if len(data) >= MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    return data


def _statement(record: Any) -> Statement:
    said = _held(record, {**_FIELDS, "packs": ""}, "a statement")
    if type(record["packs"]) is not list:
        raise ValueError("packs is no list")
    return Statement(**{name: said[name] for name in _FIELDS}, packs=tuple(_entry(each) for each in record["packs"]))


def _entry(record: Any) -> Entry:
    said = _held(record, {**_ENTRY, "kind": "|".join(SIGNABLE), "flags": ""}, "a pack", schema=False)
    flags = record["flags"]
    if type(flags) is not dict or not all(type(value) is str for value in flags.values()):
        raise ValueError("flags of a pack is no object of texts")
    slot = Slot(said["go"], said["goos"], said["goarch"], flags)
    if slot.name != said["slot"]:
        raise ValueError(f"the slot {said['slot'][:80]} is not that of its Go, target and flags")
    return Entry(said["kind"], slot, said["sha256"])


def _held(record: Any, patterns: Mapping[str, str], what: str, *, schema: bool = True) -> dict[str, str]:
    """Return the texts of an object that has these fields alone; those without a pattern are looked at elsewhere."""
    if type(record) is not dict or set(record) != {*patterns, *(["schema"] if schema else [])}:
        raise ValueError(f"{what} has other fields than {', '.join(sorted(patterns))}")
    if schema and record["schema"] != SCHEMA:
        raise ValueError(f"{what} is of a schema that is not known")
    for name, pattern in patterns.items():
        if pattern and not (type(record[name]) is str and re.fullmatch(pattern, record[name])):
            raise ValueError(f"{name} of {what} is none")
    return {name: record[name] for name, pattern in patterns.items() if pattern}


def _encoded(text: Any) -> bytes:
    if type(text) is not str or not text.isascii():
        raise ValueError("a signature is no text")
    return text.encode("ascii")
