"""Reading programs: what is understood, and where errors are said to be."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from quantum.limits import BadCircuit, Limits
from quantum.read import read
from tests.quantum.programs import BELL, BELL_3, QELIB, STDGATES, TELEPORT, doubling_bomb, qft

LIMITS = Limits()
# Two files of QASMBench measure registers they never declare; every other one is a program.
BROKEN = {"vqe_uccsd_n4.qasm": 225, "vqe_uccsd_n6.qasm": 2286}


def circuit(text: str) -> QuantumCircuit:
    return read(text, LIMITS).circuit


def errors(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(BadCircuit) as refused:
        read(text, LIMITS)
    return [(each["line"], each["column"], each["message"]) for each in refused.value.diagnostics]


def test_real_programs_are_read(data: Path) -> None:
    files = sorted((data / "circuits").glob("*/*.qasm"))
    assert len(files) == 73
    for file in files:
        text = file.read_text()
        if file.name in BROKEN:
            assert errors(text)[0][0] == BROKEN[file.name]
            continue
        program = read(text, LIMITS)
        assert program.format == "qasm2"
        assert program.circuit.num_qubits > 0
        assert program.operations >= program.circuit.size()


def test_both_languages_say_the_same() -> None:
    assert circuit(BELL).count_ops() == circuit(BELL_3).count_ops()
    second = circuit(qft(4))
    third = circuit(qft(4).replace(QELIB, STDGATES).replace("qreg q[4]", "qubit[4] q")
                    .replace("cu1", "cp"))  # fmt: skip
    assert Operator(second).equiv(Operator(third))


def test_straight_lines_and_the_rest_agree() -> None:
    # The same statements, read by the native importer and by the reference parser.
    straight = "qubit[3] q; bit[3] c; h q; cx q[0], q[2]; rz(pi/4) q[1]; barrier q; c = measure q;"
    native = circuit(STDGATES + straight)
    other = circuit(STDGATES + "const int unused = 1;" + straight)
    assert native.count_ops() == other.count_ops()
    assert [item.operation.params for item in native] == [item.operation.params for item in other]


@pytest.mark.parametrize(
    ("body", "counts"),
    [
        ("bit c; c = measure q[0]; if (c == 1) x q[1];", {"measure": 1, "if_else": 1}),
        ("bit[2] c; if (c[1] == 0) { x q[1]; } else { h q[0]; }", {"if_else": 1}),
        ("bit[2] c; if (c == 2) { x q[1]; }", {"if_else": 1}),
        ("bit[2] c; if (!c[0]) { x q[1]; }", {"if_else": 1}),
        ("bit c; while (c == 0) { h q[0]; c = measure q[0]; }", {"while_loop": 1}),
        ("for int i in [0:3] { rx(i * 0.5) q[0]; }", {"for_loop": 1}),
        ("for int i in [0:2] { cx q[i], q[i+1]; }", {"cx": 3}),
        ("for int i in [3:-2:0] { x q[i]; }", {"x": 2}),
        ("for int i in {0, 3} { x q[i]; }", {"x": 2}),
        ("for int i in [0:2] { for int j in [i+1:3] { cp(pi/2**(j-i)) q[i], q[j]; } }", {"cp": 6}),
        ("const int n = 2; const float a = pi / n; rz(a) q[n];", {"rz": 1}),
        ("gate g(a) x, y { rx(a/2) x; cx x, y; } g(pi) q[0], q[1];", {"g": 1}),
        ("ctrl @ x q[0], q[1]; inv @ t q[0]; pow(2) @ s q[1];", {"cx": 1, "tdg": 1, "z": 1}),
        ("let a = q[1:2]; x a;", {"x": 2}),
        ("reset q; barrier q; delay[100ns] q[0];", {"reset": 4, "barrier": 1, "delay": 1}),
        ("gphase(pi/2); U(pi, 0, pi) q[0];", {"u": 1}),
    ],
)
def test_openqasm_3(body: str, counts: dict[str, int]) -> None:
    found = circuit(f"{STDGATES}qubit[4] q; {body}").count_ops()
    if "pow" in body:
        assert sum(found.values()) == 3
        return
    assert dict(found) == counts


def test_an_unrolled_loop_is_the_circuit_written_out() -> None:
    loop = circuit(STDGATES + "qubit[4] q; h q[0]; for int i in [0:2] { cx q[i], q[i+1]; }")
    plain = circuit(STDGATES + "qubit[4] q; h q[0]; cx q[0],q[1]; cx q[1],q[2]; cx q[2],q[3];")
    assert Operator(loop) == Operator(plain)


def test_a_name_inside_a_gate_is_not_the_constant_outside() -> None:
    text = STDGATES + "const float a = 1; gate g(a) q { rx(a) q; } qubit q; g(0.25) q;"
    (item,) = circuit(text).data
    assert item.operation.definition.data[0].operation.params == [0.25]


def test_inputs_are_parameters() -> None:
    found = circuit(STDGATES + "input float theta; qubit q; rx(2 * theta) q;")
    assert [parameter.name for parameter in found.parameters] == ["theta"]


def test_arguments_reach_parameters_in_the_order_they_are_written() -> None:
    gate = "gate g(theta, phi, alpha) a { rx(theta) a; ry(phi) a; rz(alpha) a; }\n"
    defined = circuit(STDGATES + gate + "qubit q;\ng(1, 2, 3) q;")
    plain = circuit(STDGATES + "qubit q;\nrx(1) q;\nry(2) q;\nrz(3) q;")
    assert Operator(defined) == Operator(plain)


def test_powers_and_functions_of_constants_are_computed() -> None:
    for text, value in (
        ("2**3", 8), ("-pi**2", -(math.pi**2)), ("2**0.5", math.sqrt(2)),
        ("sin(pi/8) + cos(0)", math.sin(math.pi / 8) + 1), ("sqrt(exp(log(2)))", math.sqrt(2)),
    ):  # fmt: skip
        found = circuit(f"{STDGATES}qubit q;\nrx({text}) q;").data[0].operation.params[0]
        assert found == pytest.approx(value, rel=1e-15), text
    for text in ("sqrt(-1)", "log(0)", "exp(1000)", "10.0**1000", "(-1)**0.5"):
        assert "cannot be evaluated" in errors(f"{STDGATES}qubit q;\nrx({text}) q;")[0][2]


def test_teleportation_is_read() -> None:
    assert circuit(TELEPORT).count_ops()["if_else"] == 2


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        (QELIB + "qreg q[2];\nh q[0]\ncx q[0],q[1];", 5, 1, "';'"),
        (QELIB + "qreg q[2];\nhh q[0];", 4, 1, "'hh'"),
        (QELIB + "qreg q[2];\nh q[5];", 4, 5, "out-of-range"),
        (QELIB + "qreg q[2];\nrx(1/0) q[0];", 4, 5, "zero"),
        ("OPENQASM 2.0;\nqreg q[1];\nh q[0];", 3, 1, "qelib1.inc"),
        (STDGATES + "qubit[2] q\nh q[0];", 4, 1, "';'"),
        (STDGATES + "qubit[2] q;\nhh q[0];", 4, 1, "'hh'"),
        (STDGATES + "qubit[2] q;\n  x q[7];", 4, 3, "out of range"),
        (STDGATES + "qubit[2] q;\nrx q[0];", 4, 1, "takes 1 parameter"),
        (STDGATES + "qubit[2] q;\ncx q[0], q[0];", 4, 1, "duplicate"),
        (STDGATES + "qubit q;\nx r;", 4, 3, "'r'"),
        (STDGATES + "qubit[0] q;\nconst int n = 1;", 3, 1, "at least 1"),
        (STDGATES + "qubit q;\nconst int n = 1/0;", 4, 15, "evaluated"),
        (STDGATES + "int[8] i = 3;", 3, 1, "int"),
        (STDGATES + "def f(qubit a) { }", 3, 1, "Subroutine"),
    ],
)
def test_errors_have_their_place(text: str, line: int, column: int, word: str) -> None:
    first = errors(text)[0]
    assert first[:2] == (line, column)
    assert word in first[2]


def test_several_errors_are_told_at_once() -> None:
    found = errors(STDGATES + "qubit[2] q;\nhh q[0];\nx q[0];\nx q[7];\nrx q[0];")
    assert [line for line, _, _ in found] == [4, 6, 7]
    syntax = errors(STDGATES + "qubit[2] q;\nh q[0\nx q[1];\ncx q[0] q[1];")
    assert {line for line, _, _ in syntax} >= {5, 6}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STDGATES + "const int n = 2000000000; qubit[n] q;", ["2,000,000,000", "1,000"]),
        (STDGATES + "const int n = 2 ** 40; qubit[n] q;", ["1,099,511,627,776"]),
        (STDGATES + "const int n = 2 ** 4000000; qubit[n] q;", ["exponent"]),
        (STDGATES + "qubit q; for int i in [0:1000000000] { }", ["1,000,000,001", "100,000"]),
        (
            STDGATES + "qubit q; for int i in [0:999] { for int j in [0:999] { x q; } }",
            ["1,000,000", "100,000"],
        ),
        (
            STDGATES + "gate g q { x q; x q; } qubit q; for int i in [1:60000] { g q; }",
            ["120,000"],
        ),
        (doubling_bomb(40, parameter=True), ["1,099,511,627,776"]),
        (STDGATES + "qubit[2] q; ctrl(90) @ x q[0], q[1];", ["90", "64"]),
        (STDGATES + "qubit q; rx(" + "1+" * 5_000 + "1) q; delay[1ns] q;", ["deep"]),
    ],
)
def test_bombs_of_openqasm_3_are_refused_before_they_go_off(text: str, words: list[str]) -> None:
    start = time.process_time()
    message = errors(text)[0][2]
    assert time.process_time() - start < 5.0
    for word in words:
        assert word in message


def test_parsers_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    errors(STDGATES + "qubit[2] q;\nh q[0\n")
    errors(QELIB + "qreg q[1]; x q[9999999999999999];")
    errors(STDGATES + 'qubit["a"] q;')
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


_WORDS = """OPENQASM 3.0 ; include "stdgates.inc" qubit [ 2 ] q bit c = measure x h cx ( ) pi / { }
if == 1 for int i in : while gate g ctrl @ const let reset barrier , -> U gphase input float"""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_WORDS.split()), max_size=40), st.booleans())
def test_soup_of_words_gets_an_answer(words: list[str], third: bool) -> None:
    text = (STDGATES if third else QELIB) + " ".join(words)
    diagnostics = []
    try:
        read(text, LIMITS)
    except BadCircuit as error:
        diagnostics = error.diagnostics
    assert all(1 <= each["line"] <= text.count("\n") + 1 for each in diagnostics)


def test_single_bits_keep_their_names_and_places() -> None:
    text = STDGATES + "bit first; qubit a; bit[2] m; qubit[2] q; bit last; first = measure a;"
    for found in (circuit(text), circuit(text + " if (last == 1) { x q[0]; }")):
        assert [register.name for register in found.qregs] == ["a", "q"]
        assert [register.name for register in found.cregs] == ["first", "m", "last"]
        assert found.num_clbits == 4
