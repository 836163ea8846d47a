"""Programs that several tests use."""

from __future__ import annotations

import math
from collections.abc import Mapping

QELIB = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
STDGATES = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'

BELL = QELIB + "qreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n"
BELL_3 = STDGATES + "qubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n"

TELEPORT = (
    STDGATES
    + """qubit[3] q;
bit[2] m;
bit r;
ry(1.2) q[0];
h q[1];
cx q[1], q[2];
cx q[0], q[1];
h q[0];
m[0] = measure q[0];
m[1] = measure q[1];
if (m[1] == 1) { x q[2]; }
if (m[0] == 1) { z q[2]; }
r = measure q[2];
"""
)


def ghz(qubits: int, *, then: str = "") -> str:
    chain = "".join(f"cx q[{i}],q[{i + 1}];\n" for i in range(qubits - 1))
    return f"{QELIB}qreg q[{qubits}];\nh q[0];\n{chain}{then}"


def qft(qubits: int) -> str:
    """The transform of |1>, whose outcomes are all equally likely."""
    body = "x q[0];\n"
    for i in reversed(range(qubits)):
        body += f"h q[{i}];\n"
        body += "".join(f"cu1(pi/{2 ** (i - j)}) q[{j}],q[{i}];\n" for j in reversed(range(i)))
    return f"{QELIB}qreg q[{qubits}];\n{body}"


def doubling_bomb(levels: int, *, parameter: bool = False) -> str:
    """A gate that calls twice one that calls twice one that …"""
    if parameter:
        text = "gate g0(a) q { rx(a) q; }\n"
        for i in range(1, levels + 1):
            text += f"gate g{i}(a) q {{ g{i - 1}(a) q; g{i - 1}(a/2) q; }}\n"
        return f"{STDGATES}{text}qubit q;\ng{levels}(1) q;\n"
    text = "gate g0 q { x q; }\n"
    for i in range(1, levels + 1):
        text += f"gate g{i} q {{ g{i - 1} q; g{i - 1} q; }}\n"
    return f"{QELIB}{text}qreg q[1];\ng{levels} q[0];\n"


def wide(qubits: int) -> str:
    """No Clifford circuit, and entangled across every cut."""
    layer = "".join(
        f"cx q[{i}],q[{(i * 7 + 3) % qubits}];\n"
        for i in range(qubits)
        if i != (i * 7 + 3) % qubits
    )
    return f"{QELIB}qreg q[{qubits}];\n" + f"h q;\nt q;\n{layer}" * 4


def distance(counts: Mapping[str, int], exact: Mapping[str, float]) -> float:
    """Return the total variation distance between measured and exact outcomes."""
    shots = sum(counts.values())
    keys = counts.keys() | exact.keys()
    return sum(abs(counts.get(key, 0) / shots - exact.get(key, 0.0)) for key in keys) / 2


def tolerance(outcomes: int, shots: int) -> float:
    """Return what the distance stays under in all but one of a million runs, or so."""
    # The mean is at most sqrt(k / 4n); changing one shot moves the distance by 1/n (McDiarmid).
    return math.sqrt(outcomes / (4 * shots)) + math.sqrt(math.log(1e6) / (2 * shots))
