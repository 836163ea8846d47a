"""Channels of progress (``job:<id>``, ``training:<id>``), served over the stream to replicas.

The publishing actor owns the truth (in SQL); a channel is how those who watch hear of it at once.
Events are numbered from 1 in each channel's life; a watcher that missed some gets them with
``since`` while they are held, and the whole current state in any case.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from actors import wire
from actors.collab.messages import encode, error_frame
from actors.stream import Offer, Stream, StreamServer
from cluster.errors import SynqError
from cluster.telemetry import get_logger

log = get_logger(__name__)

EVENTS_KEPT = 200
# A finished channel is kept this long for those about to ask what happened.
FINAL_KEPT_S = 60.0
AUTHORIZE_TIMEOUT_S = 10.0

Authorize = Callable[[str, str], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class _Channel:
    seq: int = 0
    events: deque[tuple[int, dict[str, Any]]] = field(
        default_factory=lambda: deque(maxlen=EVENTS_KEPT)
    )
    watchers: set[tuple[int, int]] = field(default_factory=set)


class ChannelHost:
    """The channels of one actor.

    Args:
        authorize: returns the current state of a channel for a user; raises ``NotFound`` where,
            for this user, there is none.
    """

    def __init__(self, authorize: Authorize) -> None:
        self._authorize = authorize
        self._channels: dict[str, _Channel] = {}
        self._streams: dict[int, Stream] = {}
        self._server = StreamServer(self)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1") -> None:
        """Listen for replicas."""
        await self._server.start(host)

    def offer(self) -> Offer:
        """Return host, port and one-time secret of a stream, for one replica."""
        return self._server.offer()

    def publish(self, name: str, data: dict[str, Any], *, final: bool = False) -> None:
        """Tell the watchers of a channel; ``final`` says that nothing more will come."""
        channel = self._channels.setdefault(name, _Channel())
        channel.seq += 1
        channel.events.append((channel.seq, data))
        frame = {"type": "event", "channel": name, "seq": channel.seq, "data": data}
        message = wire.encode(wire.Broadcast(name, encode(frame)))
        for link in {link for link, _ in channel.watchers}:
            self._streams[link].send(message)
        if final:
            loop = asyncio.get_running_loop()
            loop.call_later(FINAL_KEPT_S, self._channels.pop, name, None)

    # --- stream handler --------------------------------------------------------------------

    def stream_opened(self, stream: Stream) -> None:
        """Take a replica's stream."""
        self._streams[stream.id] = stream

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        """Take a replica's message."""
        message = wire.decode_to_actor(frame)
        if isinstance(message, wire.Watch):
            task = asyncio.ensure_future(self._watch(stream, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(message, wire.Unwatch):
            channel = self._channels.get(message.channel)
            if channel is not None:
                channel.watchers.discard((stream.id, message.socket))
                self._forget_if_idle(message.channel)

    def stream_closed(self, stream: Stream) -> None:
        """A replica is gone, with its watchers."""
        self._streams.pop(stream.id, None)
        for name, channel in list(self._channels.items()):
            channel.watchers = {w for w in channel.watchers if w[0] != stream.id}
            self._forget_if_idle(name)

    def _forget_if_idle(self, name: str) -> None:
        channel = self._channels[name]
        if not channel.watchers and not channel.events:
            del self._channels[name]

    async def _watch(self, stream: Stream, watch: wire.Watch) -> None:
        try:
            async with asyncio.timeout(AUTHORIZE_TIMEOUT_S):
                state = await self._authorize(watch.channel, watch.user)
        except SynqError as error:
            payload = error_frame(error.code, error.message, watch.id)
            stream.send(wire.encode(wire.Reply(watch.socket, payload)))
            return
        except Exception:
            log.exception("channel state failed", channel=watch.channel)
            payload = error_frame("unavailable", "the channel cannot be read now", watch.id)
            stream.send(wire.encode(wire.Reply(watch.socket, payload)))
            return
        # From here to the registration nothing awaits: no event falls between the two.
        channel = self._channels.setdefault(watch.channel, _Channel())
        frame: dict[str, Any] = {
            "type": "subscribed",
            "channel": watch.channel,
            "seq": channel.seq,
            # What was published last is newer than what was read from storage a moment ago.
            "state": {**state, **(channel.events[-1][1] if channel.events else {})},
        }
        if watch.since is not None:
            frame["events"] = [
                {"seq": seq, "data": data} for seq, data in channel.events if seq > watch.since
            ]
        if watch.id is not None:
            frame["id"] = watch.id
        channel.watchers.add((stream.id, watch.socket))
        stream.send(wire.encode(wire.Joined(watch.socket, watch.channel, "", encode(frame))))
