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
from quantum.drawing import draw
from quantum.limits import BadCircuit, Limits
from quantum.plan import plan
from quantum.read import Program, read
from quantum.simulate import prepare

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


if __name__ == "__main__":
    serve({"analyze": analyze, "inspect": inspect, "features": features}, _warm, sys.argv[1:])
