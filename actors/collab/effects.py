"""What a room asks of its shell, and what it is given to remember: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.collab.history import Item
from actors.collab.messages import Change, Since
from actors.collab.sequencer import Known


@dataclass(frozen=True, slots=True)
class Address:
    """One socket of one ingress replica."""

    link: int
    socket: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A frame for one socket."""

    to: Address
    payload: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """The socket gets ``payload`` and, from the next batch on, every item."""

    to: Address
    client: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Kick:
    """Close the socket."""

    to: Address
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Durable items, for every subscriber."""

    links: frozenset[int]
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Here:
    """A presence frame, for every subscriber."""

    links: frozenset[int]
    payload: bytes


@dataclass(frozen=True, slots=True)
class LookUp:
    """Numbers accepted too long ago for memory: storage knows their revs and contents."""

    to: Address
    message: Change
    known: Known


@dataclass(slots=True)
class Waiting:
    """A change that needs items from ``rev`` on, which only storage has; see `Room.resume_change`.

    Until then everything else its client sends waits behind it, in ``behind``.
    """

    at: Address
    message: Change
    rev: int
    now_ms: int
    behind: list[tuple[Address, Change]] = field(default_factory=list)


Effect = Reply | Joined | Kick | Batch | Here | LookUp


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A socket's standing in a session."""

    client: str
    user: str
    role: str
    permissions: tuple[str, ...]


@dataclass(slots=True)
class Joining:
    """A subscribe (or sync) that is answered at the end of the round."""

    at: Address
    since: Since | None
    id: str | int | None
    subscribed: bool
    older: list[bytes] | None = None
    """Encoded items after ``since``, from storage, where memory does not reach back so far."""
