import hashlib
import subprocess

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel import checksums
from goferry.kernel.refusals import ListDuplicate, Refusal

D = "0123456789abcdef" * 4
E = "f" * 64


def line(name: bytes, digest: bytes = D.encode()) -> bytes:
    return digest + b"  " + name + b"\n"


REFUSED = {
    "empty": (b"", "list-malformed"),
    "a newline alone": (b"\n", "list-malformed"),
    "a comment alone": (b"# SHA256SUMS\n", "list-malformed"),
    "an empty line between": (line(b"a") + b"\n" + line(b"b"), "list-malformed"),
    "white space before": (b" " + line(b"a"), "list-malformed"),
    "one space": (D.encode() + b" a\n", "list-malformed"),
    "a tab": (D.encode() + b"\t\ta\n", "list-malformed"),
    "binary mode": (D.encode() + b" *a\n", "list-malformed"),
    "a BSD line": (b"SHA256 (a) = " + D.encode() + b"\n", "list-malformed"),
    "an escaped line": (b"\\" + line(b"a\\nb"), "list-malformed"),
    "upper case": (line(b"a", D.upper().encode()), "list-malformed"),
    "SHA-1": (line(b"a", b"a" * 40), "list-malformed"),
    "MD5": (line(b"a", b"a" * 32), "list-malformed"),
    "SHA-512": (line(b"a", b"a" * 128), "list-malformed"),
    "63 digits": (line(b"a", b"a" * 63), "list-malformed"),
    "not hex": (line(b"a", b"g" * 64), "list-malformed"),
    "full-width digits": (("\uff10" * 64 + "  a\n").encode(), "list-malformed"),
    "no name": (line(b""), "list-malformed"),
    "CR at the end": (line(b"a\r"), "list-malformed"),
    "CR within": (line(b"a\rb"), "list-name-unsafe"),
    "a byte order mark": (b"\xef\xbb\xbf" + line(b"a"), "list-malformed"),
    "UTF-16": (line(b"a").decode().encode("utf-16"), "list-malformed"),
    "no final newline": (line(b"a")[:-1], "list-malformed"),
    "NUL": (line(b"a\0b"), "list-name-unsafe"),
    "not UTF-8": (line(b"a\xff"), "list-name-unsafe"),
    "dot dot": (line(b".."), "list-name-unsafe"),
    "dot": (line(b"."), "list-name-unsafe"),
    "up": (line(b"../x"), "list-name-unsafe"),
    "here": (line(b"./x"), "list-name-unsafe"),
    "up within": (line(b"a/../../x"), "list-name-unsafe"),
    "absolute": (line(b"/abs"), "list-name-unsafe"),
    "a drive": (line(b"C:\\x"), "list-name-unsafe"),
    "a stream": (line(b"a:b"), "list-name-unsafe"),
    "an option": (line(b"-rf"), "list-name-unsafe"),
    "a dash": (line(b"-"), "list-name-unsafe"),
    "three spaces": (line(b" a"), "list-name-unsafe"),
    "a space at the end": (line(b"a "), "list-name-unsafe"),
    "a dot at the end": (line(b"a."), "list-name-unsafe"),
    "hidden": (line(b".profile"), "list-name-unsafe"),
    "a device": (line(b"CON"), "list-name-unsafe"),
    "a device with an extension": (line(b"nul.tar.gz"), "list-name-unsafe"),
    "an escape sequence": (line(b"a\x1b[31mb"), "list-name-unsafe"),
    "a workflow command in a name": (line("a\u2028::add-mask::x".encode()), "list-name-unsafe"),
    "bidi": (line("a\u202egpj.exe".encode()), "list-name-unsafe"),
    "a zero-width space": (line("a\u200bb".encode()), "list-name-unsafe"),
    "a soft hyphen": (line("a\u00adb".encode()), "list-name-unsafe"),
    "a filler": (line("a\u3164b".encode()), "list-name-unsafe"),
    "a variation selector": (line("a\ufe0f".encode()), "list-name-unsafe"),
    "a grapheme joiner": (line("a\u034fb".encode()), "list-name-unsafe"),
    "a blank braille pattern": (line("a\u2800b".encode()), "list-name-unsafe"),
    "a tag": (line("a\U000e0041".encode()), "list-name-unsafe"),
    "an accent alone": (line("\u0323a".encode()), "list-name-unsafe"),
    "a no-break space": (line("a\u00a0b".encode()), "list-name-unsafe"),
    "an encoded surrogate": (line(b"a\xed\xa0\x80"), "list-name-unsafe"),
    "not in form C": (line("e\u0301".encode()), "list-name-unsafe"),
    "a long name": (line(b"a" * 201), "list-name-unsafe"),
    "listed twice": (line(b"a") * 2, "list-duplicate"),
    "listed twice with two digests": (line(b"a") + line(b"a", E.encode()), "list-duplicate"),
    "a case twin": (line(b"API") + line(b"api"), "list-duplicate"),
    "a case twin by folding": (line(b"strasse") + line("stra\u00dfe".encode()), "list-duplicate"),
    "a compatibility twin": (line(b"fi") + line("\ufb01".encode()), "list-duplicate"),
    "out of order": (line(b"b") + line(b"a"), "list-unsorted"),
    "a 10 MB line": (line(b"a" * 10_000_000), "list-too-large"),
    "too many lines": (b"".join(line(b"%05d" % number) for number in range(10_001)), "list-too-large"),
    "a million lines": (b"a\n" * 1_000_000, "list-too-large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case):
    data, expected = REFUSED[case]
    with pytest.raises(Refusal) as caught:
        checksums.parse(data)
    assert caught.value.name == expected


def test_reads_what_it_writes():
    digests = {"b.txt": D, "a b.txt": E, "\u00fcber.zip": D, "Zz": E, "x+y~1.tar.gz": D}
    data = checksums.write(digests)
    assert checksums.parse(data) == digests
    assert data.splitlines()[0] == E.encode() + b"  Zz"


def test_writes_nothing_that_it_would_refuse():
    with pytest.raises(ListDuplicate):
        checksums.write({"a": D, "A": D})
    with pytest.raises(Refusal):
        checksums.write({})
    with pytest.raises(Refusal):
        checksums.write({"../a": D})


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)


@settings(deadline=None, max_examples=examples(100))
@given(st.dictionaries(NAMES, st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=8))
def test_any_names_round_trip_or_are_refused(digests):
    try:
        data = checksums.write(digests)
    except Refusal:
        return
    assert checksums.parse(data) == digests
    assert checksums.write(checksums.parse(data)) == data


@settings(deadline=None, max_examples=examples(200))
@given(st.binary(max_size=200) | st.binary(max_size=20).map(line))
def test_any_bytes_are_canonical_or_refused(data):
    try:
        digests = checksums.parse(data)
    except Refusal:
        return
    assert checksums.write(digests) == data


def test_sha256sum_accepts_our_list(tmp_path, part):
    names = ["plain.txt", "with space.txt", "\u00fcber.txt"]
    digests = {}
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
        digests[name] = hashlib.sha256(name.encode()).hexdigest()
    (tmp_path / "SHA256SUMS").write_bytes(checksums.write(digests))
    done = subprocess.run(
        [part("sha256sum"), "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b": OK") == 3
