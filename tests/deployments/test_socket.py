"""One socket with everything around it by hand: limits, tokens, silence, and what may fail."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors import wire
from cluster.errors import Forbidden, NotFound, Unavailable
from cluster.identity.keys import load_key
from cluster.identity.roles import Role
from cluster.identity.tokens import Tokens
from cluster.settings import load_settings
from deployments.websocket.limits import SlidingWindows
from deployments.websocket.socket import MAX_SUBSCRIPTIONS, Context, Socket

EDIT = {"type": "edit", "session": "s", "client": "client-a", "seq": 1, "rev": 0, "ops": [[1]]}


class Hub:
    """Remembers what is asked of actors."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.fails: Exception | None = None

    def add(self, reader: Any) -> None: ...

    def remove(self, reader: Any) -> None: ...

    async def session_link(self, session: str) -> Any:
        if self.fails is not None:
            raise self.fails
        return SimpleNamespace(stream=self)

    channel_link = session_link

    def send(self, frame: bytes) -> None:
        self.said.append(wire.decode_to_actor(frame))

    def ask(self, link: Any, socket: int, topic: str, client: str, message: Any) -> None:
        self.said.append(message)

    def leave(self, link: Any, socket: int, topic: str) -> None: ...


class Sessions:
    """Lets everybody in as an editor, until told otherwise."""

    def __init__(self) -> None:
        self.refuses: Exception | None = None

    async def access(self, session: str, user: str) -> Any:
        if self.refuses is not None:
            raise self.refuses
        return SimpleNamespace(role=Role.EDITOR)


class Peer:
    """The other end of one socket, and everything behind it."""

    def __init__(self, directory: Path) -> None:
        self.settings = load_settings(data_dir=directory)
        self.tokens = Tokens(load_key(directory), self.settings)
        self.hub = Hub()
        self.sessions = Sessions()
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: list[dict[str, Any]] = []
        self.closed: int | None = None
        windows = SlidingWindows(
            self.settings.rate_limit_per_second, self.settings.rate_limit_per_minute
        )
        context = Context(
            settings=self.settings,
            tokens=self.tokens,
            sessions=self.sessions,  # type: ignore[arg-type]
            hub=self.hub,  # type: ignore[arg-type]
            windows=lambda _user: windows,
        )
        self.principal = self.tokens.verify(self.tokens.issue("alice"))
        self.socket = Socket(context, self.principal, self.incoming.get, self.outgoing)
        self.task = asyncio.ensure_future(self.socket.run())

    async def outgoing(self, event: Any) -> None:
        if event["type"] == "websocket.close":
            self.closed = event["code"]
        else:
            self.frames.append(json.loads(event["text"]))

    async def say(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Send messages; return what was answered to them."""
        before = len(self.frames)
        for message in messages:
            self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})
        for _ in range(200):
            await asyncio.sleep(0)
        return self.frames[before:]

    async def follow(self, session: str = "s") -> list[dict[str, Any]]:
        return await self.say({"type": "subscribe", "session": session, "client": "client-a"})


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    peer = Peer(tmp_path)
    await peer.say()
    assert [frame["type"] for frame in peer.frames] == ["welcome"]
    yield peer
    peer.task.cancel()
    await asyncio.gather(peer.task, return_exceptions=True)


async def test_beyond_the_rate_nothing_is_passed_on_and_pings_are_free(peer: Peer) -> None:
    await peer.follow()
    answers = await peer.say(*[{**EDIT, "id": n} for n in range(12)])
    edits = [m for m in peer.hub.said if isinstance(m, wire.ChangeFrom)]
    assert len(edits) == 9  # the subscription was the first of ten
    assert [(a["type"], a["code"], a["id"]) for a in answers] == [
        ("nack", "rate_limited", n) for n in (9, 10, 11)
    ]
    assert all(0 < a["retry_after_ms"] <= 1_000 for a in answers)
    (refused,) = await peer.say({"type": "sync", "session": "s", "id": "q"})
    assert (refused["type"], refused["code"], refused["id"]) == ("error", "rate_limited", "q")
    pongs = await peer.say(*[{"type": "ping", "t": n} for n in range(30)])
    assert [p["t"] for p in pongs] == list(range(30))


async def test_silence_of_two_heartbeats_ends_it(peer: Peer) -> None:
    heartbeat_s = peer.settings.websocket_heartbeat_interval / 1_000
    peer.socket.check(peer.socket.last_seen + 1.9 * heartbeat_s, time.time())
    await peer.say()
    assert peer.closed is None
    peer.socket.check(peer.socket.last_seen + 2.1 * heartbeat_s, time.time())
    await peer.say()
    assert peer.closed == 4004


async def test_after_expiry_there_are_25_seconds_and_a_fresh_token_saves_it(peer: Peer) -> None:
    expires_at = peer.principal.expires_at
    peer.socket.check(time.monotonic(), expires_at + 24)
    fresh = peer.tokens.issue("alice", ttl_s=2 * peer.settings.token_ttl_s)
    (pong,) = await peer.say({"type": "ping", "token": fresh})
    assert pong["token_expires_at"] > expires_at
    peer.socket.check(time.monotonic(), expires_at + 26)
    await peer.say()
    assert peer.closed is None
    peer.socket.check(time.monotonic(), pong["token_expires_at"] + 26)
    await peer.say()
    assert peer.closed == 4002


async def test_a_token_of_another_user_ends_it(peer: Peer) -> None:
    await peer.say({"type": "ping", "token": peer.tokens.issue("bob")})
    assert peer.closed == 4500


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no session"), "not_found"),
        (Forbidden("not you"), "forbidden"),
        (Unavailable("not now"), "unavailable"),
        (RuntimeError("a bug"), "unavailable"),
    ],
)
async def test_what_fails_is_said_and_the_socket_goes_on(
    peer: Peer, error: Exception, code: str
) -> None:
    peer.sessions.refuses = error
    (answer,) = await peer.say(
        {"type": "subscribe", "session": "s", "client": "client-a", "id": "q"}
    )
    assert (answer["type"], answer["code"], answer["id"]) == ("error", code, "q")
    assert "bug" not in answer["message"]
    peer.sessions.refuses, peer.hub.fails = None, Unavailable("the actor is being replaced")
    (answer,) = await peer.follow()
    assert answer["code"] == "unavailable"
    peer.hub.fails = None
    assert await peer.follow() == []
    assert isinstance(peer.hub.said[-1], wire.Follow)


async def test_topics_are_not_endlessly_many(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer.socket, "_windows", SlidingWindows(10_000, 10_000))
    for n in range(MAX_SUBSCRIPTIONS):
        assert await peer.follow(f"s{n}") == []
    (answer,) = await peer.follow("one-more")
    assert (answer["type"], answer["code"]) == ("error", "too_large")
    assert await peer.follow("s0") == []


async def test_what_needs_a_subscription_says_so(peer: Peer) -> None:
    presence = {"type": "presence", "session": "s", "client": "client-a", "rev": 0, "state": {}}
    answers = await peer.say(EDIT, presence, {"type": "sync", "session": "s"})
    assert [(a["type"], a["code"]) for a in answers] == [
        ("nack", "not_subscribed"), ("error", "not_found"), ("error", "not_found"),
    ]  # fmt: skip
    assert peer.hub.said == []
