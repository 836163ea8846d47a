"""Hocuspocus' binary protocol with Yjs updates, as its provider speaks it, for the generator.

A Yjs client sends each update at once and waits for no answer; the server says with a status that
it has applied one. The generator needs no CRDT of its own: an insertion names its neighbours, here
two of the initial text, and what comes is read for whose it is and how long. At the end the state
vectors are compared, which in Yjs are equal where the documents are.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

from benchmarks.sockets import Socket, connect
from benchmarks.users import Broken, Record, Room, User, letters

ANSWER_TIMEOUT_S = 30.0
SYNC, AUTH, SYNC_REPLY, STATUS = 0, 2, 4, 8
TOKEN, AUTHENTICATED = 0, 2
STEP_1, STEP_2, UPDATE = 0, 1, 2
STRING, ORIGIN, RIGHT_ORIGIN = 4, 0x80, 0x40
ROOT = "text"
CREATOR = 1
"""Who wrote the initial text; users count from there."""

Id = tuple[int, int]


class HocuspocusUser(User):
    """A Yjs client with one document."""

    def __init__(
        self, name: str, room: Room, record: Record, seed: int, *, url: str, creates: bool
    ) -> None:
        super().__init__(name, room, record, seed)
        self.client = CREATOR + len(room.users)
        self._url = url
        self._creates = creates
        self._head = _string(room.name)
        self._authenticated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._vector: asyncio.Future[dict[int, int]] | None = None
        self._socket: Socket | None = None

    async def open(self) -> None:
        """Connect, authenticate, write the document if it is ours to write, sync."""
        self._socket = await connect(self._url, self._frame)
        self._send(_uint(AUTH) + _uint(TOKEN) + _string("none") + _string("4.7.0"))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._authenticated
            if self._creates:
                self._send(_sync(UPDATE, _insertion(CREATOR, 0, None, None, self.room.text)))
                await self._acknowledged
        known = await self._state_vector()
        if known.get(CREATOR) != len(self.room.text):
            raise Broken(f"{self.name}: the document is not what was created")

    async def server_text(self) -> str:
        """Return the server's state vector as `text` does."""
        vector = await self._state_vector()
        return repr(sorted((c, n) for c, n in vector.items() if c != CREATOR))

    def text(self) -> str:
        """Return whose edits this user has, and how many."""
        users = self.room.users
        return repr(sorted((_client(users[name]), count) for name, count in self.seen.items()))

    async def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()

    def typed(self, due: float) -> None:
        """Send one edit that came due, at once."""
        self.due.append(due)
        first = self.sent
        self.sent += 1
        self.submit(first, letters(first, 1), self._random.randrange(1, len(self.room.text)))

    def submit(self, first: int, text: str, position: int) -> None:
        """Send an insertion between two characters of the initial text."""
        left, right = (CREATOR, position - 1), (CREATOR, position)
        self._send(_sync(UPDATE, _insertion(self.client, first, left, right, text)))

    async def _state_vector(self) -> dict[int, int]:
        self._vector = asyncio.get_running_loop().create_future()
        self._send(_sync(STEP_1, _uint(0)))
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._vector

    def _send(self, message: bytes) -> None:
        assert self._socket is not None
        self._socket.send_binary(self._head + message)

    def _frame(self, payload: bytes, now: float) -> None:
        kind, step, body = _read(payload)
        if kind == STATUS:
            if not self._acknowledged.done() and self._creates:
                self._acknowledged.set_result(None)
            else:
                self.saw(self, self.seen.get(self.name, 0), 1, now)
        elif kind in (SYNC, SYNC_REPLY) and step == UPDATE:
            for client, clock, length in _structs(body):
                if client not in (CREATOR, self.client):
                    author = _user(self.room, client)
                    if clock != self.seen.get(author.name, 0):
                        raise Broken(f"{self.name}: expected another edit of {author.name}")
                    self.saw(author, clock, length, now)
        elif kind in (SYNC, SYNC_REPLY) and step == STEP_1:
            if self._vector is not None and not self._vector.done():
                self._vector.set_result(_vector(body))
        elif kind == AUTH:
            if step != AUTHENTICATED:
                raise Broken(f"{self.name}: not authenticated")
            self._authenticated.set_result(None)


def _client(user: User) -> int:
    assert isinstance(user, HocuspocusUser)
    return user.client


@lru_cache(maxsize=4_096)
def _user(room: Room, client: int) -> User:
    return next(user for user in room.users.values() if _client(user) == client)


# --- lib0 and Yjs, as far as they are needed ---------------------------------------------------


def _uint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string(text: str) -> bytes:
    data = text.encode()
    return _uint(len(data)) + data


def _sync(step: int, body: bytes) -> bytes:
    return _uint(SYNC) + _uint(step) + _uint(len(body)) + body


def _insertion(client: int, clock: int, left: Id | None, right: Id | None, text: str) -> bytes:
    """Return an update of one insertion; without neighbours it begins the document."""
    info = STRING | (ORIGIN if left else 0) | (RIGHT_ORIGIN if right else 0)
    parts = [_uint(1), _uint(1), _uint(client), _uint(clock), bytes((info,))]
    parts += [_uint(number) for id_ in (left, right) if id_ for number in id_]
    if left is None and right is None:
        parts += [_uint(1), _string(ROOT)]
    return b"".join([*parts, _string(text), _uint(0)])


class _Reader:
    """Reads a frame from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """Read one byte."""
        self._at += 1
        return self._data[self._at - 1]

    def uint(self) -> int:
        """Read an unsigned number of variable length."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def data(self) -> bytes:
        """Read bytes, or a string's, with their length before them."""
        size = self.uint()
        self._at += size
        return self._data[self._at - size : self._at]


@lru_cache(maxsize=256)
def _read(payload: bytes) -> tuple[int, int, bytes]:
    reader = _Reader(payload)
    reader.data()
    kind, step = reader.uint(), reader.uint()
    return kind, step, reader.data() if kind in (SYNC, SYNC_REPLY) else b""


@lru_cache(maxsize=256)
def _structs(update: bytes) -> list[tuple[int, int, int]]:
    """Return ``(client, clock, length)`` of an update's insertions."""
    reader = _Reader(update)
    found = []
    for _ in range(reader.uint()):
        count, client, clock = reader.uint(), reader.uint(), reader.uint()
        for _ in range(count):
            info = reader.byte()
            if info & 0x1F != STRING:
                raise Broken(f"expected insertions only, got a struct {info:#04x}")
            for bit in (ORIGIN, RIGHT_ORIGIN):
                if info & bit:
                    reader.uint()
                    reader.uint()
            if not info & (ORIGIN | RIGHT_ORIGIN) and reader.uint() == 1:
                reader.data()
            length = len(reader.data().decode())
            found.append((client, clock, length))
            clock += length
    return found


def _vector(data: bytes) -> dict[int, int]:
    reader = _Reader(data)
    return {reader.uint(): reader.uint() for _ in range(reader.uint())}
