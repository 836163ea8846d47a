"""What can go wrong, each as one function: it does the harm, and undoes it where harm lasts.

A fault returns once the harm is done and, where it lasts, over. From then on (from its beginning
where `meanwhile` says so) people get what they type acknowledged again within `Fault.within_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.nodes import Node, named
from tests.chaos.people import Team
from tests.chaos.services import Postgres, Redis
from tests.conftest import Running


@dataclass
class Scene:
    """What runs, and can be broken. What is None is not part of it."""

    synq: Running
    rng: random.Random
    postgres: Postgres | None = None
    redis: Redis | None = None
    node: Node | None = None
    disk: Path | None = None
    """A small file system of the database's own."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    do: Callable[[Scene, Team], Awaitable[None]]
    within_s: float
    needs: str = ""
    """The part of the scene that it breaks."""
    meanwhile: bool = False
    """Whether people are to get on while it lasts."""


def one(scene: Scene, title: str) -> psutil.Process:
    """Return one of this SynQ's processes with such a title, at random."""
    found = named(scene.synq, title)
    assert found, f"no process {title!r}"
    return scene.rng.choice(found)


def busiest_actor(scene: Scene) -> psutil.Process:
    """Return the session actor that has done most: one that has sessions, not the spare."""

    def processor_s(process: psutil.Process) -> float:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            return float(times.user + times.system)
        return 0.0

    return max(named(scene.synq, "ray::SessionActor"), key=processor_s)


def killer(title: str) -> Callable[[Scene, Team], Awaitable[None]]:
    async def kill(scene: Scene, team: Team) -> None:
        one(scene, title).kill()

    return kill


async def actor_killed(scene: Scene, team: Team) -> None:
    busiest_actor(scene).kill()


async def actor_stopped(scene: Scene, team: Team, seconds: float = 20.0) -> None:
    """It wakes, if it may, when its sessions are long another's."""
    process = busiest_actor(scene)
    process.suspend()
    try:
        await asyncio.sleep(seconds)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


async def actor_stopped_briefly(scene: Scene, team: Team) -> None:
    await actor_stopped(scene, team, scene.rng.uniform(0.5, 8.0))


async def node_killed(scene: Scene, team: Team) -> None:
    assert scene.node is not None
    await asyncio.to_thread(scene.node.kill)


async def node_hung(scene: Scene, team: Team) -> None:
    """Its connections stay open and nothing moves; it never comes back."""
    assert scene.node is not None
    scene.node.signal(signal.SIGSTOP)


async def postgres_down(scene: Scene, team: Team) -> None:
    """Nothing may be acknowledged meanwhile."""
    assert scene.postgres is not None
    await asyncio.to_thread(scene.postgres.kill)
    await _nothing_acknowledged(team, seconds=3.0)
    await asyncio.to_thread(scene.postgres.start)


async def redis_down(scene: Scene, team: Team) -> None:
    """Redis is no part of a keystroke's way."""
    assert scene.redis is not None
    await asyncio.to_thread(scene.redis.kill)
    await team.recovered(10.0)
    await asyncio.to_thread(scene.redis.start)


async def disk_full(scene: Scene, team: Team) -> None:
    """Nothing may be acknowledged meanwhile."""
    assert scene.disk is not None
    filler = scene.disk / "filler"
    await asyncio.to_thread(_fill, filler)
    try:
        # What SQLite's log has room for in its file still goes in.
        async with asyncio.timeout(30):
            while await team.still_acknowledged(1.0):
                await asyncio.to_thread(_fill, filler)
        await _nothing_acknowledged(team, seconds=2.0)
    finally:
        filler.unlink()


async def reader_stalled(scene: Scene, team: Team) -> None:
    """One reads nothing for a while; nobody else notices."""
    editor = scene.rng.choice(team.editors)
    editor.reading.clear()
    try:
        others = [e for e in team.editors if e is not editor]
        for _ in range(5):
            await team.recovered(5.0, others)
            await asyncio.sleep(0.5)
    finally:
        editor.reading.set()


async def _nothing_acknowledged(team: Team, seconds: float) -> None:
    await asyncio.sleep(0.5)  # what was on its way
    assert not await team.still_acknowledged(seconds)


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4_096):
            with contextlib.suppress(OSError):
                for _ in range(1_000):
                    file.write(bytes(size))


FAULTS = (
    Fault("session actor killed", actor_killed, 20),
    Fault("session actor stopped for 20 s", actor_stopped, 20, meanwhile=True),
    Fault("session actor stopped briefly", actor_stopped_briefly, 20, meanwhile=True),
    Fault("ingress replica killed", killer("ray::ServeReplica:collaborate"), 40),
    Fault("HAProxy killed", killer("haproxy -"), 60),
    Fault("directory killed", killer("ray::Directory"), 30),
    Fault("Ray node killed", node_killed, 20, "node"),
    Fault("Ray node hung", node_hung, 20, "node"),
    Fault("PostgreSQL killed, started again", postgres_down, 30, "postgres"),
    Fault("Redis killed, started again", redis_down, 10, "redis", meanwhile=True),
    Fault("disk full, then not", disk_full, 30, "disk"),
    Fault("a reader stalled", reader_stalled, 10),
)
