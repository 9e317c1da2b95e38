"""One signature, one verdict: whatever OpenPGP tools a machine has, it says the same, or that it can't tell."""

import os
import shutil
import subprocess
import tempfile
import time

import pytest
from tests.parts.openpgp import BORN, Public, Secret, dated, detached, flags, sub

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import gpgv, signatures, trustfile
from goferry.kernel.refusals import Refusal
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.observe.events import Stream
from goferry.release._sealed import inspect
from goferry.system import openpgp_verifiers
from goferry.trust import _sequoia as sequoia, seal
from goferry.trust.signer import clean_trust
from goferry.trust.verification import check_release

MESSAGE = b"the list"
NOW = int(time.time())
DAY = 86400
SIGNED = NOW - DAY
LATER = SIGNED - BORN + DAY * 400
EVERYWHERE = ("nothing", "gpgv", "pysequoia", "both")
TOOLS = ("gpgv", "pysequoia", "both")
GPGV = ("gpgv", "both")


@pytest.fixture(scope="module")
def machines(part):
    known = gpgv.find(part("gpgv"))
    sequoia = openpgp_verifiers.by_sequoia
    return {"nothing": (), "gpgv": (known,), "pysequoia": (sequoia,), "both": (known, sequoia)}


def lazily(kind):
    made = {}
    return lambda name="": made.setdefault(name, Secret(kind))


ed, p256, rsa, short = lazily("ed25519"), lazily("P-256"), lazily("rsa-2048"), lazily("rsa-1024")
p192, brainpool = lazily("P-192"), lazily("brainpool")
anybody, giant = lazily("exponent-1"), lazily("exponent-65537")


def signed(key, said=None, unhashed=b"", **options):
    """Return a signature over the message, dated yesterday; it names its key unless `said` says otherwise."""
    return key.sign(0, MESSAGE, dated(SIGNED) + (key.fpr if said is None else said), unhashed, **options)


def with_weak_subkey(weak):
    return Public(ed("a")).subkey(ed("b")).subkey(weak)


def expired(key):
    return Public(p256("a")).subkey(key, more=sub(9, DAY.to_bytes(4, "big"))).subkey(p256("c"))


def revocation(key, kind, *, version=4):
    if version == 3:
        return (
            bytes([3, 5, kind]) + bytes(4) + bytes.fromhex(key.fingerprint[-16:]) + bytes([key.algorithm, 8]) + bytes(4)
        )
    return key.sign(kind, b"never mind", dated(BORN) + key.fpr)


NOBODY = b""
ROWS = {
    # what is named, and by which part
    "the fingerprint, signed": lambda: (Public(ed()), signed(ed()), "good", EVERYWHERE),
    "fingerprint and id, as gpg does": lambda: (Public(ed()), signed(ed(), unhashed=ed().id), "good", EVERYWHERE),
    "the id, signed": lambda: (Public(ed()), signed(ed(), ed().id), "good", EVERYWHERE),
    "the id, unsigned, as old gpg did": lambda: (Public(ed()), signed(ed(), NOBODY, ed().id), "good", EVERYWHERE),
    "the fingerprint, unsigned": lambda: (Public(ed()), signed(ed(), NOBODY, ed().fpr), "good", EVERYWHERE),
    "the id, unsigned, of P-256": lambda: (Public(p256()), signed(p256(), NOBODY, p256().id), "good", TOOLS),
    "the fingerprint alone in the certificate too": lambda: (
        Public(p256(), unhashed=NOBODY),
        signed(p256()),
        "good",
        TOOLS,
    ),
    "nobody": lambda: (Public(ed()), signed(ed(), NOBODY), "key-unknown", EVERYWHERE),
    "an id of one byte": lambda: (
        Public(ed()),
        signed(ed(), sub(16, bytes.fromhex(ed().fingerprint[-2:]))),
        "signature-malformed",
        EVERYWHERE,
    ),
    "a fingerprint of version 6": lambda: (
        Public(ed()),
        signed(ed(), NOBODY, ed().id + sub(33, b"\x06" + bytes(32))),
        "signature-malformed",
        EVERYWHERE,
    ),
    "an unsigned id that contradicts": lambda: (
        Public(ed("a")).subkey(ed("b")),
        signed(ed("a"), unhashed=ed("b").id),
        "issuer-ambiguous",
        EVERYWHERE,
    ),
    "an unsigned fingerprint that contradicts the id": lambda: (
        with_weak_subkey(short()),
        signed(short(), short().id, ed("b").fpr),
        "issuer-ambiguous",
        EVERYWHERE,
    ),
    "an unsigned fingerprint that contradicts": lambda: (
        with_weak_subkey(short()),
        signed(short(), unhashed=ed("b").fpr),
        "issuer-ambiguous",
        EVERYWHERE,
    ),
    "two unsigned ones that contradict": lambda: (
        with_weak_subkey(short()),
        signed(short(), NOBODY, ed("b").fpr + short().id),
        "issuer-ambiguous",
        EVERYWHERE,
    ),
    "two signed ones that contradict": lambda: (
        Public(ed("a")).subkey(ed("b")),
        signed(ed("b"), ed("b").fpr + ed("a").fpr),
        "issuer-ambiguous",
        EVERYWHERE,
    ),
    # a weak key behind a strong one's name
    "made by a weak subkey": lambda: (with_weak_subkey(short()), signed(short()), "key-weak", EVERYWHERE),
    "made by a weak subkey, says the strong one": lambda: (
        with_weak_subkey(short()),
        signed(short(), NOBODY, ed("b").fpr + ed("b").id),
        "signature-wrong",
        EVERYWHERE,
    ),
    "made by a weak subkey, says the strong RSA one": lambda: (
        Public(rsa()).subkey(rsa("b")).subkey(short()),
        signed(short(), NOBODY, rsa("b").id),
        "signature-wrong",
        EVERYWHERE,
    ),
    "made by a weak subkey, says the strong P-256 one": lambda: (
        Public(p256("a")).subkey(p256("b")).subkey(short()),
        signed(short(), NOBODY, p256("b").fpr),
        "signature-wrong",
        EVERYWHERE,
    ),
    "made by a weak subkey with the strong one's algorithm number": lambda: (
        Public(p256("a")).subkey(p256("b")).subkey(short()),
        signed(short(), NOBODY, p256("b").id, algorithm=19),
        "signature-wrong",
        EVERYWHERE,
    ),
    "made by a weak primary key": lambda: (Public(short()), signed(short()), "key-weak", EVERYWHERE),
    "made by a strong subkey of a weak primary key": lambda: (
        Public(short()).subkey(ed("b")),
        signed(ed("b")),
        "key-weak",
        EVERYWHERE,
    ),
    "RSA with the exponent 1, so that anybody can sign": lambda: (
        Public(anybody()),
        signed(anybody()),
        "key-weak",
        EVERYWHERE,
    ),
    "a subkey of RSA with the exponent 1": lambda: (
        Public(ed()).subkey(anybody()),
        signed(anybody()),
        "key-weak",
        EVERYWHERE,
    ),
    "RSA of 20,000 bits": lambda: (Public(giant()), signed(giant()), "key-weak", EVERYWHERE),
    "P-192": lambda: (Public(p192()), signed(p192()), "key-weak", EVERYWHERE),
    # another key than the judged one
    "made by another P-256 subkey": lambda: (
        Public(p256("a")).subkey(p256("b")).subkey(p256("c")),
        signed(p256("c"), NOBODY, p256("b").fpr + p256("b").id),
        "signature-wrong",
        TOOLS,
    ),
    "made by the P-256 primary key, says the subkey": lambda: (
        Public(p256("a")).subkey(p256("b")),
        signed(p256("a"), NOBODY, p256("b").id),
        "signature-wrong",
        TOOLS,
    ),
    "made by the P-256 subkey, says the primary key": lambda: (
        Public(p256("a")).subkey(p256("b")),
        signed(p256("b"), NOBODY, p256("a").id),
        "signature-wrong",
        TOOLS,
    ),
    "made by an expired subkey": lambda: (expired(p256("b")), signed(p256("b")), "key-expired", EVERYWHERE),
    "made by an expired subkey, says the valid one": lambda: (
        expired(p256("b")),
        signed(p256("b"), NOBODY, p256("c").fpr),
        "signature-wrong",
        TOOLS,
    ),
    "made by a valid subkey beside an expired one": lambda: (expired(p256("b")), signed(p256("c")), "good", TOOLS),
    "made by a certifying subkey": lambda: (
        Public(p256("a")).subkey(p256("b"), 0x01, back=False),
        signed(p256("b")),
        "key-cannot-sign",
        EVERYWHERE,
    ),
    "made by an encrypting subkey, says the signing one": lambda: (
        Public(p256("a")).subkey(p256("b"), 0x0C, back=False).subkey(p256("c")),
        signed(p256("b"), NOBODY, p256("c").id),
        "signature-wrong",
        TOOLS,
    ),
    # kinds of keys
    "RSA": lambda: (Public(rsa()), signed(rsa(), digest="sha512"), "good", EVERYWHERE),
    "RSA, altered": lambda: (Public(rsa()), bent(signed(rsa())), "signature-wrong", EVERYWHERE),
    "Ed25519, altered": lambda: (Public(ed()), bent(signed(ed())), "signature-wrong", EVERYWHERE),
    "Ed25519 with SHA3": lambda: (Public(ed()), signed(ed(), digest="sha3_256"), "good", EVERYWHERE),
    "RSA with SHA3": lambda: (Public(rsa()), signed(rsa(), digest="sha3_512"), "good", EVERYWHERE),
    "Ed25519 under another algorithm number": lambda: (
        Public(ed()),
        signed(ed(), algorithm=27),
        "signature-wrong",
        EVERYWHERE,
    ),
    "P-256": lambda: (Public(p256()), signed(p256()), "good", TOOLS),
    "P-256, altered": lambda: (Public(p256()), bent(signed(p256())), "signature-wrong", TOOLS),
    "P-256 over something else": lambda: (
        Public(p256()),
        p256().sign(0, b"another list", dated(SIGNED) + p256().fpr),
        "signature-wrong",
        EVERYWHERE,
    ),
    "P-256 subkey": lambda: (Public(ed("a")).subkey(p256("b")), signed(p256("b")), "good", TOOLS),
    "Ed25519 subkey of P-256": lambda: (Public(p256("a")).subkey(ed("b")), signed(ed("b")), "good", TOOLS),
    "brainpool": lambda: (Public(brainpool()), signed(brainpool()), "good", GPGV),
    "brainpool, altered": lambda: (Public(brainpool()), bent(signed(brainpool())), "signature-wrong", GPGV),
    # bindings
    "a subkey that somebody grafted on": lambda: (
        Public(ed("a")).subkey(ed("b"), by=ed("thief")),
        signed(ed("b")),
        "key-cannot-sign",
        EVERYWHERE,
    ),
    "a subkey of P-256 that somebody grafted on": lambda: (
        Public(p256("a")).subkey(ed("b"), by=p256("thief")),
        signed(ed("b")),
        "signature-wrong",
        TOOLS,
    ),
    "another's subkey, adopted": lambda: (
        Public(ed("a")).subkey(p256("b"), back=p256("thief")),
        signed(p256("b")),
        "signature-wrong",
        TOOLS,
    ),
    "another's subkey, adopted without asking": lambda: (
        Public(ed("a")).subkey(p256("b"), back=False),
        signed(p256("b")),
        "key-cannot-sign",
        EVERYWHERE,
    ),
    "a binding by SHA-1": lambda: (
        Public(ed("a")).subkey(ed("b"), digest="sha1"),
        signed(ed("b")),
        "digest-weak",
        EVERYWHERE,
    ),
    "a user id by SHA-1": lambda: (Public(rsa(), digest="sha1"), signed(rsa()), "digest-weak", EVERYWHERE),
    "a binding whose own time is over": lambda: (
        Public(ed("a")).subkey(ed("b"), more=sub(3, DAY.to_bytes(4, "big"))),
        signed(ed("b")),
        "key-expired",
        EVERYWHERE,
    ),
    "a binding with a critical part that nobody knows": lambda: (
        Public(ed("a")).subkey(ed("b"), more=sub(100, b"x", critical=True)),
        signed(ed("b")),
        "key-cannot-sign",
        EVERYWHERE,
    ),
    "a binding that may sign and may not": lambda: (
        Public(ed("a")).subkey(ed("b"), more=flags(0x0C)),
        signed(ed("b")),
        "key-cannot-sign",
        EVERYWHERE,
    ),
    "a key whose self-signature was renewed since": lambda: (
        Public(p256("a"), at=SIGNED + 60),
        signed(p256("a")),
        "good",
        GPGV,
    ),
    # revocations count, wherever they stand and however they are written
    "a revoked subkey": lambda: (
        Public(ed("a")).subkey(ed("b")).add(revocation(ed("a"), 0x28)),
        signed(ed("b")),
        "key-revoked",
        EVERYWHERE,
    ),
    "a revocation of version 3": lambda: (
        Public(rsa()).add(revocation(rsa(), 0x20, version=3)),
        signed(rsa()),
        "key-revoked",
        EVERYWHERE,
    ),
    "a revocation of the key behind its subkey": lambda: (
        Public(ed("a")).subkey(ed("b")).add(revocation(ed("a"), 0x20)),
        signed(ed("a")),
        "key-revoked",
        EVERYWHERE,
    ),
    "a revocation of the subkey before it": lambda: (
        Public(ed("a")).add(revocation(ed("a"), 0x28)).subkey(ed("b")),
        signed(ed("b")),
        "key-revoked",
        EVERYWHERE,
    ),
    "a subkey that is there twice, once revoked": lambda: (
        Public(ed("a")).subkey(ed("b")).subkey(ed("b")).add(revocation(ed("a"), 0x28)),
        signed(ed("b")),
        "key-revoked",
        EVERYWHERE,
    ),
    # what else a signature says
    "a note": lambda: (Public(ed()), signed(ed(), ed().fpr + notation()), "good", EVERYWHERE),
    "a note of P-256": lambda: (Public(p256()), signed(p256(), p256().fpr + notation()), "good", TOOLS),
    "a critical note": lambda: (
        Public(p256()),
        signed(p256(), p256().fpr + notation(critical=True)),
        "signature-malformed",
        EVERYWHERE,
    ),
    "two times": lambda: (
        Public(ed()),
        signed(ed(), ed().fpr + dated(SIGNED - DAY)),
        "signature-malformed",
        EVERYWHERE,
    ),
    "a digest by SHA-1": lambda: (Public(rsa()), signed(rsa(), digest="sha1"), "digest-weak", EVERYWHERE),
}


def notation(**options):
    name, value = b"note@example.com", b"x"
    head = b"\x80\0\0\0" + len(name).to_bytes(2, "big") + len(value).to_bytes(2, "big")
    return sub(20, head + name + value, **options)


def bent(body):
    return body[:-2] + bytes([body[-2] ^ 1]) + body[-1:]


def verdict(public, body, tools):
    trust = TrustFile((TrustKey(public.primary.fingerprint, "openpgp", public.text),))
    try:
        signatures.check({"SHA256SUMS.asc": detached(body)}, MESSAGE, trust, tools, NOW)
    except Refusal as refusal:
        return refusal.name
    return "good"


@pytest.mark.parametrize("row", ROWS)
def test_one_verdict_on_every_machine(row, machines):
    public, body, expected, where = ROWS[row]()
    found = {name: verdict(public, body, tools) for name, tools in machines.items()}
    assert found == {name: expected if name in where else "verifier-missing" for name in machines}


@pytest.mark.parametrize("path", ["", os.defpath], ids=["without gnupg", "with gnupg"])
@pytest.mark.parametrize("kind", ["ed25519", "nistp256"])
def test_release_accepts_what_verify_accepts(kind, path, tmp_path, part):
    """A P-256 key without gpgv was good for `verify` and refused by `release`."""
    home = tempfile.mkdtemp(prefix="gf", dir="/tmp")
    argv = [part("gpg"), "--homedir", home, "--batch", "--passphrase", "", "--pinentry-mode", "loopback"]
    try:
        for words in (["--quick-generate-key", "one", kind, "sign", "never"], ["--armor", "--export-secret-keys"]):
            secret = subprocess.run([*argv, *words], capture_output=True, check=True, timeout=60).stdout
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
    settings = Settings({"PATH": path}, tmp_path)
    signer = sequoia.load(secret, "", "key")
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "api").write_bytes(b"\x7fELF")
    ledger = Ledger("shop", "v1.2.3", module="example.com/shop", commit="ab" * 20)
    ledger.add(Artifact.of_file(folder / "api", project="shop", kind="binary"))
    ledger.save(folder)
    seal.seal(Context(settings, Stream()), folder, [signer], now=int(time.time()))
    trust = tmp_path / "goferry.trust"
    trust.write_bytes(clean_trust([signer]).to_bytes())
    verified = check_release(Context(settings, Stream()), folder, trustfile.load(trust))
    release, _ = inspect(Context(settings, Stream()), folder, trust=trust)
    assert verified.digest == release.digest
