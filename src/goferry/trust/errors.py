"""What can go wrong when a release is sealed; what a verifier says is in kernel.refusals."""

from __future__ import annotations

from goferry.kernel.errors import Advice, Failed, Misuse, Refused

PASSPHRASE = "GOFERRY_SIGNING_PASSPHRASE"  # noqa: S105  the variable's name


GIVE_PASSPHRASE = (
    Advice(f"set {PASSPHRASE}", step=""),
    Advice(
        "or give a file with it:  --passphrase-file FILE",
        step=f"give the step  env: {{{PASSPHRASE}: '${{{{ secrets.{PASSPHRASE} }}}}'}}",
        caller=f"give the job  secrets: {{{PASSPHRASE}: '${{{{ secrets.{PASSPHRASE} }}}}'}}",
    ),
)


class KeyUnusable(Misuse):
    """A signing key cannot be read or cannot sign.

    Usual causes: a public key in place of the secret one; a key that has expired, was revoked, or is for encryption
    only; a text that lost its line ends or its last lines when it was copied. The message says which.
    """

    name = "key-unusable"


class PassphraseWrong(Misuse):
    """The secret key is protected, and the passphrase is missing or wrong.

    Goferry reads it from GOFERRY_SIGNING_PASSPHRASE or `--passphrase-file`, never from the command line.
    """

    name = "passphrase-wrong"


def passphrase_wrong(where: str, called: str) -> PassphraseWrong:
    """Return the error of a protected key; `called` is where the passphrase came from, empty when none was given."""
    why = f"the passphrase in {called} does not open it" if called else "no passphrase was given"
    return PassphraseWrong(f"{where} is protected, and {why}", advice=GIVE_PASSPHRASE)


class KeysExist(Misuse):
    """The folder already holds keys, and they are never overwritten.

    Whoever trusts the existing keys would not accept what new ones sign.
    """

    name = "keys-exist"


class KeysExposed(Misuse):
    """git would treat the keys as source files in that folder, so none were made.

    Usual causes: `--out` names the repository itself or one of its folders whose files are committed, or a folder whose
    .gitignore does not cover the keys. A new folder gets its own .gitignore.
    """

    name = "keys-exposed"


class SigningFailed(Failed):
    """The signing tool failed.

    Usual causes, with gpg: no agent, or a folder that it can't write to.
    """

    name = "signing-failed"


class LedgerDisagrees(Refused):
    """The folder's content differs from its ledger, so it is not sealed.

    A file was added, changed or removed after the build. Signing it would vouch for bytes that nobody built.
    """

    name = "ledger-disagrees"


class FormatsMissing(Misuse):
    """There is no key for a required signature format, or the sealed release does not have this format.

    Usual causes: goferry.yml's `sign.formats` requires more formats than keys were given; or a sealed folder is signed
    again with a format that its manifest does not name.
    """

    name = "formats-missing"


class SequenceSealed(Refused):
    """The folder is already sealed, with another sequence than the requested one.

    Signing again keeps list and manifest, and the sequence is in the manifest. Build into an empty folder to seal
    again.
    """

    name = "sequence-sealed"
