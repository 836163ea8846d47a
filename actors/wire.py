"""What an ingress replica and an actor say to each other over a stream, as MessagePack arrays.

``socket`` is the replica's own number for one WebSocket. Payloads are finished WebSocket frames;
fragments are encoded items (`actors.collab.history`), so that nothing is encoded once per reader.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from actors.collab.messages import Change, Presence, Since, Sync


class Follow(Struct, frozen=True, array_like=True, tag=1):
    """Subscribe a socket to a session, with the role it was found to have."""

    socket: int
    session: str
    client: str
    user: str
    role: str
    permissions: tuple[str, ...]
    since: Since | None = None
    id: str | int | None = None


class Unfollow(Struct, frozen=True, array_like=True, tag=2):
    """The socket left the session, or is gone."""

    socket: int
    session: str


class ChangeFrom(Struct, frozen=True, array_like=True, tag=3):
    """A change (edit, comment, undo, redo) of a socket."""

    socket: int
    change: Change


class PresenceFrom(Struct, frozen=True, array_like=True, tag=4):
    """A presence of a socket."""

    socket: int
    presence: Presence


class SyncFrom(Struct, frozen=True, array_like=True, tag=5):
    """A sync of a socket."""

    socket: int
    sync: Sync


class Watch(Struct, frozen=True, array_like=True, tag=6):
    """Subscribe a socket to a channel."""

    socket: int
    channel: str
    user: str
    since: int | None = None
    id: str | int | None = None


class Unwatch(Struct, frozen=True, array_like=True, tag=7):
    """The socket left the channel, or is gone."""

    socket: int
    channel: str


class Alive(Struct, frozen=True, array_like=True, tag=8):
    """A sign of life of a socket: its presence stays."""

    socket: int
    session: str


ToActor = Follow | Unfollow | ChangeFrom | PresenceFrom | SyncFrom | Watch | Unwatch | Alive


class Reply(Struct, frozen=True, array_like=True, tag=1):
    """A frame for one socket."""

    socket: int
    payload: bytes


class Joined(Struct, frozen=True, array_like=True, tag=2):
    """The socket's subscription stands: it gets this frame, then every later batch."""

    socket: int
    topic: str
    client: str
    payload: bytes


class Items(Struct, frozen=True, array_like=True, tag=3):
    """Durable items of a session: for each, its author's client, and both wire forms."""

    session: str
    items: list[tuple[str, bytes, bytes]]


class Broadcast(Struct, frozen=True, array_like=True, tag=4):
    """A frame for every subscriber of a session or channel."""

    topic: str
    payload: bytes


class Kick(Struct, frozen=True, array_like=True, tag=5):
    """Close a socket."""

    socket: int
    code: int
    reason: str


class Ended(Struct, frozen=True, array_like=True, tag=6):
    """The session is no longer here; its sockets are to be closed with ``code``."""

    session: str
    code: int
    reason: str


ToReplica = Reply | Joined | Items | Broadcast | Kick | Ended

encode = msgspec.msgpack.Encoder().encode
decode_to_actor = msgspec.msgpack.Decoder(ToActor).decode
decode_to_replica = msgspec.msgpack.Decoder(ToReplica).decode
