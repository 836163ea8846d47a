"""How GraphQL is asked, and within which bounds."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import strawberry
from graphql import GraphQLError
from strawberry.extensions import (
    DisableIntrospection,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    QueryDepthLimiter,
    SchemaExtension,
)
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, Info

from actors.jobs import DEFAULT_SHOTS
from deployments.graphql.types import (
    SCALARS,
    BigInt,
    Circuit,
    CircuitInput,
    CircuitPage,
    CollaborationSession,
    CollaborationSessionPage,
    Context,
    History,
    Job,
    JobPage,
    Participant,
    Revision,
    SessionState,
    Standing,
    shown,
)

# Overlapping fields are compared pairwise: the number of words is what bounds that.
MAX_TOKENS = 1_000
MAX_DEPTH = 10
MAX_ALIASES = 15

Limit = Annotated[int, strawberry.argument(description="1 to 50")]
MAX_PAGE = 50
FIRST = BigInt(1)


@strawberry.type
class Query:
    """What one may see."""

    @strawberry.field
    async def circuit(self, info: Info, id: strawberry.ID) -> Circuit:
        """Return a stored circuit."""
        at: Context = info.context
        return shown(Circuit, await at.services.circuits.get(id, at.user))

    @strawberry.field
    async def circuits(self, info: Info, limit: Limit = 20, offset: int = 0) -> CircuitPage:
        """List one's circuits, newest first."""
        at: Context = info.context
        page = await at.services.circuits.list(at.user, limit=_page(limit), offset=offset)
        return CircuitPage(
            items=[shown(Circuit, item) for item in page["items"]], total=page["total"]
        )

    @strawberry.field
    async def job(self, info: Info, id: strawberry.ID) -> Job:
        """Return a job."""
        at: Context = info.context
        return shown(Job, await at.services.jobs.get(id, at.user))

    @strawberry.field
    async def jobs(self, info: Info, limit: Limit = 20, offset: int = 0) -> JobPage:
        """List one's jobs, newest first."""
        at: Context = info.context
        page = await at.services.jobs.list(at.user, limit=_page(limit), offset=offset)
        return JobPage(items=[shown(Job, item) for item in page["items"]], total=page["total"])

    @strawberry.field
    async def collaboration_session(self, info: Info, id: strawberry.ID) -> CollaborationSession:
        """Return a session."""
        at: Context = info.context
        return shown(CollaborationSession, await at.services.sessions.get(id, at.user))

    @strawberry.field
    async def collaboration_sessions(
        self, info: Info, limit: Limit = 20, offset: int = 0
    ) -> CollaborationSessionPage:
        """List the sessions one may see, newest change first."""
        at: Context = info.context
        page = await at.services.sessions.list(at.user, limit=_page(limit), offset=offset)
        return CollaborationSessionPage(
            items=[shown(CollaborationSession, item) for item in page["items"]],
            total=page["total"],
        )

    @strawberry.field
    async def session_participants(self, info: Info, id: strawberry.ID) -> list[Participant]:
        """List who has a lasting role in a session, in the order of joining."""
        at: Context = info.context
        found = await at.services.membership.participants(id, at.user)
        return [shown(Participant, item) for item in found["items"]]

    @strawberry.field
    async def session_history(
        self, info: Info, id: strawberry.ID, from_rev: BigInt = FIRST, limit: Limit = 20
    ) -> History:
        """List a session's revisions from one on, oldest first."""
        at: Context = info.context
        page = await at.services.histories.items(id, at.user, from_=from_rev, limit=_page(limit))
        return History(items=[shown(Revision, item) for item in page["items"]], next=page["next"])

    @strawberry.field
    async def session_state(
        self, info: Info, id: strawberry.ID, rev: BigInt | None = None
    ) -> SessionState:
        """Return a document at a rev, or as it is now."""
        at: Context = info.context
        state = await at.services.histories.state(id, at.user, rev)
        return SessionState(
            rev=BigInt(state.rev), lineage=state.lineage, kind=state.kind, state=state.state
        )


@strawberry.type
class Mutation:
    """What one may do."""

    @strawberry.mutation
    async def create_circuit(self, info: Info, name: str, qasm: str) -> Circuit:
        """Store a program."""
        at: Context = info.context
        return shown(Circuit, await at.services.circuits.create(at.user, name=name, qasm=qasm))

    @strawberry.mutation
    async def submit_job(
        self,
        info: Info,
        circuits: list[CircuitInput],
        shots: int = DEFAULT_SHOTS,
        seed: BigInt | None = None,
    ) -> Job:
        """Queue circuits to be simulated."""
        at: Context = info.context
        references = [circuit.reference() for circuit in circuits]
        made = await at.services.jobs.submit(at.user, circuits=references, shots=shots, seed=seed)
        return shown(Job, await at.services.jobs.get(made["id"], at.user))

    @strawberry.mutation
    async def cancel_job(self, info: Info, id: strawberry.ID) -> Job:
        """End a job; one that is over stays as it is."""
        at: Context = info.context
        return shown(Job, await at.services.jobs.cancel(id, at.user))

    @strawberry.mutation
    async def create_collaboration_session(
        self,
        info: Info,
        name: str,
        kind: str = "text",
        content: JSON | None = None,
        visibility: str = "private",
        public_role: str = "viewer",
    ) -> CollaborationSession:
        """Make a session; the caller owns it."""
        at: Context = info.context
        made = await at.services.sessions.create(
            at.user,
            name=name,
            kind=kind,
            content=content,
            visibility=visibility,
            public_role=public_role,
        )
        return shown(CollaborationSession, made)

    @strawberry.mutation
    async def join_collaboration_session(
        self, info: Info, id: strawberry.ID, invite: str | None = None
    ) -> Standing:
        """Make the public role, or an invite's, a lasting one."""
        at: Context = info.context
        return shown(Standing, await at.services.membership.join(id, at.user, invite))

    @strawberry.mutation
    async def restore_collaboration_session(
        self, info: Info, id: strawberry.ID, rev: BigInt
    ) -> CollaborationSession:
        """Make a past state the present one, under a new lineage; no rev is lost by it."""
        at: Context = info.context
        await at.services.histories.restore(id, at.user, rev)
        return shown(CollaborationSession, await at.services.sessions.get(id, at.user))

    @strawberry.mutation
    async def fork_collaboration_session(
        self,
        info: Info,
        id: strawberry.ID,
        rev: BigInt | None = None,
        name: str | None = None,
    ) -> CollaborationSession:
        """Make a session of one's own from a state of this one."""
        at: Context = info.context
        made = await at.services.histories.fork(id, at.user, rev=rev, name=name)
        return shown(CollaborationSession, made)


def _page(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise GraphQLError(f"expected limit 1 to {MAX_PAGE}, got {limit}")
    return limit


class Schema(strawberry.Schema):
    """Leaves errors to the router, which knows what may be said of them."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here."""


@lru_cache(maxsize=2)
def schema(*, introspection: bool) -> Schema:
    """Return the schema, which answers questions about itself or does not."""
    extensions: list[type[SchemaExtension] | object] = [
        lambda: MaxTokensLimiter(MAX_TOKENS),
        lambda: QueryDepthLimiter(MAX_DEPTH),
        lambda: MaxAliasesLimiter(MAX_ALIASES),
    ]
    if not introspection:
        extensions.append(DisableIntrospection)
    return Schema(
        query=Query,
        mutation=Mutation,
        extensions=extensions,  # type: ignore[arg-type]
        config=StrawberryConfig(
            auto_camel_case=False,
            # A suggestion tells of fields that one has not asked for.
            disable_field_suggestions=not introspection,
            scalar_map=SCALARS,
        ),
    )
