"""The formulas that make English sound translated are found in no text of the source and in no page.

What stands here was written often once; each has a plain way to say it. The list grows when one of them is seen twice.
"""

import functools
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.py"), *(ROOT / "examples").rglob("*.py")])
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "tests/*.md", "action.yml", "actions/*/action.yml")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md" and ".venv" not in path.parts
)
FORMULAS = {
    r"\bIt usually\b|\bThey usually\b": "Usual causes: …",
    r"(?<!here )\b(?:is|are) no (?!longer\b|more\b|\{)\w": "is not a …, or: is not valid",
    r"\b(?:is|are|was|were|be|gets?) told of\b": "reports, says, learns, is reported",
    r"\btells? of\b": "reports, says, shows",
    r"\bbelongs? into\b": "belongs in",
    r"\bas (?:its|their) names? says?\b": "when it is raised, as its class says",
    r"\bfor ever\b": "forever",
    r"\bis content\b": "ok",
    r"\bcame about\b": "could not …, or: failed",
    r"\bone (?:file|line|row) an? [a-z]+\b": "one … per …",
    r"\bwhat (?:else )?is to be told\b": "what to report",
}


@functools.cache
def texts(path):
    """Return line and text of what is written for people: pages whole; of a source its strings and comments."""
    return [*_texts(path)]


def _texts(path):
    written = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(written.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(written).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and "b" not in token.string[:2].lower()):
            yield token.start[0], re.sub(r"\s+", " ", token.string)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_text_has_the_formula(formula):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}; say: {FORMULAS[formula]}"
        for path in [*SOURCES, *PAGES]
        for line, text in texts(path)
        for match in re.finditer(formula, text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("'web 1' is no host", "is no"), ("It usually is a firewall", "It usually"), ("these belong into it", "belong into"),
        ("nobody is told of it", "told of"), ("A, B: as their names say.", "as their"), ("the journal has one line an event", "one line"),
    ],
)  # fmt: skip
def test_the_formulas_are_found(text, formula):
    found = [match[0] for each in FORMULAS for match in re.finditer(each, text)]
    assert any(formula in each or formula.split()[0] in each for each in found)


@pytest.mark.parametrize(
    "text", ["there is no folder", "it is no longer declared", "Usual causes: a firewall", "git was told not to look"]
)
def test_plain_english_is_left_alone(text):
    assert not [each for each in FORMULAS if re.search(each, text)]


def test_a_source_s_texts_are_its_strings_and_comments(tmp_path):
    path = tmp_path / "source.py"
    path.write_text(
        '"""A docstring\nof two lines."""\nis_no = b"is no bytes"  # a comment\nraise ValueError(f"{is_no} is no host")\n'
    )
    assert [text for _, text in texts(path)] == [
        '"""A docstring of two lines."""',
        "# a comment",
        'f"{is_no} is no host"',
    ]
