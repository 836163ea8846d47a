"""Files for other tools: what opens there is what was here."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, qasm2, qpy
from qiskit.quantum_info import Operator

from cluster.errors import InvalidInput
from quantum.convert import to_circuit
from quantum.document import Circuit, Condition, Gate
from quantum.export import build, export
from quantum.limits import BadCircuit, Limits
from quantum.read import read
from quantum.simulate import prepare
from tests.quantum.programs import BELL, BELL_3, QELIB, STDGATES, TELEPORT, qft

LIMITS = Limits()
FORMATS = ("qasm2", "qasm3", "qpy")

DOCUMENT = Circuit(
    3,
    2,
    {
        "a": Gate("a0", "h", (0,), note="superpose"),
        "b": Gate("a1", "measure", (0,), (0,)),
        "c": Gate("a2", "rzx", (2, 1), params=("pi/3",), condition=Condition((0, 1), 1)),
        "d": Gate("a3", "barrier", (0, 1, 2)),
    },
)


def out(kind: str, state: Any, format: str) -> str:
    answer = export(kind, state, format, LIMITS)
    assert (answer["encoding"] == "base64") == (format == "qpy")
    return answer["data"]


def loaded(data: str) -> QuantumCircuit:
    (circuit,) = qpy.load(io.BytesIO(base64.b64decode(data)))
    assert isinstance(circuit, QuantumCircuit)
    return circuit


def opened(data: str, format: str) -> QuantumCircuit:
    return loaded(data) if format == "qpy" else read(data, LIMITS).circuit


# --- circuit sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_document_opens_as_the_circuit_it_is(format: str) -> None:
    circuit = opened(out("circuit", DOCUMENT.to_json(), format), format)
    assert [item.operation.name for item in circuit.data] == ["h", "measure", "if_else", "barrier"]
    (question, value) = circuit.data[2].operation.condition
    assert (list(question), int(value)) == (circuit.clbits, 1)
    assert [circuit.find_bit(bit).index for bit in circuit.data[2].qubits] == [2, 1]


@pytest.mark.parametrize("format", FORMATS)
def test_a_document_says_what_its_program_says(format: str) -> None:
    state = to_circuit(qft(4), LIMITS)["state"]
    circuit = opened(out("circuit", state, format), format)
    assert Operator(circuit).equiv(Operator(read(qft(4), LIMITS).circuit))


def test_conditions_on_any_bits_are_built() -> None:
    gates = {
        "a": Gate("a0", "x", (0,), condition=Condition((2,), 0)),
        "b": Gate("a1", "measure", (0,), (0,), condition=Condition((2, 0), 1)),
        "c": Gate("a2", "cx", (0, 1), condition=Condition((0, 1, 2), 6)),
    }
    document = Circuit(2, 3, gates)
    built = build(document.to_json())
    text = out("circuit", document.to_json(), "qasm3")
    again = Circuit.from_json(to_circuit(text, LIMITS)["state"])
    assert [gate.condition for _, gate in again.ordered()] == [g.condition for g in gates.values()]
    # QPY and the simulator take what was built, questions inside questions included.
    assert loaded(out("circuit", document.to_json(), "qpy")) == built
    assert prepare(built).circuit.num_qubits == 2
    inner = built.data[1].operation
    assert inner.condition == (built.clbits[2], True)
    assert inner.blocks[0].data[0].operation.condition == (built.clbits[0], False)


def test_free_parameters() -> None:
    gate = Gate("a0", "u3", (0,), params=("sin(theta)/2", "sqrt(phi) + ln(e)", "theta**2"))
    document = Circuit(1, 0, {"g": gate}).to_json()
    circuit = loaded(out("circuit", document, "qpy"))
    assert [parameter.name for parameter in circuit.parameters] == ["phi", "theta"]
    bound = circuit.assign_parameters([4.0, 0.0])
    assert bound.data[0].operation.params == pytest.approx([0.0, 3.0, 0.0])
    with pytest.raises(InvalidInput, match=r"OpenQASM 2: '\w+' has no value"):
        export("circuit", document, "qasm2", LIMITS)


def test_comments_of_a_document() -> None:
    assert "// superpose\nh q[0];" in out("circuit", DOCUMENT.to_json(), "qasm2")
    lost = ["comments are not kept: QPY has no place for them"]
    assert export("circuit", DOCUMENT.to_json(), "qpy", LIMITS)["notes"] == lost
    assert export("text", BELL + "// end", "qpy", LIMITS)["notes"] == lost
    assert export("text", BELL, "qpy", LIMITS)["notes"] == []


def test_the_empty_document() -> None:
    for format in FORMATS:
        assert opened(out("circuit", Circuit.empty().to_json(), format), format).num_qubits == 0


# --- text sessions -------------------------------------------------------------------------------


def test_its_own_format_comes_back_as_it_was_written() -> None:
    for text, format in (
        (BELL, "qasm2"), (BELL_3, "qasm3"), ("OPENQASM 3.0;\nqubit q // unfinished", "qasm3"),
        (QELIB + "qreg q[1];\nhh q[0]; // a typo\n", "qasm2"),
    ):  # fmt: skip
        assert out("text", text, format) == text


def test_the_other_format_keeps_names_comments_and_conditions() -> None:
    text = QELIB + "qreg alice[1];\ncreg m[2];\n// why\nif(m==1) rx(pi*0.3) alice[0];\n"
    assert out("text", text, "qasm3") == (
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] alice;\nbit[2] m;\n'
        "// why\nif (m == 1) {\n  rx(pi*0.3) alice[0];\n}\n"
    )
    # Not a name in OpenQASM 3.
    assert "qubit[1] q;\nh q[0];" in out("text", QELIB + "qreg end[1];\nh end[0];\n", "qasm3")


def test_teleportation_opens_in_openqasm_2() -> None:
    data = out("text", TELEPORT, "qasm2")
    circuit = qasm2.loads(data)
    assert circuit.count_ops()["if_else"] == 2


def test_control_flow_is_kept_where_it_can_be() -> None:
    loop = STDGATES + "qubit q;\nbit c;\n// again\nwhile (c) { h q; c = measure q; }\n"
    assert loaded(out("text", loop, "qpy")).data[0].operation.name == "while_loop"
    with pytest.raises(InvalidInput, match="OpenQASM 2 has no place for a while loop"):
        export("text", loop, "qasm2", LIMITS)


def test_what_a_document_cannot_hold_is_still_exported() -> None:
    """Qiskit's exporters take over: more wires than a session has, say."""
    wide = QELIB + "qreg q[2000];\n// first\nx q[0];\n"
    roomy = Limits(qubits=3_000)
    answer = export("text", wide, "qasm3", roomy)
    assert read(answer["data"], roomy).circuit.num_qubits == 2_000
    assert answer["notes"] == ["comments are not kept"]


def test_real_programs_open_elsewhere(data: Path) -> None:
    for name in ("adder_n10", "ipea_n2", "shor_n5", "teleportation_n3", "wstate_n3", "qec_sm_n5"):
        text = (data / f"circuits/qasmbench/{name}.qasm").read_text()
        circuit = read(text, LIMITS).circuit
        packed = loaded(out("text", text, "qpy"))
        assert packed.count_ops() == circuit.count_ops(), name
        assert (packed.qregs, packed.cregs) == (circuit.qregs, circuit.cregs), name
        translated = read(out("text", text, "qasm3"), LIMITS).circuit
        assert [(reg.name, reg.size) for reg in translated.qregs + translated.cregs] == [
            (reg.name, reg.size) for reg in circuit.qregs + circuit.cregs
        ], name


# --- what is refused -----------------------------------------------------------------------------


def test_refuses() -> None:
    with pytest.raises(InvalidInput, match="expected one of qasm2, qasm3, qpy, got 'json'"):
        export("text", BELL, "json", LIMITS)
    with pytest.raises(InvalidInput, match="expected the kind text or circuit, got 'image'"):
        export("image", BELL, "qasm2", LIMITS)
    with pytest.raises(InvalidInput, match="expected a circuit"):
        export("circuit", {"qubits": 1}, "qpy", LIMITS)
    for format in ("qasm3", "qpy"):
        with pytest.raises(BadCircuit, match="line 4"):
            export("text", QELIB + "qreg q[1];\nhh q[0];", format, LIMITS)
