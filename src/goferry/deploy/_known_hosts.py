"""Which key types a known_hosts file pins for a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

ssh itself compares the keys. Which types to ask the host for is decided here, so that a host is never refused for
showing a key of another type than the pinned one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence

# The line of a certificate authority does not say of which type the host's certificate is: all are asked for.
_CERTIFIED = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)
# A key of the type ssh-rsa signs with SHA-2; the algorithm of that name means SHA-1, which ssh refuses.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_TYPE = re.compile(r"[a-z0-9@.-]{1,64}")


def algorithms(text: str, names: Sequence[str]) -> list[str]:
    """Return the host key algorithms that the file pins for any of `names` (`web-1`, `[web-1]:2222`); [] for none."""
    # A dictionary for its order: the file's becomes the order in which ssh prefers the algorithms.
    found: dict[str, None] = {}
    for marker, patterns, kind in _entries(text):
        # A revoked line says which key must not be shown, and pins none.
        if marker != "@revoked" and any(_matches(patterns, name.lower()) for name in names):
            kinds = _CERTIFIED if marker == "@cert-authority" else _ALGORITHMS.get(kind, (kind,))
            found.update(dict.fromkeys(kinds))
    return list(found)


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3 and _TYPE.fullmatch(words[1]):
            yield marker, words[0], words[1]


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _hashed(patterns, name)
    wanted = False
    for pattern in patterns.lower().split(","):
        if pattern.startswith("!"):
            # An exclusion holds for the whole line, wherever in it the name is allowed.
            if _like(pattern[1:], name):
                return False
        elif _like(pattern, name):
            wanted = True
    return wanted


def _like(pattern: str, name: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(letter, re.escape(letter)) for letter in pattern), name) is not None


def _hashed(pattern: str, name: str) -> bool:
    try:
        # HashKnownHosts: the salt is HMAC-SHA1's key. A hashed line has one name and no wildcards.
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
