"""What a comment is about: a place in a document, which moves with every op.

A place whose text is gone is an orphan with a quote; where an undo brings exactly these words back,
it finds its place again. A gate is known by its id and needs no moving.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from actors.collab.history import Item
from actors.ot.circuit import Circuit
from actors.ot.kinds import State
from actors.ot.text import from_units, to_units
from cluster.errors import InvalidInput

# Of the words an anchor is about, so many are kept.
MAX_QUOTE = 200


@dataclass(slots=True)
class Anchor:
    """What a thread is about: a range of text, the line it began as, or a gate.

    ``start`` and ``end`` are positions in the document as it is now.
    """

    kind: str
    start: int = 0
    end: int = 0
    gate: str = ""
    quote: str = ""
    orphaned: bool = False

    def public(self, state: State) -> dict[str, Any]:
        """Return it as clients know it."""
        if self.kind == "gate":
            return {"gate": self.gate}
        if self.kind == "line":
            return {"line": state.count("\n", 0, self.start) + 1}
        return {"from": self.start, "to": self.end}

    def move(self, op: Any, state: State, *, returns: bool = False) -> None:
        """Carry it over ``op``, which made ``state``.

        With ``returns`` an orphan may find its text again: undoing and redoing bring text back,
        while text that merely reads the same is another.
        """
        if self.kind == "gate":
            self.orphaned = self.gate not in state.gates
            return
        held = self.end > self.start
        start = op.map_pos(self.start, 1)
        end = max(start, op.map_pos(self.end, -1))
        if self.orphaned or (held and start == end):
            self.orphaned = True
            # Where the text was: an undo puts it back there, among what was deleted with it.
            start, stop = op.map_pos(self.start, -1), op.map_pos(self.start, 1)
            quote = to_units(self.quote)
            found = state.find(quote, start, stop) if returns and len(quote) < MAX_QUOTE else -1
            if found >= 0 and quote:
                self.orphaned, start = False, found
            end = start if self.orphaned else start + len(quote)
        self.start, self.end = start, end


def place(value: dict[str, Any], state: State, kind: str) -> Anchor:
    """Return the place that a message's ``anchor`` names in ``state``.

    Raises:
        InvalidInput: not one of the forms, of the other kind of session, or not in the document.
    """
    if kind == "circuit":
        gate = value.get("gate")
        if value.keys() != {"gate"} or not isinstance(gate, str) or gate not in state.gates:
            raise InvalidInput(f"expected an anchor of {{gate}}, a gate's id, got {value!r:.80}")
        return Anchor("gate", gate=gate, quote=_quote_gate(state, gate))
    if value.keys() == {"line"}:
        start, end = _line(value["line"], state)
        name = "line"
    elif value.keys() == {"from", "to"}:
        start, end = value["from"], value["to"]
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(state):
            raise InvalidInput(
                f"expected 0 ≤ from < to ≤ {len(state)}, got {start!r:.20} and {end!r:.20}"
            )
        name = "range"
    else:
        raise InvalidInput(f"expected an anchor of {{line}} or {{from, to}}, got {value!r:.80}")
    quote = _quote(state, start, end)
    return Anchor(name, start, end, quote=quote.rstrip("\n") if name == "line" else quote)


def placed(detail: dict[str, Any]) -> Anchor:
    """Return the place of an accepted comment, in the document it was accepted for."""
    value, quote = detail["anchor"], detail["quote"]
    if "gate" in value:
        return Anchor("gate", gate=value["gate"], quote=quote)
    if "line" in value:
        start, end = detail["range"]
        return Anchor("line", start, end, quote=quote)
    return Anchor("range", value["from"], value["to"], quote=quote)


def carried(anchor: Anchor, items: Iterable[Item]) -> Anchor:
    """Carry a place of a past text along ``items``.

    Raises:
        InvalidInput: what it is about is gone.
    """
    for item in items:
        if item.op is not None and anchor.kind != "gate":
            anchor.move(item.op, "")
    if anchor.orphaned:
        raise InvalidInput("what the anchor is about was deleted meanwhile")
    return anchor


def _line(number: Any, units: str) -> tuple[int, int]:
    lines = units.count("\n") + 1
    if type(number) is not int or not 1 <= number <= lines:
        raise InvalidInput(f"expected a line from 1 to {lines}, got {number!r:.20}")
    start = 0
    for _ in range(number - 1):
        start = units.index("\n", start) + 1
    end = units.find("\n", start)
    # With its line break, so that an empty line has something that can go.
    return start, len(units) if end < 0 else end + 1


def _quote(units: str, start: int, end: int) -> str:
    end = min(end, start + MAX_QUOTE)
    if end < len(units) and end > start and "\ud800" <= units[end - 1] <= "\udbff":
        end -= 1
    try:
        return from_units(units[start:end])
    except InvalidInput:  # an edge inside a surrogate pair
        raise InvalidInput("the anchor splits a surrogate pair") from None


def _quote_gate(circuit: Circuit, gate: str) -> str:
    found = circuit.gates[gate]
    params = f"({', '.join(map(str, found.params))})" if found.params else ""
    return f"{found.name}{params} {', '.join(map(str, found.qubits))}"
