"""The same behaviour with PostgreSQL, Redis and several ingress replicas, and behind each edge."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client import Editor, assert_converged
from tests.conftest import Running, _create_database, end, free_port, missing

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
API = "/api/v1/collaboration"
FAST = {"RATE_LIMIT_PER_SECOND": "1000", "RATE_LIMIT_PER_MINUTE": "60000"}


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = shutil.which("redis-server")
    if binary is None:
        missing("redis-server")
    assert binary is not None
    port = free_port()
    directory = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "Redis did not answer"
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    end(process)


async def type_together(synq: Running) -> None:
    async with synq.client("alice") as http:
        body = {"name": "t", "visibility": "public", "public_role": "editor"}
        session = (await http.post(f"{API}/sessions", json=body)).json()["id"]
    rng = random.Random(3)
    async with (
        Editor(synq.url, synq.token("alice"), session) as a,
        Editor(synq.url, synq.token("bob"), session) as b,
        Editor(synq.url, synq.token("carol"), session) as c,
    ):
        for _ in range(90):
            rng.choice([a, b, c]).type_randomly(rng)
            await asyncio.sleep(0.01)
        for editor in (a, b, c):
            await editor.settle()
        async with synq.client("bob") as http:
            state = (await http.get(f"{API}/sessions/{session}/state")).json()
        await assert_converged([a, b, c], state)


@pytest.mark.postgres
@pytest.mark.redis
async def test_postgres_redis_and_two_replicas(
    own_synq: Callable[..., Running], postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    url = await _create_database(postgres_url, f"clustered{time.monotonic_ns()}")
    synq = own_synq(DATABASE_URL=url, REDIS_URL=redis_url, SYNQ_INGRESS_REPLICAS="2", **FAST)
    async with synq.client(None) as http:
        ready = (await http.get("/readyz")).json()
        names = ("database", "directory", "parser", "jobs", "training", "redis")
        states = {name: check["status"] for name, check in ready["checks"].items()}
        assert states == dict.fromkeys(names, "ok")
        refused = await http.post("/api/v1/auth/guest", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "guest_disabled")
    await type_together(synq)
    assert not (synq.data_dir / "synq.db").exists()


@pytest.mark.parametrize("edge", ["proxy", "direct"])
async def test_other_edges(own_synq: Callable[..., Running], edge: str) -> None:
    synq = own_synq(SYNQ_EDGE=edge, **FAST)
    async with synq.client("alice") as http:
        assert (await http.get("/api/v1/me")).json()["user"] == "alice"
    await type_together(synq)
