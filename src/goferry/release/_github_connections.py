"""PyGithub's connections to GitHub: each answer has a pace, a size and an end.

Its own have a limit on each silence alone: an answer of one byte now and then, one of any size, or a list whose next
page is itself would hold a release forever.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import requests
from github import Requester
from urllib3 import PoolManager

from goferry.system.connections import fitted
from goferry.system.pace import paced

TIMEOUT = 30
"""Seconds without a byte before a request fails."""
REQUEST = 90.0
"""Seconds for a request as a whole."""
LARGEST = 32 << 20
"""Bytes that an answer may have: a page of a hundred releases, each with a thousand assets, has less."""
WHOLE = 600.0
"""Seconds for one call with all the pages of a list."""
_BLOCK = 1 << 16
_now = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give this thread's requests in the block so long together."""
    _now.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _now.until = None


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' own, with connections that keep a pace."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: object) -> None:
        super().init_poolmanager(connections, maxsize, block, **more)
        fitted(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **more: object) -> PoolManager:
        return fitted(super().proxy_manager_for(proxy, **more))


class _Answer(Requester.RequestsResponse):
    """An answer that was read whole."""

    def __init__(self, answer: requests.Response, body: bytes) -> None:
        super().__init__(answer)
        self._body = body

    def read(self) -> str:
        return self._body.decode("utf-8", "replace")


class Secure(Requester.HTTPSRequestsConnectionClass):
    """PyGithub's connection over TLS, with our rules. PyGithub makes one for each request; all share their sessions."""

    scheme: ClassVar[str] = "https"
    _sessions: ClassVar[dict[tuple[str, str, int, str], requests.Session]] = {}

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.protocol = self.scheme
        place = (self.scheme, self.host, self.port, str(self.verify))
        if place not in self._sessions:
            self.session.mount(f"{self.scheme}://", _Adapter(max_retries=self.retry))
            self._sessions[place] = self.session
        self.session = self._sessions[place]

    def getresponse(self) -> Requester.RequestsResponse:
        """Return the answer, read whole.

        Raises:
            requests.exceptions.RequestException: also where it was too slow or too large.
        """
        until = getattr(_now, "until", None) or math.inf
        if time.monotonic() > until:
            raise requests.exceptions.Timeout(f"its pages did not end in {WHOLE:.0f} s")
        try:
            with paced(REQUEST, min(until, time.monotonic() + REQUEST)):
                return self._answer()
        except TimeoutError as error:
            raise requests.exceptions.Timeout(str(error)) from error

    def _answer(self) -> Requester.RequestsResponse:
        url = f"{self.protocol}://{self.host}:{self.port}{self.url}"
        answer = self.session.request(
            self.verb, url, headers=self.headers, data=self.input, timeout=self.timeout, verify=self.verify,
            allow_redirects=False, stream=True,
        )  # fmt: skip
        body = bytearray()
        for block in answer.iter_content(_BLOCK):
            body += block
            if len(body) > LARGEST:
                answer.close()
                raise requests.exceptions.ContentDecodingError(f"the answer has more than {LARGEST} bytes")
        return _Answer(answer, bytes(body))

    def close(self) -> None:
        """Leave the session open for the next request."""


class Plain(Secure):
    """The same without TLS, as an enterprise's API or one on this machine may be."""

    scheme = "http"

    def __init__(self, host: str, port: int | None = None, **more: object) -> None:
        super().__init__(host, port or 80, **more)


def use() -> None:
    """Have PyGithub make its connections here."""
    Requester.Requester.injectConnectionClasses(Plain, Secure)  # type: ignore[arg-type]  # it asks for its methods alone
