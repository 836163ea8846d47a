"""What is asked of untrusted program text, and the child process that answers.

``python -m actors.analysis`` is the child of ``actors.sandbox``; the same functions are plain
Python, so that they can be tested without one. Requests and answers are plain data.
"""

from __future__ import annotations

import sys
from typing import Any

from qiskit import QuantumCircuit

from actors.sandbox import Request, serve
from cluster.errors import InvalidInput
from quantum import convert, write
from quantum.convert import Converted
from quantum.drawing import draw
from quantum.export import Exported, export
from quantum.limits import BadCircuit, Limits
from quantum.plan import plan
from quantum.read import Program, read
from quantum.simulate import prepare
from quantum.write import Text

# One of each path, so that the first real program meets imported modules and built tables.
_WARM = (
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0], q[1];',
    'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];',
    """OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; gate g a { h a; } g q[0];
    c[0] = measure q[0]; if (c[0] == 1) { x q[1]; } for int i in [0:1] { x q[i]; }""",
    "OPENQASM 3.0; qubit q h q;",
)


def analyze(request: Request) -> dict[str, Any]:
    """Return what a page shows of a program: its size and drawing, or what is wrong with it."""
    try:
        program = _program(request)
    except BadCircuit as error:
        return refused(error)
    return {
        "valid": True,
        **summary(program),
        "diagnostics": [],
        "drawing": draw(program.circuit),
    }


def refused(error: BadCircuit) -> dict[str, Any]:
    """Return the answer for a program that cannot be read."""
    return {
        "valid": False,
        "format": error.details.get("format"),
        "diagnostics": error.diagnostics,
    }


def inspect(request: Request) -> dict[str, Any]:
    """Return a program's summary and, where ``shots`` are given, the plan to simulate it.

    Raises:
        BadCircuit: it cannot be read. ``plan`` or ``refusal`` says whether it can be simulated.
    """
    program = _program(request)
    answer = summary(program)
    shots = request.get("shots")
    if shots is None:
        return answer
    try:
        circuit = prepare(program.circuit).circuit
        chosen = plan(circuit, shots=shots, memory_bytes=request["memory_bytes"])
    except InvalidInput as error:
        return {**answer, "plan": None, "refusal": error.message}
    return {
        **answer,
        "plan": {
            "method": chosen.method,
            "qubits": chosen.qubits,
            "memory_bytes": chosen.memory_bytes,
            "cost_ms": chosen.cost_ms,
        },
        "refusal": None,
    }


def features(request: Request) -> list[float]:
    """Return the feature vector the models were trained on.

    Raises:
        BadCircuit: the program cannot be read.
    """
    # Late: a reader of circuits need not load what learning needs.
    from train.features import circuit_features

    return [float(value) for value in circuit_features(_program(request).circuit)]


def to_circuit(request: Request) -> Converted:
    """Return the circuit document of a program, and notes of what it does not keep.

    Raises:
        BadCircuit: the program cannot be read.
        InvalidInput: a circuit document cannot say it.
    """
    return convert.to_circuit(request["qasm"], Limits(**request["limits"]))


def to_text(request: Request) -> Text:
    """Return the program of a circuit document, and notes of what it does not keep.

    Raises:
        InvalidInput: the version has no words for it.
    """
    return write.to_text(request["state"], request["version"])


def exported(request: Request) -> Exported:
    """Return a document of either kind as a file in another tool's format.

    Raises:
        BadCircuit: the program cannot be read.
        InvalidInput: the format cannot say it.
    """
    return export(request["kind"], request["state"], request["format"], Limits(**request["limits"]))


def summary(program: Program) -> dict[str, Any]:
    """Return the numbers by which a circuit is known."""
    circuit: QuantumCircuit = program.circuit
    return {
        "format": program.format,
        "qubits": circuit.num_qubits,
        "clbits": circuit.num_clbits,
        "depth": circuit.depth(),
        "gates": circuit.size(),
    }


def _program(request: Request) -> Program:
    return read(request["qasm"], Limits(**request["limits"]))


def _warm() -> None:
    limits = {"bytes": 10_000, "operations": 1_000, "qubits": 100}
    for qasm in _WARM:
        analyze({"qasm": qasm, "limits": limits})
    for qasm in _WARM[:-1]:  # the last is no program
        exported({"kind": "text", "state": qasm, "format": "qpy", "limits": limits})
    convert.to_circuit(_WARM[0] + "// a comment", Limits(**limits))


_HANDLERS = {
    "analyze": analyze,
    "inspect": inspect,
    "features": features,
    "to_circuit": to_circuit,
    "to_text": to_text,
    "export": exported,
}

if __name__ == "__main__":
    serve(_HANDLERS, _warm, sys.argv[1:])
