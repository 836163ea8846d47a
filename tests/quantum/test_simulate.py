"""Simulation: exact distributions, Qiskit's bit order, the right method, refusals with numbers."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from cluster.errors import InvalidInput
from quantum.limits import BadCircuit, Limits
from quantum.plan import Plan, TooBig, plan
from quantum.read import read
from quantum.simulate import SimulationFailed, Unbound, circuit_seed, prepare, simulate
from quantum.tasks import Outcome, Work, batch, run
from tests.quantum.programs import (
    BELL,
    BELL_3,
    QELIB,
    STDGATES,
    TELEPORT,
    distance,
    ghz,
    qft,
    tolerance,
    wide,
)  # fmt: skip

SHOTS = 4_096
MEMORY = 1 << 30


def planned(text: str, memory: int = MEMORY) -> Plan:
    circuit = prepare(read(text, Limits()).circuit).circuit
    return plan(circuit, shots=SHOTS, memory_bytes=memory)


def counts(text: str, *, shots: int = SHOTS, seed: int = 1, memory: int = MEMORY) -> dict[str, int]:
    runnable = prepare(read(text, Limits()).circuit)
    chosen = plan(runnable.circuit, shots=shots, memory_bytes=memory)
    return simulate(runnable, chosen, shots=shots, seed=seed)


def exact(circuit: QuantumCircuit) -> dict[str, float]:
    bare = circuit.remove_final_measurements(inplace=False)
    found: dict[str, float] = Statevector(bare).probabilities_dict()
    return found


@pytest.mark.parametrize("text", [BELL, BELL_3, ghz(5), qft(4), qft(6)])
def test_distributions_are_right(text: str) -> None:
    expected = exact(read(text, Limits()).circuit)
    found = counts(text)
    assert sum(found.values()) == SHOTS
    assert distance(found, expected) < tolerance(len(expected), SHOTS)


def test_teleportation_with_measurements_in_between() -> None:
    found = counts(TELEPORT)
    ones = sum(count for outcome, count in found.items() if outcome.split()[0] == "1")
    assert abs(ones / SHOTS - math.sin(0.6) ** 2) < 0.05


def test_small_real_programs_are_exact(data: Path) -> None:
    checked = 0
    for file in sorted((data / "circuits").glob("*/*.qasm")):
        try:
            circuit = read(file.read_text(), Limits()).circuit
        except BadCircuit:
            continue
        flow = {"if_else", "reset"} & circuit.count_ops().keys()
        measured = circuit.count_ops().get("measure", 0)
        if circuit.num_qubits > 10 or flow or measured:
            continue
        expected = exact(circuit)
        shots = 2_048
        found = counts(file.read_text(), shots=shots)
        assert distance(found, expected) < tolerance(len(expected), shots), file.name
        checked += 1
    assert checked >= 10


def test_real_programs_run(data: Path) -> None:
    ran = 0
    for file in sorted((data / "circuits").glob("*/*.qasm")):
        try:
            chosen = planned(file.read_text())
        except (BadCircuit, TooBig):
            continue
        if chosen.method == "statevector" and (chosen.qubits > 20 or chosen.cost_ms > 300):
            continue
        assert sum(counts(file.read_text(), shots=100).values()) == 100
        ran += 1
    assert ran >= 55


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("qreg q[3]; x q[0];", "001"),
        ("qreg q[3]; creg c[3]; x q[0]; measure q -> c;", "001"),
        ("qreg q[2]; creg a[1]; creg b[2]; x q[1]; measure q[1] -> a[0];", "00 1"),
        # Nothing is measured: declared registers do not appear.
        ("qreg q[2]; creg c[5]; x q[1];", "10"),
        # Idle qubits are left out of the simulation, not of the outcome.
        ("qreg q[900]; x q[0]; x q[899];", "1" + "0" * 898 + "1"),
        ("qreg a[1]; qreg b[2]; x b[0];", "010"),
        ("qreg q[2]; barrier q;", "00"),
    ],
)
def test_bit_order_is_qiskits(body: str, outcome: str) -> None:
    assert counts(QELIB + body, shots=10) == {outcome: 10}


@pytest.mark.parametrize(
    ("body", "outcomes"),
    [
        ("bit c; while (c == 0) { h q[0]; c = measure q[0]; }", {"1"}),
        ("bit c; for int i in [0:2] { x q[0]; } c = measure q[0];", {"1"}),
        (
            """bit[2] c; x q[0]; c[0] = measure q[0]; if (c[0] == 1) { x q[1]; } else { h q[1]; }
            c[1] = measure q[1];""",
            {"11"},
        ),
        ("bit c; h q[0]; reset q[0]; c = measure q[0];", {"0"}),
        ("bit c; for int i in [0:9] { x q[0]; c = measure q[0]; if (c == 1) { break; } }", {"1"}),
    ],
)  # fmt: skip
def test_control_flow_runs(body: str, outcomes: set[str]) -> None:
    assert counts(f"{STDGATES}qubit[2] q; {body}", shots=50).keys() == outcomes


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (BELL, "statevector"),
        (ghz(200), "stabilizer"),
        (ghz(13), "stabilizer"),
        (ghz(200, then="t q[0];"), "matrix_product_state"),
        (ghz(20, then="t q[0];"), "statevector"),
    ],
)
def test_the_method_follows_the_circuit(text: str, method: str) -> None:
    assert planned(text).method == method


def test_methods_agree() -> None:
    text = ghz(6, then="t q[0]; ry(0.4) q[3]; cx q[3],q[5];")
    expected = exact(read(text, Limits()).circuit)
    runnable = prepare(read(text, Limits()).circuit)
    for method in ("statevector", "matrix_product_state"):
        found = simulate(runnable, Plan(method, 6, 0, 0.0), shots=SHOTS, seed=3)
        assert distance(found, expected) < tolerance(len(expected), SHOTS)


def test_a_wide_circuit_of_small_entanglement_runs() -> None:
    found = counts(ghz(100, then="t q[0];"), shots=100)
    assert found.keys() <= {"0" * 100, "1" * 100}


@pytest.mark.parametrize("qubits", [40, 200])
def test_what_fits_nowhere_is_refused_with_both_numbers(qubits: int) -> None:
    start = time.process_time()
    with pytest.raises(TooBig) as refused:
        planned(wide(qubits))
    assert time.process_time() - start < 2.0
    assert f"2^{qubits} x 16 B" in refused.value.message
    assert "1 GiB" in refused.value.message
    assert "26 qubits" in refused.value.message


def test_the_memory_allowed_decides() -> None:
    assert planned(wide(20), 16 << 20).qubits == 20
    with pytest.raises(TooBig):
        planned(wide(21), 16 << 20)


def test_unbound_parameters_are_named() -> None:
    with pytest.raises(Unbound, match="theta"):
        counts(STDGATES + "input float theta; qubit q; rx(theta) q;")


def test_nothing_to_simulate() -> None:
    with pytest.raises(InvalidInput, match="no qubits"):
        counts("OPENQASM 3.0;")


def test_a_gate_without_definition_fails_with_its_name() -> None:
    with pytest.raises(SimulationFailed, match="foo"):
        counts(QELIB + "opaque foo a; qreg q[1]; foo q[0];")


def test_counts_depend_on_seed_and_position_alone() -> None:
    assert counts(qft(5), seed=3) == counts(qft(5), seed=3)
    assert counts(qft(5), seed=3) != counts(qft(5), seed=4)
    seeds = {circuit_seed(7, index) for index in range(1_000)} | {circuit_seed(8, 0)}
    assert len(seeds) == 1_001
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_batch_reports_each_circuit_and_survives_a_bad_one() -> None:
    def work(position: int, text: str) -> Work:
        return Work(position, text, "statevector", 2, 64)

    works = [work(0, BELL), work(1, QELIB + "opaque foo a; qreg q[1]; foo q[0];"), work(5, BELL)]
    items = list(batch(works, Limits(), shots=100, seed=1, threads=1))
    assert items[0] == "started"
    outcomes = [item for item in items[1:] if isinstance(item, Outcome)]
    assert [outcome.position for outcome in outcomes] == [0, 1, 5]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert outcomes[0].counts != outcomes[2].counts
    # Alone or in company: the same counts.
    assert run(work(5, BELL), Limits(), shots=100, seed=1, threads=1) == outcomes[2]


def test_memory_beyond_the_plan_fails_cleanly() -> None:
    # A plan that promises nothing, for a state of 512 MiB; the headroom is taken away as well.
    import quantum.tasks

    text = QELIB + "qreg q[25]; h q; t q;"
    before = quantum.tasks.HEADROOM_BYTES
    quantum.tasks.HEADROOM_BYTES = 128 << 20
    try:
        outcome = run(Work(0, text, "statevector", 25, 0), Limits(), shots=1, seed=1, threads=1)
    finally:
        quantum.tasks.HEADROOM_BYTES = before
    assert outcome.counts is None
    assert outcome.error is not None
    assert "memory" in outcome.error.lower() or "alloc" in outcome.error.lower()
    assert run(Work(0, BELL, "statevector", 2, 64), Limits(), shots=1, seed=1, threads=1).counts


def test_single_bits_appear_in_outcomes() -> None:
    body = "bit first; bit[2] m; bit last; qubit[2] q; x q[0]; first = measure q[0];"
    assert counts(STDGATES + body + "m = measure q;", shots=5) == {"0 01 1": 5}
