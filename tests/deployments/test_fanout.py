"""One session's readers: order, coalescing, turns for other sessions, those who come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from deployments.websocket import fanout
from deployments.websocket.fanout import SLICE, Fanout, Item
from deployments.websocket.frames import Frame


class Reader:
    """A socket that keeps what it is sent."""

    def __init__(self, id_: int, on_frame: Callable[[], None] = lambda: None) -> None:
        self.id = id_
        self.user = f"user{id_}"
        self.got: list[object] = []
        self.frames = 0
        self._on_frame = on_frame

    def frame(self, frame: Frame | str) -> None:
        self._on_frame()
        self.frames += 1
        self.got.append(frame if isinstance(frame, str) else frame.text)

    def items(self, session: str, fragments: list[bytes], frame: Frame) -> None:
        self._on_frame()
        self.frames += 1
        message = msgspec.json.decode(frame.text)
        assert message["type"] == "items"
        assert message["session"] == session
        assert message["items"] == [msgspec.json.decode(fragment) for fragment in fragments]
        self.got.extend(message["items"])

    def close(self, code: int, reason: str) -> None:
        raise AssertionError("nobody is closed here")


class Session:
    """A fan-out with its readers; clients are named after their sockets."""

    def __init__(self, count: int) -> None:
        self.readers: dict[int, Reader] = {}
        self.busy: set[Fanout] = set()
        self.fanout = Fanout("s", self.readers, self.busy)
        for id_ in range(count):
            self.join(id_)

    def join(self, id_: int, on_frame: Callable[[], None] = lambda: None) -> Reader:
        reader = self.readers[id_] = Reader(id_, on_frame)
        self.fanout.join(id_, f"client{id_}")
        return reader

    async def settled(self) -> None:
        async with asyncio.timeout(5):
            while self.busy or self.fanout._later is not None:
                await asyncio.sleep(0.001)


def item(rev: int, author: int = -1) -> Item:
    name = f"client{author}"
    return name, b'{"rev":%d,"op":[]}' % rev, b'{"rev":%d}' % rev


def revs(reader: Reader) -> list[object]:
    return [got["rev"] if isinstance(got, dict) else got for got in reader.got]


async def test_a_quiet_session_is_served_at_once() -> None:
    session = Session(10)
    for rev in range(1, 6):
        session.fanout.items([item(rev)])
        assert all(revs(reader)[-1] == rev for reader in session.readers.values())
    assert not session.busy


async def test_the_author_gets_its_own_form() -> None:
    session = Session(3)
    session.fanout.items([item(1, author=1), item(2, author=2)])
    assert session.readers[0].got == [{"rev": 1, "op": []}, {"rev": 2, "op": []}]
    assert session.readers[1].got == [{"rev": 1}, {"rev": 2, "op": []}]
    assert session.readers[2].got == [{"rev": 1, "op": []}, {"rev": 2}]


async def test_what_comes_during_a_pass_goes_out_together_in_the_next() -> None:
    session = Session(5 * SLICE)
    session.fanout.items([item(1)])
    for rev in range(2, 50):
        session.fanout.items([item(rev, author=3)])
    await session.settled()
    for reader in session.readers.values():
        assert revs(reader) == list(range(1, 50))
        assert reader.frames == 2


async def test_a_pass_that_took_long_is_followed_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(fanout.time, "perf_counter", lambda: next(clock) * 0.04)
    session = Session(SLICE)
    loop = asyncio.get_running_loop()
    session.fanout.items([item(1)])
    began = loop.time()
    await asyncio.sleep(0)
    session.fanout.items([item(2)])
    session.fanout.items([item(3)])
    assert revs(session.readers[0]) == [1]
    await session.settled()
    assert revs(session.readers[0]) == [1, 2, 3]
    assert session.readers[0].frames == 2
    assert loop.time() - began >= 0.04


async def test_a_small_session_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(fanout.time, "perf_counter", lambda: float(next(clock)))
    session = Session(fanout.FEW - 1)
    for rev in range(1, 4):
        session.fanout.items([item(rev)])
        assert revs(session.readers[0])[-1] == rev


async def test_another_session_has_its_turn_within_a_pass() -> None:
    wide, quiet = Session(0), Session(2)
    served = []
    for id_ in range(10 * SLICE):
        wide.join(id_, lambda: served.append(1))
    wide.fanout.items([item(1)])
    asyncio.get_running_loop().call_soon(quiet.fanout.items, [item(1)])
    await asyncio.sleep(0)
    assert revs(quiet.readers[0]) == [1]
    assert len(served) < 10 * SLICE
    await wide.settled()
    assert len(served) == 10 * SLICE


async def test_who_comes_during_a_pass_gets_what_follows_its_state_only() -> None:
    session = Session(3 * SLICE)
    session.fanout.items([item(1)])
    session.fanout.items([item(2)])
    late = session.join(9_000)
    session.fanout.items([item(3, author=9_000)])
    session.fanout.items([item(4)])
    await session.settled()
    assert revs(late) == [3, 4]
    assert "op" not in late.got[0]  # type: ignore[operator]
    assert all(revs(session.readers[id_]) == [1, 2, 3, 4] for id_ in range(3 * SLICE))


async def test_who_leaves_during_a_pass_gets_nothing_more() -> None:
    session = Session(3 * SLICE)
    session.fanout.items([item(1)])
    unserved = next(id_ for id_, reader in session.readers.items() if not reader.frames)
    session.fanout.leave(unserved)
    await session.settled()
    assert not session.readers.pop(unserved).frames
    assert all(reader.frames == 1 for reader in session.readers.values())


async def test_who_catches_up_gets_everything_once_and_in_order() -> None:
    session = Session(3 * SLICE)
    session.fanout.items([item(1)])
    session.fanout.items([item(2)])
    session.fanout.frame(b'"here"')
    session.fanout.items([item(3)])
    served = next(reader for reader in session.readers.values() if reader.frames)
    unserved = next(reader for reader in session.readers.values() if not reader.frames)
    for reader in (served, unserved):
        session.fanout.catch_up(reader.id)
        assert revs(reader) == [1, 2, '"here"', 3]
        reader.frame("reply")
    session.fanout.items([item(4)])
    await session.settled()
    for reader in session.readers.values():
        expected = [1, 2, '"here"', 3, 4]
        if reader in (served, unserved):
            expected.insert(4, "reply")
        assert revs(reader) == expected


async def test_frames_keep_their_place_among_items() -> None:
    session = Session(3 * SLICE)
    session.fanout.items([item(1)])
    session.fanout.items([item(2)])
    session.fanout.frame(b'"here"')
    session.fanout.items([item(3)])
    await session.settled()
    for reader in session.readers.values():
        assert revs(reader) == [1, 2, '"here"', 3]


async def test_a_stopped_one_sends_nothing_more() -> None:
    session = Session(3 * SLICE)
    session.fanout.items([item(1)])
    before = sum(reader.frames for reader in session.readers.values())
    session.fanout.stop()
    await asyncio.sleep(0.02)
    assert sum(reader.frames for reader in session.readers.values()) == before
    assert not session.busy
