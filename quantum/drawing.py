"""Lays a circuit out in columns, as plain data that a page can draw without knowing quantum gates.

Each operation covers the wires from its topmost to its lowest, qubits first, classical bits below;
it moves left until another stands in the way (as soon as possible). A column therefore holds
operations that do not overlap, and drawing the columns in order draws the circuit in order.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import isfinite, pi
from typing import Any, Literal, TypedDict

from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    CircuitInstruction,
    ClassicalRegister,
    ControlFlowOp,
    ControlledGate,
    Measure,
    ParameterExpression,
    Reset,
)

# A page shows some hundreds of operations; beyond this it draws what it has and says so.
MAX_OPERATIONS = 2_000

Kind = Literal["gate", "measure", "barrier", "reset", "control_flow"]


class Operation(TypedDict):
    """One box: ``qubits`` are controls first, then targets, counted from the top."""

    name: str
    label: str
    qubits: list[int]
    clbits: list[int]
    params: list[str]
    controls: int
    condition: str | None
    kind: Kind


class Drawing(TypedDict):
    """A circuit as columns of operations; ``truncated`` when it has more than are shown."""

    qubits: list[str]
    clbits: list[str]
    columns: list[list[Operation]]
    truncated: bool


def draw(circuit: QuantumCircuit, max_operations: int = MAX_OPERATIONS) -> Drawing:
    """Return ``circuit`` laid out; the first ``max_operations`` operations of it."""
    qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
    clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
    names = _names(circuit.clbits, circuit.cregs, "c")
    free = [0] * (len(qubits) + len(clbits))  # the first column free on each wire
    columns: list[list[Operation]] = []
    for item in circuit.data[:max_operations]:
        operation = _operation(item, qubits, clbits, names)
        wires = [*operation["qubits"], *(len(qubits) + index for index in operation["clbits"])]
        if not wires:
            continue
        top, bottom = min(wires), max(wires)
        column = max(free[top : bottom + 1])
        free[top : bottom + 1] = [column + 1] * (bottom + 1 - top)
        if column == len(columns):
            columns.append([])
        columns[column].append(operation)
    return Drawing(
        qubits=_names(circuit.qubits, circuit.qregs, "q"),
        clbits=names,
        columns=columns,
        truncated=len(circuit.data) > max_operations,
    )


def _operation(
    item: CircuitInstruction,
    qubits: dict[Any, int],
    clbits: dict[Any, int],
    names: list[str],
) -> Operation:
    op = item.operation
    controls = op.num_ctrl_qubits if isinstance(op, ControlledGate) else 0
    kind: Kind = "gate"
    label, params, condition = _label(op, controls), list(op.params), None
    match op:
        case Measure():
            kind, label = "measure", "M"
        case Barrier():
            kind, label = "barrier", ""
        case Reset():
            kind, label = "reset", "|0>"
        case ControlFlowOp():
            kind, params = "control_flow", []
            label, condition = _flow(op), _condition(op, clbits, names)
    return Operation(
        name=op.name,
        label=label,
        qubits=[qubits[bit] for bit in item.qubits],
        clbits=[clbits[bit] for bit in item.clbits],
        params=[_parameter(param) for param in params],
        controls=controls,
        condition=condition,
        kind=kind,
    )


_FLOWS = {"if_else": "if", "for_loop": "for", "while_loop": "while", "switch_case": "switch"}


def _flow(op: ControlFlowOp) -> str:
    if op.name == "if_else":
        return "if / else" if len(op.blocks) > 1 else "if"
    if op.name == "for_loop":
        return f"for × {len(op.params[0])}"
    return _FLOWS.get(op.name, "block")


def _label(op: Any, controls: int) -> str:
    """Return what stands in the box of the target: the gate without its controls."""
    base = op.base_gate if controls else op
    name = base.label or base.name
    return str(_LABELS.get(name, name.upper() if len(name) <= 3 else name))


_LABELS = {
    "sdg": "S†", "tdg": "T†", "sx": "√X", "sxdg": "√X†", "id": "I", "swap": "SWAP",
    "iswap": "iSWAP",
}  # fmt: skip


def _condition(op: ControlFlowOp, clbits: dict[Any, int], names: list[str]) -> str | None:
    condition = getattr(op, "condition", None)
    if condition is None:
        return None
    if not isinstance(condition, tuple):
        return "…"
    left, right = condition
    name = left.name if isinstance(left, ClassicalRegister) else names[clbits[left]]
    return f"{name}=={int(right)}"


def _names(bits: Any, registers: Any, prefix: str) -> list[str]:
    names: dict[Any, str] = {}
    for register in registers:
        for index, bit in enumerate(register):
            names.setdefault(bit, f"{register.name}[{index}]")
    return [names.get(bit, f"{prefix}{index}") for index, bit in enumerate(bits)]


def _parameter(value: Any) -> str:
    if isinstance(value, ParameterExpression):
        return str(value)
    if isinstance(value, (int, float)):
        return _number(float(value))
    return str(value)[:64]


@lru_cache(maxsize=4_096)
def _number(value: float) -> str:
    """Write an angle as a fraction of pi where it is one, else with six digits."""
    if not isfinite(value) or value == 0:
        return f"{value:g}"
    ratio = value / pi
    fraction = Fraction(ratio).limit_denominator(128)
    if not fraction or abs(float(fraction) - ratio) > 1e-9 * max(1.0, abs(ratio)):
        return f"{value:.6g}"
    over, under = fraction.numerator, fraction.denominator
    text = "pi" if abs(over) == 1 else f"{abs(over)}*pi"
    return f"{'-' if over < 0 else ''}{text}{f'/{under}' if under > 1 else ''}"
