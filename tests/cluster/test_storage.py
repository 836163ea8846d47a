"""Storage: one suite over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from cluster.errors import Conflict, NotFound
from cluster.identity.roles import Role
from cluster.settings import load_settings
from cluster.storage import items, sessions, tickets
from cluster.storage.database import Database
from cluster.storage.models import Base
from cluster.storage.users import display_name, ensure_user


def row(session: str, rev: int, epoch: int, **more: Any) -> dict[str, Any]:
    return {
        "session_id": session, "rev": rev, "epoch": epoch, "client": "client-a", "user_id": "alice",
        "seq": rev, "kind": "edit", "op": '[[0,"x"]]', "inverse": "[[1]]", "group": None,
        "detail": None, "digest": b"12345678", "ts": 1, **more,
    }  # fmt: skip


async def create(database: Database, **more: Any) -> str:
    values = {
        "owner": "alice", "name": "n", "kind": "text", "content": "", "visibility": "private",
        "public_role": "viewer", **more,
    }  # fmt: skip
    async with database.session() as sql:
        return (await sessions.create(sql, **values)).id


async def fence(database: Database, session: str) -> int:
    async with database.session() as sql:
        return await items.fence(sql, session)


async def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    def compare(connection: Any) -> list[Any]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with database.begin() as connection:
        assert await connection.run_sync(compare) == []
        tables = await connection.run_sync(lambda c: set(inspect(c).get_table_names()))
    assert tables >= {
        "users", "sessions", "participants", "items", "snapshots", "invites", "circuits", "jobs",
        "models", "training_jobs", "predictions", "audit",
    }  # fmt: skip


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await database.migrate()


async def test_sqlite_is_durable(database: Database) -> None:
    if not database.sqlite:
        return
    async with database.read() as sql:
        assert await sql.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await sql.scalar(text("PRAGMA synchronous")) == 2
        assert await sql.scalar(text("PRAGMA foreign_keys")) == 1
    modes = await database.write(
        lambda c: [c.scalar(text(f"PRAGMA {p}")) for p in ("journal_mode", "synchronous")]
    )
    assert modes == ["wal", 2]


@pytest.mark.postgres
async def test_a_server_that_hangs_is_not_waited_for(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.storage.database.ANSWER_TIMEOUT_S", 0.5)
    database = Database(load_settings(data_dir=tmp_path, database_url=f"{postgres_url}/postgres"))
    try:
        with pytest.raises((TimeoutError, DBAPIError)):
            await database.write(lambda connection: connection.execute(text("SELECT pg_sleep(20)")))
        assert await database.write(lambda c: c.scalar(text("SELECT 1"))) == 1
    finally:
        await database.close()


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.session() as sql:
            await ensure_user(sql, "alice")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.read() as sql:
        assert await sql.scalar(text("SELECT count(*) FROM users")) == 0


async def test_users_are_made_once(database: Database) -> None:
    async with database.session() as sql:
        await ensure_user(sql, "alice")
        await ensure_user(sql, "alice", "Alice")
        await ensure_user(sql, "alice")
    async with database.read() as sql:
        assert await display_name(sql, "alice") == "Alice"
        assert await display_name(sql, "nobody") == "nobody"


async def test_appends_are_all_there_or_none(database: Database) -> None:
    one, two = await create(database), await create(database)
    epochs = {s: await fence(database, s) for s in (one, two)}
    refused = await items.append(
        database,
        [
            items.Append(one, epochs[one], [row(one, 1, 1), row(one, 2, 1)]),
            items.Append(two, epochs[two] - 1, [row(two, 1, 0)]),
        ],
    )
    assert refused == {two}
    async with database.read() as sql:
        assert [i.rev for i in await items.items_after(sql, one, 0)] == [1, 2]
        assert await items.head(sql, one) == 2
        assert await items.head(sql, two) == 0


@pytest.mark.parametrize("clash", [{"rev": 1, "seq": 9}, {"rev": 2, "seq": 1}])
async def test_a_rev_and_a_number_are_taken_once(database: Database, clash: dict[str, int]) -> None:
    session, other = await create(database), await create(database)
    epoch = await fence(database, session)
    await items.append(database, [items.Append(session, epoch, [row(session, 1, epoch)])])
    bad = {**row(session, 1, epoch), **clash}
    good = items.Append(other, await fence(database, other), [row(other, 1, 1)])
    assert await items.append(database, [items.Append(session, epoch, [bad]), good]) == {session}
    async with database.read() as sql:
        assert await items.head(sql, session) == 1
        assert await items.head(sql, other) == 1


async def test_appends_race_a_takeover(database: Database) -> None:
    """Whatever the order, no item of an old epoch comes after a newer epoch was given out."""
    session = await create(database)
    epoch = await fence(database, session)
    done = asyncio.Event()

    async def append() -> int:
        rev = 0
        while not done.is_set():
            one = items.Append(session, epoch, [row(session, rev + 1, epoch)])
            if await items.append(database, [one]):
                break
            rev += 1
        return rev

    task = asyncio.ensure_future(append())
    await asyncio.sleep(0.1)
    await fence(database, session)
    async with database.read() as sql:
        head = await items.head(sql, session)
    await asyncio.sleep(0.1)
    done.set()
    await task
    async with database.read() as sql:
        assert await items.head(sql, session) == head


async def test_state_at_any_rev(database: Database) -> None:
    session = await create(database, content="abc")
    epoch = await fence(database, session)
    rows = [row(session, rev, epoch) for rev in range(1, 5)]
    await items.append(database, [items.Append(session, epoch, rows)])
    async with database.read() as sql:
        lineage = (await items.load(sql, session)).snapshot.lineage
    await items.put_snapshot(database, session, epoch, snapshot(3, lineage, "xxxabc"))
    async with database.read() as sql:
        newest = await items.load(sql, session)
        assert (newest.snapshot.rev, [i.rev for i in newest.items]) == (3, [4])
        early = await items.load(sql, session, 2)
        assert (early.snapshot.rev, early.snapshot.state, len(early.items)) == (0, "abc", 2)
        with pytest.raises(NotFound):
            await items.load(sql, session, 5)
    with pytest.raises(Conflict):
        await items.put_snapshot(database, session, epoch - 1, snapshot(4, lineage, ""))


def snapshot(rev: int, lineage: str, state: str) -> items.SnapshotValues:
    return items.SnapshotValues(rev, lineage, state, clients={}, undo={}, threads={})


async def revs(database: Database, session: str) -> tuple[list[int], list[int]]:
    """Return the revs of a session's snapshots and items."""
    async with database.read() as sql:
        query = "SELECT rev FROM {} WHERE session_id = :s ORDER BY rev"
        found = [
            list(await sql.scalars(text(query.format(table)), {"s": session}))
            for table in ("snapshots", "items")
        ]
    return found[0], found[1]


async def test_snapshots_are_thinned_and_every_rev_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MILESTONE_REVS", 20)
    session = await create(database)
    epoch = await fence(database, session)
    for rev in range(5, 61, 5):
        rows = [row(session, r, epoch) for r in range(rev - 4, rev + 1)]
        await items.append(database, [items.Append(session, epoch, rows)])
        await items.put_snapshot(database, session, epoch, snapshot(rev, "L", "x" * rev))
    assert await revs(database, session) == ([0, 20, 40, 55, 60], list(range(1, 61)))
    async with database.read() as sql:
        for rev in range(61):
            stored = await items.load(sql, session, rev)
            assert stored.snapshot.rev + len(stored.items) == rev


async def test_history_is_kept_as_long_as_asked(database: Database) -> None:
    session, other = await create(database), await create(database)
    epoch = await fence(database, session)
    await items.append(
        database, [items.Append(other, await fence(database, other), [row(other, 1, 1)])]
    )
    for rev in range(5, 61, 5):
        rows = [row(session, r, epoch) for r in range(rev - 4, rev + 1)]
        await items.append(database, [items.Append(session, epoch, rows)])
        values = snapshot(rev, "L", "x" * rev)
        await items.put_snapshot(database, session, epoch, values, keep_revs=20)
    kept, found = await revs(database, session)
    assert (kept[0], found[0]) == (40, 41)
    assert found[-1] == 60
    assert await revs(database, other) == ([0], [1])
    async with database.read() as sql:
        assert (await items.load(sql, session, 40)).snapshot.state == "x" * 40
        with pytest.raises(NotFound):
            await items.load(sql, session, 39)


async def test_what_one_may_not_see_is_not_there(database: Database) -> None:
    private = await create(database)
    public = await create(database, visibility="public", public_role="editor")
    async with database.read() as sql:
        assert await sessions.access(sql, private, "bob") is None
        assert await sessions.access(sql, "nothing", "bob") is None
        access = await sessions.access(sql, public, "bob")
        assert access is not None
        assert (access.role, access.participant) == (Role.EDITOR, False)
        found, total = await sessions.visible(sql, "bob", limit=10, offset=0)
        assert ([a.session.id for a in found], total) == ([public], 1)
        found, total = await sessions.visible(sql, "alice", limit=1, offset=1)
        assert (len(found), total) == (1, 2)


async def test_a_role_is_given_and_taken(database: Database) -> None:
    session = await create(database, visibility="public", public_role="editor")
    async with database.session() as sql:
        await sessions.set_role(sql, session, "bob", Role.VIEWER)
        await sessions.set_role(sql, session, "bob", Role.EDITOR)
    async with database.read() as sql:
        rows = await sessions.participants(sql, session)
        assert [(p.user_id, p.role) for p, _ in rows] == [("alice", "owner"), ("bob", "editor")]
    async with database.session() as sql:
        await sessions.leave(sql, session, "bob")
        access = await sessions.access(sql, session, "bob")
        assert access is not None
        assert not access.participant


async def test_deleting_takes_the_history_along(database: Database) -> None:
    session = await create(database)
    epoch = await fence(database, session)
    await items.append(database, [items.Append(session, epoch, [row(session, 1, epoch)])])
    async with database.session() as sql:
        await sessions.remove(sql, session)
    async with database.read() as sql:
        for table in ("sessions", "items", "snapshots", "participants"):
            assert await sql.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    assert await items.append(
        database, [items.Append(session, epoch, [row(session, 2, epoch)])]
    ) == {session}


async def test_a_ticket_is_spent_once_even_by_two_at_a_time(database: Database) -> None:
    spent = await asyncio.gather(*(tickets.spend(database, "t", 2**40) for _ in range(5)))
    assert sorted(spent) == [False] * 4 + [True]
