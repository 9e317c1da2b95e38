"""Characters that nobody sees, or that change how others are seen: two names that look alike must not differ by one.

They are controls, format characters and bidi marks, unassigned and private ones, all spaces but U+0020 (what Python's
`str.isprintable` says no to), and letters and marks that print nothing although they count as letters: the rest of
Unicode's Default_Ignorable_Code_Point (fillers, variation selectors, the grapheme joiner), and a few blank ones more.
"""

from __future__ import annotations

import re
import unicodedata

_BLANK = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"  # default ignorable
    "\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159\U0001da7f\U0001da80"  # blanks that count as letters, symbols
    "\u2d7f\U0001107f\U00011a47\U00011a99]"
)
_SELECTORS = "\ufe0e\ufe0f"


def holds(text: str) -> bool:
    """Whether the text has an invisible character."""
    return not text.isprintable() or bool(not text.isascii() and re.search(_BLANK, text))


def escaped(text: str, keep: str = "") -> str:
    r"""Return the text with each invisible character as `\xNN`, `\uNNNN` or `\UNNNNNNNN`, but for those in `keep`.

    A variation selector stays behind a symbol, where it chooses between two pictures (U+2714 U+FE0F).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(letter)
        if letter not in keep and holds(letter) and not (letter in _SELECTORS and _symbol(text, at - 1))
        else letter
        for at, letter in enumerate(text)
    )


def _symbol(text: str, at: int) -> bool:
    return at >= 0 and unicodedata.category(text[at]) == "So" and not holds(text[at])


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
