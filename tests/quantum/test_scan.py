"""The first look: exact counts, and refusals in milliseconds."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantum.limits import BadCircuit, Limits
from quantum.read import read
from quantum.scan import scan
from tests.quantum.programs import BELL, BELL_3, QELIB, STDGATES, doubling_bomb

LIMITS = Limits()


def refusal(text: str, limits: Limits = LIMITS) -> str:
    """Return why ``text`` is refused, which must not take long."""
    start = time.process_time()
    with pytest.raises(BadCircuit) as refused:
        scan(text, limits)
    assert time.process_time() - start < 3.0
    return refused.value.diagnostics[0]["message"]


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        (BELL, "qasm2"),
        (BELL_3, "qasm3"),
        ("// a comment\n\nOPENQASM  2.0 ; qreg q[1];", "qasm2"),
        ("/* a\ncomment */ OPENQASM 3; qubit q;", "qasm3"),
        ("OPENQASM 3.1; qubit q;", "qasm3"),
        ("qreg q[1];", "qasm2"),
        ("qubit q;", "qasm3"),
        ('include "stdgates.inc";', "qasm3"),
    ],
)
def test_the_format_is_what_the_version_or_the_words_say(text: str, format_: str) -> None:
    assert scan(text, LIMITS).format == format_


def test_an_unknown_version_is_refused_where_it_stands() -> None:
    with pytest.raises(BadCircuit) as refused:
        scan("// first\nOPENQASM 4.0;\n", LIMITS)
    assert refused.value.diagnostics[0]["line"] == 2
    assert refused.value.diagnostics[0]["column"] == 10
    assert "4" in refused.value.message


@pytest.mark.parametrize(
    ("body", "operations"),
    [
        ("qreg q[3]; x q;", 3),
        ("qreg q[3]; x q[0]; cx q[0],q[1];", 2),
        ("qreg q[3]; qreg r[3]; cx q,r;", 3),
        ("qreg q[3]; creg c[3]; measure q -> c;", 3),
        ("qreg q[3]; barrier q;", 0),
        ("qreg q[1]; creg c[1]; if (c==1) x q[0];", 1),
        ("gate a q { x q; h q; } gate b q { a q; a q; y q; } qreg q[2]; b q;", 10),
        ("gate a q { } qreg q[2]; a q;", 0),
        ("qreg q[2]; rx(sin(pi/2)) q;", 2),
    ],
)
def test_operations_are_counted_without_expanding_them(body: str, operations: int) -> None:
    assert scan(QELIB + body, LIMITS).operations == operations


@given(
    st.lists(st.sampled_from(["x q;", "h q[0];", "cx q[0],q[1];", "a q[1];", "b q;"]), max_size=30)
)
def test_the_count_is_that_of_the_expanded_circuit(statements: list[str]) -> None:
    text = f"{QELIB}gate a q {{ x q; h q; }} gate b q {{ a q; a q; }} qreg q[3];" + "".join(
        statements
    )
    circuit = read(text, LIMITS).circuit
    expanded = circuit.decompose(["a", "b"], reps=2)
    assert scan(text, LIMITS).operations == expanded.size()


@pytest.mark.parametrize("levels", [17, 40, 60])
def test_a_doubling_bomb_is_refused_with_its_size(levels: int) -> None:
    message = refusal(doubling_bomb(levels))
    assert f"{2**levels:,}" in message
    assert "100,000" in message
    assert "g" + str(levels) in message


def test_a_long_chain_of_definitions_is_refused() -> None:
    chain = "gate g0 q { x q; }" + "".join(f"gate g{i} q {{ g{i - 1} q; }}" for i in range(1, 5000))
    assert "deep" in refusal(f"{QELIB}{chain} qreg q[1]; g4999 q[0];")


def test_a_million_gates_are_refused() -> None:
    assert "1,048,576" in refusal(QELIB + "qreg q[1];" + "x q[0];" * 1_000_000)
    generous = Limits(bytes=10_000_000)
    message = refusal(QELIB + "qreg q[1];" + "x q[0];" * 1_000_000, generous)
    assert "100,001" in message


def test_broadcasting_counts() -> None:
    assert "101,000" in refusal(QELIB + "qreg q[1000];" + "x q;" * 101)
    # An alias may be all qubits.
    text = STDGATES + "qubit[1000] q; let a = q[0:999];" + "x a;" * 101
    assert "101,000" in refusal(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OPENQASM 3.0; qubit[2000000000] q;", ["2,000,000,000", "1,000"]),
        ("OPENQASM 2.0; qreg q[2000000000];", ["2,000,000,000", "1,000"]),
        ("OPENQASM 3.0; qubit[600] a; qubit[600] b;", ["1,200", "1,000"]),
        ("OPENQASM 3.0; bit[10001] c;", ["10,001", "10,000"]),
        ("OPENQASM 3.0; qubit[" + "9" * 100_000 + "] q;", ["64 bits"]),
        (QELIB + "rx(" + "(" * 200_000 + "1", ["64", "deep"]),
        (QELIB + "rx(" + "-" * 200_000 + "1", ["operators"]),
        ("OPENQASM 3.0; " + "if (c) {" * 1_000, ["deep"]),
        ('OPENQASM 2.0; include "/etc/passwd";', ["/etc/passwd", "qelib1.inc"]),
        ("OPENQASM 2.0; include '../secret';", ["../secret"]),
        ("OPENQASM 2.0; include secret;", ["include"]),
        ('OPENQASM 3.0; include\n\n"other.inc";', ["other.inc"]),
        ("OPENQASM 3.0; qubit q; /* open", ["never closed"]),
        ("OPENQASM 3.0; " + "/*" * 100_000, ["never closed"]),
        (QELIB + ";" * 200_100, ["statements"]),
        ("", ["empty"]),
        ("// nothing\n", ["empty"]),
        ("qubit q; // \x00", ["NUL"]),
        ("qubit q; // \ud800", ["surrogate"]),
    ],
)
def test_refusals_say_what_was_found_and_what_is_allowed(text: str, words: list[str]) -> None:
    message = refusal(text)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "text",
    [
        '"' * 300_000,
        " " * 1_000_000 + "x",
        "x q," * 200_000 + ";",
        "a" * 1_000_000,
        "in " * 200_000 + "{" * 10,
        "OPENQASM 3.0;" + "pow(2) @ " * 60_000 + "x q;",
        "OPENQASM 3.0; x[" * 60 + "{," * 100_000,
        "OPENQASM" + " " * 900_000,
        "OPENQASM 3.0; bit[" + " " * 900_000 + ";",
        "OPENQASM 3.0;" + "= measure " * 90_000 + ";",
    ],
)
def test_no_text_is_looked_at_for_long(text: str) -> None:
    start = time.process_time()
    with suppress(BadCircuit):
        scan(text, LIMITS)
    assert time.process_time() - start < 3.0


def test_comments_hide_nothing_from_the_parsers() -> None:
    assert "include" not in scan('OPENQASM 3.0; qubit q; // include "x"\n', LIMITS).source
    # In OpenQASM 2 a block comment is none.
    assert "cannot include" in refusal('OPENQASM 2.0; /* include "x"; */')


@given(st.text(max_size=400))
def test_any_text_gets_an_answer(text: str) -> None:
    try:
        found = scan(text, LIMITS)
    except BadCircuit as error:
        place = error.diagnostics[0]
        assert place["line"] >= 1
        assert place["column"] >= 1
    else:
        assert len(found.source) == len(text)
        assert found.source.count("\n") == text.count("\n")
