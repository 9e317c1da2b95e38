"""What a release, a trust file or a client can make a machine do has an end: work is counted here, not timed."""

import hashlib
import json
import tracemalloc
from dataclasses import replace

import pytest
from tests.parts.openpgp import BORN, Public, Secret, dated, detached, flags, mpi, sub

from goferry.host import executable
from goferry.kernel import (
    canonical,
    certificate,
    ed25519,
    errors,
    invisible,
    manifest,
    pgp_signature,
    signatures,
    trustfile,
)
from goferry.kernel.refusals import ManifestMalformed, Refusal
from goferry.kernel.trustfile import TrustFile, TrustKey

MIB = 1 << 20
AGENT = 512 * MIB
"""What the agent's unit may take."""


def peak(act, *words):
    """Return how many bytes `act` took at most, and what came of it."""
    tracemalloc.start()
    try:
        try:
            result = act(*words)
        except (ValueError, Refusal) as error:
            result = error
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def release(toolchain, files=()):
    return manifest.Manifest(
        "shop", "example.com/shop", "v1.2.3", "", 7, "2026-01-02T03:04:05Z", tuple(files), toolchain=toolchain
    )


SHAPES = {
    "numbers": lambda: b"[" + b"0," * 3_900_000 + b"0]",
    "objects": lambda: b"[" + b"{}," * 2_600_000 + b"0]",
    "lists": lambda: b"[" + b"[]," * 2_600_000 + b"0]",
    "objects with a key": lambda: b"[" + b'{"a":0},' * 900_000 + b"0]",
    "keys": lambda: b"{" + b",".join(b'"%06d":0' % number for number in range(700_000)) + b"}",
    "open brackets": lambda: b"[" * 4_000_000,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_eight_megabytes_of_values_are_refused_before_they_are_made(shape):
    """They took 12 CPU seconds and 600 MiB, in an agent that may have 512."""
    used, result = peak(canonical.loads, SHAPES[shape]())
    assert "values" in str(result)
    assert used < MIB


def test_so_many_values_as_are_taken_take_little():
    part = 20  # of what is taken, for counting makes Python slow
    inner = {f"{number:06d}": {} for number in range(manifest.MAX_VALUES // 3 // part)}
    data = release(inner).to_bytes()
    used, result = peak(manifest.parse, data)
    assert isinstance(result, manifest.Manifest)
    assert used * part < AGENT / 4


def test_too_many_values_are_not_written_either():
    with pytest.raises(ValueError, match="more than 300000 values"):
        canonical.dumps([0] * canonical.MAX_VALUES)


def test_what_is_written_can_be_read():
    """A journal that was written and can't be read again would be taken for one that never began."""
    canonical.loads(canonical.dumps(["," * (canonical.MAX_VALUES - 2)]))
    with pytest.raises(ValueError, match="commas and brackets in texts"):
        canonical.dumps(["," * (canonical.MAX_VALUES - 1)])
    assert manifest.MAX_VALUES < canonical.MAX_VALUES


def test_a_release_has_a_bounded_number_of_services():
    services = {f"s{number}": {"main": "x"} for number in range(manifest.MAX_SERVICES + 1)}
    with pytest.raises(ManifestMalformed, match="more than 1000 services"):
        manifest.parse(replace(release({}), services=services).to_bytes())


def test_a_release_of_ten_thousand_files_fits_with_room():
    entry = {"main": "./cmd/x", "program": "x", "notes": ["a", "b", "c"]}
    files = [manifest.File(f"file-{number:05d}", 1, "0" * 64, "binary", meta=entry) for number in range(9_999)]
    data = release({}, files).to_bytes()
    assert len(data) < manifest.MAX_BYTES
    assert len(manifest.parse(data).files) == 9_999


class Counting(tuple):
    """A tuple that counts how often it is gone through."""

    __slots__ = ()
    times = 0

    def __iter__(self):
        Counting.times += 1
        return super().__iter__()


def test_looking_up_each_file_goes_through_the_list_once():
    """It was gone through twice for each of 10,000 files, which took 10 CPU seconds."""
    entries = [manifest.File(f"file-{number:05d}", number, "0" * 64, "binary") for number in range(10_000)]
    found = manifest.Manifest("shop", "m", "v1", "", 7, "2026-01-02T03:04:05Z", Counting(entries))
    Counting.times = 0
    assert sum(found.file(entry.name).size for entry in entries) == sum(range(10_000))
    assert Counting.times == 1
    with pytest.raises(KeyError):
        found.file("another")


def test_a_manifest_is_written_without_a_copy_of_each_value(monkeypatch):
    found = release({"a": list(range(100_000))})
    seen = []
    monkeypatch.setattr(canonical, "dumps", lambda record: seen.append(record) or b"{}")
    found.to_bytes()
    assert seen[0]["toolchain"] is found.toolchain


def test_an_executable_larger_than_the_memory_is_judged_by_its_head(tmp_path):
    """The whole file was read, which ended the agent from 480 MB on."""
    path = tmp_path / "api"
    head = bytearray(b"\x7fELF\x02\x01\x01" + bytes(57))
    head[16:20] = b"\x02\0\xb7\0" if executable.host_platform()[1] == "amd64" else b"\x02\0\x3e\0"
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    used, result = peak(executable.cannot_run, path)
    assert result.startswith("built for ")
    assert used < MIB


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (32, 1 << 63, "cut off"),
        (32, 1 << 40, "cut off"),
        (56, 65_535, "65535 program headers"),
        (56, 257, "at most 256"),
    ],
)
def test_an_executable_whose_headers_lead_nowhere_is_refused(at, value, message, tmp_path):
    head = bytearray(b"\x7fELF\x02\x01\x01" + bytes(57))
    head[16:20], head[54:56], head[56:58] = b"\x02\0\x3e\0", (56).to_bytes(2, "little"), (1).to_bytes(2, "little")
    head[at : at + (8 if at == 32 else 2)] = value.to_bytes(8 if at == 32 else 2, "little")
    (tmp_path / "api").write_bytes(head)
    assert message in executable.cannot_run(tmp_path / "api")


# Keys with thousands of statements that nobody checked before they were put into a trust file.


@pytest.fixture
def arithmetic(monkeypatch):
    """Count what costs milliseconds: checks of Ed25519 and of RSA."""
    done = []
    verify, rsa = ed25519.verify, pgp_signature._check_rsa
    monkeypatch.setattr(ed25519, "verify", lambda *words: done.append("ed25519") or verify(*words))
    monkeypatch.setattr(pgp_signature, "_check_rsa", lambda *words: done.append("rsa") or rsa(*words))
    return done


def forged(key, number, at=BORN + 86_400):
    """Return statements that say the key made them, are newer than its own, and match in the first two bytes."""
    covered = key.hashable + b"\xb4" + len(b"forged").to_bytes(4, "big") + b"forged"
    for step in range(number):
        said = dated(at + step) + flags(3) + sub(16, bytes.fromhex(key.fingerprint[-16:]))
        yield key.sign(0x13, covered, said, values=b"\x01\0\x99" * 2 if key.algorithm == 22 else b"\x00\x07\x55")


def poisoned(kind, number):
    key, subkey = Secret(kind), Secret("ed25519")
    public = Public(key).subkey(subkey)
    user, rest = public.packets[:3], public.packets[3:]
    public.packets = [*user, *((2, body) for body in forged(key, number)), *rest]
    return key, subkey, public


def judged(public, key, now=BORN + 10 * 86_400):
    trust = TrustFile((TrustKey(public.primary.fingerprint, "openpgp", public.text),))
    made = detached(key.sign(0, b"list", dated(now - 60) + key.fpr))
    try:
        signatures.check({"SHA256SUMS.asc": made}, b"list", trust, (), now)
    except Refusal as refusal:
        return refusal.name
    return "good"


@pytest.mark.parametrize("kind", ["ed25519", "rsa-2048"])
@pytest.mark.parametrize(("number", "expected"), [(certificate.TRIES - 1, "good"), (1_500, "key-cannot-sign")])
def test_a_poisoned_key_takes_a_bounded_number_of_checks(kind, number, expected, arithmetic):
    """One of 256 KB took 40 s, at each reading of the trust file."""
    _, subkey, public = poisoned(kind, number)
    assert len(public.text) < certificate.MAX_BYTES
    assert judged(public, subkey) == expected
    assert len(arithmetic) <= certificate.TRIES + 3  # the primary key's, the binding, its answer, the signature itself


def test_reading_a_trust_file_takes_no_check_at_all(arithmetic):
    keys = [poisoned("ed25519", 300) for _ in range(10)]
    entries = tuple(TrustKey(key.fingerprint, "openpgp", public.text) for key, _, public in keys)
    data = TrustFile(entries).to_bytes()
    assert len(data) < trustfile.MAX_BYTES
    assert len(trustfile.parse(data).keys) == 10
    assert arithmetic == []


def test_other_keys_of_a_certificate_are_not_checked(arithmetic):
    key, others = Secret("ed25519"), [Secret("ed25519") for _ in range(50)]
    public = Public(key)
    for other in others:
        public.subkey(other)
    assert judged(public, others[7]) == "good"
    assert len(arithmetic) == 4


@pytest.mark.parametrize(
    ("bits", "exponent"), [(2048, 1), (2048, (1 << 16_000) + 1), (60_000, 65_537)], ids=["one", "giant", "bits"]
)
def test_an_rsa_key_of_absurd_numbers_costs_nothing(bits, exponent, arithmetic):
    key = Secret("exponent-1")
    key.body = key.body[:6] + mpi((1 << bits) - 1) + mpi(exponent)
    key.hashable = b"\x99" + len(key.body).to_bytes(2, "big") + key.body
    key.fingerprint = hashlib.sha1(key.hashable).hexdigest().upper()
    assert judged(Public(key), key) == "key-weak"
    assert arithmetic == []


def test_of_a_long_text_only_the_beginning_is_looked_at(monkeypatch):
    seen = []
    escaped = invisible.escaped
    monkeypatch.setattr(invisible, "escaped", lambda text, **words: seen.append(len(text)) or escaped(text, **words))
    assert len(errors.printable("\u3164" * 4_000_000, 300)) == 300
    assert seen == [301]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"k" * 500_000: 1, "schema": 2}).encode(),
        b'{"%s": 1, "%s": 1}' % (b"k" * 500_000, b"k" * 500_000),
        json.dumps(dict.fromkeys([f"key{number}" for number in range(50_000)], 1) | {"schema": 2}).encode(),
    ],
)
def test_a_refusal_quotes_no_megabytes(data):
    with pytest.raises(ManifestMalformed) as caught:
        manifest.parse(data)
    assert len(caught.value.what) < 1_000
