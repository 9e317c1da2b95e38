"""The base layer: what a static Go program expects to find, and nothing else; no shell, no package manager.

Its times are 1970, so it has one digest for every image and version until the CA certificates change, and registries
and hosts keep it once.
"""

from __future__ import annotations

from pathlib import Path

from goferry.image._layer import LayerEntry

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
NONROOT = 65532
MTIME = 0

_PASSWD = b"""root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
"""
_GROUP = b"""root:x:0:
nobody:x:65534:
nonroot:x:65532:
"""
_NSSWITCH = b"hosts: files dns\n"


def certificates() -> bytes:
    """Return the CA certificates: Mozilla's, from the hash-locked certifi."""
    import certifi

    return Path(certifi.where()).read_bytes()


def entries(bundle: bytes) -> list[LayerEntry]:
    """Return the base layer's entries with this bundle of CA certificates (PEM)."""
    return [
        *(LayerEntry(path, 0o755) for path in ("etc", "etc/ssl", "etc/ssl/certs", "home")),
        LayerEntry("home/nonroot", 0o700, NONROOT, NONROOT),
        LayerEntry("root", 0o700),
        LayerEntry("tmp", 0o1777),
        LayerEntry("etc/passwd", 0o644, data=_PASSWD),
        LayerEntry("etc/group", 0o644, data=_GROUP),
        LayerEntry("etc/nsswitch.conf", 0o644, data=_NSSWITCH),
        LayerEntry(CERTIFICATES, 0o644, data=bundle),
    ]
