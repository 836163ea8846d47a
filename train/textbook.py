"""Circuits as people write them by hand: the same families as MQT Bench, other constructions.

A generator library writes each algorithm one way; a program found in the wild writes the transform
without its swaps, the oracle from X and CX gates, the controlled power as a repeated gate, the code
for three qubits. Each function makes one circuit of ``size`` qubits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from qiskit.circuit import QuantumCircuit

Random = np.random.Generator
Generator = Callable[[int, Random], QuantumCircuit]


def _measured(circuit: QuantumCircuit, qubits: int | None = None) -> QuantumCircuit:
    """Measure the first ``qubits`` of ``circuit`` (all of them by default)."""
    result = QuantumCircuit(circuit.num_qubits, qubits or circuit.num_qubits)
    result.compose(circuit, inplace=True)
    wires = range(result.num_clbits)
    result.measure(wires, wires)
    return result


def _fourier(size: int, *, swaps: bool, inverse: bool, cutoff: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size)
    for target in reversed(range(size)):
        circuit.h(target)
        for control in reversed(range(max(0, target - cutoff), target)):
            circuit.cp(math.pi / 2 ** (target - control), control, target)
    if swaps:
        for qubit in range(size // 2):
            circuit.swap(qubit, size - 1 - qubit)
    return circuit.inverse() if inverse else circuit


def fourier_transform(size: int, rng: Random) -> QuantumCircuit:
    """QFT or its inverse, with or without swaps, exact or approximate, on some product state."""
    circuit = QuantumCircuit(size)
    start = rng.integers(3)
    for qubit in range(size):
        if start == 1 and rng.random() < 0.5:
            circuit.x(qubit)
        elif start == 2:
            circuit.h(qubit)
            circuit.p(math.pi * rng.integers(1, 8) / 4, qubit)
    cutoff = size if rng.random() < 0.7 else int(rng.integers(2, size + 1))
    swaps, inverse = rng.random() < 0.4, rng.random() < 0.5
    circuit.compose(_fourier(size, swaps=swaps, inverse=inverse, cutoff=cutoff), inplace=True)
    return _measured(circuit)


def fourier_transform_measured(size: int, rng: Random) -> QuantumCircuit:
    """The semiclassical transform: each qubit measured, later rotations conditioned on it."""
    circuit = QuantumCircuit(size, size)
    if rng.random() < 0.5:
        circuit.h(range(size))
    for qubit in range(size):
        for earlier in range(qubit):
            with circuit.if_test((circuit.clbits[earlier], 1)):
                circuit.p(math.pi / 2 ** (qubit - earlier), qubit)
        circuit.h(qubit)
        circuit.measure(qubit, qubit)
    return circuit


def phase_estimation(size: int, rng: Random) -> QuantumCircuit:
    """Phase estimation of a one- or two-qubit unitary whose powers are written out as repeats."""
    system = 2 if size > 4 and rng.random() < 0.3 else 1
    counting = size - system
    phase = rng.uniform(0.1, 2 * math.pi) if rng.random() < 0.5 else math.pi / 2 ** rng.integers(4)
    circuit = QuantumCircuit(size)
    circuit.h(range(counting))
    for qubit in range(counting, size):
        if rng.random() < 0.7:
            circuit.x(qubit)
    by_hand, repeated = rng.random() < 0.5, counting <= 5 and rng.random() < 0.6
    order = list(range(counting)) if rng.random() < 0.5 else list(reversed(range(counting)))
    for power, control in enumerate(order):
        repeats = 2**power if repeated else 1
        angle = phase if repeated else math.remainder(phase * 2**power, 2 * math.pi)
        for _ in range(repeats):
            for target in range(counting, size):
                if by_hand:
                    circuit.p(angle / 2, target)
                    circuit.cx(control, target)
                    circuit.p(-angle / 2, target)
                    circuit.cx(control, target)
                else:
                    circuit.cp(angle, control, target)
    transform = _fourier(counting, swaps=rng.random() < 0.5, inverse=True, cutoff=counting)
    circuit.compose(transform, range(counting), inplace=True)
    return _measured(circuit, counting)


def iterative_phase_estimation(size: int, rng: Random) -> QuantumCircuit:
    """Phase estimation with one counting qubit, reset between ``size - 1`` rounds."""
    rounds = max(2, size - 1)
    phase = rng.uniform(0.1, 2 * math.pi)
    circuit = QuantumCircuit(2, rounds)
    circuit.x(1)
    for step in range(rounds):
        if step:
            circuit.reset(0)
        circuit.h(0)
        circuit.cp(math.remainder(phase * 2 ** (rounds - 1 - step), 2 * math.pi), 0, 1)
        for earlier in range(step):
            with circuit.if_test((circuit.clbits[earlier], 1)):
                circuit.p(-math.pi / 2 ** (step - earlier), 0)
        circuit.h(0)
        circuit.measure(0, step)
    return circuit


def oracle_test(size: int, rng: Random) -> QuantumCircuit:
    """Deutsch-Jozsa with a hand-made balanced oracle: X on some inputs, CX from all, X again."""
    inputs, ancilla = size - 1, size - 1
    circuit = QuantumCircuit(size)
    circuit.x(ancilla)
    circuit.h(range(size))
    flipped = [int(q) for q in np.flatnonzero(rng.integers(0, 2, inputs))]
    for _ in range(2):
        for qubit in flipped:
            circuit.x(qubit)
        if _ == 0:
            for qubit in range(inputs):
                circuit.cx(qubit, ancilla)
    circuit.h(range(inputs))
    return _measured(circuit, inputs)


def hidden_string(size: int, rng: Random) -> QuantumCircuit:
    """Bernstein-Vazirani with a phase ancilla and CX gates."""
    inputs, ancilla = size - 1, size - 1
    circuit = QuantumCircuit(size)
    circuit.h(range(inputs))
    circuit.x(ancilla)
    circuit.h(ancilla)
    bits = rng.integers(0, 2, inputs)
    bits[int(rng.integers(inputs))] = 1
    for qubit in np.flatnonzero(bits):
        circuit.cx(int(qubit), ancilla)
    circuit.h(range(inputs))
    return _measured(circuit, inputs)


def search(size: int, rng: Random) -> QuantumCircuit:
    """Grover's search without an ancilla: a phase oracle on marked strings, then diffusion."""
    circuit = QuantumCircuit(size)
    circuit.h(range(size))
    last, rest = size - 1, list(range(size - 1))

    def phase_flip() -> None:
        if size == 2 and rng.random() < 0.5:
            circuit.cz(0, 1)
            return
        circuit.h(last)
        circuit.mcx(rest, last)
        circuit.h(last)

    marked = rng.integers(0, 2, size)
    best = max(1, math.floor(math.pi / 4 * math.sqrt(2**size)))
    for _ in range(int(rng.integers(1, min(best, 4) + 1))):
        zeros = [int(q) for q in np.flatnonzero(marked == 0)]
        if zeros:
            circuit.x(zeros)
        phase_flip()
        if zeros:
            circuit.x(zeros)
        circuit.h(range(size))
        circuit.x(range(size))
        phase_flip()
        circuit.x(range(size))
        circuit.h(range(size))
    return _measured(circuit)


def repetition_code(size: int, rng: Random) -> QuantumCircuit:
    """A bit- or phase-flip code: encode, perhaps an error, measure the syndrome or decode."""
    data = (size + 1) // 2 if rng.random() < 0.7 else size
    phase = rng.random() < 0.4
    circuit = QuantumCircuit(size, size)
    if rng.random() < 0.6:
        circuit.ry(rng.uniform(0, math.pi), 0) if rng.random() < 0.5 else circuit.x(0)
    for qubit in range(1, data):
        circuit.cx(0, qubit)
    if phase:
        circuit.h(range(data))
    if rng.random() < 0.6:
        (circuit.z if phase else circuit.x)(int(rng.integers(data)))
    if phase:
        circuit.h(range(data))
    for ancilla in range(data, size):
        first = ancilla - data
        circuit.cx(first, ancilla)
        circuit.cx(first + 1, ancilla)
        circuit.measure(ancilla, ancilla)
    if data == size:
        for qubit in range(1, data):
            circuit.cx(0, qubit)
        if data == 3 or rng.random() < 0.5:
            circuit.mcx(list(range(1, data))[:2], 0)
        circuit.measure(range(data), range(data))
    elif rng.random() < 0.6:
        for index in range(size - data):
            with circuit.if_test((circuit.clbits[data + index], 1)):
                circuit.x(index)
    return circuit


def hardware_efficient(size: int, rng: Random) -> QuantumCircuit:
    """Layers of random rotations and an entangler, in one of several common shapes."""
    circuit = QuantumCircuit(size)
    gates = [("ry",), ("rx", "rz"), ("rz", "ry", "rz"), ("rx",), ("ry", "rz")][int(rng.integers(5))]
    shape, entangler = rng.integers(3), ["cx", "cz"][int(rng.integers(2))]
    pairs = [(i, i + 1) for i in range(size - 1)]
    if shape == 1 and size > 2:
        pairs.append((size - 1, 0))
    elif shape == 2:
        pairs = pairs[::2] + pairs[1::2]
    for _ in range(int(rng.integers(1, 6))):
        for gate in gates:
            for qubit in range(size):
                getattr(circuit, gate)(rng.uniform(-math.pi, math.pi), qubit)
        for a, b in pairs:
            getattr(circuit, entangler)(a, b)
    if rng.random() < 0.7:
        for qubit in range(size):
            getattr(circuit, gates[0])(rng.uniform(-math.pi, math.pi), qubit)
    return _measured(circuit)


def max_cut(size: int, rng: Random) -> QuantumCircuit:
    """QAOA on a random graph; the phase of an edge as RZZ, or as CX, RZ, CX."""
    circuit = QuantumCircuit(size)
    circuit.h(range(size))
    edges = [(a, b) for a in range(size) for b in range(a + 1, size) if rng.random() < 0.5]
    edges = edges or [(0, 1)]
    by_hand, weighted, fields = rng.random(3) < (0.5, 0.3, 0.3)
    for _ in range(int(rng.integers(1, 5))):
        gamma, beta = rng.uniform(0.1, math.pi, 2)
        for a, b in edges:
            angle = gamma * (rng.uniform(0.2, 2) if weighted else 1)
            if by_hand:
                circuit.cx(a, b)
                circuit.rz(angle, b)
                circuit.cx(a, b)
            else:
                circuit.rzz(angle, a, b)
        if fields:
            for qubit in range(size):
                circuit.rz(gamma * rng.uniform(-1, 1), qubit)
        circuit.rx(2 * beta, range(size))
    return _measured(circuit)


def single_excitation(size: int, rng: Random) -> QuantumCircuit:
    """A W state by a cascade of controlled rotations and CX gates."""
    circuit = QuantumCircuit(size)
    circuit.x(0)
    for qubit in range(size - 1):
        angle = 2 * math.acos(math.sqrt(1 / (size - qubit)))
        if rng.random() < 0.5:
            circuit.cry(angle, qubit, qubit + 1)
        else:
            circuit.ry(angle / 2, qubit + 1)
            circuit.cx(qubit, qubit + 1)
            circuit.ry(-angle / 2, qubit + 1)
            circuit.cx(qubit, qubit + 1)
        circuit.cx(qubit + 1, qubit)
    return _measured(circuit)


def cat_state(size: int, rng: Random) -> QuantumCircuit:
    """A GHZ state from a chain, a star or a tree of CX gates."""
    circuit = QuantumCircuit(size)
    circuit.h(0)
    shape = rng.integers(3)
    for qubit in range(1, size):
        circuit.cx([qubit - 1, 0, (qubit - 1) // 2][int(shape)], qubit)
    return _measured(circuit)


def random_graph_state(size: int, rng: Random) -> QuantumCircuit:
    """A graph state of a random graph, a line, a grid or a star."""
    circuit = QuantumCircuit(size)
    circuit.h(range(size))
    shape = rng.integers(3)
    width = max(2, math.isqrt(size))
    for a in range(size):
        for b in range(a + 1, size):
            grid = b - a == width or (b - a == 1 and b % width != 0)
            if (
                (shape == 0 and b - a == 1)
                or (shape == 1 and grid)
                or (shape == 2 and rng.random() < 0.4)
            ):
                circuit.cz(a, b)
    return _measured(circuit)


def time_evolution(size: int, rng: Random) -> QuantumCircuit:
    """Trotter steps of an Ising, XY or Heisenberg chain or ring."""
    step, strength = rng.uniform(0.05, 0.9), rng.uniform(0.2, 2.0)
    models: list[tuple[str, ...]] = [("zz",), ("xx", "yy"), ("xx", "yy", "zz")]
    paulis = models[int(rng.integers(3))]
    bonds = [(i, i + 1) for i in range(size - 1)]
    if size > 2 and rng.random() < 0.3:
        bonds.append((size - 1, 0))
    if rng.random() < 0.5:
        bonds = bonds[::2] + bonds[1::2]
    circuit = QuantumCircuit(size)
    if rng.random() < 0.4:
        for qubit in np.flatnonzero(rng.integers(0, 2, size)):
            circuit.x(int(qubit))
    elif rng.random() < 0.3:
        circuit.h(range(size))
    for _ in range(int(rng.integers(1, 7))):
        for pauli in paulis:
            for a, b in bonds:
                getattr(circuit, "r" + pauli)(2 * step, a, b)
        if paulis == ("zz",):
            circuit.rx(2 * strength * step, range(size))
        elif rng.random() < 0.5:
            circuit.rz(2 * strength * step, range(size))
    return _measured(circuit)


GENERATORS: Mapping[str, tuple[str, Generator, int, int]] = {
    # name: family, generator, smallest and largest size
    "fourier_transform": ("qft", fourier_transform, 2, 20),
    "fourier_transform_measured": ("qft", fourier_transform_measured, 2, 12),
    "phase_estimation": ("qpe", phase_estimation, 3, 14),
    "iterative_phase_estimation": ("qpe", iterative_phase_estimation, 2, 10),
    "oracle_test": ("deutsch-jozsa", oracle_test, 2, 20),
    "hidden_string": ("bernstein-vazirani", hidden_string, 2, 20),
    "search": ("grover", search, 2, 8),
    "repetition_code": ("error-correction", repetition_code, 3, 15),
    "hardware_efficient": ("ansatz", hardware_efficient, 2, 16),
    "max_cut": ("qaoa", max_cut, 3, 14),
    "single_excitation": ("w-state", single_excitation, 3, 20),
    "cat_state": ("ghz", cat_state, 2, 24),
    "random_graph_state": ("graph-state", random_graph_state, 3, 20),
    "time_evolution": ("hamiltonian-simulation", time_evolution, 2, 20),
}
