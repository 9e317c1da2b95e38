"""Whose TLS certificates are trusted, from a given environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.kernel.errors import Unreachable

if TYPE_CHECKING:
    import ssl


class CertificateUntrusted(Unreachable):
    """This machine does not trust a server's TLS certificate.

    Usual causes: a company's inspecting proxy whose certificate authority is not installed. Name its file in
    SSL_CERT_FILE.
    """

    name = "certificate-untrusted"


def trust_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts SSL_CERT_FILE and SSL_CERT_DIR, else the system's store, else certifi's.

    Raises:
        CertificateUntrusted: when SSL_CERT_FILE cannot be read.
    """
    import ssl

    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if file or folder:
            folders = [name for name in (folder or "").split(":") if name and Path(name).is_dir()]
            context.load_verify_locations(file, folders[0] if folders else None)
            return context
    except (OSError, TypeError) as error:
        raise CertificateUntrusted(f"SSL_CERT_FILE={file} cannot be read", advice=["correct or unset it"]) from error
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        context.load_default_certs()
    else:
        import certifi

        context.load_verify_locations(certifi.where())
    return context
