"""The same load twice: over a blue-green switch, and over a stop and start of the same service."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "load"))
from load import Load, Report

__all__ = ["Report", "bare_restart", "under_load"]

T = TypeVar("T")


def under_load(url: str, change: Callable[[], T], *, before: float, after: float) -> tuple[Report, T]:
    """Put the load on, `change` after `before` seconds, go on for `after` seconds, and count."""
    with Load.start(url, connections=32, rate=1500.0) as load:
        time.sleep(before)
        result = change()
        time.sleep(after)
        return load.stop(), result


def bare_restart(binary: Path, url: str, data: Path) -> Report:
    """Count what a stop and start of `binary` at the same address loses: what people do who deploy by restart."""
    service = _Bare(binary, url, data)
    with service.running():
        report, _ = under_load(url, service.restart, before=1.0, after=1.5)
    return report


class _Bare:
    """A service that is run by hand: one process, its own listening socket."""

    def __init__(self, binary: Path, url: str, data: Path) -> None:
        self._argv = [str(binary), "--listen", urlsplit(url).netloc, "--data", str(data)]
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it for the block."""
        try:
            self._start()
            yield
        finally:
            self._stop()

    def restart(self) -> None:
        """Stop it as gently as it allows, and start it again."""
        self._stop()
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _await(self._url)

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _await(url: str, seconds: float = 10.0) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + seconds
    while True:
        try:
            with opener.open(url + "/healthz", timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
