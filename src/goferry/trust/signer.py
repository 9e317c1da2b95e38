"""A key that can sign, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from goferry.kernel.manifest import SIGNATURES
from goferry.kernel.trustfile import TrustFile, TrustKey


@dataclass(frozen=True)
class SigningKey:
    """A secret key, ready to sign.

    Attributes:
        format: `openpgp` or `minisign`. id: as in the trust file. public: the public part as in the trust file.
        sign: (message, seconds since the epoch) → the signature file's bytes. OpenPGP tools date by their own clock.
    """

    format: str
    id: str
    public: str
    sign: Callable[[bytes, int], bytes] = field(repr=False)

    @property
    def file(self) -> str:
        """The signature file's name."""
        return SIGNATURES[self.format]

    def as_trust_key(self, scope: tuple[str, ...] = ("*",)) -> TrustKey:
        """Return the entry of a trust file that accepts what this key signs."""
        return TrustKey(self.id, self.format, self.public, "release", scope)


def clean_trust(signers: list[SigningKey]) -> TrustFile:
    """Return a trust file that accepts these keys only and demands all of them."""
    return TrustFile(tuple(signer.as_trust_key() for signer in signers), len(signers))
