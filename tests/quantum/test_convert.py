"""Programs to circuit documents and back: what is kept, what is told, what is refused."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from cluster.errors import InvalidInput
from quantum.convert import to_circuit
from quantum.document import Circuit, Condition, Gate
from quantum.export import build
from quantum.expression import spell
from quantum.gates import GATES
from quantum.limits import BadCircuit, Limits
from quantum.positions import positions
from quantum.read import read
from quantum.write import to_text
from tests.quantum.programs import QELIB, STDGATES, TELEPORT

LIMITS = Limits()
Q2 = QELIB + "qreg q[3];\ncreg c[3];\n"
Q3 = STDGATES + "qubit[3] q;\nbit[3] c;\n"


def convert(text: str) -> tuple[Circuit, list[str]]:
    result = to_circuit(text, LIMITS)
    return Circuit.from_json(result["state"]), result["notes"]


def gates(text: str) -> list[Gate]:
    """The gates of a program in order, positions aside."""
    return content(convert(text)[0])


def content(circuit: Circuit) -> list[Gate]:
    return [replace(gate, pos="") for _, gate in circuit.ordered()]


def same(left: Circuit, right: Circuit) -> bool:
    """Whether two documents are equal up to ids, positions, and how a multiple of pi is written."""
    one, other = ([spelled(gate) for gate in content(circuit)] for circuit in (left, right))
    return (left.qubits, left.clbits, one) == (right.qubits, right.clbits, other)


def spelled(gate: Gate) -> Gate:
    """The gate with numbers as a conversion writes them: 6.283… is ``2*pi`` afterwards."""
    params = (spell(param) if isinstance(param, float) else param for param in gate.params)
    return replace(gate, params=tuple(params))


def noted(text: str) -> list[tuple[str, str | None]]:
    return [(gate.name, gate.note) for gate in gates(text)]


def again(circuit: Circuit, version: Any) -> Circuit:
    return convert(to_text(circuit.to_json(), version)["text"])[0]


# --- real programs -------------------------------------------------------------------------------


def programs(data: Path) -> list[tuple[str, str]]:
    paths = sorted((data / "circuits").glob("*/*.qasm"))
    assert len(paths) > 60
    # Two of QASMBench's files measure registers that they never declare.
    return [(path.name, path.read_text()) for path in paths if "vqe_uccsd" not in path.name]


def test_real_programs_come_back_the_same(data: Path) -> None:
    for name, text in programs(data):
        circuit, _ = convert(text)
        if len(circuit) < 2_000:
            assert same(again(circuit, 2), circuit), name
        # Defined gates and conditions take the reference parser, 0.4 ms a statement.
        if len(circuit) < 150:
            assert same(again(circuit, 3), circuit), name


def test_real_programs_mean_the_same(data: Path) -> None:
    """Unitary for unitary, measurements left out; and gate for gate where none is expanded."""
    compared = 0
    for name, text in programs(data):
        if len(text) > 30_000:
            continue
        read_ = read(text, LIMITS).circuit
        built = build(to_circuit(text, LIMITS)["state"])
        assert built.num_clbits == read_.num_clbits
        if read_.num_qubits <= 6 and not {"if_else", "reset"} & set(read_.count_ops()):
            compared += 1
            assert Operator(unmeasured(built)).equiv(Operator(unmeasured(read_))), name
        assert built.count_ops().get("measure") == read_.count_ops().get("measure")
    assert compared > 20


def unmeasured(circuit: QuantumCircuit) -> QuantumCircuit:
    rest = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name not in ("measure", "barrier"):
            rest.append(item)
    return rest


def test_comments_of_real_programs_are_kept(data: Path) -> None:
    text = (data / "circuits/qasmbench/basis_test_n4.qasm").read_text()
    circuit, notes = convert(text)
    kept = "\n".join(gate.note or "" for gate in content(circuit)).split("\n")
    written = [line.removeprefix("// ") for line in text.split("\n") if line.startswith("//")]
    assert [line for line in kept if line] == written
    assert not notes


# --- any document comes back ---------------------------------------------------------------------

UNSPELLED = ["pi/2", "-pi/4", "2*sin(pi/8)", "-(pi - 1)/7", "0.1*pi", "ln(2)", "2**0.5"]
FREE = ["theta", "theta/2", "2*theta - phi", "x*0.5", "theta*cos(pi/7)", "λ"]
NOTES = st.one_of(
    st.none(),
    st.lists(st.sampled_from(["", "why", "  deep", "// twice", "*/ π; x q[0];", '"'])).map(
        lambda lines: "\n".join(lines) + ("" if lines and lines[-1] else "\n") if lines else None
    ),
)


@st.composite
def documents(draw: st.DrawFn, params: list[str], *, registers: bool) -> Circuit:
    """A circuit of six qubits with any gates, conditions and notes."""
    whole = [(0,), (1, 2), (3,)] if registers else [(0,), (2, 0), (0, 1, 2, 3), (3, 1, 2)]
    found = []
    for _ in range(draw(st.integers(0, 8))):
        kind = GATES[draw(st.sampled_from(sorted(GATES)))]
        width = kind.qubits or draw(st.integers(1, 6))
        wires = draw(st.permutations(range(6)))[:width]
        bits = draw(st.permutations(range(4)))[: kind.clbits]
        angle = st.one_of(
            st.floats(-10, 10), st.sampled_from(params), st.just(0.0), st.integers(-9, 9)
        )
        condition = None
        if draw(st.booleans()) and not (registers and kind.name == "barrier"):
            asked = draw(st.sampled_from(whole))
            condition = Condition(asked, draw(st.integers(0, 2 ** len(asked) - 1)))
        found.append(
            Gate(
                "",
                kind.name,
                tuple(wires),
                tuple(bits),
                tuple(draw(angle) for _ in range(kind.params)),
                condition,
                draw(NOTES),
            )
        )
    places = positions(len(found))
    circuit = Circuit(
        6, 4, {p: replace(gate, pos=p) for p, gate in zip(places, found, strict=True)}
    )
    assert Circuit.from_json(circuit.to_json()) == circuit
    return circuit


@given(documents([*UNSPELLED, "1/3"], registers=True))
@example(
    Circuit.from_json(
        {
            "qubits": 2,
            "clbits": 0,
            "gates": {
                "g": {
                    "pos": "a0",
                    "name": "cp",
                    "qubits": [0, 1],
                    "clbits": [],
                    "params": [6.283185307179586],
                    "condition": None,
                }
            },
        }
    )
)
@settings(max_examples=150, deadline=None)
def test_any_document_survives_openqasm_2(circuit: Circuit) -> None:
    assert same(again(circuit, 2), circuit)


@given(documents([*UNSPELLED, "tau/3", "e**2", *FREE], registers=False))
@settings(max_examples=100, deadline=None)
def test_any_document_survives_openqasm_3(circuit: Circuit) -> None:
    # A gate is called x there.
    renamed = {"x*0.5": "x_*0.5"}
    expected = Circuit(
        circuit.qubits,
        circuit.clbits,
        {
            gate_id: replace(
                gate,
                params=tuple(
                    renamed.get(str(p), p) if isinstance(p, str) else p for p in gate.params
                ),
            )
            for gate_id, gate in circuit.gates.items()
        },
    )
    assert same(again(circuit, 3), expected)


def test_the_empty_document() -> None:
    for version in (2, 3):
        assert again(Circuit.empty(), version) == Circuit.empty()
    assert again(Circuit(2, 0, {}), 2) == Circuit(2, 0, {})
    assert again(Circuit(0, 3, {}), 3) == Circuit(0, 3, {})


# --- comments ------------------------------------------------------------------------------------


def test_comments_belong_to_the_gate_they_stand_above_or_beside() -> None:
    text = (
        "// Bell\n"
        "OPENQASM 3.0; // the version\n"
        'include "stdgates.inc";\n'
        "qubit[2] q; // the data\n"
        "\n"
        "\n"
        "// superpose\n"
        "h q[0];\n"
        "cx q[0], q[1]; // entangle\n"
        "\n"
        "/* both\n"
        " * lines */\n"
        "x q[1]; y q[1]; // the second\n"
        "z /* inside */ q[0];\n"
        "s q[0];\n"
    )
    assert noted(text) == [
        ("h", "Bell\nthe version\nthe data\n\n\nsuperpose"),
        ("cx", "entangle"),
        ("x", "\nboth\nlines"),
        ("y", "the second"),
        ("z", "inside"),
        ("s", None),
    ]


def test_comments_in_openqasm_2() -> None:
    text = Q2 + '// "quoted // twice"\nh q; // all\n\nif(c==1) // when\n  x q[0];\nmeasure q->c;'
    assert noted(text) == [
        ("h", '"quoted // twice"\nall'), ("h", None), ("h", None),
        ("x", "\nwhen"),
        ("measure", None), ("measure", None), ("measure", None),
    ]  # fmt: skip


def test_comments_around_blocks() -> None:
    text = Q3 + (
        "// outside\nif (c[0] == 1) { // opening\n  // within\n  x q[0];\n  y q[0];\n} // closing\n"
        "// else\nfor int i in [0:1] {\n  // each round\n  h q[i];\n}\n"
    )
    assert noted(text) == [
        ("x", "outside\nopening\nwithin"),
        ("y", None),
        ("h", "closing\nelse\neach round"),
        ("h", None),
    ]
    branches = Q3 + "if (c[0] == 1) { x q[0]; }\n// otherwise\nelse {\n y q[0]; }\n"
    assert noted(branches) == [("x", None), ("y", "otherwise")]


def test_what_of_comments_is_not_kept_is_told() -> None:
    text = STDGATES + (
        "// above a definition\ngate g a { // one\n  // two\n  x a;\n}\n"
        "qubit q;\ng q;\n// the end\n"
    )
    circuit, notes = convert(text)
    assert [(gate.name, gate.note) for gate in content(circuit)] == [("x", "above a definition")]
    assert "comments inside definitions of gates are not kept (2 lines)" in notes
    assert "comments after the last gate are not kept (1 lines)" in notes
    assert "replaced by their definitions: g" in notes
    long, notes = convert(Q2 + f"// {'x' * 3_000}\nh q[0];")
    assert len(content(long)[0].note or "") == 2_000
    assert "comments longer than 2,000 characters are cut (1)" in notes


def test_marks_do_not_show() -> None:
    """Errors stand where they stand in the program, and an angle may be that of a mark."""
    with pytest.raises(BadCircuit) as refused:
        to_circuit(Q3 + "// why\nx q[0]; // because\nhh q[1];\n", LIMITS)
    assert [(d["line"], d["column"]) for d in refused.value.diagnostics] == [(7, 1)]
    text = Q2 + "// note\nU(8191.0078125,0,0) q[0];\n"
    assert noted(text) == [("u", "note")]
    assert noted(STDGATES + "qubit only; // wire\nx only;") == [("x", "wire")]


def test_every_line_of_comment_is_kept_or_told() -> None:
    """Comments between all tokens of a program: none is lost silently, none breaks it."""
    tokens = (
        STDGATES + "qubit[2] q; bit c; if (c == 1) { h q[0]; } else { x q[0]; } s q[1];"
    ).split(" ")
    for places in itertools.combinations(range(3, len(tokens) + 1), 2):
        parts = list(tokens)
        for shift, place in enumerate(places):
            parts.insert(place + shift, f"/* k{shift} */")
        circuit, notes = convert(" ".join(parts))
        kept = "\n".join(gate.note or "" for gate in content(circuit))
        found = sum(f"k{shift}" in kept for shift in range(2))
        told = sum(int(note.split("(")[1].split()[0]) for note in notes if "last gate" in note)
        assert found + told == 2, parts


# --- parameters ----------------------------------------------------------------------------------


def test_parameters_stay_as_they_are_written() -> None:
    text = (
        Q2 + "rx(pi*0.35) q[0];\nu3(pi / 2, 0.5, sin(pi/8)^2) q;\nrz(0.25) q[0];\nrz(-pi/2) q[0];"
    )
    params = [gate.params for gate in gates(text)]
    assert params[0] == ("pi*0.35",)
    assert params[1:4] == [("pi / 2", 0.5, "sin(pi/8)**2")] * 3
    assert params[4:] == [(0.25,), ("-pi/2",)]


def test_parameters_are_what_the_program_means() -> None:
    # A whole number divided by one is whole in OpenQASM 3: the words would mislead, the value not.
    assert gates(Q3 + "rx(1/2) q[0];")[0].params == (0.0,)
    assert gates(Q2 + "rx(1/2) q[0];")[0].params == ("1/2",)
    assert gates(Q3 + "const float a = 0.3; rx(2*a) q[0];")[0].params == (0.6,)
    assert gates(Q3 + "for int i in [1:2] { rx(i*pi/3) q[i]; }")[1].params == ("2*pi/3",)
    text = Q3 + "gate g(t) a { rx(t/2) a; } g(pi) q[0];"
    assert gates(text)[0].params == ("pi/2",)


def test_half_is_written_so_that_it_stays_half() -> None:
    circuit = Circuit(1, 0, {"g": Gate("a0", "rx", (0,), params=("1/2*pi",))})
    text = to_text(circuit.to_json(), 3)["text"]
    assert "rx(1.0/2.0*pi) q[0];" in text
    assert read(text, LIMITS).circuit.data[0].operation.params[0] == pytest.approx(math.pi / 2)


def test_constants_that_a_version_lacks_are_written_by_value() -> None:
    circuit = Circuit(1, 0, {"g": Gate("a0", "rx", (0,), params=("tau/e**2",))})
    text = to_text(circuit.to_json(), 2)["text"]
    assert "rx((2*pi)/exp(1)^2) q[0];" in text
    expected = pytest.approx(math.tau / math.e**2)
    assert read(text, LIMITS).circuit.data[0].operation.params[0] == expected
    text = to_text(circuit.to_json(), 3)["text"]
    assert "rx(tau/euler**2) q[0];" in text
    assert same(convert(text)[0], circuit)


def test_inputs_are_free_parameters() -> None:
    text = (
        Q3.replace("qubit", "input float theta;\ninput angle b;\nqubit") + "rx(theta / 2 + b) q[0];"
    )
    assert gates(text)[0].params == ("theta / 2 + b",)
    # Through a definition its words are Qiskit's.
    defined = text.replace("rx(theta / 2 + b)", "gate g(t) a { rx(2*t) a; }\ng(theta)")
    found = gates(defined)[0].params[0]
    assert isinstance(found, str)
    assert "theta" in found


def test_parameters_named_as_something_else_are_renamed() -> None:
    circuit = Circuit(1, 0, {"g": Gate("a0", "rx", (0,), params=("x + q*gate - x_",))})
    text = to_text(circuit.to_json(), 3)
    assert "rx(x__ + q_*gate_ - x_) q[0];" in text["text"]
    assert "the parameter q is called q_: q means something else here" in text["notes"]
    assert len(gates(text["text"])) == 1


# --- conditions and loops ------------------------------------------------------------------------


def test_conditions() -> None:
    found = gates(Q2 + "if(c==5) x q[0];\nif(c==0) measure q[0]->c[1];")
    assert [gate.condition for gate in found] == [
        Condition((0, 1, 2), 5),
        Condition((0, 1, 2), 0),
    ]
    text = Q3 + "if (c[1]) { x q[0]; y q[0]; } else { z q[0]; if (c == 6) { h q[0]; } }"
    assert [(gate.name, gate.condition) for gate in gates(text)] == [
        ("x", Condition((1,), 1)),
        ("y", Condition((1,), 1)),
        ("z", Condition((1,), 0)),
        # c == 6 asks for bit 1 too, which the else denies: that is never done.
    ]
    nested = Q3 + "if (c[2] == 0) { if (c == 3) { x q[0]; } }"
    assert gates(nested)[0].condition == Condition((2, 0, 1), 0b110)
    assert [gate.condition for gate in gates(TELEPORT)][6:8] != [None, None]
    assert gates(Q3 + "if (c == 9) { x q[0]; }") == []


def test_conditions_are_written_as_each_version_asks() -> None:
    some = Circuit(1, 4, {"g": Gate("a0", "x", (0,), condition=Condition((2, 0), 1))})
    text = to_text(some.to_json(), 3)["text"]
    assert "if (c[2] == 1) {\n  if (c[0] == 0) {\n    x q[0];\n  }\n}\n" in text
    with pytest.raises(InvalidInput, match=r"whole registers only.*bits 2, 0"):
        to_text(some.to_json(), 2)
    split = Circuit(1, 4, {"g": Gate("a0", "x", (0,), condition=Condition((1, 2), 1))})
    written = to_text(split.to_json(), 2)
    assert "creg c0[1];\ncreg c1[2];\ncreg c2[1];\nif(c1==1) x q[0];" in written["text"]
    assert written["notes"] == [
        "the bits are in 3 registers: OpenQASM 2 asks about whole ones only"
    ]
    overlap = Circuit(
        1,
        2,
        {
            "a": Gate("a0", "x", (0,), condition=Condition((0, 1), 1)),
            "b": Gate("a1", "x", (0,), condition=Condition((1,), 1)),
        },
    )
    with pytest.raises(InvalidInput, match="no division of the bits"):
        to_text(overlap.to_json(), 2)


def test_a_body_may_measure_into_what_it_asked_only_last() -> None:
    last = Q3 + "if (c[0] == 1) { x q[0]; c[0] = measure q[0]; }"
    assert [gate.condition for gate in gates(last)] == [Condition((0,), 1)] * 2
    for body in (
        "if (c[0] == 1) { c[0] = measure q[0]; x q[0]; }",
        "if (c[0] == 1) { c[0] = measure q[0]; } else { x q[0]; }",
        "if (c[1] == 1) { if (c[0] == 1) { c[1] = measure q[0]; } x q[1]; }",
    ):
        with pytest.raises(InvalidInput, match="measures into a bit it asks about"):
            to_circuit(Q3 + body, LIMITS)
    other = Q3 + "if (c[0] == 1) { c[1] = measure q[0]; x q[0]; }"
    assert len(gates(other)) == 2


def test_loops_and_boxes_are_unrolled() -> None:
    text = Q3 + "for int i in [0:2] { h q[0]; rz(i*0.5) q[0]; }\nbox { x q[1]; }"
    circuit, notes = convert(text)
    assert [(g.name, g.params) for g in content(circuit)] == [
        ("h", ()), ("rz", (0.0,)), ("h", ()), ("rz", (0.5,)), ("h", ()), ("rz", (1.0,)), ("x", ()),
    ]  # fmt: skip
    assert notes == ["boxes are opened (1)"]


# --- gates ---------------------------------------------------------------------------------------


def test_modified_gates() -> None:
    text = STDGATES + (
        "qubit[5] q;\nctrl @ x q[0], q[1];\nctrl(3) @ x q[0], q[1], q[2], q[3];\ninv @ s q[0];\n"
        "ctrl(4) @ x q[0], q[1], q[2], q[3], q[4];\nctrl(3) @ sx q[0], q[1], q[2], q[3];\n"
    )
    assert [gate.name for gate in gates(text)] == ["cx", "c3x", "sdg", "c4x", "c3sx"]
    open_ = Q3 + "negctrl @ x q[0], q[1];\npow(0.5) @ y q[2];\nctrl @ gphase(0.3) q[0];"
    circuit, notes = convert(open_)
    assert Operator(build(circuit.to_json())).equiv(Operator(read(open_, LIMITS).circuit))
    assert any("gates with modifiers" in note for note in notes)


def test_a_definition_that_means_the_tables_gate_is_that_gate() -> None:
    """And one that only shares its name is not."""
    own = "gate ecr a, b { cx a, b; }\n"
    assert [gate.name for gate in gates(STDGATES + own + "qubit[2] q;\necr q[0], q[1];")] == ["cx"]
    wrong = "gate ryy(t) a, b { ry(t) a; }\n"
    found = gates(STDGATES + wrong + "qubit[2] q;\nryy(0) q[0], q[1];\nryy(1) q[0], q[1];")
    assert [gate.name for gate in found] == ["ryy", "ry"]
    c3x = "gate c3x a, b, c, d { x d; }\n"
    assert [g.name for g in gates(STDGATES + c3x + "qubit[4] q;\nc3x q[0], q[1], q[2], q[3];")] == [
        "x"
    ]


def test_the_global_phase_is_told() -> None:
    assert (
        "the global phase is not kept; no measurement shows it"
        in convert(Q3 + "gphase(0.5);\nx q[0];")[1]
    )


def test_registers_become_one_and_are_told() -> None:
    circuit, notes = convert(QELIB + "qreg a[1];\nqreg b[2];\ncreg m[1];\nx b;\nmeasure a->m;")
    assert [gate.qubits for gate in content(circuit)] == [(1,), (2,), (0,)]
    assert notes == [
        "the quantum registers a[1], b[2] are one now, called q",
        "the classical registers m[1] are one now, called c",
    ]
    assert convert(Q2 + "x q[0];")[1] == []


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (Q3 + "while (c[0]) { x q[0]; c[0] = measure q[0]; }", "a while loop has no place"),
        (Q3 + "delay[100ns] q[0];", "a delay has no place"),
        (
            Q3 + "switch (int(c)) {\n // one\n case 1 { x q[0]; } }",
            "SwitchStatement is not supported",
        ),
        (Q3 + "for int i in [0:1] { x q[0]; break; }", "a break out of a loop"),
        (Q3 + "if (c == 3) { x q[0]; } else { y q[0]; }", "an else of a condition on several bits"),
        (QELIB + "opaque magic a;\nqreg q[1];\nmagic q[0];", "gate 'magic' has no definition"),
        (Q3 + "hh q[0];", "hh"),
        (Q2 + "// note\nx q[9];", "line 6"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        to_circuit(text, LIMITS)


def test_refuses_what_expands_to_too_much() -> None:
    few = Limits(operations=50)
    with pytest.raises(InvalidInput, match="50"):
        to_circuit(Q3 + "for int i in [0:60] { x q[0]; }", few)
    # Controls expand after reading has counted them.
    wide = STDGATES + "qubit[9] q;\nctrl(8) @ x " + ", ".join(f"q[{i}]" for i in range(9)) + ";"
    with pytest.raises(InvalidInput, match="more than 50 gates"):
        to_circuit(wide, few)
    with pytest.raises(InvalidInput, match="a circuit session has at most 1,000"):
        to_circuit(QELIB + "qreg q[1001];", Limits(qubits=2_000))


@pytest.mark.parametrize(
    ("gate", "version", "message"),
    [
        (Gate("a", "rx", (0,), params=("theta",)), 2, "'theta' has no value"),
        (Gate("a", "rx", (0,), params=("sin(theta)",)), 3, "would not read back"),
        (Gate("a", "rx", (0,), params=("theta**2",)), 3, "would not read back"),
        (Gate("a", "barrier", (0,), condition=Condition((0,), 1)), 2, "a barrier has no condition"),
    ],
)
def test_refuses_to_write(gate: Gate, version: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"gate 'g' .*OpenQASM {version}: .*{message}"):
        to_text(Circuit(1, 1, {"g": gate}).to_json(), version)
    with pytest.raises(InvalidInput, match="expected a circuit"):
        to_text({"qubits": 1}, version)


def test_positions() -> None:
    found = list(positions(5_000))
    assert found[:2] == ["a0", "a1"]
    assert found[61:63] == ["az", "b00"]
    assert found == sorted(set(found))
    assert len(list(positions(100_000))) == 100_000
