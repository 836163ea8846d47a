"""A session's history as a feature: reading it, any past state, restoring, forking, exporting."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from actors import directory
from actors import log as records
from actors.collab.sequencer import Sequencer
from actors.named import call
from actors.parser import CircuitParser
from actors.sessions import SessionService
from cluster.errors import InvalidInput, SynqError
from cluster.identity.roles import Permission
from cluster.storage import items as log_store
from cluster.storage.database import Database
from cluster.storage.models import new_id
from cluster.telemetry import get_logger

log = get_logger(__name__)

MAX_HISTORY_PAGE = 1_000
EXPORTS = ("qasm2", "qasm3", "qpy", "json")


@dataclass(frozen=True, slots=True)
class State:
    """A document at one rev: ``state`` is a text, or a circuit's object."""

    rev: int
    lineage: str
    kind: str
    state: Any


class HistoryService:
    """What one may do with a session's past."""

    def __init__(self, database: Database, sessions: SessionService, parser: CircuitParser) -> None:
        self._database = database
        self._sessions = sessions
        self._parser = parser

    async def items(
        self, session_id: str, user: str, *, from_: int = 1, limit: int = 100
    ) -> dict[str, Any]:
        """Return items from rev ``from_`` on, oldest first, and where the next page begins."""
        if not (1 <= limit <= MAX_HISTORY_PAGE and from_ >= 1):
            raise InvalidInput(f"expected 1 ≤ limit ≤ {MAX_HISTORY_PAGE} and from ≥ 1")
        await self._sessions.access(session_id, user)
        async with self._database.read() as sql:
            rows = await log_store.items_after(sql, session_id, from_ - 1, limit=limit + 1)
        items = [msgspec.json.decode(records.fragment(row, None)) for row in rows[:limit]]
        return {"items": items, "next": rows[limit].rev if len(rows) > limit else None}

    async def state(self, session_id: str, user: str, rev: int | None = None) -> State:
        """Return the document at ``rev``, or as it is now.

        Raises:
            NotFound: no such session, or no such rev (any more).
        """
        await self._sessions.access(session_id, user)
        return _state(await self._sequencer(session_id, rev))

    async def program(self, session_id: str, user: str) -> str:
        """Return the document as program text: a circuit as OpenQASM 3."""
        state = await self.state(session_id, user)
        if state.kind == "text":
            return str(state.state)
        converted = await self._parser.to_text(state.state, 3)
        return str(converted["text"])

    async def export(
        self, session_id: str, user: str, format_: str, rev: int | None = None
    ) -> dict[str, Any]:
        """Return the document as a file.

        Returns:
            ``{"media_type", "encoding": "text" or "base64", "data", "notes"}``; ``notes`` say in
            words what the format could not keep.

        Raises:
            InvalidInput: no such format; a program that cannot be read, or not said in it.
        """
        if format_ not in EXPORTS:
            raise InvalidInput(f"expected a format of {', '.join(EXPORTS)}, got {format_!r:.40}")
        await self._sessions.access(session_id, user)
        sequencer = await self._sequencer(session_id, rev)
        state = _state(sequencer)
        if format_ != "json":
            made: dict[str, Any] = await self._parser.export(state.kind, state.state, format_)
            return made
        document = {
            "session": session_id,
            "kind": state.kind,
            "lineage": state.lineage,
            "rev": state.rev,
            "state": state.state,
            "comments": sequencer.comments.public(sequencer.state),
        }
        data = msgspec.json.encode(document).decode()
        return {"media_type": "application/json", "encoding": "text", "data": data, "notes": []}

    async def restore(self, session_id: str, user: str, rev: int) -> dict[str, Any]:
        """Make a past state the present one, under a new lineage; nothing of the past is lost.

        The restoring is itself an item, so every rev before and after it can be read, and restored,
        as before. Clients come back to the new lineage and drop what they had not sent.

        Raises:
            Forbidden: the caller may not write.
            NotFound: no such rev (any more).
        """
        await self._sessions.access(session_id, user, Permission.WRITE)
        async with self._database.session() as sql:
            # First of all: from here on nobody else can append.
            epoch = await log_store.fence(sql, session_id)
            target = records.load(await log_store.load(sql, session_id, rev))
            sequencer = records.load(await log_store.load(sql, session_id))
            item = sequencer.restore(target.state, user, new_id(), time.time_ns() // 1_000_000)
            row = records.to_row(session_id, epoch, item)
            await log_store.replace_lineage(sql, session_id, row, records.snapshot(sequencer))
        try:
            await call(directory.handle().replaced.remote(session_id))
        except SynqError:
            # Its owner can append no more; it lets go as soon as it tries.
            log.warning("owner not told of a restored session", session=session_id, exc_info=True)
        return {"rev": sequencer.rev, "lineage": sequencer.lineage, "restored": rev}

    async def fork(
        self, session_id: str, user: str, *, rev: int | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """Make a session of the caller's own from this one's state at ``rev`` (now)."""
        access = await self._sessions.access(session_id, user)
        state = _state(await self._sequencer(session_id, rev))
        return await self._sessions.create(
            user,
            name=name or f"{access.session.name[:180]} (fork)",
            kind=state.kind,
            content=state.state,
            origin={"session": session_id, "rev": state.rev, "how": "fork"},
        )

    async def convert(
        self, session_id: str, user: str, to: str, *, name: str | None = None
    ) -> dict[str, Any]:
        """Make a session of the other kind from this one's state as it is now.

        Returns:
            The new session, with ``notes``: in words, what could not be kept.

        Raises:
            InvalidInput: it is of that kind already; a program that cannot be read, or has no form
                as a circuit.
        """
        access = await self._sessions.access(session_id, user)
        state = _state(await self._sequencer(session_id, None))
        if to == state.kind or to not in ("text", "circuit"):
            other = "circuit" if state.kind == "text" else "text"
            raise InvalidInput(f"expected to: {other!r} for a {state.kind} session, got {to!r:.40}")
        if to == "circuit":
            converted = await self._parser.to_circuit(state.state)
            content = converted["state"]
        else:
            converted = await self._parser.to_text(state.state, 3)
            content = converted["text"]
        made = await self._sessions.create(
            user,
            name=name or f"{access.session.name[:180]} ({to})",
            kind=to,
            content=content,
            origin={"session": session_id, "rev": state.rev, "how": "convert"},
        )
        return {**made, "notes": converted["notes"]}

    async def _sequencer(self, session_id: str, rev: int | None) -> Sequencer:
        if rev is not None and rev < 0:
            raise InvalidInput(f"expected rev ≥ 0, got {rev}")
        async with self._database.read() as sql:
            return records.load(await log_store.load(sql, session_id, rev))


def _state(sequencer: Sequencer) -> State:
    kind = sequencer.kind
    return State(sequencer.rev, sequencer.lineage, kind.name, kind.public(sequencer.state))
