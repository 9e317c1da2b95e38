"""An OpenPGP secret key before a tool is asked to sign with it: why it could not, in words that name the reason.

gpg and pysequoia say the same of a key that has expired, of one for encryption and of a public one. What they would do
is foreseen here from the packets (RFC 4880 and RFC 9580, section 5.5.3) and from what the key says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from goferry.kernel import certificate, packets
from goferry.kernel.certificate import Certificate, KeyStatus
from goferry.kernel.packets import FormError
from goferry.kernel.times import format_time
from goferry.system import keytext
from goferry.trust.errors import KeyUnusable

SECRET = "PGP PRIVATE KEY BLOCK"  # noqa: S105  the label of its armor
_PUBLIC_OF = {packets.SECRET_KEY: packets.PUBLIC_KEY, packets.SECRET_SUBKEY: packets.PUBLIC_SUBKEY}
_MPIS = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4}
"""How many numbers an algorithm's public part has (RFC 4880, section 5.5.2)."""
_CURVED = {18: 1, 19: 0, 22: 0}
"""Algorithms of a curve's name and a point, and how many more fields with a length follow."""
_FIXED = {25: 32, 26: 56, 27: 32, 28: 57}
"""Bytes of the public part (RFC 9580, section 5.5.5)."""
_GNU = b"GNU"
_SECRET_HEADS = {bytes([0x80 | packets.SECRET_KEY << 2 | size]) for size in range(3)} | {
    bytes([0xC0 | packets.SECRET_KEY])
}
"""How a binary secret key begins, in the old form of packets and in the new one (RFC 9580, section 4.2)."""


ANOTHER = ("export it again:  gpg --armor --export-secret-keys KEY", "make one for trying:  goferry keygen --out KEYS")
ANOTHER_KIND = ("make one of another kind:  gpg --quick-gen-key NAME ed25519 sign", ANOTHER[1])
_WEAK = "is DSA, short RSA, or of a curve that is not known: no host takes what it signs"
_KINDS = {
    "PGP PUBLIC KEY BLOCK": "is a public key; signing needs the secret one",
    "PGP MESSAGE": "is an OpenPGP message and no key",
    "PGP SIGNATURE": "is an OpenPGP signature and no key",
    "OPENSSH PRIVATE KEY": "is an ssh key; a release is signed with an OpenPGP key",
}


_SEVERAL = "holds several keys; a release is signed with one"


class KeyPart(Enum):
    """How the secret part of a key is there."""

    OPEN = "open"
    LOCKED = "locked"
    CARD = "card"
    ABSENT = "absent"


@dataclass(frozen=True)
class OpenpgpSecretKey:
    """A secret key: its packets, its public part, and how each key's secret part is there, by fingerprint."""

    binary: bytes
    public: Certificate
    parts: dict[str, KeyPart]

    @property
    def locked(self) -> bool:
        """Whether a passphrase protects it."""
        return KeyPart.LOCKED in self.parts.values()


def usable(data: bytes, where: str, now: int) -> OpenpgpSecretKey:
    """Read a secret key, armored, binary, or either as base64, that can sign at `now` (seconds since the epoch).

    Raises:
        KeyUnusable: it is not such a key, and the message says why.
    """
    binary = _binary(keytext.unwrapped(data), where)
    try:
        if sum(kind == packets.SECRET_KEY for kind, _ in packets.split(binary)) > 1:
            raise KeyUnusable(f"{where} {_SEVERAL}", advice=ANOTHER)
        _in_version(binary, where)
        key = _read(binary)
    except FormError as error:
        raise KeyUnusable(f"{where} is damaged, or no OpenPGP secret key: {error}", advice=ANOTHER) from None
    _judge(key, where, now)
    return key


def _binary(data: bytes, where: str) -> bytes:
    """Return the packets of an armored or binary key."""
    labels = keytext.labels(data)
    label = SECRET if SECRET in labels else next(iter(labels), "")  # tools put a public block before the secret one
    wrong = keytext.flaw(data) or _KINDS.get(label, "")
    if labels.count(SECRET) > 1:
        wrong = _SEVERAL
    if data.startswith(b"untrusted comment:"):
        wrong = "is a minisign key, and an OpenPGP key belongs there"
    if wrong:
        raise KeyUnusable(f"{where} {wrong}", advice=ANOTHER)
    if not label:
        binary = keytext.decoded(data) or data
        if binary[:1] in _SECRET_HEADS:
            return binary
        raise KeyUnusable(f"{where} is not an OpenPGP secret key", advice=ANOTHER)
    head, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    lines = [line.strip() for line in data.partition(head)[2].partition(end)[0].splitlines()][1:]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else lines  # headers vary from tool to tool and say nothing
    try:
        return packets.dearmor(b"\n".join([head, b"", *filter(None, body), end, b""]), SECRET)
    except FormError as error:
        raise KeyUnusable(f"{where} is damaged: {error}", advice=ANOTHER) from None


def _in_version(binary: bytes, where: str) -> None:
    """Demand version 4; GnuPG makes version 5 for Ed448, and others version 6 (RFC 9580)."""
    for kind, body in packets.split(binary):
        if kind in _PUBLIC_OF and body[:1] not in {b"", b"\x04"}:
            raise KeyUnusable(
                f"{where} is an OpenPGP key of version {body[0]}, and hosts read version 4", advice=ANOTHER_KIND
            )


def _read(binary: bytes) -> OpenpgpSecretKey:
    public: list[bytes] = []
    parts: dict[bytes, KeyPart] = {}
    for kind, body in packets.split(binary):
        shown = body
        if kind in _PUBLIC_OF:
            shown, part = _divided(body)
            parts[shown] = part
        elif kind in _PUBLIC_OF.values():
            parts[body] = KeyPart.ABSENT
        public.append(packets.encode(_PUBLIC_OF.get(kind, kind), shown))
    found = certificate.read(packets.armor(b"".join(public), certificate.KIND))
    keys = (found.primary, *found.subkeys)
    return OpenpgpSecretKey(binary, found, {key.fingerprint: parts[key.body] for key in keys})


def _divided(body: bytes) -> tuple[bytes, KeyPart]:
    """Return a secret key packet's public part, and how the secret one is there."""
    packets.take(body, 0, 6)
    end = _public_length(body)
    usage = packets.take(body, end, 1)[0]
    if usage in {254, 255} and body[end + 2 : end + 3] == b"\x65" and body[end + 4 : end + 7] == _GNU:
        on_card = body[end + 7 : end + 8] == b"\x02"
        return body[:end], KeyPart.CARD if on_card else KeyPart.ABSENT  # GnuPG's own (its doc/DETAILS)
    return body[:end], KeyPart.LOCKED if usage else KeyPart.OPEN


def _public_length(body: bytes) -> int:
    algorithm, at = body[5], 6
    if algorithm in _FIXED:
        return at + _FIXED[algorithm]
    if algorithm in _CURVED:
        at += 1 + packets.take(body, at, 1)[0]
    elif algorithm not in _MPIS:
        raise FormError(f"its algorithm {algorithm} is not known")
    for _ in range(_MPIS.get(algorithm, 1)):
        at += 2 + (int.from_bytes(packets.take(body, at, 2), "big") + 7) // 8
    for _ in range(_CURVED.get(algorithm, 0)):
        at += 1 + packets.take(body, at, 1)[0]
    return at


def _judge(key: OpenpgpSecretKey, where: str, now: int) -> None:
    """Raise what keeps the key from signing; nothing here says that it signs well."""
    public = key.public
    if set(key.parts.values()) <= {KeyPart.ABSENT, KeyPart.CARD}:
        if KeyPart.CARD in key.parts.values():
            raise _on_card(key, where)
        raise KeyUnusable(f"{where} holds public keys alone; signing needs the secret ones", advice=ANOTHER)
    if public.primary.revoked:
        raise KeyUnusable(f"{where} is revoked", advice=("sign with the key that replaces it",))
    _in_time(public.key_status(public.primary), where, now)
    if public.primary.weak:
        raise KeyUnusable(f"{where} {_WEAK}", advice=ANOTHER_KIND)
    statuses = {each: public.key_status(each) for each in (public.primary, *public.subkeys)}
    signing = {each: status for each, status in statuses.items() if status.signs and status.bound is not False}
    if any(status.weak_digest for status in statuses.values()) and not signing:
        raise KeyUnusable(
            f"{where} certifies itself with SHA-1 or MD5, which no host takes",
            advice=(
                f"renew it:  gpg --cert-digest-algo SHA512 --quick-set-expire {public.primary.fingerprint} 2y",
                ANOTHER[0],
            ),
        )
    if not signing:
        raise KeyUnusable(
            f"{where} holds no key for signing, only such for certifying or encrypting",
            advice=(f"add one:  gpg --quick-add-key {public.primary.fingerprint} ed25519 sign", ANOTHER[0]),
        )
    standing_keys = [each for each in signing if not each.revoked]
    if not standing_keys:
        raise KeyUnusable(f"{where}: its key for signing is revoked", advice=ANOTHER)
    alive = [each for each in standing_keys if not _over(signing[each], now)]
    if not alive:
        _in_time(max((signing[each] for each in standing_keys), key=lambda found: found.expires or 0), where, now)
    if all(each.weak for each in alive):
        raise KeyUnusable(f"{where} {_WEAK}", advice=ANOTHER_KIND)
    there = {key.parts[each.fingerprint] for each in alive}
    if there <= {KeyPart.ABSENT, KeyPart.CARD}:
        if KeyPart.CARD in there:
            raise _on_card(key, where)
        raise KeyUnusable(
            f"{where} lacks the secret part of its key for signing: it was left out of the export", advice=ANOTHER
        )


def _on_card(key: OpenpgpSecretKey, where: str) -> KeyUnusable:
    return KeyUnusable(
        f"{where} has its key for signing on a card, which no job has; the file only names it",
        advice=(
            f"add a key that lies in a file:  gpg --quick-add-key {key.public.primary.fingerprint} ed25519 sign",
            ANOTHER[0],
        ),
    )


def _over(status: KeyStatus, now: int) -> bool:
    return status.expires is not None and status.expires <= now


def _in_time(status: KeyStatus, where: str, now: int) -> None:
    if status.expires is not None and status.expires <= now:
        raise KeyUnusable(
            f"{where} expired at {format_time(status.expires)}",
            advice=(
                "extend it and put it into the trust file again:  gpg --quick-set-expire FINGERPRINT 2y",
                ANOTHER[0],
            ),
        )
