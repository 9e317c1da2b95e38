"""Signing keys in files: read for sealing, and made for trying."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import certificate
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.system import keytext
from goferry.system.openpgp_verifiers import sequoia_available
from goferry.system.process import Completed, ToolMissing, run
from goferry.trust import _gnupg as gnupg, _minisign_key as minisign_key, _sequoia as sequoia
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.errors import PASSPHRASE, KeysExist, KeysExposed, KeyUnusable
from goferry.trust.signer import SigningKey

MAX_BYTES = 1 << 20
USER_ID = "Goferry release key"
FILES = ("openpgp.asc", "openpgp.pub.asc", "minisign.key", "minisign.pub", "goferry.trust")
CACHE_FILES = ("cache.key", "goferry.cache.trust")


@dataclass(frozen=True)
class Secret:
    """A key or passphrase that lies in no file: what a person calls it, and its bytes."""

    name: str
    data: bytes = field(repr=False)


def load_signers(
    *,
    openpgp_key: Path | Secret | None,
    minisign_key_file: Path | Secret | None,
    passphrase_file: Path | Secret | None,
    settings: Settings,
) -> list[SigningKey]:
    """Read the given secret keys; messages call a file by its path and a secret by its name.

    Raises:
        KeyUnusable: when none is given, or one is not a secret key that can sign.
        PassphraseWrong: when one stays locked.
    """
    secret = passphrase(settings, passphrase_file)
    called = PASSPHRASE if passphrase_file is None else _name(passphrase_file)
    signers: list[SigningKey] = []
    if openpgp_key is not None:
        signers.append(_openpgp(_read(openpgp_key), secret, _name(openpgp_key), settings, called))
    if minisign_key_file is not None:
        where = _name(minisign_key_file)
        signers.append(minisign_key.read(_read(minisign_key_file), secret, where, called=called).signer())
    if not signers:
        raise KeyUnusable(
            "no signing key was given", advice=["give one:  --openpgp-key FILE", "make one:  goferry keygen --out KEYS"]
        )
    return signers


def load_signer(key: Path | Secret, *, settings: Settings) -> SigningKey:
    """Read a secret key of either format, which its text shows.

    Raises:
        KeyUnusable, PassphraseWrong: as `load_signers`.
    """
    data, where, secret = _read(key), _name(key), passphrase(settings, None)
    if keytext.label(keytext.unwrapped(data)):
        return _openpgp(data, secret, where, settings, PASSPHRASE)
    return minisign_key.read(data, secret, where).signer()


def _openpgp(data: bytes, secret: str, where: str, settings: Settings, called: str) -> SigningKey:
    if sequoia_available():
        return sequoia.load(data, secret, where, called=called)
    return gnupg.load(data, secret, where, settings, called=called)


def passphrase(settings: Settings, source: Path | Secret | None) -> str:
    """Return the first line of `source`, else of the variable, else an empty text.

    The line's end belongs to no passphrase: files and secrets that were piped in have one.
    """
    data = keytext.plain(os.fsencode(settings.environ.get(PASSPHRASE, "")) if source is None else _read(source))
    return data.lstrip(b"\r\n").splitlines()[0].decode("utf-8", "replace") if data.strip(b"\r\n") else ""


def _name(source: Path | Secret) -> str:
    return source.name if isinstance(source, Secret) else str(source)


def refuse_occupied(folder: Path, files: tuple[str, ...] = FILES) -> None:
    """Raise KeysExist when one of the files that are to be written is there already."""
    for name in files:
        if os.path.lexists(folder / name):
            raise KeysExist(
                f"{folder / name} is there already",
                state="Nothing was written.",
                advice=["sign with the key that is there, or name another folder:  goferry keygen --out OTHER"],
            )


def refuse_exposed(folder: Path, settings: Settings, files: tuple[str, ...] = FILES) -> None:
    """Refuse a folder whose keys the next `git add .` would take; where git can't be asked there is nothing to add to.

    Raises:
        KeysExposed: it is a work tree itself, holds tracked files, or has a .gitignore that lets the keys through.
    """
    real = folder.resolve()  # git looks behind no link
    where = next(path for path in (real, *real.parents) if path.is_dir())

    def git(*words: str) -> Completed | None:
        with contextlib.suppress(ToolMissing):
            return run(
                ["git", "-C", where, *words],
                environ={**settings.environ, "LC_ALL": "C"},
                timeout=30,
            )
        return None

    tracked = git("--literal-pathspecs", "ls-files", "-z", "--", str(real))
    if tracked is None or tracked.code:
        return
    found = tracked.text.split("\0")[0]
    why = f"{folder} holds files that git tracks: {found}" if found else ""
    if (folder / ".git").exists():
        why = f"{folder} is a repository itself"
    elif not why and os.path.lexists(folder / ".gitignore"):
        # It takes names, not patterns, and refuses --literal-pathspecs. It ends with 0 or 1; with anything else it
        # could not say, and then nothing is written.
        ignored = git("check-ignore", "--", *(str(real / name) for name in files))
        through = ignored is not None and (ignored.code > 1 or len(ignored.text.splitlines()) < len(files))
        why = f"{folder / '.gitignore'} lets git add the keys" if through else ""
    if why:
        raise KeysExposed(
            why, state="Nothing was written.", advice=["name a folder of its own:  goferry keygen --out KEYS"]
        )


def generate(folder: Path) -> TrustFile:
    """Make an OpenPGP and a minisign key and the trust file for both, threshold 1; return the latter.

    git ignores the folder from then on, but where it has a .gitignore already.

    Raises:
        KeysExist: when one of the files is there already; nothing was written then.
        KeyUnusable: when the OpenPGP library is not installed.
    """
    refuse_occupied(folder)
    if not sequoia_available():
        raise KeyUnusable(
            "making an OpenPGP key needs pysequoia",
            advice=[
                "install it where goferry is installed:  pip install pysequoia",
                "or make the key elsewhere:  gpg --quick-gen-key NAME",
            ],
        )
    _make(folder)
    secret, public = sequoia.generate(USER_ID)
    minisign_secret = MinisignSecretKey.generate()
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


def generate_cache(folder: Path) -> TrustFile:
    """Make a minisign key of role `cache` and its trust file, as `generate` does; return the latter.

    Raises:
        KeysExist: when one of the files is there already; nothing was written then.
    """
    refuse_occupied(folder, CACHE_FILES)
    _make(folder)
    secret = MinisignSecretKey.generate()
    trust = TrustFile((TrustKey(secret.name, "minisign", secret.public_line, "cache"),))
    for name, data in zip(CACHE_FILES, (secret.to_bytes(), trust.to_bytes()), strict=True):
        _write_new(folder / name, data)
    return trust


def _make(folder: Path) -> None:
    """Make the folder, which git ignores from then on, but where it has a .gitignore already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        _write_new(folder / ".gitignore", b"*\n")


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _read(path: Path | Secret) -> bytes:
    if isinstance(path, Secret):
        return path.data
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyUnusable(
            f"cannot read {path}: {error.strerror}",
            advice=[
                "name files that can be read:  --openpgp-key FILE --minisign-key FILE",
                "make keys:  goferry keygen --out KEYS",
            ],
        ) from None
    if len(data) > MAX_BYTES:
        raise KeyUnusable(f"{path} is larger than {MAX_BYTES} bytes")
    return data
