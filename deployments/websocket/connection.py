"""uvicorn's WebSocket connection, for sockets that come in crowds and mostly wait.

Serve takes a socket for a request that lasts: a slot, a context and eight nested coroutines for
each, and as many calls for every message. Where the sockets' application lives in this process, a
connection goes to it straight from the server; Serve's own path remains for where it does not (the
Python proxy).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

Event = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]],
    Awaitable[None],
]


_application: Application | None = None


def take_sockets(application: Application) -> None:
    """Let ``application`` have every socket that this process accepts from now on."""
    global _application
    _application = application


class Connection(WebSocketsSansIOProtocol):
    """See the module."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # asyncio's own are general, and each is made of deques, of 600 bytes while empty.
        self.queue = _Inbox()  # type: ignore[assignment]
        self.writable = _Gate()  # type: ignore[assignment]
        if _application is not None:
            self.app = _application

    async def send(self, message: Any) -> None:
        """Send an ASGI event."""
        await super().send(message)
        if message["type"] == "websocket.accept":
            # What only the handshake needed is half of what an idle socket would weigh. (The parser
            # keeps the request for good, so that is emptied.)
            self.request.headers.clear()
            del self.request, self.response, self.scope

    def write(self, data: bytes) -> bool:
        """Write finished frames; False where the reader is behind or the socket is ending."""
        if (
            self.writable.is_set()
            and self.handshake_complete
            and not self.close_sent
            and not self.conn.extensions
            and not self.transport.is_closing()
        ):
            self.transport.write(data)
            return True
        return False


class _Inbox:
    """What came and was not taken yet, with at most one who waits for it."""

    __slots__ = ("_events", "_waiter")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._waiter: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        """Say whether there is nothing."""
        return not self._events

    def put_nowait(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Event:
        """Wait for the next event."""
        while not self._events:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._events.pop(0)


class _Gate:
    """Open or closed, as `asyncio.Event`."""

    __slots__ = ("_shut",)

    def __init__(self) -> None:
        self._shut: asyncio.Event | None = None

    def is_set(self) -> bool:
        """Say whether it is open."""
        return self._shut is None

    def set(self) -> None:
        """Open it."""
        if self._shut is not None:
            self._shut.set()
            self._shut = None

    def clear(self) -> None:
        """Close it."""
        if self._shut is None:
            self._shut = asyncio.Event()

    async def wait(self) -> bool:
        """Wait until it is open."""
        while self._shut is not None:
            await self._shut.wait()
        return True
