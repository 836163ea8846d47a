"""SynQ's protocol (`docs/protocol.md`), for the load generator."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import httpx
import msgspec

from benchmarks.sockets import Socket, connect
from benchmarks.users import Broken, Record, Room, User

ANSWER_TIMEOUT_S = 30.0


class Item(msgspec.Struct):
    """One entry of the history, as far as it is needed here."""

    rev: int
    client: str
    seq: int
    op: list[int | list[int | str]] | None = None


class Frame(msgspec.Struct):
    """Any frame of the server's."""

    type: str
    rev: int = 0
    items: list[Item] = []
    code: str = ""
    message: str = ""


# Everyone in a session gets the same frame; reading it once each would be the generator's load.
_decode = lru_cache(maxsize=256)(msgspec.json.Decoder(Frame).decode)


class SynQUser(User):
    """A program with a token that edits one session."""

    # A message's cost at the server is its ops times the items it missed, and bounded there.
    max_batch = 25

    def __init__(
        self,
        name: str,
        room: Room,
        record: Record,
        seed: int,
        *,
        api: str,
        url: str,
        token: str,
    ) -> None:
        super().__init__(name, room, record, seed)
        self._api = api
        self._url = url
        self._token = token
        self._rev = 0
        self._subscribed: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._socket: Socket | None = None

    async def open(self) -> None:
        """Connect with the token and subscribe."""
        address = self._url.replace("http", "ws", 1)
        self._socket = await connect(
            f"{address}/ws/collaborate?session={self.room.name}",
            self._frame,
            [("Authorization", f"Bearer {self._token}")],
        )
        message = {"type": "subscribe", "session": self.room.name, "client": self.name}
        self._socket.send(msgspec.json.encode(message).decode())
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            frame = await self._subscribed
        self._rev = frame.rev

    async def server_text(self) -> str:
        """Ask for the state over REST, which reads it from the database."""
        async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S) as http:
            answer = await http.get(
                f"{self._api}/api/v1/collaboration/sessions/{self.room.name}/state",
                headers={"Authorization": f"Bearer {self._token}"},
            )
        answer.raise_for_status()
        state: str = answer.json()["state"]
        return state

    async def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()

    def submit(self, first: int, text: str, position: int) -> None:
        """Send one op per edit; each is made for the document after the one before it."""
        ops = ",".join(
            _insert(position + index, letter, self.length + index)
            for index, letter in enumerate(text)
        )
        assert self._socket is not None
        self._socket.send(
            f'{{"type":"edit","session":"{self.room.name}","client":"{self.name}",'
            f'"seq":{first + 1},"rev":{self._rev},"ops":[{ops}]}}'
        )

    def _frame(self, payload: bytes, now: float) -> None:
        frame = _decode(payload)
        if frame.type == "items":
            self._items(frame.items, now)
        elif frame.type == "subscribed":
            self._subscribed.set_result(frame)
        elif frame.type != "welcome":
            raise Broken(f"{self.name} got {frame.type}: {frame.code} {frame.message}")

    def _items(self, items: list[Item], now: float) -> None:
        waiting = self.in_flight
        for item in items:
            if item.rev != self._rev + 1:
                raise Broken(f"{self.name}: expected rev {self._rev + 1}, got {item.rev}")
            self._rev = item.rev
            if item.client == self.name:
                self.own(item.seq - 1, 1, now)
            else:
                position, text = _read(item.op)
                self.others(self.room.users[item.client], position, text, now)
        if waiting and not self.in_flight:
            self.send_next()


def _insert(position: int, letter: str, length: int) -> str:
    before = f"{position}," if position else ""
    after = f",{length - position}" if length > position else ""
    return f'[{before}[0,"{letter}"]{after}]'


def _read(op: list[int | list[int | str]] | None) -> tuple[int, str]:
    match op:
        case [[0, str(text)], *_]:
            return 0, text
        case [int(position), [0, str(text)], *_]:
            return position, text
    raise Broken(f"expected an insertion, got {op!r:.100}")


async def create_sessions(api: str, token: str, count: int, text: str) -> list[str]:
    """Create public sessions over REST; return their ids."""
    headers = {"Authorization": f"Bearer {token}"}
    public = {"kind": "text", "visibility": "public", "public_role": "editor"}
    turns = asyncio.Semaphore(8)
    async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S, headers=headers) as http:

        async def create(index: int) -> str:
            body = {"name": f"bench {index}", "content": text, **public}
            async with turns:
                answer = await http.post(f"{api}/api/v1/collaboration/sessions", json=body)
            answer.raise_for_status()
            session: str = answer.json()["id"]
            return session

        return list(await asyncio.gather(*(create(index) for index in range(count))))
