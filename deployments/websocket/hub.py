"""The hub of one ingress replica: joins its sockets to the actors that own what they follow.

One stream per actor carries all sockets of this replica; `fanout` spreads what it brings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from actors import directory, wire
from actors.named import call, find
from actors.stream import Offer, Stream, connect
from cluster.errors import NotFound, SynqError, Unavailable
from cluster.telemetry import get_logger
from deployments.websocket.fanout import Fanout, Reader

log = get_logger(__name__)

GOING_AWAY = 4000
REWATCH_ATTEMPTS = 20

Channels = Mapping[str, str]
"""The name of the actor that publishes each kind of channel."""


@dataclass(slots=True)
class Link:
    """The stream to one actor, and who of ours follows what there."""

    name: str
    stream: Stream
    topics: dict[str, Fanout] = field(default_factory=dict)
    # Topics with readers that are owed something.
    busy: set[Fanout] = field(default_factory=set)
    asked: dict[tuple[int, str], str] = field(default_factory=dict)


class Hub:
    """See the module."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._publishers = frozenset(channels.values())
        self._readers: dict[int, Reader] = {}
        self._links: dict[str, Link] = {}
        self._by_stream: dict[int, Link] = {}
        self._connecting: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, reader: Reader) -> None:
        """Take a socket."""
        self._readers[reader.id] = reader

    def remove(self, reader: Reader) -> None:
        """Forget a socket and tell every actor it followed."""
        self._readers.pop(reader.id, None)
        for link in list(self._links.values()):
            for topic in {t for s, t in link.asked if s == reader.id}:
                self.leave(link, reader.id, topic)

    async def session_link(self, session: str) -> Link:
        """Return the link to the actor that owns a session, opening it where there is none.

        Raises:
            NotFound: no such session.
            Unavailable: the directory or the actor does not answer.
        """
        for known in self._links.values():
            if session in known.topics:  # it is there as long as the link and its readers are
                return known
        for _attempt in range(3):
            name, offer = await call(directory.handle().locate.remote(session, list(self._links)))
            link = await self._open(name, offer)
            if link is not None:
                return link
        raise Unavailable("the session's actor does not answer")

    async def channel_link(self, channel: str) -> Link:
        """Return the link to the actor that publishes a channel.

        Raises:
            NotFound: no actor publishes such channels.
            Unavailable: it does not answer.
        """
        kind = channel.partition(":")[0]
        name = self._channels.get(kind)
        if name is None:
            raise NotFound(f"no channel {channel!r}")
        if name in self._links:
            return self._links[name]
        lock = self._connecting.setdefault(name, asyncio.Lock())
        async with lock:
            if name in self._links:
                return self._links[name]
            offer = await call(find(name).open_stream.remote())
            link = await self._open(name, offer)
        if link is None:
            raise Unavailable(f"the publisher of {kind!r} channels does not answer")
        return link

    async def _open(self, name: str, offer: Offer | None) -> Link | None:
        link = self._links.get(name)
        if link is not None or offer is None:
            return link
        try:
            stream = await connect(offer, self)
        except (OSError, TimeoutError):
            log.warning("actor not reachable", actor=name)
            return None
        existing = self._links.get(name)
        if existing is not None:  # two sockets asked at once: one stream is enough
            stream.close()
            return existing
        link = Link(name, stream)
        self._links[name] = link
        self._by_stream[stream.id] = link
        return link

    def ask(self, link: Link, socket: int, topic: str, client: str, message: wire.ToActor) -> None:
        """Send a subscription; from now on the actor must hear when the socket goes."""
        link.asked[socket, topic] = client
        link.stream.send(wire.encode(message))

    def leave(self, link: Link, socket: int, topic: str) -> None:
        """End a subscription."""
        if link.asked.pop((socket, topic), None) is None:
            return
        fanout = link.topics.get(topic)
        if fanout is not None:
            fanout.leave(socket)
            if not fanout.followers:
                fanout.stop()
                del link.topics[topic]
        message = (
            wire.Unwatch(socket, topic)
            if link.name in self._publishers
            else wire.Unfollow(socket, topic)
        )
        link.stream.send(wire.encode(message))

    # --- stream handler --------------------------------------------------------------------

    def stream_opened(self, stream: Stream) -> None:
        """Nothing to do: the link is made where the stream was opened."""

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        """Hand an actor's message to the sockets it is for."""
        link = self._by_stream.get(stream.id)
        if link is None:
            return
        try:
            message = wire.decode_to_replica(frame)
        except msgspec.DecodeError:
            log.exception("stream frame not understood")
            stream.close()
            return
        if isinstance(message, wire.Items):
            fanout = link.topics.get(message.session)
            if fanout is not None:
                fanout.items(message.items)
        elif isinstance(message, wire.Broadcast):
            fanout = link.topics.get(message.topic)
            if fanout is not None:
                fanout.frame(message.payload)
        elif isinstance(message, wire.Reply):
            reader = self._readers.get(message.socket)
            if reader is not None:
                for fanout in tuple(link.busy):  # a reply follows what was sent before it
                    fanout.catch_up(message.socket)
                reader.frame(message.payload.decode())
        elif isinstance(message, wire.Joined):
            reader = self._readers.get(message.socket)
            if reader is not None and (message.socket, message.topic) in link.asked:
                self._join(link, message)
                reader.frame(message.payload.decode())
        elif isinstance(message, wire.Kick):
            reader = self._readers.get(message.socket)
            if reader is not None:
                reader.close(message.code, message.reason)
        else:
            self._end(link, message.session, message.code, message.reason)

    def stream_closed(self, stream: Stream) -> None:
        """An actor is gone: its sockets come back with `since`; channels are watched again."""
        link = self._by_stream.pop(stream.id, None)
        if link is None:
            return
        self._links.pop(link.name, None)
        log.warning("actor lost", actor=link.name, followers=len(link.asked))
        if link.name in self._publishers:
            for socket, channel in link.asked:
                task = asyncio.ensure_future(self._rewatch(socket, channel))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            return
        for session in {topic for _, topic in link.asked}:
            self._end(link, session, GOING_AWAY, "session moved")

    def _end(self, link: Link, session: str, code: int, reason: str) -> None:
        fanout = link.topics.pop(session, None)
        if fanout is not None:
            fanout.stop()
        for socket, topic in [key for key in link.asked if key[1] == session]:
            del link.asked[socket, topic]
            reader = self._readers.get(socket)
            if reader is not None:
                reader.close(code, reason)

    def _join(self, link: Link, joined: wire.Joined) -> None:
        fanout = link.topics.get(joined.topic)
        if fanout is None:
            fanout = link.topics[joined.topic] = Fanout(joined.topic, self._readers, link.busy)
        else:
            fanout.catch_up(joined.socket)
        fanout.join(joined.socket, joined.client)

    async def _rewatch(self, socket: int, channel: str) -> None:
        for attempt in range(REWATCH_ATTEMPTS):
            reader = self._readers.get(socket)
            if reader is None:
                return
            try:
                link = await self.channel_link(channel)
            except SynqError:
                await asyncio.sleep(min(0.2 * 2**attempt, 3.0))
                continue
            self.ask(link, socket, channel, "", wire.Watch(socket, channel, reader.user))
            return
        log.warning("channel not watched again", channel=channel)
