"""Sessions as files for other tools: OpenQASM 2 and 3, and QPY.

A program in its own format comes out as it was written. Into the other version of OpenQASM it goes
by way of a circuit document, which keeps comments, conditions and parameters as written; where a
document has no words for it (a while loop, say), by Qiskit's exporters. What a format cannot say is
refused and named.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, Literal, TypedDict, get_args

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2, qpy
from qiskit import qasm3 as qiskit_qasm3
from qiskit.circuit import ControlFlowOp, IfElseOp, Parameter, ParameterExpression
from qiskit.exceptions import QiskitError

from cluster.errors import InvalidInput
from quantum.convert import Flat, flatten
from quantum.document import Circuit, Gate
from quantum.expression import FUNCTIONS, parse
from quantum.flatten import UNSAYABLE
from quantum.gates import instruction
from quantum.limits import BadCircuit, Limits
from quantum.read import read
from quantum.scan import scan
from quantum.write import Text, Version, to_text, writable_name

Format = Literal["qasm2", "qasm3", "qpy"]

_VERSIONS: dict[str, Version] = {"qasm2": 2, "qasm3": 3}
# No registry knows a media type of OpenQASM; as text it opens anywhere.
_QASM = "text/plain; charset=utf-8"
_QPY = "application/octet-stream"
# The newest is for the newest Qiskit only; this one opens with all of its second series.
_QPY_VERSION = 13


class Exported(TypedDict):
    """A file's content, and in plain words what it does not keep."""

    media_type: str
    encoding: Literal["text", "base64"]
    data: str
    notes: list[str]


def export(kind: str, state: str | dict[str, Any], format: str, limits: Limits) -> Exported:
    """Return a session's document as a file.

    Args:
        kind: ``text`` or ``circuit``.
        state: the program's text, or the JSON form of the circuit document.
        format: ``qasm2``, ``qasm3`` or ``qpy``.
        limits: on the program.

    Raises:
        BadCircuit: the program cannot be read.
        InvalidInput: the format cannot say it; the message names what.
    """
    if format not in get_args(Format):
        raise InvalidInput(f"expected one of {', '.join(get_args(Format))}, got {format!r:.80}")
    if kind == "circuit":
        if format == "qpy":
            document = Circuit.from_json(state)
            return _qpy(_built(document), any(gate.note for gate in document.gates.values()))
        return _text(to_text(state, _VERSIONS[format]))
    if kind != "text" or not isinstance(state, str):
        raise InvalidInput(f"expected the kind text or circuit, got {kind!r:.80}")
    if format == "qpy":
        return _qpy(read(state, limits).circuit, _commented(state))
    if _written_in(state, limits) == format:
        return _text(Text(text=state, notes=[]))
    return _text(_translated(state, _VERSIONS[format], limits))


def build(state: Any) -> QuantumCircuit:
    """Return the Qiskit circuit of a circuit document's JSON form.

    Raises:
        InvalidInput: it is no circuit document.
    """
    return _built(Circuit.from_json(state))


def _built(document: Circuit) -> QuantumCircuit:
    circuit = QuantumCircuit()
    if document.qubits:
        circuit.add_register(QuantumRegister(document.qubits, "q"))
    if document.clbits:
        circuit.add_register(ClassicalRegister(document.clbits, "c"))
    parameters: dict[str, Parameter] = {}
    for _, gate in document.ordered():
        _append(circuit, gate, parameters)
    return circuit


def _append(circuit: QuantumCircuit, gate: Gate, parameters: dict[str, Parameter]) -> None:
    params = [_value(param, parameters) for param in gate.params]
    op: Any = instruction(gate.name, params, len(gate.qubits))
    qubits = [circuit.qubits[wire] for wire in gate.qubits]
    clbits = [circuit.clbits[bit] for bit in gate.clbits]
    if gate.condition is None:
        circuit.append(op, qubits, clbits)
        return
    asked = [circuit.clbits[bit] for bit in gate.condition.clbits]
    if len(asked) > 1 and asked == list(circuit.cregs[0]):
        questions = [(circuit.cregs[0], gate.condition.value)]
    else:
        questions = [(bit, gate.condition.value >> index & 1) for index, bit in enumerate(asked)]
    # The first question is the outermost.
    bits = list(clbits)
    for left, right in reversed(questions):
        body = QuantumCircuit(qubits, bits)
        if isinstance(left, ClassicalRegister):
            bits = [*bits, *(bit for bit in left if bit not in bits)]
            body = QuantumCircuit(qubits, bits)
            body.add_register(left)
        elif left not in bits:
            bits = [*bits, left]
            body = QuantumCircuit(qubits, bits)
        body.append(op, qubits, clbits)
        op, clbits = IfElseOp((left, right), body), bits
    circuit.append(op, qubits, clbits)


def _value(param: float | str, parameters: dict[str, Parameter]) -> Any:
    if not isinstance(param, str):
        return param
    expression = parse(param)
    if expression.value is not None:
        return expression.value
    for name in sorted(expression.free):
        parameters.setdefault(name, Parameter(name))
    return expression.evaluate(parameters, _FUNCTIONS)


def _of(name: str) -> Callable[[Any], Any]:
    """Return a function of numbers and of Qiskit's expressions alike."""

    def compute(value: Any) -> Any:
        if not isinstance(value, ParameterExpression):
            return FUNCTIONS[name](value)
        if name == "sqrt":
            return value**0.5
        return getattr(value, "log" if name == "ln" else name)()

    return compute


_FUNCTIONS = {name: _of(name) for name in FUNCTIONS}


def _text(written: Text) -> Exported:
    return Exported(media_type=_QASM, encoding="text", data=written["text"], notes=written["notes"])


def _qpy(circuit: QuantumCircuit, commented: bool) -> Exported:
    file = io.BytesIO()
    try:
        qpy.dump(circuit, file, version=_QPY_VERSION)
    except QiskitError as error:
        raise InvalidInput(f"QPY cannot hold this circuit: {_reason(error)}") from None
    return Exported(
        media_type=_QPY,
        encoding="base64",
        data=base64.b64encode(file.getvalue()).decode("ascii"),
        notes=["comments are not kept: QPY has no place for them"] if commented else [],
    )


def _written_in(text: str, limits: Limits) -> str | None:
    """Return a program's format, also of one that is unfinished or has errors."""
    try:
        return scan(text, limits).format
    except BadCircuit as error:
        found = error.details.get("format")
        return found if isinstance(found, str) else None


def _translated(text: str, version: Version, limits: Limits) -> Text:
    """Return a program in the other version of OpenQASM."""
    try:
        return _written(flatten(text, limits), version)
    except BadCircuit:
        raise
    except InvalidInput as error:
        refusal = error
    circuit = read(text, limits).circuit
    if version == 2 and (found := _control_flow(circuit)):
        raise InvalidInput(f"OpenQASM 2 has no place for {found} ({refusal.message})")
    try:
        written = qasm2.dumps(circuit) + "\n" if version == 2 else qiskit_qasm3.dumps(circuit)
    except (QiskitError, TypeError, ValueError) as error:
        raise InvalidInput(f"OpenQASM {version} cannot say this: {_reason(error)}") from None
    return Text(text=written, notes=["comments are not kept"] if _commented(text) else [])


def _commented(text: str) -> bool:
    return "//" in text or "/*" in text


def _written(flat: Flat, version: Version) -> Text:
    qubits, clbits = flat.registers
    names = [name for name, _ in (*qubits, *clbits)]
    if len(set(names)) < len(names) or not all(writable_name(name, version) for name in names):
        qubits, clbits = [], []
    written = to_text(flat.circuit.to_json(), version, qubits=qubits, clbits=clbits)
    return Text(text=written["text"], notes=[*flat.notes, *written["notes"]])


def _control_flow(circuit: QuantumCircuit) -> str:
    """Return the first thing in a circuit that is more than gates, in words."""
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            name = str(item.operation.name)
            return {"if_else": "this if", **UNSAYABLE}.get(name, name)
    return ""


def _reason(error: Exception) -> str:
    return str(error).strip().strip("'\"") or type(error).__name__
