"""A first look at raw program text, before any parser: what it is, and whether to go on.

Parsers then see ``Scan.source``: the same text with comments blanked out, so that positions stay
and what this pass took for a comment is one for every parser.
"""

from __future__ import annotations

import re

from quantum.counting import Counter, Places, Scan
from quantum.limits import MAX_NESTING, BadCircuit, Format, Limits

INCLUDES = {"qelib1.inc", "stdgates.inc"}

# A comment that is never closed takes the rest, once: trying again at each `/*` would be quadratic.
_COMMENT_3 = re.compile(r'"[^"\n]*"|//[^\n]*|/\*(?:.*?\*/|.*\Z)', re.DOTALL)
_COMMENT_2 = re.compile(r'"[^"\n]*"|//[^\n]*')
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)(?:\.(\d+))?\s*;")
_INCLUDE = re.compile(r"""\binclude\b\s*(?:"([^"\n]*)"|'([^'\n]*)')?""")
_PAIR = re.compile(r"\([^][(){}]*\)|\[[^][(){}]*\]|\{[^][(){}]*\}")
_BRACKET = re.compile(r"[()\[\]{}]")
_OPERATORS = re.compile(rf"[-+*/^~!\s]{{{4 * MAX_NESTING},}}")
_INTEGER = re.compile(r"(?<![.\w])\d{19,}(?![.\w])")
_SIGNS_OF_3 = re.compile(r"\b(?:qubit|bit|stdgates|input|const|let)\b|=\s*measure\b")


def scan(text: str, limits: Limits) -> Scan:
    """Look ``text`` over in time linear in its length.

    Raises:
        BadCircuit: it is longer, wider or expands to more than ``limits`` allow, includes a file
            other than the two standard ones, nests too deeply, or names another version.
    """
    check_text(text, limits)
    fmt, source = _without_comments(text)
    if not source.strip():
        raise BadCircuit.at(1, 1, "the program is empty; it starts with OPENQASM 3.0;", format=fmt)
    place = Places(source)
    try:
        _check_includes(source, place)
        _check_nesting(source, place)
        if huge := _INTEGER.search(source):
            raise place.refuse(huge.start(), "this integer does not fit 64 bits")
        return Counter(fmt, source, limits, place).count()
    except BadCircuit as error:
        error.details["format"] = fmt
        raise


def check_text(text: str, limits: Limits) -> None:
    """Refuse a text too long, or with characters no database and no pipe would carry."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Places(text).refuse(error.start, "half of a surrogate pair is no character") from None
    if size > limits.bytes:
        raise BadCircuit.at(
            1, 1, f"the program has {size:,} bytes; at most {limits.bytes:,} are allowed"
        )
    if (null := text.find("\0")) >= 0:
        raise Places(text).refuse(null, "a NUL character cannot be stored")


def _blank(match: re.Match[str]) -> str:
    found = match.group()
    return found if found[0] == '"' else re.sub(r"[^\n]", " ", found)


def _without_comments(text: str) -> tuple[Format, str]:
    """Return the format by version line or else by words, and the text with comments blanked."""
    unclosed: int | None = None

    def blank(match: re.Match[str]) -> str:
        nonlocal unclosed
        if match.group().startswith("/*") and not match.group()[2:].endswith("*/"):
            unclosed = match.start()
        return _blank(match)

    source = _COMMENT_3.sub(blank, text)
    version = _VERSION.match(source)
    if version is None:
        fmt: Format = "qasm3" if _SIGNS_OF_3.search(source) else "qasm2"
    elif version[1] in ("2", "3"):
        fmt = "qasm2" if version[1] == "2" else "qasm3"
    else:
        raise Places(source).refuse(
            version.start(1), f"OpenQASM {version[1][:20]} is not known; 2.0, 3.0 and 3.1 are"
        )
    if fmt == "qasm2":
        return fmt, _COMMENT_2.sub(_blank, text)
    if unclosed is not None:
        raise Places(source).refuse(unclosed, "this comment is never closed; expected */")
    return fmt, source


def _check_includes(source: str, place: Places) -> None:
    # Qiskit's parsers would open any path named here.
    for match in _INCLUDE.finditer(source):
        name = match[1] or match[2]
        if name not in INCLUDES:
            raise place.refuse(
                match.start(),
                f'cannot include {name!r}; only "qelib1.inc" (OpenQASM 2) and '
                '"stdgates.inc" (OpenQASM 3) exist here',
            )


def _check_nesting(source: str, place: Places) -> None:
    # Programs nest two or three deep, so this ends after as many fast rounds.
    rest = source
    for _ in range(MAX_NESTING):
        shorter = _PAIR.sub("", rest)
        if shorter == rest:
            break
        rest = shorter
    if sum(rest.count(bracket) for bracket in "([{") > MAX_NESTING // 2:
        _find_nesting(source, place)
    for run in _OPERATORS.finditer(source):
        if len(re.sub(r"\s", "", run.group())) > MAX_NESTING:
            raise place.refuse(run.start(), f"more than {MAX_NESTING} operators in a row")


def _find_nesting(source: str, place: Places) -> None:
    depth = 0
    for match in _BRACKET.finditer(source):
        depth = max(0, depth + (1 if match.group() in "([{" else -1))
        if depth > MAX_NESTING:
            raise place.refuse(match.start(), f"brackets nest more than {MAX_NESTING} deep")
