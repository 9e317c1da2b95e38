"""The way from a slot's unix socket to the port of its plain service, and to nothing else that might listen there.

    goferry-host forward NOTE        as a unit that the socket starts; NOTE is host.note's of the slot's last start

Any program of the host may listen on a port that is free: a neighbour that waits for a service to crash would get its
traffic. So a connection is passed on only if the socket that listens was made in the slot's own unit (host.listener),
and no byte of it before that is known to have been the same socket before and after the connect: between the two
nobody else can have listened. With no such listener the connection is closed, and the proxy answers 502.
"""

from __future__ import annotations

import contextlib
import errno
import select
import signal
import socket
import sys
import time
from typing import Callable

from goferry.host import start_note
from goferry.host.listener import Kernel, Listener, Unit

MOST = 4096
"""Connections at a time; more wait in the socket's queue."""
CHUNK = 64 << 10
PATIENCE = 10.0
"""Seconds that the service's own queue may be full."""
LOG_INTERVAL = 5.0
IN, OUT, GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR


def owned(group: str, listener: Listener) -> bool:
    """Whether a listener is of the unit with that control group."""
    return Unit(group).owns(listener)


class Gate:
    """Knows who may be connected to."""

    def __init__(self, path: str, kernel: Kernel, owns: Callable[[str, Listener], bool] = owned) -> None:
        """`owns` says whether a control group's processes made a listener."""
        self._path, self._kernel, self._owns = path, kernel, owns
        self._proven: Listener | None = None
        # So far back that the first time is said at once, also just after the machine was started.
        self._logged_at = -LOG_INTERVAL

    def find(self) -> Listener | None:
        """Return the service's listener; None when nobody listens or somebody else does."""
        # A socket keeps its control group: one with the same cookie needs no second proof.
        if self._proven and self.still_listens(self._proven):
            return self._proven
        start = start_note.read(self._path)
        found = self._kernel.listener(start.port) if start.port else None
        if found and not self._owns(start.group, found):
            self._log(f"port {found.port} is listened on by user {found.uid} outside of the unit: not connected")
            found = None
        self._proven = found
        return found

    def still_listens(self, listener: Listener) -> bool:
        """Whether the very same socket would get a connection now."""
        now = self._kernel.listener(listener.port)
        return now is not None and now.key == listener.key

    def _log(self, text: str) -> None:
        if time.monotonic() - self._logged_at >= LOG_INTERVAL:
            self._logged_at = time.monotonic()
            sys.stderr.write(f"goferry: {text}\n")
            sys.stderr.flush()


class End:
    """One end of a connection.

    Attributes:
        waiting: bytes that are still to be sent to it. ended: it says no more. gone: nor does it hear any more.
        mask: what epoll watches it for; -1 when it does not.
    """

    __slots__ = ("ended", "gone", "mask", "other", "pair", "socket", "waiting")

    def __init__(self, pair: Pair, one: socket.socket) -> None:
        self.pair, self.socket = pair, one
        self.other: End = self
        self.waiting, self.ended, self.gone, self.mask = memoryview(b""), False, False, -1

    def listens(self) -> bool:
        """Whether it is to be read from: what it said before has been passed on."""
        return not self.ended and not self.other.waiting

    def wanted(self) -> int:
        """What epoll is to watch for; one that is gone would come up again and again, so only what it is needed for."""
        watched = (IN if self.listens() else 0) | (OUT if self.waiting else 0)
        return watched or (-1 if self.gone else 0)


class Pair:
    """A connection that is passed on."""

    __slots__ = ("client", "deadline", "listener", "server")

    def __init__(self, client: socket.socket, server: socket.socket, listener: Listener) -> None:
        self.client, self.server = End(self, client), End(self, server)
        self.client.other, self.server.other = self.server, self.client
        self.listener, self.deadline = listener, time.monotonic() + PATIENCE


class Forward:
    """The loop: one thread, and nothing that waits but epoll(7)."""

    def __init__(self, entrance: socket.socket, gate: Gate) -> None:
        entrance.settimeout(0)
        self._entrance, self._gate = entrance, gate
        self._poll = select.epoll()
        self._ends: dict[int, End] = {}
        self._connecting: dict[int, Pair] = {}
        self._listens = False
        self._count = 0
        self._leaving = False

    def run(self) -> None:
        """Pass connections on; after SIGTERM take no more, and end when those that are open have ended."""
        woken, wake = socket.socketpair()
        # set_wakeup_fd takes no descriptor that may block.
        wake.settimeout(0)
        self._poll.register(woken, IN)
        # It does nothing, but without a handler Python writes nothing to the wakeup descriptor.
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno())
        while not self._leaving or self._count:
            self._watch_entrance()
            for number, events in self._poll.poll(1.0 if self._connecting else -1):
                if number == self._entrance.fileno():
                    self._accept()
                elif number == woken.fileno():
                    self._leaving = bool(woken.recv(64))
                elif number in self._connecting:
                    self._connected(self._connecting[number])
                elif number in self._ends:
                    self._serve(self._ends[number], events)
            self._give_up()

    def _watch_entrance(self) -> None:
        # Not watched while it is full: epoll would report the connections that wait there again and again.
        wanted = self._count < MOST and not self._leaving
        if wanted and not self._listens:
            self._poll.register(self._entrance, IN)
        elif self._listens and not wanted:
            self._poll.unregister(self._entrance)
        self._listens = wanted

    def _accept(self) -> None:
        # A few at a time, so that a burst of new connections keeps no open one from its bytes.
        for _ in range(16):
            if self._count >= MOST:
                return
            try:
                client, _ = self._entrance.accept()
            except OSError:  # nobody waits any more
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        listener = self._gate.find()
        if listener is None:
            client.close()
            return
        server = socket.socket()
        client.settimeout(0)
        server.settimeout(0)
        # Bytes are passed on as they come; with Nagle's algorithm the ends of requests would wait.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server, listener)
        self._count += 1
        place = ("127.0.0.1", listener.port)
        code = server.connect_ex(place)
        if code == errno.EINPROGRESS:
            code = server.connect_ex(place)  # over the loopback it is done by now, unless the service's queue is full
        if code in (0, errno.EISCONN):
            self._begin(pair)
        elif code in (errno.EALREADY, errno.EINPROGRESS):
            self._connecting[server.fileno()] = pair
            self._poll.register(server, OUT)
        else:
            self._drop(pair)

    def _connected(self, pair: Pair) -> None:
        server = pair.server.socket
        code = server.connect_ex(("127.0.0.1", pair.listener.port))
        if code in (errno.EALREADY, errno.EINPROGRESS):
            return
        del self._connecting[server.fileno()]
        self._poll.unregister(server)
        self._begin(pair) if code in (0, errno.EISCONN) else self._drop(pair)

    def _begin(self, pair: Pair) -> None:
        """Pass the first bytes on, now that it is known who got the connection."""
        # Had the port changed hands between the proof and the connect, another socket would listen there now.
        if not self._gate.still_listens(pair.listener):
            self._drop(pair)
            return
        for end in (pair.client, pair.server):
            self._ends[end.socket.fileno()] = end
        try:
            self._read(pair.client)
            self._settle(pair)
        except OSError:
            self._drop(pair)

    def _serve(self, end: End, events: int) -> None:
        try:
            if events & OUT:
                self._write(end)
            # Also when it is gone: what it said before that may still be in the kernel.
            if events & (IN | GONE) and end.listens():
                self._read(end)
            end.gone = end.gone or bool(events & GONE)
            self._settle(end.pair)
        except OSError:
            self._drop(end.pair)

    def _read(self, end: End) -> None:
        """Pass on what an end says, until it pauses or the other one is slow."""
        for _ in range(16):
            try:
                data = end.socket.recv(CHUNK)
            except BlockingIOError:
                return
            if not data:
                end.ended = True
                # Half-closed: who has asked all may still be answered.
                end.other.socket.shutdown(socket.SHUT_WR)
                return
            end.other.waiting = memoryview(data)
            self._write(end.other)
            # A short read says that no more is there, and saves the recv that would say it.
            if end.other.waiting or len(data) < CHUNK:
                return

    def _write(self, end: End) -> None:
        while end.waiting:
            try:
                end.waiting = end.waiting[end.socket.send(end.waiting) :]
            except BlockingIOError:
                return

    def _settle(self, pair: Pair) -> None:
        """Watch both ends for what they can do next; close them when there is nothing."""
        client, server = pair.client, pair.server
        over = client.ended and (server.ended or client.gone)
        if over and not client.waiting and not server.waiting:
            self._drop(pair)
            return
        for end in (client, server):
            wanted = end.wanted()
            if wanted == end.mask:
                continue
            if end.mask < 0:
                self._poll.register(end.socket, wanted)
            elif wanted < 0:
                self._poll.unregister(end.socket)
            else:
                self._poll.modify(end.socket, wanted)
            end.mask = wanted

    def _drop(self, pair: Pair) -> None:
        for end in (pair.client, pair.server):
            self._ends.pop(end.socket.fileno(), None)
            end.socket.close()
        self._count -= 1

    def _give_up(self) -> None:
        for number, pair in list(self._connecting.items()):
            if time.monotonic() > pair.deadline:
                del self._connecting[number]
                self._drop(pair)


def main(path: str) -> int:
    """Serve the socket that systemd gives (sd_listen_fds(3))."""
    with socket.socket(fileno=3) as entrance, contextlib.closing(Kernel()) as kernel:
        Forward(entrance, Gate(path, kernel)).run()
    return 0
