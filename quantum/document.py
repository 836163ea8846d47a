"""The circuit document: gates by id on numbered wires, in the order of their positions.

``docs/protocol.md`` §4 has its JSON form. Values are immutable and validated once, when they are
read: a `Gate` is valid by itself, a `Circuit` also as a whole. No Qiskit: session actors hold it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from cluster.errors import InvalidInput
from quantum.expression import parse
from quantum.gates import GATES

MAX_GATES = 100_000
MAX_QUBITS = 1_000
MAX_CLBITS = 10_000
MAX_NOTE = 2_000
# Numbers that JSON carries exactly everywhere.
MAX_INTEGER = 2**53

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_POSITION = re.compile(r"[!-~]{1,256}")
# A carriage return or half of a surrogate pair would not come back from a program's comment.
_NO_NOTE = re.compile("[\r\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a gate acts: if ``clbits``, the least significant first, read as ``value``."""

    clbits: tuple[int, ...]
    value: int


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate; `check` says whether its parts fit each other."""

    pos: str
    name: str
    qubits: tuple[int, ...]
    clbits: tuple[int, ...] = ()
    params: tuple[float | str, ...] = ()
    condition: Condition | None = None
    note: str | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read the JSON form; ``clbits``, ``params``, ``condition`` and ``note`` may be absent.

        Raises:
            InvalidInput: it is not the description of a gate.
        """
        if not isinstance(value, dict):
            raise InvalidInput(f"expected a gate as an object, got {value!r:.80}")
        if unknown := value.keys() - _READERS.keys():
            raise InvalidInput(f"expected the keys of a gate, got {min(map(str, unknown))!r:.80}")
        if missing := {"pos", "name", "qubits"} - value.keys():
            raise InvalidInput(f"a gate lacks {min(missing)!r}")
        gate = cls(**{key: _READERS[key](part) for key, part in value.items()})
        gate.check()
        return gate

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; ``note`` is absent where there is none."""
        result: dict[str, Any] = {
            "pos": self.pos,
            "name": self.name,
            "qubits": list(self.qubits),
            "clbits": list(self.clbits),
            "params": list(self.params),
            "condition": None,
        }
        if self.condition is not None:
            result["condition"] = {
                "clbits": list(self.condition.clbits),
                "value": self.condition.value,
            }
        if self.note is not None:
            result["note"] = self.note
        return result

    def check(self) -> None:
        """Refuse a number of qubits, bits or parameters that the gate does not take.

        Raises:
            InvalidInput: names the gate, what it takes and what came.
        """
        kind = GATES[self.name]
        if kind.qubits is None:
            if not self.qubits:
                raise InvalidInput(f"{self.name} takes at least 1 qubit, not 0")
        elif len(self.qubits) != kind.qubits:
            raise _arity(self.name, "qubit", kind.qubits, len(self.qubits))
        if len(self.clbits) != kind.clbits:
            raise _arity(self.name, "bit", kind.clbits, len(self.clbits))
        if len(self.params) != kind.params:
            raise _arity(self.name, "parameter", kind.params, len(self.params))

    @property
    def width(self) -> tuple[int, int]:
        """How many qubits and bits a circuit needs to hold it."""
        bits = max(self.clbits, default=-1)
        if self.condition is not None:
            bits = max(bits, *self.condition.clbits)
        return max(self.qubits) + 1, bits + 1


@dataclass(frozen=True, slots=True)
class Circuit:
    """A valid circuit document. ``gates`` is never changed: an edit makes another circuit."""

    qubits: int
    clbits: int
    gates: Mapping[str, Gate]

    @classmethod
    def empty(cls) -> Self:
        """Return the circuit without wires."""
        return cls(0, 0, {})

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read the JSON form.

        Raises:
            InvalidInput: says what was expected, what came, and of which gate.
        """
        if not isinstance(value, dict) or value.keys() != {"qubits", "clbits", "gates"}:
            got = sorted(map(str, value)) if isinstance(value, dict) else value
            raise InvalidInput(f"expected a circuit with qubits, clbits and gates, got {got!r:.80}")
        qubits, clbits = read_size(value)
        gates = value["gates"]
        if not isinstance(gates, dict):
            raise InvalidInput(f"expected the gates as an object by id, got {gates!r:.80}")
        check_count(len(gates))
        found: dict[str, Gate] = {}
        for key, part in gates.items():
            gate_id = read_id(key)
            try:
                gate = Gate.from_json(part)
                fit(gate, qubits, clbits)
            except InvalidInput as error:
                raise InvalidInput(f"gate {gate_id!r}: {error.message}") from None
            found[gate_id] = gate
        return cls(qubits, clbits, found)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "qubits": self.qubits,
            "clbits": self.clbits,
            "gates": {gate_id: gate.to_json() for gate_id, gate in self.gates.items()},
        }

    def ordered(self) -> list[tuple[str, Gate]]:
        """Return the gates with their ids as they act, by ``(pos, id)``."""
        return sorted(self.gates.items(), key=lambda item: (item[1].pos, item[0]))

    def __len__(self) -> int:
        return len(self.gates)

    def __hash__(self) -> int:
        return hash((self.qubits, self.clbits, frozenset(self.gates.items())))


def check_count(gates: int) -> None:
    """Refuse more gates than a circuit may hold."""
    if gates > MAX_GATES:
        raise InvalidInput(f"expected at most {MAX_GATES:,} gates, got {gates:,}")


def fit(gate: Gate, qubits: int, clbits: int) -> None:
    """Refuse a gate beyond the wires of a circuit.

    Raises:
        InvalidInput: names the wire.
    """
    wires, bits = gate.width
    if wires > qubits:
        raise InvalidInput(f"{gate.name} acts on qubit {wires - 1}; there are {qubits}")
    if bits > clbits:
        raise InvalidInput(f"{gate.name} uses bit {bits - 1}; there are {clbits}")


def read_id(value: Any) -> str:
    """Read the id of a gate."""
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise InvalidInput(f"expected an id of 1 to 64 characters A-Za-z0-9_-, got {value!r:.80}")


def read_size(value: Mapping[str, Any]) -> tuple[int, int]:
    """Read the numbers of qubits and classical bits."""
    return (
        _integer("qubits", value["qubits"], MAX_QUBITS),
        _integer("clbits", value["clbits"], MAX_CLBITS),
    )


def read_key(key: Any, value: Any) -> Any:
    """Read the value of one key of a gate into what `Gate` holds.

    Raises:
        InvalidInput: a gate has no such key, or the value is none for it.
    """
    reader = _READERS.get(key) if isinstance(key, str) else None
    if reader is None:
        raise InvalidInput(f"expected one of {', '.join(_READERS)}, got {key!r:.80}")
    return reader(value)


def _arity(name: str, what: str, takes: int, given: int) -> InvalidInput:
    return InvalidInput(f"{name} takes {takes} {what}{'' if takes == 1 else 's'}, not {given}")


def _integer(what: str, value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise InvalidInput(f"expected {what} as an integer from 0 to {most:,}, got {value!r:.80}")
    return value


def _position(value: Any) -> str:
    if isinstance(value, str) and _POSITION.fullmatch(value):
        return value
    raise InvalidInput(
        f"expected pos as 1 to 256 printable ASCII characters without spaces, got {value!r:.80}"
    )


def _name(value: Any) -> str:
    if isinstance(value, str) and value in GATES:
        return GATES[value].name
    raise InvalidInput(f"unknown gate {value!r:.80}")


def _wires(what: str, most: int) -> Callable[[Any], tuple[int, ...]]:
    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise InvalidInput(f"expected {what}s as a list of numbers, got {value!r:.80}")
        wires = tuple(_integer(f"a {what}", wire, most - 1) for wire in value)
        if len(set(wires)) != len(wires):
            raise InvalidInput(f"the {what}s {value!r:.80} repeat one")
        return wires

    return read


def _params(value: Any) -> tuple[float | str, ...]:
    if not isinstance(value, list):
        raise InvalidInput(f"expected params as a list, got {value!r:.80}")
    return tuple(_param(part) for part in value)


def _param(value: Any) -> float | str:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= MAX_INTEGER:
        return value
    if isinstance(value, str):
        parse(value)
        return value
    raise InvalidInput(
        f"expected a parameter as a finite number or an expression, got {value!r:.80}"
    )


def _condition(value: Any) -> Condition | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"clbits", "value"}:
        raise InvalidInput(
            f"expected condition as null or an object of clbits and value, got {value!r:.80}"
        )
    clbits = _read_clbits(value["clbits"])
    if not clbits:
        raise InvalidInput("a condition needs at least one bit")
    most = min(2 ** len(clbits), MAX_INTEGER) - 1
    return Condition(clbits, _integer("the value of the condition", value["value"], most))


def _note(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_NOTE or _NO_NOTE.search(value):
        raise InvalidInput(
            f"expected note as text of at most {MAX_NOTE:,} characters "
            f"with plain line ends, got {value!r:.80}"
        )
    return value


_read_clbits = _wires("clbit", MAX_CLBITS)
_READERS: dict[str, Callable[[Any], Any]] = {
    "pos": _position,
    "name": _name,
    "qubits": _wires("qubit", MAX_QUBITS),
    "clbits": _read_clbits,
    "params": _params,
    "condition": _condition,
    "note": _note,
}
