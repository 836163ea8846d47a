"""The version that ships knows its families at sizes nobody trained on, and its card is honest."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import QFTGate

from train.datasets import DatasetSpec, dataset_path, load_dataset
from train.features import circuit_features
from train.metrics import classification
from train.models import PatternNetwork, restore
from train.pattern_recognition import KIND
from train.pretrain import evaluate_files
from train.registry import PRETRAINED, Version, load_version

DIRECTORY = PRETRAINED / KIND
Make = Callable[[int], QuantumCircuit]


@cache
def version() -> Version:
    return load_version(DIRECTORY)


@cache
def network() -> PatternNetwork:
    return restore(version())


def guess(circuit: QuantumCircuit) -> str:
    probabilities = network().probabilities(circuit_features(circuit)[None])[0]
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    return version().labels[int(probabilities.argmax())]


def qft(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size)
    circuit.append(QFTGate(size), range(size))
    return circuit


def ghz(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size, size)
    circuit.h(0)
    for qubit in range(1, size):
        circuit.cx(qubit - 1, qubit)
    circuit.measure(range(size), range(size))
    return circuit


def hidden_string(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size, size - 1)
    circuit.x(size - 1)
    circuit.h(range(size))
    for qubit in range(0, size - 1, 3):
        circuit.cx(qubit, size - 1)
    circuit.h(range(size - 1))
    circuit.measure(range(size - 1), range(size - 1))
    return circuit


def ising(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size)
    for _ in range(4):
        for qubit in range(size - 1):
            circuit.rzz(0.3, qubit, qubit + 1)
        circuit.rx(0.7, range(size))
    return circuit


def phase_estimation(size: int) -> QuantumCircuit:
    circuit = QuantumCircuit(size)
    circuit.h(range(size - 1))
    circuit.x(size - 1)
    for qubit in range(size - 1):
        circuit.cp(math.remainder(1.234 * 2**qubit, 2 * math.pi), qubit, size - 1)
    circuit.compose(QFTGate(size - 1).inverse(), range(size - 1), inplace=True)
    return circuit


# 25 and 30 are larger than any size of these families in training; 5, 10, 15, 20 lie between.
@pytest.mark.parametrize("size", [10, 15, 20, 25, 30])
@pytest.mark.parametrize(
    ("make", "family"),
    [
        (qft, "qft"), (ghz, "ghz"), (hidden_string, "bernstein-vazirani"),
        (ising, "hamiltonian-simulation"),
        # Amplitude estimation is phase estimation of one particular operator.
        (phase_estimation, "qpe amplitude-estimation"),
    ],
)  # fmt: skip
def test_families_are_known_at_unseen_sizes(make: Make, family: str, size: int) -> None:
    assert guess(make(size)) in family.split()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_families_are_known_in_other_gate_sets(level: int) -> None:
    for make, family in [(qft, "qft"), (ghz, "ghz")]:
        rewritten = transpile(
            make(10), basis_gates=["rz", "sx", "cz"], optimization_level=level, seed_transpiler=1
        )
        assert guess(rewritten) == family


def test_the_card_says_what_the_shipped_rows_give() -> None:
    """Recomputed here, from the rows that ship."""
    assert dataset_path(DatasetSpec(), DIRECTORY).exists()
    dataset = load_dataset(DatasetSpec(), Path("/nonexistent"))
    measured = classification(network().probabilities(dataset.test.features), dataset.test.labels)
    card = version().card
    for name in ("accuracy", "precision", "recall", "f1", "ece"):
        assert card["metrics"][name] == pytest.approx(measured[name], abs=0.005)
    assert measured["f1"] > 0.9
    assert card["data"]["sha256"] == DatasetSpec().digest()
    assert list(dataset.families) == card["labels"]
    assert np.isfinite(dataset.train.features).all()


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in DIRECTORY.iterdir()) < 2_000_000


def test_on_programs_nobody_generated(data: Path) -> None:
    """QASMBench, never trained on: what the card says is what comes out."""
    result = evaluate_files(version(), data / "circuits" / "qasmbench")
    assert result is not None
    assert result == version().card["metrics"]["qasmbench"]
    # Nineteen families: chance is 0.05. The figure is in the card; this guards against its fall.
    assert result["accuracy"] >= 0.5
