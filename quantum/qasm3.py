"""OpenQASM 3 beyond straight lines: control flow, constants, loops, inputs.

Qiskit's native importer is fast but knows only straight-line programs; the rest is parsed by the
language's reference parser, lowered (``quantum.lowering``) and converted by
``qiskit_qasm3_import``.
"""

from __future__ import annotations

import warnings
from typing import Any

from antlr4 import CommonTokenStream, InputStream
from antlr4.error.ErrorListener import ErrorListener
from openqasm3 import ast
from openqasm3.parser import QASM3ParsingError, QASMNodeVisitor, qasm3Lexer, qasm3Parser
from qiskit import QuantumCircuit
from qiskit_qasm3_import import types
from qiskit_qasm3_import.converter import ConvertVisitor, GateBuilder
from qiskit_qasm3_import.exceptions import ConversionError

from quantum.limits import MAX_DIAGNOSTICS, BadCircuit, Diagnostic, Limits
from quantum.lowering import Lowering, at, diagnostic


def loads(source: str, limits: Limits) -> QuantumCircuit:
    """Read ``source`` into a circuit.

    Raises:
        BadCircuit: with a diagnostic for each error found, or for the limit that is exceeded.
    """
    return convert(Lowering(limits).program(parse(source)))


def parse(source: str) -> ast.Program:
    """Return the syntax tree, or raise with every syntax error the parser could recover from."""
    errors = _Errors()
    lexer = qasm3Lexer(InputStream(source))
    parser = qasm3Parser(CommonTokenStream(lexer))
    for recognizer in (lexer, parser):
        recognizer.removeErrorListeners()
        recognizer.addErrorListener(errors)
    tree = parser.program()
    if errors.found:
        raise BadCircuit.of(errors.found, format="qasm3")
    try:
        program: ast.Program = QASMNodeVisitor().visitProgram(tree)
    except (QASM3ParsingError, ValueError, ArithmeticError) as error:
        raise BadCircuit.at(1, 1, str(error), format="qasm3") from None
    return program


class _Errors(ErrorListener):
    """Collects what ANTLR complains of."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def syntaxError(
        self, recognizer: Any, symbol: Any, line: int, column: int, message: str, error: Any
    ) -> None:
        if len(self.found) < MAX_DIAGNOSTICS:
            self.found.append(diagnostic(line, column, _plain(message)))


def _plain(message: str) -> str:
    """Say what ANTLR says, shorter: its lists of every possible token help nobody."""
    head, expecting, options = message.partition(" expecting ")
    if expecting and not options.startswith("{"):
        return f"{head}; expected {options}"
    return head.replace("<EOF>", "end of program")


def convert(program: ast.Program) -> QuantumCircuit:
    """Convert a lowered program, collecting the errors of statements that stand by themselves."""
    converter = _Converter()
    with warnings.catch_warnings():
        # The converter makes controlled gates in a way that Qiskit 2.3 deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        circuit: QuantumCircuit = converter.convert(program).circuit
    if converter.errors:
        raise BadCircuit.of(converter.errors, format="qasm3")
    return circuit


class _Converter(ConvertVisitor):
    """Qiskit's converter, going on after an error in a statement that declares nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Diagnostic] = []

    def visit_Program(self, node: ast.Program, context: Any) -> Any:
        for statement in node.statements:
            try:
                context = self.visit(statement, context)
            except ConversionError as error:
                self.errors.append(_located(error, statement))
            except RecursionError:
                raise
            # The converter lets what Qiskit raises pass: an index out of range, a repeated qubit.
            except Exception as error:
                self.errors.append(at(statement, _reason(error)))
            else:
                continue
            # What a failed declaration should have named would be missing everywhere below.
            if len(self.errors) >= MAX_DIAGNOSTICS or not isinstance(
                statement, (ast.QuantumGate, ast.QuantumMeasurementStatement, ast.QuantumReset)
            ):
                break
        return context

    def _define_gate(
        self, name: str, definition: Any, parameters: int, qubits: int, node: Any, context: Any
    ) -> Any:
        # The converter would hand arguments to parameters in the order of their names' alphabet:
        # `gate g(theta, phi)` would be called with the two exchanged.
        if isinstance(node, ast.QuantumGateDefinition) and parameters > 1:
            body = definition._definition
            named = {parameter.name: parameter for parameter in body.parameters}
            order = [named[argument.name] for argument in node.arguments]
            definition = GateBuilder(name, body, order)
        return super()._define_gate(name, definition, parameters, qubits, node, context)

    def visit_QuantumGate(self, node: ast.QuantumGate, context: Any) -> Any:
        symbol = context.symbol_table.get(node.name.name, node)
        if symbol is not None and isinstance(symbol.type, types.Gate):
            kinds, given = symbol.type.n_classical, len(node.arguments)
            expected = kinds if isinstance(kinds, int) else len(kinds)
            if expected != given:
                raise ConversionError(
                    f"gate {node.name.name!r} takes {expected} parameters, not {given}", node
                )
        return super().visit_QuantumGate(node, context)


def _located(error: ConversionError, statement: ast.QASMNode) -> Diagnostic:
    position, separator, message = error.message.partition(": ")
    line, comma, column = position.partition(",")
    if separator and comma and line.isdecimal() and column.isdecimal():
        return diagnostic(int(line), int(column), message)
    return at(statement, error.message)


def _reason(error: Exception) -> str:
    if isinstance(error, IndexError):
        return "an index is out of range for its register"
    text = str(error).strip().strip("'\"")
    return text or type(error).__name__
