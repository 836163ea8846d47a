"""`make chaos`: people type while things break at random, for some minutes; then all is judged.

The seed decides who types what, what breaks and when; processes and clocks do the rest, so a seed
repeats the faults and not every interleaving.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.disks import mountable, small_disk
from tests.chaos.faults import FAULTS, Fault, Scene
from tests.chaos.nodes import Node
from tests.chaos.people import Team, team
from tests.chaos.services import Postgres, Redis
from tests.conftest import make_running

USERS = ("alice", "bob", "carol")
STORES = ("postgres", "sqlite")
# Between two faults, so that some begin while the last is not wholly over.
MOST_CALM_S = 6.0


def build(stack: contextlib.ExitStack, store: str, rng: random.Random) -> Scene:
    """Start SynQ with two Ray nodes, over PostgreSQL and Redis or over SQLite on a small disk."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synq-chaos-")))
    variables = {
        "RATE_LIMIT_PER_SECOND": "1000",
        "RATE_LIMIT_PER_MINUTE": "60000",
        "WEBSOCKET_HEARTBEAT_INTERVAL": "3000",
        "SESSION_ACTORS_PER_NODE": "2",
        "SYNQ_INGRESS_REPLICAS": "2",
        "SYNQ_SNAPSHOT_EVERY": "200",
    }
    postgres = redis = disk = None
    if store == "postgres":
        postgres, redis = Postgres(), Redis()
        for service in (postgres, redis):
            stack.callback(service.close)
            service.start()
        variables |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
    elif mountable():
        disk = stack.enter_context(small_disk(directory / "disk", 256))
        variables["DATABASE_URL"] = f"sqlite:///{disk}/synq.db"
    synq = make_running(directory, **variables)
    stack.callback(lambda: synq.stop() if synq.process else None)
    synq.start()
    scene = Scene(synq, rng, postgres, redis, Node.join(synq), disk)
    stack.callback(lambda: scene.node.kill() if scene.node else None)
    return scene


async def break_things(scene: Scene, people: Team, minutes: float) -> list[tuple[str, float]]:
    """Do one thing after the other; return what was done, and how long people were held up."""
    possible = [fault for fault in FAULTS if not fault.needs or getattr(scene, fault.needs)]
    done: list[tuple[str, float]] = []
    until = time.monotonic() + 60 * minutes
    # Each once before any comes again.
    queue: list[Fault] = []
    while time.monotonic() < until:
        queue = queue or scene.rng.sample(possible, len(possible))
        fault = queue.pop()
        await asyncio.sleep(scene.rng.uniform(0, MOST_CALM_S))
        before = people.acknowledged
        took_s = await _held_up(fault, scene, people)
        done.append((fault.name, took_s))
        accepted = people.acknowledged - before
        print(f"  {fault.name:34} {took_s:6.1f} s   {accepted} acknowledged", flush=True)
        if fault.needs == "node" and scene.node is not None:
            await asyncio.to_thread(scene.node.kill)
            scene.node = await asyncio.to_thread(Node.join, scene.synq)
    return done


async def _held_up(fault: Fault, scene: Scene, people: Team) -> float:
    """Do harm; return how long it took until everybody got on."""
    harm = asyncio.ensure_future(fault.do(scene, people))
    await asyncio.wait({harm}, timeout=0.1 if fault.meanwhile else None)
    try:
        return await people.recovered(fault.within_s)
    finally:
        await harm


async def run(minutes: float, seed: str, store: str, sessions: int) -> None:
    rng = random.Random(seed)
    with contextlib.ExitStack() as stack:
        print(f"seed {seed}, {store}; starting …", flush=True)
        scene = await asyncio.to_thread(build, stack, store, rng)
        async with team(scene.synq, seed, sessions=sessions, users=USERS) as people:
            people.pause_s = 0.3
            await people.recovered(60)
            try:
                done = await break_things(scene, people, minutes)
                items = await people.check(120)
            except BaseException:
                kept = Path(tempfile.gettempdir()) / f"synq-chaos-{seed}.log"
                kept.write_text(scene.synq.log.read_text())
                print(f"failed; repeat with SEED={seed} STORE={store}; log: {kept}", flush=True)
                raise
        times = [took for _, took in done]
        print(
            f"{len(done)} faults, {items} items acknowledged and stored, nothing lost, doubled or "
            f"reordered\nrecovery: min {min(times):.1f} s, median {statistics.median(times):.1f} s,"
            f" max {max(times):.1f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", default="")
    parser.add_argument("--store", choices=STORES, default=None)
    parser.add_argument("--sessions", type=int, default=4)
    options = parser.parse_args()
    seed = options.seed or secrets.token_hex(4)
    store = options.store or random.Random(seed).choice(STORES)
    if store == "postgres" and not (Postgres.exists() and Redis.exists()):
        store = "sqlite"
    asyncio.run(run(options.minutes, seed, store, options.sessions))


if __name__ == "__main__":
    sys.exit(main())
