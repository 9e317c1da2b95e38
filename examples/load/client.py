"""One client of the load: a connection, one request at a time, no request twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import cast

from answer import Answer, parse


@dataclass
class Tally:
    """What happened to every request: each sent one ends as one id in `acknowledged` or one count in `causes`."""

    sent: int = 0
    slow: int = 0
    reconnects: int = 0
    idle_closed: int = 0
    acknowledged: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Order:
    """A POST that is sent once: its id, the delay in seconds that it asks for, and its bytes."""

    id: str
    delay: float
    request: bytes

    @classmethod
    def make(cls, host: str, id_: str, delay: float, *, close: bool) -> Order:
        """An order that asks `host`'s service to answer after `delay` seconds."""
        query = f"?delay={round(delay * 1000)}ms" if delay else ""
        body = f'{{"id":"{id_}"}}'
        head = f"POST /orders{query} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n" + ("Connection: close\r\n" if close else "")
        return cls(id_, delay, f"{head}\r\n{body}".encode())


class Client:
    """Sends orders over one connection that it keeps (`fresh=False`), or over a new one for each (`fresh=True`)."""

    def __init__(self, address: tuple[str, int], tally: Tally, idle: deque[Client], *, fresh: bool) -> None:
        self.fresh = fresh
        self._address = address
        self._tally = tally
        self._idle = idle
        self._wire: Wire | None = None
        self._order: Order | None = None
        self._began = 0.0
        self._opened = False
        self._task: asyncio.Task[None] | None = None

    def send(self, order: Order) -> None:
        """Send `order` now; the outcome goes to the tally, and the client back to the idle ones."""
        self._order, self._began = order, time.perf_counter()
        self._tally.sent += 1
        self._tally.slow += bool(order.delay)
        if self._wire is not None and self._wire.usable():
            self._wire.send(order.request)
        else:
            self._task = asyncio.ensure_future(self._connect_and_send(order))

    async def _connect_and_send(self, order: Order) -> None:
        try:
            _, wire = await asyncio.get_running_loop().create_connection(lambda: Wire(self), *self._address)
        except OSError as error:
            self._fail("refused" if isinstance(error, ConnectionRefusedError) else f"connect: {type(error).__name__}")
            return
        if self._order is not order:  # it ran out of time meanwhile
            wire.abort()
            return
        self._tally.reconnects += self._opened and not self.fresh
        self._opened, self._wire = True, wire
        wire.send(order.request)

    def overdue(self, now: float, seconds: float) -> None:
        """Give an order up that was sent more than `seconds` (beside its delay) ago."""
        if self._order is not None and now - self._began > seconds + self._order.delay:
            self.drop()
            self._fail("timeout")

    def drop(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.abort()
            self._wire = None

    def answered(self, wire: Wire, answer: Answer) -> None:
        """A whole answer arrived on `wire`."""
        if wire is not self._wire or self._order is None:
            return
        if answer.close or self.fresh:
            self.drop()
        if 200 <= answer.status < 300:
            self._tally.acknowledged.append(self._order.id)
            self._tally.latencies.append(time.perf_counter() - self._began - self._order.delay)
            self._done()
        else:
            self._fail(f"status {answer.status}")

    def closed(self, wire: Wire, cause: str) -> None:
        """`wire` ended, by the other side or because what came was no answer."""
        if wire is not self._wire:
            return
        self._wire = None
        if self._order is None:
            self._tally.idle_closed += 1
        else:
            self._fail(cause)

    def _fail(self, cause: str) -> None:
        self._tally.causes[cause] += 1
        self._done()

    def _done(self) -> None:
        self._order = None
        self._idle.append(self)


class Wire(asyncio.Protocol):
    """One TCP connection of a client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._data = bytearray()
        self._waiting = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this first."""
        self._transport = cast("asyncio.Transport", transport)

    def usable(self) -> bool:
        """Whether another request can be sent."""
        return not self._transport.is_closing()

    def send(self, request: bytes) -> None:
        """Write one request; its answer goes to the client."""
        self._waiting = True
        self._transport.write(request)

    def abort(self) -> None:
        """Close the connection without waiting for what is on its way."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; a whole answer goes to the client, and what is none closes the connection."""
        self._data += data
        try:
            answer = parse(self._data)
        except ValueError:
            answer, foreign = None, True
        else:
            foreign = answer is not None and (not self._waiting or answer.length != len(self._data))
        if foreign:
            self._client.closed(self, "not HTTP")
            self.abort()
            return
        if answer is not None:
            self._data.clear()
            self._waiting = False
            self._client.answered(self, answer)

    def eof_received(self) -> None:
        """The server sends no more."""
        self._client.closed(self, "closed before the answer")

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; `error` says why, if it was not closed in order."""
        self._client.closed(self, "reset" if isinstance(error, ConnectionError) else "closed before the answer")
