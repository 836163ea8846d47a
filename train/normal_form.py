"""One form for every circuit: {rz, sx, x, cx}, no barriers, no swaps, merged one-qubit runs.

What a tool emitted (gate set, definitions, register names, explicit swaps) is gone after this; what
the circuit does, up to a permutation of wires, is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qiskit.circuit import ControlFlowOp, Gate, ParameterExpression, QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping

# Longer circuits are described by their beginning: structure repeats, and time stays bounded. A
# gate here may be a Toffoli, which is fifteen operations of the basis.
MAX_INSTRUCTIONS = 10_000
MAX_OPERATIONS = 60_000

ANGLE_CLASSES = ("clifford", "t", "pi_8", "pi_16", "pi_32", "finer", "generic", "symbolic")

_ELEMENTARY = frozenset(get_standard_gate_name_mapping())
_BASIS = ["rz", "sx", "x", "cx"]
_CONTROL_FLOW = [
    "if_else",
    "for_loop",
    "while_loop",
    "switch_case",
    "box",
    "break_loop",
    "continue_loop",
]


@dataclass(frozen=True, slots=True)
class Operation:
    """One normalised operation; ``control`` is -1 but for cx, ``angle`` None where symbolic."""

    kind: str
    qubit: int
    control: int = -1
    angle: float | None = 0.0
    conditional: bool = False


def normalise(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the normal form of ``circuit`` (of its first ``MAX_INSTRUCTIONS`` gates)."""
    return _to_basis().run(_head(circuit))


def _head(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit itself, or where its gates are too many, the first of them, expanded.

    Counts what definitions and bodies hold, so that a few large gates are no way around the limit.
    """
    head = circuit.copy_empty_like()
    budget = MAX_INSTRUCTIONS
    stack: list[tuple[Iterator[Any], dict[Any, Any] | None]] = [(iter(circuit.data), None)]
    while stack:
        instructions, inside = stack[-1]
        instruction = next(instructions, None)
        if instruction is None:
            stack.pop()
            continue
        operation, qubits = instruction.operation, instruction.qubits
        if inside is not None:
            qubits = [inside[bit] for bit in qubits]
        budget -= _size(operation, budget)
        if budget < 0:
            return head
        definition = None if _elementary(operation) else operation.definition
        if definition is not None:
            inner = dict(zip(definition.qubits, qubits, strict=True))
            stack.append((iter(definition.data), inner))
            continue
        if inside is None or not operation.num_clbits:
            head.append(operation, qubits, instruction.clbits)
    return circuit


def _elementary(operation: Any) -> bool:
    return (
        isinstance(operation, ControlFlowOp)
        or not isinstance(operation, Gate)
        or operation.name in _ELEMENTARY
    )


def _size(operation: Any, budget: int) -> int:
    """Count an operation with the bodies it holds, no further than ``budget``."""
    total, waiting = 0, [operation]
    while waiting and total <= budget:
        current = waiting.pop()
        total += 1
        if isinstance(current, ControlFlowOp):
            for block in current.blocks:
                waiting.extend(instruction.operation for instruction in block.data)
    return total


@lru_cache(maxsize=1)
def _to_basis() -> Any:
    from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary as library
    from qiskit.transpiler import PassManager, passes

    return PassManager(
        [
            passes.RemoveBarriers(),
            passes.ElidePermutations(),
            passes.UnitarySynthesis(_BASIS, synth_gates=["unitary"]),
            passes.HighLevelSynthesis(equivalence_library=library, basis_gates=_BASIS),
            passes.UnrollCustomDefinitions(library, basis_gates=_BASIS),
            passes.BasisTranslator(library, _BASIS + _CONTROL_FLOW),
            passes.Optimize1qGatesDecomposition(_BASIS),
            passes.InverseCancellation(),
        ]
    )


def operations(circuit: QuantumCircuit) -> Iterator[Operation]:
    """Walk the normalised circuit; the bodies of control flow count once, as conditional."""
    wires = {bit: index for index, bit in enumerate(circuit.qubits)}
    budget = MAX_OPERATIONS
    stack: list[tuple[Iterator[Any], dict[Any, int], bool]] = [(iter(circuit.data), wires, False)]
    while stack and budget:
        instructions, wires, conditional = stack[-1]
        instruction = next(instructions, None)
        if instruction is None:
            stack.pop()
            continue
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            for block in reversed(operation.blocks):
                inner = {
                    bit: wires[outer]
                    for bit, outer in zip(block.qubits, instruction.qubits, strict=True)
                }
                stack.append((iter(block.data), inner, True))
            continue
        budget -= 1
        qubits = [wires[bit] for bit in instruction.qubits]
        name = operation.name
        if name == "cx":
            yield Operation("cx", qubits[1], qubits[0], conditional=conditional)
        elif name == "rz":
            angle = operation.params[0]
            symbolic = isinstance(angle, ParameterExpression)
            value = None if symbolic else float(angle)
            yield Operation("rz", qubits[0], angle=value, conditional=conditional)
        elif name in ("sx", "x", "measure", "reset"):
            yield Operation(name, qubits[0], conditional=conditional)


def angle_class(angle: float | None) -> str:
    """Name the class of an angle: how deep a dyadic fraction of pi it is (``None``: symbolic)."""
    if angle is None:
        return "symbolic"
    turns = angle / (math.pi / 2)
    for name in ANGLE_CLASSES[:5]:
        if abs(turns - round(turns)) < 1e-6:
            return name
        turns *= 2
    for _ in range(10):
        if abs(turns - round(turns)) < 1e-5:
            return "finer"
        turns *= 2
    return "generic"
