"""Downloads: HTTP(S) with bounded sizes and times, retries with backoff, and the surroundings' proxy and certificates.

The environment is given, never read: HTTPS_PROXY, HTTP_PROXY, NO_PROXY (also in lower case), SSL_CERT_FILE,
SSL_CERT_DIR, and NETRC for credentials. A redirect never leads from https to http and never carries credentials to
another host. An address in a message never shows its user part.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from goferry.kernel.digits import number
from goferry.kernel.errors import Failed, Unreachable
from goferry.system.certificates import CertificateUntrusted, trust_context
from goferry.system.pace import Pace, paced
from goferry.system.proxyenv import authorization, proxy_for
from goferry.system.urls import AddressInvalid, RedirectRefused, bare, origin, parse, redirected, shown

if TYPE_CHECKING:
    import urllib3

ATTEMPTS = 4
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BLOCK = 1 << 15
WAIT_MOST = 10.0
WHOLE = 3600.0
"""Seconds that a download or an upload may take with all its attempts, at the longest."""
_WORDS = 1 << 16
"""Bytes that are kept of a failure's body."""

Take = Callable[[bytes, int], None]


class ServerUnreachable(Unreachable):
    """A server did not answer, or closed the connection, on every attempt.

    Usual causes: a name that does not resolve, a firewall, or a proxy that is missing from HTTPS_PROXY.
    """

    name = "server-unreachable"


class ServerFailing(Unreachable):
    """A server answered every attempt with a server error (HTTP 429 or 5xx).

    Usual causes: it is overloaded or under maintenance. Try again later.
    """

    name = "server-failing"


class DownloadTooLarge(Failed):
    """A server sent more bytes than a file of this kind can have.

    Usual causes: the address leads to another page, or the answer is meant to fill the disk.
    """

    name = "download-too-large"


class DownloadUnwritable(Failed):
    """A download cannot be written to the disk.

    Usual causes: a full disk, a quota, or a read-only folder.
    """

    name = "download-unwritable"


@dataclass(frozen=True)
class Response:
    """A response: status, lower-case header names, and the body: whole, but what was downloaded is in its file.

    Of an answer that is not a success (HTTP 2xx) the body is what the server said about it, 64 KiB at most.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    sha256: str = ""
    size: int = 0

    @property
    def ok(self) -> bool:
        """Whether it is a success, HTTP 2xx."""
        return 200 <= self.status < 300


class Client:
    """A pool of connections with the rules above; safe to use from several threads.

    Args:
        environ: where proxies, certificates and credentials are looked up.
        timeout: seconds without a byte before an attempt fails. In three times that 4 KiB a second must get through on
            average, again and again, or it fails as well. A `get` with all its attempts and redirects has six times
            that, a download or an upload an hour.
        attempts: how often a request is tried.
        wait: seconds before the second attempt; doubled for each further one.
    """

    def __init__(
        self, environ: Mapping[str, str], *, timeout: float = 20.0, attempts: int = ATTEMPTS, wait: float = 0.3
    ) -> None:
        self._environ = environ
        import urllib3  # as late as this: most runs fetch nothing

        self._timeout = urllib3.Timeout(connect=min(timeout, 10.0), read=timeout)
        self._seconds = 3 * timeout
        self._attempts = attempts
        self._wait = wait
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def get(self, url: str, *, limit: int, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response whole, whatever its status below 500.

        Raises:
            ServerUnreachable, ServerFailing, CertificateUntrusted: after the last attempt.
            DownloadTooLarge: when the body exceeds `limit` bytes.
            AddressInvalid: it is not http or https. RedirectRefused: to such a one, away from TLS, or in a loop.
        """
        parts: list[bytes] = []

        def take(block: bytes, _total: int) -> None:
            parts.append(block)

        answer = self._request(url, headers, limit, parts.clear, take, whole=2 * self._seconds)
        return replace(answer, body=b"".join(parts)) if answer.ok else answer

    def download(
        self,
        url: str,
        file: IO[bytes],
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Response:
        """Stream a body into `file` while hashing it; `progress(got, total)` hears bytes (total 0: unknown).

        The file is cut back to its position at the call when an attempt is repeated. Only a success is written. Raises
        as `get` does, and DownloadUnwritable.
        """
        start = file.tell()
        got = 0

        def restart() -> None:
            nonlocal got
            got = 0
            file.seek(start)
            file.truncate()

        def take(block: bytes, total: int) -> None:
            nonlocal got
            got += len(block)
            file.write(block)
            if progress:
                progress(got, total)

        return self._request(url, headers, limit, restart, take, whole=WHOLE)

    def send(
        self, method: str, url: str, *, body: IO[bytes], headers: Mapping[str, str], limit: int = 1 << 20
    ) -> Response:
        """Send `body` in blocks, once: no redirect is followed and nothing is repeated; return the response whole.

        `headers` name the Content-Length. No byte taken for the connection's timeout, or no answer for the read's, is
        a failure.

        Raises:
            ServerUnreachable, CertificateUntrusted, AddressInvalid, RedirectRefused, DownloadTooLarge: as for `get`.
        """
        parts: list[bytes] = []
        try:
            until = time.monotonic() + WHOLE
            with paced(self._seconds, until) as pace, self._open(url, headers, method, pace.counted(body)) as response:
                answer = self._read(url, response, limit, lambda block, _total: parts.append(block), pace)
        except _failures() as error:
            if isinstance(error, _tls()) or isinstance(getattr(error, "reason", None), _tls()):
                raise _untrusted(url, error) from error
            raise ServerUnreachable(f"{shown(url)} did not take what was sent: {_reason(error)}") from error
        return replace(answer, body=b"".join(parts)) if answer.ok else answer

    def _request(
        self,
        url: str,
        headers: Mapping[str, str] | None,
        limit: int,
        restart: Callable[[], None],
        take: Take,
        *,
        whole: float,
    ) -> Response:
        problem: Exception | None = None
        until = time.monotonic() + whole
        for attempt in range(self._attempts):
            restart()
            try:
                answer = self._attempt(url, headers, limit, take, until)
            except _tls() as error:
                raise _untrusted(url, error) from error
            except _failures() as error:
                if isinstance(getattr(error, "reason", None), _tls()):
                    raise _untrusted(url, error) from error
                problem = error
                if time.monotonic() > until:
                    raise _slow(url, whole, problem) from problem
                self._pause(attempt, None, until)
                continue
            if answer.status not in AGAIN:
                return answer
            problem, later = None, answer.headers.get("retry-after", "")
            if attempt + 1 == self._attempts:
                raise ServerFailing(
                    f"{shown(url)} answered HTTP {answer.status}, {self._attempts} times",
                    advice=["try again later"],
                    status=answer.status,
                    retry_after=later,
                )
            self._pause(attempt, number(later), until)
        raise ServerUnreachable(
            f"{shown(url)} did not answer, {self._attempts} times: {_reason(problem)}",
            advice=["look at the network, or name your proxy in HTTPS_PROXY"],
        ) from problem

    def _pause(self, attempt: int, retry_after: int | None, until: float) -> None:
        if attempt + 1 < self._attempts:
            seconds = self._wait * 2**attempt if retry_after is None else float(retry_after)
            jittered = min(WAIT_MOST, seconds) * random.uniform(0.8, 1.2)  # noqa: S311  jitter, no secret
            time.sleep(max(0.0, min(jittered, until - time.monotonic())))

    def _attempt(self, url: str, headers: Mapping[str, str] | None, limit: int, take: Take, until: float) -> Response:
        address = url
        for _ in range(6):
            with paced(self._seconds, until) as pace, self._open(address, headers) as response:
                found = {name.lower(): value for name, value in response.headers.items()}
                if response.status not in REDIRECTS or "location" not in found:
                    return self._read(address, response, limit, take, pace)
                _finish(response, found)
                target = redirected(address, found["location"])
                headers = headers if origin(target) == origin(address) else without_credentials(headers)
                address = target
        raise RedirectRefused(f"{shown(url)} redirects in a circle")

    @contextlib.contextmanager
    def _open(
        self, address: str, headers: Mapping[str, str] | None, method: str = "GET", body: IO[bytes] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        from urllib3.exceptions import LocationParseError

        parts = parse(address)
        sent = {"User-Agent": "goferry", "Accept-Encoding": "identity", **authorization(address, self._environ)}
        try:
            response = self._pool(proxy_for(address, self._environ)).request(
                method,
                bare(parts),
                body=body,
                headers={**sent, **(headers or {})},
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=self._timeout,
            )
        except LocationParseError as error:
            raise AddressInvalid(f"{shown(address)!r} cannot be read as an address") from error
        try:
            yield response
        finally:
            response.release_conn()

    def _read(
        self,
        address: str,
        response: urllib3.BaseHTTPResponse,
        limit: int,
        take: Take,
        pace: Pace,
    ) -> Response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not 200 <= response.status < 300:
            return Response(response.status, headers, _words(response, pace))
        digest, size = hashlib.sha256(), 0
        total = number(headers.get("content-length", "")) or 0
        if total > limit:
            response.close()
            raise _too_large(address, limit)
        for block in response.stream(BLOCK, decode_content=False):
            size += len(block)
            pace.got += len(block)
            if size > limit:
                response.close()
                raise _too_large(address, limit)
            digest.update(block)
            try:
                take(block, total)
            except OSError as error:
                response.close()
                raise unwritable(address, error) from error
        return Response(response.status, headers, b"", digest.hexdigest(), size)

    def _pool(self, proxy: str) -> urllib3.PoolManager:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._new_pool(proxy)
            return self._pools[proxy]

    def _new_pool(self, proxy: str) -> urllib3.PoolManager:
        import urllib3

        from goferry.system.connections import fitted

        context = trust_context(self._environ)
        if not proxy:
            return fitted(urllib3.PoolManager(maxsize=8, ssl_context=context))
        try:
            parse(proxy)
        except AddressInvalid as error:
            raise AddressInvalid(
                f"HTTPS_PROXY or HTTP_PROXY: {error.what}", advice=["write it as  http://HOST:PORT"]
            ) from None
        login = authorization(proxy, {}, header="Proxy-Authorization")
        return fitted(urllib3.ProxyManager(shown(proxy), proxy_headers=login, maxsize=8, ssl_context=context))


def _finish(response: urllib3.BaseHTTPResponse, headers: Mapping[str, str]) -> None:
    """Read a redirect's own body, so that its connection can be used again; one of unknown length is cut off."""
    length = number(headers.get("content-length", ""))
    if length is not None and length <= BLOCK:
        response.drain_conn()
    else:
        response.close()


def without_credentials(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return headers as another host may see them."""
    return {name: value for name, value in (headers or {}).items() if name.lower() not in ("authorization", "cookie")}


def _failures() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return HTTPError, OSError


def _tls() -> type[Exception]:
    from urllib3.exceptions import SSLError

    return SSLError


def _untrusted(url: str, error: Exception) -> CertificateUntrusted:
    return CertificateUntrusted(
        f"{shown(url)}: {_reason(error)}", advice=["name your certificate authority's file in SSL_CERT_FILE"]
    )


def _words(response: urllib3.BaseHTTPResponse, pace: Pace) -> bytes:
    """Return the beginning of a failure's body."""
    found = b""
    for block in response.stream(BLOCK, decode_content=False):
        found += block
        pace.got += len(block)
        if len(found) > _WORDS:
            response.close()
            break
    return found[:_WORDS]


def _slow(url: str, whole: float, problem: Exception) -> ServerUnreachable:
    return ServerUnreachable(
        f"{shown(url)} was given up after {whole:.0f} s: {_reason(problem)}",
        advice=["look at the network, or name another proxy in GOPROXY"],
    )


def unwritable(url: str, error: OSError) -> DownloadUnwritable:
    """Return the error for a disk that does not take what an address sends."""
    return DownloadUnwritable(
        f"what {shown(url)} sends cannot be written: {error.strerror or error}",
        state="Nothing was kept.",
        advice=["see what is free:  df -h"],
    )


def _too_large(url: str, limit: int) -> DownloadTooLarge:
    return DownloadTooLarge(f"{shown(url)} sends more than {limit} bytes", state="Nothing was kept.")


def _reason(error: BaseException | None) -> str:
    cause: object = getattr(error, "reason", None) or error
    text = str(cause).rsplit(">: ", 1)[-1]
    return text.split("): ", 1)[-1] if text else type(error).__name__
