"""The hub over a real stream: what an actor says reaches the sockets it is for, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from actors import wire
from actors.stream import Stream, StreamServer
from deployments.websocket.fanout import SLICE
from deployments.websocket.frames import Frame
from deployments.websocket.hub import GOING_AWAY, Hub, Link

SESSION = "s"


class Actor:
    """The other end of the stream."""

    def __init__(self) -> None:
        self.heard: list[wire.ToActor] = []
        self.streams: list[Stream] = []

    def stream_opened(self, stream: Stream) -> None:
        self.streams.append(stream)

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        self.heard.append(wire.decode_to_actor(frame))

    def stream_closed(self, stream: Stream) -> None:
        self.streams.remove(stream)

    def say(self, *messages: wire.ToReplica) -> None:
        for message in messages:
            self.streams[0].send(wire.encode(message))


class Reader:
    """A socket that keeps what it is sent."""

    def __init__(self, id_: int) -> None:
        self.id = id_
        self.user = f"user{id_}"
        self.got: list[object] = []
        self.closed: tuple[int, str] | None = None

    def frame(self, frame: Frame | str) -> None:
        self.got.append(frame if isinstance(frame, str) else frame.text)

    def items(self, session: str, fragments: list[bytes], frame: Frame) -> None:
        self.got.extend(item["rev"] for item in msgspec.json.decode(frame.text)["items"])

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


class Rig:
    """A hub, one actor, the link between them."""

    def __init__(self, hub: Hub, link: Link, actor: Actor) -> None:
        self.hub, self.link, self.actor = hub, link, actor
        self.readers: list[Reader] = []

    async def follow(self, count: int) -> None:
        """Let so many more sockets follow the session."""
        for _ in range(count):
            reader = Reader(len(self.readers))
            self.readers.append(reader)
            self.hub.add(reader)
            client = f"client-{reader.id}"
            follow = wire.Follow(reader.id, SESSION, client, reader.user, "editor", ("write",))
            self.hub.ask(self.link, reader.id, SESSION, client, follow)
            self.actor.say(wire.Joined(reader.id, SESSION, client, b"joined"))
        await self.until(lambda: all(reader.got for reader in self.readers))

    async def until(self, condition: object) -> None:
        async with asyncio.timeout(5):
            while not condition():  # type: ignore[operator]
                await asyncio.sleep(0.001)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    actor = Actor()
    server = StreamServer(actor)
    await server.start("127.0.0.1")
    hub = Hub({})
    link = await hub._open("actor", server.offer())
    assert link is not None
    rig = Rig(hub, link, actor)
    await rig.until(lambda: actor.streams)
    yield rig
    link.stream.close()
    await rig.until(lambda: not actor.streams)
    await server.close()


def items(rev: int, author: str = "somebody") -> wire.Items:
    return wire.Items(SESSION, [(author, b'{"rev":%d}' % rev, b'{"rev":%d}' % rev)])


async def test_a_reply_follows_what_was_sent_before_it(rig: Rig) -> None:
    await rig.follow(3 * SLICE)
    last = rig.readers[-1]
    rig.actor.say(items(1), items(2), wire.Reply(last.id, b"reply"), items(3))
    await rig.until(lambda: all(3 in reader.got for reader in rig.readers))
    assert last.got == ["joined", 1, 2, "reply", 3]
    assert all(reader.got == ["joined", 1, 2, 3] for reader in rig.readers[:-1])


async def test_who_joins_while_others_are_served_gets_nothing_twice(rig: Rig) -> None:
    await rig.follow(3 * SLICE)
    late = Reader(9_000)
    rig.hub.add(late)
    follow = wire.Follow(late.id, SESSION, "late-one", late.user, "editor", ())
    rig.hub.ask(rig.link, late.id, SESSION, "late-one", follow)
    rig.actor.say(items(1), items(2), wire.Joined(late.id, SESSION, "late-one", b"state at 2"))
    rig.actor.say(items(3))
    await rig.until(lambda: all(3 in reader.got for reader in [*rig.readers, late]))
    assert late.got == ["state at 2", 3]


async def test_who_left_is_owed_nothing_and_the_actor_hears_of_it(rig: Rig) -> None:
    await rig.follow(2)
    for reader in rig.readers:
        rig.hub.remove(reader)
    assert not rig.link.topics
    assert not rig.link.asked
    rig.actor.say(items(1))
    await rig.until(lambda: len(rig.actor.heard) == 4)
    assert rig.actor.heard[2:] == [wire.Unfollow(0, SESSION), wire.Unfollow(1, SESSION)]
    assert all(reader.got == ["joined"] for reader in rig.readers)


async def test_an_answer_to_who_asked_no_more_starts_nothing(rig: Rig) -> None:
    await rig.follow(1)
    gone = Reader(5)
    rig.actor.say(wire.Joined(gone.id, SESSION, "gone-one", b"state"), items(1))
    await rig.until(lambda: 1 in rig.readers[0].got)
    assert list(rig.link.topics[SESSION].followers) == [0]


async def test_the_end_of_a_session_closes_its_sockets(rig: Rig) -> None:
    await rig.follow(3 * SLICE)
    rig.actor.say(items(1), items(2), wire.Ended(SESSION, GOING_AWAY, "moved"))
    await rig.until(lambda: all(reader.closed for reader in rig.readers))
    assert {reader.closed for reader in rig.readers} == {(GOING_AWAY, "moved")}
    assert not rig.link.topics
    assert not rig.link.busy


async def test_a_lost_actor_closes_its_sockets(rig: Rig) -> None:
    await rig.follow(2)
    rig.actor.streams[0].close()
    await rig.until(lambda: all(reader.closed for reader in rig.readers))
    assert {reader.closed for reader in rig.readers} == {(GOING_AWAY, "session moved")}
