"""One engine a process: opening, transactions, migrations."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from cluster.settings import Settings

T = TypeVar("T")

# What PostgreSQL has not answered by then is taken for failed.
ANSWER_TIMEOUT_S = 30.0
# A writer waits this long for another process's transaction; ours last milliseconds.
BUSY_TIMEOUT_MS = 10_000
# 16 MiB of write-ahead log, written anew from the start after each checkpoint. While it still grows
# a commit costs up to four times as much (the file system's own journal): so not larger.
CHECKPOINT_PAGES = 4_096
# A connection that was not used for so long is asked first whether the server is still there: else
# the first request after PostgreSQL was started again would fail. One in use hears it at once.
IDLE_S = 1.0
MIGRATIONS = Path(__file__).parent / "migrations"


# A snapshot's folds are long lists of small numbers: ten times the standard library's pace.
_JSON: dict[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


class Database:
    """The SQL database of one process.

    SQLite transactions begin IMMEDIATE when they may write: a deferred one that upgrades later
    fails at once with SQLITE_BUSY instead of waiting its turn.
    """

    def __init__(self, settings: Settings, *, pool_size: int = 5) -> None:
        self.url = settings.sqlalchemy_url
        self.sqlite = self.url.startswith("sqlite")
        if self.sqlite:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        # aiosqlite runs each connection in a thread of its own; few are enough for one process.
        # A server that hangs must not hold a commit, and with it a session, for good.
        waits = (
            {}
            if self.sqlite
            else {"timeout": ANSWER_TIMEOUT_S, "command_timeout": ANSWER_TIMEOUT_S}
        )
        self.engine = create_async_engine(
            self.url, pool_size=pool_size, max_overflow=5, connect_args=waits, **_JSON
        )
        self._writer: _Writer | None = None
        if self.sqlite:
            event.listen(self.engine.sync_engine, "connect", _configure_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine.sync_engine, "checkin", _note_use)
            event.listen(self.engine.sync_engine, "checkout", self._ask_if_idle)

    def _ask_if_idle(
        self,
        connection: DBAPIConnection,
        record: ConnectionPoolEntry,
        _proxy: PoolProxiedConnection,
    ) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < IDLE_S:
            return
        try:
            self.engine.dialect.do_ping(connection)
        except Exception as error:
            raise DisconnectionError("the server has ended the connection") from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open an ORM session in a transaction: committed on success, else rolled back."""
        async with (
            self.begin() as connection,
            AsyncSession(
                connection, expire_on_commit=False, join_transaction_mode="conditional_savepoint"
            ) as session,
        ):
            yield session
            await session.flush()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection in a writing transaction."""
        async with self.engine.connect() as connection:
            await connection.execution_options(synq_write=True)
            async with connection.begin():
                yield connection

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a writing transaction and commit: the short way for the log.

        On SQLite all of it is one hop to one thread; through `begin`, every statement would be a
        hop of its own, which costs more than the statements.
        """
        if not self.sqlite:
            async with self.begin() as connection:
                return await connection.run_sync(work)
        writer = self._log_writer()
        return await asyncio.get_running_loop().run_in_executor(writer.thread, writer.run, work)

    async def write_plain(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `write`, for SQLite and the log alone: on the driver's connection.

        SQLAlchemy's share of a small commit is 0.18 ms of processor time of 0.39, and a busy
        session commits hundreds of times a second.
        """
        writer = self._log_writer()
        return await asyncio.get_running_loop().run_in_executor(
            writer.thread, writer.run_plain, work
        )

    def _log_writer(self) -> _Writer:
        if self._writer is None:
            self._writer = _Writer(self.url.replace("+aiosqlite", ""))
        return self._writer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open an ORM session that only reads; it never waits for a writer."""
        async with (
            self.engine.connect() as connection,
            AsyncSession(connection, expire_on_commit=False) as session,
        ):
            yield session

    async def ping(self) -> None:
        """Raise if the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def migrate(self) -> None:
        """Bring the schema to the newest revision. Idempotent."""
        async with self.engine.connect() as connection:
            await connection.execution_options(synq_write=True)
            async with connection.begin():
                await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
        if self._writer is not None:
            self._writer.close()


class _Writer:
    """The thread of a process that writes the log to SQLite, and its connection, kept open.

    A writer that finds the database locked polls: it sleeps 1, 2, 5, 10, … 100 ms between tries,
    and two processes that commit all the time starve each other (p99 92 ms for a commit of 3). The
    kernel hands a file lock over at once and in turn; the database's own lock is then free, but for
    the few writers elsewhere.
    """

    def __init__(self, url: str) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="synq-log")
        self._engine = create_engine(url, pool_size=1, **_JSON)
        event.listen(self._engine, "connect", _configure_sqlite)
        event.listen(self._engine, "connect", _checkpoint_seldom)
        event.listen(self._engine, "begin", _begin_sqlite)
        self._connection: Connection | None = None
        self._turn = os.open(f"{self._engine.url.database}-turn", os.O_RDWR | os.O_CREAT, 0o600)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in a transaction and commit; on the writer's own thread."""

        def transact(connection: Connection) -> T:
            with connection.begin():
                return work(connection)

        return self._in_turn(transact)

    def run_plain(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`, on the driver's connection."""

        def transact(connection: Connection) -> T:
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            driver.execute("BEGIN IMMEDIATE")
            try:
                result = work(driver)
            except BaseException:
                driver.execute("ROLLBACK")
                raise
            driver.execute("COMMIT")
            return result

        return self._in_turn(transact)

    def _in_turn(self, transact: Callable[[Connection], T]) -> T:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(synq_write=True)
            return transact(self._connection)
        except BaseException:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the connection once what is under way has ended."""
        self.thread.submit(self._end).result()
        self.thread.shutdown()

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()
        os.close(self._turn)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _configure_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver's own implicit BEGIN would be deferred; we begin ourselves, below.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: a commit that returned survives power loss. In WAL mode, NORMAL would not promise that.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _checkpoint_seldom(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # Whoever commits past this many pages moves them into the database file, with two more fsyncs,
    # while everyone waits. By default 1,000: at 1,000 small commits a second, 20 times a second.
    connection.cursor().execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("synq_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
