"""A session with its subscribers: turns messages into replies and broadcasts.

A room works in rounds, which its shell drives: messages are taken in (`submit` and the others),
what was accepted is committed, and only then `finish` says what is to be sent. During a commit
nothing is taken in, so whatever a reply carries is durable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actors.collab.history import Item
from actors.collab.messages import (
    Edit,
    Presence,
    Since,
    Sync,
    ack_frame,
    encode,
    error_frame,
    nack_frame,
)
from actors.collab.presence import PresenceBoard
from actors.collab.sequencer import Accepted, Known, Sequencer
from actors.ot.text import from_units

REPLACED = 4504


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
    edit: Edit
    known: Known


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
    older: list[Item] | None = None


@dataclass(slots=True)
class Room:
    """One live session. Pure: no clock, no I/O."""

    session: str
    kind: str
    sequencer: Sequencer
    subscribers: dict[Address, Subscriber] = field(default_factory=dict)
    pending: list[Item] = field(default_factory=list)
    _replies: list[Effect] = field(default_factory=list)
    _joining: list[Joining] = field(default_factory=list)
    _links: frozenset[int] = frozenset()
    presence: PresenceBoard = field(init=False)

    def __post_init__(self) -> None:
        self.presence = PresenceBoard(self.sequencer.ring.since)

    # --- taking in -------------------------------------------------------------------------

    def subscribe(
        self, at: Address, who: Subscriber, since: Since | None, id_: str | int | None
    ) -> None:
        """Let a socket follow; a live socket of the same client gives way to it."""
        if not self.sequencer.bind(who.client, who.user):
            message = f"client {who.client!r} belongs to another user"
            self._replies.append(Reply(at, error_frame("forbidden", message, id_)))
            return
        for address, other in list(self.subscribers.items()):
            if other.client == who.client and address != at:
                self._drop(address)
                self._replies.append(Kick(address, REPLACED, "replaced by a newer socket"))
        self.subscribers[at] = who
        self._relink()
        self._joining.append(Joining(at, since, id_, subscribed=True))

    def sync(self, at: Address, message: Sync) -> None:
        """Answer with the state, or with what was missed."""
        self._joining.append(Joining(at, message.since, message.id, subscribed=False))

    def unsubscribe(self, at: Address) -> None:
        """Stop telling a socket; its presence ends."""
        subscriber = self._drop(at)
        if subscriber is not None:
            self.presence.drop(subscriber.client)
            self._forget(subscriber.client)

    def link_lost(self, link: int) -> None:
        """All sockets of one replica are gone."""
        for address in [a for a in self.subscribers if a.link == link]:
            self.unsubscribe(address)

    def edit(self, at: Address, message: Edit, now_ms: int) -> None:
        """Take an edit in; its answer comes with the end of the round."""
        subscriber = self.subscribers.get(at)
        if subscriber is None:
            self._refuse(at, message, "not_subscribed", "subscribe to the session first")
        elif subscriber.client != message.client:
            text = f"this socket is subscribed as {subscriber.client!r}"
            self._refuse(at, message, "forbidden", text)
        elif "write" not in subscriber.permissions:
            text = f"expected the permission 'write', role {subscriber.role!r} has none"
            self._refuse(at, message, "forbidden", text)
        else:
            self.presence.touch(message.client, now_ms)
            outcome = self.sequencer.submit(message, subscriber.user, now_ms)
            if isinstance(outcome, Accepted):
                self.pending.extend(outcome.items)
            elif isinstance(outcome, Known):
                self._replies.append(LookUp(at, message, outcome))
            else:
                self._refuse(at, message, outcome.code, outcome.message)

    def say(self, at: Address, message: Presence, now_ms: int) -> None:
        """Take a presence in; it goes out merged with others'."""
        subscriber = self.subscribers.get(at)
        if subscriber is not None and subscriber.client == message.client:
            rev = min(message.rev, self.sequencer.rev)
            self.presence.put(message.client, subscriber.user, message.state, rev, now_ms)

    def touch(self, at: Address, now_ms: int) -> None:
        """Note a socket's sign of life."""
        subscriber = self.subscribers.get(at)
        if subscriber is not None:
            self.presence.touch(subscriber.client, now_ms)

    # --- the end of a round ----------------------------------------------------------------

    def finish(self) -> list[Effect]:
        """Return what is to be sent, in order; everything in it is durable by now."""
        effects: list[Effect] = []
        if self.pending:
            if self._links:
                effects.append(Batch(self._links, self.pending))
            self.pending = []
        for reply in self._replies:
            effects.extend(self._look_up(reply) if isinstance(reply, LookUp) else (reply,))
        self._replies = []
        for joining in self._joining:
            subscriber = self.subscribers.get(joining.at)
            if subscriber is None:
                continue
            payload = self._state(joining, subscriber)
            if joining.subscribed:
                effects.append(Joined(joining.at, subscriber.client, payload))
            else:
                effects.append(Reply(joining.at, payload))
        self._joining = []
        return effects

    def needs_older(self) -> list[Joining]:
        """Return those joining whose ``since`` is of this history but no longer in memory."""
        return [
            joining
            for joining in self._joining
            if joining.since is not None
            and joining.older is None
            and joining.since.lineage == self.sequencer.lineage
            and joining.since.rev < self.sequencer.ring.base
        ]

    def postpone(self, joining: Joining) -> None:
        """Take a joining out of this round, until `resume`."""
        self._joining.remove(joining)

    def resume(self, joining: Joining) -> None:
        """Put it back, with what storage knew."""
        self._joining.append(joining)

    def take_presence(self) -> Here | None:
        """Return the merged changes since the last call."""
        if not self.presence.changed:
            return None
        rev = self.sequencer.rev
        clients = self.presence.take_changes(rev)
        if not self._links:
            return None
        frame = {"type": "presence", "session": self.session, "rev": rev, "clients": clients}
        return Here(self._links, encode(frame))

    # --- inside ----------------------------------------------------------------------------

    def _refuse(self, at: Address, edit: Edit, code: str, message: str) -> None:
        self._replies.append(Reply(at, nack_frame(edit, code, message)))

    def _look_up(self, look_up: LookUp) -> list[Effect]:
        edit, known = look_up.edit, look_up.known
        found = self.sequencer.known_revs(edit.client, known.seqs)
        if len(found) < len(known.seqs):
            return [look_up]
        return [Reply(look_up.to, frame) for frame in answer_known(edit, known, found)]

    def _state(self, joining: Joining, subscriber: Subscriber) -> bytes:
        sequencer = self.sequencer
        frame: dict[str, Any] = {
            "type": "subscribed" if joining.subscribed else "snapshot",
            "session": self.session,
            "kind": self.kind,
            "lineage": sequencer.lineage,
            "rev": sequencer.rev,
            "client": subscriber.client,
            "acked": sequencer.clients[subscriber.client].acked,
            "role": subscriber.role,
            "permissions": subscriber.permissions,
        }
        missed = self._missed(joining)
        if missed is not None:
            own = subscriber.client
            items = [item.public(with_op=item.client != own) for item in missed]
            if not joining.subscribed:
                frame = {"type": "items", "session": self.session}
            frame["items"] = items
        else:
            frame["state"] = from_units(sequencer.units)
        if frame["type"] != "items":
            frame["comments"] = []
            frame["presence"] = self.presence.snapshot(sequencer.rev)
            frame["undo_depth"] = frame["redo_depth"] = 0
        if joining.id is not None:
            frame["id"] = joining.id
        return encode(frame)

    def _missed(self, joining: Joining) -> list[Item] | None:
        since = joining.since
        if since is None or since.lineage != self.sequencer.lineage:
            return None
        if joining.older is not None:
            rest = self.sequencer.ring.since(since.rev + len(joining.older))
            return None if rest is None else joining.older + rest
        return self.sequencer.ring.since(since.rev)

    def _drop(self, at: Address) -> Subscriber | None:
        subscriber = self.subscribers.pop(at, None)
        self._relink()
        return subscriber

    def _forget(self, client: str) -> None:
        # Only those who entered the history must be remembered; else visitors would pile up.
        known = self.sequencer.clients.get(client)
        if known is not None and known.acked == 0:
            del self.sequencer.clients[client]

    def _relink(self) -> None:
        self._links = frozenset(address.link for address in self.subscribers)


def answer_known(edit: Edit, known: Known, found: dict[int, tuple[int, bytes]]) -> list[bytes]:
    """Return an ``ack`` for each number, or one ``nack`` where the content is not what it was."""
    for seq, sent in zip(known.seqs, known.digests, strict=True):
        if found[seq][1] != sent:
            text = f"seq {seq} was accepted with other content"
            return [nack_frame(edit, "conflict", text)]
    return [ack_frame(edit.session, edit.client, seq, found[seq][0]) for seq in known.seqs]
