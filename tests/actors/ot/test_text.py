"""Text operations: laws by Hypothesis, and CodeMirror itself as the oracle."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ot.text import ChangeSet, from_units, to_units
from cluster.errors import InvalidInput

CLIENT = Path(__file__).parents[3] / "client"
ORACLE = Path(__file__).parent / "oracle.mjs"
ALPHABET = "ab\nπ😀"


def random_text(rng: random.Random, size: int) -> str:
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(size + 1)))


def random_change(rng: random.Random, text: str) -> list[object]:
    """A change to ``text`` in JSON form, with edges between characters only."""
    result: list[object] = []
    rest = text
    while rest:
        size = rng.randrange(1, len(rest) + 1)
        units = len(to_units(rest[:size]))
        kind = rng.random()
        if kind < 0.5:
            result.append(units)
        elif kind < 0.75:
            result.append([units])
        else:
            result.append([units, *random_text(rng, 3).split("\n")])
        rest = rest[size:]
        if rng.random() < 0.3:
            result.append([0, *random_text(rng, 3).split("\n")])
    if not result or rng.random() < 0.3:
        result.append([0, *random_text(rng, 3).split("\n")])
    return result


def case(seed: int) -> dict[str, object]:
    rng = random.Random(seed)
    doc = random_text(rng, 12)
    a = random_change(rng, doc)
    after = from_units(ChangeSet.from_json(a).apply(to_units(doc)))
    return {
        "doc": doc,
        "a": a,
        "b": random_change(rng, doc),
        "c": random_change(rng, after),
        "pos": rng.randrange(len(to_units(doc)) + 1),
        "assoc": rng.choice([-1, 1]),
    }


def answers(case: dict[str, object]) -> dict[str, object]:
    a, b, c = (ChangeSet.from_json(case[name]) for name in "abc")
    units = to_units(str(case["doc"]))
    return {
        "apply": from_units(a.apply(units)),
        "map": a.map(b).to_json(),
        "before": a.map(b, before=True).to_json(),
        "compose": a.compose(c).to_json(),
        "invert": a.invert(units).to_json(),
        "pos": a.map_pos(case["pos"], case["assoc"]),  # type: ignore[arg-type]
    }


@pytest.mark.timeout(240)
def test_equals_codemirror() -> None:
    """Bit for bit, on random cases with astral text, overlapping replaces and empty documents."""
    node = shutil.which("node") or shutil.which("node", path=str(CLIENT.parent / ".venv/bin"))
    if node is None or not (CLIENT / "node_modules/@codemirror/state").exists():
        pytest.skip("needs node and client/node_modules (make builds both)")
    cases = [case(seed) for seed in range(100_000)]
    run = subprocess.run(
        [node, str(ORACLE), str(CLIENT)],
        input="\n".join(json.dumps(c) for c in cases),
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    expected = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(expected) == len(cases)
    for given_, want in zip(cases, expected, strict=True):
        assert answers(given_) == want, given_


@given(st.integers(min_value=0, max_value=2**63))
@settings(max_examples=500, deadline=None)
def test_laws(seed: int) -> None:
    """TP1, inversion, composition and JSON, on one random case."""
    c = case(seed)
    units = to_units(str(c["doc"]))
    a, b, after = (ChangeSet.from_json(c[name]) for name in "abc")
    left = b.map(a, before=False).apply(a.apply(units))
    right = a.map(b, before=True).apply(b.apply(units))
    assert left == right
    assert a.invert(units).apply(a.apply(units)) == units
    assert a.compose(after).apply(units) == after.apply(a.apply(units))
    assert ChangeSet.from_json(a.to_json()).apply(units) == a.apply(units)


def test_mapping_over_a_composition_differs() -> None:
    """Why the server maps op by op: the two ways place a concurrent insertion differently."""
    delete = ChangeSet.from_json([[1]])
    insert = ChangeSet.from_json([[0, "x"]])
    mine = ChangeSet.from_json([[0, "y"], 1])
    assert mine.map(delete).map(insert).to_json() == [1, [0, "y"]]
    assert mine.map(delete.compose(insert)).to_json() == [[0, "y"], 1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "list of sections"),
        ([1.5], "expected n"),
        ([True], "expected n"),
        ([-1], "at least 0"),
        ([[]], "expected n"),
        ([[0, 5]], "lines of text"),
        ([[0, "a\nb"]], "line breaks"),
        ([[0, "a\0b"]], "NUL"),
        ([[0, "\ud800"]], "surrogate"),
    ],
)
def test_refuses(value: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ChangeSet.from_json(value)


def test_may_be_bounded() -> None:
    assert ChangeSet.from_json([1] * 5, most=5).length == 5
    with pytest.raises(InvalidInput, match="at most 5 sections, got 6"):
        ChangeSet.from_json([1] * 6, most=5)


def test_keeping_nothing_says_nothing() -> None:
    change = ChangeSet.from_json([0, 2, [0, "x"], 0])
    assert change.to_json() == [2, [0, "x"]]
    assert change.map(ChangeSet.from_json([[1], 1])).to_json() == [1, [0, "x"]]


def test_refuses_an_edge_inside_a_surrogate_pair() -> None:
    units = to_units("a😀b")
    ChangeSet.from_json([1, [2, "x"], 1]).check_boundaries(units)
    with pytest.raises(InvalidInput, match="position 2"):
        ChangeSet.from_json([2, [0, "x"], 2]).check_boundaries(units)


def test_refuses_a_document_of_another_length() -> None:
    with pytest.raises(InvalidInput, match="3 units, got one for 2"):
        ChangeSet.from_json([2]).apply("abc")
