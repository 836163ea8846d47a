"""Arithmetic of parameters: what it means, what it refuses, how other languages say it."""

from __future__ import annotations

import ast
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.errors import InvalidInput
from quantum.expression import CONSTANTS, FUNCTIONS, parse, plain, spell, translate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pi/2", math.pi / 2),
        (" 3 * pi / 4 ", 3 * math.pi / 4),
        ("1/2", 0.5),
        ("-pi**2", -(math.pi**2)),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("+-+2", -2.0),
        ("1 - 2 - 3", -4.0),
        ("8/4/2", 1.0),
        ("tau - 2*pi", 0.0),
        ("ln(e)", 1.0),
        ("sqrt(sin(pi/2)**2 + cos(0)) * exp(0) + tan(0)", math.sqrt(2)),
        (".5e1", 5.0),
        ("π", math.pi),
    ],
)
def test_values(text: str, value: float) -> None:
    assert parse(text).value == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "pi/", "(pi", "pi)", "2 3", "a b", "2pi", "1_0", "0x10", "1e", "1j", "pi.real",
        "sin", "sin pi", "sin()", "max(1)", "__import__('os')", "a[0]", "a,b", "a=1", "pi;pi",
        "1/0", "0/0", "ln(0)", "ln(-1)", "sqrt(-1)", "(-1)**0.5", "9**9**9**9", "1e400",
        "exp(1000)", "pi^2", "a\n", "x²", "٣", "'a'", "1" * 201,
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_free_parameters() -> None:
    found = parse("2*theta + λ/lambda - pi")
    assert found.free == {"theta", "λ", "lambda"}
    assert found.value is None
    assert found.evaluate({"theta": 1.0, "λ": 4.0, "lambda": 2.0}) == 4.0 - math.pi


def test_depth_is_bounded_by_length() -> None:
    assert parse("(" * 99 + "1" + ")" * 99).value == 1
    assert parse("-" * 199 + "1").value == -1


TREES = st.recursive(
    st.one_of(
        st.integers(0, 99).map(str),
        st.floats(0.01, 10, allow_nan=False).map(repr),
        st.sampled_from(["pi", "tau", "e", "theta"]),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", " * ", "/", "**"]), inner).map("".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(
            lambda pair: f"{pair[0]}({pair[1]})"
        ),
    ),
    max_leaves=6,
)


@given(TREES)
@settings(max_examples=500, deadline=None)
def test_means_what_python_means(text: str) -> None:
    """Python's own grammar is the oracle; its evaluator sees only what was made here."""
    names = {**CONSTANTS, **FUNCTIONS, "theta": 0.37}
    # As floats, like ours: whole numbers of Python are exact and may take forever to raise.
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = float(node.value)
    try:
        expected = eval(compile(tree, "", "eval"), {"__builtins__": {}}, names)
    except (ArithmeticError, ValueError, TypeError):
        expected = None
    if isinstance(expected, complex) or (expected is not None and not math.isfinite(expected)):
        expected = None
    try:
        found = parse(text).evaluate({"theta": 0.37})
    except (InvalidInput, ArithmeticError, ValueError, TypeError):
        found = None
    if isinstance(found, complex) or (found is not None and not math.isfinite(found)):
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.pi, "pi"),
        (-math.pi / 2, "-pi/2"),
        (3 * math.pi / 4, "3*pi/4"),
        (math.pi / 1024, "pi/1024"),
        (0.0, 0.0),
        (0.5, 0.5),
        (1e300, 1e300),
        (math.nextafter(math.pi / 2, 2), math.nextafter(math.pi / 2, 2)),
    ],
)
def test_spelling(value: float, text: object) -> None:
    assert spell(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_spelling_is_exact(value: float) -> None:
    spelled = spell(value)
    assert (parse(spelled).value if isinstance(spelled, str) else spelled) == value


def test_translation_keeps_what_needs_none() -> None:
    words = {"tau": "(2*pi)", "**": "^", "a": "b"}
    assert translate(" pi / 2 ", words, decimal=False) == "pi / 2"
    assert translate("tau**2 - alpha*a", words, decimal=False) == "(2*pi)^2 - alpha*b"
    assert translate("1/2*pi", {}, decimal=True) == "1.0/2.0*pi"
    assert translate("+2 - -(+3)", {}, decimal=False) == "2 - -(3)"
    assert translate("2--1", {}, decimal=False) == "2- -1"
    assert translate("1234567890123456789", {}, decimal=False) == "1.2345678901234568e+18"


def test_plain_numbers() -> None:
    assert all(map(plain, ["0", "-1.5", "2e-3"]))
    assert not any(map(plain, ["pi", "1/2", "nan", "inf"]))
