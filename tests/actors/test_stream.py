"""The stream's signs of life: a peer that hangs is noticed, a busy one is left alone."""

from __future__ import annotations

import asyncio
import time

import pytest

from actors import stream as module
from actors.stream import Stream, StreamServer, connect


class End:
    """One end of a stream, and what came there."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    def stream_opened(self, stream: Stream) -> None:
        self.opened.set()

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        self.frames.append(frame)

    def stream_closed(self, stream: Stream) -> None:
        self.closed.set()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.05)
    monkeypatch.setattr(module, "SILENCE_S", 0.3)


async def test_signs_of_life_keep_a_quiet_stream_open_and_are_no_messages(quick: None) -> None:
    here, there = End(), End()
    server = StreamServer(there)
    await server.start("127.0.0.1")
    stream = await connect(server.offer(), here)
    await asyncio.sleep(1.0)
    assert not here.closed.is_set()
    assert not there.closed.is_set()
    stream.send(b"said")
    async with asyncio.timeout(5):
        while not there.frames:
            await asyncio.sleep(0.01)
    assert (here.frames, there.frames) == ([], [b"said"])
    stream.close()
    await asyncio.wait_for(there.closed.wait(), 5)
    await server.close()


async def test_a_peer_that_hangs_is_given_up(quick: None) -> None:
    """It takes what is sent, as the kernel of a stopped process does, and says nothing."""
    end = End()
    writers: list[asyncio.StreamWriter] = []
    stopped = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    host, port = stopped.sockets[0].getsockname()
    start = time.monotonic()
    await connect((host, port, "secret"), end)
    await asyncio.wait_for(end.closed.wait(), 5)
    assert 0.3 <= time.monotonic() - start < 1.5
    stopped.close()
    for writer in writers:
        writer.close()


async def test_a_loop_that_was_held_up_blames_nobody(quick: None) -> None:
    here, there = End(), End()
    server = StreamServer(there)
    await server.start("127.0.0.1")
    stream = await connect(server.offer(), here)
    await asyncio.wait_for(there.opened.wait(), 5)
    time.sleep(0.6)
    await asyncio.sleep(0.5)
    assert not here.closed.is_set()
    assert not there.closed.is_set()
    stream.close()
    await server.close()
