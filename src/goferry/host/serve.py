"""The agent's loop: frames in on standard input, answers and progress out on standard output.

A client that ends the stream, or says nothing until the deadline, is silent: an open transaction follows its policy.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path
from typing import IO, Any, Dict, Mapping, Optional

from goferry.host.agent import Session
from goferry.host.engine import HostFailed
from goferry.host.layout import Root
from goferry.kernel import frames
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import as_frame

DEADLINE = 60.0
"""Seconds in which a client with an open transaction must speak."""


class Line:
    """The connection to the client."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._writer = writer
        self._requests: queue.Queue[Optional[Dict[str, Any]]] = queue.Queue()
        self._gone = threading.Event()
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()

    def _read(self, reader: IO[bytes]) -> None:
        with contextlib.suppress(frames.BadFrame, OSError, ValueError):
            frame = frames.read(reader)
            while frame is not None:
                self._requests.put(frame[0])
                frame = frames.read(reader)
        self._gone.set()
        self._requests.put(None)

    def gone(self) -> bool:
        """Whether the client has ended the stream (or sent what is no frame)."""
        return self._gone.is_set()

    def next(self, timeout: Optional[float]) -> Optional[Dict[str, Any]]:
        """Return the next request; None at the end or when the time is over."""
        try:
            return self._requests.get(timeout=timeout)
        except queue.Empty:
            return None

    def send(self, header: Dict[str, Any]) -> None:
        """Send one frame; a client that no longer listens changes nothing.

        What cannot be sent is told as an error: a client that waits for an answer must get one.
        """
        try:
            data = frames.encode(header)
        except ValueError as error:  # too large, or a surrogate of a path that is not UTF-8
            told = HostFailed("the host's answer cannot be sent: %s" % error)
            data = frames.encode({"progress": ""} if "progress" in header else {"ok": False, "error": as_frame(told)})
        with contextlib.suppress(OSError, ValueError):
            self._writer.write(data)
            self._writer.flush()


def serve(reader: IO[bytes], writer: IO[bytes], root: Path, trust: Optional[Path], environ: Mapping[str, str]) -> None:
    """Serve one client until it goes."""
    line = Line(reader, writer)
    session = Session(Root(root), trust, environ, tell=lambda text: line.send({"progress": text}), gone=line.gone)
    while True:
        request = line.next(DEADLINE if session.engine else None)
        if request is None:
            session.silence()
            return
        line.send(_answer(session, request))


def _answer(session: Session, request: Dict[str, Any]) -> Dict[str, Any]:
    try:
        return {"ok": True, **session.answer(request)}
    except GoferryError as error:
        return {"ok": False, "error": as_frame(error)}
    except Exception as error:  # noqa: BLE001  the client is told of a defect too
        return {"ok": False, "error": as_frame(HostFailed("%s: %s" % (type(error).__name__, error)))}
