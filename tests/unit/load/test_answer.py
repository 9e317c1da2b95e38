"""The reader of HTTP answers: whole, in pieces, and what is not an answer."""

import pytest
from answer import MOST, Answer, parse
from hypothesis import given, settings, strategies as st

CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status", "close"),
    [
        (CREATED, 201, False),
        (CHUNKED, 200, False),
        (CREATED.replace(b"\r\n\r\n", b"\r\nconnection:  Close\r\n\r\n"), 201, True),
        (CREATED.replace(b"HTTP/1.1", b"HTTP/1.0"), 201, True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, False),
    ],
)
def test_a_whole_answer_is_read_and_no_part_of_it(data, status, close):
    assert parse(data) == Answer(status, close, len(data))
    assert parse(data + b"more") == Answer(status, close, len(data))
    assert [parse(data[:end]) for end in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + b"x" * MOST,
    ],
)
def test_what_is_no_answer_is_an_error(data):
    with pytest.raises(ValueError, match=r"HTTP|length|bytes"):
        parse(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_a_part_or_a_value_error(data):
    for candidate in (data, b"HTTP/1.1 " + data, CREATED[:20] + data):
        try:
            answer = parse(candidate)
        except ValueError:
            continue
        assert answer is None or answer.length <= len(candidate)
