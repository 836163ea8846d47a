"""Items, and the bounded memory of the newest of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from actors.collab.messages import encode

# What a client may be behind and still be served from memory: minutes of a busy session.
RING_ITEMS = 5_000
# An item's fragments weigh about this much beside its text; counted so that memory is bounded.
ITEM_OVERHEAD_BYTES = 600
RING_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """One accepted entry of a session's history.

    Attributes:
        kind: ``edit``, ``comment``, ``undo``, ``redo`` or ``restore``.
        op: what was applied, after mapping; None for a comment.
        inverse: what takes ``op`` back.
        length: size of the document before it (`Kind.length`).
        digest: hash of what was sent under ``seq``.
        ts: epoch milliseconds.
        group: name under which its client wants it undone together with others.
        comment: what a comment says, with the names it was given.
        of: spans of the revs that an undo took back, or of the undo that a redo took back.
    """

    rev: int
    client: str
    user: str
    seq: int
    kind: str
    op: Any
    inverse: Any
    length: int
    digest: bytes
    ts: int
    group: str | None = None
    comment: dict[str, Any] | None = None
    of: tuple[tuple[int, int], ...] = ()
    full: bytes = field(default=b"", compare=False, repr=False)
    own: bytes = field(default=b"", compare=False, repr=False)

    def fragment(self, client: str | None) -> bytes:
        """Return the JSON that ``client`` gets; encoded once, joined into any number of frames."""
        return self.own if client == self.client else self.full


def encoded(item: Item) -> Item:
    """Return ``item`` with both of its wire forms filled in."""
    op = None if item.op is None else item.op.to_json()
    full, own = fragments(item, op)
    object.__setattr__(item, "full", full)
    object.__setattr__(item, "own", own)
    return item


def fragments(item: Any, op: Any) -> tuple[bytes, bytes]:
    """Return an item's wire form for everyone, and for its sender.

    An edit's sender gets it without ``op``: that is the acknowledgement. What an undo or redo comes
    to is decided here, so its sender gets the op too.

    Args:
        item: an `Item`, or anything else with its plain fields.
        op: its op in wire form (or raw JSON), None where it has none.
    """
    start = {
        "rev": item.rev,
        "client": item.client,
        "user": item.user,
        "seq": item.seq,
        "kind": item.kind,
    }
    if item.comment is not None:
        frame = encode({**start, "comment": item.comment, "ts": item.ts})
        return frame, frame
    full = encode({**start, "op": op, "ts": item.ts})
    return full, encode({**start, "ts": item.ts}) if item.kind == "edit" else full


def items_frame(session: str, fragments: Iterable[bytes]) -> bytes:
    """Join fragments into one ``items`` frame."""
    return b"".join(
        (b'{"type":"items","session":', encode(session), b',"items":[', b",".join(fragments), b"]}")
    )


class Ring:
    """The newest items in memory, gapless; older ones are in storage only."""

    def __init__(self, rev: int) -> None:
        self._items: deque[Item] = deque()
        self._bytes = 0
        self.base = rev
        """The newest rev that is *not* held: items base+1 … are."""

    @property
    def head(self) -> int:
        """Return the newest rev."""
        return self.base + len(self._items)

    def append(self, item: Item) -> None:
        """Add the next item and forget the oldest beyond the bounds."""
        if item.rev != self.head + 1:
            raise ValueError(f"expected rev {self.head + 1}, got {item.rev}")
        self._items.append(item)
        self._bytes += _weight(item)
        while len(self._items) > RING_ITEMS or (self._bytes > RING_BYTES and len(self._items) > 1):
            self._bytes -= _weight(self._items.popleft())
            self.base += 1

    def since(self, rev: int) -> list[Item] | None:
        """Return the items after ``rev``, or None where they are no longer (or not yet) held."""
        if not self.base <= rev <= self.head:
            return None
        skip = rev - self.base
        if skip * 2 > len(self._items):  # near the end: a deque is slow to index in the middle
            newest = [self._items[-i] for i in range(1, self.head - rev + 1)]
            newest.reverse()
            return newest
        return list(self._items)[skip:]


def _weight(item: Item) -> int:
    return len(item.full) * 3 + ITEM_OVERHEAD_BYTES
