"""Which keys a run signs with: a person's own, or throw-away ones that are made once and said to be so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.artifacts import ownfolder
from goferry.kernel.errors import Misuse
from goferry.observe.events import Stream

if TYPE_CHECKING:
    from goferry.trust.signer import SigningKey


class TrustUnnamed(Misuse):
    """A release is signed with your own key, but no trust file says that this key is trusted.

    Add `--trust FILE` with the trust file that the hosts use.
    """

    name = "trust-unnamed"


@dataclass(frozen=True)
class Keys:
    """Files: the secret keys that sign, and the trust file that must accept them; `throw_away` when made for trying.

    `signers` are keys that were read already, in place of files: no test that runs meanwhile finds them on the disk.
    """

    openpgp: Path | None
    minisign: Path | None
    trust: Path
    throw_away: bool = False
    signers: tuple[SigningKey, ...] = ()


def choose(
    *, folder: Path | None, openpgp: Path | None, minisign: Path | None, trust: Path | None, repository: Path
) -> Keys:
    """Return the keys to sign with: those named, else those of `folder`, else throw-away ones of the repository.

    Raises:
        TrustUnnamed: a key is named and no trust file.
    """
    if openpgp or minisign:
        if trust is None:
            raise TrustUnnamed(
                "a signing key is named and no trust file",
                state="Nothing was built.",
                advice=["name it:  --trust goferry.trust", "or make both:  goferry keygen --out KEYS"],
            )
        return Keys(openpgp, minisign, trust)
    where = folder or repository / ".goferry" / "keys"
    return Keys(
        where / "openpgp.asc", where / "minisign.key", trust or where / "goferry.trust", throw_away=folder is None
    )


def make_once(keys: Keys, stream: Stream) -> None:
    """Make throw-away keys where there are none yet, and say so; keys of a person's own are never made here.

    Raises:
        KeysExist: when only some of the files are there.
    """
    if not keys.throw_away or (keys.openpgp and keys.openpgp.exists() and keys.trust.exists()):
        return
    from goferry.trust import keys as trust_keys

    ownfolder.make(keys.trust.parent.parent)
    with stream.span("keygen") as span:
        trust_keys.generate(keys.trust.parent)
        span.note(f"made throw-away signing keys in {keys.trust.parent}: good for trying, not for releases")
