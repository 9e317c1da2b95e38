"""No character that nobody sees passes in a name or a message."""

import subprocess
import unicodedata
from dataclasses import replace

import pytest

from goferry.kernel import checksums, invisible, manifest, verify
from goferry.kernel.errors import printable
from goferry.kernel.refusals import ListNameUnsafe, ManifestMalformed

BLANK = "\u2800\u115f\u1160\u3164\uffa0\u17b4\u17b5\u180b\u180e\u034f\ufffc\U0001d159\U00016fe4\U00013441"
SPACES = "\u00a0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000\x85"
MARKS = "\u00ad\u061c\u200b\u200c\u200d\u200e\u202e\u2060\u2064\u2069\ufeff\ufe00\ufe0f\U000e0001\U000e0041\U000e01ef"
SEEN = "a~\u00e9\u3042\ud55c\u0639\u0e01\u2801\u2714\U0001f600"


@pytest.mark.parametrize("letter", BLANK + SPACES + MARKS, ids=lambda letter: f"U+{ord(letter):04X}")
def test_an_invisible_letter_is_refused_in_names_and_shown_in_messages(letter):
    name = f"api{letter}linux"
    with pytest.raises(ListNameUnsafe):
        checksums.check_name(name.encode())
    assert letter not in verify.shown(name)
    assert letter == "\u00a0" or letter not in printable(name)  # numbers and their units stay on one line


@pytest.mark.parametrize("letter", SEEN, ids=lambda letter: f"U+{ord(letter):04X}")
def test_what_is_seen_passes(letter):
    name = f"api{letter}linux"
    assert checksums.check_name(name.encode()) == verify.shown(name) == printable(name) == name


@pytest.mark.parametrize(
    "change",
    [
        {"module": "example.com/sh\u3164op"},
        {"files": (manifest.File("api", 1, "0" * 64, "binary\u2800"),)},
        {"files": (manifest.File("api", 1, "0" * 64, "binary", "linux", "amd\u034f64"),)},
        {"services": {"api": {"binary": "api\ufe0f"}}},
    ],
)
def test_no_name_in_a_manifest_has_one(change):
    plain = manifest.Manifest("shop", "example.com/shop", "v1.2.3", "", 7, "2026-01-02T03:04:05Z", ())
    manifest.parse(plain.to_bytes())
    with pytest.raises(ManifestMalformed):
        manifest.parse(replace(plain, **change).to_bytes())


def test_all_that_unicode_calls_ignorable_is_invisible(part):
    """By the tables of perl, which knows the property by name."""
    script = r"for (0 .. 0x10ffff) { print qq($_ ) if ($_ < 0xd800 || $_ > 0xdfff) && chr =~ /\p{DI}/ }"
    done = subprocess.run([part("perl"), "-e", script], capture_output=True, check=True, timeout=60)
    ignorable = [int(number) for number in done.stdout.split()]
    assert len(ignorable) > 4000
    assert [hex(number) for number in ignorable if not invisible.holds(chr(number))] == []


def test_spaces_controls_and_unassigned_letters_are_invisible():
    odd = [chr(number) for number in range(0x110000) if unicodedata.category(chr(number))[0] in "CZ"]
    assert [letter for letter in odd if not invisible.holds(letter)] == [" "]
