"""Sessions and who takes part in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.identity.roles import Role, effective_role
from cluster.storage.models import Item, Participant, Session, Snapshot, User, new_id
from cluster.storage.users import ensure_user


@dataclass(frozen=True, slots=True)
class Access:
    """A session as one user sees it."""

    session: Session
    role: Role
    participant: bool


async def create(
    session: AsyncSession,
    *,
    owner: str,
    name: str,
    kind: str,
    content: str,
    visibility: str,
    public_role: str,
    origin: dict[str, Any] | None = None,
) -> Session:
    """Insert a session with its first snapshot (rev 0) and its owner."""
    await ensure_user(session, owner)
    row = Session(
        id=new_id(),
        lineage=new_id(),
        name=name,
        kind=kind,
        owner=owner,
        visibility=visibility,
        public_role=public_role,
        origin=origin,
    )
    session.add(row)
    await session.flush()
    session.add(Snapshot(session_id=row.id, rev=0, lineage=row.lineage, state=content))
    session.add(Participant(session_id=row.id, user_id=owner, role=Role.OWNER))
    await session.flush()
    return row


async def access(session: AsyncSession, session_id: str, user: str) -> Access | None:
    """Return the session as ``user`` sees it; None where, for this user, there is none."""
    query = (
        select(Session, Participant.role)
        .outerjoin(Participant, _participation(user))
        .where(Session.id == session_id)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    found, role = row
    effective = effective_role(
        participant=role, visibility=found.visibility, public_role=found.public_role
    )
    return None if effective is None else Access(found, effective, role is not None)


async def visible(
    session: AsyncSession, user: str, *, limit: int, offset: int
) -> tuple[list[Access], int]:
    """Return a page of the sessions ``user`` may see, newest change first, and their number."""
    may_see = or_(Participant.role.is_not(None), Session.visibility == "public")
    base = select(Session, Participant.role).outerjoin(Participant, _participation(user))
    total = await session.scalar(
        select(func.count())
        .select_from(Session)
        .outerjoin(Participant, _participation(user))
        .where(may_see)
    )
    page = base.where(may_see).order_by(Session.updated_at.desc(), Session.id)
    rows = await session.execute(page.limit(limit).offset(offset))
    found = []
    for row, role in rows:
        effective = effective_role(
            participant=role, visibility=row.visibility, public_role=row.public_role
        )
        if effective is not None:
            found.append(Access(row, effective, role is not None))
    return found, total or 0


async def heads(session: AsyncSession, session_ids: Sequence[str]) -> dict[str, int]:
    """Return the newest rev of each session that has any."""
    query = (
        select(Item.session_id, func.max(Item.rev))
        .where(Item.session_id.in_(session_ids))
        .group_by(Item.session_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def set_role(session: AsyncSession, session_id: str, user: str, role: Role) -> None:
    """Give a lasting role, whether there was one or not. Idempotent."""
    await ensure_user(session, user)
    found = await session.get(Participant, (session_id, user))
    if found is None:
        session.add(Participant(session_id=session_id, user_id=user, role=role))
    else:
        found.role = role


async def leave(session: AsyncSession, session_id: str, user: str) -> None:
    """End a lasting role."""
    await session.execute(
        delete(Participant).where(Participant.session_id == session_id, Participant.user_id == user)
    )


async def participants(session: AsyncSession, session_id: str) -> list[tuple[Participant, str]]:
    """Return who has a lasting role, with their names, in the order of joining."""
    query = (
        select(Participant, User.name)
        .join(User, User.id == Participant.user_id)
        .where(Participant.session_id == session_id)
        .order_by(Participant.joined_at, Participant.user_id)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def remove(session: AsyncSession, session_id: str) -> None:
    """Delete a session with all its history."""
    await session.execute(delete(Session).where(Session.id == session_id))


def _participation(user: str) -> ColumnElement[bool]:
    return and_(Participant.session_id == Session.id, Participant.user_id == user)
