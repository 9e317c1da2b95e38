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

    Usual causes: a public key where the secret one belongs; a key that has expired, is revoked, or is for encryption
    alone; a text that lost its line ends or its last lines when it was copied. The message says which.
    """

    name = "key-unusable"


class PassphraseWrong(Misuse):
    """The secret key is protected, and the passphrase is missing or wrong.

    Goferry reads it from GOFERRY_SIGNING_PASSPHRASE or `--passphrase-file`, never from the command line itself.
    """

    name = "passphrase-wrong"


def passphrase_wrong(where: str, called: str) -> PassphraseWrong:
    """Return the error of a protected key; `called` is where the passphrase came from, empty when none was given."""
    why = f"the passphrase in {called} does not open it" if called else "no passphrase was given"
    return PassphraseWrong(f"{where} is protected, and {why}", advice=GIVE_PASSPHRASE)


class KeysExist(Misuse):
    """The folder already holds keys, and they are never overwritten.

    Keys were made there before. Whoever trusts them would no longer accept what new ones sign.
    """

    name = "keys-exist"


class KeysExposed(Misuse):
    """Keys would lie where git takes them for source, so none were made.

    Usual causes: `--out` names the repository itself or a folder of it whose files are committed, or one whose
    .gitignore lets the keys through. A new folder gets a .gitignore of its own.
    """

    name = "keys-exposed"


class SigningFailed(Failed):
    """The signing tool failed.

    With gpg it usually is a missing agent, or a folder that it may not write.
    """

    name = "signing-failed"


class LedgerDisagrees(Refused):
    """The folder does not hold exactly what its ledger says, so it is not sealed.

    A file was added, changed or removed after the build. Signing it would vouch for bytes that nobody built.
    """

    name = "ledger-disagrees"


class FormatsMissing(Misuse):
    """A signature format that the release must carry has no key here, or the sealed release does not carry this format.

    goferry.yml's `sign.formats` demands more formats than keys were given; or a sealed folder is signed again with a
    format that its manifest does not name.
    """

    name = "formats-missing"


class SequenceSealed(Refused):
    """The folder is sealed already, with another sequence than the one that was asked for.

    Signing again keeps list and manifest, and the sequence is in the manifest. Build into an empty folder to seal anew.
    """

    name = "sequence-sealed"
