"""The gates a circuit document may hold: one row each.

A row says what a gate takes and how the two languages write it: by a name that their standard
library (or the language itself) has, or else by a definition in terms of gates that both have.
``tests/quantum/test_gates.py`` checks each row against Qiskit, and each definition against the
gate's matrix. This module imports no Qiskit: session actors use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class GateType:
    """What one gate takes and how it is written.

    Attributes:
        name: as in a circuit document.
        qubits: how many it acts on; None for any number, at least one.
        params: how many angles it takes.
        clbits: how many bits it writes.
        qasm2: its name in ``qelib1.inc`` as Qiskit reads it; None where it must be defined.
        qasm3: its name in ``stdgates.inc`` or the language; None where it must be defined.
        definition: ``(parameters, body)`` over the qubits a, b, c, …: what it is up to a global
            phase, for the languages that must define it.
        help: one line for a person.
    """

    name: str
    qubits: int | None
    params: int
    clbits: int
    qasm2: str | None
    qasm3: str | None
    definition: tuple[str, str] | None
    help: str


def _row(
    name: str,
    qubits: int | None,
    help: str,
    *,
    params: int = 0,
    clbits: int = 0,
    qasm2: str | None = "",
    qasm3: str | None = "",
    definition: tuple[str, str] | None = None,
) -> GateType:
    # An empty name: the same as here.
    return GateType(
        name,
        qubits,
        params,
        clbits,
        name if qasm2 == "" else qasm2,
        name if qasm3 == "" else qasm3,
        definition,
        help,
    )


_ROWS = (
    _row("id", 1, "identity"),
    _row("x", 1, "Pauli X, a bit flip"),
    _row("y", 1, "Pauli Y"),
    _row("z", 1, "Pauli Z, a phase flip"),
    _row("h", 1, "Hadamard"),
    _row("s", 1, "a quarter turn about Z"),
    _row("sdg", 1, "inverse of s"),
    _row("t", 1, "an eighth turn about Z"),
    _row("tdg", 1, "inverse of t"),
    _row("sx", 1, "square root of x"),
    _row("sxdg", 1, "inverse of sx", qasm3=None, definition=("", "s a; h a; s a;")),
    _row("rx", 1, "rotation about X", params=1),
    _row("ry", 1, "rotation about Y", params=1),
    _row("rz", 1, "rotation about Z", params=1),
    _row("p", 1, "phase on |1>", params=1),
    _row(
        "r", 1, "rotation about an axis in the XY plane", params=2,
        qasm2=None, qasm3=None,
        definition=("theta,phi", "u3(theta,phi-pi/2,pi/2-phi) a;"),
    ),
    _row("u", 1, "any one-qubit gate, three Euler angles", params=3, qasm3="U"),
    _row("u1", 1, "p under its older name", params=1),
    _row("u2", 1, "any one-qubit gate of a quarter turn", params=2),
    _row("u3", 1, "u under its older name", params=3),
    _row("cx", 2, "controlled x (CNOT)"),
    _row("cy", 2, "controlled y"),
    _row("cz", 2, "controlled z"),
    _row("ch", 2, "controlled h"),
    _row("cs", 2, "controlled s", qasm2=None, qasm3=None, definition=("", "cp(pi/2) a,b;")),
    _row("csdg", 2, "controlled sdg", qasm2=None, qasm3=None, definition=("", "cp(-pi/2) a,b;")),
    _row(
        "csx", 2, "controlled sx", qasm3=None,
        definition=("", "h b; cp(pi/2) a,b; h b;"),
    ),
    _row("cp", 2, "controlled p", params=1),
    _row("crx", 2, "controlled rx", params=1),
    _row("cry", 2, "controlled ry", params=1),
    _row("crz", 2, "controlled rz", params=1),
    _row("cu", 2, "controlled u with a phase", params=4),
    _row(
        "cu1", 2, "cp under its older name", params=1, qasm3=None,
        definition=("theta", "cp(theta) a,b;"),
    ),
    _row(
        "cu3", 2, "controlled u3", params=3, qasm3=None,
        definition=("theta,phi,lambda", "cu(theta,phi,lambda,0) a,b;"),
    ),
    _row("swap", 2, "exchanges two qubits"),
    _row(
        "iswap", 2, "exchanges two qubits, with a phase of i", qasm2=None, qasm3=None,
        definition=("", "s a; s b; h a; cx a,b; cx b,a; h b;"),
    ),
    _row("dcx", 2, "cx both ways", qasm2=None, qasm3=None, definition=("", "cx a,b; cx b,a;")),
    _row(
        "ecr", 2, "echoed cross-resonance", qasm2=None, qasm3=None,
        definition=(
            "",
            "h b; cx a,b; rz(pi/4) b; cx a,b; h b; x a; h b; cx a,b; rz(-pi/4) b; cx a,b; h b;",
        ),
    ),
    _row(
        "rxx", 2, "rotation about XX", params=1, qasm3=None,
        definition=("theta", "h a; h b; cx a,b; rz(theta) b; cx a,b; h a; h b;"),
    ),
    _row(
        "ryy", 2, "rotation about YY", params=1, qasm2=None, qasm3=None,
        definition=(
            "theta",
            "rx(pi/2) a; rx(pi/2) b; cx a,b; rz(theta) b; cx a,b; rx(-pi/2) a; rx(-pi/2) b;",
        ),
    ),
    _row(
        "rzz", 2, "rotation about ZZ", params=1, qasm3=None,
        definition=("theta", "cx a,b; rz(theta) b; cx a,b;"),
    ),
    _row(
        "rzx", 2, "rotation about ZX", params=1, qasm2=None, qasm3=None,
        definition=("theta", "h b; cx a,b; rz(theta) b; cx a,b; h b;"),
    ),
    _row(
        "xx_plus_yy", 2, "exchange interaction XX+YY", params=2, qasm2=None, qasm3=None,
        definition=(
            "theta,beta",
            ("rz(beta) a; rz(-pi/2) b; rx(pi/2) b; rz(pi/2) b; s a; cx b,a; ry(-theta/2) b; "
            "ry(-theta/2) a; cx b,a; sdg a; rz(-pi/2) b; rx(-pi/2) b; rz(pi/2) b; rz(-beta) a;"),
        ),
    ),
    _row(
        "xx_minus_yy", 2, "pair interaction XX-YY", params=2, qasm2=None, qasm3=None,
        definition=(
            "theta,beta",
            ("rz(-beta) b; rz(-pi/2) a; rx(pi/2) a; rz(pi/2) a; s b; cx a,b; ry(theta/2) a; "
            "ry(-theta/2) b; cx a,b; sdg b; rz(-pi/2) a; rx(-pi/2) a; rz(pi/2) a; rz(beta) b;"),
        ),
    ),
    _row("ccx", 3, "x with two controls (Toffoli)"),
    _row(
        "ccz", 3, "z with two controls", qasm2=None, qasm3=None,
        definition=("", "h c; ccx a,b,c; h c;"),
    ),
    _row("cswap", 3, "controlled swap (Fredkin)"),
    _row(
        "rccx", 3, "ccx up to relative phases", qasm3=None,
        definition=(
            "",
            ("u2(0,pi) c; u1(pi/4) c; cx b,c; u1(-pi/4) c; cx a,c; u1(pi/4) c; cx b,c; "
            "u1(-pi/4) c; u2(0,pi) c;"),
        ),
    ),
    _row("c3x", 4, "x with three controls", qasm3=None, definition=("", "ctrl(3) @ x a,b,c,d;")),
    _row(
        "c3sx", 4, "sx with three controls", qasm2="c3sqrtx", qasm3=None,
        definition=("", "ctrl(3) @ sx a,b,c,d;"),
    ),
    _row(
        "rcccx", 4, "c3x up to relative phases", qasm2="rc3x", qasm3=None,
        definition=(
            "",
            ("u2(0,pi) d; u1(pi/4) d; cx c,d; u1(-pi/4) d; u2(0,pi) d; cx a,d; u1(pi/4) d; "
            "cx b,d; u1(-pi/4) d; cx a,d; u1(pi/4) d; cx b,d; u1(-pi/4) d; u2(0,pi) d; "
            "u1(pi/4) d; cx c,d; u1(-pi/4) d; u2(0,pi) d;"),
        ),
    ),
    _row("c4x", 5, "x with four controls", qasm3=None, definition=("", "ctrl(4) @ x a,b,c,d,e;")),
    _row("measure", 1, "measures a qubit into a bit", clbits=1),
    _row("reset", 1, "returns a qubit to |0>"),
    _row("barrier", None, "keeps what stands before from what stands after"),
)  # fmt: skip

GATES: dict[str, GateType] = {row.name: row for row in _ROWS}


def instruction(name: str, params: list[Any], qubits: int) -> Any:
    """Return the Qiskit instruction of one gate on ``qubits`` qubits."""
    if name == "barrier":
        return _classes()[name](qubits)
    return _classes()[name](*params)


@cache
def _classes() -> dict[str, Any]:
    from qiskit.circuit import Barrier
    from qiskit.circuit.library import C3XGate, C4XGate, get_standard_gate_name_mapping

    known = {
        name: gate.base_class
        for name, gate in get_standard_gate_name_mapping().items()
        if name in GATES
    }
    return {**known, "barrier": Barrier, "c3x": C3XGate, "c4x": C4XGate}
