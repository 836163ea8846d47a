"""Features say what a circuit does, not what it is called, in bounded time, always finite."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import QFTGate
from qiskit.circuit.random import random_circuit

from cluster.errors import InvalidInput
from train.block_view import block_view
from train.features import FEATURE_NAMES, circuit_features
from train.normal_form import MAX_INSTRUCTIONS, angle_class, normalise


def ghz(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size, size)
    circuit.h(0)
    for qubit in range(1, size):
        circuit.cx(qubit - 1, qubit)
    circuit.measure(range(size), range(size))
    return circuit


def permuted(circuit: QuantumCircuit, order: list[int]) -> QuantumCircuit:
    result = QuantumCircuit(circuit.num_qubits, circuit.num_clbits)
    result.compose(circuit, order, range(circuit.num_clbits), inplace=True)
    return result


def assert_same(a: QuantumCircuit, b: QuantumCircuit) -> None:
    left, right = circuit_features(a), circuit_features(b)
    differ = np.flatnonzero(~np.isclose(left, right, atol=1e-4))
    assert not differ.size, [(FEATURE_NAMES[i], left[i], right[i]) for i in differ]


@settings(max_examples=25, deadline=None)
@given(size=st.integers(2, 6), depth=st.integers(1, 8), seed=st.integers(0, 10_000))
def test_any_circuit_is_finite_and_the_order_of_qubits_does_not_matter(
    size: int, depth: int, seed: int
) -> None:
    circuit = random_circuit(size, depth, max_operands=3, measure=True, seed=seed)
    features = circuit_features(circuit)
    assert features.dtype == np.float32
    assert features.shape == (len(FEATURE_NAMES),)
    assert np.isfinite(features).all()
    order = [int(i) for i in np.random.default_rng(seed).permutation(size)]
    assert_same(circuit, permuted(circuit, order))


def test_names_of_registers_gates_and_circuits_leak_nothing() -> None:
    plain = QuantumCircuit(4)
    plain.h(0)
    plain.append(QFTGate(3), [0, 1, 2])
    plain.cx(2, 3)
    left, right = QuantumRegister(1, "coin"), QuantumRegister(3, "node")
    named = QuantumCircuit(left, right, ClassicalRegister(2, "oracle"), name="grover")
    inner = QuantumCircuit(4, name="Q")
    inner.compose(plain, inplace=True)
    named.append(inner.to_gate(label="diffuser"), [*left, *right])
    assert_same(plain, named)


def test_barriers_and_explicit_swaps_are_only_notation() -> None:
    plain, noted = QuantumCircuit(3), QuantumCircuit(3)
    for circuit in (plain, noted):
        circuit.h(0)
        circuit.t(1)
    noted.barrier()
    noted.swap(0, 2)
    plain.cx(0, 1)
    noted.cx(2, 1)
    assert_same(plain, noted)


def test_blocks_do_not_depend_on_the_entangling_gate() -> None:
    by_cx, by_cz = QuantumCircuit(3), QuantumCircuit(3)
    for a, b in [(0, 1), (1, 2)]:
        by_cx.cx(a, b)
        by_cz.h(b)
        by_cz.cz(a, b)
        by_cz.h(b)
    assert block_view(normalise(by_cx)) == pytest.approx(block_view(normalise(by_cz)))
    phase = QuantumCircuit(2)
    phase.cp(np.pi / 4, 0, 1)
    assert block_view(normalise(phase))["block_phase"] == 1
    assert block_view(normalise(phase))["phase_t"] == 1


@pytest.mark.parametrize(
    ("angle", "name"),
    [
        (0, "clifford"), (-np.pi, "clifford"), (np.pi / 4, "t"), (3 * np.pi / 8, "pi_8"),
        (np.pi / 1024, "finer"), (1.0, "generic"), (None, "symbolic"),
    ],
)  # fmt: skip
def test_angles_have_classes(angle: float | None, name: str) -> None:
    assert angle_class(angle) == name


def test_control_flow_parameters_resets_and_single_qubits_are_described() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.rx(Parameter("theta"), 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    with circuit.for_loop(range(3)):
        circuit.cx(0, 1)
    circuit.reset(0)
    values = dict(zip(FEATURE_NAMES, circuit_features(circuit), strict=True))
    assert values["conditional_share"] > 0
    assert values["resets_per_qubit"] > 0
    assert values["angle_symbolic"] > 0
    assert values["mid_circuit_share"] == 1
    single = QuantumCircuit(1)
    single.h(0)
    assert np.isfinite(circuit_features(single)).all()


def test_idle_qubits_change_nothing() -> None:
    wide = QuantumCircuit(9, 4)
    wide.compose(ghz(4), [1, 3, 5, 7], range(4), inplace=True)
    values = dict(zip(FEATURE_NAMES, circuit_features(wide), strict=True))
    alone = dict(zip(FEATURE_NAMES, circuit_features(ghz(4)), strict=True))
    assert values["log_qubits"] == alone["log_qubits"]
    assert values["graph_density"] == alone["graph_density"]


def test_nothing_done_is_nothing_to_recognise() -> None:
    circuit = QuantumCircuit(2)
    circuit.barrier()
    with pytest.raises(InvalidInput, match="operations"):
        circuit_features(circuit)


def test_time_is_bounded_for_huge_circuits_however_they_are_written() -> None:
    flat = QuantumCircuit(50)
    for index in range(100_000):
        a, b = index % 50, (index * 7 + 1) % 50
        flat.cx(a, b if b != a else (a + 1) % 50)
    layer = QuantumCircuit(3, name="layer")
    for _ in range(100):
        layer.ccx(0, 1, 2)
    block = QuantumCircuit(3, name="block")
    for _ in range(100):
        block.append(layer.to_gate(), [0, 1, 2])
    nested = QuantumCircuit(50)
    for index in range(10):
        nested.append(block.to_gate(), [index, index + 1, index + 2])
    for circuit in (flat, nested):
        started = time.perf_counter()
        assert np.isfinite(circuit_features(circuit)).all()
        # 1 to 2 s here; the bound is far from both that and from what 100,000 Toffolis would take.
        assert time.perf_counter() - started < 20
    assert normalise(flat).size() <= MAX_INSTRUCTIONS
