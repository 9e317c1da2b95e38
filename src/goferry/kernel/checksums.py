"""`SHA256SUMS`: the one list that signatures cover, written and read in one canonical form.

    <64 lower-case hex digits><space><space><name><newline>

one line per file, sorted by the name's UTF-8 bytes, nothing else. `sha256sum -c` accepts it; the reverse does not hold:
what that tool tolerates (paths, CR, upper case, `*`, BSD lines, escapes, comments) is refused here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from goferry.kernel import invisible
from goferry.kernel.refusals import ListDuplicate, ListMalformed, ListNameUnsafe, ListTooLarge, ListUnsorted

LIST = "SHA256SUMS"
MAX_BYTES = 1 << 20
MAX_ENTRIES = 10_000
MAX_NAME = 200

_DIGEST = re.compile("[0-9a-f]{64}")
_FORBIDDEN = re.compile(r'[/\\<>:"|?*]')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [d + n for d in ("com", "lpt") for n in "123456789\u00b9\u00b2\u00b3"]
)


def write(digests: Mapping[str, str]) -> bytes:
    """Return the list for name → SHA-256 (lower-case hex); the inverse of `parse`, which checks it.

    Raises:
        ListMalformed, ListNameUnsafe, ListDuplicate, ListTooLarge: when the result would not be accepted.
    """
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests, key=_order)]
    # A name that is not UTF-8 becomes the bytes that it was, for `parse` to refuse by name.
    data = "".join(lines).encode("utf-8", "surrogateescape")
    parse(data)
    return data


def parse(data: bytes) -> dict[str, str]:
    """Read a list strictly; return name → SHA-256 (lower-case hex).

    Raises:
        ListTooLarge: the list is larger than 1 MiB or has more than 10,000 entries.
        ListMalformed: a line of the list is not `<64 lower-case hex digits><two spaces><name><newline>`.
        ListNameUnsafe: a name in the list or the manifest is not a plain file name.
        ListDuplicate: two entries have the same name, or names that differ only in case or Unicode form.
        ListUnsorted: the list's names are not in byte order.
    """
    if len(data) > MAX_BYTES:
        raise ListTooLarge(f"SHA256SUMS has {len(data)} bytes; at most {MAX_BYTES} are read")
    if not data.endswith(b"\n"):
        raise ListMalformed("SHA256SUMS is empty or its last line has no end")
    lines = data[:-1].split(b"\n")
    if len(lines) > MAX_ENTRIES:
        raise ListTooLarge(f"SHA256SUMS has {len(lines)} entries; at most {MAX_ENTRIES} are read")
    result: dict[str, str] = {}
    previous = b""
    for number, line in enumerate(lines, 1):
        digest, raw = _split(line, number)
        name = check_name(raw)
        if name in result:
            raise ListDuplicate(f"SHA256SUMS lists {name} twice")
        if raw <= previous:
            raise ListUnsorted(f"SHA256SUMS line {number} is out of order: {name}")
        result[name], previous = digest, raw
    refuse_twins(result)
    return result


def check_name(raw: bytes) -> str:
    """Return a file name that is safe on every system: one component, visible, in normal form, not reserved.

    Raises:
        ListNameUnsafe: otherwise.
    """
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ListNameUnsafe(f"a name is not UTF-8: {raw[:80]!a}") from None
    why = _unsafe(name, raw)
    if why:
        raise ListNameUnsafe(f"the name {name[:80]!a} {why}")
    return name


def refuse_twins(names: Iterable[str]) -> None:
    """Refuse names that some file system takes for one: same letters in another case or Unicode form.

    Raises:
        ListDuplicate: with both names.
    """
    seen: dict[str, str] = {}
    for name in names:
        # Twice, since what was in normal form may no longer be in it when its case is folded.
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        if key in seen:
            raise ListDuplicate(f"{seen[key]!a} and {name!a} are one name on some file systems")
        seen[key] = name


def _split(line: bytes, number: int) -> tuple[str, bytes]:
    digest, separator, name = line[:64], line[64:66], line[66:]
    text = digest.decode("ascii", "replace")
    if not _DIGEST.fullmatch(text) or separator != b"  " or not name:
        raise ListMalformed(
            f"SHA256SUMS line {number} is not a digest, two spaces and a name: {line[:100]!a}",
            advice=["get the list again in binary mode, as it was signed"],
        )
    if line.endswith(b"\r"):
        raise ListMalformed(f"SHA256SUMS line {number} ends with CR", advice=["get the list again in binary mode"])
    return text, name


def _unsafe(name: str, raw: bytes) -> str:
    if not name or len(raw) > MAX_NAME:
        return f"is empty or longer than {MAX_NAME} bytes"
    # Programs take a dash for an option, and Windows drops dots and spaces at the end.
    if name[0] in "-." or name[0] == " " or name[-1] in ". ":
        return "begins with a dash, a dot or a space, or ends with a dot or a space"
    if _FORBIDDEN.search(name):
        return "holds a path or a character that some system reserves"
    if invisible.holds(name):
        return "holds control, bidi or invisible characters"
    if unicodedata.category(name[0])[0] == "M":
        return "begins with a mark that joins what stands before it"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode normal form C"
    # Windows looks at what is before the first dot: `con.txt` is the console as well.
    if name.split(".", 1)[0].rstrip().lower() in _DEVICES:
        return "is a device on Windows"
    return ""


def _order(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
