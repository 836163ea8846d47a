"""Where labelled circuits come from: one record a generator, several generators a family.

Most are those of MQT Bench (MIT), merged into families a user would name: exact and inexact phase
estimation are both ``qpe``, six adders are ``adder``. What it fixes (hidden strings, graphs, random
gates) is drawn from the caller's generator here. ``textbook`` adds hand-written constructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit.circuit import QuantumCircuit

from train.textbook import GENERATORS, Generator

Options = Callable[[int, np.random.Generator], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """A generator of circuits of one family.

    Attributes:
        name: its name in MQT Bench, or our own.
        family: the label of its circuits.
        sizes: the qubit counts it can make, those of interest here.
        options: extra arguments for a size, drawn at random.
        generator: makes the circuit itself; None asks MQT Bench.
    """

    name: str
    family: str
    sizes: tuple[int, ...] = tuple(range(3, 23))
    options: Options | None = None
    generator: Generator | None = None


def build(source: Source, size: int, rng: np.random.Generator) -> QuantumCircuit:
    """Make one circuit of ``source`` with ``size`` qubits; free parameters get random values."""
    if source.generator is not None:
        return source.generator(size, rng)
    from mqt.bench.benchmarks import create_circuit

    options = source.options(size, rng) if source.options is not None else {}
    circuit = create_circuit(source.name, size, **options)
    if circuit.parameters:
        values = rng.uniform(-np.pi, np.pi, len(circuit.parameters))
        circuit = circuit.assign_parameters(values)
    return circuit


def _hidden_string(size: int, rng: np.random.Generator) -> dict[str, Any]:
    bits = rng.integers(0, 2, size - 1)
    bits[int(rng.integers(size - 1))] = 1  # the zero string leaves no oracle to recognise
    return {"hidden_string": "".join(map(str, bits)), "dynamic": bool(rng.random() < 0.2)}


def _layers(size: int, rng: np.random.Generator) -> dict[str, Any]:
    return {"repetitions": int(rng.integers(1, 4)), "seed": int(rng.integers(1 << 30))}


def _graph(size: int, rng: np.random.Generator) -> dict[str, Any]:
    return {"degree": 2, "seed": int(rng.integers(1 << 30))}


def _random_circuit(size: int, rng: np.random.Generator) -> QuantumCircuit:
    from qiskit.circuit.random import random_circuit

    depth = int(size * rng.uniform(0.7, 2.5)) + 1
    return random_circuit(size, depth, max_operands=3, seed=int(rng.integers(1 << 30)))


_EVEN = tuple(range(4, 23, 2))
_ODD = tuple(range(3, 22, 2))

SOURCES: tuple[Source, ...] = (
    Source("ae", "amplitude-estimation"),
    Source("bmw_quark_cardinality", "ansatz"),
    Source("bmw_quark_copula", "ansatz", _EVEN),
    Source("vqe_real_amp", "ansatz"),
    Source("vqe_su2", "ansatz"),
    Source("vqe_two_local", "ansatz"),
    Source("bv", "bernstein-vazirani", options=_hidden_string),
    Source("cdkm_ripple_carry_adder", "adder", _EVEN),
    Source("draper_qft_adder", "adder", _EVEN),
    Source("full_adder", "adder", _EVEN),
    Source("half_adder", "adder", _ODD),
    Source("modular_adder", "adder", _EVEN),
    Source("vbe_ripple_carry_adder", "adder", (4, 7, 10, 13, 16, 19, 22)),
    Source("dj", "deutsch-jozsa"),
    Source("ghz", "ghz", tuple(range(2, 25))),
    Source("ghz_dynamic", "ghz", tuple(range(3, 25))),
    Source("graphstate", "graph-state", options=_graph),
    Source("grover", "grover", tuple(range(3, 12))),
    Source("hhl", "hhl", tuple(range(3, 16))),
    Source("hrs_cumulative_multiplier", "multiplier", (5, 9, 13, 17, 21)),
    Source("multiplier", "multiplier", (4, 8, 12, 16, 20)),
    Source("rg_qft_multiplier", "multiplier", (4, 8, 12, 16, 20)),
    Source("qaoa", "qaoa", options=_layers),
    Source("qft", "qft", tuple(range(2, 23))),
    Source("qftentangled", "qft"),
    Source("dynamic_qft", "qft"),
    Source("iqpe", "qpe", tuple(range(3, 17))),
    Source("qpeexact", "qpe"),
    Source("qpeinexact", "qpe"),
    Source("qnn", "qnn"),
    Source("qwalk", "quantum-walk", tuple(range(3, 12))),
    Source("randomcircuit", "random", generator=_random_circuit),
    Source("seven_qubit_steane_code", "error-correction", (13, 26, 39, 52, 65)),
    Source("shors_nine_qubit_code", "error-correction", (17, 34, 51, 68, 85)),
    Source("wstate", "w-state", tuple(range(3, 25))),
    *(
        Source(name, family, tuple(range(low, high + 1)), generator=generator)
        for name, (family, generator, low, high) in GENERATORS.items()
    ),
)

FAMILIES: tuple[str, ...] = tuple(sorted({source.family for source in SOURCES}))

# Files of QASMBench by family: evaluation only. Files of families nobody trained on are absent,
# as are the two UCCSD files, which no strict OpenQASM 2 parser reads.
QASMBENCH: Mapping[str, str] = {
    "adder_n10": "adder",
    "adder_n4": "adder",
    "basis_trotter_n4": "hamiltonian-simulation",
    "cat_state_n4": "ghz",
    "deutsch_n2": "deutsch-jozsa",
    "error_correctiond3_n5": "error-correction",
    "grover_n2": "grover",
    "hhl_n7": "hhl",
    "inverseqft_n4": "qft",
    "ipea_n2": "qpe",
    "ising_n10": "hamiltonian-simulation",
    "linearsolver_n3": "hhl",
    "lpn_n5": "bernstein-vazirani",
    "pea_n5": "qpe",
    "qaoa_n3": "qaoa",
    "qaoa_n6": "qaoa",
    "qec_en_n5": "error-correction",
    "qec_sm_n5": "error-correction",
    "qft_n4": "qft",
    "qpe_n9": "qpe",
    "quantumwalks_n2": "quantum-walk",
    "sat_n7": "grover",
    "variational_n4": "ansatz",
    "vqe_n4": "ansatz",
    "wstate_n3": "w-state",
}
