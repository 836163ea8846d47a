"""The drawing: every operation once, in order, without overlaps."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from quantum.drawing import Drawing, Operation, draw
from quantum.limits import BadCircuit, Limits
from quantum.read import read
from tests.quantum.programs import QELIB, STDGATES, TELEPORT


def drawn(text: str, **options: int) -> Drawing:
    return draw(read(text, Limits()).circuit, **options)


def span(operation: Operation, qubits: int) -> tuple[int, int]:
    wires = [*operation["qubits"], *(qubits + bit for bit in operation["clbits"])]
    return min(wires), max(wires)


def assert_laid_out(drawing: Drawing) -> None:
    """No two operations of a column overlap, and none could stand further left."""
    qubits = len(drawing["qubits"])
    previous: list[tuple[int, int]] = []
    for index, column in enumerate(drawing["columns"]):
        spans = sorted(span(operation, qubits) for operation in column)
        assert spans
        for (_, bottom), (top, _) in pairwise(spans):
            assert bottom < top
        if index:
            for top, bottom in spans:
                assert any((top <= low and high <= bottom) or not (low > bottom or high < top)
                           for high, low in ((b, a) for a, b in previous))  # fmt: skip
        previous = spans
    json.dumps(drawing)


def test_real_programs_are_drawn(data: Path) -> None:
    for file in sorted((data / "circuits").glob("*/*.qasm")):
        try:
            circuit = read(file.read_text(), Limits()).circuit
        except BadCircuit:
            continue
        drawing = draw(circuit)
        assert_laid_out(drawing)
        assert sum(len(column) for column in drawing["columns"]) == len(circuit.data)
        assert not drawing["truncated"]


def test_a_bell_pair() -> None:
    text = STDGATES + "qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"
    drawing = drawn(text)
    assert drawing["qubits"] == ["q[0]", "q[1]"]
    assert drawing["clbits"] == ["c[0]", "c[1]"]
    names = [[operation["name"] for operation in column] for column in drawing["columns"]]
    # A measurement's line crosses the wires below it, down to its bit.
    assert names == [["h"], ["cx"], ["measure"], ["measure"]]
    cx = drawing["columns"][1][0]
    assert cx == {
        "name": "cx", "label": "X", "qubits": [0, 1], "clbits": [], "params": [], "controls": 1,
        "condition": None, "kind": "gate",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "label", "params", "controls"),
    [
        ("rx(pi/2) q[0];", "RX", ["pi/2"], 0),
        ("rz(-3*pi/8) q[0];", "RZ", ["-3*pi/8"], 0),
        ("p(pi) q[0];", "P", ["pi"], 0),
        ("rx(0.3) q[0];", "RX", ["0.3"], 0),
        ("rx(1/3.0) q[0];", "RX", ["0.333333"], 0),
        ("rx(0) q[0];", "RX", ["0"], 0),
        ("rx(theta) q[0];", "RX", ["theta"], 0),
        ("sdg q[0];", "S†", [], 0),
        ("ccx q[2], q[0], q[1];", "X", [], 2),
        ("crz(pi/4) q[0], q[1];", "RZ", ["pi/4"], 1),
        ("swap q[0], q[1];", "SWAP", [], 0),
        ("twist(pi) q[0], q[1];", "twist", ["pi"], 0),
    ],
)
def test_labels(statement: str, label: str, params: list[str], controls: int) -> None:
    gate = "input float theta; gate twist(a) x, y { rx(a) x; cx x, y; }"
    operation = drawn(f"{STDGATES}{gate}qubit[3] q; {statement}")["columns"][0][0]
    assert operation["label"] == label
    assert operation["params"] == params
    assert operation["controls"] == controls


def test_control_flow_is_one_box_with_its_condition() -> None:
    flows = [
        operation
        for column in drawn(TELEPORT)["columns"]
        for operation in column
        if operation["kind"] == "control_flow"
    ]
    assert [flow["condition"] for flow in flows] == ["m[1]==1", "m[0]==1"]
    assert [flow["qubits"] for flow in flows] == [[2], [2]]
    old = drawn(QELIB + "qreg q[1]; creg c[2]; if (c==3) x q[0];")["columns"][0][0]
    assert old["condition"] == "c==3"
    assert old["clbits"] == [0, 1]


def test_kinds() -> None:
    text = STDGATES + "qubit q; bit c; reset q; barrier q; c = measure q;"
    kinds = [column[0]["kind"] for column in drawn(text)["columns"]]
    assert kinds == ["reset", "barrier", "measure"]


def test_much_is_cut_and_says_so() -> None:
    drawing = drawn(QELIB + "qreg q[1];" + "x q[0];" * 50, max_operations=10)
    assert drawing["truncated"]
    assert len(drawing["columns"]) == 10
