"""The session actor's shell over real databases: durable before visible, one owner, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from actors import host as host_module
from actors import wire
from actors.collab.history import RING_ITEMS
from actors.collab.messages import Comment, Edit, Since, Sync, Undo
from actors.host import SessionHost
from actors.ot.text import MAX_SECTIONS
from actors.stream import Stream, connect
from cluster.errors import Conflict, NotFound
from cluster.storage import items as log_store
from cluster.storage import sessions
from cluster.storage.database import Database

A, B = "client-a", "client-b"


class Replica:
    """The other end of the stream, by hand."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.stream: Stream

    def stream_opened(self, stream: Stream) -> None:
        self.stream = stream

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        self.messages.put_nowait(wire.decode_to_replica(frame))

    def stream_closed(self, stream: Stream) -> None:
        self.messages.put_nowait(None)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.messages.get(), 10)

    async def frame(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((await self.next()).payload)
        return value

    def say(self, message: Any) -> None:
        self.stream.send(wire.encode(message))

    def follow(self, session: str, client: str, *, socket: int = 1, since: Any = None) -> None:
        permissions = ("read", "write", "comment")
        follow = wire.Follow(socket, session, client, client, "editor", permissions, since)
        self.say(follow)

    def edit(self, session: str, client: str, seq: int, rev: int, *ops: Any) -> None:
        message = {"session": session, "client": client, "seq": seq, "rev": rev, "ops": list(ops)}
        self.say(wire.ChangeFrom(1, msgspec.convert(message, Edit)))


@pytest.fixture
async def host(database: Database) -> AsyncIterator[SessionHost]:
    host = SessionHost(database, max_length=100_000, snapshot_every=10)
    await host.server.start("127.0.0.1")
    host.start()
    yield host
    await host.stop()


@pytest.fixture
async def replica(host: SessionHost) -> AsyncIterator[Replica]:
    replica = Replica()
    await connect(host.server.offer(), replica)
    yield replica
    replica.stream.close()
    await asyncio.wait_for(replica.stream.closed.wait(), 10)


async def new_session(database: Database, content: str = "") -> str:
    async with database.session() as sql:
        row = await sessions.create(
            sql, owner="alice", name="n", kind="text", content=content,
            visibility="private", public_role="viewer",
        )  # fmt: skip
        return row.id


async def take_over(database: Database, session: str) -> int:
    async with database.session() as sql:
        return await log_store.fence(sql, session)


async def live_session(
    database: Database, host: SessionHost, replica: Replica, content: str = ""
) -> str:
    """Return a session that ``host`` owns and ``replica`` follows as A."""
    session = await new_session(database, content)
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    assert isinstance(await replica.next(), wire.Joined)
    return session


async def stored_text(database: Database, session: str) -> tuple[int, str]:
    fresh = SessionHost(database, max_length=100_000, snapshot_every=10)
    await fresh.acquire(session, await take_over(database, session))
    sequencer = fresh._live[session].room.sequencer
    return sequencer.rev, sequencer.state


async def test_what_is_shown_is_stored(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    session = await new_session(database, "ab")
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    joined = await replica.next()
    assert isinstance(joined, wire.Joined)
    assert json.loads(joined.payload)["state"] == "ab"
    replica.edit(session, A, 1, 0, [2, [0, "c"]])
    batch = await replica.next()
    assert isinstance(batch, wire.Items)
    async with database.read() as sql:
        rows = await log_store.items_after(sql, session, 0)
    assert [(r.rev, r.seq, r.op, r.inverse) for r in rows] == [(1, 1, '[2,[0,"c"]]', "[2,[1]]")]


async def test_survives_being_forgotten(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    """Snapshots, replay, deduplication and seqs are the same after a load from storage."""
    session = await live_session(database, host, replica)
    text = ""
    for seq in range(1, 26):
        op = [len(text), [0, "x"]] if text else [[0, "x"]]
        replica.edit(session, A, seq, seq - 1, op)
        text += "x"
        await replica.next()
    host.release(session)
    ended = await replica.next()
    assert (ended.session, ended.code) == (session, 4000)
    assert await stored_text(database, session) == (25, text)

    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    assert (await replica.frame())["acked"] == 25
    replica.edit(session, A, 25, 24, [24, [0, "x"]])
    assert await replica.frame() == {
        "type": "ack", "session": session, "client": A, "seq": 25, "rev": 25,
    }  # fmt: skip
    replica.edit(session, A, 3, 2, [2, [0, "x"]])  # long gone from memory
    assert (await replica.frame())["rev"] == 3
    replica.edit(session, A, 3, 2, [2, [0, "other"]])
    assert (await replica.frame())["code"] == "conflict"


async def test_an_op_that_grew_by_mapping_is_loaded_again(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    """What a client may send is bounded; what it becomes, cut up by others' edits, is more."""
    session = await live_session(database, host, replica, "x" * 20_000)
    replica.follow(session, B, socket=2)
    await replica.next()
    inside = [1, *[part for _ in range(4_998) for part in ([0, "y"], 4)], [0, "y"], 3, 4]
    replica.edit(session, A, 1, 0, inside)
    await replica.next()
    around = [*[part for _ in range(4_999) for part in ([3], 1)], 4]
    edits = {"session": session, "client": B, "seq": 1, "rev": 0, "ops": [around]}
    replica.say(wire.ChangeFrom(2, msgspec.convert(edits, Edit)))
    batch = await replica.next()
    assert isinstance(batch, wire.Items), batch
    before = host._live[session].room.sequencer
    async with database.read() as sql:
        rows = await log_store.items_after(sql, session, 1)
    assert len(json.loads(rows[0].op)) > MAX_SECTIONS
    assert await stored_text(database, session) == (2, before.state)


async def test_what_waits_for_its_round_is_bounded(
    database: Database, host: SessionHost, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await live_session(database, host, replica)
    monkeypatch.setattr(host_module, "INBOX", 0)
    replica.edit(session, A, 1, 0, [[0, "x"]])
    nack = await replica.frame()
    assert (nack["type"], nack["code"], nack["seq"]) == ("nack", "overloaded", 1)
    assert nack["retry_after_ms"] > 0
    monkeypatch.undo()
    replica.edit(session, A, 1, 0, [[0, "x"]])
    assert isinstance(await replica.next(), wire.Items)


async def test_an_undo_reaches_back_into_storage_and_others_do_not_wait(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    session = await live_session(database, host, replica)
    replica.edit(session, A, 1, 0, [[0, "first"]])
    await replica.next()
    for n in range(1, 12):
        replica.follow(session, B, socket=2)
        await replica.next()
        text = {"session": session, "client": B, "seq": n, "rev": n, "ops": [[4 + n, [0, "b"]]]}
        replica.say(wire.ChangeFrom(2, msgspec.convert(text, Edit)))
        await replica.next()
    await asyncio.sleep(0.1)  # a snapshot was made at rev 10
    host.release(session)
    await replica.next()
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    assert (await replica.frame())["undo_depth"] == 1
    assert host._live[session].room.sequencer.ring.base >= 10
    replica.say(wire.ChangeFrom(1, Undo(session=session, client=A, seq=2)))
    # Sent before the undo could be answered: it waits its turn.
    replica.say(
        wire.ChangeFrom(
            1, Comment(session=session, client=A, seq=3, action="add", anchor={"line": 1}, text="x")
        )
    )
    kinds: list[str] = []
    while len(kinds) < 2:
        kinds += [json.loads(full)["kind"] for _, full, _ in (await replica.next()).items]
    assert kinds == ["undo", "comment"]
    assert await stored_text(database, session) == (14, "b" * 11)


async def test_what_fails_when_it_goes_on_ends_nobody_elses_session(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    """What waited for storage goes on in a later round, with others in it."""
    session = await live_session(database, host, replica)

    def fail() -> None:
        raise ZeroDivisionError

    host._resume(session, host._live[session], fail)
    await asyncio.sleep(0.05)
    replica.edit(session, A, 1, 0, [[0, "x"]])
    assert isinstance(await replica.next(), wire.Items)


async def test_a_stale_owner_can_append_nothing(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    session = await live_session(database, host, replica)
    await take_over(database, session)
    replica.edit(session, A, 1, 0, [[0, "x"]])
    ended = await replica.next()
    assert isinstance(ended, wire.Ended)
    assert await stored_text(database, session) == (0, "")
    assert session not in host.sessions()


async def test_one_sessions_stale_owner_does_not_hurt_another(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    good, bad = await new_session(database), await new_session(database)
    for session in (good, bad):
        await host.acquire(session, await take_over(database, session))
        replica.follow(session, A)
        await replica.next()
    await take_over(database, bad)
    replica.edit(bad, A, 1, 0, [[0, "x"]])
    replica.edit(good, A, 1, 0, [[0, "y"]])
    kinds = {type(await replica.next()), type(await replica.next())}
    assert kinds == {wire.Ended, wire.Items}
    assert await stored_text(database, good) == (1, "y")


async def test_acquiring_under_an_old_epoch_is_refused(
    database: Database, host: SessionHost
) -> None:
    session = await new_session(database)
    old = await take_over(database, session)
    await take_over(database, session)
    with pytest.raises(Conflict, match="epoch"):
        await host.acquire(session, old)


async def test_no_session_is_not_an_empty_one(host: SessionHost) -> None:
    with pytest.raises(NotFound):
        await host.acquire("nothing", 1)
    assert host.sessions() == {}


async def test_a_commit_that_fails_acknowledges_nothing(
    database: Database, host: SessionHost, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await live_session(database, host, replica)

    async def fail(*_: object) -> set[str]:
        raise OSError("disk full")

    monkeypatch.setattr(log_store, "append", fail)
    replica.edit(session, A, 1, 0, [[0, "x"]])
    assert isinstance(await replica.next(), wire.Ended)
    monkeypatch.undo()
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    state = await replica.frame()
    assert (state["acked"], state["state"]) == (0, "")
    replica.edit(session, A, 1, 0, [[0, "x"]])
    assert isinstance(await replica.next(), wire.Items)


async def test_since_beyond_memory_is_served_from_storage(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    session = await new_session(database)
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    lineage = (await replica.frame())["lineage"]
    rev = 0
    while rev <= RING_ITEMS + 100:
        ops = [[n, [0, "x"]] if n else [[0, "x"]] for n in range(rev, rev + 500)]
        replica.edit(session, A, rev + 1, rev, *ops)
        await replica.next()
        rev += 500
    replica.follow(session, B, socket=2, since=Since(lineage, 3))
    value = await replica.frame()
    assert "state" not in value
    assert [item["rev"] for item in value["items"]] == list(range(4, rev + 1))
    replica.say(wire.SyncFrom(2, Sync(session=session, since=Since(lineage, rev - 1))))
    assert [item["rev"] for item in (await replica.frame())["items"]] == [rev]


async def test_idle_sessions_are_unloaded(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    session = await live_session(database, host, replica)
    replica.edit(session, A, 1, 0, [[0, "x"]])
    await replica.next()
    assert await host.passivate(0.0) == []
    replica.say(wire.Unfollow(1, session))
    await asyncio.sleep(0.1)
    assert await host.passivate(0.0) == [session]
    async with database.read() as sql:
        stored = await log_store.load(sql, session)
    snapshot = stored.snapshot
    assert (snapshot.rev, snapshot.state, list(stored.items)) == (1, "x", [])
    assert snapshot.clients == {A: {"user": A, "acked": 1, "rev": 1}}


async def test_a_stream_needs_its_secret_and_only_once(host: SessionHost) -> None:
    address, port, secret = host.server.offer()
    good, again, wrong = Replica(), Replica(), Replica()
    await connect((address, port, secret), good)
    await asyncio.sleep(0.05)
    for replica, given in ((again, secret), (wrong, "wrong")):
        await connect((address, port, given), replica)
        assert await replica.next() is None
    assert not good.stream.closed.is_set()


async def test_nonsense_on_the_stream_ends_it_alone(
    database: Database, host: SessionHost, replica: Replica
) -> None:
    other = Replica()
    await connect(host.server.offer(), other)
    other.stream.send(b"\xc1nonsense")
    assert await other.next() is None
    session = await new_session(database)
    await host.acquire(session, await take_over(database, session))
    replica.follow(session, A)
    assert isinstance(await replica.next(), wire.Joined)
