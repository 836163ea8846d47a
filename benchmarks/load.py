"""The load generator: one run against one server, in a process of its own.

Reads its orders as one JSON object from standard input; writes one JSON object a line:
``measuring`` and ``measured`` when the window opens and closes (so that others can sample at those
moments), then ``result``. Run by `benchmarks.collab`.
"""

from __future__ import annotations

import asyncio
import gc
import math
import random
import resource
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import msgspec
import uvloop

from benchmarks.pacer import Pacer
from benchmarks.speak_sharedb import ShareDBUser
from benchmarks.speak_synq import SynQUser, create_sessions
from benchmarks.users import Broken, Record, Room, User

SETTLE_S = 0.5
DRAIN_S = 15.0
# How far an edit may come from its place in the steady rhythm, in parts of the interval.
JITTER = 0.4
PROGRAM = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[8] q;\nbit[8] c;\n' + "".join(
    f"h q[{i % 8}];\ncx q[{i % 8}], q[{(i + 1) % 8}];\n" for i in range(40)
)


class Orders(msgspec.Struct):
    """What to do."""

    target: str
    url: str
    tokens: list[str]
    rooms: int
    users: int
    rate: int
    warmup_s: float
    seconds: float
    seed: int


class Result(msgspec.Struct):
    """What came of it. Times in milliseconds, shares of one core in parts of 1."""

    expected: int = 0
    delivered: int = 0
    offered_per_s: float = 0.0
    achieved_per_s: float = 0.0
    p50: float = math.nan
    p99: float = math.nan
    max: float = math.nan
    equal: bool = False
    generator_cpu: float = 0.0
    generator_lag_p50: float = math.nan
    generator_lag_p99: float = math.nan
    generator_lag_max: float = math.nan
    error: str | None = None


async def run(orders: Orders) -> Result:
    """Open everyone, play the schedule, wait until all have all, compare."""
    record = Record()
    rooms, users = await _people(orders, record)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or Broken(context["message"])
        if not failed.done():
            failed.set_exception(error)

    asyncio.get_running_loop().set_exception_handler(fail)
    for user in users:
        opening = asyncio.ensure_future(user.open())
        await asyncio.wait([opening, failed], return_when="FIRST_COMPLETED")
        if failed.done():
            opening.cancel()
            failed.result()
        opening.result()
    gc.collect()
    gc.freeze()
    gc.disable()  # a pause of ours would count as the server's
    start = time.monotonic() + SETTLE_S
    opens = start + orders.warmup_s
    closes = opens + orders.seconds
    record.open(opens, closes)
    pacer = Pacer(schedule(orders, start, closes), lambda who, due: users[who].typed(due))
    pacer.start()
    result = Result()
    tasks = [asyncio.ensure_future(_window(opens, closes, result))]
    try:
        drained = asyncio.ensure_future(_drained(pacer, rooms))
        tasks.append(drained)
        limit = closes - time.monotonic() + DRAIN_S
        await asyncio.wait([drained, failed], timeout=limit, return_when="FIRST_COMPLETED")
        if failed.done():
            failed.result()
        await tasks[0]
    except Exception as error:
        traceback.print_exc()
        result.error = f"{type(error).__name__}: {error}"
    finally:
        for task in tasks:
            task.cancel()
        pacer.stop()
    _summarise(result, orders, record, users, pacer.lags)
    if result.error is None:
        result.equal = await _equal(rooms)
    for user in users:
        await user.close()
    return result


def schedule(orders: Orders, start: float, end: float) -> list[tuple[float, int]]:
    """Return ``(due, user)`` in order of time: everyone in a steady rhythm, staggered, jittered."""
    rng = random.Random(orders.seed)
    count = orders.rooms * orders.users
    interval = count / orders.rate
    entries = []
    for who in range(count):
        first = start + interval * (who + rng.random()) / count
        for beat in range(int((end - first) / interval) + 1):
            due = first + interval * (beat + JITTER * (rng.random() - 0.5))
            if due < end:
                entries.append((due, who))
    entries.sort()
    return entries


async def _people(orders: Orders, record: Record) -> tuple[list[Room], list[User]]:
    count = orders.rooms
    if orders.target == "synq":
        names = await create_sessions(orders.url, orders.tokens[0], count, PROGRAM)
    else:
        names = [f"doc-{orders.seed}-{index}" for index in range(count)]
    rooms = [Room(name, PROGRAM) for name in names]
    users: list[User] = []
    for number in range(orders.users):
        for index, room in enumerate(rooms):
            name = f"bench-{orders.seed}-{index}-{number}"
            seed = hash((orders.seed, index, number))
            if orders.target == "synq":
                token = orders.tokens[len(users)]
                users.append(SynQUser(name, room, record, seed, url=orders.url, token=token))
            else:
                creates = number == 0
                users.append(ShareDBUser(name, room, record, seed, url=orders.url, creates=creates))
    return rooms, users


async def _window(opens: float, closes: float, result: Result) -> None:
    await asyncio.sleep(opens - time.monotonic())
    before = resource.getrusage(resource.RUSAGE_SELF)
    _say({"event": "measuring"})
    await asyncio.sleep(closes - time.monotonic())
    after = resource.getrusage(resource.RUSAGE_SELF)
    _say({"event": "measured"})
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result.generator_cpu = used / (closes - opens)


async def _drained(pacer: Pacer, rooms: Sequence[Room]) -> None:
    await pacer.done.wait()
    while not all(room.quiet for room in rooms):
        await asyncio.sleep(0.05)


def _summarise(
    result: Result, orders: Orders, record: Record, users: Sequence[User], lags: list[float]
) -> None:
    typed = sum(1 for user in users for due in user.due if record.start <= due < record.end)
    latencies = sorted(record.latencies)
    result.expected = typed * orders.users
    result.delivered = len(latencies)
    result.offered_per_s = typed / orders.seconds
    result.achieved_per_s = record.received / orders.users / orders.seconds
    result.p50, result.p99, result.max = quantiles(latencies)
    lag = quantiles(sorted(lags))
    result.generator_lag_p50, result.generator_lag_p99, result.generator_lag_max = lag


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the maximum of sorted seconds, in milliseconds."""
    if not values:
        return math.nan, math.nan, math.nan
    last = len(values) - 1
    p50, p99, top = values[last // 2], values[math.ceil(last * 0.99)], values[last]
    return p50 * 1e3, p99 * 1e3, top * 1e3


async def _equal(rooms: Sequence[Room]) -> bool:
    for room in rooms:
        everyone = list(room.users.values())
        truth = await everyone[0].server_text()
        if any(user.text() != truth for user in everyone):
            return False
    return True


def _say(event: dict[str, object]) -> None:
    print(msgspec.json.encode(event).decode(), flush=True)


def main() -> None:
    """Do one run."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(orders))
    _say({"event": "result", "result": msgspec.to_builtins(result)})


if __name__ == "__main__":
    main()
