"""An editor by the book of docs/protocol.md: what any honest client does, and a record of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from actors.ot.text import ChangeSet, from_units, to_units
from tests.checker import Record

# Of one message: well below what the server takes.
MAX_OPS = 200
MAX_OPS_BYTES = 60_000
# Refused for now: nothing of the message was applied, and it is sent anew.
AGAIN = ("stale", "gap", "overloaded", "rate_limited", "not_subscribed")


def socket_url(url: str, session: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/ws/collaborate?session={session}"


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message that is not in the history yet.

    Attributes:
        changes: of an edit, what is not acknowledged, as it applies now.
        message: as it was sent: it is sent again as it was, until it is refused.
    """

    kind: str
    changes: list[ChangeSet] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] | None = None

    @property
    def numbers(self) -> int:
        return len(self.changes) if self.kind == "edit" else 1


class Editor:
    """One user in one session: types, resends, reconnects with `since`, maps item by item."""

    def __init__(self, url: str, token: str, session: str, *, user: str = "") -> None:
        self.url = socket_url(url, session)
        self.token = token
        self.session = session
        self.client = f"tab-{secrets.token_hex(6)}"
        self.record = Record(self.client, user)
        self.units = ""
        """What is shown; `confirmed` is the document at `rev`."""
        self.confirmed = ""
        self.rev = 0
        self.lineage = ""
        self.seq = 0
        self.outgoing: deque[Outgoing] = deque()
        self.made = 0
        """Changes made here; `kept` are those of them that were acknowledged."""
        self.kept = 0
        self.threads: list[str] = []
        self.presence: dict[str, Any] = {}
        self.closes: list[int] = []
        self.reconnects = -1
        self.live = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self._tag = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=6))
        self._ids = itertools.count(1)
        self._heartbeat_s = 30.0
        self._heard = 0.0
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._later: set[asyncio.TimerHandle] = set()

    @property
    def text(self) -> str:
        return from_units(self.units)

    @property
    def unconfirmed(self) -> list[ChangeSet]:
        return [change for out in self.outgoing for change in out.changes]

    @property
    def acknowledged(self) -> list[tuple[int, int]]:
        return [(seq, rev) for _, seq, rev in self.record.acknowledged]

    @property
    def nacks(self) -> list[dict[str, Any]]:
        return [nack for _, nack in self.record.nacks]

    async def __aenter__(self) -> Editor:
        self._task = asyncio.ensure_future(self._run())
        self._pinging = asyncio.ensure_future(self._ping())
        async with asyncio.timeout(60):
            while not self.live.is_set():
                self.well()
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        for handle in self._later:
            handle.cancel()
        for task in (self._task, self._pinging):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # --- what a user does ------------------------------------------------------------------

    def insert(self, position: int, text: str) -> None:
        """Type; it is shown here at once and sent as soon as nothing else is in flight."""
        self.replace(position, 0, text)

    def delete(self, position: int, count: int) -> None:
        self.replace(position, count, "")

    def replace(self, position: int, count: int, text: str) -> None:
        rest = self.shown_length - position - count
        sections = ((position, None), (count, to_units(text)), (rest, None))
        self.change(ChangeSet([s for s in sections if s[0] or s[1]]))

    @property
    def shown_length(self) -> int:
        return len(self.units)

    def change(self, change: ChangeSet) -> None:
        """Make a change to the document as it is shown."""
        self.units = change.apply(self.units)
        self.made += 1
        last = self.outgoing[-1] if self.outgoing else None
        if last is None or last.kind != "edit" or last.message is not None:
            last = Outgoing("edit")
            self.outgoing.append(last)
        last.changes.append(change)
        self._flush()

    def undo(self) -> None:
        self._queue(Outgoing("undo"))

    def redo(self) -> None:
        self._queue(Outgoing("redo"))

    def comment(self, action: str, **fields: Any) -> None:
        """Say something; a new thread is about a line of the text as it is when it is sent."""
        self._queue(Outgoing("comment", fields={"action": action, **fields}))

    def present(self, state: dict[str, Any] | None) -> None:
        self._send({"type": "presence", "session": self.session, "client": self.client,
                    "rev": self.rev, "state": state})  # fmt: skip

    def type_randomly(self, rng: random.Random) -> None:
        """Insert something never typed before, or delete a little."""
        size = len(self.units)
        if size > 40 and rng.random() < 0.4:
            start = rng.randrange(size - 12)
            self._delete_whole(start, rng.randrange(1, 12))
        else:
            token = f"<{self._tag}{self.made}>"
            self.record.typed.append(token)
            at = self._boundary(rng.randrange(size + 1))
            self.insert(at, token + rng.choice(["", "", "\n", "π", "😀", " x"]))

    def act_randomly(self, rng: random.Random) -> None:
        """Type mostly; now and then undo, redo or comment."""
        choice = rng.random()
        if choice < 0.05:
            self.undo()
        elif choice < 0.08:
            self.redo()
        elif choice < 0.11:
            self.comment("add", text=f"look {self.made}")
        elif choice < 0.14 and self.threads:
            thread = rng.choice(self.threads)
            if rng.random() < 0.5:
                self.comment("reply", thread=thread, text=f"seen {self.made}")
            else:
                self.comment(rng.choice(["resolve", "reopen"]), thread=thread)
        else:
            self.type_randomly(rng)

    async def settle(self, timeout_s: float = 60.0) -> None:
        """Wait until everything typed is acknowledged; the record is complete then."""
        async with asyncio.timeout(timeout_s):
            while self.outgoing:
                self.well()
                await asyncio.sleep(0.02)
        self.record.text, self.record.rev = self.text, self.rev

    async def reach(self, rev: int, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while self.rev < rev:
                self.well()
                await asyncio.sleep(0.02)
        self.record.text, self.record.rev = self.text, self.rev

    # --- sending ---------------------------------------------------------------------------

    def _boundary(self, position: int) -> int:
        """Step out of a surrogate pair."""
        inside = 0 < position < len(self.units) and "\udc00" <= self.units[position] <= "\udfff"
        return position - 1 if inside else position

    def _delete_whole(self, start: int, count: int) -> None:
        start, end = self._boundary(start), self._boundary(start + count)
        if end > start:
            self.delete(start, end - start)

    def _queue(self, out: Outgoing) -> None:
        self.outgoing.append(out)
        self._flush()

    def _flush(self) -> None:
        """Send what may be sent: one change of the document at a time, comments with it."""
        if not self.live.is_set():
            return
        seq, changing = self.seq + 1, False
        index = 0
        while index < len(self.outgoing):
            out = self.outgoing[index]
            if out.message is None:
                if changing and out.kind != "comment":
                    return  # what follows has later numbers
                self._cut(index)
                out.message = self._message(out, seq)
                self._say(out.message)
            changing = changing or out.kind != "comment"
            seq += out.numbers
            index += 1

    def _cut(self, index: int) -> None:
        """Leave what is too much for one message to the next."""
        out = self.outgoing[index]
        size = 0
        for count, change in enumerate(out.changes):
            size += 40 + sum(len(text) for _, text in change.sections if text)
            if count and (count == MAX_OPS or size > MAX_OPS_BYTES):
                self.outgoing.insert(index + 1, Outgoing("edit", out.changes[count:]))
                del out.changes[count:]
                return

    def _message(self, out: Outgoing, seq: int) -> dict[str, Any]:
        message = {"type": out.kind, "session": self.session, "client": self.client, "seq": seq,
                   "id": next(self._ids), **out.fields}  # fmt: skip
        if out.kind == "edit":
            message["rev"] = self.rev
            message["ops"] = [change.to_json() for change in out.changes]
        elif out.fields.get("action") == "add" and "anchor" not in out.fields:
            message["rev"] = self.rev
            message["anchor"] = {"line": 1 + seq % (self.confirmed.count("\n") + 1)}
        return message

    def _say(self, message: dict[str, Any]) -> None:
        self.record.sent.append((time.monotonic(), message))
        self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        if self._socket is not None:
            task = asyncio.ensure_future(self._socket.send(json.dumps(message)))
            task.add_done_callback(lambda t: t.cancelled() or t.exception())

    # --- the connection --------------------------------------------------------------------

    def well(self) -> None:
        """Fail where this client has."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s / 3)
            self._send({"type": "ping"})
            silent = time.monotonic() - self._heard > self._heartbeat_s
            if silent and self._socket is not None and self.reading.is_set():
                self._socket.transport.abort()

    async def _run(self) -> None:
        while True:
            socket: ClientConnection | None = None
            with contextlib.suppress(ConnectionClosed, OSError, InvalidHandshake, TimeoutError):
                async with connect(
                    self.url,
                    additional_headers={"Authorization": f"Bearer {self.token}"},
                    open_timeout=10,
                    close_timeout=1,
                    ping_interval=None,
                    max_size=None,
                ) as socket:
                    self._socket = socket
                    self._heard = time.monotonic()
                    await self._follow(socket)
            self.live.clear()
            if socket is not None and socket.close_code is not None:
                self.closes.append(socket.close_code)
            await asyncio.sleep(random.uniform(0.05, 0.15))

    async def _follow(self, socket: ClientConnection) -> None:
        self.reconnects += 1
        subscribe: dict[str, Any] = {
            "type": "subscribe", "session": self.session, "client": self.client,
        }  # fmt: skip
        if self.lineage:
            subscribe["since"] = {"lineage": self.lineage, "rev": self.rev}
        self._send(subscribe)
        async for frame in socket:
            await self.reading.wait()
            self._heard = time.monotonic()
            if not self._take(json.loads(frame)):
                return

    def _take(self, frame: dict[str, Any]) -> bool:
        """Take a frame; False where it says to come back later."""
        match frame["type"]:
            case "subscribed":
                self._begin(frame)
            case "items":
                for item in frame["items"]:
                    self._item(item)
                self._flush()
            case "presence":
                self.presence.update(frame["clients"])
            case "nack":
                self._refused(frame)
            case "ack":
                self.record.repeated.append((time.monotonic(), frame["seq"], frame["rev"]))
            case "error" if frame["code"] in ("unavailable", "rate_limited"):
                return False
            case "welcome":
                self._heartbeat_s = frame["heartbeat_ms"] / 1_000
            case "pong":
                pass
            case other:
                raise AssertionError(f"unexpected {other}: {frame}")
        return True

    def _begin(self, frame: dict[str, Any]) -> None:
        if "state" in frame:
            # Only ever the first time here: history is kept longer than a test runs.
            assert not self.lineage, "a snapshot where `since` could be served"
            self.units = self.confirmed = to_units(frame["state"])
            self.rev, self.lineage = frame["rev"], frame["lineage"]
            self.record.begun.append((self.lineage, self.rev))
            self.threads = [thread["id"] for thread in frame["comments"]]
        assert frame["lineage"] == self.lineage
        for item in frame.get("items", ()):
            self._item(item)
        assert self.rev == frame["rev"]
        assert frame["acked"] == self.seq, f"{frame['acked']} is acked, {self.seq} was seen"
        self.live.set()
        for out in self.outgoing:
            if out.message is not None:
                self._say(out.message)
        self._flush()

    def _refused(self, nack: dict[str, Any]) -> None:
        self.record.nacks.append((time.monotonic(), nack))
        refused = [o for o in self.outgoing if o.message and o.message["id"] == nack.get("id")]
        if not refused:
            return  # sent anew meanwhile
        out = refused[0]
        index = self.outgoing.index(out)
        # Whatever was sent after it was refused too, for the gap: numbers are given anew.
        for later in itertools.islice(self.outgoing, index, None):
            later.message = None
        if nack["code"] not in AGAIN:
            # A place that is gone, or nothing to undo; an honest edit is always possible.
            assert out.kind != "edit", nack
            assert nack["code"] == "invalid", nack
            del self.outgoing[index]
        delay_s = nack.get("retry_after_ms", 0) / 1_000
        self._later.add(asyncio.get_running_loop().call_later(delay_s, self._flush))

    def _item(self, item: dict[str, Any]) -> None:
        assert item["rev"] == self.rev + 1, f"expected rev {self.rev + 1}, got {item}"
        self.rev = item["rev"]
        self.record.seen.append((time.monotonic(), self.lineage, item))
        if item["kind"] == "comment" and item["comment"]["action"] == "add":
            self.threads.append(item["comment"]["thread"])
        if item["client"] == self.client:
            self._acknowledged(item)
        op = item.get("op")
        if op is None:
            return
        other = ChangeSet.from_json(op)
        self.confirmed = other.apply(self.confirmed)
        for out in self.outgoing:
            for index, change in enumerate(out.changes):
                out.changes[index] = change.map(other)
                other = other.map(change, before=True)
        self._remote(other)

    def _remote(self, change: ChangeSet) -> None:
        """Show what another did, or an undo of one's own came to."""
        self.units = change.apply(self.units)

    def _acknowledged(self, item: dict[str, Any]) -> None:
        assert item["seq"] == self.seq + 1
        self.seq = item["seq"]
        self.record.acknowledged.append((time.monotonic(), item["seq"], item["rev"]))
        out = self.outgoing[0]
        assert item["kind"] == out.kind, f"sent {out.message}, got {item}"
        if out.kind == "edit":
            assert "op" not in item
            self.confirmed = out.changes.pop(0).apply(self.confirmed)
            self.kept += 1
        if not out.changes:
            self.outgoing.popleft()


async def assert_converged(editors: list[Editor], state: dict[str, Any]) -> None:
    """All editors show the stored document, and nobody was told of a rev that is not in it."""
    for editor in editors:
        await editor.settle()
        await editor.reach(state["rev"])
    for editor in editors:
        assert editor.rev == state["rev"]
        assert editor.text == state["state"]
