"""The GOPROXY list: who is asked for a module, in which order, and when the next one is asked.

`,` moves on when a proxy says that it has no such file (HTTP 404 or 410), `|` on any error
(go.dev/ref/mod#environment-variables). `off` forbids the network. `direct` means the module's own origin, which for
Go's toolchain is not a repository: it ends the list. file:// proxies are folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import unquote, urlsplit

from goferry.artifacts.fetching import ProxyListInvalid
from goferry.kernel.errors import Failed, GoferryError
from goferry.system.http import BLOCK, Client, DownloadTooLarge, Response, unwritable
from goferry.system.urls import AddressInvalid, parse as parse_address, shown

T = TypeVar("T")


class ProxyLacks(Failed):
    """No proxy of the GOPROXY list has this file.

    Usual causes: a version that does not exist for this platform, or a company's mirror that does not have it yet.
    """

    name = "proxy-lacks-file"


class ProxyRefuses(Failed):
    """A proxy of the GOPROXY list refused a request.

    Usual causes: it requires credentials (netrc, or user and password in GOPROXY), or its policy does not serve this
    module.
    """

    name = "proxy-refuses"


class ProxyOff(Failed):
    """GOPROXY does not allow network access.

    Usual causes: GOPROXY=off on a machine that should use only what it already has.
    """

    name = "proxy-off"


@dataclass(frozen=True)
class Proxy:
    """One entry: its address (or `direct`, `off`) and whether any error moves on to the next."""

    url: str
    any_error: bool = False


def parse(goproxy: str) -> tuple[Proxy, ...]:
    """Read a GOPROXY list as cmd/go/internal/modfetch.proxyList does.

    Raises:
        ProxyListInvalid: when it has no entry or one that is not an address.
    """
    found: list[Proxy] = []
    rest = goproxy
    while rest:
        cut = min((index for index in (rest.find(","), rest.find("|")) if index >= 0), default=len(rest))
        url, any_error, rest = rest[:cut].strip(), rest[cut : cut + 1] == "|", rest[cut + 1 :]
        if not url:
            continue
        if url in ("direct", "off"):
            found.append(Proxy(url))
            break
        if ":/" not in url and not url.startswith("/") and any(mark in url for mark in ".:/"):
            url = "https://" + url
        try:
            parse_address(url, ("http", "https", "file"))
        except AddressInvalid as error:
            raise ProxyListInvalid(f"GOPROXY: {error.what}", advice=["see what Go has:  go env GOPROXY"]) from None
        found.append(Proxy(url.rstrip("/"), any_error))
    if not found:
        raise ProxyListInvalid(f"GOPROXY is {goproxy!r}: no entry", advice=["see what Go has:  go env GOPROXY"])
    return tuple(found)


class ProxyList:
    """Asks the proxies in turn.

    Args:
        proxies: from `parse`.
        client: for the network.
    """

    def __init__(self, proxies: Sequence[Proxy], client: Client) -> None:
        self.proxies = tuple(proxies)
        self._client = client

    def get(self, path: str, limit: int) -> bytes:
        """Return a small file, `<module>/@v/list` for instance.

        Raises:
            ProxyLacks: no proxy of the GOPROXY list has this file.
            ProxyRefuses: a proxy of the GOPROXY list refused a request.
            ProxyOff: GOPROXY does not allow network access.
            Unreachable: as `Client.get`.
        """
        return self.attempt(lambda base: fetch(self._client, f"{base}/{path}", limit))

    def download(
        self, path: str, file: IO[bytes], limit: int, progress: Callable[[int, int], None] | None = None
    ) -> Response:
        """Stream a large file into `file`, hashing it; raises as `get` does."""

        def one(base: str) -> Response:
            file.seek(0)
            file.truncate()
            return _download(self._client, f"{base}/{path}", file, limit, progress)

        return self.attempt(one)

    def attempt(self, work: Callable[[str], T]) -> T:
        """Run `work(base)` for each proxy until one succeeds, by the list's rules."""
        best: GoferryError | None = None
        for proxy in self.proxies:
            if proxy.url == "off":
                raise best or ProxyOff("GOPROXY=off", advice=["allow a proxy in GOPROXY, or use a Go that is here"])
            if proxy.url == "direct":
                break
            try:
                return work(proxy.url)
            except GoferryError as error:
                lacking = isinstance(error, ProxyLacks)
                if best is None or (not lacking and isinstance(best, ProxyLacks)):
                    best = error
                if not lacking and not proxy.any_error:
                    break
        raise best or ProxyLacks(
            "GOPROXY has only direct, and Go's toolchain has no repository of its own",
            advice=["name a module proxy in GOPROXY"],
        )


def fetch(client: Client, url: str, limit: int) -> bytes:
    """Return one small file from one proxy; raises as `ProxyList.get` does."""
    if url.startswith("file:"):
        with _opened(url) as source:
            return b"".join(_blocks(url, source, limit))
    answer = client.get(url, limit=limit)
    _check(url, answer)
    return answer.body


def _download(
    client: Client, url: str, file: IO[bytes], limit: int, progress: Callable[[int, int], None] | None
) -> Response:
    if not url.startswith("file:"):
        answer = client.download(url, file, limit=limit, progress=progress)
        _check(url, answer)
        return answer
    digest, size = hashlib.sha256(), 0
    with _opened(url) as source:
        for block in _blocks(url, source, limit):
            size += len(block)
            digest.update(block)
            try:
                file.write(block)
            except OSError as error:
                raise unwritable(url, error) from error
    return Response(200, {}, b"", digest.hexdigest(), size)


def _blocks(url: str, source: IO[bytes], limit: int) -> Iterator[bytes]:
    """Yield a file's content, of which there may be so many bytes."""
    size = 0
    while True:
        try:
            block = source.read(BLOCK)
        except OSError as error:
            raise _unreadable(url, error) from error
        size += len(block)
        if size > limit:
            raise DownloadTooLarge(f"{shown(url)} has more than {limit} bytes", state="Nothing was kept.")
        if not block:
            return
        yield block


def _opened(url: str) -> IO[bytes]:
    path = Path(unquote(urlsplit(url).path))
    try:
        if not path.is_file():
            raise ProxyLacks(f"{shown(url)} does not exist")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(url, error) from None


def _unreadable(url: str, error: Exception) -> ProxyRefuses:
    return ProxyRefuses(f"{shown(url)} cannot be read: {getattr(error, 'strerror', '') or error}")


def _check(url: str, answer: Response) -> None:
    if answer.status in (404, 410):
        raise ProxyLacks(f"{shown(url)} answered HTTP {answer.status}: it has no such file", status=answer.status)
    if answer.status != 200:
        text = answer.body[:200].decode("utf-8", "replace").strip()
        raise ProxyRefuses(
            f"{shown(url)} answered HTTP {answer.status}" + (f": {text}" if text else ""), status=answer.status
        )


def escaped(text: str) -> str:
    """Return a path or version as a proxy's address has it: `X` becomes `!x` (go.dev/ref/mod#goproxy-protocol)."""
    return "".join("!" + letter.lower() if "A" <= letter <= "Z" else letter for letter in text)
