"""The log: a session's items and snapshots, appended by whoever holds its epoch."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import Conflict, NotFound
from cluster.storage.database import Database
from cluster.storage.models import Item, Session, Snapshot, now_ms


@dataclass(frozen=True, slots=True)
class Stored:
    """What is needed to continue (or show) a session from one snapshot on."""

    kind: str
    lineage: str
    epoch: int
    snapshot_rev: int
    state: str
    clients: dict[str, Any]
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Append:
    """New items of one session, as rows, and the epoch under which they were accepted.

    ``touch`` says that the session's time of change is to be written too.
    """

    session: str
    epoch: int
    rows: list[dict[str, Any]]
    touch: bool = False


async def append(database: Database, appends: list[Append]) -> set[str]:
    """Commit the items of several sessions in one transaction; durable on return.

    Returns:
        The sessions that refused theirs: deleted, or owned by a newer epoch. The others' items are
        committed.
    """
    try:
        return await database.write(lambda connection: _append(connection, appends))
    except (IntegrityError, sqlite3.IntegrityError):
        # A rev or a (client, seq) that exists already: some epoch check was passed by someone who
        # is not the owner. One by one, so that only the session concerned pays for it.
        if len(appends) == 1:
            return {appends[0].session}
    refused: set[str] = set()
    for one in appends:
        refused |= await append(database, [one])
    return refused


def _append(connection: Connection, appends: list[Append]) -> set[str]:
    if connection.dialect.name == "sqlite":
        return _append_sqlite(connection, appends)
    # FOR SHARE: a takeover (which writes the epoch) waits until this commit is done, or we see it.
    # SQLite has one writer at a time and ignores the clause.
    query = select(Session.id, Session.epoch).where(Session.id.in_([a.session for a in appends]))
    epochs = {row.id: row.epoch for row in connection.execute(query.with_for_update(read=True))}
    refused = {a.session for a in appends if epochs.get(a.session) != a.epoch}
    rows = [row for a in appends if a.session not in refused for row in a.rows]
    if rows:
        connection.execute(insert(Item), rows)
    touched = [a.session for a in appends if a.touch and a.session not in refused]
    if touched:
        connection.execute(
            update(Session).where(Session.id.in_(touched)).values(updated_at=now_ms())
        )
    return refused


# Compiled once, by hand: building these two statements costs SQLAlchemy 0.6 ms of processor time a
# commit, three times what SQLite needs to execute them.
_COLUMNS = {
    column.name: Item.__mapper__.get_property_by_column(column).key
    for column in Item.__table__.columns
}
_INSERT = (
    f"INSERT INTO items ({', '.join(_COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(f':{key}' for key in _COLUMNS.values())})"
)


def _append_sqlite(connection: Connection, appends: list[Append]) -> set[str]:
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    marks = ", ".join("?" * len(appends))
    query = f"SELECT id, epoch FROM sessions WHERE id IN ({marks})"  # noqa: S608
    epochs = dict(driver.execute(query, [a.session for a in appends]).fetchall())
    refused = {a.session for a in appends if epochs.get(a.session) != a.epoch}
    rows = [row for a in appends if a.session not in refused for row in a.rows]
    if rows:
        driver.executemany(_INSERT, rows)
    touched = [(now_ms(), a.session) for a in appends if a.touch and a.session not in refused]
    if touched:
        driver.executemany("UPDATE sessions SET updated_at = ? WHERE id = ?", touched)
    return refused


async def fence(session: AsyncSession, session_id: str) -> int:
    """Take a session over: return a new epoch; appends under any older one fail from now on.

    Raises:
        NotFound: there is no such session.
    """
    epoch: int | None = await session.scalar(
        update(Session)
        .where(Session.id == session_id)
        .values(epoch=Session.epoch + 1)
        .returning(Session.epoch)
    )
    if epoch is None:
        raise NotFound(f"no session {session_id!r}")
    return epoch


async def load(session: AsyncSession, session_id: str, rev: int | None = None) -> Stored:
    """Return the newest snapshot (at or below ``rev``) and the items after it, in order.

    Raises:
        NotFound: no such session, or a rev it does not have (yet, or any more).
    """
    row = await session.get(Session, session_id)
    if row is None:
        raise NotFound(f"no session {session_id!r}")
    query = select(Snapshot).where(
        Snapshot.session_id == session_id, Snapshot.lineage == row.lineage
    )
    if rev is not None:
        query = query.where(Snapshot.rev <= rev)
    snapshot = await session.scalar(query.order_by(Snapshot.rev.desc()).limit(1))
    if snapshot is None:
        raise NotFound(f"session {session_id!r} has no state at rev {rev}")
    items = await items_after(session, session_id, snapshot.rev, up_to=rev)
    if rev is not None and (items[-1].rev if items else snapshot.rev) != rev:
        raise NotFound(f"session {session_id!r} has no rev {rev}")
    return Stored(
        kind=row.kind,
        lineage=row.lineage,
        epoch=row.epoch,
        snapshot_rev=snapshot.rev,
        state=snapshot.state,
        clients=snapshot.clients,
        items=items,
    )


async def items_after(
    session: AsyncSession,
    session_id: str,
    rev: int,
    *,
    up_to: int | None = None,
    limit: int | None = None,
) -> Sequence[Item]:
    """Return the items after ``rev``, oldest first."""
    query = select(Item).where(Item.session_id == session_id, Item.rev > rev).order_by(Item.rev)
    if up_to is not None:
        query = query.where(Item.rev <= up_to)
    if limit is not None:
        query = query.limit(limit)
    return (await session.scalars(query)).all()


async def head(session: AsyncSession, session_id: str) -> int:
    """Return the newest rev, 0 where nothing happened yet."""
    newest = select(func.max(Item.rev)).where(Item.session_id == session_id)
    rev: int | None = await session.scalar(newest)
    return rev or 0


async def known(
    session: AsyncSession, session_id: str, client: str, seqs: Sequence[int]
) -> dict[int, tuple[int, bytes]]:
    """Return ``{seq: (rev, digest)}`` of a client's accepted numbers."""
    query = select(Item.seq, Item.rev, Item.digest).where(
        Item.session_id == session_id,
        Item.client == client,
        Item.seq.between(min(seqs), max(seqs)),
    )
    return {row.seq: (row.rev, row.digest) for row in await session.execute(query)}


async def put_snapshot(
    database: Database,
    session_id: str,
    *,
    epoch: int,
    rev: int,
    lineage: str,
    state: str,
    clients: dict[str, Any],
) -> None:
    """Keep the state at ``rev``, so that loading starts from there.

    Through the log's own thread: a transaction elsewhere would hold the database over several turns
    of a busy loop, and the log with it.

    Raises:
        Conflict: a newer epoch owns the session.
    """

    def work(connection: Connection) -> None:
        current = connection.scalar(
            select(Session.epoch).where(Session.id == session_id).with_for_update(read=True)
        )
        if current != epoch:
            raise Conflict(f"session {session_id!r} is owned by epoch {current}, not {epoch}")
        here = (Snapshot.session_id == session_id, Snapshot.rev == rev)
        if connection.scalar(select(Snapshot.rev).where(*here)) is None:
            values = {"rev": rev, "lineage": lineage, "state": state, "clients": clients}
            connection.execute(insert(Snapshot).values(session_id=session_id, **values))
        connection.execute(
            update(Session).where(Session.id == session_id).values(updated_at=now_ms())
        )

    await database.write(work)
