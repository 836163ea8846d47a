"""Stored programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.storage.models import Circuit
from cluster.storage.users import ensure_user


async def create(session: AsyncSession, *, owner: str, **fields: Any) -> Circuit:
    """Insert a circuit."""
    await ensure_user(session, owner)
    row = Circuit(owner=owner, **fields)
    session.add(row)
    await session.flush()
    return row


async def get(session: AsyncSession, circuit_id: str, owner: str) -> Circuit | None:
    """Return the owner's circuit of that id, if there is one."""
    query = select(Circuit).where(Circuit.id == circuit_id, Circuit.owner == owner)
    return (await session.execute(query)).scalar_one_or_none()


async def page(
    session: AsyncSession, owner: str, *, limit: int, offset: int
) -> tuple[Sequence[Circuit], int]:
    """Return a page of the owner's circuits, newest first, and how many there are."""
    mine = Circuit.owner == owner
    total = await session.scalar(select(func.count()).select_from(Circuit).where(mine))
    query = (
        select(Circuit)
        .where(mine)
        .order_by(Circuit.created_at.desc(), Circuit.id)
        .limit(limit)
        .offset(offset)
    )
    return (await session.execute(query)).scalars().all(), total or 0
