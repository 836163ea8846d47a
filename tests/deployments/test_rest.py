"""REST of a running SynQ: sessions, problems, guards, and the page."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.conftest import Running

pytestmark = pytest.mark.ray
API = "/api/v1/collaboration"
OPEN = {"/livez", "/readyz", "/api/v1/version", "/api/v1/auth/guest", "/", "/s/{session_id}"}


BODIES = {
    "participants": {"role": "viewer"},
    "invites": {"role": "viewer"},
    "restore": {"rev": 0},
    "convert": {"to": "circuit"},
}


async def make(http: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await http.post(f"{API}/sessions", json={"name": "test", **more})
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def test_a_sessions_life(synq: Running) -> None:
    async with synq.client("alice") as http:
        session = await make(http, content="OPENQASM 3.0;\r\nqubit q;")
        path = f"{API}/sessions/{session['id']}"
        assert session["role"] == "owner"
        assert (await http.get(path)).json() == session
        listed = (await http.get(f"{API}/sessions")).json()
        assert session["id"] in [item["id"] for item in listed["items"]]
        assert listed["total"] >= 1
        state = (await http.get(f"{path}/state")).json()
        assert (state["rev"], state["kind"]) == (0, "text")
        assert state["state"] == "OPENQASM 3.0;\nqubit q;"
        assert (await http.get(f"{path}/state?rev=1")).status_code == 404
        assert (await http.get(f"{path}/history")).json() == {"items": [], "next": None}
        members = (await http.get(f"{path}/participants")).json()
        assert [(m["user"], m["role"]) for m in members["items"]] == [("alice", "owner")]
        assert (await http.delete(path)).status_code == 204
        assert (await http.get(path)).status_code == 404


async def test_what_one_may_not_see_is_404(synq: Running) -> None:
    async with synq.client("alice") as alice, synq.client("mallory") as mallory:
        private = (await make(alice))["id"]
        for method, path in [
            ("GET", ""), ("GET", "/state"), ("GET", "/history"), ("POST", "/join"),
            ("DELETE", ""), ("GET", "/participants"), ("POST", "/leave"),
            ("PUT", "/participants/bob"), ("DELETE", "/participants/bob"), ("POST", "/invites"),
            ("POST", "/restore"), ("POST", "/fork"), ("POST", "/convert"),
            ("GET", "/export?format=json"),
        ]:  # fmt: skip
            body = BODIES.get(path.split("/")[1] if path else "")
            hidden = await mallory.request(method, f"{API}/sessions/{private}{path}", json=body)
            absent = await mallory.request(method, f"{API}/sessions/nothing-here{path}", json=body)
            assert hidden.status_code == absent.status_code == 404, (method, path)
            strip = re.compile(rf"{private}|nothing-here")
            assert strip.sub("", hidden.text) == strip.sub("", absent.text)


async def test_joining_a_public_session(synq: Running) -> None:
    async with synq.client("alice") as alice, synq.client("bob") as bob:
        session = (await make(alice, visibility="public", public_role="commenter"))["id"]
        joined = (await bob.post(f"{API}/sessions/{session}/join")).json()
        assert (joined["role"], joined["permissions"]) == ("commenter", ["read", "comment"])
        assert (await bob.delete(f"{API}/sessions/{session}")).status_code == 403
        assert (await bob.post(f"{API}/sessions/{session}/leave")).status_code == 204
        assert (await alice.post(f"{API}/sessions/{session}/leave")).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\u0000b"},
        {"name": "bidi \u202e"},
        {"name": 5},
        {"name": "n", "kind": "picture"},
        {"name": "n", "kind": "circuit", "content": {"qubits": -1, "clbits": 0, "gates": {}}},
        {"name": "n", "kind": "circuit", "content": "OPENQASM 3.0;"},
        {"name": "n", "kind": "text", "content": {"qubits": 1, "clbits": 0, "gates": {}}},
        {"name": "n", "visibility": "secret"},
        {"name": "n", "public_role": "owner"},
        {"name": "n", "content": 5},
        {"name": "n", "content": "a\u0000"},
        {"name": "n", "owner": "mallory"},
        [],
    ],
)
async def test_bad_sessions_are_refused_with_what_was_expected(synq: Running, body: Any) -> None:
    async with synq.client("alice") as http:
        answer = await http.post(f"{API}/sessions", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["code"] == "invalid"
    assert problem["detail"]


async def test_malformed_and_oversized_bodies(synq: Running) -> None:
    async with synq.client("alice") as http:
        headers = {"content-type": "application/json"}
        broken = await http.post(f"{API}/sessions", content=b"{", headers=headers)
        assert (broken.status_code, broken.json()["code"]) == (422, "invalid")
        half = b'{"name":"n","content":"\\ud800"}'
        answer = await http.post(f"{API}/sessions", content=half, headers=headers)
        assert answer.status_code == 422, answer.text
        large = json.dumps({"name": "n", "content": "x" * 2_200_000}).encode()
        answer = await http.post(f"{API}/sessions", content=large, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

        async def endless() -> Any:
            for _ in range(200):
                yield b"x" * 65_536

        answer = await http.post(f"{API}/sessions", content=endless(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_every_route_but_a_few_asks_for_a_token(synq: Running) -> None:
    """From the route table itself, so that a new route without a guard fails here."""
    async with synq.client("alice") as http:
        paths = (await http.get("/api/v1/openapi.json")).json()["paths"]
    assert len(paths) > 10
    async with synq.client(None) as nobody:
        for path, methods in paths.items():
            for method in methods:
                if path in OPEN:
                    continue
                url = re.sub(r"\{[^}]+\}", "x", path)
                answer = await nobody.request(method, url)
                assert answer.status_code == 401, (method, path, answer.text)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["code"] == "unauthenticated"


def test_the_route_table_shows_every_route() -> None:
    """Only the page hides from the OpenAPI document that the test above reads."""
    from deployments import api

    hidden = set()
    for router in api.ROUTERS:
        hidden |= {
            r.path for r in router.routes if isinstance(r, APIRoute) and not r.include_in_schema
        }
    assert not hidden


async def test_expired_and_forged_tokens(synq: Running) -> None:
    short = synq.cli("token", "alice", "--ttl", "1").stdout.strip()
    await asyncio.sleep(2.1)
    for token, code in [(short, "token_expired"), ("a.b.c", "unauthenticated")]:
        async with httpx.AsyncClient(base_url=synq.url) as http:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.get("/api/v1/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert token not in answer.text


async def test_guests_are_signed_in_on_loopback_only_for_this_page(synq: Running) -> None:
    async with synq.client(None) as http:
        guest = (await http.post("/api/v1/auth/guest", json={"name": "Ada"})).json()
        me = await http.get("/api/v1/me", headers={"Authorization": f"Bearer {guest['token']}"})
        assert me.json()["user"] == guest["user"]
        assert me.json()["name"] == "Ada"
        assert me.json()["guest"] is True
        for headers in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
            answer = await http.post("/api/v1/auth/guest", json={}, headers=headers)
            assert answer.status_code == 403, headers


async def test_health(synq: Running) -> None:
    async with synq.client(None) as http:
        assert (await http.get("/livez")).json() == {"status": "ok"}
        version = (await http.get("/api/v1/version")).json()
        assert version == {"name": "SynQ", "version": "0.1.0", "protocol": 1}
        ready = await http.get("/readyz")
    assert ready.status_code == 200
    for check in ready.json()["checks"].values():
        assert check["status"] == "ok"
        assert check["ms"] >= 0


async def test_the_page_and_its_headers(synq: Running) -> None:
    async with synq.client(None) as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert "<script" in page.text
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/s/anything")).text == page.text
        (script,) = set(re.findall(r'src="(/assets/[^"]+\.js)"', page.text))
        assert (await http.get(script)).status_code == 200
        assert (await http.get("/assets/../index.html")).status_code in (200, 404)
        assert (await http.get("/assets/%2e%2e/%2e%2e/package.json")).status_code == 404
        assert (await http.get("/nothing")).json()["code"] == "not_found"


async def test_requests_carry_an_id(synq: Running) -> None:
    async with synq.client(None) as http:
        assert len((await http.get("/livez")).headers["x-request-id"]) >= 8
        given = await http.get("/livez", headers={"x-request-id": "my-request-1"})
        assert given.headers["x-request-id"] == "my-request-1"
