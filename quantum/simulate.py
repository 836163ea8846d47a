"""One circuit, simulated on Aer.

Outcomes are Qiskit's: the rightmost character is bit 0, registers stand last-declared first with a
space between. A circuit that measures nothing is measured whole at its end, into a register of its
own, whose bits alone make up the outcomes.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from functools import lru_cache

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ControlFlowOp
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator

from cluster.errors import InvalidInput, SynqError
from quantum.plan import Method, Plan

MAX_SEED = 2**63 - 1

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


def check_runnable(circuit: QuantumCircuit) -> None:
    """Refuse what no simulator could run.

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


def simulate(
    circuit: QuantumCircuit, plan: Plan, *, shots: int, seed: int, threads: int = 1
) -> dict[str, int]:
    """Run ``circuit`` and return how often each outcome came.

    The counts depend on circuit, method, shots, seed and threads alone.

    Raises:
        Unbound: it has parameters without values.
        SimulationFailed: Aer refused; carries its reason.
    """
    check_runnable(circuit)
    measured = _measures(circuit)
    if not measured:
        circuit = circuit.copy()
        circuit.measure_all()
    flow = any(isinstance(item.operation, ControlFlowOp) for item in circuit.data)
    backend = _backend(plan.method, threads, not flow)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if flow or not all(
                item.operation.name in _native(plan.method) for item in circuit.data
            ):
                # Only what Aer does not take as it is gets expanded; nothing is optimised.
                circuit = transpile(circuit, backend, optimization_level=0)
            result = backend.run(circuit, shots=shots, seed_simulator=seed).result()
    except QiskitError as error:
        raise SimulationFailed(str(error.message)) from None
    if not result.success:
        raise SimulationFailed(_reason(result))
    counts: dict[str, int] = result.get_counts()
    if not measured:
        # The declared registers stayed zero; ours was added last and stands first.
        counts = {outcome.partition(" ")[0]: count for outcome, count in counts.items()}
    return {str(outcome): int(count) for outcome, count in counts.items()}


def _measures(circuit: QuantumCircuit) -> bool:
    for item in circuit.data:
        if item.operation.name == "measure":
            return True
        if isinstance(item.operation, ControlFlowOp) and any(
            _measures(block) for block in item.operation.blocks
        ):
            return True
    return False


@lru_cache(maxsize=32)
def _backend(method: Method, threads: int, truncate: bool) -> AerSimulator:
    # Parallel over amplitudes only: shots or circuits side by side would draw from other streams.
    return AerSimulator(
        method=method,
        # Leaving out idle qubits also loses the label a loop jumps to after the last measurement.
        enable_truncation=truncate,
        max_parallel_threads=threads,
        max_parallel_experiments=1,
        max_parallel_shots=1,
    )


@lru_cache(maxsize=4)
def _native(method: Method) -> frozenset[str]:
    """Return the instructions Aer runs as they are, those with blocks apart."""
    target = _backend(method, 1, True).target
    flow = {"if_else", "for_loop", "while_loop", "switch_case"}
    return frozenset(set(target.operation_names) - flow | {"barrier"})


def _reason(result: object) -> str:
    experiments = getattr(result, "results", None)
    status = str(experiments[0].status if experiments else getattr(result, "status", ""))
    return status.removeprefix("ERROR: ").strip() or "the simulator gave no reason"
