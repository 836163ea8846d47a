"""Learning in a running SynQ: train, watch, deploy under load, ask about real programs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from tests.conftest import Running
from tests.quantum.programs import BELL, QELIB, doubling_bomb

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]
API = "/api/v1/ml"
ASK = f"{API}/predict/pattern-recognition"


def ghz(size: int) -> str:
    return f"{QELIB} qreg q[{size}]; h q[0]; " + "".join(
        f"cx q[{i}],q[{i + 1}]; " for i in range(size - 1)
    )


async def ask(http: httpx.AsyncClient, qasm: str) -> dict[str, Any]:
    answer = await http.post(ASK, json={"circuit": {"qasm": qasm}})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def test_the_shipped_model_answers_at_once(synq: Running, data: Path) -> None:
    async with synq.client("alice") as http:
        result = await ask(http, ghz(12))
        assert result["predictions"][0]["label"] == "ghz"
        assert result["confidence"] == result["predictions"][0]["confidence"] > 0.5
        assert sum(p["confidence"] for p in result["predictions"]) == pytest.approx(1, abs=0.01)
        assert result["model"]["version"] == 1
        assert 0 < result["inference_ms"] < 1_000
        for name, family in (("cat_state_n4", "ghz"), ("grover_n2", "grover"), ("qpe_n9", "qpe")):
            program = (data / "circuits" / "qasmbench" / f"{name}.qasm").read_text()
            assert (await ask(http, program))["predictions"][0]["label"] == family
        models = (await http.get(f"{API}/models")).json()
        assert [m["shipped"] for m in models["items"]][-1]


async def test_circuits_and_sessions_can_be_asked_about(synq: Running) -> None:
    async with synq.client("alice") as http, synq.client("mallory") as other:
        circuit = await http.post("/api/v1/circuits", json={"name": "cat", "qasm": ghz(5)})
        session = await http.post(
            "/api/v1/collaboration/sessions", json={"name": "s", "content": ghz(6)}
        )
        for reference in (
            {"circuit_id": circuit.json()["id"]},
            {"session_id": session.json()["id"]},
        ):
            answer = await http.post(ASK, json={"circuit": reference})
            assert answer.json()["predictions"][0]["label"] == "ghz"
            assert (await other.post(ASK, json={"circuit": reference})).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"circuit": {}}, 422, "invalid"),
        ({"circuit": {"qasm": BELL, "circuit_id": "x"}}, 422, "invalid"),
        ({"circuit": {"qasm": 7}}, 422, "invalid"),
        ({"circuit": {"qasm": "qubit q h q;"}}, 422, "bad_circuit"),
        ({"circuit": {"qasm": f"{QELIB} qreg q[3];"}}, 422, "empty_circuit"),
        ({"circuit": {"qasm": doubling_bomb(40)}}, 422, "bad_circuit"),
        ({"circuit": {"session_id": "nothing-here"}}, 404, "not_found"),
        ({"circuit": {"qasm": BELL}, "model_id": "nothing-here"}, 404, "not_found"),
    ],
)
async def test_bad_questions(synq: Running, body: dict[str, Any], status: int, code: str) -> None:
    async with synq.client("alice") as http:
        answer = await http.post(ASK, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_train_watch_deploy_ask(synq: Running) -> None:
    async with synq.client("trainer") as http, synq.client("mallory") as other:
        model = (await http.post(f"{API}/models", json={"name": "mine"})).json()["id"]
        path = f"{API}/models/{model}"
        assert (await other.get(path)).status_code == 404
        assert (await http.post(f"{path}/deploy")).json()["code"] == "not_ready"
        assert (
            await http.post(f"{API}/training-jobs", json={"model_id": model, "epochs": 0})
        ).status_code == 422
        queued = await http.post(f"{API}/training-jobs", json={"model_id": model, "epochs": 3})
        assert queued.status_code == 202, queued.text
        job = queued.json()
        assert (await other.get(f"{API}/training-jobs/{job['id']}")).status_code == 404

        unfinished = await http.post(f"{path}/deploy", json={"version_id": job["version_id"]})
        assert (unfinished.status_code, unfinished.json()["code"]) == (409, "not_ready")
        assert (await ask(http, ghz(5)))["model"]["id"] != model

        epochs = await watch(synq, job["id"])
        assert [data["epoch"] for data in epochs if data.get("stage") != "data"][-1] == 3
        losses = [d["metrics"]["loss"] for d in epochs if "loss" in d.get("metrics", {})]
        assert losses[1] < losses[0]
        done = (await http.get(f"{API}/training-jobs/{job['id']}")).json()
        assert (done["status"], done["progress"]) == ("done", 1.0)
        assert done["metrics"]["accuracy"] > 0.5

        # Asked all the while; the answer's model changes once and nothing is dropped.
        answered: list[str] = []
        stop = asyncio.Event()

        async def keep_asking() -> None:
            while not stop.is_set():
                answered.append((await ask(http, ghz(5)))["model"]["id"])

        askers = [asyncio.ensure_future(keep_asking()) for _ in range(3)]
        await asyncio.sleep(0.3)
        deployed = await http.post(f"{path}/deploy")
        assert deployed.json()["version_id"] == job["version_id"]
        seen = len(answered)
        while len(answered) < seen + 6:
            await asyncio.sleep(0.05)
        stop.set()
        await asyncio.gather(*askers)
        assert answered[0] != model
        assert answered[-1] == model
        assert sorted(answered, key=lambda each: each == model) == answered


async def watch(synq: Running, job: str) -> list[dict[str, Any]]:
    """Return what the channel says until the job is over."""
    heard: list[dict[str, Any]] = []
    url = f"{synq.url.replace('http', 'ws', 1)}/ws/collaborate"
    headers = {"Authorization": f"Bearer {synq.token('trainer')}"}
    async with connect(url, additional_headers=headers) as socket, asyncio.timeout(150):
        channel = f"training:{job}"
        await socket.send(json.dumps({"type": "subscribe", "channel": channel, "since": 0}))
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] == "subscribed":
                heard += [event["data"] for event in frame.get("events", [])]
                heard.append(frame["state"])
            elif frame["type"] == "event":
                heard.append(frame["data"])
            if heard and heard[-1]["status"] in ("done", "failed", "cancelled"):
                assert heard[-1]["status"] == "done", heard[-1]
                return heard


async def test_a_cancelled_job_stays_cancelled(synq: Running) -> None:
    async with synq.client("trainer") as http:
        model = (await http.post(f"{API}/models", json={"name": "never"})).json()["id"]
        body = {"model_id": model, "epochs": 500}
        first, second = [
            (await http.post(f"{API}/training-jobs", json=body)).json()["id"] for _ in range(2)
        ]
        for job in (second, first):
            ended = await http.delete(f"{API}/training-jobs/{job}")
            assert ended.json()["status"] == "cancelled"
        await asyncio.sleep(1)
        for job in (first, second):
            state = (await http.get(f"{API}/training-jobs/{job}")).json()
            assert state["status"] == "cancelled"
            assert state["finished_at"] is not None
        versions = (await http.get(f"{API}/models/{model}")).json()["versions"]
        assert {v["status"] for v in versions} == {"failed"}


async def test_inference_comes_back_by_itself(synq: Running) -> None:
    async with synq.client("alice") as http:
        await ask(http, ghz(5))
        assert synq.process is not None
        for child in psutil.Process(synq.process.pid).children(recursive=True):
            if child.cmdline() and "Inference" in child.cmdline()[0]:
                os.kill(child.pid, signal.SIGKILL)
        async with asyncio.timeout(90):
            while (answer := await http.post(ASK, json={"circuit": {"qasm": ghz(7)}})).is_error:
                # Until it is back, an error that says so and that one may retry.
                assert answer.status_code == 503, answer.text
                await asyncio.sleep(0.5)
        assert answer.json()["predictions"][0]["label"] == "ghz"
