"""The nine message types on live sockets: every answer, every refusal, and input from hell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.conftest import Running
from tests.deployments.test_websocket import (
    API,
    ended,
    new_session,
    opened,
    receive,
    send,
    subscribe,
)

pytestmark = pytest.mark.ray
A, B = "client-a", "client-b"
GATE = {"pos": "a0", "name": "cx", "qubits": [0, 1], "clbits": [], "params": [], "condition": None}


async def change(socket: ClientConnection, session: str, kind: str, **more: Any) -> dict[str, Any]:
    """Say something that enters the history; return its item, or what refused it."""
    more.setdefault("client", A)
    await send(socket, type=kind, session=session, **more)
    frame = await receive(socket, "items", "nack", "ack", "error")
    if frame["type"] == "items":
        (item,) = frame["items"]
        return dict(item)
    return frame


async def edit(socket: ClientConnection, session: str, seq: int, rev: int, *ops: Any) -> Any:
    return await change(socket, session, "edit", seq=seq, rev=rev, ops=list(ops))


async def test_all_that_enters_the_history(synq: Running) -> None:
    session = await new_session(synq, content="h q;\n")
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        await subscribe(a, session, A)
        await subscribe(b, session, B)
        mine = await edit(a, session, 1, 0, [5, [0, "x q;", ""]])
        assert "op" not in mine
        assert (await receive(b, "items"))["items"][0]["op"] == [5, [0, "x q;", ""]]

        said = await change(
            a, session, "comment", seq=2, action="add", anchor={"line": 2}, text="<b>why</b>?"
        )
        assert (await receive(b, "items"))["items"] == [said]
        assert (said["kind"], said["rev"], said["seq"]) == ("comment", 2, 2)
        assert said["comment"]["anchor"] == {"line": 2}
        assert said["comment"]["text"] == "<b>why</b>?"
        thread = said["comment"]["thread"]
        reply = {"action": "reply", "thread": thread, "text": "because"}
        await change(b, session, "comment", client=B, seq=1, **reply)
        await receive(a, "items")

        undone = await change(a, session, "undo", seq=3)
        assert (undone["kind"], undone["op"]) == ("undo", [5, [5]])
        assert (await receive(b, "items"))["items"] == [undone]
        redone = await change(a, session, "redo", seq=4)
        assert (redone["kind"], redone["op"]) == ("redo", [5, [0, "x q;", ""]])
        await receive(b, "items")

        async with synq.client("alice") as http:
            page = (await http.get(f"{API}/sessions/{session}/history")).json()
        assert [item["kind"] for item in page["items"]] == [
            "edit", "comment", "comment", "undo", "redo",
        ]  # fmt: skip
        assert page["items"][1] == said
        assert page["items"][3] == undone
    # Another tab, later: the stack, the comments and their places are what they were.
    async with opened(synq, session) as again:
        joined = await subscribe(again, session, "client-a2")
        assert (joined["undo_depth"], joined["redo_depth"]) == (1, 0)
        (found,) = joined["comments"]
        assert (found["anchor"], found["orphaned"]) == ({"line": 2}, False)
        assert [(c["user"], c["text"]) for c in found["comments"]] == [
            ("alice", "<b>why</b>?"), ("bob", "because"),
        ]  # fmt: skip
        undone = await change(again, session, "undo", client="client-a2", seq=1)
        assert undone["op"] == [5, [5]]


async def test_a_circuit_session(synq: Running) -> None:
    circuit = {"qubits": 2, "clbits": 0, "gates": {"g1": GATE}}
    session = await new_session(synq, kind="circuit", content=circuit)
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        joined = await subscribe(a, session, A)
        assert (joined["kind"], joined["state"]) == ("circuit", circuit)
        await subscribe(b, session, B)
        put = {"put": {"id": "g2", "gate": {**GATE, "name": "h", "qubits": [1], "pos": "a1"}}}
        await edit(a, session, 1, 0, [put])
        (item,) = (await receive(b, "items"))["items"]
        assert item["op"] == [put]
        # Made at rev 0 by Bob, who had not seen the new gate.
        moved = await change(
            b, session, "edit", client=B, seq=1, rev=0, ops=[[{"move": {"id": "g1", "pos": "b0"}}]]
        )
        assert moved["rev"] == 2
        await receive(a, "items")
        for bad in (
            {"put": {"id": "g3", "gate": {**GATE, "qubits": [0, 2]}}},
            {"put": {"id": "g3", "gate": {**GATE, "qubits": [0, 0]}}},
            {"put": {"id": "g3", "gate": {**GATE, "qubits": [0]}}},
            {"put": {"id": "g3", "gate": {**GATE, "name": "teleport"}}},
            {"set": {"id": "g1", "key": "qubits", "value": [0, 7]}},
            {"set": {"id": "nothing", "key": "params", "value": []}},
            {"resize": {"qubits": 1, "clbits": 0}},
            {"explode": "g1"},
            5,
        ):
            refused = await edit(a, session, 2, 2, [bad])
            assert (refused["type"], refused["code"]) == ("nack", "invalid"), bad
        undone = await change(b, session, "undo", client=B, seq=2)
        assert undone["op"] == [{"move": {"id": "g1", "pos": "a0"}}]
        async with synq.client("bob") as http:
            state = (await http.get(f"{API}/sessions/{session}/state")).json()
        assert state["state"]["gates"]["g1"] == GATE


# --- refusals ------------------------------------------------------------------------------------


async def test_every_nack(synq: Running) -> None:
    session = await new_session(synq, content="😀b")
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        await subscribe(b, session, B)

        async def refused(code: str, kind: str, **more: Any) -> dict[str, Any]:
            answer = await change(a, session, kind, id="q", **more)
            assert (answer["type"], answer["code"]) == ("nack", code), answer
            assert (answer["session"], answer["client"], answer["seq"], answer["id"]) == (
                session, more.get("client", A), more["seq"], "q",
            )  # fmt: skip
            assert answer["message"]
            return answer

        await refused("not_subscribed", "undo", seq=1)
        await subscribe(a, session, A)
        await refused("forbidden", "edit", client=B, seq=1, rev=0, ops=[[3, [0, "x"]]])
        await refused("gap", "edit", seq=2, rev=0, ops=[[3, [0, "x"]]])
        await refused("gap", "comment", seq=9, action="add", anchor={"line": 1}, text="x")
        for op in ([4], [2], [1, [0, "x"], 2], [3, [0, "a\nb"]], [3, [0, "\0"]], [[-1], 4], [[0]]):
            await refused("invalid", "edit", seq=1, rev=0, ops=[op])
        await refused("invalid", "edit", seq=1, rev=5, ops=[[3]])
        await refused("invalid", "edit", seq=1, rev=0, ops=[[1] * 10_001])
        await refused("invalid", "undo", seq=1)
        await refused("invalid", "redo", seq=1)
        await refused("invalid", "comment", seq=1, action="reply", thread="t1", text="x")
        big = {"action": "add", "anchor": {"line": 1}, "text": "x" * 5_121}
        await refused("too_large", "comment", seq=1, **big)
        assert (await edit(a, session, 1, 0, [3, [0, "x"]]))["rev"] == 1
        assert (await edit(a, session, 1, 0, [3, [0, "x"]])) == {
            "type": "ack", "session": session, "client": A, "seq": 1, "rev": 1,
        }  # fmt: skip
        await refused("conflict", "edit", seq=1, rev=0, ops=[[3, [0, "y"]]])
        await refused("conflict", "undo", seq=1)
        await refused("stale", "edit", seq=2, rev=0, ops=[[3]])
        # Nothing of all that was applied, and the other heard of the one edit only.
        (item,) = (await receive(b, "items"))["items"]
        assert item["rev"] == 1
        await send(b, type="sync", session=session)
        assert (await receive(b, "items", "snapshot"))["rev"] == 1


async def test_a_document_that_grows_too_large(synq: Running) -> None:
    session = await new_session(synq, content="x" * 2_097_100)
    async with opened(synq, session) as a:
        await subscribe(a, session, A)
        answer = await edit(a, session, 1, 0, [2_097_100, [0, "y" * 100]])
        assert (answer["type"], answer["code"]) == ("nack", "too_large")
        assert (await edit(a, session, 1, 0, [2_097_099, [1]]))["rev"] == 1


@pytest.mark.parametrize(("role", "may"), [("viewer", ()), ("commenter", ("comment",))])
async def test_what_a_role_may_not_do(synq: Running, role: str, may: tuple[str, ...]) -> None:
    session = await new_session(synq, content="x", public_role=role)
    async with opened(synq, session, "bob") as b:
        joined = await subscribe(b, session, B)
        assert (joined["role"], joined["permissions"]) == (role, ["read", *may])
        messages: dict[str, dict[str, Any]] = {
            "edit": {"rev": 0, "ops": [[[1]]]},
            "undo": {},
            "redo": {},
            "comment": {"action": "add", "anchor": {"line": 1}, "text": "hi"},
        }
        for kind, more in messages.items():
            answer = await change(b, session, kind, client=B, seq=1, **more)
            if kind in may:
                assert answer["kind"] == kind
            else:
                assert (answer["type"], answer["code"]) == ("nack", "forbidden")
    async with synq.client("alice") as http:
        assert (await http.get(f"{API}/sessions/{session}/state")).json()["state"] == "x"


async def test_a_client_is_its_first_users(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as a, opened(synq, session, "bob") as b:
        await subscribe(a, session, A)
        await edit(a, session, 1, 0, [[0, "x"]])
        answer = await subscribe(b, session, A, id=4)
        assert (answer["type"], answer["code"], answer["id"]) == ("error", "forbidden", 4)
        assert (await edit(a, session, 2, 1, [1, [0, "y"]]))["rev"] == 2


async def test_the_newer_socket_of_a_client_wins(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as old, opened(synq, session) as new:
        await subscribe(old, session, A)
        await subscribe(new, session, A)
        await ended(old)
        assert old.close_code == 4504
        assert (await edit(new, session, 1, 0, [[0, "x"]]))["rev"] == 1


async def test_presence_that_is_too_large(synq: Running) -> None:
    session = await new_session(synq)
    async with opened(synq, session) as a:
        await subscribe(a, session, A)
        state = {"name": "x" * 2_048}
        await send(a, type="presence", session=session, client=A, rev=0, state=state)
        assert (await receive(a, "error"))["code"] == "too_large"
        state = {"name": "x" * 1_000_000}
        with contextlib.suppress(ConnectionClosed):
            await send(a, type="presence", session=session, client=A, rev=0, state=state)
        with contextlib.suppress(ConnectionClosed):
            assert (await receive(a, "error"))["code"] == "too_large"


async def test_a_million_tiny_sections(synq: Running) -> None:
    session = await new_session(synq, content="x" * 20_000)
    async with opened(synq, session) as a:
        await subscribe(a, session, A)
        answer = await edit(a, session, 1, 0, [1] * 20_000)
        assert (answer["type"], answer["code"]) == ("nack", "invalid")
        with contextlib.suppress(ConnectionClosed):
            await send(
                a, type="edit", session=session, client=A, seq=1, rev=0, ops=[[1] * 1_000_000]
            )
        with contextlib.suppress(ConnectionClosed):
            assert (await receive(a, "error"))["code"] == "too_large"


# --- roles that change ---------------------------------------------------------------------------


async def test_a_role_that_changes_is_felt_at_the_next_message(synq: Running) -> None:
    session = await new_session(synq, content="x", visibility="private")
    async with synq.client("alice") as alice:
        path = f"{API}/sessions/{session}/participants/bob"
        given = await alice.put(path, json={"role": "editor"})
        assert (given.status_code, given.json()["role"]) == (200, "editor")
        async with opened(synq, session, "bob") as b:
            await subscribe(b, session, B)
            item = await change(b, session, "edit", client=B, seq=1, rev=0, ops=[[1, [0, "y"]]])
            assert item["rev"] == 1
            await alice.put(path, json={"role": "viewer"})
            answer = await change(b, session, "edit", client=B, seq=2, rev=1, ops=[[2, [0, "z"]]])
            assert (answer["type"], answer["code"]) == ("nack", "forbidden")
            answer = await change(b, session, "undo", client=B, seq=2)
            assert (answer["type"], answer["code"]) == ("nack", "forbidden")
            await alice.put(path, json={"role": "editor"})
            item = await change(b, session, "edit", client=B, seq=2, rev=1, ops=[[2, [0, "z"]]])
            assert item["rev"] == 2
            assert (await alice.delete(path)).status_code == 204
            await ended(b)
            assert b.close_code == 4501
        with pytest.raises(Exception, match="404"):
            await opened(synq, session, "bob").__aenter__()


# --- input from hell -----------------------------------------------------------------------------


def nonsense(rng: random.Random, session: str) -> str:
    """Something like a message, with anything anywhere."""

    def value(depth: int = 0) -> Any:
        pick = rng.randrange(12 if depth < 3 else 9)
        if pick == 10:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        if pick == 11:
            return {rng.choice(["from", "to", "line", "gate", "put", "x"]): value(depth + 1)}
        return [
            None, True, -1, 0, 1, 2**60, 1.5, "", rng.choice(["x", session, A, "\ud83d", "\0"]),
            session,
        ][pick]  # fmt: skip

    kinds = [
        "subscribe", "unsubscribe", "edit", "comment", "undo", "redo", "presence", "sync", "ping",
    ]  # fmt: skip
    message: dict[str, Any] = {"type": rng.choice(kinds)}
    sane = {
        "session": session, "client": A, "seq": rng.randrange(1, 4), "rev": rng.randrange(3),
        "ops": [[1, [0, "x"]]], "action": "add", "anchor": {"line": 1}, "text": "x", "state": {},
        "since": {"lineage": "L", "rev": 0}, "thread": "t1", "comment": "c1", "group": "g",
    }  # fmt: skip
    for name, good in sane.items():
        if rng.random() < 0.85:
            message[name] = good if rng.random() < 0.7 else value()
    return json.dumps(message)


@pytest.mark.parametrize("kind", ["text", "circuit"])
async def test_no_input_ends_the_actor_or_anothers_socket(synq: Running, kind: str) -> None:
    session = await new_session(synq, kind=kind)
    rng = random.Random(kind)
    async with opened(synq, session, "bob") as good:
        await subscribe(good, session, B)
        for _connection in range(25):
            with contextlib.suppress(ConnectionClosed):
                # Unread answers would hold its closing up.
                async with opened(synq, session, max_queue=None) as bad:
                    await subscribe(bad, session, A)
                    for _ in range(40):
                        await bad.send(nonsense(rng, session))
                        if rng.random() < 0.3:
                            with contextlib.suppress(TimeoutError):
                                await asyncio.wait_for(bad.recv(), 0.05)
        await send(good, type="ping", t="still here")
        assert (await receive(good, "pong"))["t"] == "still here"
        # The same actor with the same subscription: what is said now arrives here.
        await send(good, type="sync", session=session)
        rev = (await receive(good, "snapshot"))["rev"]
        anchor = {"action": "add", "anchor": {"line": 1}, "text": "still here"}
        if kind == "circuit":
            ops = [[{"resize": {"qubits": 3, "clbits": 1}}]]
            item = await change(good, session, "edit", client=B, seq=1, rev=rev, ops=ops)
        else:
            item = await change(good, session, "comment", client=B, seq=1, **anchor)
        assert item["rev"] == rev + 1
