"""Chooses how to simulate a circuit and what that will take, before any of it is allocated.

Aer's own automatic choice starts a 200-qubit state vector and fails. Here: circuits of Clifford
gates alone go to the stabilizer simulator; what fits in memory as a state vector (2^n amplitudes of
16 bytes) is run as one; a wider circuit is run as a matrix product state if its entanglement is
provably small enough for the memory allowed, and refused otherwise, with the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, ControlledGate

from cluster.errors import InvalidInput
from cluster.settings import Settings

Method = Literal["statevector", "stabilizer", "matrix_product_state"]

AMPLITUDE_BYTES = 16
# Below this a state vector is as fast as anything, and takes every instruction.
NARROW = 12

CLIFFORD = frozenset(
    {"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "iswap", "ecr",
     "dcx", "measure", "reset", "barrier", "delay", "if_else", "for_loop", "while_loop",
     "switch_case", "break_loop", "continue_loop"}
)  # fmt: skip
_DIAGONAL = frozenset({"z", "s", "sdg", "t", "tdg", "p", "u1", "rz", "id", "delay", "global_phase"})
_DIAGONAL_PAIRS = frozenset({"cz", "cp", "cu1", "crz", "rzz", "ccz", "cs", "csdg"})
_BASIS = _DIAGONAL | {"x", "y", "measure", "reset", "barrier"}
# Two-qubit interactions of operator rank two: they at most double a bond.
_RANK_TWO = frozenset({"rzz", "rxx", "ryy", "rzx", "ecr"})


class TooBig(InvalidInput):
    """No method fits the memory one simulation may have."""

    code = "simulation_too_big"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run a circuit: with which method, in how much memory, for about how long."""

    method: Method
    qubits: int
    memory_bytes: int
    cost_ms: float
    """An estimate for one thread, for packing and ordering; not a promise."""


def plan(circuit: QuantumCircuit, *, shots: int, memory_bytes: int) -> Plan:
    """Choose a method for ``circuit``, without idle qubits, that fits in ``memory_bytes``.

    Raises:
        TooBig: nothing fits; names what each method would need and what is allowed.
    """
    survey = _Survey(circuit)
    survey.block(circuit, {bit: index for index, bit in enumerate(circuit.qubits)})
    qubits = circuit.num_qubits
    gates = survey.gates
    runs = shots if survey.dynamic else 1
    overhead = 2.0 + 0.05 * gates
    if survey.clifford and qubits > NARROW:
        cost = overhead + shots * qubits**2 * 3.5e-5
        return Plan("stabilizer", qubits, qubits**2, cost)
    needed = AMPLITUDE_BYTES << qubits
    if needed <= memory_bytes:
        cost = overhead + runs * (0.15 + gates * 2.0**qubits * 2.5e-6) + shots * 1e-3
        return Plan("statevector", qubits, needed, cost)
    bond = survey.bond_bits()
    size = qubits << (2 * bond + 5)
    if size <= memory_bytes:
        cost = (
            overhead + runs * (0.15 + gates * 8.0**bond * 1e-5) + shots * qubits * 4.0**bond * 1e-5
        )
        return Plan("matrix_product_state", qubits, size, cost)
    raise TooBig(
        f"{qubits} qubits need {_bytes_of(qubits)} as a state vector, and as a matrix product "
        f"state up to 2^{bond} for a bond; one simulation may use "
        f"{_size(memory_bytes)} ({max(0, (memory_bytes // AMPLITUDE_BYTES).bit_length() - 1)} "
        "qubits as a state vector; Clifford circuits may be wider)"
    )


def allowed_memory(settings: Settings) -> int:
    """Return the bytes one simulation may use here: as set, or half of what is free."""
    return settings.simulation_memory_bytes or free_memory() // 2


def free_memory() -> int:
    """Return the bytes this machine, or the container it is, has left."""
    free = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or "max"
        return free
    return max(0, min(free, limit - used))


def _bytes_of(qubits: int) -> str:
    needed = AMPLITUDE_BYTES << qubits
    return (
        f"2^{qubits} x {AMPLITUDE_BYTES} B ({_size(needed)})"
        if qubits < 60
        else (f"2^{qubits} x {AMPLITUDE_BYTES} B")
    )


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} EiB"


@dataclass(slots=True)
class _Survey:
    """One walk over a circuit: who is touched, what is Clifford, what crosses each cut.

    A qubit is *still* while it is surely in a computational basis state: a gate controlled by
    still qubits alone entangles nothing, which is what keeps reversible circuits narrow.
    """

    circuit: QuantumCircuit
    gates: int = 0
    clifford: bool = True
    dynamic: bool = False
    unbounded: bool = False
    measured: set[int] = field(default_factory=set)
    moving: set[int] = field(default_factory=set)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    _sizes: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def block(self, circuit: QuantumCircuit, wires: dict[Any, int]) -> None:
        """Add the operations of one block, whose bits lie on ``wires``."""
        for item in circuit.data:
            op, qubits = item.operation, [wires[bit] for bit in item.qubits]
            if isinstance(op, ControlFlowOp):
                self._flow(op, qubits)
            elif op.name not in ("barrier", "delay"):
                self._add(op, qubits)

    def _flow(self, op: ControlFlowOp, qubits: list[int]) -> None:
        self.dynamic = True
        times = 1
        if op.name == "for_loop":
            times = len(op.params[0])
        elif op.name == "while_loop":
            self.unbounded = True
        for _ in range(times):
            for inner in op.blocks:
                self.block(inner, dict(zip(inner.qubits, qubits, strict=False)))

    def _add(self, op: Any, qubits: list[int]) -> None:
        size, clifford = self._size(op)
        self.gates += size
        self.clifford &= clifford
        if op.name == "measure":
            self.measured.update(qubits)
        elif not self.measured.isdisjoint(qubits) or op.name == "reset":
            self.dynamic = True
        if op.name in ("measure", "reset"):
            self.moving.difference_update(qubits)
            return
        if len(qubits) == 1:
            if op.name not in _BASIS:
                self.moving.update(qubits)
            return
        self._entangle(op, qubits)

    def _entangle(self, op: Any, qubits: list[int]) -> None:
        if op.name in _DIAGONAL_PAIRS:
            live = [qubit for qubit in qubits if qubit in self.moving]
            weight = 1
        elif isinstance(op, ControlledGate) and op.base_gate.num_qubits == 1:
            live = [qubit for qubit in qubits[:-1] if qubit in self.moving]
            if live or op.base_gate.name not in _BASIS:
                self.moving.add(qubits[-1])
            live = [*live, qubits[-1]] if live else []
            weight = 1
        elif op.name == "swap":
            # Relabels wires; a bond it crosses may carry either side's.
            live = qubits if not self.moving.isdisjoint(qubits) else []
            if live:
                self.moving.update(qubits)
            weight = 2
        else:
            live = qubits
            self.moving.update(qubits)
            weight = 1 if op.name in _RANK_TWO else 2 * (len(qubits) // 2)
        if len(live) > 1:
            self.spans.append((min(live), max(live), weight))

    def _size(self, op: Any) -> tuple[int, bool]:
        """Return the operations ``op`` expands to and whether all are Clifford; once a name."""
        if op.name in CLIFFORD:
            return 1, True
        known = self._sizes.get(op.name)
        if known is None:
            self._sizes[op.name] = (1, False)  # a definition cannot contain itself
            # Gates of the standard library are what a simulator takes as they are.
            standard = str(type(op).__module__).startswith("qiskit.circuit.library")
            definition = None if standard else op.definition
            if definition is None:
                known = (1, False)
            else:
                parts = [self._size(item.operation) for item in definition.data]
                known = (sum(part[0] for part in parts), all(part[1] for part in parts))
            self._sizes[op.name] = known
        return known

    def bond_bits(self) -> int:
        """Return an upper bound of log2 of the bond dimension, on a line in wire order."""
        count = int(self.circuit.num_qubits)
        if self.unbounded:
            return count // 2
        crossing = _sums(self.spans, count)
        bits = (
            min(weight, cut + 1, count - cut - 1)
            for cut, weight in enumerate(crossing[: count - 1])
        )
        # Bringing distant qubits together moves others across a cut, one at a time.
        return max(bits, default=0) + 1


def _sums(spans: Iterable[tuple[int, int, int]], count: int) -> Sequence[int]:
    """Return for each cut (between wires i and i+1) the weight of the spans that cross it."""
    steps = [0] * (count + 1)
    for low, high, weight in spans:
        steps[low] += weight
        steps[high] -= weight
    total, sums = 0, []
    for step in steps:
        total += step
        sums.append(total)
    return sums
