"""Who is where: the latest word of each client, merged, never in history.

Positions (``cursor``, ``selection``) come with the rev they were true at and are moved along with
the text, so that one frame can carry everyone's at one rev.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.collab.history import Item
from actors.ot.text import ChangeSet
from cluster.errors import InvalidInput

PRESENCE_TTL_MS = 60_000
# Merged frames go out at most this often per session.
PRESENCE_INTERVAL_MS = 50

Missed = Callable[[int], list[Item] | None]


@dataclass(slots=True)
class Entry:
    """One client's latest state, true at ``rev``."""

    user: str
    state: dict[str, Any]
    rev: int
    seen_ms: int


class PresenceBoard:
    """The latest state of each client of one session."""

    def __init__(self, missed: Missed) -> None:
        self._missed = missed
        self._entries: dict[str, Entry] = {}
        self._changed: set[str] = set()

    @property
    def changed(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._changed)

    def put(
        self, client: str, user: str, state: dict[str, Any] | None, rev: int, now_ms: int
    ) -> None:
        """Take a client's word; ``None`` means it is gone."""
        if state is None:
            self.drop(client)
            return
        self._entries[client] = Entry(user, state, rev, now_ms)
        self._changed.add(client)

    def touch(self, client: str, now_ms: int) -> None:
        """Note a sign of life."""
        entry = self._entries.get(client)
        if entry is not None:
            entry.seen_ms = now_ms

    def drop(self, client: str) -> None:
        """Forget a client; others are told."""
        if self._entries.pop(client, None) is not None:
            self._changed.add(client)

    def expire(self, now_ms: int) -> None:
        """Drop those who gave no sign of life for a minute."""
        for client, entry in list(self._entries.items()):
            if now_ms - entry.seen_ms > PRESENCE_TTL_MS:
                self.drop(client)

    def snapshot(self, rev: int) -> dict[str, Any]:
        """Return everyone's state at ``rev``."""
        return {client: self._at(client, rev) for client in self._entries}

    def take_changes(self, rev: int) -> dict[str, Any]:
        """Return what changed since the last call, at ``rev``; gone clients are None."""
        changes = {
            client: self._at(client, rev) if client in self._entries else None
            for client in self._changed
        }
        self._changed.clear()
        return changes

    def _at(self, client: str, rev: int) -> dict[str, Any]:
        entry = self._entries[client]
        if entry.rev < rev:
            missed = self._missed(entry.rev)
            entry.state = (
                _without_positions(entry.state)
                if missed is None
                else _moved(entry.state, [i.op for i in missed if isinstance(i.op, ChangeSet)])
            )
            entry.rev = rev
        return {"user": entry.user, "state": entry.state}


def _without_positions(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in ("cursor", "selection")}


def _moved(state: dict[str, Any], ops: list[ChangeSet]) -> dict[str, Any]:
    moved = dict(state)
    for name in ("cursor", "selection"):
        if name in moved:
            try:
                moved[name] = _move(moved[name], ops)
            except InvalidInput:
                del moved[name]  # beyond the document: it was never a position in it
    return moved


def _move(value: Any, ops: list[ChangeSet]) -> Any:
    """Move a position, or a list of (lists of) positions; leave anything else alone."""
    if type(value) is int and value >= 0:
        for op in ops:
            value = op.map_pos(value, 1)
        return value
    if isinstance(value, list):
        return [_move(part, ops) for part in value]
    return value
