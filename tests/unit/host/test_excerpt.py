"""What an error shows of a log: what repeats is told once."""

import pytest
from hypothesis import given, settings, strategies as st

from goferry.host import excerpt

ASKED = [f"2026/11/26 19:00:{n:02} GET /healthz 404 {n * 7 % 31}.{n}µs" for n in range(21)]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["listening on :8080", *ASKED], ["listening on :8080", ASKED[0], "… 19 more like it", ASKED[-1]]),
        ([*ASKED, "panic: no more"], [ASKED[0], "… 19 more like it", ASKED[-1], "panic: no more"]),
        (
            ["dial db:5432", "again in 1s"] * 9,
            ["dial db:5432", "again in 1s", "… these 2 lines 7 more times", "dial db:5432", "again in 1s"],
        ),
        (["a 1", "a 2", "a 3"], ["a 1", "a 2", "a 3"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        ([], []),
    ],
)
def test_lines_that_repeat_are_told_once(lines, shown):
    assert excerpt.shown(lines) == shown


def test_of_many_different_lines_the_first_and_the_last_are_shown():
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(100)]
    assert excerpt.shown(words) == [*words[:12], "…", *words[-12:]]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a 1", "a 2", "b", "c 0x1f", "…"]), max_size=60))
def test_the_first_and_the_last_line_are_always_among_them(lines):
    told = excerpt.collapsed(lines)
    assert told[:1] == lines[:1]
    assert told[-1:] == lines[-1:]
    assert len(told) <= len(lines)
