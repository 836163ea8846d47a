"""What GraphQL shows: the documents of REST, typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NewType, TypeVar

import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info
from strawberry.types.scalar import ScalarDefinition

from deployments.rest.dependencies import Services

# GraphQL's Int has 32 bits; these are JSON numbers all the same.
Timestamp = NewType("Timestamp", int)
BigInt = NewType("BigInt", int)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected an integer, got {value!r:.40}")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    Timestamp: strawberry.scalar(
        name="Timestamp",
        description="Milliseconds since 1970, UTC.",
        serialize=int,
        parse_value=_integer,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="An integer of up to 64 bits.",
        serialize=int,
        parse_value=_integer,
    ),
}


@strawberry.type
class Circuit:
    """A stored program."""

    id: strawberry.ID
    name: str
    format: str
    qubits: int
    clbits: int
    depth: int
    gates: int
    qasm: str
    created_at: Timestamp


@strawberry.type
class CircuitPage:
    """Some of one's circuits, newest first."""

    items: list[Circuit]
    total: int


@strawberry.type
class JobResult:
    """What came of one circuit: counts by outcome, or why there are none."""

    counts: JSON | None = None
    error: str | None = None


@strawberry.type
class Job:
    """A batch of circuits to simulate."""

    id: strawberry.ID
    status: str
    progress: float
    done: int
    total: int
    shots: int
    seed: BigInt
    error: str | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None

    @strawberry.field(description="In the order of the circuits; null where one is not finished.")
    async def results(self, info: Info) -> list[JobResult | None]:
        """Read the results, which may be large, when they are asked for."""
        context: Context = info.context
        job = await context.services.jobs.get(self.id, context.user)
        return [None if each is None else JobResult(**each) for each in job["results"]]


@strawberry.type
class JobPage:
    """Some of one's jobs, newest first."""

    items: list[Job]
    total: int


@strawberry.type
class CollaborationSession:
    """A document that several people edit."""

    id: strawberry.ID
    name: str
    kind: str
    visibility: str
    public_role: str
    owner: str
    role: str
    rev: BigInt
    origin: JSON | None
    created_at: Timestamp
    updated_at: Timestamp


@strawberry.type
class Participant:
    """Somebody with a lasting role in a session."""

    user: str
    name: str
    role: str
    joined_at: Timestamp


@strawberry.type
class Revision:
    """One entry of a session's history; ``op`` and ``comment`` as on the wire."""

    rev: BigInt
    client: str
    user: str
    seq: BigInt
    kind: str
    ts: Timestamp
    op: JSON | None = None
    comment: JSON | None = None


@strawberry.type
class History:
    """Some of a session's revisions, oldest first, and the rev at which the next page begins."""

    items: list[Revision]
    next: BigInt | None


@strawberry.type
class SessionState:
    """A document at one rev: a text, or a circuit's object."""

    rev: BigInt
    lineage: str
    kind: str
    state: JSON


@strawberry.type
class Standing:
    """One's role in a session, and what it permits."""

    session: strawberry.ID
    role: str
    permissions: list[str]


@strawberry.type
class CollaborationSessionPage:
    """Some of the sessions one may see, newest change first."""

    items: list[CollaborationSession]
    total: int


@strawberry.input
class CircuitInput:
    """A program: exactly one of its text, a stored circuit, or a session as it is now."""

    qasm: str | None = None
    circuit_id: strawberry.ID | None = None
    session_id: strawberry.ID | None = None

    def reference(self) -> dict[str, str | None]:
        """Return this as the services take it."""
        return {
            "qasm": self.qasm,
            "circuit_id": self.circuit_id,
            "session_id": self.session_id,
        }


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, and what answers."""

    services: Services
    user: str


T = TypeVar("T")


def shown(kind: type[T], document: dict[str, Any]) -> T:
    """Return a document of the services as its GraphQL type."""
    names = [field.name for field in fields(kind) if field.init]  # type: ignore[arg-type]
    return kind(**{name: document[name] for name in names if name in document})
