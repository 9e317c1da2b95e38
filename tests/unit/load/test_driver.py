"""The load against services that behave in each way that a client can see."""

import asyncio
import contextlib
import re
import time

import pytest
from driver import Plan, compare, drive

FEW = {"connections": 8, "rate": 1200.0, "seconds": 60.0, "most": 120, "slow_every": 0, "timeout": 30.0}


class Service:
    """Takes orders over asyncio streams; `behave(number, writer)` may answer the numbered order in its own way."""

    def __init__(self, behave=None):
        self.behave = behave or self.answer
        self.taken = []
        self.connections = 0

    async def answer(self, _number, writer, head="", status="201 Created"):
        writer.write(f"HTTP/1.1 {status}\r\n{head}Content-Length: 2\r\n\r\nok".encode())

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
                body = await reader.readexactly(length)
                self.taken.append(re.search(rb'"id":"(.*)"', body).group(1).decode())
                if await self.behave(len(self.taken), writer) == "close" or b"Connection: close" in head:
                    break


def run(service, **changes):
    """Drive the service; the tally, and how often the first outcome was announced."""
    firsts = []

    async def all_of_it():
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        plan = Plan(host="127.0.0.1", port=port, run="run", **(FEW | changes))
        try:
            return await drive(plan, asyncio.Event(), lambda: firsts.append(1))
        finally:
            server.close()
            await asyncio.sleep(0.02)  # the service sees that its clients are gone

    tally, _ = asyncio.run(all_of_it())
    assert tally.sent == len(tally.acknowledged) + sum(tally.causes.values())
    return tally, len(firsts)


def test_a_steady_service_loses_nothing_over_kept_and_new_connections():
    service = Service()
    tally, firsts = run(service)
    assert (tally.sent, tally.causes, firsts) == (120, {}, 1)
    assert sorted(tally.acknowledged) == sorted(service.taken)
    assert len(set(service.taken)) == 120
    assert tally.reconnects == tally.idle_closed == 0
    assert 6 + 120 / 8 <= service.connections <= 6 + 120 / 2  # six are kept, two are new for each order


def test_the_rate_is_kept_and_the_time_is_bounded():
    since = time.monotonic()
    tally, _ = run(Service(), most=10_000, seconds=0.5, rate=200.0)
    due = 200 * (time.monotonic() - since) + 1  # a busy machine ends it later, and more were due by then
    assert 0 < tally.sent <= due
    assert tally.sent < 10_000


def test_slow_orders_are_asked_for_and_their_delay_is_no_latency():
    async def behave(number, writer):
        if number % 10 == 0:
            await asyncio.sleep(2)
        await service.answer(number, writer)

    service = Service(behave)
    tally, _ = run(service, connections=1, rate=50.0, most=10, slow_every=10, slow_delay=2.0)
    assert (tally.slow, tally.causes) == (1, {})
    assert max(tally.latencies) < 2


def test_a_connection_that_an_answer_closes_is_opened_again():
    async def behave(number, writer):
        await service.answer(number, writer, head="Connection: close\r\n")
        return "close"

    service = Service(behave)
    tally, _ = run(service)
    assert (tally.causes, tally.idle_closed) == ({}, 0)
    assert tally.reconnects > 50


def test_a_connection_closed_while_idle_is_opened_again_and_counted():
    async def behave(number, writer):
        await service.answer(number, writer)
        if number % 7 == 0:
            await writer.drain()
            return "close"
        return ""

    service = Service(behave)
    tally, _ = run(service, connections=16, rate=100.0, most=60)
    assert tally.causes == {}
    assert tally.idle_closed > 0


def drop(writer):
    writer.transport.abort()


@pytest.mark.parametrize(
    ("how", "causes"),
    [
        ("status", {"status 503"}),
        ("redirect", {"status 302"}),
        ("closed", {"closed before the answer"}),
        ("half", {"closed before the answer"}),
        ("reset", {"reset", "closed before the answer"}),
        ("silent", {"timeout"}),
        ("twice", {"not HTTP"}),
        ("other", {"not HTTP"}),
    ],
)
def test_every_other_outcome_is_lost_by_its_cause_and_never_sent_again(how, causes):
    async def behave(number, writer):
        if number % 10:
            await service.answer(number, writer)
            return ""
        if how in ("status", "redirect"):
            await service.answer(number, writer, status="503 Busy" if how == "status" else "302 Found")
        elif how == "half":
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Le")
        elif how == "reset":
            writer.transport.abort()
        elif how == "silent":
            await asyncio.sleep(3)
        elif how == "twice":
            await service.answer(number, writer)
            await service.answer(number, writer)
        elif how == "other":
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        return "close" if how in ("closed", "half", "silent") else ""

    service = Service(behave)
    tally, _ = run(service, **({"timeout": 2.0} if how == "silent" else {}))
    assert set(tally.causes) <= causes
    assert sum(tally.causes.values()) == len(service.taken) // 10
    assert len(service.taken) == len(set(service.taken)) == tally.sent


def test_nobody_listens():
    async def all_of_it():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await drive(Plan(host="127.0.0.1", port=port, run="run", **FEW), asyncio.Event(), lambda: None)

    tally, _ = asyncio.run(all_of_it())
    assert tally.causes == {"refused": tally.sent}
    assert tally.sent > 50


def test_stop_ends_the_sending_and_waits_for_what_is_on_its_way():
    async def behave(number, writer):
        await asyncio.sleep(0.1)
        await service.answer(number, writer)

    service = Service(behave)

    async def all_of_it():
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.25, stop.set)
        plan = Plan(
            host="127.0.0.1", port=server.sockets[0].getsockname()[1], run="run", **FEW | {"seconds": 20, "rate": 100.0}
        )
        try:
            return await drive(plan, stop, lambda: None)
        finally:
            server.close()
            await asyncio.sleep(0.02)  # the service sees that its clients are gone

    tally, _ = asyncio.run(all_of_it())
    assert 0 < tally.sent < 120
    assert tally.causes == {}
    assert sorted(tally.acknowledged) == sorted(service.taken)


def test_ids_are_compared_both_ways():
    ids = compare(["a", "b", "c"], ["c", "a", "d", "a"])
    assert (ids.unacknowledged, ids.missing, ids.twice) == (["d"], ["b"], ["a"])
    assert compare(["a"], ["a"]) == compare([], [])
