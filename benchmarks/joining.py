"""Coming to a long history: how soon a client has the document, and what it weighs in memory.

A session gets its revs over a socket, like any; then SynQ is restarted, so that the first who joins
waits for the loading too. Times run from the connection's first byte to the frame with the state.

Usage: ``make bench-joining``, or ``python -m benchmarks.joining --help``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from typing import Any

import msgspec
import psutil
import uvloop

from benchmarks import machine, report, running
from benchmarks.servers import SynQ, kind_of
from benchmarks.sockets import Socket, connect
from benchmarks.speak_synq import create_sessions

BATCH = 500
BEHIND = 10_000
TIMEOUT_S = 60.0
# The first state comes with what a process does once; what stays is a session's.
SETTLE_S = 2.0


class Client:
    """A socket that asks and waits for the frame that answers."""

    def __init__(self, socket: Socket, frames: asyncio.Queue[bytes]) -> None:
        self._socket = socket
        self._frames = frames

    @classmethod
    async def open(cls, server: SynQ, token: str) -> Client:
        """Connect."""
        frames: asyncio.Queue[bytes] = asyncio.Queue()
        url = f"{server.urls[0].replace('http', 'ws', 1)}/ws/collaborate"
        authorization = ("Authorization", f"Bearer {token}")
        socket = await connect(url, lambda payload, _: frames.put_nowait(payload), [authorization])
        return cls(socket, frames)

    async def ask(self, message: dict[str, Any], answer: str) -> bytes:
        """Send and return the first frame of the type ``answer``."""
        self._socket.send(msgspec.json.encode(message).decode())
        start = f'{{"type":"{answer}"'.encode()
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                frame = await self._frames.get()
                if frame.startswith(start):
                    return frame
                if frame.startswith((b'{"type":"nack"', b'{"type":"error"')):
                    raise SystemExit(f"refused: {frame.decode()}")

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()


def main() -> None:
    """Write the history, come to it, print."""
    parser = argparse.ArgumentParser(prog="benchmarks.joining", description=__doc__)
    parser.add_argument("--revs", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=1_000_000, help="characters at the end")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    running.RESULTS.mkdir(parents=True, exist_ok=True)
    server = SynQ(running.RESULTS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            session = runner.run(_write(server, chosen.revs, chosen.size))
            server.restart()
            rows = runner.run(_measure(server, session, chosen.rounds))
    finally:
        server.stop()
    print(report.table(["", "", "answer KB"], rows))
    print(f"\nA text of {chosen.size:,} characters at rev {chosen.revs:,}; HAProxy in front.\n")
    print(report.conditions(machine.describe(running.RESULTS)))


async def _write(server: SynQ, revs: int, size: int) -> str:
    (token,) = server.tokens(1)
    length = size - revs
    rng = random.Random(1)
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz     \n", k=length))
    (session,) = await create_sessions(server.api, token, 1, text)
    client = await Client.open(server, token)
    await client.ask({"type": "subscribe", "session": session, "client": "writer-1"}, "subscribed")
    began = time.monotonic()
    for rev in range(0, revs, BATCH):
        ops = []
        for _ in range(min(BATCH, revs - rev)):
            position = rng.randrange(1, length)
            ops.append([position, [0, "x"], length - position])
            length += 1
        edit = {"type": "edit", "session": session, "client": "writer-1", "seq": rev + 1}
        await client.ask({**edit, "rev": rev, "ops": ops}, "items")
        if rev % 20_000 == 0:
            print(f"{rev} revs after {time.monotonic() - began:.0f} s", file=sys.stderr)
    client.close()
    return session


async def _measure(server: SynQ, session: str, rounds: int) -> list[list[str]]:
    (token,) = server.tokens(1)
    (warm,) = await create_sessions(server.api, token, 1, "warm")
    await _join(server, token, warm, None)
    await asyncio.sleep(SETTLE_S)
    before = _actors(server)
    first_ms, frame = await _join(server, token, session, None)
    state = msgspec.json.decode(frame)
    await asyncio.sleep(SETTLE_S)
    after = _actors(server)
    # Not those started meanwhile: a spare actor takes the place of the one the session went to.
    weight = sum(after[pid] - before[pid] for pid in before.keys() & after.keys()) / 2**20
    rows = [["first join after a restart (loads it), ms", f"{first_ms:.0f}", _kb(frame)]]
    times = []
    for _ in range(rounds):
        ms, frame = await _join(server, token, session, None)
        times.append(ms)
    rows.append(["join, ms", report.spread(times, 0), _kb(frame)])
    since = {"lineage": state["lineage"], "rev": state["rev"] - BEHIND}
    times = []
    for _ in range(rounds):
        ms, frame = await _join(server, token, session, since)
        times.append(ms)
    missed = msgspec.json.decode(frame).get("items")
    how = f"{len(missed):,} items" if missed is not None else "got the state instead"
    rows.append([f"resume {BEHIND:,} revs behind ({how}), ms", report.spread(times, 0), _kb(frame)])
    rows.append(["resident memory of the loaded session, MB", f"{weight:.1f}", ""])
    return rows


async def _join(
    server: SynQ, token: str, session: str, since: dict[str, Any] | None
) -> tuple[float, bytes]:
    began = time.monotonic()
    client = await Client.open(server, token)
    message: dict[str, Any] = {"type": "subscribe", "session": session, "client": "reader-1"}
    frame = await client.ask(message | ({"since": since} if since else {}), "subscribed")
    took_ms = (time.monotonic() - began) * 1e3
    client.close()
    return took_ms, frame


def _actors(server: SynQ) -> dict[int, int]:
    """Return the bytes that each session actor has to itself."""
    return {
        process.pid: process.memory_full_info().uss
        for process in server.processes()
        if psutil.pid_exists(process.pid) and kind_of(process) == "session actors"
    }


def _kb(frame: bytes) -> str:
    return f"{len(frame) / 1e3:,.0f}"


if __name__ == "__main__":
    main()
