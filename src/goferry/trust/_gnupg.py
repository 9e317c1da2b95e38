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
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import openpgp
from goferry.system.process import Completed, run
from goferry.trust import _openpgp_key as openpgp_key
from goferry.trust.errors import PASSPHRASE, KeyUnusable, SigningFailed, passphrase_wrong
from goferry.trust.signer import SigningKey

TIMEOUT = 120.0
_LOCKED = ("BAD_PASSPHRASE", "MISSING_PASSPHRASE", "NEED_PASSPHRASE")
_LOCKED_CODES = (11, 177)  # GPG_ERR_BAD_PASSPHRASE, GPG_ERR_NO_PASSPHRASE (libgpg-error, err-codes.h)


def load(data: bytes, passphrase: str, where: str, settings: Settings, *, called: str = PASSPHRASE) -> SigningKey:
    """Read a secret key as a signer; it is imported anew for each signature. `called`: where the passphrase is from.

    Raises:
        KeyUnusable: when it is not one. PassphraseWrong: when it stays locked. ToolMissing: without gpg.
    """
    found = openpgp_key.usable(data, where, int(time.time()))
    primary = found.public.primary.fingerprint
    with _home(settings, found.binary, where) as home:
        public = home.gpg(["--armor", "--no-emit-version", "--export", primary]).stdout

    def sign(message: bytes, _now: int) -> bytes:
        with _home(settings, found.binary, where) as home:
            return home.sign(message, primary, passphrase, where=where, called=called)

    sign(b"", 0)  # a passphrase that does not fit is reported before anything is built
    return SigningKey("openpgp", primary, public.decode("ascii"), sign)


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

    def sign(self, message: bytes, fingerprint: str, passphrase: str, *, where: str, called: str) -> bytes:
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
            raise passphrase_wrong(where, called if passphrase else "")
        if "INV_SGNR" in status or "KEYEXPIRED" in status:
            raise KeyUnusable(f"{where} has no key that may sign now", advice=openpgp_key.ANOTHER)
        raise SigningFailed("gpg did not sign: " + _last_message(done.errors))


@contextlib.contextmanager
def _home(settings: Settings, data: bytes, where: str) -> Iterator[_Home]:
    path = tempfile.mkdtemp(prefix="gf-", dir="/tmp" if Path("/tmp").is_dir() else None)  # noqa: S108  0700, and short
    home = _Home(path, settings)
    try:
        imported = home.gpg(["--import"], data)
        if "IMPORT_OK" not in imported.errors:
            raise KeyUnusable(
                f"gpg does not take {where}: {_last_message(imported.errors)}", advice=openpgp_key.ANOTHER
            )
        yield home
    finally:
        with contextlib.suppress(Exception):
            run(["gpgconf", "--kill", "all"], environ=home.environ, timeout=10)
        shutil.rmtree(path, ignore_errors=True)


def _last_message(errors: str) -> str:
    """Return the last thing that gpg said to a person."""
    messages = [line.removeprefix("gpg: ") for line in errors.splitlines() if line.startswith("gpg: ")]
    return messages[-1][:300] if messages else "it says nothing"
