"""One document's sequencer: decides what is accepted, in which order, exactly once.

An edit made at an earlier rev is mapped over every item since, one by one, both ways: the edit over
the item (accepted earlier, so its insertion stays on the left) and the item over the edit, so that
the message's next op, which is relative to the first, meets the item as it then applies.

Everything else is a fold of the accepted items: the document, who sent what (`clients`), what each
user can undo (`undo.UndoBook`) and what was said about it (`comments.Comments`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.collab import anchors
from actors.collab.comments import Comments
from actors.collab.history import Item, Ring, encoded
from actors.collab.messages import Change, Comment, Edit, Redo, Undo, encode
from actors.collab.undo import UndoBook, taking_back
from actors.ot.kinds import TEXT, Kind, State
from cluster.errors import InvalidInput, SynqError

# ops × items since their base: one map is about 4 µs, so this bounds one message to about 50 ms. A
# client that was away for a hundred items may still bring a hundred ops of its own.
MAP_BUDGET = 12_000
# Items since the change that an undo is about; beyond it the change stays.
UNDO_HORIZON = 20_000
# A comment's place may be given at a rev this far back.
ANCHOR_HORIZON = 500


# Restoring has no client of anyone's: a name that none can choose, numbered by revs.
RESTORER = "restore"


@dataclass(slots=True)
class Client:
    """What is remembered of one editor instance."""

    user: str
    acked: int = 0
    rev: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The items a message became; not yet durable."""

    items: list[Item]


@dataclass(frozen=True, slots=True)
class Known:
    """Every number of the message was accepted before; whether with this content is to be seen."""

    seqs: list[int]
    digests: list[bytes]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of the message was applied."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NeedsItems:
    """The items from ``rev`` on are needed, and memory does not hold them all; nothing happened."""

    rev: int


Outcome = Accepted | Known | Refused | NeedsItems


class Sequencer:
    """The authority over one document. Not durable by itself: its shell commits.

    Attributes:
        state: the document (`actors.ot.kinds`).
        rev: the newest accepted rev.
        clients: every editor instance that ever entered the history, by its name.
        ring: the newest items.
    """

    def __init__(
        self,
        *,
        lineage: str,
        rev: int,
        state: State,
        kind: Kind = TEXT,
        clients: dict[str, Client] | None = None,
        undo: UndoBook | None = None,
        threads: Comments | None = None,
        max_length: int = 2_097_152,
    ) -> None:
        self.lineage = lineage
        self.rev = rev
        self.state = state
        self.kind = kind
        self.clients = clients or {}
        self.undo_book = undo or UndoBook()
        self.comments = threads or Comments()
        self.ring = Ring(rev)
        self.max_length = max_length

    def bind(self, client: str, user: str) -> bool:
        """Bind ``client`` to its first user; False where it belongs to another."""
        known = self.clients.get(client)
        if known is None:
            self.clients[client] = Client(user)
            return True
        return known.user == user

    def replay(self, item: Item) -> None:
        """Apply an item read from storage."""
        if item.op is not None:
            self.state = item.op.apply(self.state)
        self._remember(item)

    def submit(
        self,
        message: Change,
        user: str,
        now_ms: int,
        *,
        manages: bool = False,
        older: Sequence[Item] = (),
    ) -> Outcome:
        """Take a change, or say why not. Nothing is changed unless the whole of it is accepted.

        ``manages`` says whether the user may delete others' comments; ``older`` are items before
        those in memory, where `NeedsItems` asked for them.
        """
        if not self.bind(message.client, user):
            return Refused("forbidden", f"client {message.client!r} belongs to another user")
        client = self.clients[message.client]
        digests = digests_of(message)
        last = message.seq + len(digests) - 1
        if last <= client.acked:
            return Known(list(range(message.seq, last + 1)), digests)
        if message.seq <= client.acked:
            return Refused(
                "conflict",
                f"numbers {message.seq} to {client.acked} were accepted in another message",
            )
        if message.seq != client.acked + 1:
            return Refused("gap", f"expected seq {client.acked + 1}, got {message.seq}")
        try:
            if isinstance(message, Edit):
                return self._edit(message, client, digests, now_ms)
            if isinstance(message, Comment):
                return self._comment(message, user, digests[0], now_ms, manages=manages)
            return self._take_back(message, user, digests[0], now_ms, older)
        except SynqError as error:
            return Refused(error.code, error.message)

    # --- edits -----------------------------------------------------------------------------

    def _edit(self, edit: Edit, client: Client, digests: list[bytes], now_ms: int) -> Outcome:
        if edit.rev > self.rev:
            return Refused("invalid", f"expected a rev of at most {self.rev}, got {edit.rev}")
        if edit.rev < client.rev:
            return Refused(
                "stale", f"rev {edit.rev} is below {client.rev}, this client's last change"
            )
        missed = self.ring.since(edit.rev)
        if missed is None or len(missed) * len(edit.ops) > MAP_BUDGET:
            return Refused("stale", f"rev {edit.rev} is too far behind {self.rev}: sync, rebase")
        ops = self._map(edit, missed)
        state = self.state
        items: list[Item] = []
        states: list[State] = []
        for index, op in enumerate(ops):
            self.kind.check(op, state)
            after = op.apply(state)
            size, length = self.kind.length(after), self.kind.length(state)
            if size > self.max_length and size > length:
                raise InvalidInput(
                    f"expected a document of at most {self.max_length} units, got {size}",
                    code="too_large",
                )
            item = Item(
                rev=self.rev + index + 1,
                client=edit.client,
                user=client.user,
                seq=edit.seq + index,
                kind="edit",
                op=op,
                inverse=op.invert(state),
                length=length,
                digest=digests[index],
                ts=now_ms,
                group=edit.group,
            )
            items.append(encoded(item))
            states.append(after)
            state = after
        for item, self.state in zip(items, states, strict=True):
            self._remember(item)
        return Accepted(items)

    def _map(self, edit: Edit, missed: list[Item]) -> list[Any]:
        ops = [self.kind.read_bounded(op) for op in edit.ops]
        length = missed[0].length if missed else self.kind.length(self.state)
        self.kind.check_base(ops, length)
        last = len(ops) - 1
        for item in missed:
            other = item.op
            if other is None:
                continue
            for index, op in enumerate(ops):
                ops[index] = op.map(other)
                if index != last:  # nobody asks how it meets what comes after the last
                    other = other.map(op, before=True)
        return ops

    # --- undo, redo ------------------------------------------------------------------------

    def _take_back(
        self, message: Undo | Redo, user: str, digest: bytes, now_ms: int, older: Sequence[Item]
    ) -> Outcome:
        kind = "undo" if isinstance(message, Undo) else "redo"
        stack = self.undo_book.of(user)
        groups = stack.undo if kind == "undo" else stack.redo
        # Newest first; what came to nothing meanwhile is passed over.
        for group in reversed(groups):
            first = group.first
            if self.rev - first > UNDO_HORIZON:
                break
            items = self._items_from(first, older)
            if items is None:
                return NeedsItems(first)
            op = taking_back(group.spans, user, items)
            if op is not None:
                op = self.kind.feasible(op, self.state)
            if op is None or op.empty:
                continue
            after = op.apply(self.state)
            item = Item(
                rev=self.rev + 1,
                client=message.client,
                user=user,
                seq=message.seq,
                kind=kind,
                op=op,
                inverse=op.invert(self.state),
                length=self.kind.length(self.state),
                digest=digest,
                ts=now_ms,
                of=tuple((first, last) for first, last in group.spans),
            )
            self.state = after
            self._remember(encoded(item))
            return Accepted([item])
        return Refused("invalid", f"nothing to {kind}")

    def _items_from(self, rev: int, older: Sequence[Item]) -> list[Item] | None:
        items = self.ring.since(max(rev - 1, self.ring.base))
        assert items is not None  # noqa: S101 - base and head are held
        if rev > self.ring.base:
            return items
        before = [item for item in older if rev <= item.rev <= self.ring.base]
        if not before or before[0].rev != rev or before[-1].rev != self.ring.base:
            return None
        return before + items

    # --- comments --------------------------------------------------------------------------

    def _comment(
        self, message: Comment, user: str, digest: bytes, now_ms: int, *, manages: bool
    ) -> Outcome:
        anchor = None
        if message.action == "add" and message.anchor is not None:
            rev = self.rev if message.rev is None else message.rev
            if rev > self.rev:
                raise InvalidInput(f"expected a rev of at most {self.rev}, got {rev}")
            missed = self.ring.since(rev)
            if missed is None or len(missed) > ANCHOR_HORIZON:
                return Refused("stale", f"rev {rev} is too far behind {self.rev}: sync")
            state = self.state
            if self.kind is TEXT:
                for item in reversed(missed):
                    state = state if item.op is None else item.inverse.apply(state)
            anchor = anchors.carried(anchors.place(message.anchor, state, self.kind.name), missed)
        detail = self.comments.read(message, user, self.state, manages=manages, anchor=anchor)
        rev = self.rev + 1
        if message.action in ("add", "reply"):
            detail["comment"] = f"c{rev}"
        if message.action == "add":
            detail["thread"] = f"t{rev}"
        item = Item(
            rev=rev,
            client=message.client,
            user=user,
            seq=message.seq,
            kind="comment",
            op=None,
            inverse=None,
            length=self.kind.length(self.state),
            digest=digest,
            ts=now_ms,
            comment=detail,
        )
        self._remember(encoded(item))
        return Accepted([item])

    # --- another past ----------------------------------------------------------------------

    def restore(self, target: State, user: str, lineage: str, now_ms: int) -> Item:
        """Make ``target`` the document, as one item and under a new lineage."""
        op = self.kind.replace(self.state, target)
        rev = self.rev + 1
        item = Item(
            rev=rev,
            client=RESTORER,
            user=user,
            seq=rev,
            kind="restore",
            op=op,
            inverse=op.invert(self.state),
            length=self.kind.length(self.state),
            digest=digest(["restore", rev]),
            ts=now_ms,
        )
        self.state = target
        self.lineage = lineage
        self._remember(encoded(item))
        return item

    # --- the fold --------------------------------------------------------------------------

    def _remember(self, item: Item) -> None:
        self.ring.append(item)
        self.rev = item.rev
        client = self.clients.setdefault(item.client, Client(item.user))
        client.acked = max(client.acked, item.seq)
        if item.op is not None:
            client.rev = item.rev
        self.undo_book.note(item)
        if self.comments or item.comment is not None:
            self.comments.note(item, self.state)

    def known_revs(self, client: str, seqs: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """Return ``{seq: (rev, digest)}`` of those the memory still holds."""
        wanted = set(seqs)
        found = {}
        for item in self.ring.since(self.ring.base) or ():
            if item.client == client and item.seq in wanted:
                found[item.seq] = (item.rev, item.digest)
        return found


def digests_of(message: Change) -> list[bytes]:
    """Return 64 bits for each number of ``message`` that name its content as it was sent."""
    if isinstance(message, Edit):
        return [digest(op) for op in message.ops]
    if isinstance(message, Comment):
        parts = (message.action, message.thread, message.comment, message.anchor, message.text)
        return [digest(["comment", *parts])]
    return [digest("undo" if isinstance(message, Undo) else "redo")]


def digest(content: object) -> bytes:
    """Return 64 bits that name ``content``."""
    return hashlib.blake2b(encode(content), digest_size=8).digest()
