"""The one `-ldflags` word: what every build gets, the stamps, and the configuration's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goferry.kernel.errors import Misuse

_SPACE = " \t\n\r"
"""What separates words for go (cmd/internal/quoted)."""


class LdflagsInvalid(Misuse):
    """`builds.ldflags` can't be passed to the linker.

    Usual causes: an unclosed quote, or a quote in the middle of a word: go wants `-X 'main.name=two words'`.
    """

    name = "ldflags-invalid"


def ldflags(stamps: Mapping[str, str], more: Sequence[str]) -> str:
    """Return `-s -w`, an -X for each stamp (`main.version` → value), and `more` as it stands.

    Raises:
        LdflagsInvalid: when go could not split the result.
    """
    words = ["-s", "-w"]
    for name, value in stamps.items():
        words += ["-X", quoted(f"{name}={value}")]
    for text in more:
        split(text)
        words.append(text.strip())
    return " ".join(word for word in words if word)


def quoted(word: str) -> str:
    """Quote one word as go's -ldflags takes it: quotes around a whole word, without escapes (`go help build`).

    Raises:
        LdflagsInvalid: when the word has both kinds of quotes.
    """
    if word and not any(character in _SPACE + "'\"" for character in word):
        return word
    for quote in "'\"":
        if quote not in word:
            return f"{quote}{word}{quote}"
    raise LdflagsInvalid(f"{word!r} has both kinds of quotes", advice=["go has no way to write such a word"])


def split(text: str) -> list[str]:
    """Split as cmd/internal/quoted.Split does: white space between words, quotes only around whole words.

    Raises:
        LdflagsInvalid: when a quote is not closed.
    """
    if "\0" in text:
        raise LdflagsInvalid("builds.ldflags has a NUL character", state="Nothing was built.")
    words: list[str] = []
    rest = text.lstrip(_SPACE)
    while rest:
        if rest[0] in "'\"":
            word, closed, rest = rest[1:].partition(rest[0])
            if not closed:
                raise LdflagsInvalid(
                    f"builds.ldflags has an unclosed quote: {text!r}",
                    state="Nothing was built.",
                    advice=["close it, as in  -X 'main.name=two words'"],
                )
        else:
            end = next((at for at, character in enumerate(rest) if character in _SPACE), len(rest))
            word, rest = rest[:end], rest[end:]
        words.append(word)
        rest = rest.lstrip(_SPACE)
    return words
