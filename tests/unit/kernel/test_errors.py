"""What a person or a runner reads of text that somebody else chose."""

import pytest

from goferry.kernel.errors import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\u202e", "\\x1b[2J\\u202e"),
        ("\ud800", "\\ud800"),
        ("::error file=a::b", "\\x3a:error file=a::b"),
        ("good\n \t::stop-commands::x", "good\n \t\\x3a:stop-commands::x"),
        ("a\u3164b\u2800\u034f\U000e0041", "a\\u3164b\\u2800\\u034f\\U000e0041"),
        ("api\ufe0f, \u2714\ufe0f and \u2800\ufe0f", "api\\ufe0f, \u2714\ufe0f and \\u2800\\ufe0f"),
        ("zero\u200bwidth, 7.9\u00a0MB", "zero\\u200bwidth, 7.9\u00a0MB"),
        ("note: ##[error]x", "note: \\x23#[error]x"),
        ("###[error]x", "#\\x23#[error]x"),
        ("::1 is plain, and so is\n::2", "::1 is plain, and so is\n::2"),
        ("std::string::size", "std::string::size"),
    ],
)
def test_untrusted_text_is_nothing_but_text(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
