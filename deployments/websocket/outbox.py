"""What goes out to one socket: at once while it can take it, else gathered and bounded.

No task per recipient: finished frames go straight to the transport while its buffer has room (or,
behind a server that is not ours, through ASGI's ``send``, driven by hand: it suspends only while
that buffer is full). The first that does not fit makes the one task that waits for the reader. What
comes meanwhile is gathered, items of one session in one frame, and sent when the reader is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from actors.collab.history import items_frame
from deployments.websocket.connection import Connection
from deployments.websocket.frames import Frame

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# How far behind a reader may be before it is told to come back with `since`.
MAX_BEHIND_BYTES = 1024 * 1024
MAX_BEHIND_S = 30.0


@dataclass(slots=True)
class _Gathered:
    session: str
    fragments: list[bytes] = field(default_factory=list)


class Outbox:
    """The sending side of one socket."""

    __slots__ = ("_bytes", "_connection", "_queue", "_send", "_task", "blocked_since", "stopped")

    def __init__(self, send: Send) -> None:
        self._send = send
        server = getattr(send, "__self__", None)
        self._connection = server if isinstance(server, Connection) else None
        # Made when the reader falls behind for the first time: most never do.
        self._queue: list[Frame | _Gathered] | None = None
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.blocked_since: float | None = None
        self.stopped = False

    def frame(self, frame: Frame | str) -> None:
        """Send one frame."""
        if self.stopped:
            return
        if isinstance(frame, str):
            frame = Frame(frame.encode())
        if self._task is None:
            self._drive(frame)
            return
        self._behind().append(frame)
        self._bytes += len(frame)

    def items(self, session: str, fragments: list[bytes], frame: Frame) -> None:
        """Send items; ``frame`` is what they make, ``fragments`` what it is made of."""
        if self.stopped:
            return
        if self._task is None:
            self._drive(frame)
            return
        queue = self._behind()
        last = queue[-1] if queue else None
        if not isinstance(last, _Gathered) or last.session != session:
            last = _Gathered(session)
            queue.append(last)
        last.fragments.extend(fragments)
        self._bytes += sum(map(len, fragments))

    def too_slow(self, now_s: float) -> bool:
        """Whether the reader is further behind than is allowed."""
        return self.blocked_since is not None and (
            self._bytes > MAX_BEHIND_BYTES or now_s - self.blocked_since > MAX_BEHIND_S
        )

    def stop(self) -> None:
        """Send nothing more."""
        self.stopped = True
        self._queue = None
        if self._task is not None:
            self._task.cancel()

    def _behind(self) -> list[Frame | _Gathered]:
        if self._queue is None:
            self._queue = []
        return self._queue

    def _drive(self, frame: Frame) -> None:
        if self._connection is not None and self._connection.write(frame.wire):
            return
        sending = self._send({"type": "websocket.send", "text": frame.text})
        assert isinstance(sending, Coroutine)  # noqa: S101
        try:
            waiting_for = sending.send(None)
        except StopIteration:
            return
        except Exception:  # the peer is gone; the receiving side hears of it and cleans up
            self.stop()
            return
        loop = asyncio.get_running_loop()
        self.blocked_since = loop.time()
        self._task = loop.create_task(self._wait(sending, waiting_for))

    async def _wait(self, sending: Coroutine[Any, Any, None], waiting_for: Any) -> None:
        try:
            await _Resumed(sending, waiting_for)
            while self._queue:
                entry = self._queue.pop(0)
                if isinstance(entry, _Gathered):
                    text = items_frame(entry.session, entry.fragments).decode()
                    self._bytes -= sum(map(len, entry.fragments))
                else:
                    text = entry.text
                    self._bytes -= len(entry)
                await self._send({"type": "websocket.send", "text": text})
        except Exception:
            self.stopped = True
        finally:
            self._queue = None
            self._bytes = 0
            self._task = None
            self.blocked_since = None


class _Resumed:
    """Goes on with a coroutine that was driven to its first suspension outside of any task."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, Any, None], first: Any) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, None]:
        waiting_for = self._first
        try:
            while True:
                try:
                    value = yield waiting_for
                except BaseException as error:
                    waiting_for = self._coroutine.throw(error)
                else:
                    waiting_for = self._coroutine.send(value)
        except StopIteration:
            return
