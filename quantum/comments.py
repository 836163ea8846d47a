"""Finds what a program's author wrote for people, and where it stands in the parsed circuit.

Parsers drop comments, and write ``pi*0.3`` as 0.94. So before parsing, each place where something
is to be kept is marked by an application of the languages' one built-in gate with angles that the
program does not have; in the parsed circuit the gates after a mark are those of the statement it
stands before. A mark needs no definition and no include, and reads in both versions, in OpenQASM 3
also by the native importer; all that it needs is a qubit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cluster.errors import InvalidInput
from quantum.counting import Scan, statements
from quantum.expression import Expression, parse, plain, spell

_START = re.compile(r"//|/\*")
_DECLARATION = re.compile(r"(?:qreg|qubit)\b")
_CALL = re.compile(r"(?:if\s*\([^()]*\)\s*)?(?P<name>[^\W\d]\w*)\s*\(")
_FRACTION = re.compile(r"-?(?:[0-9]+\*)?pi(?:/[0-9]+)?")
# Qiskit's native importer of OpenQASM 3 makes of it a `u` that turns by nothing.
_IDENTITY = re.compile(r"id\b")
# Statements that make no gate; what stands above them belongs to the next one that does.
_GATELESS = frozenset(
    """OPENQASM include qreg creg qubit bit input output const let gate opaque def extern defcal cal
    defcalgrammar int uint float angle bool duration stretch complex array pragma else case default
    end break continue return""".split()  # noqa: SIM905 - a paragraph of words
)
_BODIES = frozenset(("gate", "def", "defcal", "cal", "extern"))
# Exact as a float; what follows it, the number of the mark, is so too.
_ANGLE = 8191.0078125


@dataclass(slots=True)
class Mark:
    """What one statement carries: lines above it, and its parameters as written.

    Attributes:
        lines: comments without their signs; an empty one is an empty line.
        name: the gate it applies, where the parsed gate alone does not say what was written.
        params: its parameters, where a document can keep them and their values do not say enough.
        meanings: the same, parsed.
    """

    lines: list[str] = field(default_factory=list)
    name: str = ""
    params: tuple[str, ...] = ()
    meanings: tuple[Expression, ...] = ()


@dataclass(slots=True)
class Marked:
    """A program with its marks.

    Attributes:
        source: the program, comments blanked and marks inserted; lines are as they were.
        marks: what they stand for.
        angle: the first angle of each mark; the second is its number.
        inside: lines of comments within bodies of definitions, which belong to no gate.
        after: lines of comments after the last statement that makes a gate.
    """

    source: str
    marks: list[Mark]
    angle: float
    inside: int
    after: int

    def find(self, name: str, params: list[Any]) -> Mark | None:
        """Return the mark that a gate of the parsed circuit is, if it is one."""
        if name == "u" and len(params) == 3 and params[0] == self.angle and params[2] == 0:
            return self.marks[int(params[1])]
        return None


@dataclass(slots=True)
class _Statement:
    offset: int
    head: str
    text: str
    hidden: bool  # within the body of a definition
    above: list[str]


def mark(text: str, found: Scan) -> Marked:
    """Mark ``text``, of which ``found`` is the scan."""
    source = found.source
    seen, after = _statements(text, source)
    angle = _ANGLE
    while repr(angle) in source:
        angle += 1
    marks: list[Mark] = []
    parts: list[str] = []
    carried: list[str] = []
    qubit = ""
    inside = position = 0
    for statement in seen:
        comments = [line for line in statement.above if line]
        if statement.hidden:
            inside += len(comments)
            continue
        makes_a_gate = bool(statement.text) and (
            statement.head not in _GATELESS or "measure" in statement.text
        )
        if not makes_a_gate or not qubit:
            carried += comments
            if not qubit and _DECLARATION.match(statement.text):
                qubit = _first_qubit(found)
            continue
        name, params, meanings = _parameters(statement.text)
        lines, carried = carried + statement.above, []
        if lines or name:
            parts.append(source[position : statement.offset])
            parts.append(f"U({angle!r}, {len(marks)}, 0) {qubit}; ")
            position = statement.offset
            marks.append(Mark(lines, name, params, meanings))
    parts.append(source[position:])
    rest = [line for line in carried + after if line]
    return Marked("".join(parts), marks, angle, inside, len(rest))


def _first_qubit(found: Scan) -> str:
    name, single = next((name, single) for quantum, name, single in found.declared if quantum)
    return name if single else f"{name}[0]"


def _statements(text: str, source: str) -> tuple[list[_Statement], list[str]]:
    """Return the statements with the comments above, in and beside them, and those left over."""
    comments = list(_comments(text, source))
    seen: list[_Statement] = []
    bodies: list[bool] = []
    at = previous_end = 0
    ended = ""
    for offset, body, delimiter in statements(source):
        end = source.index(delimiter, offset + len(body)) + 1
        head = re.match(r"\w*", body)
        beside, above = _layout(text, comments, at, previous_end, offset)
        at += _count(comments, at, offset)
        inner = _count(comments, at, end)
        for _, _, lines in comments[at : at + inner]:
            above += lines
        at += inner
        if seen and ended == ";":
            seen[-1].above += beside
        else:
            above = beside + above
        hidden = any(bodies)
        statement = _Statement(offset, head.group() if head else "", body, hidden, above)
        seen.append(statement)
        if delimiter == "{":
            bodies.append(statement.head in _BODIES)
        elif delimiter == "}" and bodies:
            bodies.pop()
        previous_end, ended = end, delimiter
    beside, above = _layout(text, comments, at, previous_end, len(text))
    if seen and ended == ";":
        seen[-1].above += beside
        return seen, above
    return seen, beside + above


def _comments(text: str, source: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield start, end and lines of each comment: what the scan of ``text`` blanked out."""
    position = 0
    while match := _START.search(text, position):
        start = match.start()
        if source[start] == "/":  # in a string, or no comment in this version
            position = start + 1
            continue
        if match.group() == "//":
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            lines = [text[start + 2 : end]]
        else:
            end = text.find("*/", start + 2) + 2
            lines = [
                line.lstrip().removeprefix("*") for line in text[start + 2 : end - 2].split("\n")
            ]
        # A carriage return would not survive as part of a note.
        lines = [line.replace("\r", "").removeprefix(" ") for line in lines]
        if match.group() == "/*":
            lines = _trimmed([line.rstrip() for line in lines])
        yield start, end, lines
        position = end


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _count(comments: list[tuple[int, int, list[str]]], at: int, before: int) -> int:
    found = 0
    while at + found < len(comments) and comments[at + found][0] < before:
        found += 1
    return found


def _layout(
    text: str, comments: list[tuple[int, int, list[str]]], at: int, start: int, end: int
) -> tuple[list[str], list[str]]:
    """Return the comments on the line where one statement ended, and the lines above the next.

    Between the two, from ``start`` to ``end``, stand only space and comments; an empty line is "".
    """
    beside: list[str] = []
    above: list[str] = []
    same_line = True
    position = start
    for first, last, lines in comments[at : at + _count(comments, at, end)]:
        breaks = text.count("\n", position, first)
        same_line = same_line and not breaks
        if same_line:
            beside += lines
        else:
            above += [""] * (breaks - 1)
            above += lines
        position = last
    above += [""] * (text.count("\n", position, end) - 1)
    return beside, above


def _parameters(text: str) -> tuple[str, tuple[str, ...], tuple[Expression, ...]]:
    """Return the gate a statement applies and its parameters, if a document would keep them so."""
    nothing: tuple[str, tuple[str, ...], tuple[Expression, ...]] = ("", (), ())
    if _IDENTITY.match(text):
        return "id", (), ()
    match = _CALL.match(text)
    if match is None or match["name"] in ("if", "for", "while", "switch"):
        return nothing
    params: list[str] = []
    depth, start = 0, match.end()
    for index in range(start, len(text)):
        sign = text[index]
        if sign in ",)" and not depth:
            params.append(" ".join(text[start:index].split()))
            start = index + 1
            if sign == ")":
                break
        depth += (sign in "([") - (sign in ")]")
    if all(map(plain, params)):
        return nothing
    for there, here in (("^", "**"), ("euler", "e"), ("ℇ", "e"), ("log(", "ln(")):
        params = [param.replace(there, here) for param in params]
    try:
        meanings = tuple(map(parse, params))
    except InvalidInput:
        return nothing
    if all(map(_spells_itself, params, meanings)):
        return nothing
    return match["name"], tuple(params), meanings


def _spells_itself(param: str, meaning: Expression) -> bool:
    """Whether the value alone brings this expression back."""
    if plain(param):
        return True
    # Looking for a fraction is dear; most expressions do not look like one.
    return (
        meaning.value is not None
        and bool(_FRACTION.fullmatch(param))
        and (spell(meaning.value) == param)
    )
