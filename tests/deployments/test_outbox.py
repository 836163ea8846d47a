"""One socket's sending side: straight through, gathered behind a slow reader, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest
from websockets.frames import Frame as RawFrame
from websockets.frames import Opcode

from deployments.websocket.frames import Frame
from deployments.websocket.outbox import MAX_BEHIND_BYTES, MAX_BEHIND_S, Outbox


class Server:
    """ASGI's ``send`` of a server whose buffer is full while ``gate`` is closed."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.gone = False

    async def send(self, event: MutableMapping[str, Any]) -> None:
        await self.gate.wait()
        if self.gone:
            raise OSError("the peer is gone")
        self.sent.append(msgspec.json.decode(event["text"]))


def items(*revs: int) -> tuple[list[bytes], Frame]:
    fragments = [b'{"rev":%d}' % rev for rev in revs]
    return fragments, Frame(b'{"items":[' + b",".join(fragments) + b"]}")


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_reader_that_keeps_up_is_sent_everything_at_once() -> None:
    server = Server()
    outbox = Outbox(server.send)
    outbox.frame('"welcome"')
    outbox.items("s", *items(1, 2))
    assert server.sent == ["welcome", {"items": [{"rev": 1}, {"rev": 2}]}]
    assert outbox.blocked_since is None


async def test_what_a_slow_reader_misses_comes_in_one_frame_and_in_order() -> None:
    server = Server()
    outbox = Outbox(server.send)
    server.gate.clear()
    outbox.items("s", *items(1))
    for rev in range(2, 6):
        outbox.items("s", *items(rev))
    outbox.frame(Frame(b'"between"'))
    outbox.items("s", *items(6))
    assert server.sent == []
    assert outbox.blocked_since is not None
    server.gate.set()
    await turns()
    missed = {"type": "items", "session": "s"}
    assert server.sent == [
        {"items": [{"rev": 1}]},
        {**missed, "items": [{"rev": rev} for rev in range(2, 6)]},
        "between",
        {**missed, "items": [{"rev": 6}]},
    ]
    outbox.frame('"after"')
    assert server.sent[-1] == "after"
    assert outbox.blocked_since is None
    assert not outbox.too_slow(1e9)


@pytest.mark.parametrize("form", ["items", "frame"])
async def test_too_far_behind_in_bytes(form: str) -> None:
    server = Server()
    outbox = Outbox(server.send)
    server.gate.clear()
    outbox.frame('"first"')
    now = outbox.blocked_since
    assert now is not None
    big = b'"' + b"x" * (MAX_BEHIND_BYTES // 2) + b'"'
    for _ in range(2):
        assert not outbox.too_slow(now)
        if form == "items":
            outbox.items("s", [big], Frame(big))
        else:
            outbox.frame(Frame(big))
    assert outbox.too_slow(now)
    outbox.stop()
    await turns()


async def test_too_far_behind_in_time() -> None:
    server = Server()
    outbox = Outbox(server.send)
    server.gate.clear()
    outbox.frame('"first"')
    since = outbox.blocked_since
    assert since is not None
    assert not outbox.too_slow(since + MAX_BEHIND_S - 1)
    assert outbox.too_slow(since + MAX_BEHIND_S + 1)
    outbox.stop()
    await turns()


async def test_a_peer_that_is_gone_stops_it() -> None:
    server = Server()
    outbox = Outbox(server.send)
    server.gone = True
    outbox.frame('"to nobody"')
    assert outbox.stopped
    server.gone = False
    outbox.frame('"nor this"')
    assert server.sent == []


async def test_a_peer_that_goes_while_it_is_waited_for() -> None:
    server = Server()
    outbox = Outbox(server.send)
    server.gate.clear()
    outbox.frame('"first"')
    outbox.frame('"second"')
    server.gone = True
    server.gate.set()
    await turns()
    assert outbox.stopped
    assert server.sent == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_is_on_the_wire_what_websockets_would_send(size: int) -> None:
    payload = b"x" * size
    frame = Frame(payload)
    assert frame.wire == RawFrame(Opcode.TEXT, payload).serialize(mask=False)
    assert frame.wire.endswith(payload)
    assert len(frame.wire) - size == (2 if size < 126 else 4 if size < 65_536 else 10)
