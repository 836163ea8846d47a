"""Arithmetic for gate parameters: numbers, ``pi``, ``tau``, ``e``, functions and free parameters.

Read by a parser of its own, never ``eval``. Its grammar is what OpenQASM 2 and 3 and Python mean
alike, so that ``pi/2`` stays ``pi/2`` on the way from text to circuit and back. Numbers are real:
``1/2`` is a half.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from cluster.errors import InvalidInput

MAX_LENGTH = 200

CONSTANTS = {"pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "e": math.e}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "exp": math.exp,
    "ln": math.log,
    "sqrt": math.sqrt,
}

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
_TOKEN = re.compile(
    r" *(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!\w))"
    r"|(?P<name>[^\W\d]\w*)|(?P<sign>\*\*|[-+*/()]))"
)
_PLAIN = re.compile(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")
_BEFORE_SIGN = {"", "(", "+", "-", "*", "/", "**"}
# Fractions of pi with a larger denominator than this are no way to write an angle.
_DENOMINATOR = 4_096
# A whole number of more digits does not fit the integers of OpenQASM.
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; whether it was written as a whole number matters to OpenQASM 3."""

    value: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A constant or a free parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one value."""

    function: str
    argument: Node


@dataclass(frozen=True, slots=True)
class Minus:
    """A value with its sign changed."""

    value: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Two values and ``+ - * / **`` between them."""

    sign: str
    left: Node
    right: Node


Node = Number | Name | Call | Minus | Binary


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        root: its tree.
        free: the names of its free parameters.
        value: its value, where it has no free parameter.
    """

    root: Node
    free: frozenset[str]
    value: float | None

    def evaluate(
        self,
        bindings: Mapping[str, Any],
        functions: Mapping[str, Callable[[Any], Any]] = FUNCTIONS,
    ) -> Any:
        """Return the value with free parameters bound, to numbers or to what stands for them.

        Raises:
            ArithmeticError, ValueError: the value is not a real number.
        """
        return _evaluate(self.root, bindings, functions)


@lru_cache(maxsize=8_192)
def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        InvalidInput: it is too long, not of the grammar, or has no finite real value.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"expected at most {MAX_LENGTH} characters, got {len(text)}")
    tokens: list[str] = []
    position, end = 0, len(text.rstrip(" "))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidInput(f"{text!r}: unexpected {text[position:].strip()[:1]!r}")
        tokens.append(match[match.lastgroup or 0])
        position = match.end()
    reader = _Reader(text, tokens)
    root = reader.sum()
    reader.finish()
    free = frozenset(reader.names - CONSTANTS.keys())
    value: float | None = None
    if not free:
        try:
            value = float(_evaluate(root, {}, FUNCTIONS))
        except (ArithmeticError, ValueError, TypeError):
            value = math.nan
        if not math.isfinite(value):
            raise InvalidInput(f"{text!r} has no finite real value")
    return Expression(root, free, value)


@lru_cache(maxsize=8_192)
def spell(value: float) -> float | str:
    """Return a number as a fraction of pi, where it is exactly one of small numbers."""
    ratio = Fraction(value / math.pi).limit_denominator(_DENOMINATOR)
    if not ratio or abs(ratio.numerator) > _DENOMINATOR:
        return value
    over, under = abs(ratio.numerator), ratio.denominator
    sign = "-" if value < 0 else ""
    text = f"{sign}{'' if over == 1 else f'{over}*'}pi{'' if under == 1 else f'/{under}'}"
    return text if parse(text).value == value else value


def plain(text: str) -> bool:
    """Whether an expression is nothing but a number."""
    return _PLAIN.fullmatch(text) is not None


def translate(text: str, words: Mapping[str, str], *, decimal: bool) -> str:
    """Return an expression in the words of another language, otherwise as it is written.

    Args:
        text: an expression that `parse` takes.
        words: names and signs by what they are there.
        decimal: whether whole numbers are written as 1.0, where 1/2 would otherwise be 0.
    """
    out: list[str] = []
    before = ""
    for match in _TOKEN.finditer(text):
        part = match[match.lastgroup or 0]
        space = match.group()[: -len(part)]
        if part == "+" and before in _BEFORE_SIGN:
            # A sign that changes nothing, and that not every language knows.
            part = ""
        elif match["number"] and part.isdecimal() and (decimal or len(part) > _DIGITS):
            part = repr(float(part))
        elif part == before == "-":
            space = space or " "
        before = part or before
        out.append(space + words.get(part, part))
    return "".join(out).strip()


def divides_whole_numbers(node: Node) -> bool:
    """Whether somewhere a whole number is divided by, or raised to, a whole number."""
    match node:
        case Binary(sign, left, right):
            if sign in ("/", "**") and _whole(left) and _whole(right):
                return True
            return divides_whole_numbers(left) or divides_whole_numbers(right)
        case Call(_, value) | Minus(value):
            return divides_whole_numbers(value)
    return False


def bends_a_parameter(node: Node) -> bool:
    """Whether a free parameter stands in a function or a power."""
    match node:
        case Call(_, argument):
            return _has_free(argument)
        case Binary("**", left, right):
            return _has_free(left) or _has_free(right)
        case Binary(_, left, right):
            return bends_a_parameter(left) or bends_a_parameter(right)
        case Minus(value):
            return bends_a_parameter(value)
    return False


def _whole(node: Node) -> bool:
    match node:
        case Number(_, whole):
            return whole
        case Binary(_, left, right):
            return _whole(left) and _whole(right)
        case Minus(value):
            return _whole(value)
    return False


def _has_free(node: Node) -> bool:
    match node:
        case Name(name):
            return name not in CONSTANTS
        case Binary(_, left, right):
            return _has_free(left) or _has_free(right)
        case Call(_, value) | Minus(value):
            return _has_free(value)
    return False


def _evaluate(
    node: Node, bindings: Mapping[str, Any], functions: Mapping[str, Callable[[Any], Any]]
) -> Any:
    match node:
        case Number(value):
            return value
        case Name(name):
            return CONSTANTS[name] if name in CONSTANTS else bindings[name]
        case Call(function, argument):
            return functions[function](_evaluate(argument, bindings, functions))
        case Minus(value):
            return -_evaluate(value, bindings, functions)
        case Binary(sign, left, right):
            return _OPERATORS[sign](
                _evaluate(left, bindings, functions), _evaluate(right, bindings, functions)
            )


class _Reader:
    """Recursive descent; ``MAX_LENGTH`` bounds its depth."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self.names: set[str] = set()

    def sum(self) -> Node:
        node = self._product()
        while self._next in ("+", "-"):
            node = Binary(self._take(), node, self._product())
        return node

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise self._unexpected()

    def _product(self) -> Node:
        node = self._signed()
        while self._next in ("*", "/"):
            node = Binary(self._take(), node, self._signed())
        return node

    def _signed(self) -> Node:
        if self._next == "-":
            self._take()
            return Minus(self._signed())
        if self._next == "+":
            self._take()
            return self._signed()
        base = self._atom()
        if self._next == "**":
            return Binary(self._take(), base, self._signed())
        return base

    def _atom(self) -> Node:
        token = self._next
        if token == "(":  # noqa: S105 - a parenthesis
            self._take()
            node = self.sum()
            self._close()
            return node
        if token[:1] in set("0123456789."):
            self._take()
            return Number(float(token), token.isdecimal())
        if token in FUNCTIONS:
            self._take()
            if self._next != "(":
                raise InvalidInput(f"{self._text!r}: expected ( after {token!r}")
            self._take()
            node = Call(token, self.sum())
            self._close()
            return node
        # OpenQASM 3 knows letters of all scripts, but neither their accents nor their figures.
        if token and all(sign.isalpha() or sign in "_0123456789" for sign in token):
            self.names.add(self._take())
            return Name(token)
        raise self._unexpected()

    def _close(self) -> None:
        if self._next != ")":
            raise self._unexpected()
        self._take()

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self) -> InvalidInput:
        found = f"unexpected {self._next!r}" if self._next else "it ends too early"
        return InvalidInput(f"{self._text!r}: {found}")
