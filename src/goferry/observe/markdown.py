r"""Text as Markdown that says just this text: no link, image, HTML, mention, table cell or heading comes out of it.

GitHub Flavored Markdown: a backslash before ASCII punctuation makes it literal (CommonMark 2.4); pipes end a table's
cell even within code, so tame text alone is put between backticks and all else is escaped inside `<code>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from goferry.kernel.errors import printable

# GitHub also reads `#12` as an issue, `:+1:` as an emoji, and `$…$` as mathematics.
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~@$]|#(?=\d|#*(?:\s|$))|:(?=//|[\w+-]+:)")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "$": "&#36;", "@": "&#64;", ":": "&#58;"}
# What makes a list, or of the line before it a heading, at the beginning of a line alone.
_LEADING = re.compile(r"^(?=[-+=]+\s*$|[-+]\s)|^(\d+)(?=[.)](?:\s|$))")
# GitHub makes a link of `www.` without a scheme, and a letter has no backslash form.
_WWW = re.compile(r"(?i)\b(w)(?=ww\.)")
_TAME = re.compile(r"[\w ./:@=+,%~^-]+", re.ASCII)
_RUN = re.compile(r"`+")


def escape(text: str, limit: int = 500) -> str:
    """Return untrusted text as one line of Markdown that reads as it is."""
    line = printable(" ".join(text.split()), limit)
    safe = _SPECIAL.sub(lambda found: _ENTITIES.get(found.group(), "\\" + found.group()), line)
    safe = _WWW.sub(lambda found: f"&#{ord(found.group())};", safe)
    return _LEADING.sub(lambda found: f"{found[1] or ''}\\", safe)


def code(text: str, limit: int = 500) -> str:
    """Return untrusted text as code within a line or a table's cell."""
    line = printable(" ".join(text.split()), limit)
    if not line:
        return ""
    return f"`{line}`" if _TAME.fullmatch(line) else f"<code>{escape(line, limit)}</code>"


def fence(text: str, limit: int = 20_000) -> str:
    """Return untrusted lines as a block of code whose fence they can't end."""
    safe = printable(text, limit).strip("\n")
    longest = max((len(run) for run in _RUN.findall(safe)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}text\n{safe}\n{marks}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a table of cells that are Markdown already; the columns numbered in `right` are set to the right."""
    rules = ["--:" if index in right else "---" for index in range(len(head))]
    lines = [head, rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
