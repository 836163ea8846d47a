"""One circuit, simulated on Aer.

Outcomes are Qiskit's: the rightmost character is bit 0, registers stand last-declared first with a
space between. A circuit that measures nothing is measured whole at its end, into a register of its
own, whose bits alone make up the outcomes; qubit 0 is then the rightmost.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ControlFlowOp, Qubit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator

from cluster.errors import InvalidInput, SynqError
from quantum.plan import Method, Plan

MAX_SEED = 2**63 - 1
# Qiskit lists its whole basis when a gate is not in it.
MAX_REASON = 300

# It prints to standard error what it also returns, and what we return in our own words.
logging.getLogger("qiskit_aer").setLevel(logging.CRITICAL)


class SimulationFailed(SynqError):
    """Aer could not run the circuit."""

    code = "simulation_failed"
    status = 422


class Unbound(InvalidInput):
    """The circuit has parameters and nothing says what they are."""

    code = "unbound_parameters"


def circuit_seed(seed: int, index: int) -> int:
    """Return the seed of a job's circuit: the same wherever, whenever and how often it is run."""
    digest = hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Runnable:
    """A circuit made ready to run: idle qubits left out, measured in the end if not before."""

    circuit: QuantumCircuit
    kept: tuple[int, ...] | None
    """Which qubit each bit of an outcome belongs to, where we added the measurement."""
    width: int

    def outcome(self, key: str) -> str:
        """Return an outcome of ``circuit`` as one of the circuit that was given."""
        if self.kept is None:
            return key
        # Our register was added last and stands first; declared ones stayed zero.
        measured = key.partition(" ")[0]
        bits = ["0"] * self.width
        for qubit, bit in zip(self.kept, reversed(measured), strict=True):
            bits[-1 - qubit] = bit
        return "".join(bits)


def prepare(circuit: QuantumCircuit) -> Runnable:
    """Make ``circuit`` ready to run.

    Raises:
        Unbound: names the parameters without a value.
        InvalidInput: it has no qubits.
    """
    names = sorted(parameter.name for parameter in circuit.parameters)
    if names:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise Unbound(
            f"{len(names)} input parameters have no value: {shown}; write numbers in their place"
        )
    if circuit.num_qubits == 0:
        raise InvalidInput("the circuit has no qubits, so there is nothing to simulate")
    measured = _measures(circuit)
    index = {bit: position for position, bit in enumerate(circuit.qubits)}
    kept = _active(circuit, index)
    if len(kept) < circuit.num_qubits:
        circuit = _only(circuit, kept, index)
    elif not measured:
        circuit = circuit.copy()
    if not measured:
        circuit.measure_all()
    return Runnable(circuit, None if measured else tuple(kept), len(index))


def _active(circuit: QuantumCircuit, index: dict[Any, int]) -> list[int]:
    active = {
        index[bit]
        for item in circuit.data
        if item.operation.name not in ("barrier", "delay")
        for bit in item.qubits
    }
    return sorted(active) or [0]


def _only(circuit: QuantumCircuit, kept: list[int], index: dict[Any, int]) -> QuantumCircuit:
    """Return ``circuit`` without the qubits nothing happens to: each would double its state."""
    narrow = QuantumCircuit([Qubit() for _ in kept], circuit.clbits, *circuit.cregs)
    narrow.global_phase = circuit.global_phase
    place = dict(zip(kept, narrow.qubits, strict=True))
    for item in circuit.data:
        qubits = [place.get(index[bit]) for bit in item.qubits]
        if None not in qubits:
            narrow.append(item.operation, qubits, item.clbits, copy=False)
    return narrow


def simulate(
    runnable: Runnable, plan: Plan, *, shots: int, seed: int, threads: int = 1
) -> dict[str, int]:
    """Run a circuit and return how often each outcome came.

    The counts depend on circuit, method, shots, seed and threads alone.

    Raises:
        SimulationFailed: Aer refused; carries its reason.
    """
    backend = _backend(plan.method, threads)
    native = _native(plan.method)
    circuit = runnable.circuit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not _runs_as_it_is(circuit, native):
                # Only what Aer does not take as it is gets expanded; nothing is optimised.
                circuit = transpile(circuit, basis_gates=_basis(plan.method), optimization_level=0)
            result = backend.run(circuit, shots=shots, seed_simulator=seed).result()
            if not result.success:
                raise SimulationFailed(_reason(result))
            counts = result.get_counts()
    except QiskitError as error:
        raise SimulationFailed(str(error.message)[:MAX_REASON]) from None
    return {runnable.outcome(key): int(count) for key, count in counts.items()}


def _measures(circuit: QuantumCircuit) -> bool:
    for item in circuit.data:
        if item.operation.name == "measure":
            return True
        if isinstance(item.operation, ControlFlowOp) and any(
            _measures(block) for block in item.operation.blocks
        ):
            return True
    return False


@lru_cache(maxsize=16)
def _backend(method: Method, threads: int) -> AerSimulator:
    # Parallel over amplitudes only: shots or circuits side by side would draw from other streams.
    # Truncation is ours: Aer's also loses the label a loop jumps to after the last measurement.
    return AerSimulator(
        method=method,
        enable_truncation=False,
        max_parallel_threads=threads,
        max_parallel_experiments=1,
        max_parallel_shots=1,
    )


_FLOW = frozenset({"if_else", "for_loop", "while_loop", "switch_case"})
_JUMPS = frozenset({"break_loop", "continue_loop"})


def _runs_as_it_is(circuit: QuantumCircuit, native: frozenset[str]) -> bool:
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            if not all(_runs_as_it_is(block, native) for block in item.operation.blocks):
                return False
        elif item.operation.name not in native | _JUMPS:
            return False
    return True


@lru_cache(maxsize=4)
def _native(method: Method) -> frozenset[str]:
    """Return the instructions Aer runs as they are; what has blocks may hold others."""
    return frozenset(_backend(method, 1).target.operation_names) - _FLOW | {"barrier"}


@lru_cache(maxsize=4)
def _basis(method: Method) -> list[str]:
    """Return what the transpiler may leave: it must know the gates by name."""
    return sorted((_native(method) | _FLOW) & get_standard_gate_name_mapping().keys() | _FLOW)


def _reason(result: object) -> str:
    experiments = getattr(result, "results", None)
    status = str(experiments[0].status if experiments else getattr(result, "status", ""))
    return status.removeprefix("ERROR: ").strip() or "the simulator gave no reason"
