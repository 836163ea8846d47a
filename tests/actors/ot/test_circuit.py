"""Circuit operations: convergence by enumerating pairs, laws by Hypothesis, bounds by example."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ot.circuit import (
    MAX_GATES,
    MAX_PRIMITIVES,
    Change,
    Circuit,
    CircuitOp,
    Delete,
    Effect,
    Gate,
    Put,
)
from cluster.errors import InvalidInput
from quantum.document import Condition

BASE = Circuit.from_json(
    {
        "qubits": 3,
        "clbits": 1,
        "gates": {
            "a": {"pos": "a0", "name": "rx", "qubits": [0], "params": ["pi/2"]},
            "b": {"pos": "a1", "name": "rz", "qubits": [1], "params": [0.5]},
        },
    }
)


def gate(**parts: Any) -> dict[str, Any]:
    return {"pos": "a5", "name": "h", "qubits": [0], "clbits": [], "params": [], **parts}


def op(*primitives: dict[str, Any]) -> CircuitOp:
    return CircuitOp.from_json(list(primitives))


def put(gate_id: str, **parts: Any) -> dict[str, Any]:
    return {"put": {"id": gate_id, "gate": gate(**parts)}}


def set_(gate_id: str, key: str, value: Any) -> dict[str, Any]:
    return {"set": {"id": gate_id, "key": key, "value": value}}


def move(gate_id: str, pos: str) -> dict[str, Any]:
    return {"move": {"id": gate_id, "pos": pos}}


def applied(circuit: Circuit, *ops: CircuitOp) -> Circuit | None:
    """The result of ops in order, or None where one of them is refused."""
    try:
        for each in ops:
            circuit = each.apply(circuit)
    except InvalidInput:
        return None
    return circuit


# --- convergence ---------------------------------------------------------------------------------


def every_op(side: str) -> list[CircuitOp]:
    """Each combination of effects on two gates that are there and one that is not, and a size."""
    angle = {"1": 1.0, "2": 2.0}[side]
    present: list[Effect | None] = [
        None,
        Put(Gate(f"p{side}", "ry", (2,), params=(angle,))),
        Delete(),
        Change.of({"pos": f"m{side}"}),
        Change.of({"params": (angle,)}),
        Change.of({"params": (angle,), "pos": f"m{side}"}),
    ]
    absent: list[Effect | None] = [None, Put(Gate(f"p{side}", "x", (2,))), Delete()]
    sizes = [None, (4 + int(side), 1), (2, int(side) - 1)]
    return [
        CircuitOp({k: e for k, e in zip("abc", effects, strict=True) if e is not None}, size)
        for effects in itertools.product(present, present, absent)
        for size in sizes
    ]


def test_every_pair_of_ops_converges() -> None:
    """TP1 over a universe of three gates: a proof by enumeration, as effects are independent."""
    firsts = [(op, after) for op in every_op("1") if (after := applied(BASE, op))]
    seconds = [(op, after) for op in every_op("2") if (after := applied(BASE, op))]
    assert len(firsts) * len(seconds) > 60_000
    refused = 0
    for (a, after_a), (b, after_b) in itertools.product(firsts, seconds):
        left = applied(after_a, b.map(a))
        right = applied(after_b, a.map(b, before=True))
        assert left == right, (a, b)
        refused += left is None
    # Sizes against gates on the wires they take away: some pairs must be refused, in both orders.
    assert 0 < refused < len(firsts) * len(seconds) / 2


# One effect a primitive, small enough alphabets that ops meet; invalid ones are part of the game.
IDS = st.sampled_from("abcd")
GATES = st.one_of(
    st.builds(
        gate,
        pos=st.sampled_from(["a0", "a1", "a2"]),
        name=st.sampled_from(["x", "h"]),
        qubits=st.sampled_from([[0], [1], [2], [3]]),
    ),
    st.builds(
        gate,
        name=st.just("cx"),
        qubits=st.sampled_from([[0, 1], [1, 2], [3, 0]]),
        condition=st.sampled_from([None, {"clbits": [0], "value": 1}]),
    ),
    st.builds(
        gate,
        name=st.just("rx"),
        params=st.sampled_from([["pi/2"], [0.25], ["theta/2"]]),
        note=st.sampled_from([None, "why"]),
    ),
)
SETS = st.one_of(
    st.tuples(st.just("qubits"), st.sampled_from([[0], [2], [0, 1], [3]])),
    st.tuples(st.just("params"), st.sampled_from([[], ["pi"], [1]])),
    st.tuples(st.just("name"), st.sampled_from(["x", "rx", "cx"])),
    st.tuples(st.just("note"), st.sampled_from([None, "", "note"])),
    st.tuples(st.just("condition"), st.sampled_from([None, {"clbits": [0, 1], "value": 2}])),
    st.tuples(st.just("pos"), st.sampled_from(["a0", "Z~"])),
)
PRIMITIVES = st.one_of(
    st.builds(lambda i, g: {"put": {"id": i, "gate": g}}, IDS, GATES),
    st.builds(lambda i: {"del": i}, IDS),
    st.builds(move, IDS, st.sampled_from(["a0", "a1", "b9"])),
    st.builds(lambda i, kv: set_(i, *kv), IDS, SETS),
    st.builds(
        lambda q, c: {"resize": {"qubits": q, "clbits": c}}, st.integers(1, 5), st.integers(0, 3)
    ),
)


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    gates = draw(st.dictionaries(IDS, GATES, max_size=4))
    return Circuit.from_json({"qubits": 4, "clbits": 2, "gates": gates})


@st.composite
def ops(draw: st.DrawFn) -> CircuitOp:
    result = CircuitOp({})
    for primitive in draw(st.lists(PRIMITIVES, max_size=5)):
        # A change after a deletion in one op is refused; leave that one out.
        try:
            result = result.compose(op(primitive))
        except InvalidInput:
            continue
    return result


@given(circuits(), ops(), ops())
@settings(max_examples=500, deadline=None)
def test_random_ops_converge(circuit: Circuit, a: CircuitOp, b: CircuitOp) -> None:
    after_a, after_b = applied(circuit, a), applied(circuit, b)
    if after_a is None or after_b is None:
        return
    left = applied(after_a, b.map(a))
    assert left == applied(after_b, a.map(b, before=True))
    if left is not None:
        assert Circuit.from_json(json.loads(json.dumps(left.to_json()))) == left


@given(circuits(), ops(), ops())
@settings(max_examples=500, deadline=None)
def test_laws(circuit: Circuit, a: CircuitOp, b: CircuitOp) -> None:
    """JSON, inversion, composition and what is feasible, on one random case."""
    # What is feasible always applies, and is all of an op that does.
    feasible = a.feasible(circuit)
    kept = feasible.apply(circuit)
    assert Circuit.from_json(kept.to_json()) == kept
    after = applied(circuit, a)
    if after is None:
        return
    assert kept == after
    again = CircuitOp.from_json(json.loads(json.dumps(a.to_json())))
    assert again == a
    assert hash(again) == hash(a)
    assert a.invert(circuit).apply(after) == circuit
    both = applied(after, b)
    if both is not None:
        assert a.compose(b).apply(circuit) == both
        assert CircuitOp.between(circuit, both).apply(circuit) == both


# --- what the rules say --------------------------------------------------------------------------


def meeting(earlier: CircuitOp, later: CircuitOp) -> Circuit:
    """Both orders' common outcome."""
    left = later.map(earlier).apply(earlier.apply(BASE))
    assert earlier.map(later, before=True).apply(later.apply(BASE)) == left
    return left


def test_of_two_puts_the_later_stands() -> None:
    assert meeting(op(put("n", name="x")), op(put("n", name="y"))).gates["n"].name == "y"


def test_deletion_beats_change_in_either_order() -> None:
    delete, change = op({"del": "a"}), op(set_("a", "params", [1.0]), move("a", "Zz"))
    assert "a" not in meeting(delete, change).gates
    assert "a" not in meeting(change, delete).gates
    assert change.map(delete).empty


def test_a_later_put_beats_what_came_before() -> None:
    for earlier in (op({"del": "a"}), op(set_("a", "params", [1.0])), op(move("a", "Zz"))):
        found = meeting(earlier, op(put("a", name="y"))).gates["a"]
        assert (found.name, found.pos) == ("y", "a5")


def test_an_earlier_put_takes_a_later_change() -> None:
    found = meeting(
        op(put("a", name="ry", params=[0.1])),
        op(set_("a", "params", ["pi"])),
    ).gates["a"]
    assert (found.name, found.params) == ("ry", ("pi",))


def test_changes_of_different_properties_both_stand() -> None:
    found = meeting(op(set_("a", "params", [1.0])), op(move("a", "Zz"))).gates["a"]
    assert (found.params, found.pos) == ((1.0,), "Zz")
    twice = meeting(op(move("a", "Zx")), op(move("a", "Zy"))).gates["a"]
    assert twice.pos == "Zy"


def test_of_two_sizes_the_later_stands() -> None:
    grow = op({"resize": {"qubits": 4, "clbits": 2}}), op({"resize": {"qubits": 5, "clbits": 1}})
    found = meeting(*grow)
    assert (found.qubits, found.clbits) == (5, 1)


def test_primitives_of_one_op_come_to_one_effect() -> None:
    assert op(put("n"), set_("n", "name", "x"), move("n", "Zz")) == op(put("n", name="x", pos="Zz"))
    assert op(put("n"), {"del": "n"}) == op({"del": "n"})
    assert op(set_("a", "params", [1]), set_("a", "params", [2])) == op(set_("a", "params", [2]))
    assert op({"del": "a"}, put("a")) == op(put("a"))
    with pytest.raises(InvalidInput, match="primitive 1: a gate that is deleted"):
        op({"del": "a"}, move("a", "Zz"))
    # A gate and its arity may change together.
    both = op(set_("a", "name", "h"), set_("a", "params", []))
    assert both.apply(BASE).gates["a"].name == "h"


def test_order_is_by_position_then_id() -> None:
    found = op(put("z", pos="a0"), put("n", pos="Zz"), put("m", pos="a0V")).apply(BASE)
    assert [gate_id for gate_id, _ in found.ordered()] == ["n", "a", "z", "m", "b"]


def test_apply_shares_what_it_does_not_touch() -> None:
    after = op(move("a", "b0")).apply(BASE)
    assert after.gates["b"] is BASE.gates["b"]
    assert BASE.gates["a"].pos == "a0"


def test_touching() -> None:
    change = op(move("a", "b0"))
    assert change.touches("a")
    assert not change.touches("b")
    assert not change.empty
    assert op().empty


def test_an_inverse_yields_to_later_work() -> None:
    """Undo of a change, of a deletion and of a size, after somebody else went on."""
    mine = op(set_("a", "params", [1.0]), {"del": "b"}, {"resize": {"qubits": 6, "clbits": 1}})
    after = mine.apply(BASE)
    theirs = op(set_("a", "params", [2.0]), put("n", qubits=[5]))
    undo = mine.invert(BASE).map(theirs, before=True)
    now = theirs.apply(after)
    with pytest.raises(InvalidInput, match="acts on qubit 5"):
        undo.apply(now)
    end = undo.feasible(now).apply(now)
    assert end.gates["a"].params == (2.0,)
    assert end.gates["b"] == BASE.gates["b"]
    assert end.qubits == 6


def test_feasible_leaves_out_what_would_change_nothing() -> None:
    nothing = op({"del": "gone"}, set_("a", "params", ["pi/2"]), move("lost", "a0"))
    assert nothing.feasible(BASE).empty


def test_feasible_respects_the_number_of_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.ot.circuit.MAX_GATES", 3)
    monkeypatch.setattr("quantum.document.MAX_GATES", 3)
    many = op(put("n"), put("m"), move("a", "Zz"))
    with pytest.raises(InvalidInput, match="at most 3"):
        many.apply(BASE)
    assert len(many.feasible(BASE).apply(BASE)) == 3
    # A deletion makes room.
    assert len(op(put("n"), put("m"), {"del": "a"}).feasible(BASE).apply(BASE)) == 3


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primitive", "message"),
    [
        (put("n", name="frobnicate"), "unknown gate 'frobnicate'"),
        (put("n", name=["h"]), "unknown gate"),
        (put("n", name="cx"), "cx takes 2 qubits, not 1"),
        (put("n", params=[1]), "h takes 0 parameters, not 1"),
        (put("n", name="measure"), "measure takes 1 bit, not 0"),
        (put("n", clbits=[0]), "h takes 0 bits, not 1"),
        (put("n", name="barrier", qubits=[]), "at least 1 qubit"),
        (put("n", qubits=[3]), "acts on qubit 3; there are 3"),
        (put("n", name="measure", clbits=[1]), "uses bit 1; there are 1"),
        (put("n", condition={"clbits": [1], "value": 0}), "uses bit 1"),
        (put("n", name="cx", qubits=[1, 1]), "repeat one"),
        (put("n", qubits=[-1]), "from 0 to"),
        (put("n", qubits=[True]), "from 0 to"),
        (put("n", qubits=[0.0]), "from 0 to"),
        (put("n", qubits="0"), "list of numbers"),
        (put("n", name="rx", params=[float("nan")]), "finite number"),
        (put("n", name="rx", params=[float("inf")]), "finite number"),
        (put("n", name="rx", params=[None]), "finite number"),
        (put("n", name="rx", params=[True]), "finite number"),
        (put("n", name="rx", params=[2**60]), "finite number"),
        (put("n", name="rx", params=["pi/"]), "ends too early"),
        (put("n", name="rx", params=["1/0"]), "no finite real value"),
        (put("n", name="rx", params=["__import__('os')"]), "unexpected"),
        (put("n", name="rx", params=["1" * 201]), "at most 200"),
        (put("n", condition=1), "expected condition"),
        (put("n", condition={"clbits": [], "value": 0}), "at least one bit"),
        (put("n", condition={"clbits": [0], "value": 2}), "from 0 to 1"),
        (put("n", condition={"clbits": [0, 0], "value": 0}), "repeat one"),
        (put("n", pos=""), "expected pos"),
        (put("n", pos="a b"), "expected pos"),
        (put("n", pos="ä"), "expected pos"),
        (put("n", pos="a" * 257), "expected pos"),
        (put("n", note="x" * 2_001), "at most 2,000"),
        (put("n", note="a\rb"), "plain line ends"),
        (put("n", note="\ud800"), "plain line ends"),
        (put("n", color="red"), "expected the keys of a gate, got 'color'"),
        ({"put": {"id": "n", "gate": {"pos": "a", "name": "h"}}}, "lacks 'qubits'"),
        ({"put": {"id": "n", "gate": []}}, "expected a gate as an object"),
        (put("n!"), "expected an id"),
        (put("n" * 65), "expected an id"),
        ({"put": {"id": "n"}}, "expected one of put, del"),
        ({"put": {"id": "n", "gate": gate(), "at": 1}}, "expected one of put, del"),
        ({"del": "a", "move": {}}, "expected one of put, del"),
        ({"del": 1}, "expected an id"),
        ({"drop": "a"}, "expected one of put, del"),
        ("del", "expected one of put, del"),
        (set_("a", "id", "b"), "expected one of pos, name"),
        (set_("a", ["pos"], "b"), "expected one of pos, name"),
        (set_("a", "name", "h"), "h takes 0 parameters, not 1"),
        (set_("gone", "params", []), "does not exist"),
        (move("gone", "a0"), "does not exist"),
        (move("a", 1), "expected pos"),
        ({"resize": {"qubits": 1, "clbits": 1}}, "gate 'b': rz acts on qubit 1; there are 1"),
        ({"resize": {"qubits": 1_001, "clbits": 1}}, "from 0 to 1,000"),
        ({"resize": {"qubits": 3, "clbits": -1}}, "from 0 to 10,000"),
        ({"resize": {"qubits": 3}}, "expected resize"),
    ],
)  # fmt: skip
def test_refuses(primitive: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        op(primitive).apply(BASE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "expected a circuit"),
        ({"qubits": 1, "clbits": 0}, "expected a circuit"),
        ({"qubits": 1, "clbits": 0, "gates": {}, "depth": 1}, "expected a circuit"),
        ({"qubits": 1, "clbits": 0, "gates": []}, "by id"),
        ({"qubits": True, "clbits": 0, "gates": {}}, "qubits as an integer"),
        ({"qubits": 1, "clbits": 0, "gates": {"a": gate(qubits=[1])}}, "gate 'a': h acts on"),
        ({"qubits": 1, "clbits": 0, "gates": {"a b": gate()}}, "expected an id"),
        ({"qubits": 1, "clbits": 0, "gates": {1: gate()}}, "expected an id"),
    ],
)
def test_refuses_circuits(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Circuit.from_json(value)


def test_refuses_ops_that_are_no_list_or_too_long() -> None:
    with pytest.raises(InvalidInput, match="list of primitives, got dict"):
        CircuitOp.from_json({"del": "a"})
    long = [{"del": f"g{i}"} for i in range(MAX_PRIMITIVES + 1)]
    with pytest.raises(InvalidInput, match="at most 1,000 primitives, got 1,001"):
        CircuitOp.from_json(long, most=MAX_PRIMITIVES)
    # What the server made itself may be longer.
    assert len(CircuitOp.from_json(long).effects) == MAX_PRIMITIVES + 1


def test_the_number_of_gates_is_bounded() -> None:
    shared = gate()
    full = Circuit.from_json(
        {"qubits": 1, "clbits": 0, "gates": {f"g{i}": shared for i in range(MAX_GATES)}}
    )
    assert len(full) == MAX_GATES
    with pytest.raises(InvalidInput, match="at most 100,000 gates, got 100,001"):
        op(put("one-more")).apply(full)


def test_a_whole_gate_survives_json() -> None:
    parts = gate(
        name="rx", params=["theta / 2"], note="\nwhy", condition={"clbits": [2, 0], "value": 1}
    )
    found = Gate.from_json(parts)
    assert found.condition == Condition((2, 0), 1)
    assert found.to_json() == parts
    assert Gate.from_json(gate()).to_json() == gate(condition=None)
    circuit = Circuit(1, 3, {"g": found})
    assert Circuit.from_json(circuit.to_json()) == circuit
    assert hash(Circuit.from_json(circuit.to_json())) == hash(circuit)
