"""What goes out to one socket: at once while it can take it, else gathered and bounded.

No task per recipient: ASGI's ``send`` suspends only while the transport's buffer is full, so it is
driven by hand; the first suspension turns into the one task that waits for the reader. What comes
meanwhile is gathered, items of one session in one frame, and sent when the reader is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from actors.collab.history import items_frame

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

    __slots__ = ("_bytes", "_loop", "_queue", "_send", "_task", "blocked_since", "sent", "stopped")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._queue: list[str | _Gathered] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.blocked_since: float | None = None
        self.sent = 0
        self.stopped = False

    def frame(self, text: str) -> None:
        """Send one frame."""
        if self.stopped:
            return
        if self._task is not None:
            self._queue.append(text)
            self._bytes += len(text)
            return
        self._drive(text)

    def items(self, session: str, fragments: list[bytes], text: str) -> None:
        """Send items; ``text`` is the frame they make, ``fragments`` what it is made of."""
        if self.stopped:
            return
        if self._task is None:
            self._drive(text)
            return
        last = self._queue[-1] if self._queue else None
        if not isinstance(last, _Gathered) or last.session != session:
            last = _Gathered(session)
            self._queue.append(last)
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
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    def _drive(self, text: str) -> None:
        self.sent += 1
        sending = self._send({"type": "websocket.send", "text": text})
        assert isinstance(sending, Coroutine)  # noqa: S101
        try:
            waiting_for = sending.send(None)
        except StopIteration:
            return
        except Exception:  # the peer is gone; the receiving side hears of it and cleans up
            self.stop()
            return
        self.blocked_since = self._loop.time()
        self._task = self._loop.create_task(self._wait(sending, waiting_for))

    async def _wait(self, sending: Coroutine[Any, Any, None], waiting_for: Any) -> None:
        try:
            await _Resumed(sending, waiting_for)
            while self._queue:
                entry = self._queue.pop(0)
                if isinstance(entry, _Gathered):
                    text = items_frame(entry.session, entry.fragments).decode()
                    self._bytes -= sum(map(len, entry.fragments))
                else:
                    text = entry
                    self._bytes -= len(entry)
                self.sent += 1
                await self._send({"type": "websocket.send", "text": text})
        except Exception:
            self.stopped = True
            self._queue.clear()
        finally:
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
