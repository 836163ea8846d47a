"""Sockets in uvicorn's hands and ours: direct writes, slow readers, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect

from cluster.identity.keys import load_key
from cluster.identity.tokens import Tokens
from cluster.settings import load_settings
from cluster.storage.database import Database
from deployments import collaborate
from deployments.websocket import connection
from deployments.websocket.connection import Application, Connection
from deployments.websocket.frames import Frame
from deployments.websocket.outbox import Outbox
from deployments.websocket.socket import Socket

Serve = Callable[[Application], Awaitable[str]]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Run a server whose sockets are `Connection`s; its application for everything else fails."""

    async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(f"a {scope['type']} went around the sockets' application")

    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(application: Application) -> str:
        monkeypatch.setattr(connection, "_application", application)
        config = uvicorn.Config(
            nothing_else, port=0, ws=Connection, lifespan="off", log_config=None,
            ws_per_message_deflate=False, ws_ping_interval=None,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        servers.append((server, task))
        async with asyncio.timeout(5):
            while not server.started:
                await asyncio.sleep(0.001)
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"ws://127.0.0.1:{port}/ws/collaborate"

    yield start
    for server, task in servers:
        server.should_exit = True
        await task


async def test_frames_and_asgi_events_reach_the_client_in_order(serve: Serve) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        outbox = Outbox(send)
        assert outbox._connection is not None
        for number in range(100):
            if number % 2:
                outbox.frame(Frame(b"%d" % number))
            else:
                await send({"type": "websocket.send", "text": str(number)})
        assert (await receive())["text"] == "bye"
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        assert not send.__self__.write(b"after the end")

    async with connect(await serve(application)) as socket:
        assert [await socket.recv() for _ in range(100)] == [str(n) for n in range(100)]
        await socket.send("bye")
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (4000, "enough")


async def test_a_reader_that_stops_is_waited_for_and_gets_everything(serve: Serve) -> None:
    blocked = asyncio.Event()
    finished = asyncio.Event()
    big = b"x" * 100_000

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        outbox = Outbox(send)
        sent = 0
        while outbox.blocked_since is None:
            outbox.frame(Frame(b"%04d" % sent + big))
            sent += 1
        for _ in range(5):
            outbox.frame(Frame(b"%04d" % sent + big))
            sent += 1
        assert outbox._bytes == 5 * (len(big) + 4)
        blocked.set()
        async with asyncio.timeout(10):
            while outbox.blocked_since is not None:
                await asyncio.sleep(0.001)
        outbox.frame(Frame(b"%04d" % sent))
        finished.set()
        await receive()

    async with connect(await serve(application), max_queue=1) as socket:
        await blocked.wait()
        for number in range(1_000):
            message = await socket.recv()
            assert message[:4] == f"{number:04d}"
            if finished.is_set() and len(message) == 4:
                break
        else:
            raise AssertionError("the last frame did not come")


async def test_what_comes_while_nobody_receives_is_kept_in_order(serve: Serve) -> None:
    got: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.05)
        while (event := await receive())["type"] != "websocket.disconnect":
            got.append(event["text"])
            await asyncio.sleep(0)
        got.append(f"disconnected {event['code']}")

    async with connect(await serve(application)) as socket:
        for number in range(50):
            await socket.send(str(number))
    async with asyncio.timeout(5):
        while len(got) < 51:
            await asyncio.sleep(0.001)
    assert got == [*map(str, range(50)), "disconnected 1000"]


@pytest.fixture
async def ingress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[collaborate.Ingress]:
    settings = load_settings(data_dir=tmp_path)
    tokens = Tokens(load_key(tmp_path), settings)
    monkeypatch.setattr(collaborate, "get_tokens", lambda: tokens)
    database = Database(settings)
    yield collaborate.Ingress(settings, database, {})
    await database.close()


async def test_sockets_that_came_and_went_leave_nothing(
    serve: Serve, ingress: collaborate.Ingress
) -> None:
    url = await serve(ingress)
    headers = {"Authorization": f"Bearer {ingress._tokens.issue('alice')}"}

    async def come_and_go(count: int) -> int:
        for _ in range(count):
            async with connect(url, additional_headers=headers, compression=None) as socket:
                assert "welcome" in str(await socket.recv())
        async with asyncio.timeout(5):
            while ingress._sockets:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    await come_and_go(30)
    tracemalloc.start()
    try:
        before = await come_and_go(100)
        after = await come_and_go(200)
    finally:
        tracemalloc.stop()
    assert not [thing for thing in gc.get_objects() if type(thing) in (Connection, Socket)]
    assert (after - before) / 200 < 100  # bytes a socket; one header kept would be as much
