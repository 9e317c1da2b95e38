"""Every way to tamper with a sealed release: each ends in its named refusal, with nothing written."""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import certificate, gpgv, manifest, packets, trustfile
from goferry.kernel.refusals import Refusal, Unread
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.kernel.verify import Floor, verify
from goferry.observe.events import Stream
from goferry.system.openpgp_verifiers import by_sequoia
from goferry.trust import _sequoia as sequoia, seal
from goferry.trust._minisign_key import MinisignSecretKey

NOW = (
    int(time.time()) + 3600
)  # OpenPGP signatures carry the clock's time; the session may go on for long before they are made
DAY = 86400
SETTINGS = Settings(dict(os.environ), Path("/nonexistent"))
MACHINES = ("without tools", "with gpgv and pysequoia")
FILES = {"api_linux_amd64": b"\x7fELF api", "shop_1.2.3_linux_amd64.tar.gz": b"archive", "sbom.json": b"{}\n"}


class Gpg:
    """A gpg with a short private home; the keys that a test needs are made at test time."""

    def __init__(self, home, program):
        self.home, self.program = home, program

    def __call__(self, *words, stdin=b"", at=""):
        argv = [self.program, "--homedir", self.home, "--batch", "--no-tty", "--yes", "--passphrase", ""]
        argv += [
            "--pinentry-mode",
            "loopback",
            "--trust-model",
            "always",
            *(["--faked-system-time", at] if at else []),
            *words,
        ]
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout

    def new(self, name, *, algorithm="ed25519", usage="sign", expires="never", at=""):
        self("--quick-generate-key", name, algorithm, usage, expires, at=at)
        return self.fingerprints(name)[0]

    def fingerprints(self, name):
        listing = self("--with-colons", "--list-keys", name).decode()
        return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]

    def public(self, fingerprint):
        return self("--armor", "--export", fingerprint).decode()

    def trust(self, fingerprint, **fields):
        return TrustKey(fingerprint, "openpgp", self.public(fingerprint), **fields)

    def sign(self, fingerprint, data, *words, at=""):
        return self("--armor", *words, "--local-user", fingerprint + "!", "--detach-sign", stdin=data, at=at)


@pytest.fixture(scope="module")
def gpg(part):
    program = part("gpg")
    home = tempfile.mkdtemp(prefix="gf", dir="/tmp")
    try:
        yield Gpg(home, program)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=MACHINES)
def tools(request, part):
    return (gpgv.find(part("gpgv")), by_sequoia) if request.param == MACHINES[1] else ()


class Bench:
    """A sealed release, and the means to tamper with it as its own signer could."""

    def __init__(self, folder, signer, sequence=NOW):
        self.folder, self.signer = folder, signer
        folder.mkdir()
        ledger = Ledger("shop", "v1.2.3", module="example.com/shop")
        for name, data in FILES.items():
            (folder / name).write_bytes(data)
            ledger.add(Artifact.of_file(folder / name, project="shop", kind="binary"))
        ledger.save(folder)
        self.release = seal.seal(Context(SETTINGS, Stream()), folder, [signer], now=NOW, sequence=sequence).manifest
        self.trust = TrustFile((signer.as_trust_key(),))
        self.now = NOW
        self.keywords = {}
        for path in folder.iterdir():
            path.chmod(0o644)

    def read(self, name):
        return (self.folder / name).read_bytes()

    def put(self, name, data):
        (self.folder / name).write_bytes(data)

    def resign(self, data):
        self.put("SHA256SUMS", data)
        self.put("SHA256SUMS.asc", self.signer.sign(data, NOW))

    def resign_manifest(self, data):
        """Put another manifest under a good signature."""
        self.put("release.json", data)
        old, new = self.release.digest, hashlib.sha256(data).hexdigest()
        self.resign(self.read("SHA256SUMS").replace(old.encode(), new.encode()))

    def verify(self, tools):
        return verify(self.folder, self.trust, openpgp=tools, now=self.now, **self.keywords)


@pytest.fixture(scope="module")
def signers():
    return [sequoia.load(sequoia.generate(name)[0], "", name) for name in ("good", "other")]


@pytest.fixture
def bench(tmp_path, signers):
    return Bench(tmp_path / "dist", signers[0])


def tree(folder):
    result = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        small = stat.S_ISREG(status.st_mode) and status.st_size < 1 << 24
        content = path.read_bytes() if small else status.st_size
        result[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, status.st_nlink, content)
    return result


def refused(bench, tools):
    before = tree(bench.folder.parent)
    with pytest.raises(Refusal) as caught:
        bench.verify(tools)
    assert tree(bench.folder.parent) == before
    assert caught.value.exit_code == (2 if isinstance(caught.value, Unread) else 3)
    assert caught.value.as_json()["refusal"] == caught.value.name
    return caught.value.name


def test_an_untouched_release_is_accepted(bench, tools):
    verified = bench.verify(tools)
    assert set(verified.files) == {*FILES, "release.json"}
    assert [signer.id for signer in verified.signers] == [bench.signer.id]
    assert verified.digest == hashlib.sha256(bench.read("release.json")).hexdigest()


def lines(bench):
    return bench.read("SHA256SUMS").splitlines(keepends=True)


def other_release(bench, project="shop", sequence=NOW + 5):
    """Return a folder of another genuine release by the same signer."""
    folder = bench.folder.parent / "other"
    folder.mkdir()
    (folder / "x").write_bytes(b"x")
    ledger = Ledger(project, "v1.2.4", artifacts={"x": Artifact.of_file(folder / "x", project=project, kind="binary")})
    ledger.save(folder)
    seal.seal(Context(SETTINGS, Stream()), folder, [bench.signer], now=NOW, sequence=sequence)
    return folder


def take(bench, *names, **fields):
    folder = other_release(bench, **fields)
    for name in names:
        bench.put(name, (folder / name).read_bytes())


def extra_line(bench, name):
    return b"".join(sorted([*lines(bench), b"0" * 64 + b"  " + name + b"\n"], key=lambda line: line[66:]))


def link(bench, name, kind):
    path = bench.folder / name
    away = bench.folder.parent / "away"
    path.rename(away)
    path.symlink_to(away) if kind == "symbolic" else os.link(away, path)


def replaced(bench, name, make):
    (bench.folder / name).unlink()
    make(bench.folder / name)


def flip(data, at=-1):
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def unsorted(bench):
    listed = lines(bench)
    return b"".join([listed[1], listed[0], *listed[2:]])


NAME = "api_linux_amd64"

TAMPERED = {
    # files
    "one byte of a file changed": ("file-altered", lambda b: b.put(NAME, flip(b.read(NAME)))),
    "a byte added to a file": ("file-altered", lambda b: b.put(NAME, b.read(NAME) + b"x")),
    "a file emptied": ("file-altered", lambda b: b.put(NAME, b"")),
    "two files swapped": ("file-altered", lambda b: (b.put(NAME, FILES["sbom.json"]), b.put("sbom.json", FILES[NAME]))),
    "a huge sparse file": ("file-altered", lambda b: os.truncate(b.folder / NAME, 1 << 40)),
    "a file dropped": ("file-missing", lambda b: (b.folder / NAME).unlink()),
    "a file renamed": ("file-missing", lambda b: (b.folder / NAME).rename(b.folder / "renamed")),
    "a file added": ("file-unlisted", lambda b: b.put("extra", b"x")),
    "a hidden file added": ("file-unlisted", lambda b: b.put(".hidden", b"x")),
    "a folder added": ("file-unlisted", lambda b: (b.folder / "sub").mkdir()),
    "a case twin added": ("file-unlisted", lambda b: b.put(NAME.upper(), b"x")),
    "the ledger put back": ("file-unlisted", lambda b: b.put("goferry.json", b"{}")),
    "an unnamed signature added": ("file-unlisted", lambda b: b.put("SHA256SUMS.minisig", minisigned(b))),
    "a symbolic link for a file": ("file-not-regular", lambda b: link(b, NAME, "symbolic")),
    "a hard link for a file": ("file-linked", lambda b: link(b, NAME, "hard")),
    "a pipe for a file": ("file-not-regular", lambda b: replaced(b, NAME, os.mkfifo)),
    "a folder for a file": ("file-not-regular", lambda b: replaced(b, NAME, os.mkdir)),
    "a symbolic link for the list": ("file-not-regular", lambda b: link(b, "SHA256SUMS", "symbolic")),
    "a symbolic link for the signature": ("file-not-regular", lambda b: link(b, "SHA256SUMS.asc", "symbolic")),
    "a hard link for the manifest": ("file-linked", lambda b: link(b, "release.json", "hard")),
    "a pipe for the list": ("file-not-regular", lambda b: replaced(b, "SHA256SUMS", os.mkfifo)),
    # list and manifest, not signed again
    "the list missing": ("list-missing", lambda b: (b.folder / "SHA256SUMS").unlink()),
    "the list empty": ("signature-wrong", lambda b: b.put("SHA256SUMS", b"")),
    "the list edited": ("signature-wrong", lambda b: b.put("SHA256SUMS", flip(b.read("SHA256SUMS"), 5))),
    "the list with CR": (
        "signature-wrong",
        lambda b: b.put("SHA256SUMS", b.read("SHA256SUMS").replace(b"\n", b"\r\n")),
    ),
    "the list of another release": ("signature-wrong", lambda b: take(b, "SHA256SUMS")),
    "list and signature of another release": ("file-altered", lambda b: take(b, "SHA256SUMS", "SHA256SUMS.asc")),
    "list, signature and manifest of another": (
        "file-missing",
        lambda b: take(b, "SHA256SUMS", "SHA256SUMS.asc", "release.json"),
    ),
    "the manifest missing": ("manifest-missing", lambda b: (b.folder / "release.json").unlink()),
    "the manifest edited": (
        "file-altered",
        lambda b: b.put("release.json", b.read("release.json").replace(b"1.2.3", b"1.2.9")),
    ),
    "the manifest of another release": ("file-altered", lambda b: take(b, "release.json")),
    # lists that the signer himself might have made with another tool
    "signed: a line with CR": ("list-malformed", lambda b: b.resign(b.read("SHA256SUMS").replace(b"\n", b"\r\n"))),
    "signed: upper-case digits": ("list-malformed", lambda b: b.resign(b.read("SHA256SUMS").upper())),
    "signed: ./ before a name": (
        "list-name-unsafe",
        lambda b: b.resign(b.read("SHA256SUMS").replace(b"  api", b"  ./api")),
    ),
    "signed: ../ in a name": ("list-name-unsafe", lambda b: b.resign(extra_line(b, b"../x"))),
    "signed: an absolute name": ("list-name-unsafe", lambda b: b.resign(extra_line(b, b"/etc/passwd"))),
    "signed: a hidden name": ("list-name-unsafe", lambda b: b.resign(extra_line(b, b".bashrc"))),
    "signed: a file listed twice": ("list-duplicate", lambda b: b.resign(lines(b)[0] + b.read("SHA256SUMS"))),
    "signed: one name, two digests": (
        "list-duplicate",
        lambda b: b.resign(extra_line(b, b"shop_1.2.3_linux_amd64.tar.gz")),
    ),
    "signed: a case twin": ("list-duplicate", lambda b: b.resign(extra_line(b, b"sHop_1.2.3_linux_amd64.tar.gz"))),
    "signed: out of order": ("list-unsorted", lambda b: b.resign(unsorted(b))),
    "signed: binary mode": ("list-malformed", lambda b: b.resign(b.read("SHA256SUMS").replace(b"  api", b" *api"))),
    "signed: no final newline": ("list-malformed", lambda b: b.resign(b.read("SHA256SUMS")[:-1])),
    "signed: a byte order mark": ("list-malformed", lambda b: b.resign(b"\xef\xbb\xbf" + b.read("SHA256SUMS"))),
    "signed: an empty list": ("list-malformed", lambda b: b.resign(b"")),
    "signed: a huge list": ("list-too-large", lambda b: b.resign(lines(b)[0] * 20_000)),
    "signed: without the manifest": (
        "manifest-missing",
        lambda b: b.resign(b"".join(line for line in lines(b) if b"release.json" not in line)),
    ),
    "signed: lists disagree": ("lists-disagree", lambda b: b.resign(extra_line(b, b"zzz"))),
    "signed: a manifest with a file more": (
        "lists-disagree",
        lambda b: b.resign_manifest(
            replace(b.release, files=(*b.release.files, manifest.File("zzz", 1, "0" * 64, "binary"))).to_bytes()
        ),
    ),
    "signed: a manifest with another size": (
        "file-altered",
        lambda b: b.resign_manifest(
            replace(b.release, files=(replace(b.release.files[0], size=3), *b.release.files[1:])).to_bytes()
        ),
    ),
    "signed: a manifest of a later schema": (
        "manifest-malformed",
        lambda b: b.resign_manifest(b.read("release.json").replace(b'"schema":2', b'"schema":3')),
    ),
    "signed: a manifest that is not canonical": (
        "manifest-malformed",
        lambda b: b.resign_manifest(b.read("release.json") + b"\n"),
    ),
    "signed: a manifest that wants a second signature": (
        "signature-missing",
        lambda b: b.resign_manifest(replace(b.release, signatures=("SHA256SUMS.asc", "SHA256SUMS.minisig")).to_bytes()),
    ),
    # signatures
    "the signature missing": ("signature-missing", lambda b: (b.folder / "SHA256SUMS.asc").unlink()),
    "the signature empty": ("signature-malformed", lambda b: b.put("SHA256SUMS.asc", b"")),
    "the signature cut off": ("signature-malformed", lambda b: b.put("SHA256SUMS.asc", b.read("SHA256SUMS.asc")[:150])),
    "the armor cut inside": (
        "signature-malformed",
        lambda b: b.put("SHA256SUMS.asc", b"".join([*b.read("SHA256SUMS.asc").splitlines(keepends=True)[:3], END])),
    ),
    "an error page as signature": ("signature-malformed", lambda b: b.put("SHA256SUMS.asc", b"<html>404</html>")),
    "a huge signature": (
        "signature-malformed",
        lambda b: b.put("SHA256SUMS.asc", b.read("SHA256SUMS.asc") + b"\n" * 2**20),
    ),
    "the armor's checksum wrong": (
        "signature-malformed",
        lambda b: b.put("SHA256SUMS.asc", packets.armor(flip(body(b)), "PGP SIGNATURE").replace(b"\n=", b"\n=A", 1)),
    ),
    "a flipped bit in the signature": (
        "signature-wrong",
        lambda b: b.put("SHA256SUMS.asc", packets.armor(flip(body(b), -3), "PGP SIGNATURE")),
    ),
    "two armors": ("signature-not-single", lambda b: b.put("SHA256SUMS.asc", b.read("SHA256SUMS.asc") * 2)),
    "two packets in one armor": (
        "signature-not-single",
        lambda b: b.put("SHA256SUMS.asc", packets.armor(body(b) * 2, "PGP SIGNATURE")),
    ),
    "text after the armor": (
        "signature-not-single",
        lambda b: b.put("SHA256SUMS.asc", b.read("SHA256SUMS.asc") + b"evil\n"),
    ),
    "text before the armor": (
        "signature-not-single",
        lambda b: b.put("SHA256SUMS.asc", b"hi\n" + b.read("SHA256SUMS.asc")),
    ),
    "a binary signature": ("signature-malformed", lambda b: b.put("SHA256SUMS.asc", body(b))),
    "a signature over another file": (
        "signature-wrong",
        lambda b: b.put("SHA256SUMS.asc", b.signer.sign(b"something else", NOW)),
    ),
    # policy
    "another project is wanted": ("project-mismatch", lambda b: b.keywords.update(project="billing")),
    "a lower sequence": ("sequence-lower", lambda b: b.keywords.update(floor=Floor(NOW + 1, "0" * 64))),
    "an equal sequence, other content": ("sequence-conflict", lambda b: b.keywords.update(floor=Floor(NOW, "0" * 64))),
    "a key of another role": ("key-role", lambda b: retrust(b, role="pointer")),
    "a key of another scope": ("key-out-of-scope", lambda b: retrust(b, scope=("billing",))),
    "a key not valid yet": ("key-not-yet-valid", lambda b: retrust(b, valid_from=NOW + DAY)),
    "a key whose time is over": ("key-expired", lambda b: retrust(b, valid_until=NOW - DAY)),
    "a key whose time ended since": ("key-expired", lambda b: (retrust(b, valid_until=NOW + DAY), later(b, 2 * DAY))),
    "a key compromised later": (
        "key-revoked",
        lambda b: (retrust(b, revoked_at=NOW + DAY, reason="compromised"), later(b, 2 * DAY)),
    ),
    "a key retired before it signed": ("key-revoked", lambda b: retrust(b, revoked_at=NOW - DAY, reason="retired")),
    "a clock before the signature": ("signature-in-future", lambda b: later(b, -DAY)),
    "a threshold of two": ("threshold-unmet", lambda b: threshold(b, 2)),
    "the folder missing": ("folder-unreadable", lambda b: b.folder.rename(b.folder.parent / "away")),
}
END = b"-----END PGP SIGNATURE-----\n"


def body(bench):
    return packets.dearmor(bench.read("SHA256SUMS.asc"), "PGP SIGNATURE")


def minisigned(bench):
    return MinisignSecretKey.generate().sign(bench.read("SHA256SUMS"), NOW)


def retrust(bench, **fields):
    bench.trust = TrustFile((replace(bench.trust.keys[0], **fields),))


def later(bench, seconds):
    bench.now += seconds


def threshold(bench, number):
    key = MinisignSecretKey.generate().signer().as_trust_key()
    bench.trust = TrustFile((*bench.trust.keys, key), number)


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_refused_by_name(case, bench, tools):
    expected, mutate = TAMPERED[case]
    mutate(bench)
    assert refused(bench, tools) == expected


def test_another_trust_file_refuses(bench, tools, signers):
    bench.trust = TrustFile((signers[1].as_trust_key(),))
    assert refused(bench, tools) == "key-unknown"


def test_a_list_signed_again_by_another_key_is_refused(bench, tools, signers):
    bench.signer = signers[1]
    bench.resign(bench.read("SHA256SUMS"))
    assert refused(bench, tools) == "key-unknown"


@pytest.mark.parametrize("keywords", [{"project": "shop"}, {"floor": Floor(NOW - 1, "0" * 64)}, {"only": NAME}])
def test_what_fits_is_accepted(bench, tools, keywords):
    bench.keywords = keywords
    bench.verify(tools)


def test_the_same_release_again_is_accepted(bench, tools):
    bench.keywords = {"floor": Floor(NOW, bench.release.digest)}
    assert bench.verify(tools).digest == bench.release.digest


def test_a_key_retired_later_still_counts(bench, tools):
    retrust(bench, revoked_at=NOW + DAY, reason="retired")
    later(bench, 2 * DAY)
    bench.verify(tools)


class TestOnly:
    def test_the_manifest_itself_must_be_there_to_be_checked(self, bench, tools):
        bench.keywords = {"only": "release.json"}
        assert list(bench.verify(tools).files) == ["release.json"]
        (bench.folder / "release.json").unlink()
        assert refused(bench, tools) == "manifest-missing"

    def test_the_others_and_the_manifest_may_be_absent_and_strangers_present(self, bench, tools):
        for name in [*FILES, "release.json"]:
            if name != NAME:
                (bench.folder / name).unlink()
        bench.put("holiday.jpg", b"x")
        bench.keywords = {"only": NAME}
        verified = bench.verify(tools)
        assert list(verified.files) == [NAME]
        assert verified.manifest is None

    @pytest.mark.parametrize(
        ("keywords", "mutate", "expected"),
        [
            ({"only": NAME}, lambda b: b.put(NAME, flip(b.read(NAME))), "file-altered"),
            ({"only": NAME}, lambda b: (b.folder / NAME).unlink(), "file-missing"),
            ({"only": "nothing"}, vars, "file-unlisted"),
            ({"only": "../dist/" + NAME}, vars, "file-unlisted"),
            ({"only": NAME, "project": "shop"}, lambda b: (b.folder / "release.json").unlink(), "manifest-missing"),
            ({"only": NAME}, lambda b: (b.folder / "SHA256SUMS.asc").unlink(), "signature-missing"),
        ],
    )
    def test_refuses(self, bench, tools, keywords, mutate, expected):
        mutate(bench)
        bench.keywords = keywords
        assert refused(bench, tools) == expected


# What gpg's own keys can be and do.


@pytest.fixture(scope="module")
def keys(gpg):
    """Make the keys by name; return name → fingerprint of the primary."""
    made = {name: gpg.new(name) for name in ("plain", "foreign", "future", "withsubkey")}
    made["rsa"] = gpg.new("rsa", algorithm="rsa2048")
    made["short"] = gpg.new("short", algorithm="rsa1024")
    made["dsa"] = gpg.new("dsa", algorithm="dsa1024")
    made["p256"] = gpg.new("p256", algorithm="nistp256")
    made["expired"] = gpg.new("expired", expires="1y", at="20200101T000000")
    gpg("--quick-add-key", made["withsubkey"], "ed25519", "sign", "never")
    made["certify"] = gpg.new("certify", usage="cert")
    return made


def by_gpg(bench, gpg, fingerprint, signature):
    bench.put("SHA256SUMS.asc", signature)
    bench.trust = TrustFile((gpg.trust(fingerprint),))


@pytest.mark.parametrize("name", ["plain", "rsa", "withsubkey"])
def test_signatures_of_gpg_are_accepted(name, bench, tools, gpg, keys):
    signing = gpg.fingerprints(name)[-1]
    by_gpg(bench, gpg, keys[name], gpg.sign(signing, bench.read("SHA256SUMS")))
    assert [signer.id for signer in bench.verify(tools).signers] == [keys[name]]


def test_an_algorithm_that_pure_python_lacks_needs_another_verifier(bench, gpg, keys):
    by_gpg(bench, gpg, keys["p256"], gpg.sign(keys["p256"], bench.read("SHA256SUMS")))
    assert refused(bench, ()) == "verifier-missing"
    assert bench.verify((by_sequoia,)).signers
    assert bench.verify((gpgv.find(),)).signers


def test_a_foreign_key_in_the_same_keyring_is_refused(bench, tools, gpg, keys):
    by_gpg(bench, gpg, keys["plain"], gpg.sign(keys["foreign"], bench.read("SHA256SUMS")))
    assert refused(bench, tools) == "key-unknown"


def test_a_trust_entry_with_two_keys_is_refused(gpg, keys):
    both = gpg("--armor", "--export", keys["plain"], keys["foreign"]).decode()
    data = TrustFile((TrustKey(keys["plain"], "openpgp", both),)).to_bytes()
    with pytest.raises(Refusal) as caught:
        trustfile.parse(data)
    assert caught.value.name == "trust-file-invalid"


def test_a_revoked_key_is_refused(bench, tools, gpg, keys):
    # gpg itself no longer signs with it, so the signature is from the time before, with the key from after.
    before = tempfile.mkdtemp(prefix="gf", dir="/tmp")
    other = Gpg(before, gpg.program)
    try:
        fingerprint = other.new("once")
        signature = other.sign(fingerprint, bench.read("SHA256SUMS"))
        by_gpg(bench, other, fingerprint, signature)
        bench.verify(tools)
        revocation = (Path(before) / "openpgp-revocs.d" / (fingerprint + ".rev")).read_text()
        other("--import", stdin=revocation.replace(":-----BEGIN", "-----BEGIN").encode())
        by_gpg(bench, other, fingerprint, signature)
        assert refused(bench, tools) == "key-revoked"
    finally:
        subprocess.run(["gpgconf", "--homedir", before, "--kill", "all"], check=False)
        shutil.rmtree(before, ignore_errors=True)


def status_of_gpgv(bench):
    """What gpgv's status lines alone lead to, without our own look at the certificate."""
    found = bench.trust.keys[0].certificate
    with pytest.raises(Refusal) as caught:
        gpgv.find()(found, found.primary, bench.read("SHA256SUMS"), body(bench))
    return caught.value.name


def test_a_revoked_subkey_is_refused(bench, tools, gpg):
    name = f"subrevoked-{len(tools)}"
    primary = gpg.new(name)
    gpg("--quick-add-key", primary, "ed25519", "sign", "never")
    fingerprint = gpg.fingerprints(name)[-1]
    signature = gpg.sign(fingerprint, bench.read("SHA256SUMS"))
    argv = [gpg.program, "--homedir", gpg.home, "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
    argv += ["--command-fd", "0", "--status-fd", "2", "--edit-key", primary]
    subprocess.run(argv, input=b"key 1\nrevkey\ny\n0\n\ny\nsave\n", capture_output=True, check=True, timeout=60)
    by_gpg(bench, gpg, primary, signature)
    assert bench.trust.keys[0].certificate.subkeys[0].revoked
    assert refused(bench, tools) == "key-revoked"


def test_an_expired_key_is_refused_though_it_signed_in_its_time(bench, tools, gpg, keys):
    signature = gpg.sign(keys["expired"], bench.read("SHA256SUMS"), at="20200601T000000")
    by_gpg(bench, gpg, keys["expired"], signature)
    assert refused(bench, tools) == "key-expired"
    assert status_of_gpgv(bench) == "key-expired"


def test_an_expired_signature_is_refused(bench, tools, gpg, keys):
    signature = gpg.sign(keys["plain"], bench.read("SHA256SUMS"), "--default-sig-expire", "1d")
    by_gpg(bench, gpg, keys["plain"], signature)
    bench.verify(tools)
    later(bench, 2 * DAY)
    assert refused(bench, tools) == "signature-expired"


def test_a_signature_from_the_future_is_refused(bench, tools, gpg, keys):
    at = time.strftime("%Y%m%dT%H%M%S", time.gmtime(NOW + 9 * DAY))
    by_gpg(bench, gpg, keys["future"], gpg.sign(keys["future"], bench.read("SHA256SUMS"), at=at))
    assert refused(bench, tools) == "signature-in-future"


@pytest.mark.parametrize("name", ["short", "dsa"])
def test_weak_keys_are_refused(name, bench, tools, gpg, keys):
    words = ["--enable-dsa2"] if name == "dsa" else []
    by_gpg(bench, gpg, keys[name], gpg.sign(keys[name], bench.read("SHA256SUMS"), *words, "--digest-algo", "SHA256"))
    assert refused(bench, tools) == "key-weak"


@pytest.mark.parametrize("digest", ["SHA1", "RIPEMD160", "MD5"])
def test_weak_digests_are_refused(digest, bench, tools, gpg, keys):
    words = ["--digest-algo", digest, "--allow-weak-digest-algos"]
    by_gpg(bench, gpg, keys["rsa"], gpg.sign(keys["rsa"], bench.read("SHA256SUMS"), *words))
    assert refused(bench, tools) == "digest-weak"


INLINE = {
    "inline": (["--armor", "--sign"], "signature-not-detached"),
    "clear text": (["--clear-sign"], "signature-not-detached"),
    "text mode": (["--armor", "--textmode", "--detach-sign"], "signature-not-detached"),
}


@pytest.mark.parametrize("case", INLINE)
def test_anything_but_a_detached_binary_signature_is_refused(case, bench, tools, gpg, keys):
    words, expected = INLINE[case]
    by_gpg(bench, gpg, keys["plain"], gpg("--local-user", keys["plain"], *words, stdin=bench.read("SHA256SUMS")))
    assert refused(bench, tools) == expected


def test_an_inline_message_in_a_signature_armor_is_refused(bench, tools, gpg, keys):
    message = gpg("--local-user", keys["plain"], "--compress-algo", "none", "--sign", stdin=bench.read("SHA256SUMS"))
    by_gpg(bench, gpg, keys["plain"], packets.armor(message, "PGP SIGNATURE"))
    assert refused(bench, tools) in ("signature-not-detached", "signature-malformed")


@pytest.mark.parametrize("order", ["good first", "evil first"])
def test_a_second_signature_of_a_foreign_key_is_refused(order, bench, tools, gpg, keys):
    both = [gpg.sign(keys[name], bench.read("SHA256SUMS")) for name in ("plain", "foreign")]
    if order == "evil first":
        both.reverse()
    by_gpg(bench, gpg, keys["plain"], b"".join(both))
    assert refused(bench, tools) == "signature-not-single"


def test_a_critical_notation_that_nobody_knows_is_refused(bench, tools, gpg, keys):
    words = ["--sig-notation", "!must@example.com=understand"]
    by_gpg(bench, gpg, keys["plain"], gpg.sign(keys["plain"], bench.read("SHA256SUMS"), *words))
    assert refused(bench, tools) == "signature-malformed"


def test_a_grafted_subkey_without_back_signature_cannot_sign(bench, gpg, keys):
    """Put the signing subkey of one certificate under the primary of another."""
    victim = list(packets.split(packets.dearmor(gpg.public(keys["withsubkey"]).encode(), certificate.KIND)))
    thief = list(packets.split(packets.dearmor(gpg.public(keys["plain"]).encode(), certificate.KIND)))
    start = next(at for at, (kind, _) in enumerate(victim) if kind == packets.PUBLIC_SUBKEY)
    binary = b"".join(
        bytes([0xC0 | kind, 0xFF]) + len(part).to_bytes(4, "big") + part for kind, part in thief + victim[start:]
    )
    public = packets.armor(binary, certificate.KIND).decode()
    bench.put("SHA256SUMS.asc", gpg.sign(gpg.fingerprints("withsubkey")[-1], bench.read("SHA256SUMS")))
    bench.trust = TrustFile((TrustKey(keys["plain"], "openpgp", public),))
    assert refused(bench, ()) == "key-cannot-sign"


def test_a_certify_only_key_cannot_sign(bench, signers, gpg, keys):
    # gpg refuses to make such a signature, so the certificate alone is judged.
    found = certificate.read(gpg.public(keys["certify"]).encode())
    status = found.key_status(found.primary)
    assert (status.signs, status.bound) == (False, True)
