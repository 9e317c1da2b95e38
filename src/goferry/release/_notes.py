"""The text of a release: what it holds, and what a person types to check it.

Our part stands between two marks, so that a text that people wrote before or after it stays theirs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from goferry.kernel.checksums import LIST
from goferry.kernel.errors import printable
from goferry.kernel.manifest import SIGNATURES, File, Manifest

_BEGIN, _END = "<!-- goferry: begin -->", "<!-- goferry: end -->"
_PART = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
_DRAFT = "<!-- goferry: draft -->"
_MOST_FILES = 200
_LONGEST = 120_000
"""GitHub takes 125,000 characters."""


def is_ours(body: str) -> bool:
    """Whether Goferry made the draft with this text."""
    return _DRAFT in body


def is_described(body: str) -> bool:
    """Whether a text holds our part: the release was whole once."""
    return bool(_PART.search(body))


def draft() -> str:
    """Return the text of a new draft: our mark, and a word for a person who finds it."""
    return f"{_DRAFT}\nGoferry fills in this draft. It is published when every file was uploaded and checked.\n"


def whole(body: str, part: str) -> str:
    """Return a draft's text with our part in it: in the place of the one before, else behind what people wrote."""
    theirs = body.replace("\r\n", "\n").replace(draft(), "").replace(_DRAFT, "")
    if _PART.search(theirs):
        return _PART.sub(lambda _: part, theirs, count=1)
    return f"{theirs[: _LONGEST - len(part)].rstrip()}\n\n{part}".lstrip()


def describe(release: Manifest, *, repository: str, tag: str) -> str:
    """Return our part of the text, Markdown, for a release of `repository` (`OWNER/NAME`)."""
    go = str(release.toolchain.get("version", ""))
    built = f"Built from commit {_code(release.commit)}{' with ' + _code(go) if go else ''}."
    lines = [
        _BEGIN,
        f"{_code(release.project)} {_code(release.version)}. {built}",
        "",
        *_table(release),
        "",
        "### Verify",
        "",
        "The trust file says whose signatures count. Have it from the project's maintainers, not from this page.",
        "",
        "```sh",
        f"goferry fetch {repository}@{tag}@sha256:{release.digest} --out {release.project}",
        f"goferry verify {release.project} --trust goferry.trust",
        "```",
        *_plain_tools(release.signatures),
        _END,
    ]
    return "\n".join(lines)


def _table(release: Manifest) -> list[str]:
    rows = [
        f"| {_code(file.name)} | {_platform(file)} | {file.size} | {_code(file.sha256)} |"
        for file in release.files[:_MOST_FILES]
    ]
    if len(release.files) > _MOST_FILES:
        rows.append(f"| and {len(release.files) - _MOST_FILES} more in {_code(LIST)} | | | |")
    return ["| file | platform | bytes | SHA-256 |", "|---|---|---|---|", *rows]


def _platform(file: File) -> str:
    return _code("/".join(filter(None, (file.goos, file.goarch, file.variant)))) if file.goos else ""


def _plain_tools(signatures: Sequence[str]) -> list[str]:
    """Return what checks the same without Goferry; the key is the one that the maintainers named."""
    openpgp, minisign = SIGNATURES["openpgp"], SIGNATURES["minisign"]
    commands = {
        openpgp: f"gpg --verify {openpgp} {LIST}",
        minisign: f"minisign -V -p KEY.pub -m {LIST} -x {minisign}",
    }
    found = [commands[name] for name in signatures if name in commands]
    return ["", "With plain tools, in the folder of the files:", "", "```sh", *found, f"sha256sum -c {LIST}", "```"]


def _code(text: str) -> str:
    """Return untrusted text as Markdown code that also fits in a table: no link, mention, HTML or line break in it."""
    safe = printable(text).replace("\n", " ").replace("\t", " ").replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", safe)), default=0) + 1)
    space = " " if safe.startswith("`") or safe.endswith("`") else ""
    return f"{fence}{space}{safe}{space}{fence}" if safe else ""
