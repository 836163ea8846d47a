"""Users: rows that sessions, jobs and models refer to."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.storage.models import User


async def ensure_user(
    session: AsyncSession, user: str, name: str | None = None, *, guest: bool = False
) -> None:
    """Make sure that ``user`` has a row; a name given later replaces the earlier one."""
    bind = session.get_bind()
    insert = sqlite.insert if bind.dialect.name == "sqlite" else postgresql.insert
    statement = insert(User).values(id=user, name=name or user, guest=guest)
    if name is None:
        statement = statement.on_conflict_do_nothing(index_elements=[User.id])
    else:
        statement = statement.on_conflict_do_update(
            index_elements=[User.id], set_={"name": statement.excluded.name}
        )
    await session.execute(statement)


async def display_name(session: AsyncSession, user: str) -> str:
    """Return the user's name, or the id where there is none."""
    row = await session.get(User, user)
    return row.name if row is not None else user
