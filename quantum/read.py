"""Program text in, a Qiskit circuit out, or an error that says where and why not."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2
from qiskit import qasm3 as qiskit_qasm3
from qiskit.circuit import CircuitError
from qiskit.exceptions import ExperimentalWarning

from quantum import qasm3
from quantum.counting import Scan
from quantum.limits import BadCircuit, Diagnostic, Format, Limits
from quantum.scan import scan

# Constructs the native OpenQASM 3 importer refuses or, worse, panics on (Qiskit 2.6).
_BEYOND_NATIVE = {
    "if", "else", "for", "while", "switch", "input", "output", "const", "let", "def", "extern",
    "gate", "box", "pragma", "cal", "defcal", "defcalgrammar", "int", "uint", "float", "angle",
    "bool", "duration", "stretch", "complex", "array", "delay", "ctrl", "negctrl", "inv", "pow",
    "gphase", "end", "return",
}  # fmt: skip
_POSITION = re.compile(r"\S+?:(\d+),(\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was read: its circuit and what it was written in."""

    format: Format
    circuit: QuantumCircuit
    operations: int
    """Operations with gate definitions expanded (loops of OpenQASM 3 counted once)."""


def read(text: str, limits: Limits) -> Program:
    """Read OpenQASM 2 or 3.

    The cost of looking is linear in the text; more than ``limits`` allow is refused before any of
    it is built. What remains unbounded (Qiskit's own time) is for the caller to bound.

    Raises:
        BadCircuit: with one diagnostic for each error that was found.
    """
    found = scan(text, limits)
    try:
        if found.format == "qasm2":
            circuit = _read2(found)
        else:
            circuit = _with_names(_read3(found, limits), found)
    except RecursionError:
        raise BadCircuit.at(1, 1, "an expression nests too deeply", format=found.format) from None
    return Program(found.format, circuit, found.operations)


def _read2(found: Scan) -> QuantumCircuit:
    try:
        with _silence():
            return qasm2.loads(found.source, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    except qasm2.QASM2ParseError as error:
        raise BadCircuit.of([_diagnostic(error.message)], format="qasm2") from None
    except (KeyboardInterrupt, SystemExit, MemoryError, RecursionError):
        raise
    except BaseException as error:
        raise BadCircuit.at(1, 1, f"the program cannot be read: {error}", format="qasm2") from None


def _diagnostic(message: str) -> Diagnostic:
    line, column, text = 1, 0, message
    if match := _POSITION.match(message):
        line, column, text = int(match[1]), int(match[2]), match[3]
    if gate := re.match(r"cannot use non-builtin custom instruction '(\w+)'", text):
        text = f'gate {gate[1]!r} is not defined; is include "qelib1.inc"; missing?'
    return Diagnostic(line=max(line, 1), column=column + 1, severity="error", message=text)


def _read3(found: Scan, limits: Limits) -> QuantumCircuit:
    if "@" not in found.source and not found.words & _BEYOND_NATIVE:
        circuit = _native(found.source)
        if circuit is not None:
            return circuit
    return qasm3.loads(found.source, limits)


def _with_names(circuit: QuantumCircuit, found: Scan) -> QuantumCircuit:
    """Give single bits (``bit r;``) registers of one, in the order of declaration.

    Qiskit keeps them outside registers: their names are lost, and they are missing from counts.
    """
    if not any(single for _, _, single in found.declared):
        return circuit
    registers = {True: iter(circuit.qregs), False: iter(circuit.cregs)}
    loose = {
        True: (bit for bit in circuit.qubits if not circuit.find_bit(bit).registers),
        False: (bit for bit in circuit.clbits if not circuit.find_bit(bit).registers),
    }
    named = QuantumCircuit(global_phase=circuit.global_phase)
    try:
        for quantum, name, single in found.declared:
            if single:
                kind = QuantumRegister if quantum else ClassicalRegister
                named.add_register(kind(bits=[next(loose[quantum])], name=name))
            else:
                named.add_register(next(registers[quantum]))
    except (StopIteration, CircuitError):
        return circuit  # declared where this look did not expect it
    for rest in (*registers[True], *registers[False]):
        named.add_register(rest)
    if len(named.qubits) < len(circuit.qubits) or len(named.clbits) < len(circuit.clbits):
        return circuit
    for item in circuit.data:
        named.append(item, copy=False)
    return named


def _native(source: str) -> QuantumCircuit | None:
    """Try Qiskit's native importer: eight times as fast, but partial, and it reports nowhere."""
    try:
        with warnings.catch_warnings(), _silence():
            warnings.simplefilter("ignore", ExperimentalWarning)
            circuit = qiskit_qasm3.loads_experimental(source)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:
        return None
    # It lets `cx q[0], q[0]` pass; the other parser says where that stands.
    if any(len(set(item.qubits)) != len(item.qubits) for item in circuit.data):
        return None
    return circuit


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the native parsers print of their own off this process's outputs."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        for target, original in enumerate(kept, start=1):
            os.dup2(original, target)
            os.close(original)
