"""The log: a session's items and snapshots, appended by whoever holds its epoch."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cluster.errors import Conflict, NotFound
from cluster.storage.database import Database
from cluster.storage.models import Item, Session, Snapshot, now_ms

# Of the older snapshots one in so many revs stays: from it any rev is a fold away.
MILESTONE_REVS = 10_000
# A crash while the newest is written leaves the one before.
NEWEST_SNAPSHOTS = 2


@dataclass(frozen=True, slots=True)
class SnapshotValues:
    """A document at one rev and what the sequencer folds beside it."""

    rev: int
    lineage: str
    state: str
    clients: dict[str, Any]
    undo: dict[str, Any]
    threads: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is needed to continue (or show) a session from one snapshot on.

    ``items`` are rows with the attributes of `models.Item`.
    """

    kind: str
    epoch: int
    snapshot: SnapshotValues
    items: Sequence[Any]


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
        if database.sqlite:
            return await database.write_plain(lambda driver: _append_sqlite(driver, appends))
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
    # FOR SHARE: a takeover (which writes the epoch) waits until this commit is done, or we see it.
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


def _append_sqlite(driver: sqlite3.Connection, appends: list[Append]) -> set[str]:
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
    row = (
        await session.execute(select(Session.kind, Session.epoch).where(Session.id == session_id))
    ).one_or_none()
    if row is None:
        raise NotFound(f"no session {session_id!r}")
    query = select(*_SNAPSHOT).where(Snapshot.session_id == session_id)
    if rev is not None:
        query = query.where(Snapshot.rev <= rev)
    snapshot = (await session.execute(query.order_by(Snapshot.rev.desc()).limit(1))).one_or_none()
    if snapshot is None:
        raise NotFound(f"session {session_id!r} has no state at rev {rev}")
    items = await items_after(session, session_id, snapshot.rev, up_to=rev)
    if rev is not None and (items[-1].rev if items else snapshot.rev) != rev:
        raise NotFound(f"session {session_id!r} has no rev {rev}")
    return Stored(row.kind, row.epoch, SnapshotValues(*snapshot), items)


_SNAPSHOT = (
    Snapshot.rev,
    Snapshot.lineage,
    Snapshot.state,
    Snapshot.clients,
    Snapshot.undo,
    Snapshot.threads,
)
# Plain rows: ten thousand of them as objects of the ORM would cost more than all else of a resume.
_ITEM = tuple(getattr(Item, attribute.key) for attribute in Item.__mapper__.column_attrs)


async def items_after(
    session: AsyncSession,
    session_id: str,
    rev: int,
    *,
    up_to: int | None = None,
    limit: int | None = None,
) -> Sequence[Any]:
    """Return the items after ``rev``, oldest first: rows with the attributes of `models.Item`."""
    query = select(*_ITEM).where(Item.session_id == session_id, Item.rev > rev).order_by(Item.rev)
    if up_to is not None:
        query = query.where(Item.rev <= up_to)
    if limit is not None:
        query = query.limit(limit)
    return (await session.execute(query)).all()


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
    epoch: int,
    values: SnapshotValues,
    *,
    keep_revs: int = 0,
) -> None:
    """Keep the state at a rev, so that loading starts from there; drop what is no longer needed.

    Through the log's own thread: a transaction elsewhere would hold the database over several turns
    of a busy loop, and the log with it.

    At least ``keep_revs`` revs of history stay; 0 keeps all.

    Raises:
        Conflict: a newer epoch owns the session.
    """

    def work(connection: Connection) -> None:
        current = connection.scalar(
            select(Session.epoch).where(Session.id == session_id).with_for_update(read=True)
        )
        if current != epoch:
            raise Conflict(f"session {session_id!r} is owned by epoch {current}, not {epoch}")
        insert_snapshot(connection, session_id, values)
        _thin(connection, session_id, values.rev, keep_revs)

    await database.write(work)


def insert_snapshot(connection: Connection, session_id: str, values: SnapshotValues) -> None:
    """Add a snapshot; one that exists stays."""
    here = (Snapshot.session_id == session_id, Snapshot.rev == values.rev)
    if connection.scalar(select(Snapshot.rev).where(*here)) is None:
        columns = {name: getattr(values, name) for name in SnapshotValues.__slots__}
        connection.execute(insert(Snapshot).values(session_id=session_id, **columns))
    connection.execute(update(Session).where(Session.id == session_id).values(updated_at=now_ms()))


async def replace_lineage(
    session: AsyncSession, session_id: str, row: dict[str, Any], values: SnapshotValues
) -> None:
    """Begin a new lineage with the item ``row`` and the snapshot after it."""
    await session.execute(insert(Item), [row])
    await session.execute(
        update(Session).where(Session.id == session_id).values(lineage=values.lineage)
    )
    connection = await session.connection()
    await connection.run_sync(insert_snapshot, session_id, values)


def _thin(connection: Connection, session_id: str, head: int, keep_revs: int) -> None:
    """Drop the snapshots nobody needs, and the history that is older than what is kept."""
    of_session = Snapshot.session_id == session_id
    revs = list(connection.scalars(select(Snapshot.rev).where(of_session).order_by(Snapshot.rev)))
    floor = 0
    if keep_revs:
        floor = max((rev for rev in revs if rev <= head - keep_revs), default=0)
    if floor:
        connection.execute(delete(Item).where(Item.session_id == session_id, Item.rev <= floor))
    # Finer where history is cut: what may go is what lies before a snapshot.
    step = min(MILESTONE_REVS, max(1, keep_revs // 4)) if keep_revs else MILESTONE_REVS
    kept = set(revs[-NEWEST_SNAPSHOTS:])
    buckets: set[int] = set()
    for rev in revs:
        if rev >= floor and rev // step not in buckets:
            buckets.add(rev // step)
            kept.add(rev)
    gone = [rev for rev in revs if rev not in kept]
    if gone:
        connection.execute(delete(Snapshot).where(of_session, Snapshot.rev.in_(gone)))
