"""The two kinds of document, as the session core sees them: one op type, one state, each.

An op of either kind offers the same algebra (`Op`); what differs is how a state is held, stored and
shown, and what makes an op fit a state. Everything above this module is the same for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import msgspec

from actors.ot.circuit import MAX_PRIMITIVES, Circuit, CircuitOp
from actors.ot.text import MAX_SECTIONS, ChangeSet, from_units, to_units
from cluster.errors import InvalidInput

State = Any
"""A document in memory: UTF-16 units of a text, or a `Circuit`. Immutable."""


class Op(Protocol):
    """What the core does with an operation; see `actors.ot.text` for the laws."""

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""

    def to_json(self) -> Any:
        """Return the wire form."""

    def apply(self, state: State) -> State:
        """Return the document it makes of ``state``."""

    def invert(self, state: State) -> Self:
        """Return what takes it back; ``state`` is the document before it."""

    def map(self, other: Self, *, before: bool = False) -> Self:
        """Return it as it applies after ``other``, both made for one document."""

    def compose(self, other: Self) -> Self:
        """Return the op that does this and then ``other``."""


class Kind(Protocol):
    """One kind of document."""

    name: str

    def read(self, value: Any) -> Any:
        """Return the op of a wire form.

        Raises:
            InvalidInput: it is none.
        """

    def read_bounded(self, value: Any) -> Any:
        """Return the op a client sent: as `read`, but of limited length."""

    def check_base(self, ops: Sequence[Any], length: int) -> None:
        """Refuse ops that are not made for a document of ``length``, each after the one before.

        Raises:
            InvalidInput: names both lengths.
        """

    def check(self, op: Any, state: State) -> None:
        """Refuse what `apply` would let pass although the result is no document.

        Raises:
            InvalidInput: says why.
        """

    def feasible(self, op: Any, state: State) -> Any:
        """Return the part of ``op`` that leaves ``state`` a valid document."""

    def length(self, state: State) -> int:
        """Return a document's size: UTF-16 units, or gates."""

    def dump(self, state: State) -> str:
        """Return a document as storage keeps it."""

    def load(self, stored: str) -> State:
        """Return the document that `dump` wrote."""

    def public(self, state: State) -> Any:
        """Return a document as clients get it: text, or the circuit's object."""

    def replace(self, state: State, target: State) -> Any:
        """Return a small op that makes ``target`` of ``state``."""


class _Text:
    name = "text"

    def read(self, value: Any) -> ChangeSet:
        return ChangeSet.from_json(value)

    def read_bounded(self, value: Any) -> ChangeSet:
        return ChangeSet.from_json(value, most=MAX_SECTIONS)

    def check_base(self, ops: Sequence[ChangeSet], length: int) -> None:
        for op in ops:
            if op.length != length:
                raise InvalidInput(
                    f"expected an op for a document of {length} units, got one for {op.length}"
                )
            length = op.new_length

    def check(self, op: ChangeSet, state: str) -> None:
        op.check_boundaries(state)

    def feasible(self, op: ChangeSet, state: str) -> ChangeSet:
        return op

    def length(self, state: str) -> int:
        return len(state)

    def dump(self, state: str) -> str:
        return from_units(state)

    def load(self, stored: str) -> str:
        return to_units(stored)

    def public(self, state: str) -> str:
        return from_units(state)

    def replace(self, state: str, target: str) -> ChangeSet:
        return ChangeSet.between(state, target)


class _Circuit:
    name = "circuit"

    def read(self, value: Any) -> CircuitOp:
        return CircuitOp.from_json(value)

    def read_bounded(self, value: Any) -> CircuitOp:
        return CircuitOp.from_json(value, most=MAX_PRIMITIVES)

    def check_base(self, ops: Sequence[CircuitOp], length: int) -> None:
        """Nothing: gates have names, so an op fits any circuit or is refused by `apply`."""

    def check(self, op: CircuitOp, state: Circuit) -> None:
        """Nothing: `CircuitOp.apply` checks what it makes."""

    def feasible(self, op: CircuitOp, state: Circuit) -> CircuitOp:
        return op.feasible(state)

    def length(self, state: Circuit) -> int:
        return len(state)

    def dump(self, state: Circuit) -> str:
        return msgspec.json.encode(state.to_json()).decode()

    def load(self, stored: str) -> Circuit:
        return Circuit.from_json(msgspec.json.decode(stored))

    def public(self, state: Circuit) -> dict[str, Any]:
        return state.to_json()

    def replace(self, state: Circuit, target: Circuit) -> CircuitOp:
        return CircuitOp.between(state, target)


TEXT: Kind = _Text()
CIRCUIT: Kind = _Circuit()
KINDS: dict[str, Kind] = {kind.name: kind for kind in (TEXT, CIRCUIT)}
