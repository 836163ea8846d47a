"""Kill things while two users type: they stay equal, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cluster import processes
from tests.client import Editor, assert_converged
from tests.conftest import Running, make_running

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
API = "/api/v1/collaboration"
FAST = {"RATE_LIMIT_PER_SECOND": "1000", "RATE_LIMIT_PER_MINUTE": "60000"}


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A SynQ to be broken by one test after the other; each leaves it running."""
    running = make_running(tmp_path_factory.mktemp("breakable"), **FAST)
    running.start()
    try:
        yield running
    finally:
        running.stop()


async def new_session(synq: Running) -> str:
    async with synq.client("alice") as http:
        body = {"name": "t", "visibility": "public", "public_role": "editor", "content": "start\n"}
        session: str = (await http.post(f"{API}/sessions", json=body)).json()["id"]
        return session


def one(synq: Running, title: str) -> psutil.Process:
    """Return this SynQ's process with such a title."""
    found = [
        process
        for process in processes.marked(synq.data_dir)
        if title in " ".join(process.cmdline())
    ]
    assert found, title
    return found[0]


async def type_for(editors: list[Editor], rng: random.Random, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        rng.choice(editors).type_randomly(rng)
        await asyncio.sleep(0.01)


async def check(synq: Running, session: str, editors: list[Editor]) -> None:
    """Equal everywhere; each acknowledged number in history once, under the rev it was told."""
    for editor in editors:
        await editor.settle(120)
    async with synq.client("alice") as http:
        state = (await http.get(f"{API}/sessions/{session}/state")).json()
        items, start = [], 1
        while start is not None:
            page = (
                await http.get(f"{API}/sessions/{session}/history?from={start}&limit=1000")
            ).json()
            items += page["items"]
            start = page["next"]
    await assert_converged(editors, state)
    assert [item["rev"] for item in items] == list(range(1, state["rev"] + 1))
    history = {(item["client"], item["seq"]): item["rev"] for item in items}
    assert len(history) == len(items)
    for editor in editors:
        assert editor.acknowledged
        for seq, rev in editor.acknowledged:
            assert history[editor.client, seq] == rev
        assert not [nack for nack in editor.nacks if nack["code"] not in ("overloaded", "stale")]


@pytest.mark.parametrize(
    "title", ["ray::SessionActor", "ray::ServeReplica:collaborate", "ray::Directory", "haproxy"]
)
async def test_a_killed_process_loses_nothing(breakable: Running, title: str) -> None:
    synq = breakable
    session = await new_session(synq)
    rng = random.Random(title)
    async with (
        Editor(synq.url, synq.token("alice"), session) as a,
        Editor(synq.url, synq.token("bob"), session) as b,
    ):
        await type_for([a, b], rng, 1.0)
        one(synq, title).kill()
        await type_for([a, b], rng, 3.0)
        async with asyncio.timeout(90):
            await asyncio.gather(a.live.wait(), b.live.wait())
        await type_for([a, b], rng, 0.5)
        await check(synq, session, [a, b])


async def test_everything_killed_and_started_again(breakable: Running) -> None:
    synq = breakable
    session = await new_session(synq)
    rng = random.Random(1)
    async with (
        Editor(synq.url, synq.token("alice"), session) as a,
        Editor(synq.url, synq.token("bob"), session) as b,
    ):
        await type_for([a, b], rng, 1.0)
        assert synq.process is not None
        synq.process.kill()
        synq.process.wait()
        for process in processes.marked(synq.data_dir):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await type_for([a, b], rng, 0.5)
        await asyncio.to_thread(synq.start)
        async with asyncio.timeout(90):
            await asyncio.gather(a.live.wait(), b.live.wait())
        await check(synq, session, [a, b])


async def test_the_next_start_recovers_from_a_killed_main_process(breakable: Running) -> None:
    """HAProxy outlives its parents and holds the port; only what is ours is ended."""
    synq = breakable
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        assert synq.process is not None
        synq.process.kill()
        synq.process.wait()
        assert processes.marked(synq.data_dir), "nothing was left over: the test shows nothing"
        await asyncio.to_thread(synq.start)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_at_once_and_it_starts_again(
    breakable: Running, number: int
) -> None:
    synq = breakable
    assert synq.process is not None
    loop = asyncio.get_running_loop()
    before = loop.time()
    synq.process.send_signal(number)
    assert await asyncio.to_thread(synq.process.wait, 20) == 0
    assert loop.time() - before < 15
    assert processes.marked(synq.data_dir) == []
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", synq.port))
    await asyncio.to_thread(synq.start)


async def test_nothing_listens_beyond_loopback(synq: Running) -> None:
    for process in processes.marked(synq.data_dir):
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip in ("127.0.0.1", "::1", "::ffff:127.0.0.1"), (
                        process.cmdline(),
                        connection.laddr,
                    )


def test_the_command(synq: Running, tmp_path: Path) -> None:
    assert synq.cli("--version").stdout == "synq 0.1.0\n"
    status = synq.cli("status")
    assert status.returncode == 0
    assert f"running: {synq.url}" in status.stdout
    assert "database: ok" in status.stdout
    token = synq.cli("token", "dora", "--scope", "job:submit", "--scope", "ml:infer").stdout
    assert token.count(".") == 2
    assert token.count("\n") == 1
    bad = synq.cli("token", "not a user")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "user id" in bad.stderr

    stopped = make_running(tmp_path)
    assert stopped.cli("status").returncode == 1
    assert stopped.cli("down").returncode == 0
    assert stopped.cli("token", "dora").stdout.count(".") == 2


def test_a_second_one_on_the_same_data_or_port_is_refused(synq: Running, tmp_path: Path) -> None:
    second = synq.cli("up")
    assert second.returncode == 2
    assert f"process {synq.process.pid if synq.process else ''}" in second.stderr
    other = make_running(tmp_path)
    other.environment["SYNQ_PORT"] = str(synq.port)
    refused = other.cli("up")
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1:{synq.port}" in refused.stderr
    assert synq.cli("status").returncode == 0
