"""OpenPGP by pysequoia: signing without gnupg on the machine."""

from __future__ import annotations

import time
from typing import Any

from goferry.kernel.certificate import KIND
from goferry.kernel.packets import armor
from goferry.trust import _openpgp_key as openpgp_key
from goferry.trust.errors import PASSPHRASE, KeyUnusable, SigningFailed, passphrase_wrong
from goferry.trust.signer import SigningKey


def load(data: bytes, passphrase: str, where: str, *, called: str = PASSPHRASE) -> SigningKey:
    """Read a secret key (also a subkey-only export) as a signer; `called` is where the passphrase comes from.

    Raises:
        KeyUnusable: when it is not one, or holds no key that may sign now. PassphraseWrong: when it stays locked.
    """
    import pysequoia

    found = openpgp_key.usable(data, where, int(time.time()))
    try:
        secret = pysequoia.Tsk.from_bytes(found.binary)
        public = secret.extract_certificate()
    except Exception as error:  # noqa: BLE001  the library raises many kinds, and each means the same here
        raise KeyUnusable(f"{where} can't be read: {complaint(error)}", advice=openpgp_key.ANOTHER) from None
    key, problem = _unlocked(secret, "")  # one that nothing protects opens with no passphrase, whatever one is given
    if key is None and passphrase:
        key, _ = _unlocked(secret, passphrase)
    if key is None and found.locked:
        raise passphrase_wrong(where, called if passphrase else "")
    if key is None:
        raise KeyUnusable(f"{where} can't sign: {problem}", advice=openpgp_key.ANOTHER)

    def sign(message: bytes, _now: int) -> bytes:
        try:
            result: bytes = pysequoia.sign(key, message, mode=pysequoia.SignatureMode.DETACHED)
        except Exception as error:  # noqa: BLE001  see above
            raise SigningFailed(f"{where} did not sign: {complaint(error)}", state="Nothing was signed.") from None
        return result

    return SigningKey("openpgp", public.fingerprint.upper(), armored(bytes(public)), sign)


def complaint(error: Exception) -> str:
    """Return what the library says of an error, without the stack that RUST_BACKTRACE adds to it."""
    return str(error).partition("\n\nStack backtrace:")[0].strip() or type(error).__name__


def _unlocked(secret: Any, passphrase: str) -> tuple[Any, str]:
    """Return the signer that the passphrase opens and an empty text, or None and the library's complaint."""
    import pysequoia

    try:
        key = secret.signer(passphrase or None)
        pysequoia.sign(key, b"", mode=pysequoia.SignatureMode.DETACHED)
    except Exception as error:  # noqa: BLE001  the library raises many kinds
        return None, complaint(error)
    return key, ""


def armored(binary: bytes) -> str:
    """Return a binary certificate as armored text without a comment."""
    return armor(binary, KIND).decode("ascii")


def generate(user_id: str) -> tuple[bytes, str]:
    """Make a key without a passphrase: the armored secret key, and its certificate armored."""
    import pysequoia

    secret = pysequoia.Tsk.generate(user_id)
    return str(secret).encode("ascii"), armored(bytes(secret.extract_certificate()))
