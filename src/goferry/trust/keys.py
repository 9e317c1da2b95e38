"""Signing keys in files: read for sealing, and made for trying."""

from __future__ import annotations

import os
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import certificate
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.system.openpgp import sequoia_available
from goferry.trust import gnupg, minisign_key, sequoia
from goferry.trust.errors import KeysExist, KeyUnusable
from goferry.trust.minisign_key import SecretKey
from goferry.trust.signer import Signer

PASSPHRASE = "GOFERRY_SIGNING_PASSPHRASE"  # noqa: S105  the variable's name
MAX_BYTES = 1 << 20
USER_ID = "Goferry release key"
FILES = ("openpgp.asc", "openpgp.pub.asc", "minisign.key", "minisign.pub", "goferry.trust")


def load_signers(
    *, openpgp_key: Path | None, minisign_key_file: Path | None, passphrase_file: Path | None, settings: Settings
) -> list[Signer]:
    """Read the given secret keys.

    Raises:
        KeyUnusable: when none is given, or one is not a secret key that can sign.
        PassphraseWrong: when one stays locked.
    """
    secret = passphrase(settings, passphrase_file)
    signers: list[Signer] = []
    if openpgp_key is not None:
        data, where = _read(openpgp_key), str(openpgp_key)
        if sequoia_available():
            signers.append(sequoia.load(data, secret, where))
        else:
            signers.append(gnupg.load(data, secret, where, settings))
    if minisign_key_file is not None:
        key = minisign_key.read(_read(minisign_key_file), secret, str(minisign_key_file))
        signers.append(key.signer())
    if not signers:
        raise KeyUnusable(
            "no signing key was given", advice=["give one:  --openpgp-key FILE", "make one:  goferry keygen --out KEYS"]
        )
    return signers


def passphrase(settings: Settings, file: Path | None) -> str:
    """Return the first line of `file`, else the variable's value, else an empty text."""
    if file is not None:
        return _read(file).split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "replace")
    return settings.environ.get(PASSPHRASE, "")


def refuse_occupied(folder: Path) -> None:
    """Raise KeysExist when one of the files that `generate` writes is there already."""
    for name in FILES:
        if os.path.lexists(folder / name):
            raise KeysExist(
                f"{folder / name} is there already",
                state="Nothing was written.",
                advice=["name another folder:  goferry keygen --out OTHER"],
            )


def generate(folder: Path) -> TrustFile:
    """Make an OpenPGP and a minisign key and the trust file for both, threshold 1; return the latter.

    Raises:
        KeysExist: when one of the files is there already; nothing was written then.
        KeyUnusable: when the OpenPGP library is not installed.
    """
    refuse_occupied(folder)
    if not sequoia_available():
        raise KeyUnusable(
            "making an OpenPGP key needs pysequoia",
            advice=["install requirements/release.txt, or use gpg --quick-gen-key"],
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret, public = sequoia.generate(USER_ID)
    minisign_secret = SecretKey.generate()
    trust = TrustFile(
        (
            TrustKey(certificate.read(public.encode("ascii")).primary.fingerprint, "openpgp", public),
            TrustKey(minisign_secret.name, "minisign", minisign_secret.public_line),
        )
    )
    contents = (
        secret,
        public.encode("ascii"),
        minisign_secret.to_bytes(),
        minisign_secret.public_file(),
        trust.to_bytes(),
    )
    for name, data in zip(FILES, contents, strict=True):
        _write_new(folder / name, data)
    return trust


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyUnusable(
            f"cannot read {path}: {error.strerror}",
            advice=[
                "name a file that can be read: --openpgp-key or --minisign-key FILE",
                "make keys:  goferry keygen --out KEYS",
            ],
        ) from None
    if len(data) > MAX_BYTES:
        raise KeyUnusable(f"{path} is larger than {MAX_BYTES} bytes")
    return data
