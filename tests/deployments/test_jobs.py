"""Circuits and jobs of a running SynQ: over HTTP, watched on a socket, across every death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from tests.client import socket_url
from tests.conftest import Running
from tests.quantum.programs import (
    BELL,
    BELL_3,
    QELIB,
    STDGATES,
    distance,
    doubling_bomb,
    ghz,
    tolerance,
    wide,
)  # fmt: skip

pytestmark = pytest.mark.ray
API = "/api/v1"
OVER = ("done", "failed", "cancelled")


def heavy(index: int, qubits: int = 18) -> str:
    """Some tenths of a second, and outcomes that are never the same for two seeds."""
    layer = "".join(f"cx q[{i}],q[{i + 1}];rx({index}.{i}1) q[{i}];" for i in range(qubits - 1))
    return f"{QELIB}qreg q[{qubits}]; h q; {layer * 6}"


async def submit(http: httpx.AsyncClient, *circuits: Any, **options: Any) -> str:
    body = {"circuits": [{"qasm": each} if isinstance(each, str) else each for each in circuits]}
    answer = await http.post(f"{API}/jobs", json={**body, **options})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{API}/jobs/{answer.json()['id']}"
    job: str = answer.json()["id"]
    return job


async def finished(http: httpx.AsyncClient, job: str, timeout_s: float = 50.0) -> dict[str, Any]:
    async with asyncio.timeout(timeout_s):
        while True:
            state: dict[str, Any] = (await http.get(f"{API}/jobs/{job}")).json()
            if state["status"] in OVER:
                return state
            await asyncio.sleep(0.05)


def processes(synq: Running, name: str) -> list[int]:
    """Return this SynQ's Ray processes of that title: other SynQs may run here."""
    assert synq.process is not None
    found = []
    for child in psutil.Process(synq.process.pid).children(recursive=True):
        try:
            if child.cmdline() and child.cmdline()[0].startswith(name):
                found.append(child.pid)
        except psutil.Error:
            continue
    return found


async def kill(synq: Running, name: str, timeout_s: float = 10.0) -> None:
    """Kill the first process of that title as soon as there is one."""
    async with asyncio.timeout(timeout_s):
        while not (found := processes(synq, name)):
            await asyncio.sleep(0.02)
    os.kill(found[0], signal.SIGKILL)


async def test_parsing_over_http(synq: Running) -> None:
    async with synq.client("alice") as http:
        good = await http.post(f"{API}/circuits/parse", json={"qasm": BELL_3})
        assert good.status_code == 200
        assert good.json()["valid"]
        assert good.json()["drawing"]["columns"]
        bad = await http.post(f"{API}/circuits/parse", json={"qasm": QELIB + "qreg q[1];\nhh q;"})
        assert bad.status_code == 200
        assert bad.json()["diagnostics"][0]["line"] == 4


@pytest.mark.parametrize(
    "bomb",
    [
        doubling_bomb(40),
        "OPENQASM 3.0; qubit[2000000000] q;",
        QELIB + "qreg q[1];" + "x q;" * 150_000,
    ],
)
async def test_bombs_over_http(synq: Running, bomb: str) -> None:
    async with synq.client("alice") as http:
        parsed = (await http.post(f"{API}/circuits/parse", json={"qasm": bomb})).json()
        assert parsed["valid"] is False
        assert "allowed" in parsed["diagnostics"][0]["message"]
        for path, body in [
            ("circuits", {"name": "bomb", "qasm": bomb}),
            ("jobs", {"circuits": [{"qasm": bomb}]}),
        ]:
            refused = await http.post(f"{API}/{path}", json=body)
            assert refused.status_code == 422
            assert refused.json()["code"] == "bad_circuit"
            assert "allowed" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("circuits/parse", {}),
        ("circuits/parse", {"qasm": 1}),
        ("circuits/parse", {"qasm": "x", "more": 1}),
        ("circuits", {"qasm": BELL}),
        ("circuits", {"qasm": BELL, "name": ""}),
        ("jobs", {}),
        ("jobs", {"circuits": []}),
        ("jobs", {"circuits": BELL}),
        ("jobs", {"circuits": [{}]}),
        ("jobs", {"circuits": [{"qasm": BELL, "circuit_id": "x"}]}),
        ("jobs", {"circuits": [{"qasm": BELL}], "shots": "10"}),
        ("jobs", {"circuits": [{"qasm": BELL}], "shots": 1.5}),
        ("jobs", {"circuits": [{"qasm": BELL}], "shots": True}),
        ("jobs", {"circuits": [{"qasm": BELL}], "shots": 0}),
        ("jobs", {"circuits": [{"qasm": BELL}], "shots": 10**30}),
        ("jobs", {"circuits": [{"qasm": BELL}], "seed": -1}),
        ("jobs", {"circuits": [{"qasm": BELL}], "seed": 10**30}),
        ("jobs", {"circuits": [{"qasm": BELL}], "more": 1}),
        ("jobs", {"circuits": [{"qasm": "\ud800"}]}),
    ],
)
async def test_bad_requests_are_problems(synq: Running, path: str, body: Any) -> None:
    async with synq.client("alice") as http:
        answer = await http.post(
            f"{API}/{path}",
            content=json.dumps(body),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json().keys() >= {"type", "title", "status", "detail", "code"}


async def test_circuits_over_http(synq: Running) -> None:
    async with synq.client("alice") as http, synq.client("mallory") as mallory:
        made = await http.post(f"{API}/circuits", json={"name": "bell", "qasm": BELL})
        assert made.status_code == 201
        circuit = made.json()
        path = made.headers["location"]
        assert (await http.get(path)).json() == circuit
        assert (await mallory.get(path)).status_code == 404
        listed = (await http.get(f"{API}/circuits?limit=1")).json()
        assert listed["items"] == [circuit]
        assert (await http.get(f"{API}/circuits?limit=0")).status_code == 422


async def test_a_job_over_every_kind_of_circuit(synq: Running) -> None:
    async with synq.client("alice") as http, synq.client("mallory") as mallory:
        circuit = (await http.post(f"{API}/circuits", json={"name": "b", "qasm": BELL})).json()
        session = (
            await http.post(f"{API}/collaboration/sessions", json={"name": "s", "content": BELL_3})
        ).json()
        job = await submit(
            http,
            {"circuit_id": circuit["id"]}, {"session_id": session["id"]}, ghz(4), wide(200),
            STDGATES + "qubit q; bit c; h q; c = measure q; if (c == 1) { x q; } c = measure q;",
            shots=2_000, seed=3,
        )  # fmt: skip
        state = await finished(http, job)
        assert state["status"] == "done"
        assert (state["progress"], state["shots"], state["seed"]) == (1.0, 2_000, 3)
        bell, bell_3, ghz_4, refused, flow = state["results"]
        half = {"00": 0.5, "11": 0.5}
        assert distance(bell["counts"], half) < tolerance(2, 2_000)
        assert distance(bell_3["counts"], half) < tolerance(2, 2_000)
        assert ghz_4["counts"].keys() == {"0000", "1111"}
        assert "2^200" in refused["error"]
        assert flow["counts"] == {"0": 2_000}
        assert (await mallory.get(f"{API}/jobs/{job}")).status_code == 404
        assert (await mallory.delete(f"{API}/jobs/{job}")).status_code == 404
        hidden = {"circuits": [{"session_id": session["id"]}]}
        assert (await mallory.post(f"{API}/jobs", json=hidden)).status_code == 404


async def test_a_job_fails_when_all_of_it_does(synq: Running) -> None:
    async with synq.client("alice") as http:
        state = await finished(http, await submit(http, wide(200), wide(100)))
        assert state["status"] == "failed"
        assert "all 2 circuits failed" in state["error"]
        assert "2^200" in state["error"]


async def test_progress_is_watched_on_a_socket(synq: Running) -> None:
    async with synq.client("alice") as http:
        session = await http.post(f"{API}/collaboration/sessions", json={"name": "s"})
        token = {"Authorization": f"Bearer {synq.token('alice')}"}
        url = socket_url(synq.url, session.json()["id"])
        async with connect(url, additional_headers=token) as socket:
            job = await submit(http, *[heavy(index) for index in range(4)], shots=50)
            channel = f"job:{job}"
            await socket.send(json.dumps({"type": "subscribe", "channel": channel}))
            seen: list[dict[str, Any]] = []
            async with asyncio.timeout(50):
                while not seen or seen[-1]["status"] not in OVER:
                    frame = json.loads(await socket.recv())
                    if frame["type"] == "subscribed":
                        seen.append(frame["state"])
                    elif frame["type"] == "event":
                        assert frame["channel"] == channel
                        seen.append(frame["data"])
            assert seen[-1] == {
                "status": "done", "progress": 1.0, "done": 4, "total": 4, "error": None,
            }  # fmt: skip
            shares = [data["progress"] for data in seen]
            assert shares == sorted(shares)
            # Another's job has no channel, just as one that is none.
            await socket.send(json.dumps({"type": "subscribe", "channel": "job:none"}))
            async with asyncio.timeout(10):
                while (frame := json.loads(await socket.recv()))["type"] != "error":
                    continue
            assert frame["code"] == "not_found"


@pytest.mark.timeout(180)
async def test_counts_are_the_same_whatever_dies(synq: Running) -> None:
    circuits = [*[heavy(index) for index in range(5)], *[BELL] * 20]
    async with synq.client("alice") as http:
        calm = await finished(http, await submit(http, *circuits, shots=300, seed=9))
        assert calm["status"] == "done"

        job = await submit(http, *circuits, shots=300, seed=9)
        await kill(synq, "ray::batch")
        assert (await finished(http, job))["results"] == calm["results"]

        job = await submit(http, *circuits, shots=300, seed=9)
        while not any((await http.get(f"{API}/jobs/{job}")).json()["results"]):
            await asyncio.sleep(0.02)
        await kill(synq, "ray::JobRunner")
        assert (await finished(http, job))["results"] == calm["results"]


async def test_cancelling_ends_what_runs(synq: Running) -> None:
    async with synq.client("alice") as http:
        job = await submit(http, *[heavy(index, qubits=21) for index in range(20)], shots=10)
        while (await http.get(f"{API}/jobs/{job}")).json()["status"] == "queued":
            await asyncio.sleep(0.02)
        cancelled = await http.delete(f"{API}/jobs/{job}")
        assert cancelled.status_code == 200
        assert cancelled.json()["status"] == "cancelled"
        # What ran for it makes room for another at once.
        other = await finished(http, await submit(http, BELL), timeout_s=20)
        assert other["status"] == "done"
        assert (await http.get(f"{API}/jobs/{job}")).json()["status"] == "cancelled"


@pytest.mark.timeout(400)
async def test_endless_circuits_are_ended_and_jobs_outlive_everything(
    own_synq: Callable[..., Running],
) -> None:
    synq = own_synq(SYNQ_SIMULATION_TIMEOUT_S="12")
    endless = STDGATES + "qubit q; bit c; while (c == 0) { c = measure q; }"
    async with synq.client("alice") as http:
        state = await finished(http, await submit(http, BELL, endless, BELL, shots=10))
        assert state["status"] == "done"
        assert state["results"][0]["counts"]
        assert "longer than 12 s" in state["results"][1]["error"]
        assert state["results"][2]["counts"]

        circuits = [heavy(index) for index in range(12)]
        job = await submit(http, *circuits, shots=20, seed=1)
        while not any((await http.get(f"{API}/jobs/{job}")).json()["results"]):
            await asyncio.sleep(0.02)
        before = (await http.get(f"{API}/jobs/{job}")).json()["results"]
    assert synq.process is not None
    os.kill(synq.process.pid, signal.SIGKILL)
    synq.process.wait()
    await asyncio.to_thread(synq.start)
    async with synq.client("alice") as http:
        state = await finished(http, job)
        assert state["status"] == "done"
        assert all(result["counts"] for result in state["results"])
        for was, is_now in zip(before, state["results"], strict=True):
            assert was in (None, is_now)
