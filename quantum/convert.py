"""A program as a circuit document: flat, on numbered wires, with what its author wrote for people.

Gates the table does not have are replaced by their definitions until it has them, loops by their
rounds, an ``if`` by conditions. What a document cannot say is refused and named; what it says in
another way is told in ``notes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from cluster.errors import InvalidInput
from quantum.comments import Marked, mark
from quantum.document import MAX_CLBITS, MAX_GATES, MAX_QUBITS, Circuit
from quantum.flatten import Walk, listed
from quantum.limits import BadCircuit, Limits
from quantum.positions import positions
from quantum.read import Program, read
from quantum.scan import scan


class Converted(TypedDict):
    """A circuit document in JSON form, and in plain words what it does not keep."""

    state: dict[str, Any]
    notes: list[str]


@dataclass(slots=True)
class Flat:
    """A program flattened.

    Attributes:
        circuit: the document.
        registers: names and sizes of the quantum and the classical registers, where they are the
            wires in order.
        notes: what it does not keep.
    """

    circuit: Circuit
    registers: tuple[list[tuple[str, int]], list[tuple[str, int]]]
    notes: list[str]


def to_circuit(qasm: str, limits: Limits) -> Converted:
    """Convert a program to a circuit document.

    Raises:
        BadCircuit: the program cannot be read.
        InvalidInput: it has something that a document cannot say; the message names it.
    """
    flat = flatten(qasm, limits)
    notes = flat.notes
    for what, default, registers in zip(
        ("quantum", "classical"), "qc", flat.registers, strict=True
    ):
        if any(name != default for name, _ in registers):
            names = listed([f"{name}[{size}]" for name, size in registers])
            notes = [*notes, f"the {what} registers {names} are one now, called {default}"]
    return Converted(state=flat.circuit.to_json(), notes=notes)


def flatten(qasm: str, limits: Limits) -> Flat:
    """Convert a program; see `to_circuit`."""
    found = scan(qasm, limits)
    marked = mark(qasm, found)
    program, marked = _read(qasm, marked, limits)
    circuit = program.circuit
    for what, count, most in (
        ("qubits", circuit.num_qubits, MAX_QUBITS),
        ("classical bits", circuit.num_clbits, MAX_CLBITS),
    ):
        if count > most:
            raise InvalidInput(f"{count:,} {what}; a circuit session has at most {most:,}")
    walk = Walk(circuit, marked, min(limits.operations, MAX_GATES))
    walk.whole(circuit)
    gates = [
        replace(gate, pos=pos)
        for gate, pos in zip(walk.gates, positions(len(walk.gates)), strict=True)
    ]
    return Flat(
        Circuit(
            circuit.num_qubits,
            circuit.num_clbits,
            {f"g{number}": gate for number, gate in enumerate(gates, start=1)},
        ),
        (_registers(circuit.qregs, circuit.qubits), _registers(circuit.cregs, circuit.clbits)),
        walk.notes(),
    )


def _read(qasm: str, marked: Marked, limits: Limits) -> tuple[Program, Marked]:
    """Read the program with its marks; should they stand in its way, without."""
    if not marked.marks:
        return read(qasm, limits), marked
    roomy = Limits(
        bytes=limits.bytes + len(marked.source.encode()),
        operations=limits.operations + len(marked.marks),
        qubits=limits.qubits,
    )
    try:
        return read(marked.source, roomy), marked
    except BadCircuit:
        # The error, if there is one, in the words and at the places of the program itself.
        program = read(qasm, limits)
    lost = sum(line != "" for each in marked.marks for line in each.lines)
    return program, replace(marked, marks=[], after=marked.after + lost)


def _registers(registers: Iterable[Any], bits: Sequence[Any]) -> list[tuple[str, int]]:
    """Return names and sizes, if the registers are the bits in order; else nothing."""
    found = list(registers)
    if [bit for register in found for bit in register] != list(bits):
        return []
    return [(register.name, len(register)) for register in found]
