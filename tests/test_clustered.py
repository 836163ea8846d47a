"""PostgreSQL, Redis, several replicas and Ray nodes: the same behaviour, and what can be lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator

import pytest

from tests.chaos import faults
from tests.chaos.faults import Scene
from tests.chaos.nodes import Node, named
from tests.chaos.people import team
from tests.chaos.services import Postgres, Redis
from tests.conftest import Running, make_running, missing

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
FAST = {"RATE_LIMIT_PER_SECOND": "1000", "RATE_LIMIT_PER_MINUTE": "60000"}
EVERYBODY = ("alice", "bob", "carol")


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two Ray nodes, two replicas, session actors on both nodes; each test leaves it so."""
    if not Postgres.exists():
        missing("PostgreSQL (initdb, postgres)")
    if not Redis.exists():
        missing("redis-server")
    with contextlib.ExitStack() as stack:
        postgres, redis = Postgres(), Redis()
        for service in (postgres, redis):
            stack.callback(service.close)
            service.start()
        synq = make_running(
            tmp_path_factory.mktemp("clustered"),
            DATABASE_URL=postgres.url,
            REDIS_URL=redis.url,
            SYNQ_INGRESS_REPLICAS="2",
            SESSION_ACTORS_PER_NODE="2",
            # Short, so that a client of a replica that is gone with its node notices.
            WEBSOCKET_HEARTBEAT_INTERVAL="3000",
            **FAST,
        )
        synq.start()
        stack.callback(synq.stop)
        scene = Scene(synq, random.Random("clustered"), postgres, redis, Node.join(synq))
        stack.callback(lambda: scene.node.kill() if scene.node else None)
        yield scene


async def ready(synq: Running) -> dict[str, str]:
    async with synq.client(None) as http:
        checks = (await http.get("/readyz")).json()["checks"]
        return {name: check["status"] for name, check in checks.items()}


@pytest.mark.postgres
@pytest.mark.redis
async def test_many_sessions_over_two_nodes_and_two_replicas(clustered: Scene) -> None:
    synq = clustered.synq
    names = ("database", "directory", "parser", "jobs", "training", "redis")
    assert await ready(synq) == dict.fromkeys(names, "ok")
    async with synq.client(None) as http:
        refused = await http.post("/api/v1/auth/guest", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "guest_disabled")
    assert len(named(synq, "ray::ServeReplica:collaborate")) == 2
    async with team(synq, "scale-out", sessions=10, users=EVERYBODY) as people:
        people.pause_s = 0.3
        await people.recovered(30)
        assert clustered.node is not None
        here = len(named(synq, "ray::SessionActor"))
        there = len(clustered.node.processes("ray::SessionActor"))
        assert 0 < there < here, f"{there} of {here} session actors are on the second node"
        await people.accepted(300, 60)
        await people.check()
    assert not (synq.data_dir / "synq.db").exists()


@pytest.mark.postgres
@pytest.mark.redis
async def test_without_redis_typing_goes_on(clustered: Scene) -> None:
    async with team(clustered.synq, "redis") as people:
        await people.recovered(10)
        assert clustered.redis is not None
        await asyncio.to_thread(clustered.redis.kill)
        assert await people.recovered(10) < 5
        assert (await ready(clustered.synq))["redis"] == "unavailable"
        await asyncio.to_thread(clustered.redis.start)
        assert (await ready(clustered.synq))["redis"] == "ok"
        await people.check()


@pytest.mark.postgres
@pytest.mark.redis
async def test_without_postgres_nothing_is_acknowledged_then_all_goes_on(clustered: Scene) -> None:
    async with team(clustered.synq, "postgres", sessions=2) as people:
        await people.recovered(10)
        await faults.postgres_down(clustered, people)
        await people.recovered(30)
        await people.check()


@pytest.mark.postgres
@pytest.mark.redis
async def test_a_lost_nodes_sessions_are_elsewhere_within_10_s(clustered: Scene) -> None:
    """It hangs: nothing is closed, nobody says goodbye."""
    async with team(clustered.synq, "node", sessions=6, users=("alice", "bob")) as people:
        people.pause_s = 0.3
        await people.recovered(30)
        assert clustered.node is not None
        assert clustered.node.processes("ray::SessionActor")
        try:
            await faults.node_hung(clustered, people)
            assert await people.recovered(30) < 10
        finally:
            await asyncio.to_thread(clustered.node.kill)
        clustered.node = await asyncio.to_thread(Node.join, clustered.synq)
        await people.recovered(20)
        await people.check()


@pytest.mark.parametrize("edge", ["proxy", "direct"])
async def test_other_edges(own_synq: Callable[..., Running], edge: str) -> None:
    synq = own_synq(SYNQ_EDGE=edge, **FAST)
    async with synq.client("alice") as http:
        assert (await http.get("/api/v1/me")).json()["user"] == "alice"
    async with team(synq, edge, users=EVERYBODY) as people:
        await people.accepted(60, 30)
        await people.check()
