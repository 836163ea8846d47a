"""Circuit operations: what is done to gates by id, and to the number of wires.

In JSON an op is a list of primitives applied together:

=============================================  ==================================================
JSON                                           meaning
=============================================  ==================================================
``{"put": {"id", "gate"}}``                    there is this gate now, whatever was there
``{"del": "id"}``                              there is no such gate now
``{"move": {"id", "pos"}}``                    the gate stands elsewhere
``{"set": {"id", "key", "value"}}``            one property of the gate has this value
``{"resize": {"qubits", "clbits"}}``           the circuit has this many wires
=============================================  ==================================================

In memory it is the net effect on each gate (`Put`, `Delete` or `Change`) and at most one size, so
that primitives on different gates never meet. Where two concurrent ops meet on one gate:

=================  ==============================================================================
earlier, later     outcome
=================  ==============================================================================
anything, put      the later put
put, change        the earlier put, changed
put, delete        no gate
change, delete     no gate
delete, change     no gate
change, change     both; of one property the later value
=================  ==============================================================================

This converges for any two ops (TP1), which ``tests/actors/ot/test_circuit.py`` shows by enumerating
them. Validity is no part of it: the result of two valid ops may be invalid, in either order alike,
and `CircuitOp.apply` then refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cluster.errors import InvalidInput
from quantum.document import (
    MAX_GATES,
    Circuit,
    Condition,
    Gate,
    check_count,
    fit,
    read_id,
    read_key,
    read_size,
)

__all__ = ["MAX_GATES", "MAX_PRIMITIVES", "Change", "Circuit", "CircuitOp", "Delete", "Gate", "Put"]

MAX_PRIMITIVES = 1_000

Json = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Put:
    """There is this gate now."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Delete:
    """There is no such gate now."""


@dataclass(frozen=True, slots=True)
class Change:
    """Properties of the gate have these values; ``values`` holds pairs in the order of keys."""

    values: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Change:
        """Return the change to ``values`` by key."""
        return cls(tuple(sorted(values.items())))

    def on(self, gate: Gate) -> Gate:
        """Return ``gate`` changed; its parts may not fit each other."""
        return replace(gate, **dict(self.values))


Effect = Put | Delete | Change
_DELETE = Delete()


class CircuitOp:
    """An immutable change from one circuit to another.

    Attributes:
        effects: the net effect on each gate it touches, by id.
        resize: the numbers of qubits and bits afterwards, where it sets them.
    """

    __slots__ = ("effects", "resize")

    def __init__(
        self, effects: Mapping[str, Effect], resize: tuple[int, int] | None = None
    ) -> None:
        self.effects: Mapping[str, Effect] = effects
        self.resize = resize

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CircuitOp)
            and self.effects == other.effects
            and self.resize == other.resize
        )

    def __hash__(self) -> int:
        return hash((frozenset(self.effects.items()), self.resize))

    def __repr__(self) -> str:
        return f"CircuitOp({self.to_json()!r})"

    @property
    def empty(self) -> bool:
        """Whether it surely changes nothing."""
        return not self.effects and self.resize is None

    def touches(self, gate_id: str) -> bool:
        """Whether it says anything of this gate."""
        return gate_id in self.effects

    @classmethod
    def from_json(cls, value: Any, *, most: int | None = None) -> CircuitOp:
        """Read the JSON form.

        Args:
            value: what came.
            most: how many primitives are allowed: `MAX_PRIMITIVES` for what a client sends. What
                the server made itself and stored may be longer: the inverse of a long group, the
                way back to an old revision.

        Raises:
            InvalidInput: names the primitive that is not of the form and what was expected.
        """
        if not isinstance(value, list):
            raise InvalidInput(
                f"expected an op as a list of primitives, got {type(value).__name__}"
            )
        if most is not None and len(value) > most:
            raise InvalidInput(f"expected at most {most:,} primitives, got {len(value):,}")
        effects: dict[str, Effect] = {}
        resize: tuple[int, int] | None = None
        for index, part in enumerate(value):
            try:
                if isinstance(part, dict) and part.keys() == {"resize"}:
                    resize = _read_resize(part["resize"])
                else:
                    gate_id, effect = _read_primitive(part)
                    effects[gate_id] = _then(effects.get(gate_id), effect)
            except InvalidInput as error:
                raise InvalidInput(f"primitive {index}: {error.message}") from None
        return cls(effects, resize)

    @classmethod
    def between(cls, old: Circuit, new: Circuit) -> CircuitOp:
        """Return the op that makes ``new`` of ``old``, touching only gates that differ."""
        effects: dict[str, Effect] = {
            gate_id: _DELETE for gate_id in old.gates if gate_id not in new.gates
        }
        for gate_id, gate in new.gates.items():
            if old.gates.get(gate_id) != gate:
                effects[gate_id] = Put(gate)
        size = (new.qubits, new.clbits)
        return cls(effects, None if size == (old.qubits, old.clbits) else size)

    def to_json(self) -> Json:
        """Return the JSON form: one primitive for each effect and each changed property."""
        result: Json = []
        if self.resize is not None:
            result.append({"resize": {"qubits": self.resize[0], "clbits": self.resize[1]}})
        for gate_id, effect in self.effects.items():
            match effect:
                case Put(gate):
                    result.append({"put": {"id": gate_id, "gate": gate.to_json()}})
                case Delete():
                    result.append({"del": gate_id})
                case Change(values):
                    for key, value in values:
                        if key == "pos":
                            result.append({"move": {"id": gate_id, "pos": value}})
                        else:
                            result.append(
                                {"set": {"id": gate_id, "key": key, "value": _plain(value)}}
                            )
        return result

    def map(self, other: CircuitOp, *, before: bool = False) -> CircuitOp:
        """Return this op as it applies after ``other``, both made for the same circuit.

        ``other`` was accepted earlier; with ``before`` this one was.
        """
        resize = None if before and other.resize is not None else self.resize
        few, many = sorted((self.effects, other.effects), key=len)
        if not any(gate_id in many for gate_id in few):
            return self if resize == self.resize else CircuitOp(self.effects, resize)
        meet = _before if before else _after
        effects: dict[str, Effect] = {}
        for gate_id, effect in self.effects.items():
            theirs = other.effects.get(gate_id)
            left = effect if theirs is None else meet(effect, theirs)
            if left is not None:
                effects[gate_id] = left
        return CircuitOp(effects, resize)

    def compose(self, other: CircuitOp) -> CircuitOp:
        """Return the one op that does this and then ``other``.

        Raises:
            InvalidInput: ``other`` changes a gate that this one deletes.
        """
        effects = dict(self.effects)
        for gate_id, effect in other.effects.items():
            effects[gate_id] = _then(effects.get(gate_id), effect)
        return CircuitOp(effects, self.resize if other.resize is None else other.resize)

    def apply(self, circuit: Circuit) -> Circuit:
        """Return the circuit this op makes of ``circuit``.

        Costs a copy of the mapping of gates and a check of the gates touched; of all, only where
        wires are taken away.

        Raises:
            InvalidInput: the result is no valid circuit, or a gate to change does not exist.
        """
        qubits, clbits = self.resize or (circuit.qubits, circuit.clbits)
        gates = dict(circuit.gates)
        for gate_id, effect in self.effects.items():
            if isinstance(effect, Delete):
                gates.pop(gate_id, None)
                continue
            try:
                gate = _result(effect, gates.get(gate_id))
                fit(gate, qubits, clbits)
            except InvalidInput as error:
                raise InvalidInput(f"gate {gate_id!r}: {error.message}") from None
            gates[gate_id] = gate
        check_count(len(gates))
        if qubits < circuit.qubits or clbits < circuit.clbits:
            for gate_id, gate in gates.items():
                try:
                    fit(gate, qubits, clbits)
                except InvalidInput as error:
                    raise InvalidInput(f"gate {gate_id!r}: {error.message}") from None
        return Circuit(qubits, clbits, gates)

    def invert(self, circuit: Circuit) -> CircuitOp:
        """Return the op that takes this one back; ``circuit`` is what it applied to."""
        effects: dict[str, Effect] = {}
        for gate_id, effect in self.effects.items():
            old = circuit.gates.get(gate_id)
            if old is None:
                if isinstance(effect, Put):
                    effects[gate_id] = _DELETE
            elif isinstance(effect, Change):
                effects[gate_id] = Change(
                    tuple((key, getattr(old, key)) for key, _ in effect.values)
                )
            else:
                effects[gate_id] = Put(old)
        resize = None if self.resize is None else (circuit.qubits, circuit.clbits)
        return CircuitOp(effects, resize)

    def feasible(self, circuit: Circuit) -> CircuitOp:
        """Return this op without the parts that would leave ``circuit`` invalid, or as it is.

        What is left applies. For undo: where others' later work stands in the way, it stays.
        """
        size = self.resize or (circuit.qubits, circuit.clbits)
        roomy = max(size[0], circuit.qubits), max(size[1], circuit.clbits)
        effects: dict[str, Effect] = {}
        results: dict[str, Gate] = {}
        added = 0
        for gate_id, effect in self.effects.items():
            old = circuit.gates.get(gate_id)
            if isinstance(effect, Delete):
                if old is not None:
                    effects[gate_id] = effect
                    added -= 1
                continue
            try:
                gate = _result(effect, old)
                fit(gate, *roomy)
            except InvalidInput:
                continue
            if gate != old:
                effects[gate_id] = effect
                results[gate_id] = gate
                added += old is None
        excess = len(circuit) + added - MAX_GATES
        for gate_id in [key for key in results if key not in circuit.gates][: max(0, excess)]:
            del effects[gate_id], results[gate_id]
        if size[0] < circuit.qubits or size[1] < circuit.clbits:
            used = _used(
                results.get(gate_id, gate)
                for gate_id, gate in {**circuit.gates, **results}.items()
                if not isinstance(effects.get(gate_id), Delete)
            )
            # A wire that is in use stays, and so does the number of its kind.
            size = (
                size[0] if size[0] >= used[0] else circuit.qubits,
                size[1] if size[1] >= used[1] else circuit.clbits,
            )
        return CircuitOp(effects, None if size == (circuit.qubits, circuit.clbits) else size)


def _used(gates: Iterable[Gate]) -> tuple[int, int]:
    qubits = clbits = 0
    for gate in gates:
        wires, bits = gate.width
        qubits, clbits = max(qubits, wires), max(clbits, bits)
    return qubits, clbits


def _result(effect: Put | Change, old: Gate | None) -> Gate:
    """Return the gate an effect makes, its parts checked against each other."""
    if isinstance(effect, Change):
        if old is None:
            raise InvalidInput("it does not exist, so it cannot be changed")
        gate = effect.on(old)
    else:
        gate = effect.gate
    gate.check()
    return gate


def _then(first: Effect | None, second: Effect) -> Effect:
    """Return the net effect of one after the other."""
    if first is None or not isinstance(second, Change):
        return second
    match first:
        case Put(gate):
            return Put(second.on(gate))
        case Change(values):
            return Change.of(dict(values) | dict(second.values))
        case Delete():
            raise InvalidInput("a gate that is deleted cannot be changed")


def _after(mine: Effect, theirs: Effect) -> Effect | None:
    """Return what is left of the later effect."""
    if isinstance(theirs, Delete) and not isinstance(mine, Put):
        return None
    return mine


def _before(mine: Effect, theirs: Effect) -> Effect | None:
    """Return what is left of the earlier effect."""
    match mine, theirs:
        case Put(gate), Change():
            return Put(theirs.on(gate))
        case Delete(), Change():
            return mine
        case Change(values), Change(others):
            known = dict(others)
            left = tuple(pair for pair in values if pair[0] not in known)
            return Change(left) if left else None
    return None


def _read_resize(value: Any) -> tuple[int, int]:
    if not isinstance(value, dict) or value.keys() != {"qubits", "clbits"}:
        raise InvalidInput(f"expected resize with qubits and clbits, got {value!r:.80}")
    return read_size(value)


def _read_primitive(part: Any) -> tuple[str, Effect]:
    match part:
        case {"put": {"id": gate_id, "gate": gate, **rest}, **more} if not rest and not more:
            return read_id(gate_id), Put(Gate.from_json(gate))
        case {"del": gate_id, **more} if not more:
            return read_id(gate_id), _DELETE
        case {"move": {"id": gate_id, "pos": pos, **rest}, **more} if not rest and not more:
            return read_id(gate_id), Change((("pos", read_key("pos", pos)),))
        case {"set": {"id": gate_id, "key": key, "value": value, **rest}, **more} if (
            not rest and not more
        ):
            return read_id(gate_id), Change(((key, read_key(key, value)),))
    raise InvalidInput(f"expected one of put, del, move, set, resize, got {part!r:.80}")


def _plain(value: Any) -> Any:
    if isinstance(value, Condition):
        return {"clbits": list(value.clbits), "value": value.value}
    return list(value) if isinstance(value, tuple) else value
