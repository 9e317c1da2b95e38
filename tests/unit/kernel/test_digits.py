"""Numbers in texts of others: what `number` takes `int` takes as well."""

import pytest
from hypothesis import given, strategies as st

from goferry.kernel.digits import number
from goferry.release import _access as access, _retry as retry
from goferry.release._repository import GitHub


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 18, 10**18 - 1),
        *((bad, None) for bad in ("", "\u00b2", "\u0663", "-1", "1.5", " 1")),
    ],
)
def test_digits_of_ascii_alone_are_a_number(text, expected):
    assert number(text) == expected


@given(st.text(max_size=30) | st.text(alphabet="0123456789", max_size=30))
def test_any_text_is_a_number_or_none(text):
    found = number(text)
    assert found is None or found == int(text)


@pytest.mark.parametrize("value", ["\u00b2", "9" * 5000, "-1", "soon", ""])
@pytest.mark.parametrize("status", [0, 403, 429, 503])
def test_a_limit_of_github_with_a_number_that_is_none(status, value):
    headers = {"retry-after": value, "x-ratelimit-reset": value, "x-ratelimit-remaining": "0"}
    seconds = retry.wait_for(status, headers, "secondary rate limit", attempt=0, now=0.0)
    assert seconds is not None
    assert 0 <= seconds <= retry.SECONDARY_WAIT
    github = GitHub("o/r")
    error = access.refusal(
        403, headers, "rate limit", what="list", permission="contents: read", github=github, fork=False
    )
    assert "after" not in error.advice[0]
