"""One document's sequencer: decides what is accepted, in which order, exactly once.

An edit made at an earlier rev is mapped over every item since, one by one, both ways: the edit over
the item (accepted earlier, so its insertion stays on the left) and the item over the edit, so that
the message's next op, which is relative to the first, meets the item as it then applies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from actors.collab.history import Item, Ring, encoded
from actors.collab.messages import Edit, encode
from actors.ot.text import ChangeSet
from cluster.errors import InvalidInput

# ops × items since their base: one map is about 4 µs, so this bounds one message to about 30 ms.
MAP_BUDGET = 4_000


@dataclass(slots=True)
class Client:
    """What is remembered of one editor instance."""

    user: str
    acked: int = 0
    rev: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The items an edit became; not yet durable."""

    items: list[Item]


@dataclass(frozen=True, slots=True)
class Known:
    """Every number of the edit was accepted before; whether with this content is yet to be seen."""

    seqs: list[int]
    digests: list[bytes]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of the edit was applied."""

    code: str
    message: str


class Sequencer:
    """The authority over one text document. Not durable by itself: its shell commits.

    Attributes:
        units: the document, in UTF-16 units (`actors.ot.text.to_units`).
        rev: the newest accepted rev.
        clients: every editor instance that ever entered the history, by its name.
        ring: the newest items.
    """

    def __init__(
        self,
        *,
        lineage: str,
        rev: int,
        units: str,
        clients: dict[str, Client] | None = None,
        max_units: int = 2_097_152,
    ) -> None:
        self.lineage = lineage
        self.rev = rev
        self.units = units
        self.clients = clients or {}
        self.ring = Ring(rev)
        self.max_units = max_units

    def bind(self, client: str, user: str) -> bool:
        """Bind ``client`` to its first user; False where it belongs to another."""
        known = self.clients.get(client)
        if known is None:
            self.clients[client] = Client(user)
            return True
        return known.user == user

    def replay(self, item: Item) -> None:
        """Apply an item read from storage."""
        self.units = item.op.apply(self.units)
        self._remember(item)

    def submit(self, edit: Edit, user: str, now_ms: int) -> Accepted | Known | Refused:
        """Take an edit, or say why not. Nothing is changed unless the whole of it is accepted."""
        if not self.bind(edit.client, user):
            return Refused("forbidden", f"client {edit.client!r} belongs to another user")
        client = self.clients[edit.client]
        last = edit.seq + len(edit.ops) - 1
        digests = [digest(op) for op in edit.ops]
        if last <= client.acked:
            return Known(list(range(edit.seq, last + 1)), digests)
        if edit.seq <= client.acked:
            return Refused(
                "conflict",
                f"numbers {edit.seq} to {client.acked} were accepted in another message",
            )
        if edit.seq != client.acked + 1:
            return Refused("gap", f"expected seq {client.acked + 1}, got {edit.seq}")
        if edit.rev > self.rev:
            return Refused("invalid", f"expected a rev of at most {self.rev}, got {edit.rev}")
        if edit.rev < client.rev:
            return Refused(
                "stale", f"rev {edit.rev} is below {client.rev}, this client's last change"
            )
        missed = self.ring.since(edit.rev)
        if missed is None or len(missed) * len(edit.ops) > MAP_BUDGET:
            return Refused("stale", f"rev {edit.rev} is too far behind {self.rev}: sync, rebase")
        try:
            ops = self._map(edit, missed)
            return self._accept(edit, user, ops, digests, now_ms)
        except InvalidInput as error:
            return Refused(error.code, error.message)

    def _map(self, edit: Edit, missed: list[Item]) -> list[ChangeSet]:
        ops = [ChangeSet.from_json(op) for op in edit.ops]
        length = missed[0].length if missed else len(self.units)
        for op in ops:
            if op.length != length:
                raise InvalidInput(
                    f"expected an op for a document of {length} units, got one for {op.length}"
                )
            length = op.new_length
        for item in missed:
            other = item.op
            for index, op in enumerate(ops):
                ops[index] = op.map(other)
                other = other.map(op, before=True)
        return ops

    def _accept(
        self, edit: Edit, user: str, ops: list[ChangeSet], digests: list[bytes], now_ms: int
    ) -> Accepted:
        units = self.units
        items = []
        for index, op in enumerate(ops):
            op.check_boundaries(units)
            if op.new_length > self.max_units and op.new_length > len(units):
                raise InvalidInput(
                    f"expected a document of at most {self.max_units} units, got {op.new_length}",
                    code="too_large",
                )
            items.append(
                encoded(
                    Item(
                        rev=self.rev + index + 1,
                        client=edit.client,
                        user=user,
                        seq=edit.seq + index,
                        kind="edit",
                        op=op,
                        inverse=op.invert(units),
                        length=len(units),
                        digest=digests[index],
                        ts=now_ms,
                        group=edit.group,
                    )
                )
            )
            units = op.apply(units)
        self.units = units
        for item in items:
            self._remember(item)
        return Accepted(items)

    def _remember(self, item: Item) -> None:
        self.ring.append(item)
        self.rev = item.rev
        client = self.clients.setdefault(item.client, Client(item.user))
        client.acked = max(client.acked, item.seq)
        client.rev = item.rev

    def known_revs(self, client: str, seqs: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """Return ``{seq: (rev, digest)}`` of those the memory still holds."""
        wanted = set(seqs)
        found = {}
        for item in self.ring.since(self.ring.base) or ():
            if item.client == client and item.seq in wanted:
                found[item.seq] = (item.rev, item.digest)
        return found


def digest(op: object) -> bytes:
    """Return 64 bits that name an op's content as it was sent."""
    return hashlib.blake2b(encode(op), digest_size=8).digest()
