"""A circuit as a vector: what it does, not what it is called.

Register, gate and definition names leak an algorithm's name, and so does the gate set a tool
happens to emit. So a circuit is normalised first: explicit swaps become relabelled wires, barriers
go, every gate is expanded to {rz, sx, x, cx} and each run of one-qubit gates is merged. All
statistics are sums over wires, pairs or layers, hence the same for any order of the qubits.

Two views are summarised: the *gate view* (wires as words over a small alphabet, angles, layers,
the interaction graph) and the *block view* (maximal two-qubit blocks by their Weyl coordinates),
which does not change when CX is written as CZ, ECR or RZZ. Program communication, critical depth,
entanglement ratio, parallelism, liveness and measurement follow SupermarQ (arXiv 2202.11045).

``FEATURE_NAMES`` is the layout. A change of it, or of what a feature means, needs a new
``FEATURE_VERSION``: models carry the version they were trained on and refuse another.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qiskit.circuit import QuantumCircuit

from cluster.errors import InvalidInput
from train.block_view import block_view
from train.gate_view import gate_view
from train.normal_form import normalise, operations

FEATURE_VERSION = 1

Vector = npt.NDArray[np.float32]

# The layout is what the summary of nothing has: one definition, in a fixed order.
FEATURE_NAMES: tuple[str, ...] = tuple(gate_view([])) + tuple(block_view(QuantumCircuit()))


def circuit_features(circuit: QuantumCircuit) -> Vector:
    """Return the feature vector of ``circuit``: float32, shape ``(len(FEATURE_NAMES),)``, finite.

    Invariant under renaming and reordering of registers and qubits. Bounded in time by the limits
    of its three parts; the caller bounds what a gate definition may expand to.

    Raises:
        InvalidInput: ``empty_circuit``, nothing is done to any qubit.
    """
    normal = normalise(circuit)
    stream = list(operations(normal))
    if not stream:
        raise InvalidInput("expected a circuit with operations, got none", code="empty_circuit")
    values = gate_view(stream) | block_view(normal)
    vector = np.fromiter((values[name] for name in FEATURE_NAMES), np.float32, len(FEATURE_NAMES))
    return np.nan_to_num(vector, nan=0.0, posinf=1e6, neginf=-1e6)
