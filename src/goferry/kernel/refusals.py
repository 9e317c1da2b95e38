"""Every reason for which a release is not accepted: a closed set of named refusals.

A release is a list (`SHA256SUMS`), signatures over it, a manifest (`release.json`) and files, judged in that order,
so the first refusal is the one nearest to the root of trust:

    Refusal
    ├── trust file    trust-file-missing, trust-file-invalid; kernel.trustfile has one for what is another file
    ├── list          list-missing, list-too-large, list-malformed, list-name-unsafe, list-duplicate, list-unsorted
    ├── signature     signature-missing, signature-malformed, signature-not-single, signature-not-detached,
    │                 signature-wrong, signature-expired, signature-in-future, digest-weak, issuer-ambiguous
    ├── key           key-unknown, key-weak, key-role, key-revoked, key-expired, key-not-yet-valid, key-cannot-sign,
    │                 key-out-of-scope, verifier-missing, threshold-unmet
    ├── manifest      manifest-missing, manifest-malformed, lists-disagree, project-mismatch
    ├── files         file-missing, file-unlisted, file-not-regular, file-linked, file-altered, folder-unreadable
    └── order         sequence-lower, sequence-conflict; kernel.sequence has what a host adds when it admits one
"""

from __future__ import annotations

from collections.abc import Sequence

from goferry.kernel.errors import Refused


class Refusal(Refused):
    """The release is not accepted; each reason has a name of its own."""

    def __init__(
        self,
        what: str,
        *,
        state: str = "Nothing was written or executed.",
        advice: Sequence[str] = (),
        **facts: object,
    ) -> None:
        """Say that nothing happened: a refusal always comes first."""
        super().__init__(what, state=state, advice=advice, **facts)


class Unread(Refusal):
    """What was named can't be opened, so nothing was judged: usually a typing error, and exit code 2 like any other."""

    exit_code = 2


class TrustFileMissing(Unread):
    """There is no trust file at the given path, or it cannot be read.

    Usual causes: a mistyped path, or a file that was never copied here. It is never downloaded with the artifacts.
    """

    name = "trust-file-missing"


class TrustFileInvalid(Refusal):
    """The trust file is not valid: broken JSON, an unknown field, or a key whose id does not match its public part.

    Usual causes: an edit by hand.
    """

    name = "trust-file-invalid"


class ListMissing(Refusal):
    """The folder has no `SHA256SUMS`.

    Usual causes: it was never sealed, or the list was not downloaded with the files.
    """

    name = "list-missing"


class ListTooLarge(Refusal):
    """The list is larger than 1 MiB or has more than 10,000 entries.

    No release is that large; somebody may be trying to exhaust the verifier.
    """

    name = "list-too-large"


class ListMalformed(Refusal):
    """A line of the list is not `<64 lower-case hex digits><two spaces><name><newline>`.

    Usual causes: another tool wrote it, or changed it on the way (CR line ends, a byte order mark, upper case).
    """

    name = "list-malformed"


class ListNameUnsafe(Refusal):
    """A name in the list or the manifest is not a plain file name.

    Paths, `.` and `..`, a leading dash or dot, control and bidi characters and names that Windows reserves are refused:
    such a name could write outside the folder or deceive a reader.
    """

    name = "list-name-unsafe"


class ListDuplicate(Refusal):
    """Two entries have the same name, or names that differ only in case or Unicode form.

    On some file systems the two are the same file, so it would be unclear which of them was verified.
    """

    name = "list-duplicate"


class ListUnsorted(Refusal):
    """The list's names are not in byte order.

    Goferry always writes them in that order, so another tool wrote or changed this list.
    """

    name = "list-unsorted"


class SignatureMissing(Refusal):
    """A signature that the release should carry does not exist.

    Usual causes: it was not downloaded with the list, or the folder was sealed without a key of that format.
    """

    name = "signature-missing"


class SignatureMalformed(Refusal):
    """A signature file cannot be parsed: it is empty, cut off, too large, or damaged.

    Usual causes: the download stopped early, or an error page was saved under the signature's name.
    """

    name = "signature-malformed"


class SignatureNotSingle(Refusal):
    """A signature file holds more than one signature, or text before or after it.

    Tools differ in which of several signatures they judge, so exactly one is accepted and nothing around it.
    """

    name = "signature-not-single"


class SignatureNotDetached(Refusal):
    """The signature is an inline, cleartext or text-mode one instead of a detached binary signature.

    An inline signature covers its own content instead of the list. Make one with `gpg --armor --detach-sign`.
    """

    name = "signature-not-detached"


class SignatureWrong(Refusal):
    """The signature does not match the list's bytes.

    Usual causes: the list or the signature was changed after signing, or they belong to different releases.
    """

    name = "signature-wrong"


class SignatureExpired(Refusal):
    """The signature itself has an expiry date, which has passed.

    Usual causes: it was made with gpg's `--default-sig-expire`. Sign again without it.
    """

    name = "signature-expired"


class SignatureInFuture(Refusal):
    """The signature's date is later than this machine's clock, or before its key was made.

    Usual causes: one of the two clocks is wrong.
    """

    name = "signature-in-future"


class DigestWeak(Refusal):
    """The signature, or the key's own certification, uses a digest for which collisions can be made: SHA-1 or MD5.

    Usual causes: an old gpg configuration (`digest-algo`, `personal-digest-preferences`), to be removed before signing
    again; or a key from before 2014, to be renewed with `--cert-digest-algo SHA512` and put into the trust file again.
    """

    name = "digest-weak"


class IssuerAmbiguous(Refusal):
    """The signature does not say unambiguously which key made it.

    Usual causes: somebody changed the unsigned part of the signature, so that it contradicts the signed part; or two
    keys of the trust file share a 16-digit id, and the signature has no fingerprint. Download the release again, or
    sign it again with a current tool.
    """

    name = "issuer-ambiguous"


class KeyUnknown(Refusal):
    """The signature was made by a key that is not in the trust file.

    Usual causes: the release comes from somebody else, or its owner has a new key that this trust file does not have
    yet.
    """

    name = "key-unknown"


class KeyWeak(Refusal):
    """The key is of a kind that can be broken: DSA, RSA of less than 2048 bits, or an unusual exponent or curve.

    Usual causes: the key is many years old. Make a new one and add it to the trust file.
    """

    name = "key-weak"


class KeyRole(Refusal):
    """The key is trusted, but not for what it signed.

    The trust file gives it another role: `pointer` and `agent` keys do not sign releases.
    """

    name = "key-role"


class KeyRevoked(Refusal):
    """The key, or the subkey that signed, was revoked in the trust file or by its owner.

    Its secret part may have been stolen. Get a release that is signed by a current key.
    """

    name = "key-revoked"


class KeyExpired(Refusal):
    """The key has expired, by its own expiry date or by the trust file's `valid_until`.

    Extend the key or sign with a newer one, and renew the key in the trust file.
    """

    name = "key-expired"


class KeyNotYetValid(Refusal):
    """The release was signed before the trust file's `valid_from` of the key, or that time has not come yet.

    Usual causes: a wrong clock, or a key for later use that was used too early.
    """

    name = "key-not-yet-valid"


class KeyCannotSign(Refusal):
    """The key or subkey that made the signature is not for signing data, or is not properly bound to its primary key.

    Usual causes: a certify-only or encryption key was used, or a subkey lacks its back-signature.
    """

    name = "key-cannot-sign"


class KeyOutOfScope(Refusal):
    """The key may sign releases, but not for this project.

    Its `scope` in the trust file does not name the project.
    """

    name = "key-out-of-scope"


class VerifierMissing(Refusal):
    """A signature could not be checked on this machine, and the others are not enough.

    It uses an algorithm that Goferry does not verify itself. Install gpgv, or sign with a minisign key as well.
    """

    name = "verifier-missing"


class ThresholdUnmet(Refusal):
    """Fewer trusted keys have signed than the trust file requires.

    Usual causes: a signature file is missing, or the folder was sealed with one key where two are required.
    """

    name = "threshold-unmet"


class ManifestMissing(Refusal):
    """The folder or the list has no `release.json`.

    Usual causes: the list was made by another tool, or the file was not downloaded.
    """

    name = "manifest-missing"


class ManifestMalformed(Refusal):
    """`release.json` is not a release manifest of a schema that this Goferry knows.

    Usual causes: it was written by a newer Goferry or by another tool.
    """

    name = "manifest-malformed"


class ListsDisagree(Refusal):
    """`SHA256SUMS` and `release.json` do not describe the same files.

    Sealing writes both from one source, so one of them was made or changed by another tool.
    """

    name = "lists-disagree"


class ProjectMismatch(Refusal):
    """The release is genuine, but of another project than the requested one.

    Usual causes: the wrong folder or the wrong service.
    """

    name = "project-mismatch"


class FileMissing(Refusal):
    """A listed file does not exist.

    Usual causes: an incomplete download, or a renamed file.
    """

    name = "file-missing"


class FileUnlisted(Refusal):
    """The folder holds something that the list does not name, or the list does not name the file that was asked for.

    Something was added after sealing. Hidden files count.
    """

    name = "file-unlisted"


class FileNotRegular(Refusal):
    """A listed name is a symbolic link, a folder, a pipe or a device instead of a file.

    What is read through a link may change after it was verified.
    """

    name = "file-not-regular"


class FileLinked(Refusal):
    """A listed file has a second name (a hard link).

    Through the other name it could be changed after it was verified. Copy the folder instead of linking it.
    """

    name = "file-linked"


class FileAltered(Refusal):
    """A file's bytes differ from those that were listed.

    Usual causes: the file was changed, or the download was cut off.
    """

    name = "file-altered"


class FolderUnreadable(Unread):
    """The release's folder, or a file in it, cannot be opened.

    Usual causes: a mistyped path, nothing was built yet, the project and its dist/ are in a subfolder, or permissions.
    """

    name = "folder-unreadable"


class SequenceLower(Refusal):
    """The release is older than one that was admitted before.

    It may be a replay of an old, correctly signed release. To go back on purpose, use `goferry rollback --to VERSION`.
    """

    name = "sequence-lower"


class SequenceConflict(Refusal):
    """Another release with the same sequence number but different content was admitted before.

    Usual causes: two builds were sealed with the same `--sequence`, or in the same second.
    """

    name = "sequence-conflict"
