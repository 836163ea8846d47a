"""The block view of a circuit: its maximal two-qubit blocks by their Weyl coordinates."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import Any

from qiskit.circuit import ControlFlowOp, QuantumCircuit

from train.normal_form import ANGLE_CLASSES, angle_class

# With the limits of ``normal_form`` this bounds the time for any circuit.
MAX_BLOCKS = 4_000

_BLOCKS = ("local", "cx", "phase", "iswap", "swap", "two_cx", "general", "unknown")


def block_view(circuit: QuantumCircuit) -> dict[str, float]:
    """Classify the maximal two-qubit blocks by their Weyl coordinates (KAK decomposition)."""
    from qiskit.synthesis import TwoQubitWeylDecomposition

    kinds: Counter[str] = Counter()
    phases: Counter[str] = Counter()
    seen: set[tuple[float, float, float]] = set()
    blocks = 0
    for instruction in _to_blocks().run(circuit).data:
        operation = instruction.operation
        if len(instruction.qubits) != 2 or isinstance(operation, ControlFlowOp):
            continue
        blocks += 1
        if blocks > MAX_BLOCKS:
            break
        if operation.name != "unitary":
            kinds["cx" if operation.name == "cx" else "unknown"] += 1
            continue
        weyl = TwoQubitWeylDecomposition(operation.params[0])
        point = (round(weyl.a, 5), round(weyl.b, 5), round(abs(weyl.c), 5))
        seen.add(point)
        kind = _block_class(*point)
        kinds[kind] += 1
        if kind == "phase":
            phases[angle_class(4 * weyl.a)] += 1
    total = max(1, min(blocks, MAX_BLOCKS))
    phase_total = max(1, phases.total())
    result = {f"block_{kind}": kinds[kind] / total for kind in _BLOCKS}
    result |= {f"phase_{name}": phases[name] / phase_total for name in ANGLE_CLASSES[:-1]}
    result["log_blocks_per_qubit"] = math.log2(1 + blocks / max(1, circuit.num_qubits))
    result["distinct_block_share"] = len(seen) / total
    result["log_distinct_blocks"] = math.log2(1 + len(seen))
    return result


def _block_class(a: float, b: float, c: float) -> str:
    quarter, near = math.pi / 4, 1e-4
    if a < near:
        return "local"
    if b < near and c < near:
        return "cx" if abs(a - quarter) < near else "phase"
    if c < near:
        return "iswap" if abs(a - quarter) < near and abs(b - quarter) < near else "two_cx"
    return "swap" if abs(c - quarter) < near else "general"


@lru_cache(maxsize=1)
def _to_blocks() -> Any:
    from qiskit.transpiler import PassManager, passes

    return PassManager([passes.Collect2qBlocks(), passes.ConsolidateBlocks(force_consolidate=True)])
