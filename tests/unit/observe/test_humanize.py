import pytest

from goferry.observe import humanize


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_345, "12 kB"), (999_600, "1.0 MB"), (7_900_000, "7.9 MB"),
     (99_960_000, "100 MB"), (2_500_000_000, "2.5 GB"), (-1200, "-1 kB")],
)  # fmt: skip
def test_size(count, text):
    assert humanize.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0024, "2.4 ms"), (0.05, "50 ms"), (0.31, "0.31 s"), (18.23, "18.2 s"), (59.97, "1 min 00 s"),
     (161, "2 min 41 s"), (3720, "1 h 02 min")],
)  # fmt: skip
def test_seconds(value, text):
    assert humanize.seconds(value) == text


def test_numbers_take_their_unit_from_the_key():
    values = {
        "bytes": 7_900_000,
        "packages": 268,
        "switch_ms": 21,
        "digest": "sha256:" + "ab" * 32,
        "image_bytes": 9_000_000,
    }
    assert humanize.numbers(values) == "7.9 MB, 268 packages, switch 21 ms, digest abababababab, image 9.0 MB"


def test_a_hash_that_names_itself_is_named_once():
    assert humanize.number("h1", "h1:xyz=") == "h1:xyz="
    assert humanize.number("proof", "h1:xyz=") == "proof h1:xyz="


def test_one_is_not_many_and_milliseconds_are_a_time():
    assert humanize.numbers({"hosts": 1, "files": 2, "switch_ms": 21, "upload_ms": 1300}) == (
        "1 host, 2 files, switch 21 ms, upload 1.3 s"
    )


def test_untrusted_text_stays_one_harmless_line():
    assert humanize.one_line("a\nb\x1b[31m\u202e") == "a b\\x1b[31m\\u202e"
    assert "\x1b" not in humanize.number("k\x1b", "v\x1b\n")
