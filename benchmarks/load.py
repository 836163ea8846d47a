"""The load generator: one run against one server, in a process of its own.

Reads its orders as one JSON object from standard input; writes one JSON object a line:
``measuring`` and ``measured`` when the window opens and closes (so that others can sample at those
moments), then ``result``. Run by `benchmarks.running`.
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
from dataclasses import dataclass
from typing import Any

import msgspec
import uvloop

from benchmarks.pacer import Pacer
from benchmarks.speak_hocuspocus import HocuspocusUser
from benchmarks.speak_sharedb import ShareDBUser
from benchmarks.speak_synq import SynQUser, create_sessions
from benchmarks.users import Broken, Record, Room, User

SETTLE_S = 0.5
DRAIN_S = 15.0
# So many handshakes at a time: as a crowd comes, and no more than a listening socket queues.
OPENING = 64
# Texts compared with what the server stored; all others are compared among their users.
ASKED = 20
# How far an edit may come from its place in the steady rhythm, in parts of the interval.
JITTER = 0.4
PROGRAM = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[8] q;\nbit[8] c;\n' + "".join(
    f"h q[{i % 8}];\ncx q[{i % 8}], q[{(i + 1) % 8}];\n" for i in range(40)
)


class Crowd(msgspec.Struct):
    """``rooms`` sessions of ``users`` each, who together make ``rate`` edits a second."""

    name: str
    rooms: int
    users: int
    rate: float


class Orders(msgspec.Struct):
    """What to do."""

    target: str
    api: str
    urls: list[str]
    tokens: list[str]
    crowds: list[Crowd]
    warmup_s: float
    seconds: float
    seed: int


class Delivered(msgspec.Struct):
    """What a crowd got. Times in milliseconds."""

    name: str
    expected: int = 0
    delivered: int = 0
    offered_per_s: float = 0.0
    achieved_per_s: float = 0.0
    p50: float = math.nan
    p99: float = math.nan
    max: float = math.nan


class Result(msgspec.Struct):
    """What came of it. Times in milliseconds, shares of one core in parts of 1."""

    crowds: list[Delivered] = []
    opened_s: float = 0.0
    equal: bool = False
    generator_cpu: float = 0.0
    generator_lag_p50: float = math.nan
    generator_lag_p99: float = math.nan
    generator_lag_max: float = math.nan
    error: str | None = None


@dataclass(slots=True)
class Gathering:
    """A crowd that came: its sessions, its users, what they saw."""

    crowd: Crowd
    record: Record
    rooms: list[Room]
    users: list[User]


async def run(orders: Orders) -> Result:
    """Open everyone, play the schedule, wait until all have all, compare."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or Broken(context["message"])
        if not failed.done():
            failed.set_exception(error)

    asyncio.get_running_loop().set_exception_handler(fail)
    result = Result()
    began = time.monotonic()
    gatherings = await _gather(orders)
    await _open(gatherings, failed)
    result.opened_s = time.monotonic() - began
    gc.collect()
    gc.freeze()
    gc.disable()  # a pause of ours would count as the server's
    start = time.monotonic() + SETTLE_S
    opens = start + orders.warmup_s
    closes = opens + orders.seconds
    for gathering in gatherings:
        gathering.record.open(opens, closes)
    users = [user for gathering in gatherings for user in gathering.users]
    rooms = [room for gathering in gatherings for room in gathering.rooms]
    pacer = Pacer(schedule(orders, start, closes), lambda who, due: users[who].typed(due))
    pacer.start()
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
    result.crowds = [_summary(gathering, orders.seconds) for gathering in gatherings]
    lag = quantiles(sorted(pacer.lags))
    result.generator_lag_p50, result.generator_lag_p99, result.generator_lag_max = lag
    if result.error is None:
        result.equal = await _equal(rooms)
    for user in users:
        await user.close()
    return result


def schedule(orders: Orders, start: float, end: float) -> list[tuple[float, int]]:
    """Return ``(due, user)`` in order of time: everyone in a steady rhythm, staggered, jittered."""
    rng = random.Random(orders.seed)
    entries = []
    base = 0
    for crowd in orders.crowds:
        count = crowd.rooms * crowd.users
        interval = count / crowd.rate if crowd.rate else math.inf
        places = rng.sample(range(count), count) if crowd.rate else []
        for who in range(len(places)):
            first = start + interval * (places[who] + rng.random()) / count
            for beat in range(int((end - first) / interval) + 1):
                due = first + interval * (beat + JITTER * (rng.random() - 0.5))
                if start <= due < end:
                    entries.append((due, base + who))
        base += count
    entries.sort()
    return entries


async def _gather(orders: Orders) -> list[Gathering]:
    gatherings = []
    tokens = iter(orders.tokens)
    for place, crowd in enumerate(orders.crowds):
        label = f"bench-{orders.seed}-{place}"
        if orders.target == "synq":
            names = await create_sessions(orders.api, orders.tokens[0], crowd.rooms, PROGRAM)
        else:
            names = [f"{label}-{index}" for index in range(crowd.rooms)]
        record = Record()
        rooms = [Room(name, PROGRAM) for name in names]
        users: list[User] = []
        for number in range(crowd.users):
            for index, room in enumerate(rooms):
                name = f"{label}-{index}-{number}"
                seed = hash((orders.seed, crowd.name, index, number))
                first = number == 0
                # All sockets of a session on one replica, as the edge would have it.
                url = orders.urls[index % len(orders.urls)]
                if orders.target == "synq":
                    user: User = SynQUser(
                        name, room, record, seed, api=orders.api, url=url, token=next(tokens)
                    )
                elif orders.target == "sharedb":
                    user = ShareDBUser(name, room, record, seed, url=url, creates=first)
                else:
                    user = HocuspocusUser(name, room, record, seed, url=url, creates=first)
                users.append(user)
        gatherings.append(Gathering(crowd, record, rooms, users))
    return gatherings


async def _open(gatherings: Sequence[Gathering], failed: asyncio.Future[None]) -> None:
    """Open everyone, the first of each session before its others."""
    for gathering in gatherings:
        first = len(gathering.rooms)
        for users in (gathering.users[:first], gathering.users[first:]):
            for at in range(0, len(users), OPENING):
                opening = asyncio.gather(*(user.open() for user in users[at : at + OPENING]))
                await asyncio.wait([opening, failed], return_when="FIRST_COMPLETED")
                if failed.done():
                    opening.cancel()
                    failed.result()
                await opening


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


def _summary(gathering: Gathering, seconds: float) -> Delivered:
    crowd, record = gathering.crowd, gathering.record
    typed = sum(
        1 for user in gathering.users for due in user.due if record.start <= due < record.end
    )
    latencies = sorted(record.latencies)
    p50, p99, top = quantiles(latencies)
    return Delivered(
        name=crowd.name,
        expected=typed * crowd.users,
        delivered=len(latencies),
        offered_per_s=typed / seconds,
        achieved_per_s=record.received / crowd.users / seconds,
        p50=p50,
        p99=p99,
        max=top,
    )


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p99 and the maximum of sorted seconds, in milliseconds."""
    if not values:
        return math.nan, math.nan, math.nan
    last = len(values) - 1
    p50, p99, top = values[last // 2], values[math.ceil(last * 0.99)], values[last]
    return p50 * 1e3, p99 * 1e3, top * 1e3


async def _equal(rooms: Sequence[Room]) -> bool:
    for index, room in enumerate(rooms):
        everyone = list(room.users.values())
        truth = everyone[0].text() if index >= ASKED else await everyone[0].server_text()
        if any(user.text() != truth for user in everyone):
            return False
    return True


def _say(event: dict[str, object]) -> None:
    print(msgspec.json.encode(event).decode(), flush=True)


def main() -> None:
    """Do one run."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(orders))
    _say({"event": "result", "result": msgspec.to_builtins(result)})


if __name__ == "__main__":
    main()
