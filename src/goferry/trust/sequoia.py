"""OpenPGP by pysequoia: signing without gnupg on the machine."""

from __future__ import annotations

from typing import Any

from goferry.kernel.certificate import KIND
from goferry.kernel.packets import armor
from goferry.trust.errors import KeyUnusable, PassphraseWrong
from goferry.trust.signer import Signer


def load(data: bytes, passphrase: str, where: str) -> Signer:
    """Read an armored secret key (also a subkey-only export) as a signer.

    Raises:
        KeyUnusable: when it is not one, or holds no key that may sign now. PassphraseWrong: when it stays locked.
    """
    import pysequoia

    try:
        secret = pysequoia.Tsk.from_bytes(data)
        public = secret.extract_certificate()
    except Exception as error:  # noqa: BLE001  the library raises many kinds, and each means the same here
        raise KeyUnusable(
            f"{where} is not an OpenPGP secret key: {error}", advice=["make one:  goferry keygen --out KEYS"]
        ) from None
    if public.is_revoked:
        raise KeyUnusable(f"{where} is revoked")
    key, problem = _unlocked(secret, passphrase)
    if problem and passphrase:
        # A wrong passphrase turns the key into noise, and what is said of noise varies; without one it is clear.
        _, problem = _unlocked(secret, "")
    if key is None:
        raise _why(problem, where)

    def sign(message: bytes, _now: int) -> bytes:
        result: bytes = pysequoia.sign(key, message, mode=pysequoia.SignatureMode.DETACHED)
        return result

    return Signer("openpgp", public.fingerprint.upper(), armored(bytes(public)), sign)


def _unlocked(secret: Any, passphrase: str) -> tuple[Any, str]:
    """Return the signer that the passphrase opens and an empty text, or None and the library's complaint."""
    import pysequoia

    try:
        key = secret.signer(passphrase or None)
        pysequoia.sign(key, b"", mode=pysequoia.SignatureMode.DETACHED)
    except Exception as error:  # noqa: BLE001  the library raises many kinds
        return None, str(error) or type(error).__name__
    return key, ""


def _why(text: str, where: str) -> KeyUnusable | PassphraseWrong:
    lowered = text.lower()
    if any(word in lowered for word in ("password", "encrypted", "decrypt", "passphrase", "unlock", "checksum")):
        return PassphraseWrong(
            f"{where} is protected, and the passphrase is missing or wrong",
            advice=["set GOFERRY_SIGNING_PASSPHRASE, or give --passphrase-file"],
        )
    return KeyUnusable(f"{where} cannot sign: {text}", advice=["see its state:  gpg --show-keys FILE"])


def armored(binary: bytes) -> str:
    """Return a binary certificate as armored text without a comment."""
    return armor(binary, KIND).decode("ascii")


def generate(user_id: str) -> tuple[bytes, str]:
    """Make a key without a passphrase: the armored secret key, and its certificate armored."""
    import pysequoia

    secret = pysequoia.Tsk.generate(user_id)
    return str(secret).encode("ascii"), armored(bytes(secret.extract_certificate()))
