"""Roles, invites and a session's past over HTTP, on a running SynQ."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Running
from tests.deployments.test_protocol import edit
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


async def test_participants(synq: Running) -> None:
    session = await new_session(synq, visibility="private")
    path = f"{API}/sessions/{session}/participants"
    async with synq.client("alice") as alice, synq.client("bob") as bob:
        given = (await alice.put(f"{path}/bob", json={"role": "commenter"})).json()
        assert given == {
            "user": "bob", "session": session, "role": "commenter",
            "permissions": ["read", "comment"],
        }  # fmt: skip
        found = (await bob.get(path)).json()["items"]
        assert [(p["user"], p["role"]) for p in found] == [("alice", "owner"), ("bob", "commenter")]
        for who, method, target, body, status in [
            (bob, "PUT", "bob", {"role": "editor"}, 403),
            (bob, "DELETE", "alice", None, 403),
            (bob, "POST", "", None, 405),
            (alice, "PUT", "alice", {"role": "viewer"}, 403),
            (alice, "DELETE", "alice", None, 403),
            (alice, "PUT", "bob", {"role": "owner"}, 422),
            (alice, "PUT", "bob", {}, 422),
            (alice, "DELETE", "nobody", None, 404),
        ]:
            answer = await who.request(method, f"{path}/{target}".rstrip("/"), json=body)
            assert answer.status_code == status, (method, target, body, answer.text)
        assert (await alice.delete(f"{path}/bob")).status_code == 204
        assert (await bob.get(path)).status_code == 404


async def test_an_invite_lets_in_whoever_has_it(synq: Running) -> None:
    session = await new_session(synq, visibility="private")
    path = f"{API}/sessions/{session}"
    async with synq.client("alice") as alice, synq.client("carol") as carol:
        assert (await carol.post(f"{path}/join")).status_code == 404
        made = await alice.post(f"{path}/invites", json={"role": "editor"})
        assert made.status_code == 201
        invite = made.json()["invite"]
        wrong = await carol.post(f"{path}/join", json={"invite": "guessed"})
        assert wrong.status_code == 404
        other = await new_session(synq, visibility="private")
        elsewhere = await carol.post(f"{API}/sessions/{other}/join", json={"invite": invite})
        assert elsewhere.status_code == 404
        joined = (await carol.post(f"{path}/join", json={"invite": invite})).json()
        assert joined["role"] == "editor"
        assert (await carol.post(f"{path}/invites", json={"role": "viewer"})).status_code == 403
        # An invite to less takes nothing away.
        lower = (await alice.post(f"{path}/invites", json={"role": "viewer"})).json()["invite"]
        assert (await carol.post(f"{path}/join", json={"invite": lower})).json()["role"] == "editor"
        assert (await alice.post(f"{path}/join", json={"invite": lower})).json()["role"] == "owner"


async def grow(synq: Running, session: str, *texts: str) -> None:
    async with opened(synq, session) as a:
        joined = await subscribe(a, session, "client-a")
        rev, seq = joined["rev"], joined["acked"]
        length = len(joined["state"])
        for text in texts:
            seq, rev = seq + 1, rev + 1
            await edit(a, session, seq, rev - 1, [length, [0, text]] if length else [[0, text]])
            length += len(text)


async def get(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_restoring_a_rev_begins_a_new_lineage_and_loses_nothing(synq: Running) -> None:
    session = await new_session(synq, content="")
    await grow(synq, session, "a", "b", "c")
    path = f"{API}/sessions/{session}"
    async with synq.client("alice") as http, opened(synq, session, "bob") as b:
        joined = await subscribe(b, session, "client-b")
        restored = (await http.post(f"{path}/restore", json={"rev": 1})).json()
        assert restored["rev"] == 4
        assert restored["lineage"] != joined["lineage"]
        await ended(b)
        assert b.close_code == 4000
        for rev, text in enumerate(["", "a", "ab", "abc", "a"]):
            state = await get(http, f"{path}/state?rev={rev}")
            assert (state["rev"], state["state"]) == (rev, text)
            assert state["lineage"] == (restored if rev == 4 else joined)["lineage"]
        kinds = [item["kind"] for item in (await get(http, f"{path}/history"))["items"]]
        assert kinds == ["edit", "edit", "edit", "restore"]
        assert (await http.post(f"{path}/restore", json={"rev": 99})).status_code == 404
    async with opened(synq, session, "bob") as again:
        since = {"lineage": joined["lineage"], "rev": 3}
        found = await subscribe(again, session, "client-b", since=since)
        assert (found["state"], found["rev"]) == ("a", 4)
        assert found["lineage"] == restored["lineage"]
        assert "items" not in found
        since = {"lineage": joined["lineage"], "rev": 2}
        await send(again, type="sync", session=session, since=since)
        assert (await receive(again, "snapshot", "items"))["type"] == "snapshot"
    # Work goes on, and what was restored over can be had again.
    await grow(synq, session, "!")
    async with synq.client("alice") as http:
        assert (await get(http, f"{path}/state"))["state"] == "a!"
        await http.post(f"{path}/restore", json={"rev": 3})
        assert (await get(http, f"{path}/state"))["state"] == "abc"


async def test_only_who_may_write_restores(synq: Running) -> None:
    session = await new_session(synq, public_role="commenter")
    async with synq.client("bob") as bob:
        answer = await bob.post(f"{API}/sessions/{session}/restore", json={"rev": 0})
        assert answer.status_code == 403


async def test_forking_makes_a_session_of_ones_own(synq: Running) -> None:
    session = await new_session(synq, public_role="viewer")
    await grow(synq, session, "a", "b")
    async with synq.client("bob") as bob:
        made = await bob.post(f"{API}/sessions/{session}/fork", json={"rev": 1, "name": "mine"})
        assert made.status_code == 201
        fork = made.json()
        assert (fork["owner"], fork["name"], fork["visibility"]) == ("bob", "mine", "private")
        assert fork["origin"] == {"session": session, "rev": 1, "how": "fork"}
        state = await get(bob, f"{API}/sessions/{fork['id']}/state")
        assert (state["state"], state["rev"]) == ("a", 0)
        assert (await bob.post(f"{API}/sessions/{session}/fork")).json()["name"] == "test (fork)"


BELL = (
    '// a Bell pair\nOPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n\n'
    "h q[0];\ncx q[0], q[1]; // entangle\nc = measure q;\n"
)


async def test_exports(synq: Running) -> None:
    session = await new_session(synq, content=BELL)
    path = f"{API}/sessions/{session}/export"
    async with synq.client("alice") as http:
        exact = await http.get(f"{path}?format=qasm3")
        assert exact.text == BELL
        assert "attachment" in exact.headers["content-disposition"]
        old = (await http.get(f"{path}?format=qasm2")).text
        assert old.startswith("OPENQASM 2.0;")
        assert "cx q[0]" in old
        packed = (await http.get(f"{path}?format=qpy")).content
        assert packed.startswith(b"QISKIT")
        document = await get(http, f"{path}?format=json")
        assert (document["state"], document["kind"], document["rev"]) == (BELL, "text", 0)
        assert (await http.get(f"{path}?format=pdf")).status_code == 422
    await grow(synq, session, "nonsense;")
    async with synq.client("alice") as http:
        broken = await http.get(f"{path}?format=qpy")
        assert broken.status_code == 422
        assert (await http.get(f"{path}?format=qpy&rev=0")).status_code == 200


async def test_converting_there_and_back(synq: Running) -> None:
    session = await new_session(synq, content=BELL)
    async with synq.client("alice") as http:
        made = await http.post(f"{API}/sessions/{session}/convert", json={"to": "circuit"})
        assert made.status_code == 201, made.text
        circuit = made.json()
        assert circuit["kind"] == "circuit"
        assert circuit["origin"]["how"] == "convert"
        assert isinstance(circuit["notes"], list)
        state = (await get(http, f"{API}/sessions/{circuit['id']}/state"))["state"]
        gates = sorted(state["gates"].values(), key=lambda gate: gate["pos"])
        assert [gate["name"] for gate in gates] == ["h", "cx", "measure", "measure"]
        back = await http.post(
            f"{API}/sessions/{circuit['id']}/convert", json={"to": "text", "name": "again"}
        )
        text = (await get(http, f"{API}/sessions/{back.json()['id']}/state"))["state"]
        assert "// a Bell pair" in text
        assert "// entangle" in text
        same = await http.post(f"{API}/sessions/{session}/convert", json={"to": "text"})
        assert same.status_code == 422
        # A circuit session is as good a program as any.
        job = {"circuits": [{"session_id": circuit["id"]}], "shots": 10}
        assert (await http.post("/api/v1/jobs", json=job)).status_code in (201, 202)
    bad = await new_session(synq, content="OPENQASM 3.0; qubit q h")
    async with synq.client("alice") as http:
        answer = await http.post(f"{API}/sessions/{bad}/convert", json={"to": "circuit"})
        assert answer.status_code == 422
