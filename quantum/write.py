"""A circuit document as a program: OpenQASM 2 or 3 that reads back to the same circuit.

Notes stand above their gates as comments, parameters as they were written, free parameters as
``input float``. What a language has no words for is refused and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from cluster.errors import InvalidInput
from quantum.document import Circuit, Gate
from quantum.expression import bends_a_parameter, divides_whole_numbers, parse, translate
from quantum.gates import GATES

Version = Literal[2, 3]

_HEADS = {
    2: 'OPENQASM 2.0;\ninclude "qelib1.inc";\n',
    3: 'OPENQASM 3.0;\ninclude "stdgates.inc";\n',
}
_WORDS = {
    2: {"π": "pi", "tau": "(2*pi)", "τ": "(2*pi)", "e": "exp(1)", "**": "^"},
    3: {"e": "euler", "ln": "log"},
}
# What a name may not be: the words of OpenQASM 3, its functions, and the gates of its library.
_RESERVED = frozenset(
    """OPENQASM include defcalgrammar def cal defcal gate extern box let break continue if else end
    return for while in switch case default nop pragma input output const readonly mutable qreg
    qubit creg bool bit int uint float angle complex array void duration stretch gphase inv pow
    ctrl negctrl durationof delay reset measure barrier true false im euler ℇ sin cos tan arcsin
    arccos arctan exp log sqrt mod popcount rotl rotr ceiling floor sizeof real imag U CX phase
    cphase q c""".split()  # noqa: SIM905 - a paragraph of words
)
_NAME = {2: re.compile(r"[a-z][A-Za-z0-9_]*"), 3: re.compile(r"[^\W\d]\w*")}


class Text(TypedDict):
    """A program, and in plain words what it does not say as the document did."""

    text: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Register:
    """``size`` wires from number ``start`` on."""

    name: str
    start: int
    size: int

    @property
    def wires(self) -> tuple[int, ...]:
        """The numbers of its wires."""
        return tuple(range(self.start, self.start + self.size))


def to_text(
    state: Any,
    version: Version = 3,
    *,
    qubits: Sequence[tuple[str, int]] = (),
    clbits: Sequence[tuple[str, int]] = (),
) -> Text:
    """Write the JSON form of a circuit document as a program.

    Args:
        state: the document.
        version: of OpenQASM.
        qubits: names and sizes of the quantum registers; without them, one ``q``.
        clbits: the same of the classical ones; without them, one ``c``, or as many as the
            conditions of OpenQASM 2 need.

    Raises:
        InvalidInput: the document is none, or has something this version has no words for.
    """
    circuit = Circuit.from_json(state)
    writer = _Writer(circuit, version, _registers(qubits, "q"), _registers(clbits, "c"))
    return Text(text=writer.text(), notes=writer.notes)


def writable_name(name: str, version: Version) -> bool:
    """Whether a register may be called so."""
    return (
        _NAME[version].fullmatch(name) is not None
        and name not in GATES
        and (name not in _RESERVED or name in ("q", "c"))
    )


def _registers(given: Iterable[tuple[str, int]], default: str) -> list[Register]:
    found: list[Register] = []
    start = 0
    for name, size in given:
        found.append(Register(name, start, size))
        start += size
    return found


class _Writer:
    """Writes one document; see the module."""

    def __init__(
        self, circuit: Circuit, version: Version, qregs: list[Register], cregs: list[Register]
    ) -> None:
        self.notes: list[str] = []
        self._version = version
        self._gates = circuit.ordered()
        qregs = qregs or [Register("q", 0, circuit.qubits)]
        self._qregs = [register for register in qregs if register.size]
        cregs = cregs or [Register("c", 0, circuit.clbits)]
        if version == 2:
            cregs = self._dividing(cregs, circuit.clbits)
        self._cregs = [register for register in cregs if register.size]
        self._qubits = _names(self._qregs)
        self._clbits = _names(self._cregs)
        self._whole = {register.wires: register for register in self._cregs}
        self._names = self._parameters()

    def text(self) -> str:
        """Return the program."""
        body = [line for gate_id, gate in self._gates for line in self._gate(gate_id, gate)]
        return _HEADS[self._version] + "".join(
            f"{line}\n" for line in (*self._definitions(), *self._declarations(), *body)
        )

    def _declarations(self) -> list[str]:
        if self._version == 2:
            return [
                *(f"qreg {register.name}[{register.size}];" for register in self._qregs),
                *(f"creg {register.name}[{register.size}];" for register in self._cregs),
            ]
        return [
            *(f"input float {name};" for name in self._names.values()),
            *(f"qubit[{register.size}] {register.name};" for register in self._qregs),
            *(f"bit[{register.size}] {register.name};" for register in self._cregs),
        ]

    def _definitions(self) -> list[str]:
        used = dict.fromkeys(gate.name for _, gate in self._gates)
        found: list[str] = []
        for name in used:
            kind = GATES[name]
            if (kind.qasm2 if self._version == 2 else kind.qasm3) or kind.definition is None:
                continue
            parameters, body = kind.definition
            arguments = f"({parameters.replace(',', ', ')})" if parameters else ""
            qubits = ", ".join("abcde"[: kind.qubits])
            found.append(f"gate {name}{arguments} {qubits} {{ {body} }}")
        return found

    def _parameters(self) -> dict[str, str]:
        """Return what each free parameter is called in the text."""
        free = {
            name
            for _, gate in self._gates
            for param in gate.params
            if isinstance(param, str)
            for name in parse(param).free
        }
        taken = {register.name for register in (*self._qregs, *self._cregs)}
        names: dict[str, str] = {}
        for name in sorted(free):
            written = name
            while (
                written in _RESERVED
                or written in GATES
                or written in taken
                or (written != name and written in free)
            ):
                written += "_"
            names[name] = written
            if written != name:
                self.notes.append(
                    f"the parameter {name} is called {written}: {name} means something else here"
                )
        return names

    def _gate(self, gate_id: str, gate: Gate) -> list[str]:
        try:
            statement = self._statement(gate)
            lines = self._conditional(gate, statement)
        except InvalidInput as error:
            raise InvalidInput(
                f"gate {gate_id!r} ({gate.name}) cannot be written in "
                f"OpenQASM {self._version}: {error.message}"
            ) from None
        return [*_comment(gate.note), *lines]

    def _statement(self, gate: Gate) -> str:
        qubits = ", ".join(self._qubits[wire] for wire in gate.qubits)
        if gate.name == "barrier":
            if len(self._qregs) == 1 and gate.qubits == self._qregs[0].wires:
                qubits = self._qregs[0].name
            return f"barrier {qubits};"
        if gate.name == "measure":
            bit = self._clbits[gate.clbits[0]]
            return (
                f"measure {qubits} -> {bit};"
                if self._version == 2
                else (f"{bit} = measure {qubits};")
            )
        kind = GATES[gate.name]
        name = (kind.qasm2 if self._version == 2 else kind.qasm3) or gate.name
        params = ", ".join(self._param(param) for param in gate.params)
        return f"{name}({params}) {qubits};" if params else f"{name} {qubits};"

    def _param(self, param: float | str) -> str:
        if not isinstance(param, str):
            return repr(param)
        expression = parse(param)
        if self._version == 2 and expression.free:
            raise InvalidInput(f"{min(expression.free)!r} has no value, and it has no parameters")
        if bends_a_parameter(expression.root):
            raise InvalidInput(f"{param!r}: a function or power of a parameter would not read back")
        decimal = self._version == 3 and divides_whole_numbers(expression.root)
        return translate(param, _WORDS[self._version] | self._names, decimal=decimal)

    def _conditional(self, gate: Gate, statement: str) -> list[str]:
        condition = gate.condition
        if condition is None:
            return [statement]
        register = self._whole.get(condition.clbits)
        if self._version == 2:
            if gate.name == "barrier":
                raise InvalidInput("a barrier has no condition there")
            assert register is not None  # noqa: S101 - the registers were divided so
            return [f"if({register.name}=={condition.value}) {statement}"]
        if register is not None and register.size > 1:
            return [f"if ({register.name} == {condition.value}) {{", f"  {statement}", "}"]
        # There is no word for some bits of a register: one question inside another.
        depth = len(condition.clbits)
        return [
            *(
                f"{'  ' * level}if ({self._clbits[bit]} == {condition.value >> level & 1}) {{"
                for level, bit in enumerate(condition.clbits)
            ),
            "  " * depth + statement,
            *("  " * level + "}" for level in reversed(range(depth))),
        ]

    def _dividing(self, cregs: list[Register], clbits: int) -> list[Register]:
        """Return registers such that each condition asks about a whole one, as OpenQASM 2 does."""
        asked = {gate.condition for _, gate in self._gates if gate.condition is not None}
        wanted = {condition.clbits for condition in asked}
        if wanted <= {register.wires for register in cregs}:
            return cregs
        owner: dict[int, tuple[int, ...]] = {}
        for bits in sorted(wanted):
            if bits != tuple(range(bits[0], bits[0] + len(bits))) or any(
                owner.setdefault(bit, bits) != bits for bit in bits
            ):
                raise InvalidInput(
                    "OpenQASM 2 asks about whole registers only, and no division of the bits "
                    f"into registers suits a condition on the bits {_listed(bits)}"
                )
        found: list[Register] = []
        bit = 0
        while bit < clbits:
            end = bit + 1
            if bit in owner:
                end = bit + len(owner[bit])
            else:
                while end < clbits and end not in owner:
                    end += 1
            found.append(Register(f"c{len(found)}", bit, end - bit))
            bit = end
        self.notes.append(
            f"the bits are in {len(found)} registers: OpenQASM 2 asks about whole ones only"
        )
        return found


def _names(registers: Iterable[Register]) -> list[str]:
    return [f"{each.name}[{index}]" for each in registers for index in range(each.size)]


def _listed(bits: Sequence[int]) -> str:
    shown = ", ".join(map(str, bits[:8]))
    return f"{shown}, …" if len(bits) > 8 else shown


def _comment(note: str | None) -> list[str]:
    """Return a note's lines as comments; an empty line stays one, a last line end adds none."""
    if not note:
        return []
    lines = note.split("\n")
    if not lines[-1]:
        lines.pop()
    return [f"// {line}" if line else "" for line in lines]
