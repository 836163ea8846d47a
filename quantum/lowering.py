"""Works on an OpenQASM 3 syntax tree before Qiskit's converter sees it.

One pass folds constants, multiplies out what loops and gate definitions would expand to (and
refuses too much of it before anything is built), unrolls a loop whose variable selects qubits, and
writes ``c[0] == 1`` as the comparison with a truth value that Qiskit wants.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from openqasm3 import ast

from quantum.limits import BadCircuit, Diagnostic, Limits

# Wide enough for every angle, index and count; folding stops where numbers would explode.
MAX_INTEGER = 2**63
MAX_CONTROLS = 64


def diagnostic(line: int, column: int, message: str) -> Diagnostic:
    """Return the complaint about a place as ANTLR counts it: columns from 0."""
    return Diagnostic(line=line, column=column + 1, severity="error", message=message)


def at(node: ast.QASMNode, message: str) -> Diagnostic:
    """Return the complaint about a node of the tree."""
    span = node.span
    if span is None:
        return diagnostic(1, 0, message)
    return diagnostic(span.start_line, span.start_column, message)


def _refuse(node: ast.QASMNode, message: str) -> BadCircuit:
    return BadCircuit.of([at(node, message)], format="qasm3")


class _Unknown(Exception):
    """The value of an expression is not known before the program runs."""


class Lowering:
    """One pass over a program's syntax tree; see the module."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._constants: dict[str, ast.Expression] = {}
        self._bits: dict[str, bool] = {}  # classical names; whether each is a single bit
        self._gates: dict[str, int] = {}
        self._qubits = 0
        self._clbits = 0

    def program(self, program: ast.Program) -> ast.Program:
        """Return the program in the form that Qiskit's converter takes."""
        program.statements, _ = self._block(program.statements)
        return program

    def _block(self, statements: Sequence[Any]) -> tuple[list[Any], int]:
        """Lower statements; return them and the operations they expand to."""
        out: list[Any] = []
        total = 0
        for statement in statements:
            lowered, cost = self._statement(statement)
            total += cost
            if total > self._limits.operations:
                raise _refuse(
                    statement,
                    f"the program expands to at least {total:,} operations; "
                    f"at most {self._limits.operations:,} are allowed",
                )
            out += lowered
        return out, total

    def _statement(self, node: Any) -> tuple[list[Any], int]:
        match node:
            case ast.ConstantDeclaration():
                self._constants[node.identifier.name] = self._literal(node.init_expression)
                return [], 0
            case ast.QubitDeclaration() | ast.ClassicalDeclaration():
                return [self._declaration(node)], 0
            case ast.QuantumGateDefinition():
                return [self._definition(node)], 0
            case ast.QuantumGate() | ast.QuantumPhase():
                return [self._fold(node)], self._application(node)
            case ast.ForInLoop():
                return self._loop(node)
            case ast.BranchingStatement():
                node.condition = self._condition(self._fold(node.condition))
                node.if_block, first = self._block(node.if_block)
                node.else_block, second = self._block(node.else_block)
                return [node], 1 + first + second
            case ast.WhileLoop():
                node.while_condition = self._condition(self._fold(node.while_condition))
                node.block, cost = self._block(node.block)
                return [node], 1 + cost
            case ast.Box():
                node.body, cost = self._block(node.body)
                return [node], 1 + cost
            case ast.QuantumMeasurementStatement() | ast.QuantumReset():
                node = self._fold(node)
                qubits = node.measure.qubit if hasattr(node, "measure") else node.qubits
                return [node], self._width([qubits])
            case _:
                return [self._fold(node)], 0

    def _declaration(self, node: Any) -> Any:
        node = self._fold(node)
        quantum = isinstance(node, ast.QubitDeclaration)
        if not quantum and not isinstance(node.type, ast.BitType):
            return node
        designator = node.size if quantum else node.type.size
        size = 1
        if designator is not None:
            try:
                size = int(self._value(designator))
            except _Unknown:
                raise _refuse(node, "the size of a register must be a constant") from None
            if size < 1:
                raise _refuse(node, f"the size of a register must be at least 1, not {size}")
        if quantum:
            self._qubits += size
        else:
            self._bits[node.identifier.name] = designator is None
            self._clbits += size
        for what, found, allowed in (
            ("qubits", self._qubits, self._limits.qubits),
            ("classical bits", self._clbits, self._limits.clbits),
        ):
            if found > allowed:
                raise _refuse(
                    node, f"{found:,} {what} are declared; at most {allowed:,} are allowed"
                )
        return node

    def _definition(self, node: ast.QuantumGateDefinition) -> ast.QuantumGateDefinition:
        outside = self._constants
        hidden = {name.name for name in (*node.arguments, *node.qubits)}
        self._constants = {k: v for k, v in outside.items() if k not in hidden}
        node.body, cost = self._block(node.body)
        self._constants = outside
        self._gates[node.name.name] = cost
        return node

    def _application(self, node: Any) -> int:
        for modifier in node.modifiers:
            if modifier.argument is None or modifier.modifier is ast.GateModifierName.pow:
                continue
            try:
                controls = self._value(modifier.argument)
            except _Unknown:
                continue
            if controls > MAX_CONTROLS:
                raise _refuse(node, f"{controls} controls; at most {MAX_CONTROLS} are allowed")
        name = node.name.name if isinstance(node, ast.QuantumGate) else "gphase"
        return self._gates.get(name, 1) * self._width(node.qubits)

    def _width(self, operands: Iterable[Any]) -> int:
        """Return how many operations a broadcast over ``operands`` makes, at most."""
        whole = any(
            isinstance(operand, ast.Identifier)
            or any(
                isinstance(index, ast.DiscreteSet)
                or any(isinstance(part, ast.RangeDefinition) for part in index)
                for index in getattr(operand, "indices", ())
            )
            for operand in operands
        )
        # Inside a gate's body no register has been named, so its identifiers are single qubits.
        return max(1, self._qubits) if whole and self._qubits > 1 else 1

    def _loop(self, node: ast.ForInLoop) -> tuple[list[Any], int]:
        node.set_declaration = self._fold(node.set_declaration)
        values = self._values(node.set_declaration)
        variable = node.identifier.name
        outside = self._constants
        self._constants = {k: v for k, v in outside.items() if k != variable}
        try:
            if values is None:
                node.block, cost = self._block(node.block)
                return [node], 1 + cost
            _, cost = self._block(copy.deepcopy(node.block))
            total = len(values) * max(1, cost)
            if total > self._limits.operations:
                raise _refuse(
                    node,
                    f"the loop expands to {total:,} operations ({len(values):,} times {cost:,}); "
                    f"at most {self._limits.operations:,} are allowed",
                )
            if not _selects(node.block, variable) or _contains(
                node.block, (ast.BreakStatement, ast.ContinueStatement)
            ):
                node.block, _ = self._block(node.block)
                return [node], total
            out: list[Any] = []
            for value in values:
                self._constants = {**outside, variable: _number(value)}
                out += self._block(copy.deepcopy(node.block))[0]
            return out, total
        finally:
            self._constants = outside

    def _values(self, node: Any) -> Sequence[int] | None:
        """Return what a loop runs over, where that is known: never a list of a huge range."""
        try:
            if isinstance(node, ast.DiscreteSet):
                return [int(self._value(value)) for value in node.values]
            if isinstance(node, ast.RangeDefinition) and node.start and node.end:
                step = int(self._value(node.step)) if node.step else 1
                start, end = int(self._value(node.start)), int(self._value(node.end))
                if step == 0:
                    raise _refuse(node, "the step of a range cannot be 0")
                return range(start, end + (1 if step > 0 else -1), step)
        except _Unknown:
            pass
        return None

    def _condition(self, node: Any) -> Any:
        """Write a comparison of one bit with 0 or 1 as one with a truth value."""
        if not isinstance(node, ast.BinaryExpression):
            return node
        for bit, side in ((node.lhs, "rhs"), (node.rhs, "lhs")):
            other = getattr(node, side)
            if (
                self._is_bit(bit)
                and isinstance(other, ast.IntegerLiteral)
                and other.value in (0, 1)
            ):
                setattr(node, side, ast.BooleanLiteral(other.value == 1))
        return node

    def _is_bit(self, node: Any) -> bool:
        if isinstance(node, ast.Identifier):
            return self._bits.get(node.name, False)
        if isinstance(node, ast.IndexExpression) and isinstance(node.collection, ast.Identifier):
            index = node.index
            return (
                node.collection.name in self._bits
                and not isinstance(index, ast.DiscreteSet)
                and not isinstance(index[0], ast.RangeDefinition)
            )
        return False

    def _fold(self, node: Any) -> Any:
        """Replace names of constants, and what Qiskit's converter cannot compute, by values."""
        return self._replace(node)

    def _replace(self, node: Any) -> Any:
        if isinstance(node, ast.Identifier):
            literal = self._constants.get(node.name)
            return node if literal is None else dataclasses.replace(literal)
        if isinstance(node, list):
            return [self._replace(item) for item in node]
        if isinstance(node, ast.QASMNode):
            for field in dataclasses.fields(node):
                # What a declaration or a gate call names is not a use of a constant.
                if field.name not in ("span", "name", "identifier", "target"):
                    setattr(node, field.name, self._replace(getattr(node, field.name)))
            # Qiskit's converter knows none of these.
            if isinstance(node, ast.FunctionCall) or (
                isinstance(node, ast.BinaryExpression) and node.op.name in ("**", "%")
            ):
                with suppress(_Unknown):
                    return _number(self._value(node))
        return node

    def _literal(self, node: Any) -> ast.Expression:
        try:
            literal = _number(self._value(node))
        except _Unknown:
            raise _refuse(node, "this is not a constant expression SynQ can evaluate") from None
        literal.span = node.span
        return literal

    def _value(self, node: Any) -> Any:
        match node:
            case ast.IntegerLiteral() | ast.FloatLiteral() | ast.BooleanLiteral():
                return node.value
            case ast.Identifier() if node.name in self._constants:
                return self._value(self._constants[node.name])
            case ast.Identifier() if node.name in _CONSTANTS:
                return _CONSTANTS[node.name]
            case ast.UnaryExpression() if node.op.name == "-":
                return -self._value(node.expression)
            case ast.BinaryExpression() if node.op.name in _ARITHMETIC:
                try:
                    value = _ARITHMETIC[node.op.name](self._value(node.lhs), self._value(node.rhs))
                except (ArithmeticError, TypeError, ValueError) as error:
                    raise _refuse(node, f"this cannot be evaluated: {error}") from None
                if isinstance(value, int) and abs(value) >= MAX_INTEGER:
                    raise _refuse(node, "this integer does not fit 64 bits")
                return value
            case ast.FunctionCall() if node.name.name in _FUNCTIONS and len(node.arguments) == 1:
                try:
                    return _FUNCTIONS[node.name.name](self._value(node.arguments[0]))
                except (ArithmeticError, TypeError, ValueError) as error:
                    raise _refuse(node, f"this cannot be evaluated: {error}") from None
        raise _Unknown


def _divide(a: Any, b: Any) -> Any:
    return a // b if isinstance(a, int) and isinstance(b, int) else a / b


def _power(a: Any, b: Any) -> Any:
    if isinstance(b, int) and abs(b) > 64 and abs(a) > 1:
        raise ValueError("the exponent is beyond 64")
    value = a**b
    if isinstance(value, complex):
        raise ValueError("the result is not real")
    return value


_CONSTANTS = {
    "pi": 3.141592653589793,
    "π": 3.141592653589793,
    "tau": 6.283185307179586,
    "τ": 6.283185307179586,
    "euler": 2.718281828459045,
    "ℇ": 2.718281828459045,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": lambda a, b: a % b,
    "**": _power,
}
_FUNCTIONS: dict[str, Callable[[Any], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
}


def _number(value: Any) -> ast.Expression:
    if isinstance(value, bool):
        return ast.BooleanLiteral(value)
    if isinstance(value, int):
        return ast.IntegerLiteral(value)
    return ast.FloatLiteral(float(value))


def _walk(node: Any) -> Iterable[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, ast.QASMNode):
        yield node
        for field in dataclasses.fields(node):
            yield from _walk(getattr(node, field.name))


def _contains(node: Any, kinds: tuple[type, ...]) -> bool:
    return any(isinstance(found, kinds) for found in _walk(node))


def _selects(block: Any, variable: str) -> bool:
    """Whether the loop's variable is used to pick a qubit or bit, or in a nested range."""
    for node in _walk(block):
        match node:
            case ast.IndexedIdentifier():
                inside: Any = node.indices
            case ast.IndexExpression():
                inside = node.index
            case ast.ForInLoop():
                inside = node.set_declaration
            case _:
                continue
        if any(isinstance(x, ast.Identifier) and x.name == variable for x in _walk(inside)):
            return True
    return False
