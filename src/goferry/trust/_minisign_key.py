"""minisign secret keys: read (plain, or encrypted with scrypt), written, and used to sign.

The file's second line is base64 of (minisign's source, `SeckeyStruct`):

    "Ed" || "Sc" or 00 00 || "B2" || salt 32 || opslimit 8 LE || memlimit 8 LE || [key id 8 || secret 64 || checksum 32]

The checksum is BLAKE2b-256("Ed" || key id || secret); minisign writes zeros there when it does not encrypt. With "Sc",
the bracket is XORed with scrypt's output; libsodium derives N and p from the two limits. What would take more memory
than minisign's own default (1 GiB) is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from goferry.kernel import minisign
from goferry.kernel.times import format_time
from goferry.system import keytext
from goferry.trust.errors import PASSPHRASE, KeyUnusable, passphrase_wrong
from goferry.trust.signer import SigningKey

_LENGTH = 158
_MAX_MEMORY = 1 << 30
_MAX_OPERATIONS = 1 << 25
_R = 8


@dataclass(frozen=True)
class MinisignSecretKey:
    """A secret key: the id's 8 bytes as in the file, the seed's 32 and the public key's 32."""

    key_id: bytes
    seed: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls) -> MinisignSecretKey:
        """Make a new key."""
        import secrets

        return cls.from_seed(secrets.token_bytes(8), secrets.token_bytes(32))

    @classmethod
    def from_seed(cls, key_id: bytes, seed: bytes) -> MinisignSecretKey:
        """Derive the public key (RFC 8032, section 5.1.5)."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(key_id, seed, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())

    @property
    def public_line(self) -> str:
        """The public key's base64 line, `RW…`."""
        return base64.b64encode(b"Ed" + self.key_id + self.public).decode("ascii")

    @property
    def name(self) -> str:
        """The id as minisign prints it."""
        return minisign.key_id(self.key_id)

    def to_bytes(self) -> bytes:
        """Return the secret key's file, unencrypted, as `minisign -G -W` writes it."""
        secret = self.key_id + self.seed + self.public
        raw = b"Ed\0\0B2" + bytes(48) + secret + _checksum(secret)
        return b"untrusted comment: minisign encrypted secret key\n" + base64.b64encode(raw) + b"\n"

    def public_file(self) -> bytes:
        """Return the public key's file."""
        number = self.name.lstrip("0") or "0"  # minisign writes the id as a number
        return f"untrusted comment: minisign public key {number}\n{self.public_line}\n".encode("ascii")

    def sign(self, message: bytes, now: int) -> bytes:
        """Return the signature file over `message`, prehashed, dated `now` (seconds since the epoch)."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        signature = key.sign(hashlib.blake2b(message).digest())
        comment = f"timestamp:{now}\tfile:SHA256SUMS\ttime:{format_time(now)}".encode("ascii")
        lines = [
            b"untrusted comment: signature from goferry, key " + self.name.encode("ascii"),
            base64.b64encode(b"ED" + self.key_id + signature),
            b"trusted comment: " + comment,
            base64.b64encode(key.sign(signature + comment)),
        ]
        return b"\n".join(lines) + b"\n"

    def signer(self) -> SigningKey:
        """Return the key as a signer."""
        return SigningKey("minisign", self.name, self.public_line, self.sign)


ANOTHER = ("make one:  minisign -G -p minisign.pub -s minisign.key", "or for trying:  goferry keygen --out KEYS")


def read(data: bytes, passphrase: str, where: str, *, called: str = PASSPHRASE) -> MinisignSecretKey:
    """Read a secret key's file, or base64 of it; `called` is where the passphrase comes from.

    Raises:
        KeyUnusable: when it is not one. PassphraseWrong: when it is encrypted and the passphrase does not open it.
    """
    raw = _decode(keytext.unwrapped(data), where)
    if raw[2:4] == b"Sc":
        if not passphrase:
            raise passphrase_wrong(where, "")
        raw = raw[:54] + _decrypt(raw[54:], raw[6:38], raw[38:46], raw[46:54], passphrase, where=where)
    elif raw[2:4] != b"\0\0":
        raise KeyUnusable(f"{where} is protected in a way that minisign does not have", advice=ANOTHER)
    secret, checksum = raw[54:126], raw[126:]
    plain_without_one = raw[2:4] != b"Sc" and not any(checksum)
    if checksum != _checksum(secret) and not plain_without_one:
        if raw[2:4] == b"Sc":
            raise passphrase_wrong(where, called)
        raise KeyUnusable(f"{where} is damaged: its checksum is wrong", advice=ANOTHER)
    key = MinisignSecretKey.from_seed(secret[:8], secret[8:40])
    if key.public != secret[40:]:
        raise KeyUnusable(f"{where} is damaged: its two halves do not belong together", advice=ANOTHER)
    return key


def _decode(data: bytes, where: str) -> bytes:
    label = keytext.label(data)
    if label:
        raise KeyUnusable(f"{where} holds a {label}, and a minisign key belongs there", advice=ANOTHER)
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    if not lines:
        raise KeyUnusable(f"{where} is empty", advice=ANOTHER)
    if len(lines) == 1 and lines[0].startswith(b"untrusted comment:"):
        raise KeyUnusable(f"{where} has lost its second line, or the line end before it", advice=ANOTHER)
    try:
        raw = base64.b64decode(lines[-1] if len(lines) < 3 else b"", validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) == 42:
        raise KeyUnusable(f"{where} is a public key", advice=["give the secret one, usually minisign.key"])
    if len(raw) != _LENGTH or raw[:2] != b"Ed" or raw[4:6] != b"B2":
        raise KeyUnusable(f"{where} is not a minisign secret key", advice=ANOTHER)
    return raw


def _decrypt(box: bytes, salt: bytes, operations: bytes, memory: bytes, passphrase: str, *, where: str) -> bytes:
    n, p = _parameters(int.from_bytes(operations, "little"), int.from_bytes(memory, "little"), where)
    stream = hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=_R, p=p, maxmem=2**31 - 1, dklen=len(box))
    return bytes(one ^ two for one, two in zip(box, stream, strict=True))


def _parameters(operations: int, memory: int, where: str) -> tuple[int, int]:
    """Libsodium's `pickparams` (crypto_pwhash_scryptsalsa208sha256)."""
    if operations > _MAX_OPERATIONS or memory > _MAX_MEMORY:
        raise KeyUnusable(
            f"{where} demands more than 1 GiB to open", advice=["protect it again with minisign's default"]
        )
    operations = max(operations, 32768)
    limit = operations // (_R * 4) if operations < memory // 32 else memory // (_R * 128)
    log = 1
    while log < 63 and (1 << log) <= limit // 2:
        log += 1
    p = 1 if operations < memory // 32 else max(1, min(operations // 4 // (1 << log), 0x3FFFFFFF) // _R)
    return 1 << log, p


def _checksum(secret: bytes) -> bytes:
    return hashlib.blake2b(b"Ed" + secret, digest_size=32).digest()
