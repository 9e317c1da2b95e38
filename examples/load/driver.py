"""Drives the clients: a steady number of orders a second over many connections, until told to stop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from client import Client, Order, Tally

TICK = 0.004  # seconds between two looks at what is due
DEBT = 0.25  # seconds of orders that are made up for after a stall; more would be a flood


@dataclass(frozen=True)
class Plan:
    """What is to be sent.

    Attributes:
        host, port: the service.
        run: what every id of this run begins with.
        connections: clients in all; a quarter opens a new connection for each order, the rest keep theirs.
        rate: orders a second, together.
        seconds, most: the bounds in time and in orders; whichever comes first ends the run.
        slow_every: each so-manieth order asks for `slow_delay` seconds; 0 means none.
        timeout: seconds (beside its delay) after which an order is given up.
    """

    host: str
    port: int
    run: str
    connections: int = 32
    rate: float = 1500.0
    seconds: float = 60.0
    most: int = 200_000
    slow_every: int = 200
    slow_delay: float = 1.1
    timeout: float = 10.0


async def drive(plan: Plan, stop: asyncio.Event, first: Callable[[], None]) -> tuple[Tally, float]:
    """Send until `stop` or the plan's bounds, and wait for what is on its way: the tally, and the seconds of sending.

    `first` is called once the first order has been answered or lost.
    """
    tally, idle = Tally(), deque[Client]()
    clients = [Client((plan.host, plan.port), tally, idle, fresh=number % 4 == 3) for number in range(plan.connections)]
    idle.extend(clients)
    began = time.perf_counter()
    await _send(plan, tally, idle, clients, stop, first)
    seconds = time.perf_counter() - began
    while len(idle) < len(clients):
        await asyncio.sleep(TICK)
        _give_up(clients, plan.timeout)
    for client in clients:
        client.drop()
    await asyncio.sleep(TICK)  # the transports close in the loop's next round
    return tally, seconds


async def _send(
    plan: Plan,
    tally: Tally,
    idle: deque[Client],
    clients: list[Client],
    stop: asyncio.Event,
    first: Callable[[], None],
) -> None:
    now = began = time.perf_counter()
    end, looked, due, announced = began + plan.seconds, began, 0.0, False
    while not stop.is_set() and now < end and tally.sent < plan.most:
        await asyncio.sleep(TICK)
        before, now = now, time.perf_counter()
        due = min(due + (now - before) * plan.rate, DEBT * plan.rate, plan.most - tally.sent)
        while due >= 1 and idle:
            client, due = idle.popleft(), due - 1
            client.send(_order(plan, tally.sent, client))
        if not announced and (tally.acknowledged or tally.causes):
            announced = True
            first()
        if now - looked > DEBT:
            looked = now
            _give_up(clients, plan.timeout)


def _order(plan: Plan, number: int, client: Client) -> Order:
    slow = plan.slow_every and number % plan.slow_every == plan.slow_every - 1
    delay = plan.slow_delay if slow else 0.0
    return Order.make(f"{plan.host}:{plan.port}", f"{plan.run}-{number}", delay, close=client.fresh)


def _give_up(clients: list[Client], timeout: float) -> None:
    now = time.perf_counter()
    for client in clients:
        client.overdue(now, timeout)


@dataclass(frozen=True)
class Ids:
    """How the service's ids of this run differ from the acknowledged ones; all empty when nothing is wrong."""

    unacknowledged: list[str]
    missing: list[str]
    twice: list[str]


def compare(acknowledged: list[str], stored: list[str]) -> Ids:
    """Stored but not acknowledged, acknowledged but not stored, stored more than once."""
    ours, theirs = set(acknowledged), Counter(stored)
    return Ids(
        unacknowledged=sorted(theirs.keys() - ours),
        missing=sorted(ours - theirs.keys()),
        twice=sorted(id_ for id_, times in theirs.items() if times > 1),
    )
