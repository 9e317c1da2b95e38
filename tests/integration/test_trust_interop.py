"""Releases judged by other people's tools and theirs by ours, keys of every kind, and the commands as a user types them."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel import openpgp
from goferry.kernel.errors import GoferryError
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.kernel.verify import verify
from goferry.observe.events import Stream
from goferry.system import openpgp_verifiers as openpgp_tools
from goferry.trust import _gnupg as gnupg, _minisign_key as minisign_key, _sequoia as sequoia, keys, seal
from goferry.trust.signer import clean_trust

ROOT = Path(__file__).resolve().parents[2]


def now():
    return int(time.time())


SETTINGS = Settings(dict(os.environ), Path("/nonexistent"))


def make(folder):
    folder.mkdir()
    (folder / "api_linux_amd64").write_bytes(b"\x7fELF")
    ledger = Ledger("shop", "v1.2.3", module="example.com/shop")
    ledger.add(Artifact.of_file(folder / "api_linux_amd64", project="shop", kind="binary"))
    ledger.save(folder)
    return folder


def tool(*argv, stdin=b"", cwd=None, **options):
    return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60, cwd=cwd, **options)


@pytest.fixture
def release(tmp_path):
    trust = keys.generate(tmp_path / "KEYS")
    signers = keys.load_signers(
        openpgp_key=tmp_path / "KEYS/openpgp.asc",
        minisign_key_file=tmp_path / "KEYS/minisign.key",
        passphrase_file=None,
        settings=SETTINGS,
    )
    seal.seal(Context(SETTINGS, Stream()), make(tmp_path / "dist"), signers, now=now())
    return tmp_path, trust


@contextlib.contextmanager
def gpg_home(program):
    home = tempfile.mkdtemp(prefix="gf", dir="/tmp")

    def gpg(*words, stdin=b"", passphrase=""):
        argv = [program, "--homedir", home, "--batch", "--no-tty", "--yes", "--pinentry-mode", "loopback"]
        done = tool(*argv, "--passphrase", passphrase, "--trust-model", "always", *words, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    try:
        yield gpg
    finally:
        tool("gpgconf", "--homedir", home, "--kill", "all")
        shutil.rmtree(home, ignore_errors=True)


class TestOursByOthers:
    def test_gpgv(self, release, part):
        folder, _ = release
        with gpg_home(part("gpg")) as gpg:
            (folder / "keyring.gpg").write_bytes(gpg("--dearmor", stdin=(folder / "KEYS/openpgp.pub.asc").read_bytes()))
        dist = folder / "dist"
        done = tool(part("gpgv"), "--keyring", folder / "keyring.gpg", dist / "SHA256SUMS.asc", dist / "SHA256SUMS")
        assert done.returncode == 0, done.stderr

    def test_gpg(self, release, part):
        folder, _ = release
        with gpg_home(part("gpg")) as gpg:
            gpg("--import", str(folder / "KEYS/openpgp.pub.asc"))
            gpg("--verify", str(folder / "dist/SHA256SUMS.asc"), str(folder / "dist/SHA256SUMS"))

    def test_sqv(self, release, part):
        folder, _ = release
        dist = folder / "dist"
        words = ["--keyring", folder / "KEYS/openpgp.pub.asc", dist / "SHA256SUMS.asc", dist / "SHA256SUMS"]
        assert tool(part("sqv"), *words).returncode == 0
        (folder / "other").write_bytes(b"x")
        assert tool(part("sqv"), *words[:-1], folder / "other").returncode != 0

    def test_minisign(self, release, part):
        folder, _ = release
        words = ["-V", "-p", folder / "KEYS/minisign.pub", "-x", folder / "dist/SHA256SUMS.minisig", "-m"]
        assert tool(part("minisign"), *words, folder / "dist/SHA256SUMS").returncode == 0
        (folder / "other").write_bytes(b"x")
        assert tool(part("minisign"), *words, folder / "other").returncode != 0

    def test_minisign_signs_with_our_key_and_we_accept_it(self, release, part):
        folder, trust = release
        target = folder / "dist/SHA256SUMS.minisig"
        target.chmod(0o644)
        done = tool(
            part("minisign"),
            "-S",
            "-s",
            folder / "KEYS/minisign.key",
            "-x",
            target,
            "-m",
            folder / "dist/SHA256SUMS",
            stdin=b"\n",
        )
        assert done.returncode == 0, done.stderr
        assert len(verify(folder / "dist", TrustFile(trust.keys, 2), now=now() + 60).signers) == 2

    def test_sha256sum(self, release, part):
        folder, _ = release
        assert tool(part("sha256sum"), "--strict", "-c", "SHA256SUMS", cwd=folder / "dist").returncode == 0


class TestMinisignKeys:
    @pytest.fixture
    def key(self, tmp_path, part):
        words = ["-G", "-p", tmp_path / "m.pub", "-s", tmp_path / "m.key"]
        assert tool(part("minisign"), *words, "-W").returncode == 0
        return tmp_path

    def test_a_key_of_minisign(self, key):
        secret = minisign_key.read((key / "m.key").read_bytes(), "", "m.key")
        assert secret.public_line == (key / "m.pub").read_text().splitlines()[1]
        assert secret.public_file().splitlines()[0] == (key / "m.pub").read_bytes().splitlines()[0]

    def test_a_key_with_a_passphrase(self):
        """The way of minisign's own key files, with limits small enough for a test (N = 2^14)."""
        data = protected(b"open sesame", 1 << 19, 1 << 24)
        assert minisign_key.read(data, "open sesame", "key").seed == bytes(32)
        for wrong in ("", "open", "open sesame "):
            with pytest.raises(GoferryError) as caught:
                minisign_key.read(data, wrong, "key")
            assert caught.value.name == "passphrase-wrong"

    @pytest.mark.parametrize("limits", [(1 << 26, 1 << 24), (1 << 19, 1 << 31), (2**64 - 1, 2**64 - 1)])
    def test_a_key_that_would_exhaust_the_machine_is_refused(self, limits):
        with pytest.raises(GoferryError) as caught:
            minisign_key.read(protected(b"", 1 << 19, 1 << 24, claimed=limits), "x", "key")
        assert caught.value.name == "key-unusable"

    def test_libsodiums_own_parameters(self):
        """minisign's default limits are N = 2^20, r = 8, p = 1 (crypto_pwhash_scryptsalsa208sha256, pickparams)."""
        assert minisign_key._parameters(1 << 25, 1 << 30, "key") == (1 << 20, 1)


def protected(passphrase, operations, memory, claimed=None):
    import hashlib

    plain = base64.b64decode(minisign_key.MinisignSecretKey.from_seed(bytes(8), bytes(32)).to_bytes().splitlines()[1])
    salt = bytes(range(32))
    n, p = minisign_key._parameters(operations, memory, "key")
    stream = hashlib.scrypt(passphrase, salt=salt, n=n, r=8, p=p, maxmem=1 << 28, dklen=104)
    box = bytes(one ^ two for one, two in zip(plain[54:], stream, strict=True))
    first, second = claimed or (operations, memory)
    raw = b"EdScB2" + salt + first.to_bytes(8, "little") + second.to_bytes(8, "little") + box
    return b"untrusted comment: x\n" + base64.b64encode(raw) + b"\n"


BACKENDS = {"pysequoia": sequoia.load, "gpg": lambda data, secret, where: gnupg.load(data, secret, where, SETTINGS)}


@pytest.fixture(params=BACKENDS)
def load(request, part):
    if request.param == "gpg":
        part("gpg")
    return BACKENDS[request.param]


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048", "nistp256"])
def test_keys_of_gpg_sign_with_both_backends(algorithm, load, tmp_path, part):
    with gpg_home(part("gpg")) as gpg:
        gpg("--quick-generate-key", "one", algorithm, "sign", "never")
        secret = gpg("--armor", "--export-secret-keys")
    signer = load(secret, "", "key")
    folder = make(tmp_path / "dist")
    seal.seal(Context(SETTINGS, Stream()), folder, [signer], now=now())
    assert verify(folder, clean_trust([signer]), openpgp=(openpgp_tools.by_sequoia,), now=now() + 60).signers


def test_a_key_without_its_primary_secret_signs_by_its_subkey(load, part):
    with gpg_home(part("gpg")) as gpg:
        gpg("--quick-generate-key", "one", "ed25519", "cert", "never")
        fingerprint = gpg("--with-colons", "--list-keys").decode().split("fpr:::::::::")[1].split(":")[0]
        gpg("--quick-add-key", fingerprint, "ed25519", "sign", "never")
        secret = gpg("--armor", "--export-secret-subkeys", fingerprint)
    signer = load(secret, "", "key")
    assert signer.id == fingerprint
    read = openpgp.read(signer.sign(b"message", now()), "signature")
    found = signer.as_trust_key().certificate
    judged = openpgp.judge(found, found.signers_of(read[0])[0], read, now() + 60, "signature")
    assert openpgp.matches(judged, b"message", ())


def test_a_passphrase_opens_a_key_and_a_wrong_one_does_not(load, part):
    with gpg_home(part("gpg")) as gpg:
        gpg("--quick-generate-key", "one", "ed25519", "sign", "never", passphrase="right")
        secret = gpg("--armor", "--export-secret-keys", passphrase="right")
    signer = load(secret, "right", "key")
    openpgp.read(signer.sign(b"message", now()), "signature")
    for wrong in ("wrong", ""):
        with pytest.raises(GoferryError) as caught:
            load(secret, wrong, "key").sign(b"message", now())
        assert caught.value.name == "passphrase-wrong"


def test_gpg_leaves_no_agent_and_no_home(part):
    before = set(Path("/tmp").glob("gf-*"))
    signer = gnupg.load(sequoia.generate("one")[0], "", "key", SETTINGS)
    signer.sign(b"message", now())
    left = set(Path("/tmp").glob("gf-*")) - before
    assert not left
    with pytest.raises(GoferryError) as caught:
        gnupg.load(b"rubbish", "", "key", SETTINGS)
    assert caught.value.name == "key-unusable"


def test_the_client_verifies_without_gnupg():
    assert openpgp_tools.tools("") == (openpgp_tools.by_sequoia,)


def goferry(*words, cwd, **environ):
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environ}
    done = tool(sys.executable, "-m", "goferry", *words, cwd=cwd, env=environ)
    assert b"Traceback" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("path", [None, ""], ids=["with gnupg", "without gnupg"])
def test_the_commands_as_a_user_types_them(path, tmp_path):
    environ = {} if path is None else {"PATH": path}
    made = goferry("keygen", "--out", "KEYS", "--json", cwd=tmp_path, **environ)
    assert made.returncode == 0, made.stderr
    make(tmp_path / "dist")
    dry = goferry("sign", "dist", "--openpgp-key", "KEYS/openpgp.asc", "--dry-run", cwd=tmp_path, **environ)
    assert (dry.returncode, (tmp_path / "dist/SHA256SUMS").exists()) == (0, False)
    signed = goferry("sign", "dist", "--openpgp-key", "KEYS/openpgp.asc", "--json", cwd=tmp_path, **environ)
    assert json.loads(signed.stdout)["signatures"] == ["SHA256SUMS.asc"]
    good = goferry("verify", "dist", "--trust", "KEYS/goferry.trust", "--json", cwd=tmp_path, **environ)
    record = json.loads(good.stdout)
    assert (good.returncode, record["ok"], record["version"]) == (0, True, "v1.2.3")
    assert [signer["format"] for signer in record["signers"]] == ["openpgp"]
    assert record["digest"] == json.loads(signed.stdout)["digest"]
    only = goferry(
        "verify", "dist", "--trust", "KEYS/goferry.trust", "--only", "api_linux_amd64", cwd=tmp_path, **environ
    )
    assert only.returncode == 0
    (tmp_path / "dist/api_linux_amd64").chmod(0o644)
    (tmp_path / "dist/api_linux_amd64").write_bytes(b"\x7fELG")
    bad = goferry("verify", "dist", "--trust", "KEYS/goferry.trust", "--json", cwd=tmp_path, **environ)
    assert bad.returncode == 3
    assert json.loads(bad.stdout)["refusal"] == "file-altered"
    assert json.loads(bad.stdout)["ok"] is False


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (["verify", "dist", "--trust", "absent"], 2, "trust-file-missing"),
        (["verify", "absent", "--trust", "KEYS/goferry.trust"], 2, "folder-unreadable"),
        (["verify", "dist", "--trust", "KEYS/goferry.trust"], 3, "list-missing"),
        (["verify", "dist"], 2, "misuse"),
        (["sign", "dist"], 2, "key-unusable"),
        (["sign", "dist", "--openpgp-key", "absent"], 2, "key-unusable"),
        (["sign", "absent", "--openpgp-key", "KEYS/openpgp.asc"], 2, "folder-unreadable"),
        (["sign", "dist", "--openpgp-key", "KEYS/openpgp.asc", "--sequence", "0"], 2, "misuse"),
        (["keygen", "--out", "KEYS"], 2, "keys-exist"),
    ],
)
def test_wrong_usage_is_named(words, code, name, tmp_path):
    make(tmp_path / "dist")
    keys.generate(tmp_path / "KEYS")
    done = goferry(*words, "--json", cwd=tmp_path)
    assert done.returncode == code
    assert json.loads(done.stdout)["error"] == name


def test_a_secret_never_shows(tmp_path):
    make(tmp_path / "dist")
    (tmp_path / "key").write_bytes(protected(b"right", 1 << 19, 1 << 24))
    words = ["sign", "dist", "--minisign-key", "key"]
    wrong = goferry(*words, cwd=tmp_path, GOFERRY_SIGNING_PASSPHRASE="s3cr3t-wrong")
    assert wrong.returncode == 2
    assert b"s3cr3t" not in wrong.stdout + wrong.stderr
    (tmp_path / "passphrase").write_bytes(b"right\n")
    assert goferry(*words, "--passphrase-file", "passphrase", cwd=tmp_path).returncode == 0


def test_names_of_an_attacker_reach_no_terminal(release):
    folder, _ = release
    (folder / "dist" / "x\x1b[2J\n::add-mask::y").write_bytes(b"")
    done = goferry("verify", "dist", "--trust", "KEYS/goferry.trust", cwd=folder)
    assert done.returncode == 3
    assert b"file-unlisted" in done.stderr
    assert b"\x1b[2J" not in done.stderr
    assert not any(line.strip().startswith(b"::") for line in done.stderr.splitlines())


def test_other_keys_beside_ours_are_told_apart(release):
    folder, trust = release
    stranger = minisign_key.MinisignSecretKey.generate()
    only_minisign = TrustFile((TrustKey(stranger.name, "minisign", stranger.public_line),))
    with pytest.raises(GoferryError) as caught:
        verify(folder / "dist", only_minisign, now=now() + 60)
    assert caught.value.name == "key-unknown"
    ours = TrustFile(tuple(key for key in trust.keys if key.format == "minisign"))
    assert verify(folder / "dist", ours, now=now() + 60).unchecked == ("SHA256SUMS.asc",)


@pytest.fixture(scope="module")
def gpg_keys(part):
    """Return secret keys as gpg exports them: what each is good for is its name."""
    with gpg_home(part("gpg")) as gpg:

        def fingerprint(name):
            return gpg("--with-colons", "--list-keys", name).decode().split("fpr:::::::::")[1].split(":")[0]

        gpg("--quick-generate-key", "locked", "ed25519", "sign", "never", passphrase="right")
        gpg("--quick-generate-key", "expired", "ed25519", "sign", "seconds=1")
        for name, algorithm, use in (("encrypting", "cv25519", "encr"), ("subkey", "ed25519", "sign")):
            gpg("--quick-generate-key", name, "ed25519", "cert", "never")
            gpg("--quick-add-key", fingerprint(name), algorithm, use)
        found = {name: gpg("--armor", "--export-secret-keys", name, passphrase="right") for name in ("locked",)}
        found |= {name: gpg("--armor", "--export-secret-keys", name) for name in ("expired", "encrypting")}
        found["public"] = gpg("--armor", "--export", "subkey")
        gpg("--quick-generate-key", "stub", "ed25519", "sign", "never")
        gpg("--quick-add-key", fingerprint("stub"), "cv25519", "encr")
        found["left out"] = gpg("--armor", "--export-secret-subkeys", "stub")
        return found


@pytest.mark.parametrize(
    ("name", "passphrase", "error", "said"),
    [
        ("expired", "", "key-unusable", "KEY expired at 20"),
        ("encrypting", "", "key-unusable", "KEY holds no key for signing, only such for certifying or encrypting"),
        ("public", "", "key-unusable", "KEY is a public key; signing needs the secret one"),
        ("left out", "", "key-unusable", "KEY lacks the secret part of its key for signing"),
        ("locked", "", "passphrase-wrong", "KEY is protected, and no passphrase was given"),
        ("locked", "right ", "passphrase-wrong", "KEY is protected, and the passphrase in GOFERRY_SIGNING_PASSPHRASE"),
    ],
)
def test_why_a_key_of_gpg_cannot_sign_is_told_apart(name, passphrase, error, said, gpg_keys, load, monkeypatch):
    monkeypatch.setenv("RUST_BACKTRACE", "full")
    if name == "expired":
        time.sleep(1.1)
    with pytest.raises(GoferryError) as caught:
        load(gpg_keys[name], passphrase, "KEY")
    assert caught.value.name == error
    assert caught.value.what.startswith(said)
    assert len(caught.value.what) < 200


def test_the_variable_may_end_with_its_line(gpg_keys):
    secret = keys.Secret("the secret GOFERRY_SIGNING_KEY", gpg_keys["locked"])
    settings = Settings({**os.environ, "GOFERRY_SIGNING_PASSPHRASE": "right\n"}, Path("/nonexistent"))
    assert keys.load_signers(openpgp_key=secret, minisign_key_file=None, passphrase_file=None, settings=settings)
