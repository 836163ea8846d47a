"""What a socket that waits weighs, in all of SynQ's processes together, and what it leaves behind.

First so many sockets are opened, each following a session, without compression; the growth of every
process's proportional set size (Pss) is divided by their number. Then sockets come and go, and what
has grown after that is what they left.

Usage: ``make bench-idle``, or ``python -m benchmarks.idle --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
from collections import defaultdict
from collections.abc import Sequence

import psutil
import uvloop

from benchmarks import machine, report, running
from benchmarks.servers import Server, SynQ, kind_of
from benchmarks.sockets import Socket, connect
from benchmarks.speak_synq import create_sessions

USERS = 5
OPENING = 32
SETTLE_S = 3.0
# Opened first and left open: caches, pools and arenas are not what a socket weighs.
WARM = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.idle", description=__doc__)
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--cycles", type=int, default=10_000, help="sockets that come and go")
    parser.add_argument("--edge", choices=["haproxy", "direct"], default="haproxy")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    running.RESULTS.mkdir(parents=True, exist_ok=True)
    server = SynQ(running.RESULTS, SYNQ_EDGE=chosen.edge, WEBSOCKET_HEARTBEAT_INTERVAL="600000")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(server, chosen.sockets, chosen.cycles))
    finally:
        server.stop()
    print(report.conditions(machine.describe(running.RESULTS)))


async def _measure(server: Server, count: int, cycles: int) -> None:
    tokens = server.tokens(WARM + count)
    rooms = await create_sessions(server.api, tokens[0], (WARM + count) // USERS, "idle")
    visitors = Visitors(server, rooms, tokens)
    await visitors.open(WARM)
    await asyncio.sleep(SETTLE_S)
    before = weigh(server)
    await visitors.open(count)
    await asyncio.sleep(SETTLE_S)
    after = weigh(server)
    weights = {kind: (after[kind] - before[kind]) / count / 1024 for kind in after}
    rows = [[kind, f"{kilobytes:.1f}"] for kind, kilobytes in sorted(weights.items())]
    rows.append(["together", f"{sum(weights.values()):.1f}"])
    print(report.table(["processes", "KB per idle socket"], rows))
    print(f"\n{count} sockets in {len(rooms)} sessions of {USERS}, Pss.\n")
    if cycles:
        visitors.leave()
        await visitors.come_and_go(cycles // 10)
        before = weigh(server)
        await visitors.come_and_go(cycles)
        after = weigh(server)
        left = {kind: (after[kind] - before[kind]) / 2**20 for kind in after}
        rows = [[kind, f"{megabytes:+.1f}"] for kind, megabytes in sorted(left.items())]
        print(report.table(["processes", f"MB after {cycles} sockets came and went"], rows))
        print()


def weigh(server: Server) -> dict[str, int]:
    """Return the bytes of all of a server's processes, by kind."""
    weights: dict[str, int] = defaultdict(int)
    for process in server.processes():
        try:
            weights[kind_of(process)] += process.memory_full_info().pss
        except psutil.Error:
            continue
    return weights


class Visitors:
    """Sockets that follow a session and say nothing."""

    def __init__(self, server: Server, rooms: Sequence[str], tokens: Sequence[str]) -> None:
        self._urls = [url.replace("http", "ws", 1) for url in server.urls]
        self._rooms = rooms
        self._tokens = tokens
        self._open: list[Socket] = []
        self._number = 0

    async def open(self, count: int) -> None:
        """Open so many more."""
        for at in range(0, count, OPENING):
            coming = (self._come() for _ in range(min(OPENING, count - at)))
            self._open += await asyncio.gather(*coming)

    async def come_and_go(self, count: int) -> None:
        """Open so many and close each as soon as it follows."""
        for at in range(0, count, OPENING):
            for socket in await asyncio.gather(*(self._come() for _ in range(OPENING))):
                socket.close()
            if at and at % 1_000 < OPENING:
                print(f"{at} came and went", file=sys.stderr)
        await asyncio.sleep(SETTLE_S)

    def leave(self) -> None:
        """Close all."""
        for socket in self._open:
            socket.close()
        self._open.clear()

    async def _come(self) -> Socket:
        number = self._number
        self._number += 1
        subscribed = asyncio.get_running_loop().create_future()

        def on_frame(payload: bytes, _now: float) -> None:
            if payload.startswith(b'{"type":"subscribed"') and not subscribed.done():
                subscribed.set_result(None)

        place = (number // USERS) % len(self._rooms)
        room, url = self._rooms[place], self._urls[place % len(self._urls)]
        token = self._tokens[number % len(self._tokens)]
        socket = await connect(
            f"{url}/ws/collaborate?session={room}", on_frame, [("Authorization", f"Bearer {token}")]
        )
        # As a browser does: the same tab's name after it comes back.
        client = f"visitor-{number % len(self._tokens)}"
        socket.send(f'{{"type":"subscribe","session":"{room}","client":"{client}"}}')
        async with asyncio.timeout(30):
            await subscribed
        return socket


if __name__ == "__main__":
    main()
