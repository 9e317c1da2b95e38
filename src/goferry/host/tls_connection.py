"""HTTP over TLS to a server of this host, within one limit of time; loaded where a service has a certificate."""

from __future__ import annotations

import ssl

from goferry.host.control import Limits, PortConnection


class _TlsSocket(Limits, ssl.SSLSocket):
    """As control's own, and encrypted."""


class TlsConnection(PortConnection):
    """A connection to a port of an address, by the name of a domain.

    The certificate is not looked at: whoever asks wants to know who answers on this host, which a secret of the answer
    says (kernel.probe), and an expired certificate is nothing that a deploy could mend by going back.
    """

    def __init__(self, address: str, port: int, seconds: float, name: str) -> None:
        super().__init__(address, port, seconds)
        self._name = name

    def connect(self) -> None:
        """Connect, and shake hands within the same time."""
        super().connect()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.sslsocket_class = _TlsSocket
        plain = self.sock
        assert isinstance(plain, Limits)
        try:
            plain.left()
            secure = context.wrap_socket(plain, server_hostname=self._name)
        except OSError:
            plain.close()
            raise
        assert isinstance(secure, _TlsSocket)
        secure.until, secure.room = plain.until, plain.room
        self.sock = secure
