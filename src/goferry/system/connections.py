"""urllib3's connections that keep a pace (system.pace); apart, so that whoever fetches nothing loads no urllib3."""

from __future__ import annotations

import socket
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from goferry.system.pace import take


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        take(made.fileno())
        return made

    def putrequest(self, *words: Any, **more: Any) -> None:
        if self.sock is not None:  # kept from an earlier request
            take(self.sock.fileno())
        super().putrequest(*words, **more)


class _Secure(_Plain, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def fitted(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Let a manager make connections that keep a pace."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
