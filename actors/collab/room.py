"""A session with its subscribers: turns messages into replies and broadcasts.

A room works in rounds, which its shell drives: messages are taken in (`submit` and the others),
what was accepted is committed, and only then `finish` says what is to be sent. During a commit
nothing is taken in, so whatever a reply carries is durable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Raw

from actors.collab.effects import (
    Address,
    Batch,
    Effect,
    Here,
    Joined,
    Joining,
    Kick,
    LookUp,
    Reply,
    Subscriber,
    Waiting,
)
from actors.collab.history import Item
from actors.collab.messages import (
    Change,
    Comment,
    Presence,
    Since,
    Sync,
    ack_frame,
    encode,
    error_frame,
    nack_frame,
)
from actors.collab.presence import PresenceBoard
from actors.collab.sequencer import Accepted, Known, NeedsItems, Sequencer

REMOVED = 4501
REPLACED = 4504


@dataclass(slots=True)
class Room:
    """One live session. Pure: no clock, no I/O."""

    session: str
    sequencer: Sequencer
    subscribers: dict[Address, Subscriber] = field(default_factory=dict)
    pending: list[Item] = field(default_factory=list)
    _replies: list[Effect] = field(default_factory=list)
    _joining: list[Joining] = field(default_factory=list)
    _waiting: dict[str, Waiting] = field(default_factory=dict)
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

    def change(self, at: Address, message: Change, now_ms: int) -> Waiting | None:
        """Take a change in; its answer comes with the end of the round.

        Returns:
            What must be fetched before it can be answered, where that is so.
        """
        subscriber = self.subscribers.get(at)
        needed = "comment" if isinstance(message, Comment) else "write"
        if subscriber is None:
            self._refuse(at, message, "not_subscribed", "subscribe to the session first")
        elif subscriber.client != message.client:
            text = f"this socket is subscribed as {subscriber.client!r}"
            self._refuse(at, message, "forbidden", text)
        elif needed not in subscriber.permissions:
            text = f"expected the permission {needed!r}, role {subscriber.role!r} has none"
            self._refuse(at, message, "forbidden", text)
        elif message.client in self._waiting:
            self._waiting[message.client].behind.append((at, message))
        else:
            self.presence.touch(message.client, now_ms)
            return self._submit(at, message, subscriber, now_ms, [])
        return None

    def resume_change(self, waiting: Waiting, older: list[Item]) -> Waiting | None:
        """Go on with a change, now that ``older`` items are there (or are not to be had)."""
        message = waiting.message
        del self._waiting[message.client]
        subscriber = self.subscribers.get(waiting.at)
        again = None
        if subscriber is not None:
            again = self._submit(waiting.at, message, subscriber, waiting.now_ms, older)
        if again is not None and not older:
            del self._waiting[message.client]
            self._refuse(waiting.at, message, "invalid", "what to undo is no longer kept")
            again = None
        for index, (at, next_) in enumerate(waiting.behind):
            again = again or self.change(at, next_, waiting.now_ms)
            if again is not None:
                again.behind.extend(waiting.behind[index + 1 :])
                break
        return again

    def _submit(
        self,
        at: Address,
        message: Change,
        subscriber: Subscriber,
        now_ms: int,
        older: list[Item],
    ) -> Waiting | None:
        outcome = self.sequencer.submit(
            message,
            subscriber.user,
            now_ms,
            manages="manage" in subscriber.permissions,
            older=older,
        )
        if isinstance(outcome, Accepted):
            self.pending.extend(outcome.items)
        elif isinstance(outcome, Known):
            self._replies.append(LookUp(at, message, outcome))
        elif isinstance(outcome, NeedsItems):
            waiting = Waiting(at, message, outcome.rev, now_ms)
            self._waiting[message.client] = waiting
            return waiting
        else:
            self._refuse(at, message, outcome.code, outcome.message)
        return None

    def set_role(self, user: str, role: str | None, permissions: tuple[str, ...]) -> None:
        """Change what a user may do from the next message on; without a role, its sockets end.

        Those whose role changed are told with a ``subscribed``.
        """
        for at, subscriber in list(self.subscribers.items()):
            if subscriber.user != user:
                continue
            if role is None:
                self.unsubscribe(at)
                self._replies.append(Kick(at, REMOVED, "removed from the session"))
            elif (subscriber.role, subscriber.permissions) != (role, permissions):
                self.subscribers[at] = Subscriber(subscriber.client, user, role, permissions)
                # Answered as if it had subscribed again: that is how a client learns its role.
                since = Since(self.sequencer.lineage, self.sequencer.rev)
                self._joining.append(Joining(at, since, None, subscribed=True))

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

    def client_at(self, at: Address) -> str | None:
        """Return the client that a socket is subscribed as."""
        subscriber = self.subscribers.get(at)
        return None if subscriber is None else subscriber.client

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

    def _refuse(self, at: Address, message: Change, code: str, text: str) -> None:
        self._replies.append(Reply(at, nack_frame(message, code, text)))

    def _look_up(self, look_up: LookUp) -> list[Effect]:
        message, known = look_up.message, look_up.known
        found = self.sequencer.known_revs(message.client, known.seqs)
        if len(found) < len(known.seqs):
            return [look_up]
        return [Reply(look_up.to, frame) for frame in answer_known(message, known, found)]

    def _state(self, joining: Joining, subscriber: Subscriber) -> bytes:
        sequencer = self.sequencer
        missed = self._missed(joining, subscriber.client)
        frame: dict[str, Any]
        if missed is not None and not joining.subscribed:
            frame = {"type": "items", "session": self.session, "items": missed}
        else:
            undo, redo = sequencer.undo_book.depths(subscriber.user)
            frame = {
                "type": "subscribed" if joining.subscribed else "snapshot",
                "session": self.session,
                "kind": sequencer.kind.name,
                "lineage": sequencer.lineage,
                "rev": sequencer.rev,
                "client": subscriber.client,
                "acked": sequencer.clients[subscriber.client].acked,
                "role": subscriber.role,
                "permissions": subscriber.permissions,
                "comments": sequencer.comments.public(sequencer.state),
                "presence": self.presence.snapshot(sequencer.rev),
                "undo_depth": undo,
                "redo_depth": redo,
            }
            if missed is not None:
                frame["items"] = missed
            else:
                frame["state"] = sequencer.kind.public(sequencer.state)
        if joining.id is not None:
            frame["id"] = joining.id
        return encode(frame)

    def _missed(self, joining: Joining, client: str) -> list[Raw] | None:
        since = joining.since
        if since is None or since.lineage != self.sequencer.lineage:
            return None
        older = joining.older or []
        items = self.sequencer.ring.since(since.rev + len(older))
        if items is None:
            return None
        return [Raw(each) for each in older] + [Raw(item.fragment(client)) for item in items]

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


def answer_known(message: Change, known: Known, found: dict[int, tuple[int, bytes]]) -> list[bytes]:
    """Return an ``ack`` for each number, or one ``nack`` where the content is not what it was."""
    for seq, sent in zip(known.seqs, known.digests, strict=True):
        if found[seq][1] != sent:
            text = f"seq {seq} was accepted with other content"
            return [nack_frame(message, "conflict", text)]
    session, client = message.session, message.client
    return [ack_frame(session, client, seq, found[seq][0]) for seq in known.seqs]
