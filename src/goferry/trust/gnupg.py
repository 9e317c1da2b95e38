"""OpenPGP signing by the gpg command, where pysequoia is not installed.

Each use has a GNUPGHOME of its own: short (the agent's socket path must fit into 108 bytes), 0700, filled with the one
secret key, and gone afterwards with its agent, whose cache would otherwise sign with a wrong passphrase too. The
passphrase travels by a pipe. What gpg says is read from its status lines (GnuPG, doc/DETAILS).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import certificate, openpgp
from goferry.kernel.packets import FormError
from goferry.system.process import Completed, run
from goferry.trust.errors import KeyUnusable, PassphraseWrong, SigningFailed
from goferry.trust.signer import Signer

TIMEOUT = 120.0
_LOCKED = ("BAD_PASSPHRASE", "MISSING_PASSPHRASE", "NEED_PASSPHRASE")
_LOCKED_CODES = (11, 177)  # GPG_ERR_BAD_PASSPHRASE, GPG_ERR_NO_PASSPHRASE (libgpg-error, err-codes.h)


def load(data: bytes, passphrase: str, where: str, settings: Settings) -> Signer:
    """Read an armored secret key as a signer; it is imported anew for each signature.

    Raises:
        KeyUnusable: when it is not one. PassphraseWrong: when it stays locked. ToolMissing: without gpg.
    """
    with _home(settings, data, where) as home:
        listed = home.gpg(["--with-colons", "--list-secret-keys"])
        fingerprints = [line.split(":")[9] for line in listed.text.splitlines() if line.startswith("fpr:")]
        if not fingerprints:
            raise KeyUnusable(f"{where} is not an OpenPGP secret key", advice=["make one:  goferry keygen --out KEYS"])
        primary = fingerprints[0]
        public = home.gpg(["--armor", "--no-emit-version", "--export", primary]).stdout

    def sign(message: bytes, _now: int) -> bytes:
        with _home(settings, data, where) as home:
            return home.sign(message, primary, passphrase, where)

    signer = Signer("openpgp", primary, public.decode("ascii"), sign)
    _preflight(signer, where)
    return signer


def _preflight(signer: Signer, where: str) -> None:
    try:
        key = certificate.read(signer.public.encode("ascii"))
    except FormError as error:
        raise KeyUnusable(f"{where}: {error}") from None
    if key.primary.revoked:
        raise KeyUnusable(f"{where} is revoked")


class _Home:
    def __init__(self, path: str, settings: Settings) -> None:
        self.path = path
        self.environ = {**settings.environ, "GNUPGHOME": path, "LC_ALL": "C"}
        for name in ("GOFERRY_SIGNING_PASSPHRASE", "GPG_AGENT_INFO"):
            self.environ.pop(name, None)

    def gpg(self, words: Sequence[str], stdin: bytes = b"", pass_fds: Sequence[int] = ()) -> Completed:
        """Run gpg without a terminal; its status lines end up in standard error."""
        argv = ["gpg", "--batch", "--no-tty", "--quiet", "--status-fd", "2", "--pinentry-mode", "loopback", *words]
        return run(argv, environ=self.environ, stdin=stdin, timeout=TIMEOUT, pass_fds=pass_fds)

    def sign(self, message: bytes, fingerprint: str, passphrase: str, where: str) -> bytes:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as pipe:
            with os.fdopen(writer, "wb") as file:
                file.write(passphrase.encode() + b"\n")
            words = ["--passphrase-fd", str(pipe.fileno()), "--local-user", fingerprint, "--digest-algo", "SHA512"]
            words += ["--no-emit-version", "--armor", "--detach-sign", "--output", "-", "-"]
            done = self.gpg(words, message, [pipe.fileno()])
        lines = [line.split()[1:] for line in done.errors.splitlines() if line.startswith("[GNUPG:] ")]
        status = [line[0] for line in lines if line]
        if "SIG_CREATED" in status and done.code == 0:
            openpgp.read(done.stdout, "gpg's signature")
            return done.stdout
        codes = [int(line[-1]) & 0xFFFF for line in lines if line[0] == "FAILURE" and line[-1].isdecimal()]
        if any(word in status for word in _LOCKED) or any(code in _LOCKED_CODES for code in codes):
            raise PassphraseWrong(
                f"{where} is protected, and the passphrase is missing or wrong",
                advice=["set GOFERRY_SIGNING_PASSPHRASE, or give --passphrase-file"],
            )
        if "INV_SGNR" in status or "KEYEXPIRED" in status:
            raise KeyUnusable(f"{where} has no key that may sign now", advice=["see its state:  gpg --show-keys FILE"])
        raise SigningFailed("gpg did not sign: " + done.errors.strip()[-500:])


@contextlib.contextmanager
def _home(settings: Settings, data: bytes, where: str) -> Iterator[_Home]:
    path = tempfile.mkdtemp(prefix="gf-", dir="/tmp" if Path("/tmp").is_dir() else None)  # noqa: S108  0700, and short
    home = _Home(path, settings)
    try:
        imported = home.gpg(["--import"], data)
        if "IMPORT_OK" not in imported.errors:
            raise KeyUnusable(f"{where} is not an OpenPGP secret key", advice=["make one:  goferry keygen --out KEYS"])
        yield home
    finally:
        with contextlib.suppress(Exception):
            run(["gpgconf", "--kill", "all"], environ=home.environ, timeout=10)
        shutil.rmtree(path, ignore_errors=True)
