"""The table of gates, checked against Qiskit: what each takes, means and is called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.qasm2 import LEGACY_CUSTOM_INSTRUCTIONS
from qiskit.qasm3 import STDGATES_INC_GATES
from qiskit.quantum_info import Operator

from quantum.gates import GATES, GateType, instruction
from quantum.limits import Limits
from quantum.read import read
from tests.quantum.programs import QELIB, STDGATES

STANDARD = get_standard_gate_name_mapping()
UNITARY = [row for row in GATES.values() if row.name not in ("measure", "reset", "barrier")]


def test_the_table_is_qiskits() -> None:
    # A delay needs a unit of time, and a global phase no wire; Qiskit calls both c3x and c4x mcx.
    assert set(STANDARD) - set(GATES) == {"delay", "global_phase"}
    assert set(GATES) - set(STANDARD) == {"barrier", "c3x", "c4x"}
    for name, gate in STANDARD.items():
        if name in GATES:
            row = GATES[name]
            assert (row.qubits, row.params, row.clbits) == (
                gate.num_qubits, len(gate.params), gate.num_clbits,
            ), name  # fmt: skip


@pytest.mark.parametrize("row", GATES.values(), ids=lambda row: row.name)
def test_names_are_those_of_the_standard_libraries(row: GateType) -> None:
    words = {"measure", "reset", "barrier"}
    if row.qasm2 is not None:
        assert row.qasm2 in words | {gate.name for gate in LEGACY_CUSTOM_INSTRUCTIONS}
    if row.qasm3 is not None:
        assert row.qasm3 in words | {"U"} | {gate.name for gate in STDGATES_INC_GATES}
    assert (row.definition is not None) == (row.qasm2 is None or row.qasm3 is None)
    assert row.help


@pytest.mark.parametrize("row", UNITARY, ids=lambda row: row.name)
@pytest.mark.parametrize("version", [2, 3])
def test_what_is_written_is_the_gate(row: GateType, version: int) -> None:
    """The name or the definition means the same matrix, up to a global phase."""
    params = [0.3, -1.1, 0.7, 0.2][: row.params]
    name = row.qasm2 if version == 2 else row.qasm3
    arguments = f"({', '.join(map(str, params))})" if params else ""
    qubits = row.qubits or 1
    wires = ", ".join(f"q[{i}]" for i in range(qubits))
    text = f"{QELIB}qreg q[{qubits}];\n" if version == 2 else f"{STDGATES}qubit[{qubits}] q;\n"
    if name is None:
        assert row.definition is not None
        parameters, body = row.definition
        header = f"({parameters})" if parameters else ""
        text += f"gate own{header} {', '.join('abcde'[:qubits])} {{ {body} }}\n"
    text += f"{name or 'own'}{arguments} {wires};\n"
    found = Operator(read(text, Limits()).circuit)
    assert found.equiv(Operator(instruction(row.name, params, qubits)))


def test_instructions() -> None:
    assert instruction("barrier", [], 3).num_qubits == 3
    assert instruction("measure", [], 1).num_clbits == 1
    assert instruction("c4x", [], 5).num_qubits == 5
    assert instruction("rx", [0.5], 1) == STANDARD["rx"].base_class(0.5)


def test_a_session_needs_no_qiskit() -> None:
    """Session actors hold circuits; Qiskit takes a second to import and 50 MB."""
    code = "import sys, actors.ot.circuit; print([m for m in sys.modules if 'qiskit' in m])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
