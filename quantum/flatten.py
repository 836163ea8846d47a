"""A parsed circuit, flat: gates of the table in order, with their conditions and notes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    BoxOp,
    CircuitError,
    ClassicalRegister,
    ControlFlowOp,
    ForLoopOp,
    IfElseOp,
    ParameterExpression,
)
from qiskit.circuit.library import (
    C3XGate,
    C4XGate,
    MCXGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator

from cluster.errors import InvalidInput
from quantum.comments import Mark, Marked
from quantum.document import MAX_INTEGER, MAX_NOTE, Condition, Gate
from quantum.expression import Expression, parse, plain, spell
from quantum.gates import GATES, instruction

# What a document has no words for, in words.
UNSAYABLE = {
    "while_loop": "a while loop",
    "switch_case": "a switch",
    "break_loop": "a break out of a loop",
    "continue_loop": "a continue in a loop",
    "store": "an assignment to a variable",
    "delay": "a delay",
}


@dataclass(slots=True)
class _Asked:
    """One ``if``: what it asks, and whether something has since changed the answer."""

    bits: tuple[int, ...]
    stale: bool = False


@dataclass(slots=True)
class _Frame:
    """Where a block stands: its wires in the whole circuit, and under which condition."""

    qubits: list[int]
    clbits: list[int]
    condition: Condition | None = None
    asked: tuple[_Asked, ...] = ()
    bits: Mapping[Any, int] = field(default_factory=dict)
    """The numbers of the bits that the block around it names."""


class Walk:
    """Goes through a circuit in order and collects gates."""

    def __init__(self, circuit: QuantumCircuit, marked: Marked, most: int) -> None:
        self.gates: list[Gate] = []
        self._expanded: dict[str, None] = {}
        self._bits = {bit: index for index, bit in enumerate(circuit.clbits)}
        self._phase = circuit.global_phase
        self._marked = marked
        self._most = most
        self._mark = Mark()
        self._lines: list[str] = []
        self._told: set[int] = set()
        self._cut = self._boxes = self._depth = 0
        self._same: dict[tuple[str, tuple[float, ...]], bool] = {}
        self._free: dict[str, float] = {
            parameter.name: 0.1 + index / 7 for index, parameter in enumerate(circuit.parameters)
        }

    def notes(self) -> list[str]:
        """Say in plain words what the gates do not keep."""
        found: list[str] = []
        if self._expanded:
            found.append(f"replaced by their definitions: {listed(list(self._expanded))}")
        after = self._marked.after + sum(line != "" for line in self._lines)
        for lines, where in (
            (self._marked.inside, "inside definitions of gates"),
            (after, "after the last gate"),
        ):
            if lines:
                found.append(f"comments {where} are not kept ({lines} lines)")
        if self._cut:
            found.append(f"comments longer than {MAX_NOTE:,} characters are cut ({self._cut})")
        if self._boxes:
            found.append(f"boxes are opened ({self._boxes})")
        if self._phase != 0:
            found.append("the global phase is not kept; no measurement shows it")
        return found

    def whole(self, circuit: QuantumCircuit) -> None:
        """Go through the circuit.

        Raises:
            InvalidInput: it has something that a document cannot say.
        """
        wires, bits = range(circuit.num_qubits), range(circuit.num_clbits)
        self._block(circuit, _Frame(list(wires), list(bits)))

    def _block(self, circuit: QuantumCircuit, frame: _Frame) -> None:
        qubits = dict(zip(circuit.qubits, frame.qubits, strict=True))
        clbits = dict(zip(circuit.clbits, frame.clbits, strict=True))
        for item in circuit.data:
            self._operation(
                item.operation,
                _Frame(
                    [qubits[bit] for bit in item.qubits],
                    [clbits[bit] for bit in item.clbits],
                    frame.condition,
                    frame.asked,
                    clbits,
                ),
            )

    def _operation(self, op: Any, frame: _Frame) -> None:
        found = self._marked.find(op.name, op.params) if op.name == "u" else None
        if found is not None:
            self._mark = found
            # A loop meets its marks once a round; what stands there is said once.
            if id(found) not in self._told:
                self._told.add(id(found))
                self._lines += found.lines
        elif isinstance(op, ControlFlowOp):
            self._flow(op, frame)
        elif (name := self._known(op)) is not None:
            self._emit(name, op, frame)
        else:
            self._expand(op, frame)

    def _flow(self, op: ControlFlowOp, frame: _Frame) -> None:
        match op:
            case IfElseOp():
                self._if(op, frame)
            case ForLoopOp():
                self._for(op, frame)
            case BoxOp():
                self._boxes += 1
                self._block(op.blocks[0], frame)
            case _:
                raise self._cannot(op)

    def _if(self, op: IfElseOp, frame: _Frame) -> None:
        condition = self._condition(op.condition, frame.bits)
        asked = (*frame.asked, _Asked(condition.clbits))
        then, *otherwise = op.blocks
        joined = _both(frame.condition, condition)
        if joined is not None:
            self._block(then, replace(frame, condition=joined, asked=asked))
        if not otherwise:
            return
        if len(condition.clbits) > 1 or condition.value > 1:
            raise InvalidInput(
                "an else of a condition on several bits has no place in a circuit session"
            )
        other = _both(frame.condition, replace(condition, value=1 - condition.value))
        if other is not None:
            self._block(otherwise[0], replace(frame, condition=other, asked=asked))

    def _condition(self, condition: Any, bits: Mapping[Any, int]) -> Condition:
        if not isinstance(condition, tuple):
            raise InvalidInput(
                "a condition other than of bits with a value has no place in a circuit session"
            )
        left, right = condition
        named = list(left) if isinstance(left, ClassicalRegister) else [left]
        # A register reaches into a block as it is outside, even where the block names few bits.
        numbers = tuple(bits[bit] if bit in bits else self._bits[bit] for bit in named)
        value = int(right)
        if not 0 <= value < MAX_INTEGER:
            raise InvalidInput(f"a condition on the value {value:,} is beyond 53 bits")
        return Condition(numbers, value)

    def _for(self, op: ForLoopOp, frame: _Frame) -> None:
        rounds, parameter, body = op.params
        for value in rounds:
            if parameter is not None and parameter in body.parameters:
                self._block(body.assign_parameters({parameter: value}), frame)
            else:
                self._block(body, frame)

    def _expand(self, op: Any, frame: _Frame) -> None:
        definition = getattr(op, "definition", None) if op.name not in UNSAYABLE else None
        if definition is None:
            raise self._cannot(op)
        if not self._depth:
            name = str(op.name)
            self._expanded.setdefault(name if name.isidentifier() else "gates with modifiers")
        self._depth += 1
        self._block(definition, frame)
        self._depth -= 1

    def _cannot(self, op: Any) -> InvalidInput:
        what = UNSAYABLE.get(op.name)
        if what is None:
            return InvalidInput(
                f"gate {op.name!r} has no definition, and no gate is called so here"
            )
        return InvalidInput(f"{what} has no place in a circuit session")

    def _known(self, op: Any) -> str | None:
        """Return the name of the table's gate that an operation is."""
        if isinstance(op, Barrier):
            return "barrier"
        if isinstance(op, (C3XGate, C4XGate, MCXGate)):
            controls = op.num_qubits - 1
            plain = controls in (3, 4) and op.ctrl_state == 2**controls - 1
            return f"c{controls}x" if plain else None
        name = str(op.name)
        kind = GATES.get(name)
        if kind is None or (kind.qubits, kind.params) != (op.num_qubits, len(op.params)):
            return None
        if op.base_class is _CLASSES.get(name) or self._same_as(name, op):
            return name
        return None

    def _same_as(self, name: str, op: Any) -> bool:
        """Whether a definition of the program's own means the table's gate of its name."""
        try:
            params = tuple(float(_bound(param, self._free)) for param in op.params)
            if (name, params) not in self._same:
                meant = Operator(instruction(name, list(params), op.num_qubits))
                body = op.definition
                body = body.assign_parameters(
                    {p: self._free[p.name] for p in body.parameters}, inplace=False
                )
                self._same[name, params] = Operator(body).equiv(meant)
            return self._same[name, params]
        except (CircuitError, TypeError, KeyError, AttributeError):
            return False

    def _emit(self, name: str, op: Any, frame: _Frame) -> None:
        if any(asked.stale for asked in frame.asked):
            raise InvalidInput(
                "an if whose body measures into a bit it asks about, and then goes on, "
                "has no place in a circuit session"
            )
        if len(self.gates) >= self._most:
            raise InvalidInput(f"more than {self._most:,} gates")
        for asked in frame.asked:
            asked.stale = not set(asked.bits).isdisjoint(frame.clbits)
        params = () if name == "barrier" else self._params(op)
        if name == "u" and self._mark.name == "id" and not any(params):
            name, params = "id", ()
        self.gates.append(
            Gate(
                "a0",
                name,
                tuple(frame.qubits),
                tuple(frame.clbits),
                params,
                frame.condition,
                self._note(),
            )
        )

    def _params(self, op: Any) -> tuple[float | str, ...]:
        written = self._mark.params if len(self._mark.params) == len(op.params) else ()
        if written and _is_called(op.name, self._mark.name):
            values = [_bound(param, self._free) for param in op.params]
            if all(map(self._means, self._mark.meanings, values)):
                return tuple(
                    value if plain(text) else text
                    for text, value in zip(written, values, strict=True)
                )
        return tuple(self._param(param) for param in op.params)

    def _means(self, expression: Expression, value: float) -> bool:
        if not expression.free <= self._free.keys():
            return False
        try:
            meant = expression.value
            if meant is None:
                meant = expression.evaluate(self._free)
            return math.isclose(meant, value, rel_tol=1e-12, abs_tol=1e-15)
        except (ArithmeticError, ValueError, TypeError):
            return False

    def _param(self, param: Any) -> float | str:
        if isinstance(param, ParameterExpression) and param.parameters:
            text = str(param)
            if not self._means(parse(text), _bound(param, self._free)):
                raise InvalidInput(f"the parameter {text!r:.80} has no place in a circuit session")
            return text
        value = float(param)
        if not math.isfinite(value):
            raise InvalidInput(f"a parameter has the value {value}")
        return spell(value)

    def _note(self) -> str | None:
        lines, self._lines = self._lines, []
        if not lines:
            return None
        note = "\n".join(lines) + ("" if lines[-1] else "\n")
        if len(note) > MAX_NOTE:
            self._cut += 1
            note = note[:MAX_NOTE]
        return note


_CLASSES = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}
# Gates of a program's text by what Qiskit calls them.
_CALLED = {"U": "u", "phase": "p", "cphase": "cp"}


def _is_called(name: str, written: str) -> bool:
    return name == _CALLED.get(written, written)


def _bound(param: Any, values: dict[str, float]) -> float:
    if isinstance(param, ParameterExpression):
        param = param.bind({free: values[free.name] for free in param.parameters})
    return float(param)


def _both(outer: Condition | None, inner: Condition) -> Condition | None:
    """Return the condition that asks both, or None where both cannot hold."""
    if inner.value >= 2 ** len(inner.clbits):
        return None
    if outer is None:
        return inner
    bits, value = list(outer.clbits), outer.value
    for index, bit in enumerate(inner.clbits):
        wanted = inner.value >> index & 1
        if bit in bits:
            if value >> bits.index(bit) & 1 != wanted:
                return None
        else:
            value |= wanted << len(bits)
            bits.append(bit)
    if value >= MAX_INTEGER:
        raise InvalidInput("nested conditions ask for a value beyond 53 bits")
    return Condition(tuple(bits), value)


def listed(names: Sequence[str]) -> str:
    """Return names for a person, the first ten of them."""
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
