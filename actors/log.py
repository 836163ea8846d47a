"""A session's history between storage and the core: items as rows and back, loading, snapshots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from actors.collab.comments import Comments
from actors.collab.history import Item, encoded, fragments
from actors.collab.sequencer import Client, Sequencer
from actors.collab.undo import UndoBook
from actors.ot.kinds import KINDS, Kind
from cluster.storage.items import SnapshotValues, Stored

_parse: Callable[[str], Any] = msgspec.json.Decoder().decode


def to_row(session: str, epoch: int, item: Item) -> dict[str, Any]:
    """Return the item as the log keeps it."""
    detail: object = item.comment
    if item.of:
        detail = {"of": item.of}
    return {
        "session_id": session,
        "rev": item.rev,
        "epoch": epoch,
        "client": item.client,
        "user_id": item.user,
        "seq": item.seq,
        "kind": item.kind,
        "op": None if item.op is None else _json(item.op.to_json()),
        "inverse": None if item.inverse is None else _json(item.inverse.to_json()),
        "group": item.group,
        "detail": None if detail is None else _json(detail),
        "digest": item.digest,
        "ts": item.ts,
    }


def from_row(row: Any, kind: Kind, length: int = 0) -> Item:
    """Return a logged item; ``length`` is the document's before it."""
    detail = None if row.detail is None else _parse(row.detail)
    comment = detail if row.kind == "comment" else None
    return encoded(
        Item(
            rev=row.rev,
            client=row.client,
            user=row.user_id,
            seq=row.seq,
            kind=row.kind,
            op=None if row.op is None else kind.read(_parse(row.op)),
            inverse=None if row.inverse is None else kind.read(_parse(row.inverse)),
            length=length,
            digest=row.digest,
            ts=row.ts,
            group=row.group,
            comment=comment,
            of=tuple(map(tuple, detail["of"])) if detail and comment is None else (),
        )
    )


class _Plain:
    """A row in the shape that `fragments` reads."""

    __slots__ = ("client", "comment", "kind", "rev", "seq", "ts", "user")

    def __init__(self, row: Any) -> None:
        self.rev, self.client, self.user = row.rev, row.client, row.user_id
        self.seq, self.kind, self.ts = row.seq, row.kind, row.ts
        self.comment = Raw(row.detail.encode()) if row.kind == "comment" else None


def fragment(row: Any, client: str | None) -> bytes:
    """Return what ``client`` gets of a logged item: its op is copied, never read."""
    op = None if row.op is None else Raw(row.op.encode())
    full, own = fragments(_Plain(row), op)
    return own if row.client == client else full


def load(stored: Stored, max_length: int = 2**53) -> Sequencer:
    """Return the sequencer of a stored session, at its newest (or the asked) rev."""
    kind = KINDS[stored.kind]
    snapshot = stored.snapshot
    sequencer = Sequencer(
        lineage=snapshot.lineage,
        rev=snapshot.rev,
        state=kind.load(snapshot.state),
        kind=kind,
        clients={name: Client(**known) for name, known in snapshot.clients.items()},
        undo=UndoBook.load(snapshot.undo),
        threads=Comments.load(snapshot.threads),
        max_length=max_length,
    )
    for row in stored.items:
        sequencer.replay(from_row(row, kind, kind.length(sequencer.state)))
    return sequencer


def snapshot(sequencer: Sequencer) -> SnapshotValues:
    """Return the sequencer as storage keeps it."""
    clients = {
        name: {"user": client.user, "acked": client.acked, "rev": client.rev}
        for name, client in sequencer.clients.items()
        if client.acked
    }
    return SnapshotValues(
        rev=sequencer.rev,
        lineage=sequencer.lineage,
        state=sequencer.kind.dump(sequencer.state),
        clients=clients,
        undo=sequencer.undo_book.dump(),
        threads=sequencer.comments.dump(),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
