"""An honest load for a service that takes orders, to count what a change of version loses.

    with Load.start("http://127.0.0.1:8080") as load:
        …change the version…
        report = load.stop()
    assert report.clean

Every POST has an id of its own and is sent once, whatever happens to it: a 2xx answer is counted with its id, and
everything else is lost (refused, reset, closed before the answer, another status, no answer in time). Some orders ask
for an answer after more than a second. At the end the ids that the service has must be the ids with a 2xx.
A kept connection that the service closes while nothing is on its way is opened again, and counted.

The load runs in a process of its own, bounded in time and number, against loopback addresses only. It ends when its
parent ends.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from client import Tally
    from driver import Plan

SHOWN = 20  # ids of each difference that a report names
LIMITS = {"connections": 256, "rate": 5000, "seconds": 600}


@dataclass(frozen=True)
class Report:
    """What happened. `sent == ok + lost`; times are milliseconds; latencies leave the asked delay out.

    Attributes:
        by_cause: lost orders by what happened to them.
        rps: orders sent a second, over the time of sending.
        slow: orders that asked for a late answer.
        reconnects: kept connections that had to be opened again, `idle_closed` of them closed while idle.
        acknowledged_not_stored, stored_not_acknowledged, stored_twice: how many ids differ from the service's.
        ids: the first of these ids, by the same names.
        ids_error: why the service's ids could not be read; "" when they were.
    """

    url: str
    run: str
    connections: int
    seconds: float
    sent: int
    ok: int
    lost: int
    by_cause: dict[str, int]
    rps: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    slow: int
    reconnects: int
    idle_closed: int
    acknowledged_not_stored: int
    stored_not_acknowledged: int
    stored_twice: int
    ids_error: str = ""
    ids: dict[str, list[str]] = field(default_factory=dict)

    @property
    def ids_equal(self) -> bool:
        """Whether the service's ids are exactly those with a 2xx."""
        wrong = self.acknowledged_not_stored + self.stored_not_acknowledged + self.stored_twice
        return not wrong and not self.ids_error

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and the ids agree."""
        return self.lost == 0 and self.ids_equal

    def lines(self) -> list[str]:
        """The report for people."""
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(self.by_cause.items()))
        ids = (
            f"{self.acknowledged_not_stored} acknowledged but not stored, "
            f"{self.stored_not_acknowledged} stored but not acknowledged, {self.stored_twice} stored twice"
        )
        if self.ids_equal or self.ids_error:
            ids = self.ids_error or "equal"
        return [
            f"sent: {self.sent} in {self.seconds:.1f} s over {self.connections} connections ({self.rps:.0f}/s)",
            f"lost: {self.lost}" + (f" ({causes})" if causes else ""),
            f"ids: {ids}",
            f"latency: p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms, max {self.max_ms:.1f} ms; slow: {self.slow}",
            f"reconnects: {self.reconnects} ({self.idle_closed} closed while idle)",
        ]


class Load:
    """A load that runs; `start` one, then `stop` it, or leave the `with` block to end it without a report."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._input, self._output = process, process.stdin, process.stdout

    @classmethod
    def start(
        cls,
        url: str,
        *,
        connections: int = 32,
        rate: float = 1500.0,
        seconds: float = 120.0,
        slow_every: int = 200,
        wait: float = 10.0,
    ) -> Load:
        """Start sending to the service at `url`, and return after the first answer (at most `wait` seconds).

        Raises ValueError for an address that is not a loopback or a bound that is too high, RuntimeError when nothing
        was sent.
        """
        check(url, connections=connections, rate=rate, seconds=seconds)
        options = {"url": url, "connections": connections, "rate": rate, "seconds": seconds, "slow-every": slow_every}
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        load = cls(
            subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), *arguments, "--json", "--attached"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # an interrupt at the terminal is the parent's to handle
            )
        )
        load._await_first(wait)
        return load

    def _await_first(self, wait: float) -> None:
        patience = threading.Timer(wait, self._process.kill)
        patience.start()
        try:
            line = self._output.readline()
        finally:
            patience.cancel()
        if line.strip() != "running":
            self.close()
            raise RuntimeError(f"the load did not begin within {wait:g} s")

    def stop(self, wait: float = 40.0) -> Report:
        """Stop sending, wait for what is on its way, compare the ids. RuntimeError when the load died."""
        try:
            text, _ = self._process.communicate("", timeout=wait)
        except subprocess.TimeoutExpired:
            self.close()
            raise RuntimeError(f"the load did not end within {wait:g} s") from None
        if not text.strip():
            raise RuntimeError(f"the load ended with status {self._process.returncode} and without a report")
        record = json.loads(text)
        return Report(**{name: value for name, value in record.items() if name not in ("ids_equal", "clean")})

    def close(self) -> None:
        """End the load at once, without a report."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check(url: str, **bounds: float) -> tuple[str, int]:
    """The host and port of `url`; ValueError unless it is http on a loopback address and the bounds are kept."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme != "http" or not loopback or parts.path not in ("", "/"):
        raise ValueError(f"{url!r} is not http://ADDRESS:PORT with a loopback address; others are never loaded")
    for name, value in bounds.items():
        if not 0 < value <= LIMITS[name]:
            raise ValueError(f"{name} {value:g} is not above 0 and at most {LIMITS[name]}")
    return host, parts.port or 80


def run(options: argparse.Namespace) -> Report:
    """Send, as the command line says, and report."""
    from driver import Plan  # beside this file; only the command needs it

    host, port = check(options.url, connections=options.connections, rate=options.rate, seconds=options.seconds)
    plan = Plan(
        host=host,
        port=port,
        run=secrets.token_hex(4),
        connections=options.connections,
        rate=options.rate,
        seconds=options.seconds,
        slow_every=options.slow_every,
        timeout=options.timeout,
    )
    tally, seconds = asyncio.run(_drive(plan, attached=options.attached))
    try:
        stored, error = fetch_ids(options.url, plan.run), ""
    except (OSError, ValueError, urllib.error.URLError) as problem:
        stored, error = [], f"the service's ids could not be read: {problem}"
    return summary(options.url, plan, tally, seconds, stored, error)


async def _drive(plan: Plan, *, attached: bool) -> tuple[Tally, float]:
    from driver import drive

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if attached:
        # The parent closes our standard input to stop us; so does its end.
        loop.add_reader(0, _stop_at_end_of_input, loop, stop)
    return await drive(plan, stop, (lambda: print("running", flush=True)) if attached else (lambda: None))


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(0, 4096):
        loop.remove_reader(0)
        stop.set()


def fetch_ids(url: str, run_: str) -> list[str]:
    """The ids of this run that the service has. ValueError when the list is not whole."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url.rstrip("/") + "/orders/ids", timeout=20) as response:
        text = response.read().decode("ascii", errors="replace")
    if text and not text.endswith("\n"):
        raise ValueError("the list ends within a line")
    return [id_ for id_ in text.split("\n") if id_.startswith(run_ + "-")]


def summary(url: str, plan: Plan, tally: Tally, seconds: float, stored: list[str], error: str) -> Report:
    """The report of a run."""
    from driver import compare

    ids = compare(tally.acknowledged, stored)
    differences = {
        "acknowledged_not_stored": [] if error else ids.missing,
        "stored_not_acknowledged": ids.unacknowledged,
        "stored_twice": ids.twice,
    }
    times = sorted(tally.latencies) or [0.0]
    return Report(
        url=url,
        run=plan.run,
        connections=plan.connections,
        seconds=round(seconds, 3),
        sent=tally.sent,
        ok=len(tally.acknowledged),
        lost=sum(tally.causes.values()),
        by_cause=dict(tally.causes),
        rps=round(tally.sent / max(seconds, 1e-9), 1),
        p50_ms=round(times[len(times) // 2] * 1000, 2),
        p99_ms=round(times[len(times) * 99 // 100] * 1000, 2),
        max_ms=round(times[-1] * 1000, 2),
        slow=tally.slow,
        reconnects=tally.reconnects,
        idle_closed=tally.idle_closed,
        **{name: len(values) for name, values in differences.items()},
        ids_error=error,
        ids={name: values[:SHOWN] for name, values in differences.items()},
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 nothing lost, 1 something lost or the ids differ, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Send orders to a service on this machine and count what is lost.")
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT; other than loopback addresses are refused")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to send (at most 600)")
    parser.add_argument("--connections", type=int, default=32, help="connections; a quarter is opened for each order")
    parser.add_argument("--rate", type=float, default=1500.0, help="orders a second, together")
    parser.add_argument("--slow-every", type=int, default=200, help="each so-manieth order is slow; 0 means none")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds until an order without answer is lost")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        report = run(options)
    except ValueError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(asdict(report) | {"ids_equal": report.ids_equal, "clean": report.clean}))
    else:
        print("\n".join(report.lines()))
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
