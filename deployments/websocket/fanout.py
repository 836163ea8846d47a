"""One session's readers at this replica, and what they are still to be sent, in order.

What comes is passed on at once. Where a pass over the readers takes long, the session is given a
rhythm by itself: the next pass waits as long as the last one took, and what comes meanwhile goes
out with it in one larger frame. So a busy session takes at most half of the replica, frames grow
with load, and nothing that is quick is ever delayed. A pass stops after each slice and lets other
sessions have their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from actors.collab.history import items_frame
from deployments.websocket.frames import Frame

# Readers served before other sessions have their turn: about 1 ms.
SLICE = 100
# A pass over fewer readers is not worth timing.
FEW = 16
# After a pass that was quicker the next follows at once: timers count whole milliseconds.
LONG_PASS_S = 0.001

Item = tuple[str, bytes, bytes]
"""The author's client, the item for everyone, the item for its author."""

Part = tuple[list[bytes], Frame]
"""A frame, and the items it is made of, if it is."""


class Reader(Protocol):
    """What is needed of a socket."""

    id: int
    user: str

    def frame(self, frame: Frame | str) -> None:
        """Send a frame."""

    def items(self, session: str, fragments: list[bytes], frame: Frame) -> None:
        """Send items."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket."""


class Fanout:
    """See the module.

    Attributes:
        followers: ``{socket: client}``; for channels the client is "".
    """

    __slots__ = (
        "_began", "_busy", "_later", "_loop", "_pass", "_places", "_queue", "_readers", "_topic",
        "followers",
    )  # fmt: skip

    def __init__(self, topic: str, readers: Mapping[int, Reader], busy: set[Fanout]) -> None:
        self.followers: dict[int, str] = {}
        self._topic = topic
        self._readers = readers
        self._busy = busy
        self._loop = asyncio.get_running_loop()
        self._queue: list[Item | Frame] = []
        # Where in the queue those begin who have had some of it already, or came after it.
        self._places: dict[int, int] = {}
        self._pass: _Pass | None = None
        self._began = 0.0
        self._later: asyncio.Handle | None = None

    def join(self, socket: int, client: str) -> None:
        """Let a socket follow from here on: it has been told of everything before."""
        self.followers[socket] = client
        if self._queue:
            self._places[socket] = len(self._queue)

    def leave(self, socket: int) -> None:
        """Forget a socket."""
        self.followers.pop(socket, None)
        self._places.pop(socket, None)
        if self._pass is not None:
            self._pass.left.pop(socket, None)

    def items(self, items: list[Item]) -> None:
        """Send items to everyone."""
        self._queue.extend(items)
        self._begin()

    def frame(self, payload: bytes) -> None:
        """Send a frame to everyone."""
        self._queue.append(Frame(payload))
        self._begin()

    def catch_up(self, socket: int) -> None:
        """Send one socket all it is owed, now: something else is to follow."""
        client = self.followers.get(socket)
        if client is None:
            return
        if self._pass is not None:
            place = self._pass.left.pop(socket, None)
            if place is not None:
                self._send(socket, self._pass.parts(client, place))
        if self._queue:
            place = self._places.get(socket, 0)
            self._places[socket] = len(self._queue)
            self._send(socket, _Pass(self._topic, self._queue, {}).parts(client, place))

    def stop(self) -> None:
        """Send nothing more."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._pass = None
        self._queue = []
        self._busy.discard(self)

    # --- inside ----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start a pass, unless one is under way or its rest is."""
        if self._later is not None:
            self._busy.add(self)
            return
        places = self._places
        left = {socket: places.get(socket, 0) for socket in reversed(self.followers)}
        self._pass = _Pass(self._topic, self._queue, left)
        self._queue, self._places = [], {}
        self._began = time.perf_counter()
        self._go_on()

    def _go_on(self) -> None:
        self._later = None
        pass_, followers = self._pass, self.followers
        assert pass_ is not None  # noqa: S101
        left = pass_.left
        for _ in range(min(SLICE, len(left))):
            socket, place = left.popitem()
            self._send(socket, pass_.parts(followers[socket], place))
        if left:
            self._busy.add(self)
            self._later = self._loop.call_soon(self._go_on)
            return
        self._pass = None
        if len(followers) >= FEW:
            # The transports write when this turn of the loop ends: only then the pass has.
            self._later = self._loop.call_soon(self._rest)
        if not self._queue:
            self._busy.discard(self)

    def _rest(self) -> None:
        took_s = time.perf_counter() - self._began
        if took_s >= LONG_PASS_S:
            self._later = self._loop.call_later(took_s, self._rested)
        else:
            self._rested()

    def _rested(self) -> None:
        self._later = None
        if self._queue:
            self._begin()

    def _send(self, socket: int, parts: list[Part]) -> None:
        reader = self._readers.get(socket)
        if reader is None:
            return
        for fragments, frame in parts:
            if fragments:
                reader.items(self._topic, fragments, frame)
            else:
                reader.frame(frame)


class _Pass:
    """What goes out together, in the forms that different readers need it in."""

    __slots__ = ("_authors", "_entries", "_same", "_topic", "left")

    def __init__(self, topic: str, entries: list[Item | Frame], left: dict[int, int]) -> None:
        self.left = left
        """Who is still to be served, last first, and from which entry on."""
        self._topic = topic
        self._entries = entries
        self._authors = {entry[0] for entry in entries if isinstance(entry, tuple)}
        self._same: dict[int, list[Part]] = {}

    def parts(self, client: str, place: int) -> list[Part]:
        """Return the frames of ``entries[place:]`` as ``client`` gets them."""
        if client in self._authors:
            return self._made(client, place)
        parts = self._same.get(place)
        if parts is None:
            parts = self._same[place] = self._made(None, place)
        return parts

    def _made(self, client: str | None, place: int) -> list[Part]:
        parts: list[Part] = []
        fragments: list[bytes] = []
        for entry in self._entries[place:]:
            if isinstance(entry, Frame):
                if fragments:
                    parts.append((fragments, Frame(items_frame(self._topic, fragments))))
                    fragments = []
                parts.append(([], entry))
            else:
                author, full, own = entry
                fragments.append(own if author == client else full)
        if fragments:
            parts.append((fragments, Frame(items_frame(self._topic, fragments))))
        return parts
