"""Sockets of a running SynQ: handshakes, the protocol, limits, and two who type at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.client import Editor, assert_converged, socket_url
from tests.conftest import Running

pytestmark = pytest.mark.ray
API = "/api/v1/collaboration"


async def new_session(synq: Running, user: str = "alice", **more: Any) -> str:
    async with synq.client(user) as http:
        body = {"name": "test", "visibility": "public", "public_role": "editor", **more}
        answer = await http.post(f"{API}/sessions", json=body)
        assert answer.status_code == 201, answer.text
        session: str = answer.json()["id"]
        return session


async def state(synq: Running, session: str, user: str = "alice") -> dict[str, Any]:
    async with synq.client(user) as http:
        value: dict[str, Any] = (await http.get(f"{API}/sessions/{session}/state")).json()
        return value


def opened(
    synq: Running, session: str, user: str = "alice", **options: Any
) -> AbstractAsyncContextManager[ClientConnection]:
    options.setdefault("additional_headers", {"Authorization": f"Bearer {synq.token(user)}"})
    return connect(socket_url(synq.url, session), max_size=None, **options)


async def receive(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """Return the next frame of one of these kinds."""
    async with asyncio.timeout(10):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if not kinds or frame["type"] in kinds:
                return frame


async def ended(socket: ClientConnection) -> None:
    """Read until the socket is closed: unread frames would hold the closing up."""
    with contextlib.suppress(ConnectionClosed):
        for _ in range(1_000):
            await receive(socket)
    assert socket.close_code is not None


async def send(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def subscribe(
    socket: ClientConnection, session: str, client: str = "client-a", **more: Any
) -> dict[str, Any]:
    await send(socket, type="subscribe", session=session, client=client, **more)
    return await receive(socket, "subscribed", "error")


# --- handshake -----------------------------------------------------------------------------------


async def test_welcome(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as socket:
        welcome = await receive(socket)
    assert welcome["type"] == "welcome"
    assert welcome["protocol"] == 1
    assert welcome["user"] == "alice"
    assert welcome["heartbeat_ms"] == 30_000
    assert welcome["limits"]["max_message_bytes"] == 102_400
    assert welcome["reconnect"] == {"max_attempts": 10, "base_ms": 1_000, "cap_ms": 30_000}
    assert welcome["token_expires_at"] > time.time()


async def test_a_browser_sends_its_token_as_a_subprotocol(synq: Running) -> None:
    session = await new_session(synq)
    protocols = ["synq.v1", f"synq.bearer.{synq.token('bob')}"]
    async with opened(
        synq, session, additional_headers={}, subprotocols=protocols, origin=synq.url
    ) as socket:
        assert socket.subprotocol == "synq.v1"
        assert synq.token("bob") not in str(socket.response.headers)
        assert (await receive(socket))["user"] == "bob"


async def test_a_ticket_opens_one_socket(synq: Running) -> None:
    session = await new_session(synq)
    async with synq.client("carol") as http:
        ticket = (await http.post(f"{API}/ws-ticket")).json()["ticket"]
    url = f"{socket_url(synq.url, session)}&ticket={ticket}"
    async with connect(url) as socket:
        assert (await receive(socket))["user"] == "carol"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url)
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
    ],
)
async def test_no_socket_without_a_token(
    synq: Running, headers: dict[str, str], status: int
) -> None:
    session = await new_session(synq)
    with pytest.raises(InvalidStatus) as refused:
        await connect(socket_url(synq.url, session), additional_headers=headers)
    assert refused.value.response.status_code == status
    problem = json.loads(bytes(refused.value.response.body or b""))
    assert problem["status"] == status
    assert "code" in problem


async def test_what_one_may_not_see_is_404_before_the_upgrade(synq: Running) -> None:
    private = await new_session(synq, visibility="private")
    for session in (private, "nothing"):
        with pytest.raises(InvalidStatus) as refused:
            await opened(synq, session, "mallory").__aenter__()
        assert refused.value.response.status_code == 404


async def test_other_sites_are_refused(synq: Running) -> None:
    session = await new_session(synq)
    for origin in ("http://evil.example", synq.url + ".evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            await opened(synq, session, origin=origin).__aenter__()
        assert refused.value.response.status_code == 403
    async with opened(synq, session, origin=f"http://localhost:{synq.port}") as socket:
        await receive(socket)


# --- protocol ------------------------------------------------------------------------------------


async def test_every_malformed_frame_is_answered_and_hurts_nobody(synq: Running) -> None:
    session = await new_session(synq, content="x")
    async with opened(synq, session) as bad, opened(synq, session, "bob") as good:
        await subscribe(good, session, "client-b")
        await receive(bad)
        big = json.dumps({"type": "ping", "t": "é" * 60_000})
        for frame, code in [
            ("{", "invalid_message"),
            (b"\x00\x01", "invalid_message"),
            ("[1]", "invalid_message"),
            ('{"type":"comment"}', "invalid_message"),
            ('{"type":"shout"}', "unknown_type"),
            (big, "too_large"),
        ]:
            await bad.send(frame)
            answer = await receive(bad)
            assert (answer["type"], answer["code"]) == ("error", code), answer
            assert answer["message"]
        await send(bad, type="edit", session=session, client="client-a", seq=1, rev=0, ops=[[1]])
        assert (await receive(bad))["code"] == "not_subscribed"
        await send(bad, type="subscribe", session="nothing", client="client-a", id="q")
        answer = await receive(bad)
        assert (answer["code"], answer["id"]) == ("not_found", "q")
        await send(bad, type="subscribe", channel="job:nothing")
        assert (await receive(bad))["type"] == "error"
        await send(bad, type="subscribe", channel="nothing:x")
        assert (await receive(bad))["code"] == "not_found"
        await send(good, type="ping", t=1)
        assert (await receive(good, "pong"))["t"] == 1


async def test_a_socket_that_keeps_violating_is_closed(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as socket:
        for _ in range(20):
            await socket.send("nonsense")
        await ended(socket)
        assert socket.close_code == 4502


async def test_a_frame_far_over_the_limit_ends_its_socket_alone(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as bad, opened(synq, session, "bob") as good:
        await receive(bad)
        with contextlib.suppress(ConnectionClosed):  # it may end while it is still sending
            await bad.send("x" * 3_000_000)
        await ended(bad)
        assert bad.close_code in (1009, 1006)
        await subscribe(good, session, "client-b")


async def test_unsubscribed_means_nothing_more(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        await subscribe(a, session)
        await subscribe(b, session, "client-b")
        await send(b, type="unsubscribe", session=session, id=3)
        assert (await receive(b, "unsubscribed"))["id"] == 3
        op = [[0, "x"]]
        await send(a, type="edit", session=session, client="client-a", seq=1, rev=0, ops=[op])
        await receive(a, "items")
        await send(b, type="ping", t=5)
        assert (await receive(b, "items", "pong"))["type"] == "pong"


async def test_presence_goes_round(synq: Running) -> None:
    session = await new_session(synq, content="abc")
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        await subscribe(a, session)
        await subscribe(b, session, "client-b")
        await send(
            a, type="presence", session=session, client="client-a", rev=0, state={"cursor": 2}
        )
        here = await receive(b, "presence")
        assert here["clients"]["client-a"] == {"user": "alice", "state": {"cursor": 2}}
        await a.close()
        assert (await receive(b, "presence"))["clients"] == {"client-a": None}


async def test_a_token_for_another_user_ends_the_socket(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as socket:
        await receive(socket)
        await send(socket, type="ping", token=synq.token("alice"))
        assert (await receive(socket))["token_expires_at"] > time.time()
        await send(socket, type="ping", token="forged")
        assert (await receive(socket))["code"] == "forbidden"
        await send(socket, type="ping", token=synq.token("bob"))
        with pytest.raises(ConnectionClosed):
            await receive(socket)
        assert socket.close_code == 4500


async def test_a_deleted_session_closes_its_sockets_for_good(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as socket:
        await subscribe(socket, session)
        async with synq.client("alice") as http:
            assert (await http.delete(f"{API}/sessions/{session}")).status_code == 204
            assert (await http.get(f"{API}/sessions/{session}")).status_code == 404
        with pytest.raises(ConnectionClosed):
            await receive(socket)
        assert socket.close_code == 4501


# --- typing at once ------------------------------------------------------------------------------


async def test_two_who_type_at_once_end_equal(synq: Running) -> None:
    session = await new_session(synq, content="OPENQASM 3.0;\nqubit[2] q; // 😀\n")
    rng = random.Random(7)
    async with (
        Editor(synq.url, synq.token("alice"), session) as a,
        Editor(synq.url, synq.token("bob"), session) as b,
    ):
        for _ in range(150):
            rng.choice([a, b]).type_randomly(rng)
            await asyncio.sleep(rng.random() * 0.01)
        await a.settle()
        await b.settle()
        await assert_converged([a, b], await state(synq, session))
        assert not a.nacks
        assert not b.nacks


async def test_a_dropped_socket_resumes_with_what_it_missed(synq: Running) -> None:
    session = await new_session(synq)
    rng = random.Random(8)
    async with (
        Editor(synq.url, synq.token("alice"), session) as a,
        Editor(synq.url, synq.token("bob"), session) as b,
    ):
        for step in range(120):
            rng.choice([a, b]).type_randomly(rng)
            if step % 30 == 29:
                assert a._socket is not None
                a._socket.transport.abort()
            await asyncio.sleep(0.005)
        await a.settle()
        await b.settle()
        await assert_converged([a, b], await state(synq, session))
        assert a.reconnects >= 2
        seqs = [seq for seq, _ in a.acknowledged]
        assert seqs == list(range(1, len(seqs) + 1))
