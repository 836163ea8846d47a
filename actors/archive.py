"""What live sessions ask of storage beside their rounds: loading, what memory has lost, keeping.

Whatever fails here is logged and answered with nothing: whoever asked does without, or asks again.
Only loading raises, since a session that cannot be loaded is unavailable, never empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors import log as records
from actors.collab.messages import Change
from actors.collab.sequencer import Sequencer
from cluster.errors import Conflict, SynqError
from cluster.storage import items as log_store
from cluster.storage.database import Database
from cluster.storage.items import SnapshotValues
from cluster.telemetry import get_logger

log = get_logger(__name__)

# A client this far behind is served from storage; further, it gets the state instead.
OLDER_ITEMS = 20_000


class Archive:
    """The stored side of one process's sessions."""

    def __init__(self, database: Database, *, keep_revs: int) -> None:
        self._database = database
        self._keep_revs = keep_revs

    async def load(self, session: str, epoch: int, max_length: int) -> tuple[Sequencer, int]:
        """Return a session's sequencer and the rev of the snapshot it was loaded from.

        Raises:
            NotFound: there is no such session.
            Conflict: it has been given to another owner, under a newer epoch.
        """
        async with self._database.read() as sql:
            stored = await log_store.load(sql, session)
        if stored.epoch != epoch:
            raise Conflict(f"session {session!r} is at epoch {stored.epoch}, not {epoch}")
        return records.load(stored, max_length), stored.snapshot.rev

    async def between(self, session: str, rev: int, base: int) -> Sequence[Any] | None:
        """Return the rows after ``rev`` up to ``base``; None where they are not all to be had."""
        if base - rev > OLDER_ITEMS:
            return None
        try:
            async with self._database.read() as sql:
                rows = await log_store.items_after(sql, session, rev, up_to=base)
        except Exception:
            log.exception("history unavailable", session=session)
            return None
        return rows if len(rows) == base - rev else None

    async def known(
        self, message: Change, seqs: list[int], digests: list[bytes]
    ) -> dict[int, tuple[int, bytes]] | None:
        """Return ``{seq: (rev, digest)}`` of accepted numbers; None where storage does not answer.

        Of a number that is older than the history that is kept, all that is known is that it was
        accepted: its rev is 0, and its content is taken for what it was.
        """
        try:
            async with self._database.read() as sql:
                found = await log_store.known(sql, message.session, message.client, seqs)
        except Exception:
            log.exception("history unavailable", session=message.session)
            return None
        for seq, sent in zip(seqs, digests, strict=True):
            found.setdefault(seq, (0, sent))
        return found

    async def keep(self, session: str, epoch: int, values: SnapshotValues) -> bool:
        """Store a snapshot; say whether it is there."""
        try:
            await log_store.put_snapshot(
                self._database, session, epoch, values, keep_revs=self._keep_revs
            )
        except SynqError as error:
            log.warning("snapshot refused", session=session, error=error.message)
            return False
        except Exception:
            log.exception("snapshot failed", session=session)
            return False
        return True
