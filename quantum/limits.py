"""What a program may cost, and the error that says it would cost more, or means nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from cluster.errors import InvalidInput
from cluster.settings import Settings

Format = Literal["qasm2", "qasm3"]

# Deeper nesting than any program we have met (the deepest of QASMBench has 6 brackets); parsers
# recurse over it.
MAX_NESTING = 64
# A register of results wider than this is no longer a result anybody reads.
CLBITS_PER_QUBIT = 10
# An editor shows the first few; a program with more errors than that has one cause.
MAX_DIAGNOSTICS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one program; each refusal names the bound and what was found."""

    bytes: int = 1_048_576
    operations: int = 100_000
    qubits: int = 1_000

    @property
    def clbits(self) -> int:
        """Classical bits of one program."""
        return CLBITS_PER_QUBIT * self.qubits

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return what the operator allows."""
        return cls(
            bytes=settings.max_circuit_bytes,
            operations=settings.max_circuit_gates,
            qubits=settings.max_circuit_qubits,
        )


class Diagnostic(TypedDict):
    """One complaint at a place in the text; line and column count from 1."""

    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str


class BadCircuit(InvalidInput):
    """The program cannot be read, or would cost more than is allowed.

    ``details["diagnostics"]`` says where and why; ``details["format"]`` as what it was read.
    """

    code = "bad_circuit"

    @classmethod
    def at(
        cls, line: int, column: int, message: str, *, format: Format | None = None
    ) -> BadCircuit:
        """Return the error for one place (counted from 1)."""
        return cls.of(
            [Diagnostic(line=line, column=column, severity="error", message=message)], format=format
        )

    @classmethod
    def of(cls, diagnostics: list[Diagnostic], *, format: Format | None = None) -> BadCircuit:
        """Return the error that carries ``diagnostics``, of which there is at least one."""
        first = diagnostics[0]
        return cls(
            f"line {first['line']}, column {first['column']}: {first['message']}",
            details={"diagnostics": diagnostics[:MAX_DIAGNOSTICS], "format": format},
        )

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """What is wrong, in the order of the text."""
        found = self.details.get("diagnostics")
        return found if isinstance(found, list) else []
