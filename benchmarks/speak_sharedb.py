"""ShareDB's JSON protocol, as its own client speaks it (`sharedb/lib/client`), for the generator.

The client has one op in flight and composes what is typed meanwhile into one more: characters typed
in a row become one insertion. Ops of others may come twice (before an acknowledgement ShareDB sends
again what it thinks the client is missing); the version tells.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

import msgspec

from benchmarks.sockets import Socket, connect
from benchmarks.users import Broken, Record, Room, User

ANSWER_TIMEOUT_S = 30.0
TEXT0 = "http://sharejs.org/types/textv0"
COLLECTION = "bench"


class Insert(msgspec.Struct):
    """One component of a text0 op."""

    p: int
    i: str = ""


class Snapshot(msgspec.Struct):
    """A document at one version."""

    v: int
    data: str | None = None


class Frame(msgspec.Struct):
    """Any frame of the server's."""

    a: str
    v: int | None = None
    src: str | None = None
    seq: int = 0
    op: list[Insert] | None = None
    data: Snapshot | None = None
    error: dict[str, object] | None = None


# Everyone in a session gets the same frame; reading it once each would be the generator's load.
_decode = lru_cache(maxsize=256)(msgspec.json.Decoder(Frame).decode)


class ShareDBUser(User):
    """A ShareDB client with one document."""

    def __init__(
        self, name: str, room: Room, record: Record, seed: int, *, url: str, creates: bool
    ) -> None:
        super().__init__(name, room, record, seed)
        self._url = url
        self._creates = creates
        self._version = 0
        self._seq = 1
        self._first = 0
        self._early: dict[int, Frame] = {}
        self._answer: asyncio.Future[Frame] | None = None
        self._awaited = ""
        self._socket: Socket | None = None

    async def open(self) -> None:
        """Connect, shake hands, create the document if it is ours to create, subscribe."""
        self._socket = await connect(self._url, self._frame)
        await self._ask("hs", {"a": "hs", "id": self.name, "protocol": 1, "protocolMinor": 2})
        document = {"c": COLLECTION, "d": self.room.name}
        if self._creates:
            create = {"type": TEXT0, "data": self.room.text}
            await self._ask("op", {"a": "op", **document, "v": None, "seq": 1, "create": create})
        frame = await self._ask("s", {"a": "s", **document, "v": None})
        if frame.data is None or frame.data.data != self.room.text:
            raise Broken(f"{self.name}: the document is not what was created")
        self._version = frame.data.v

    async def server_text(self) -> str:
        """Fetch the snapshot."""
        frame = await self._ask("f", {"a": "f", "c": COLLECTION, "d": self.room.name, "v": None})
        if frame.data is None or frame.data.data is None:
            raise Broken(f"{self.name}: no snapshot")
        return frame.data.data

    async def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()

    def submit(self, first: int, text: str, position: int) -> None:
        """Send one op for all that came due: typed in a row, they compose into one insertion."""
        self._first = first
        self._seq += 1
        assert self._socket is not None
        self._socket.send(
            f'{{"a":"op","c":"{COLLECTION}","d":"{self.room.name}","v":{self._version},'
            f'"src":"{self.name}","seq":{self._seq},"x":{{}},'
            f'"op":[{{"p":{position},"i":"{text}"}}]}}'
        )

    def goes_left(self, position: int) -> bool:
        """At one place, what is transformed stays left: the server transforms with 'left'."""
        return position < self.position

    async def _ask(self, action: str, message: dict[str, object]) -> Frame:
        assert self._socket is not None
        self._awaited = action
        self._answer = asyncio.get_running_loop().create_future()
        self._socket.send(msgspec.json.encode(message).decode())
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._answer

    def _frame(self, payload: bytes, now: float) -> None:
        frame = _decode(payload)
        if frame.error is not None:
            raise Broken(f"{self.name} got {frame.error}")
        if self._answer is not None and frame.a == self._awaited:
            answer, self._answer = self._answer, None
            answer.set_result(frame)
        elif frame.a == "op":
            self._op(frame, now)

    def _op(self, frame: Frame, now: float) -> None:
        assert frame.v is not None
        if frame.v > self._version:  # ShareDB's own client would fetch; the op in between comes too
            self._early[frame.v] = frame
            return
        if frame.v < self._version:
            return
        next_: Frame | None = frame
        while next_ is not None:
            self._version += 1
            self._take(next_, now)
            next_ = self._early.pop(self._version, None)
        if not self.in_flight:
            self.send_next()

    def _take(self, frame: Frame, now: float) -> None:
        if frame.src == self.name:
            if frame.seq == self._seq:
                self.own(self._first, self.in_flight, now)
            return
        if frame.op is None or len(frame.op) != 1:
            raise Broken(f"{self.name}: expected one insertion, got {frame.op!r:.100}")
        insert = frame.op[0]
        self.others(self.room.users[frame.src or ""], insert.p, insert.i, now)
