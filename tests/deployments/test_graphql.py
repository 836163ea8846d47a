"""GraphQL: the services of REST under other bounds, and nothing said that should not be."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from actors import directory
from actors.circuits import CircuitService
from actors.histories import HistoryService
from actors.jobs import JobService
from actors.membership import MembershipService
from actors.parser import LocalParser
from actors.sessions import SessionService
from cluster.errors import Unavailable
from cluster.identity.tokens import Principal
from cluster.settings import load_settings
from cluster.storage.database import Database
from deployments.graphql import router as graphql
from deployments.graphql.schema import MAX_ALIASES, MAX_TOKENS
from deployments.rest import problems
from deployments.rest.dependencies import Services, verify_token
from tests.conftest import Running
from tests.quantum.programs import BELL, BELL_3

QUERY = "/api/v1/graphql/query"
MUTATION = "/api/v1/graphql/mutation"
CREATE = """mutation ($name: String!, $qasm: String!) {
  create_circuit(name: $name, qasm: $qasm) { id name format qubits created_at }
}"""
SUBMIT = """mutation ($circuits: [CircuitInput!]!, $seed: BigInt) {
  submit_job(circuits: $circuits, shots: 10, seed: $seed) {
    id status seed total results { counts error }
  }
}"""


class Silent:
    """A runner that runs nothing."""

    async def submit(self, job_id: str) -> None: ...

    async def cancel(self, job_id: str) -> None: ...


class Asked:
    """A client of one user."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __call__(self, document: str, path: str = QUERY, **variables: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json={"query": document, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """The routes over real services; both databases are ``tests/actors``' business."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("graphql"))
    database = Database(settings)
    await database.migrate()
    parser = LocalParser(settings)
    await parser.start()
    sessions = SessionService(database, settings)
    histories = HistoryService(database, sessions, parser)
    circuits = CircuitService(database, parser, histories.program)
    app = FastAPI()
    app.state.services = Services(
        settings=settings,
        database=database,
        tokens=None,  # type: ignore[arg-type]
        sessions=sessions,
        membership=MembershipService(database, sessions),
        histories=histories,
        circuits=circuits,
        jobs=JobService(database, settings, circuits, parser, Silent()),
    )
    app.include_router(graphql.router)
    problems.install(app)
    yield app
    await parser.close()
    await database.close()


@pytest.fixture
def caller() -> dict[str, Any]:
    """Who asks: somebody new in each test."""
    return {"user": f"ada-{secrets.token_hex(4)}", "scopes": frozenset()}


@pytest.fixture
async def ask(app: FastAPI, caller: dict[str, Any]) -> AsyncIterator[Asked]:
    app.dependency_overrides[verify_token] = lambda: Principal(
        user=caller["user"], name="", scopes=caller["scopes"], token_id="", expires_at=0
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Asked(http)


def code(answer: dict[str, Any]) -> str:
    found: str = answer["errors"][0]["extensions"]["code"]
    return found


async def test_circuits(ask: Asked) -> None:
    made = (await ask(CREATE, MUTATION, name="bell", qasm=BELL))["data"]["create_circuit"]
    assert made["format"] == "qasm2"
    assert made["created_at"] > 2**31
    found = await ask("query ($id: ID!) { circuit(id: $id) { id qasm } }", id=made["id"])
    assert found == {"data": {"circuit": {"id": made["id"], "qasm": BELL}}}
    page = await ask("{ circuits(limit: 5) { total items { id name } } }")
    assert page["data"]["circuits"] == {
        "total": 1, "items": [{"id": made["id"], "name": "bell"}],
    }  # fmt: skip


async def test_jobs(ask: Asked, caller: dict[str, Any]) -> None:
    circuits = [{"qasm": BELL}, {"qasm": "OPENQASM 3.0; input float a; qubit q; U(a, 0, 0) q;"}]
    answer = await ask(SUBMIT, MUTATION, circuits=circuits, seed=2**40)
    job = answer["data"]["submit_job"]
    assert (job["status"], job["seed"], job["total"]) == ("queued", 2**40, 2)
    assert job["results"][0] is None
    assert "no value: a" in job["results"][1]["error"]
    one = "query ($id: ID!) { job(id: $id) { id status results { counts } } }"
    assert (await ask(one, id=job["id"]))["data"]["job"]["id"] == job["id"]
    page = await ask("{ jobs { total items { id results { error } } } }")
    assert page["data"]["jobs"]["total"] == 1
    cancel = "mutation ($id: ID!) { cancel_job(id: $id) { status } }"
    assert (await ask(cancel, MUTATION, id=job["id"]))["data"]["cancel_job"] == {
        "status": "cancelled"
    }
    caller["user"] = "mallory"
    hidden = await ask(one, id=job["id"])
    assert hidden["data"] is None
    assert code(hidden) == "not_found"


async def test_sessions(ask: Asked) -> None:
    page = await ask("{ collaboration_sessions { total items { id role rev } } }")
    assert page == {"data": {"collaboration_sessions": {"total": 0, "items": []}}}
    absent = await ask('{ collaboration_session(id: "none") { id } }')
    assert code(absent) == "not_found"


async def test_a_sessions_life(
    ask: Asked, caller: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> Any:
        raise Unavailable("no directory in this test")

    monkeypatch.setattr(directory, "handle", nobody)
    create = """mutation ($content: JSON) { create_collaboration_session(
        name: "n", kind: "circuit", content: $content, visibility: "public") { id kind role } }"""
    circuit = {"qubits": 2, "clbits": 0, "gates": {}}
    made = (await ask(create, MUTATION, content=circuit))["data"]["create_collaboration_session"]
    assert (made["kind"], made["role"]) == ("circuit", "owner")
    session = made["id"]
    restore = """mutation ($id: ID!) { restore_collaboration_session(id: $id, rev: 0) { rev } }"""
    answer = await ask(restore, MUTATION, id=session)
    assert answer["data"]["restore_collaboration_session"] == {"rev": 1}
    look = """query ($id: ID!) {
        session_state(id: $id) { rev kind state }
        session_history(id: $id) { next items { rev kind user op } }
        session_participants(id: $id) { user role } }"""
    user = caller["user"]
    assert (await ask(look, id=session))["data"] == {
        "session_state": {"rev": 1, "kind": "circuit", "state": circuit},
        "session_history": {
            "next": None, "items": [{"rev": 1, "kind": "restore", "user": user, "op": []}],
        },
        "session_participants": [{"user": user, "role": "owner"}],
    }  # fmt: skip
    caller["user"] = "guest-of-theirs"
    join = "mutation ($id: ID!) { join_collaboration_session(id: $id) { role permissions } }"
    assert (await ask(join, MUTATION, id=session))["data"]["join_collaboration_session"] == {
        "role": "viewer", "permissions": ["read"],
    }  # fmt: skip
    assert code(await ask(restore, MUTATION, id=session)) == "forbidden"
    fork = "mutation ($id: ID!) { fork_collaboration_session(id: $id) { role origin } }"
    forked = (await ask(fork, MUTATION, id=session))["data"]["fork_collaboration_session"]
    assert forked["origin"] == {"session": session, "rev": 1, "how": "fork"}
    bad = await ask(create, MUTATION, content={"qubits": -1})
    assert code(bad) == "invalid"


async def test_each_path_takes_its_own_operation(ask: Asked) -> None:
    wrong = {"query": CREATE, "variables": {"name": "a", "qasm": BELL}}
    refused = await ask.http.post(QUERY, json=wrong)
    assert refused.status_code == 422
    assert refused.json()["code"] == "wrong_operation"
    assert MUTATION in refused.json()["detail"]
    refused = await ask.http.post(MUTATION, json={"query": "{ circuits { total } }"})
    assert refused.json()["code"] == "wrong_operation"
    # Naming the allowed one of several does not smuggle the other in.
    both = CREATE.replace("mutation", "mutation m") + " query q { circuits { total } }"
    body = {"query": both, "operationName": "m", "variables": {"name": "a", "qasm": BELL}}
    assert (await ask.http.post(QUERY, json=body)).status_code == 422
    assert (await ask("{ circuits { total } }"))["data"]["circuits"]["total"] == 0


async def test_errors_of_the_services_keep_their_code_and_place(ask: Asked) -> None:
    refused = await ask(CREATE, MUTATION, name="bad", qasm="OPENQASM 2.0;\nqreg q[1]")
    assert code(refused) == "bad_circuit"
    assert refused["errors"][0]["extensions"]["diagnostics"][0]["line"] == 2
    refused = await ask(SUBMIT, MUTATION, circuits=[{"qasm": BELL}, {"circuit_id": "none"}])
    assert code(refused) == "not_found"
    assert refused["errors"][0]["extensions"]["index"] == 1
    refused = await ask(SUBMIT, MUTATION, circuits=[{}])
    assert code(refused) == "invalid"
    assert "exactly one" in refused["errors"][0]["message"]


async def test_what_was_not_expected_is_not_told(
    ask: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(CircuitService, "list", broken)
    answer = await ask("{ circuits { total } }")
    assert code(answer) == "internal"
    assert "hunter2" not in json.dumps(answer)


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "{ nothing }",
        "{ circuit { id } }",
        "{ circuits(limit: 0) { total } }",
        "{ circuits(limit: 51) { total } }",
        '{ circuits(limit: "x") { total } }',
        "{ " + " ".join(["circuits { total }"] * MAX_TOKENS) + " }",
        "{ " + " ".join(f"a{i}: circuits {{ total }}" for i in range(MAX_ALIASES + 1)) + " }",
        "{ circuits " + "{ items " * 12 + "}" * 13,
        "{ __schema { types { name } } }",
        '{ __type(name: "Job") { name } }',
    ],
)
async def test_bad_documents_are_refused(ask: Asked, document: str) -> None:
    answer = await ask.http.post(QUERY, json={"query": document})
    if answer.status_code == 422:
        return
    found = answer.json()
    assert answer.status_code == 200
    assert not found.get("data")
    assert code(found) == "invalid"
    assert "Did you mean" not in found["errors"][0]["message"]


async def test_variables_are_checked(ask: Asked) -> None:
    for seed in ("1", True, 1.5):
        answer = await ask(SUBMIT, MUTATION, circuits=[{"qasm": BELL}], seed=seed)
        assert code(answer) == "invalid"
    answer = await ask(SUBMIT, MUTATION, circuits=[{"other": BELL}])
    assert code(answer) == "invalid"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("{}", "application/json", 400),
        ('{"query": 1}', "application/json", 400),
        ('{"query": " "}', "application/json", 400),
        ('{"query": "{ x }", "variables": []}', "application/json", 400),
        ('{"query": "{ x }", "more": 1}', "application/json", 400),
        ('[{"query": "{ x }"}]', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("query={x}", "application/x-www-form-urlencoded", 415),
        ('{"query": "{ x }"}', "text/plain", 415),
    ],
)
async def test_bad_bodies_are_problems(ask: Asked, content: str, kind: str, status: int) -> None:
    answer = await ask.http.post(QUERY, content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_newer_media_type_has_a_status(ask: Asked) -> None:
    accept = {"accept": "application/graphql-response+json"}
    bad = await ask.http.post(QUERY, json={"query": "{ nothing }"}, headers=accept)
    assert bad.status_code == 400
    good = await ask.http.post(QUERY, json={"query": "{ jobs { total } }"}, headers=accept)
    assert good.status_code == 200
    assert good.headers["content-type"].startswith("application/graphql-response+json")
    assert (await ask.http.get(QUERY, params={"query": "{ x }"})).status_code == 405


async def test_introspection_takes_a_scope(ask: Asked, caller: dict[str, Any]) -> None:
    assert (await ask.http.get("/api/v1/graphql/schema")).status_code == 403
    caller["scopes"] = frozenset({"graphql:introspect"})
    found = await ask("{ __schema { query_type: queryType { name } } }")
    assert found["data"]["__schema"]["query_type"]["name"] == "Query"
    language = (await ask.http.get("/api/v1/graphql/schema")).text
    for name in ("collaboration_sessions", "create_circuit", "submit_job"):
        assert name in language


@pytest.mark.ray
async def test_a_running_synq_answers(synq: Running) -> None:
    async with synq.client("alice") as http, synq.client(None) as nobody:
        body = {"query": CREATE, "variables": {"name": "bell", "qasm": BELL_3}}
        assert (await http.post(MUTATION, json=body)).json()["data"]["create_circuit"]["id"]
        assert (await nobody.post(MUTATION, json=body)).status_code == 401
        assert (await nobody.post(QUERY, json={"query": "{ jobs { total } }"})).status_code == 401
