import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.gobuild._ldflags import LdflagsInvalid, ldflags, quoted, split


def test_stamps_and_the_configurations_own():
    flags = ldflags({"main.version": "v1.0.0", "main.date": "2026-01-01T00:00:00Z"}, ["-X 'main.name=My Shop'"])
    assert split(flags) == [
        "-s",
        "-w",
        "-X",
        "main.version=v1.0.0",
        "-X",
        "main.date=2026-01-01T00:00:00Z",
        "-X",
        "main.name=My Shop",
    ]


@pytest.mark.parametrize("word", ["a b", "it's", 'say "x"', "tab\there", "", "a=b c"])
def test_quoting_survives_gos_splitting(word):
    assert split(quoted(word)) == [word]


def test_both_quotes_in_one_word_are_refused():
    with pytest.raises(LdflagsInvalid):
        quoted('it\'s "x"')


def test_an_open_quote_is_refused():
    with pytest.raises(LdflagsInvalid):
        ldflags({}, ["-X 'main.name=x"])


@settings(deadline=None, max_examples=examples(200))
@given(st.text(max_size=20))
def test_any_word_is_quoted_or_refused(word):
    try:
        assert split(quoted(word)) == [word]
    except LdflagsInvalid:
        assert "'" in word or "\0" in word
        assert '"' in word or "\0" in word
