"""Counts what a program expands to, in one pass over its statements, expanding nothing.

OpenQASM 2 and 3 share what matters here: statements end in ``;``, blocks stand in braces, gates are
defined in terms of earlier gates. So one pass finds every register, every gate definition and every
application, and counts operations with definitions and register broadcasts multiplied out. A
gate's count is computed once from the counts of the gates it names, so forty levels of doubling
cost forty additions. Loops of OpenQASM 3 are counted later, on its syntax tree.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from quantum.limits import MAX_NESTING, BadCircuit, Format, Limits

_DELIMITER = re.compile(r"[;{}]")
_GATE = re.compile(r"gate\s+([^\W\d]\w*)")
_REGISTER_2 = re.compile(r"(qreg|creg)\s+(\w+)\s*\[\s*(\d+)\s*\]")
_REGISTER_3 = re.compile(r"(qubit|bit)\b\s*(?:\[\s*(.*?)\s*\])?\s*(\w+)")
_MODIFIER = re.compile(r"(?:ctrl|negctrl|inv|pow)\b[^@]*@\s*")
_WORD = re.compile(r"[^\W\d]\w*")
_PARENTHESES = re.compile(r"\([^()]*\)")

# Statements that apply no gate, and those that stand for others.
_SILENT_WORDS = """OPENQASM include barrier opaque input output const let pragma creg qreg bit
qubit if else for while switch case default end break continue return def extern box delay nop int
uint float angle bool duration stretch complex array cal defcal defcalgrammar gphase"""
_SILENT = frozenset(_SILENT_WORDS.split())


class Places:
    """Turns offsets of a text into lines and columns, both from 1."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def refuse(self, offset: int, message: str) -> BadCircuit:
        """Return the error for the place ``offset``."""
        line = bisect_right(self._starts, offset)
        return BadCircuit.at(line, offset - self._starts[line - 1] + 1, message)


@dataclass(slots=True)
class Scan:
    """What one pass over the text found."""

    format: Format
    source: str
    operations: int = 0
    qubits: int = 0
    clbits: int = 0
    declared: list[tuple[bool, str, bool]] = field(default_factory=list)
    """(quantum, name, single) of each register or single bit, in order."""
    words: set[str] = field(default_factory=set)
    """The first word of every statement: which constructs the program uses."""


@dataclass(slots=True)
class _Gate:
    """A gate definition being read: operations it expands to and how deep its definitions nest."""

    name: str
    operations: int = 0
    depth: int = 0


class Counter:
    """Counts one program; see the module."""

    def __init__(self, fmt: Format, source: str, limits: Limits, place: Places) -> None:
        self.found = Scan(fmt, source)
        self._limits = limits
        self._place = place
        self._statements = 0
        self._gates: dict[str, _Gate] = {}
        self._registers: dict[str, int] = {}

    def count(self) -> Scan:
        """Return what was found.

        Raises:
            BadCircuit: it is wider or expands to more than the limits allow.
        """
        gate: _Gate | None = None
        inner = 0  # blocks open inside a gate's body
        for offset, text, delimiter in statements(self.found.source):
            word = _WORD.match(text)
            head = word.group() if word else ""
            self.found.words.add(head)
            self._statements += 1
            if self._statements > 2 * self._limits.operations:
                raise self._place.refuse(
                    offset, f"more than {2 * self._limits.operations:,} statements"
                )
            if delimiter == "{":
                definition = _GATE.match(text)
                if gate is not None:
                    inner += 1
                elif definition is not None:
                    gate = _Gate(definition[1])
            elif delimiter == "}":
                if gate is not None and inner:
                    inner -= 1
                elif gate is not None:
                    self._define(gate, offset)
                    gate = None
            elif gate is not None:
                self._add_to(gate, text, head)
            else:
                self._apply(text, head, offset)
        return self.found

    def _define(self, gate: _Gate, offset: int) -> None:
        gate.depth += 1
        if gate.depth > MAX_NESTING:
            raise self._place.refuse(
                offset, f"gate {gate.name!r} nests definitions more than {MAX_NESTING} deep"
            )
        self._gates.setdefault(gate.name, gate)

    def _add_to(self, gate: _Gate, text: str, head: str) -> None:
        name = self._callee(text, head)
        if name is None:
            return
        callee = self._gates.get(name)
        gate.operations += callee.operations if callee else 1
        gate.depth = max(gate.depth, callee.depth if callee else 0)

    def _apply(self, text: str, head: str, offset: int) -> None:
        if head in ("qreg", "creg", "qubit", "bit"):
            self._declare(text, offset)
        if head in ("qreg", "creg", "qubit"):
            return
        condition = re.match(r"if\s*\([^()]*\)\s*", text)
        if condition:
            text = text[condition.end() :]
            word = _WORD.match(text)
            head = word.group() if word else ""
        name = self._callee(text, head)
        if name is None:
            return
        gate = self._gates.get(name)
        cost = gate.operations if gate else 1
        self.found.operations += cost * self._broadcast(text, name)
        if self.found.operations > self._limits.operations:
            because = f" (one {name!r} alone is {cost:,})" if cost > 1 else ""
            raise self._place.refuse(
                offset,
                f"the program expands to at least {self.found.operations:,} operations{because}; "
                f"at most {self._limits.operations:,} are allowed",
            )

    def _callee(self, text: str, head: str) -> str | None:
        """Return the name of the operation a statement applies, if it applies one."""
        if "@" in text:
            end = 0
            while match := _MODIFIER.match(text, end):
                end = match.end()
            word = _WORD.match(text, end)
            return word.group() if word else None
        if "measure" in text and (head == "measure" or re.search(r"=\s*measure\b", text)):
            return "measure"
        return None if head in _SILENT or not head else head

    def _broadcast(self, text: str, name: str) -> int:
        """Return how many operations one statement makes of whole registers."""
        operands = text.partition("->")[0]
        operands = operands[operands.find(name) + len(name) :]
        if "(" in operands:
            while (shorter := _PARENTHESES.sub("", operands)) != operands:
                operands = shorter
        widest = 1
        for operand in operands.split(","):
            register, bracket, index = operand.strip().partition("[")
            if bracket and ":" not in index and "{" not in index:
                continue
            # A name that is not a register may be an alias of any part of all of them.
            known = self._registers.get(register.strip())
            widest = max(widest, self.found.qubits if known is None else known)
        return widest

    def _declare(self, text: str, offset: int) -> None:
        match = _REGISTER_2.match(text)
        if match:
            kind, name, size = match[1], match[2], int(match[3][:18])
        else:
            match = _REGISTER_3.match(text)
            if match is None:
                return
            kind, name = match[1], match[3]
            # A constant's name: its value is known on the syntax tree, before anything is made.
            size = 1 if match[2] is None else int(match[2][:18]) if match[2].isdecimal() else 0
        self._registers[name] = size
        quantum = kind in ("qreg", "qubit")
        self.found.declared.append((quantum, name, match.re is _REGISTER_3 and match[2] is None))
        if quantum:
            self.found.qubits += size
        else:
            self.found.clbits += size
        _check_width(self.found.qubits, self.found.clbits, self._limits, self._place, offset)


def _check_width(qubits: int, clbits: int, limits: Limits, place: Places, offset: int) -> None:
    """Refuse more qubits or bits than allowed."""
    if qubits > limits.qubits:
        raise place.refuse(
            offset, f"{qubits:,} qubits are declared; at most {limits.qubits:,} are allowed"
        )
    if clbits > limits.clbits:
        raise place.refuse(
            offset, f"{clbits:,} classical bits are declared; at most {limits.clbits:,} are allowed"
        )


def statements(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield (offset, text, delimiter) for each statement; braces of index sets do not end one."""
    start = 0
    sets = 0
    for match in _DELIMITER.finditer(source):
        delimiter = match.group()
        text = source[start : match.start()]
        stripped = text.strip()
        if delimiter == "{" and (stripped.endswith(("[", ",")) or re.search(r"\bin$", stripped)):
            sets += 1
            continue
        if delimiter == "}" and sets:
            sets -= 1
            continue
        yield start + len(text) - len(text.lstrip()), stripped, delimiter
        start = match.end()
