"""Undo and redo of one user, over all tabs and restarts: the history is the stack.

`UndoBook` is a fold of the history: which of a user's changes stand, in groups, and which were
taken back. Nothing else is kept, so a restart, a second tab and a new device all agree.

`taking_back` computes what an undo comes to. A group's changes are inverted at their revs and
mapped over everything later, others' later work winning. One's own change that was itself undone
meanwhile is no longer there, and neither is the undo: mapped over both, text they removed and put
back would look like new text of somebody's. So such a pair is stepped over: what stands between
the two is first brought to where it would be without them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.collab.history import Item

# Groups a user can take back; older ones stay as they are.
MAX_DEPTH = 100
# Edits of one client this close together are one step, as in CodeMirror and Yjs.
GROUP_MS = 500
# Changes in one step: what is typed without a pause for a minute is more than one step.
MAX_GROUP = 200


Spans = Sequence[Sequence[int]]
"""First and last revs of runs, in order."""


@dataclass(slots=True)
class Group:
    """Changes that are taken back together: consecutive ones of one user, oldest first.

    As spans of revs: a step may have a thousand, of which others made few in between.
    """

    spans: list[list[int]]
    client: str = ""
    name: str | None = None
    ts: int = 0
    # Whether the user's next edit may still join it.
    growing: bool = False
    # How many changes it has.
    size: int = 1

    def takes(self, item: Item) -> bool:
        """Whether ``item`` belongs to this step."""
        if not self.growing or self.name != item.group or self.size >= MAX_GROUP:
            return False
        return item.group is not None or (
            self.client == item.client and item.ts - self.ts < GROUP_MS
        )

    @property
    def first(self) -> int:
        """Return its oldest rev."""
        return self.spans[0][0]

    def add(self, item: Item) -> None:
        """Take a change in."""
        if self.spans[-1][1] == item.rev - 1:
            self.spans[-1][1] = item.rev
        else:
            self.spans.append([item.rev, item.rev])
        self.ts = item.ts
        self.size += 1


@dataclass(slots=True)
class Stack:
    """One user's steps: those that stand, and those that were taken back since."""

    undo: list[Group] = field(default_factory=list)
    redo: list[Group] = field(default_factory=list)


class UndoBook:
    """Every user's stack in one session."""

    def __init__(self) -> None:
        self._stacks: dict[str, Stack] = {}

    def note(self, item: Item) -> None:
        """Fold the next item in."""
        if item.kind == "restore":
            self._stacks.clear()
            return
        if item.op is None:
            return
        stack = self._stacks.setdefault(item.user, Stack())
        if item.kind == "undo":
            _drop_to(stack.undo, item.of)
            if stack.undo:
                stack.undo[-1].growing = False
            stack.redo.append(Group([[item.rev, item.rev]]))
        elif item.kind == "redo":
            _drop_to(stack.redo, item.of)
            stack.undo.append(Group([[item.rev, item.rev]]))
        else:
            stack.redo.clear()
            top = stack.undo[-1] if stack.undo else None
            if top is not None and top.takes(item):
                top.add(item)
            else:
                span = [item.rev, item.rev]
                group = Group([span], item.client, item.group, item.ts, growing=True)
                stack.undo.append(group)
        del stack.undo[:-MAX_DEPTH]

    def of(self, user: str) -> Stack:
        """Return a user's stack."""
        return self._stacks.get(user) or Stack()

    def depths(self, user: str) -> tuple[int, int]:
        """Return how often a user can undo and redo."""
        stack = self.of(user)
        return len(stack.undo), len(stack.redo)

    def forget(self, rev: int) -> None:
        """Drop the steps that begin at or before ``rev``, which is no longer kept."""
        for user, stack in list(self._stacks.items()):
            stack.undo = [group for group in stack.undo if group.first > rev]
            stack.redo = [group for group in stack.redo if group.first > rev]
            if not stack.undo and not stack.redo:
                del self._stacks[user]

    def dump(self) -> dict[str, Any]:
        """Return plain data that `load` takes."""
        return {
            user: {
                "undo": [_dumped(group) for group in stack.undo],
                "redo": [_dumped(group) for group in stack.redo],
            }
            for user, stack in self._stacks.items()
        }

    @classmethod
    def load(cls, stored: dict[str, Any]) -> UndoBook:
        """Return the book that `dump` wrote."""
        book = cls()
        for user, lists in stored.items():
            undo, redo = (
                [Group([[*span] for span in spans], *more) for spans, *more in lists[name]]
                for name in ("undo", "redo")
            )
            book._stacks[user] = Stack(undo, redo)
        return book


def _dumped(group: Group) -> list[Any]:
    spans = [[*span] for span in group.spans]
    return [spans, group.client, group.name, group.ts, group.growing, group.size]


def _drop_to(groups: list[Group], spans: Spans) -> None:
    """Take off the step of ``spans`` and those above it, which had come to nothing."""
    while groups:
        if groups.pop().first == spans[0][0]:
            return


def _revs(spans: Spans) -> Iterator[int]:
    return itertools.chain.from_iterable(range(first, last + 1) for first, last in spans)


@dataclass(slots=True)
class _Bridge:
    """From the document with a pair's changes to the one without: their inverse, carried along."""

    closes: int
    op: Any


def taking_back(spans: Spans, user: str, items: Iterable[Item]) -> Any:
    """Return the op that takes the revs in ``spans`` of ``user`` back, as it applies now.

    ``items`` are all items from the first of these to the newest, in order, with their inverses.
    """
    items = [item for item in items if item.op is not None]
    closed_by = {
        rev: item.rev
        for item in items
        if item.user == user and item.kind in ("undo", "redo")
        for rev in _revs(item.of)
    }
    targets = frozenset(_revs(spans))
    back: Any = None
    bridges: list[_Bridge] = []
    for item in items:
        if item.rev in targets:
            back = item.inverse if back is None else item.inverse.compose(back)
            continue
        if back is None:
            continue
        if bridges and bridges[-1].closes == item.rev:
            bridge = bridges.pop()
            # The undo is what the bridge has become, but where it could not be done in whole (a
            # circuit that would have been invalid): then part of the pair still stands.
            if bridge.op != item.op:
                return _plainly(targets, items)
            continue
        closes = closed_by.get(item.rev)
        if closes is not None and item.user == user:
            if bridges and bridges[-1].closes == closes:
                bridges[-1].op = item.inverse.compose(bridges[-1].op)
            else:
                bridges.append(_Bridge(closes, item.inverse))
            continue
        op = item.op
        for bridge in reversed(bridges):
            below = op.map(bridge.op)
            bridge.op = bridge.op.map(op, before=True)
            op = below
        back = back.map(op, before=True)
    return back


def _plainly(targets: frozenset[int], items: Sequence[Item]) -> Any:
    """As `taking_back`, mapped over every later item as it stands."""
    back: Any = None
    for item in items:
        if item.rev in targets:
            back = item.inverse if back is None else item.inverse.compose(back)
        elif back is not None:
            back = back.map(item.op, before=True)
    return back
