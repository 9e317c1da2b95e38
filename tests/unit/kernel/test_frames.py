"""Frames: what one side writes the other reads, and nothing else is taken for a frame."""

import io
import os
import struct
import threading
import time

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel import frames

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.tuples(st.dictionaries(st.text(), VALUES, max_size=4), st.binary(max_size=200)), max_size=4))
def test_frames_come_back_as_they_were(sent):
    stream = io.BytesIO(b"".join(frames.encode(header, payload) for header, payload in sent))
    assert [frames.read(stream) for _ in sent] == sent
    assert frames.read(stream) is None


@settings(deadline=None, max_examples=examples(150))
@given(st.binary(max_size=80))
def test_noise_is_an_error_and_never_a_crash(noise):
    try:
        frame = frames.read(io.BytesIO(noise))
    except frames.BadFrame:
        return
    assert frame is None or frames.encode(*frame)[:3] == noise[:3]


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(min_value=0, max_value=40), st.integers(min_value=0, max_value=255))
def test_a_changed_byte_is_no_other_header_shape(at, value):
    data = bytearray(frames.encode({"request": "status"}))
    data[at % len(data)] = value
    try:
        frame = frames.read(io.BytesIO(bytes(data)))
    except frames.BadFrame:
        return
    assert isinstance(frame[0], dict)


@pytest.mark.parametrize("cut", range(1, len(frames.encode({"a": 1}, b"xy"))))
def test_a_cut_frame_is_an_error(cut):
    with pytest.raises(frames.BadFrame):
        frames.read(io.BytesIO(frames.encode({"a": 1}, b"xy")[:cut]))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (struct.pack(">2sBII", b"GF", 2, 2, 0) + b"{}", "version 2"),
        (struct.pack(">2sBII", b"XX", 1, 2, 0) + b"{}", "begins with"),
        (struct.pack(">2sBII", b"GF", 1, frames.MAX_HEADER + 1, 0), "over the limit"),
        (struct.pack(">2sBII", b"GF", 1, 2, 2**32 - 1) + b"{}", "over the limit"),
        (struct.pack(">2sBII", b"GF", 1, 2, 0) + b"[]", "not an object"),
        (struct.pack(">2sBII", b"GF", 1, 13, 0) + b'{"a":1,"a":2}', "duplicate"),
        (struct.pack(">2sBII", b"GF", 1, 9, 0) + b'{"a":1.5}', "floats"),
    ],
)
def test_another_version_and_wild_lengths_are_named(head, why):
    with pytest.raises(frames.BadFrame, match=why):
        frames.read(io.BytesIO(head))


@pytest.mark.parametrize("begin", [b"\0", b"S", b"GE", b"GF\x02"])
def test_the_first_wrong_byte_ends_it(begin):
    """The other side sent so much and waits for an answer: nothing more may be waited for."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as stream:
        for part in (begin[:-1], begin[-1:]):
            os.write(theirs, part)
        waited = threading.Event()
        late = threading.Timer(30, lambda: (waited.set(), os.close(theirs)))
        late.start()
        with pytest.raises(frames.BadFrame, match=r"begins with|version 2"):
            frames.read(stream)
        late.cancel()
        assert not waited.is_set()
    os.close(theirs)


def test_too_much_is_not_sent():
    with pytest.raises(frames.BadFrame):
        frames.encode({}, b"x" * (frames.MAX_PAYLOAD + 1))


@pytest.mark.parametrize("number", [b"9" * 1_000_000, b"-" + b"9" * 1_000_000, b"0." + b"9" * 1_000_000, b"1e999999"])
def test_no_number_takes_long_to_read(number):
    text = b'{"wait_ms":%s}\n' % number
    since = time.process_time()
    with pytest.raises(frames.BadFrame):
        frames.read(io.BytesIO(struct.pack(">2sBII", b"GF", 1, len(text), 0) + text))
    assert time.process_time() - since < 0.5
