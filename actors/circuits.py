"""Circuits as every surface sees them: reading, storing, and finding the text that is meant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from actors.parser import CircuitParser
from cluster.errors import InvalidInput, NotFound
from cluster.storage import circuits as store
from cluster.storage.database import Database
from cluster.storage.models import Circuit

MAX_NAME = 200
MAX_PAGE = 200

SessionText = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Source:
    """A program and where it came from: given, stored, or a session as it is now."""

    qasm: str
    circuit_id: str | None = None
    session_id: str | None = None


class CircuitService:
    """What one may do with circuits. Another's circuit does not exist for one.

    Args:
        session_text: returns the text of a session as it is now, for a user who may read it.
    """

    def __init__(
        self, database: Database, parser: CircuitParser, session_text: SessionText
    ) -> None:
        self._database = database
        self._parser = parser
        self._session_text = session_text

    async def parse(self, qasm: str) -> dict[str, Any]:
        """Return size and drawing of a program, or what is wrong with it.

        Raises:
            SynqError: ``too_complex`` when reading it breaks the bounds on time or memory.
        """
        return await self._parser.analyze(qasm)

    async def create(self, user: str, *, name: str, qasm: str) -> dict[str, Any]:
        """Store a program that can be read.

        Raises:
            InvalidInput: no name; ``bad_circuit`` with diagnostics for a program that is none.
        """
        name = name.strip()
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidInput(f"expected a name of 1 to {MAX_NAME} printable characters")
        summary = await self._parser.inspect(qasm)
        async with self._database.session() as sql:
            row = await store.create(sql, owner=user, name=name, qasm=qasm, **summary)
        return public(row)

    async def get(self, circuit_id: str, user: str) -> dict[str, Any]:
        """Return a stored circuit.

        Raises:
            NotFound: this user has none of that id.
        """
        return public(await self._row(circuit_id, user))

    async def list(self, user: str, *, limit: int = 50, offset: int = 0) -> dict[str, Any]:
        """Return a page of the user's circuits, newest first."""
        if not (1 <= limit <= MAX_PAGE and offset >= 0):
            raise InvalidInput(f"expected limit 1 to {MAX_PAGE} and offset from 0")
        async with self._database.read() as sql:
            rows, total = await store.page(sql, user, limit=limit, offset=offset)
        return {"items": [public(row) for row in rows], "total": total}

    async def resolve(self, reference: dict[str, Any], user: str) -> Source:
        """Return the program that ``{"qasm"}``, ``{"circuit_id"}`` or ``{"session_id"}`` names.

        Raises:
            InvalidInput: not exactly one of the three.
            NotFound: this user can see no such circuit or session.
        """
        given = {key: value for key, value in reference.items() if value is not None}
        if len(given) != 1 or not given.keys() <= {"qasm", "circuit_id", "session_id"}:
            raise InvalidInput(
                "expected exactly one of qasm, circuit_id and session_id, got "
                + (", ".join(sorted(given)) or "none")
            )
        ((kind, value),) = given.items()
        if not isinstance(value, str):
            raise InvalidInput(f"expected {kind} to be a string, got {type(value).__name__}")
        if kind == "qasm":
            return Source(value)
        if kind == "circuit_id":
            return Source((await self._row(value, user)).qasm, circuit_id=value)
        return Source(await self._session_text(value, user), session_id=value)

    async def _row(self, circuit_id: str, user: str) -> Circuit:
        async with self._database.read() as sql:
            row = await store.get(sql, circuit_id, user)
        if row is None:
            raise NotFound(f"no circuit {circuit_id!r}")
        return row


def public(row: Circuit) -> dict[str, Any]:
    """Return a circuit as its owner sees it."""
    return {
        "id": row.id,
        "name": row.name,
        "format": row.format,
        "qubits": row.qubits,
        "clbits": row.clbits,
        "depth": row.depth,
        "gates": row.gates,
        "qasm": row.qasm,
        "created_at": row.created_at,
    }
