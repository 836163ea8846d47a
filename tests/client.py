"""An editor by the book of docs/protocol.md: what any honest client does, in a hundred lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from actors.ot.text import ChangeSet, from_units, to_units


def socket_url(url: str, session: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/ws/collaborate?session={session}"


class Editor:
    """One user in one session: types, resends, reconnects with `since`, maps item by item."""

    def __init__(self, url: str, token: str, session: str) -> None:
        self.url = socket_url(url, session)
        self.token = token
        self.session = session
        self.client = f"tab-{secrets.token_hex(6)}"
        self.units = ""
        self.rev = 0
        self.lineage = ""
        self.seq = 0
        self.unconfirmed: list[ChangeSet] = []
        self.sent: dict[str, Any] | None = None
        self.left = 0
        self.acknowledged: list[tuple[int, int]] = []
        self.presence: dict[str, Any] = {}
        self.nacks: list[dict[str, Any]] = []
        self.closes: list[int] = []
        self.reconnects = -1
        self.live = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        return from_units(self.units)

    async def __aenter__(self) -> Editor:
        self._task = asyncio.ensure_future(self._run())
        self._pinging = asyncio.ensure_future(self._ping())
        await asyncio.wait_for(self.live.wait(), 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        for task in (self._task, self._pinging):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def insert(self, position: int, text: str) -> None:
        """Type; it is shown here at once and sent as soon as nothing else is in flight."""
        size = len(self.units)
        units = to_units(text)
        change = ChangeSet(
            [s for s in ((position, None), (0, units), (size - position, None)) if s[0] or s[1]]
        )
        self._local(change)

    def delete(self, position: int, count: int) -> None:
        size = len(self.units)
        change = ChangeSet(
            [
                s
                for s in ((position, None), (count, ""), (size - position - count, None))
                if s[0] or s[1] is not None
            ]
        )
        self._local(change)

    def type_randomly(self, rng: random.Random) -> None:
        size = len(self.units)
        if size > 40 and rng.random() < 0.3:
            start = rng.randrange(size - 3)
            self.delete(start, rng.randrange(1, 4))
        else:
            self.insert(rng.randrange(size + 1), rng.choice(["a", "bc", "\n", "π", "x y"]))

    async def settle(self, timeout_s: float = 60.0) -> None:
        """Wait until everything typed is acknowledged."""
        async with asyncio.timeout(timeout_s):
            while self.unconfirmed or self.sent is not None:
                await asyncio.sleep(0.02)

    async def reach(self, rev: int, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while self.rev < rev:
                await asyncio.sleep(0.02)

    # --- inside ----------------------------------------------------------------------------

    def _local(self, change: ChangeSet) -> None:
        self.units = change.apply(self.units)
        self.unconfirmed.append(change)
        self._flush()

    def _flush(self) -> None:
        if self.sent is None and self.unconfirmed and self.live.is_set():
            self.left = len(self.unconfirmed)
            self.sent = {
                "type": "edit", "session": self.session, "client": self.client,
                "seq": self.seq + 1, "rev": self.rev,
                "ops": [change.to_json() for change in self.unconfirmed],
            }  # fmt: skip
            self._send(self.sent)

    def _send(self, message: dict[str, Any]) -> None:
        if self._socket is not None:
            task = asyncio.ensure_future(self._socket.send(json.dumps(message)))
            task.add_done_callback(lambda t: t.cancelled() or t.exception())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(10)
            self._send({"type": "ping"})

    async def _run(self) -> None:
        while True:
            try:
                async with connect(
                    self.url,
                    additional_headers={"Authorization": f"Bearer {self.token}"},
                    open_timeout=10,
                    max_size=None,
                ) as self._socket:
                    self.reconnects += 1
                    subscribe: dict[str, Any] = {
                        "type": "subscribe", "session": self.session, "client": self.client,
                    }  # fmt: skip
                    if self.lineage:
                        subscribe["since"] = {"lineage": self.lineage, "rev": self.rev}
                    self._send(subscribe)
                    async for frame in self._socket:
                        self._take(json.loads(frame))
            except ConnectionClosed:
                pass
            except (OSError, InvalidHandshake, TimeoutError):
                await asyncio.sleep(0.3)
            self.live.clear()
            if self._socket is not None and self._socket.close_code is not None:
                self.closes.append(self._socket.close_code)
            await asyncio.sleep(0.1)

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                if "state" in frame:
                    # Only ever the first time here: history is kept longer than a test runs.
                    assert not self.lineage, "a snapshot where `since` could be served"
                    self.units = to_units(frame["state"])
                    self.rev, self.lineage = frame["rev"], frame["lineage"]
                for item in frame.get("items", ()):
                    self._item(item)
                assert self.rev == frame["rev"]
                self.live.set()
                if self.sent is not None:
                    self._send(self.sent)
                self._flush()
            case "items":
                for item in frame["items"]:
                    self._item(item)
                self._flush()
            case "presence":
                self.presence.update(frame["clients"])
            case "nack":
                self.nacks.append(frame)
                # Too much was missed for the server to map: the same ops, as they are by now.
                if frame["code"] == "stale":
                    self.sent = None
                    self._flush()
            case "ack" | "welcome" | "pong":
                pass
            case other:
                raise AssertionError(f"unexpected {other}: {frame}")

    def _item(self, item: dict[str, Any]) -> None:
        assert item["rev"] == self.rev + 1, f"expected rev {self.rev + 1}, got {item}"
        self.rev = item["rev"]
        if item["client"] == self.client:
            assert "op" not in item
            assert item["seq"] == self.seq + 1
            self.seq = item["seq"]
            self.acknowledged.append((item["seq"], item["rev"]))
            self.unconfirmed.pop(0)
            self.left -= 1
            if self.left == 0:
                self.sent = None
            return
        other = ChangeSet.from_json(item["op"])
        mapped = []
        for change in self.unconfirmed:
            mapped.append(change.map(other))
            other = other.map(change, before=True)
        self.unconfirmed = mapped
        self.units = other.apply(self.units)


async def assert_converged(editors: list[Editor], state: dict[str, Any]) -> None:
    """All editors show the stored document, and nobody was told of a rev that is not in it."""
    for editor in editors:
        await editor.settle()
        await editor.reach(state["rev"])
    for editor in editors:
        assert editor.rev == state["rev"]
        assert editor.text == state["state"]
