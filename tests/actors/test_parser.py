"""The sandboxed reader: quick for programs, firm with bombs, and never the loser."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actors.ot.circuit import Circuit
from actors.parser import MAX_WAITING, LocalParser
from actors.sandbox import Sandbox
from cluster.errors import SynqError, Unavailable
from cluster.settings import load_settings
from tests.quantum.programs import BELL, BELL_3, QELIB, STDGATES, doubling_bomb, wide

# The reference parser needs seconds for this much; it is a legal program.
SLOW = STDGATES + "qubit q; const int n = 1;" + "x q;\n" * 20_000
LIMITS = {"bytes": 1_048_576, "operations": 100_000, "qubits": 1_000}


@pytest.fixture(scope="module")
async def parser() -> AsyncIterator[LocalParser]:
    parser = LocalParser(load_settings(parse_timeout_s=2.0))
    await parser.start()
    yield parser
    await parser.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox("actors.analysis", timeout_s=20.0, memory_bytes=12 << 20)
    sandbox.start()
    yield sandbox
    sandbox.close()


async def test_a_program_is_answered_as_the_contract_says(parser: LocalParser) -> None:
    answer = await parser.analyze(BELL_3)
    drawing = answer.pop("drawing")
    assert answer == {
        "valid": True, "format": "qasm3", "qubits": 2, "clbits": 2, "depth": 3, "gates": 4,
        "diagnostics": [],
    }  # fmt: skip
    assert drawing.keys() == {"qubits", "clbits", "columns", "truncated"}


async def test_an_error_is_an_answer(parser: LocalParser) -> None:
    answer = await parser.analyze(QELIB + "qreg q[1];\nhh q[0];")
    assert answer["valid"] is False
    assert answer["format"] == "qasm2"
    assert answer["diagnostics"][0].items() >= {"line": 4, "column": 1, "severity": "error"}.items()
    for unstorable in ("qubit q; // \ud800", "qubit q; // \x00"):
        assert (await parser.analyze(unstorable))["valid"] is False


async def test_small_programs_are_quick(parser: LocalParser) -> None:
    times = []
    for _ in range(30):
        start = time.perf_counter()
        await parser.analyze(BELL_3)
        times.append(time.perf_counter() - start)
    # 0.7 ms on an idle core here.
    assert statistics.median(times) < 0.05


async def test_inspecting_gives_a_plan_or_the_reason_for_none(parser: LocalParser) -> None:
    assert "plan" not in await parser.inspect(BELL)
    inspected = await parser.inspect(BELL, 100)
    assert inspected["plan"]["method"] == "statevector"
    assert inspected["refusal"] is None
    refused = await parser.inspect(wide(200), 100)
    assert refused["plan"] is None
    assert "2^200" in refused["refusal"]
    with pytest.raises(SynqError) as bad:
        await parser.inspect("qubit q", 100)
    assert bad.value.code == "bad_circuit"
    assert bad.value.details["diagnostics"]


async def test_features_are_those_of_the_learning_room(parser: LocalParser) -> None:
    from train.features import FEATURE_NAMES

    assert len(await parser.features(BELL)) == len(FEATURE_NAMES)


async def test_programs_become_circuits_and_programs_again(parser: LocalParser) -> None:
    circuit = await parser.to_circuit("// pair\n" + BELL)
    assert circuit.keys() == {"state", "notes"}
    assert len(Circuit.from_json(circuit["state"])) == 4
    for version in (2, 3):
        text = await parser.to_text(circuit["state"], version)
        assert text.keys() == {"text", "notes"}
        assert "// pair\n" in text["text"]
        again = await parser.to_circuit(text["text"])
        assert again["state"] == circuit["state"]


async def test_documents_are_exported(parser: LocalParser) -> None:
    state = (await parser.to_circuit(BELL))["state"]
    for kind, document in (("text", BELL), ("circuit", state)):
        for format in ("qasm2", "qasm3", "qpy"):
            file = await parser.export(kind, document, format)
            assert file.keys() == {"media_type", "encoding", "data", "notes"}
            assert file["data"]


async def test_what_cannot_be_converted_is_refused_by_name(parser: LocalParser) -> None:
    loop = STDGATES + "qubit q; bit c; while (c) { x q; c = measure q; }"
    for question, message in (
        (parser.to_circuit(loop), "a while loop has no place"),
        (parser.to_circuit("qubit q; // \x00"), "NUL"),
        (parser.export("text", loop, "qasm2"), "OpenQASM 2 has no place for a while loop"),
        (parser.export("text", "qubit q; // \ud800", "qasm3"), "surrogate"),
        (parser.export("text", BELL, "svg"), "expected one of qasm2, qasm3, qpy"),
        (parser.to_text({"qubits": 1}, 3), "expected a circuit"),
        (parser.to_text({}, 4), "version 2 or 3"),
    ):
        with pytest.raises(SynqError, match=message) as refused:
            await question
        assert refused.value.status == 422
    assert (await parser.analyze(BELL))["valid"]


async def test_bombs_are_answered(parser: LocalParser) -> None:
    pid = parser.sandbox.pid
    start = time.perf_counter()
    for bomb in (doubling_bomb(40), doubling_bomb(40, parameter=True), "qubit[2000000000] q;"):
        answer = await parser.analyze(bomb)
        assert answer["valid"] is False
        assert "allowed" in answer["diagnostics"][0]["message"]
    assert time.perf_counter() - start < 5.0
    assert parser.sandbox.pid == pid
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kib < 300 * 1024


async def test_what_takes_too_long_is_ended_and_costs_its_neighbours_only_waiting(
    parser: LocalParser,
) -> None:
    pid = parser.sandbox.pid
    start = time.perf_counter()
    slow = asyncio.create_task(parser.analyze(SLOW))
    await asyncio.sleep(0.1)
    neighbours = [asyncio.create_task(parser.analyze(BELL)) for _ in range(5)]
    with pytest.raises(SynqError) as refused:
        await slow
    assert refused.value.code == "too_complex"
    assert "2 s" in refused.value.message
    assert time.perf_counter() - start < 5.0
    assert all(answer["valid"] for answer in await asyncio.gather(*neighbours))
    assert parser.sandbox.pid != pid


async def test_a_dead_process_is_replaced(parser: LocalParser) -> None:
    assert parser.sandbox.pid is not None
    os.kill(parser.sandbox.pid, signal.SIGKILL)
    await asyncio.sleep(0.2)
    assert (await parser.analyze(BELL))["valid"]


async def test_the_queue_is_bounded(parser: LocalParser) -> None:
    asked = [asyncio.create_task(parser.analyze(BELL)) for _ in range(MAX_WAITING + 10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 10
    assert all(error.retryable for error in refused)


def test_memory_is_bounded(sandbox: Sandbox) -> None:
    pid = sandbox.pid
    with pytest.raises(SynqError) as refused:
        sandbox.call({"op": "analyze", "qasm": SLOW, "limits": LIMITS})
    assert refused.value.code == "too_complex"
    assert "memory" in refused.value.message
    answer = sandbox.call({"op": "analyze", "qasm": BELL, "limits": LIMITS})
    assert answer["valid"]
    assert sandbox.pid != pid


def test_the_process_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SYNQ_SECRET", "secret")
    sandbox = Sandbox("actors.analysis", timeout_s=20.0, memory_bytes=1 << 30)
    sandbox.start()
    try:
        environment = Path(f"/proc/{sandbox.pid}/environ").read_bytes()
    finally:
        sandbox.close()
    assert b"secret" not in environment


def test_the_process_ends_with_its_parent() -> None:
    sandbox = Sandbox("actors.analysis", timeout_s=20.0, memory_bytes=1 << 30)
    sandbox.start()
    process = sandbox._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    sandbox.close()
