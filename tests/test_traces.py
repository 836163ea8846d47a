"""What people really typed, typed again through the real sockets, ends as it ended for them.

The traces are of josephg/editing-traces: ``friendsforever`` is two people at once, with what each
had seen of the other at every keystroke; the others are one person's. Nobody here wrote them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors.ot.text import ChangeSet
from tests.chaos.people import new_session, stored_history
from tests.checker import check
from tests.client import MAX_OPS, Editor
from tests.conftest import Running

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def read(data: Path, name: str) -> dict[str, Any]:
    packed = (data / "traces" / f"{name}.json.gz").read_bytes()
    trace: dict[str, Any] = json.loads(gzip.decompress(packed))
    return trace


def type_patches(editor: Editor, patches: list[list[Any]]) -> None:
    for position, deleted, text in patches:
        if deleted or text:
            editor.replace(position, deleted, text)


@pytest.mark.parametrize("name", ["sveltecomponent", "rustcode"])
async def test_one_persons_work(synq: Running, data: Path, name: str) -> None:
    trace = read(data, name)
    session = await new_session(synq, trace["startContent"])
    async with (
        Editor(synq.url, synq.token("alice"), session) as author,
        Editor(synq.url, synq.token("bob"), session) as reader,
    ):
        for transaction in trace["txns"]:
            type_patches(author, transaction["patches"])
            # Nobody types faster than that: what is not sent yet stays in one or two messages.
            while len(author.unconfirmed) > 2 * MAX_OPS:
                await asyncio.sleep(0)
        await author.settle(60)
        stored = await stored_history(synq, session, trace["startContent"])
        await author.reach(stored.rev)
        await reader.reach(stored.rev)
        assert stored.state == trace["endContent"]
        assert check([author.record, reader.record], stored) == []


@dataclass(frozen=True)
class Run:
    """What one of the two typed while the other did not.

    Attributes:
        start: transactions before it, of both.
        typed: ``(known, patches)`` each: how many of the other's its author had seen by then.
    """

    agent: int
    start: int
    typed: list[tuple[int, list[list[Any]]]]


def runs(trace: dict[str, Any]) -> Iterator[Run]:
    """Cut the trace, in an order in which each has seen what it is recorded to have seen.

    Where they were at once, the first of the two goes first: there is one place in the trace where
    both type at the same position, and it was merged so.
    """
    transactions = trace["txns"]
    plans: list[list[tuple[int, list[list[Any]]]]] = [[], []]
    known, ordinal = [0, 0], []
    for transaction in transactions:
        agent = transaction["agent"]
        for parent in transaction["parents"]:
            if transactions[parent]["agent"] != agent:
                known[agent] = max(known[agent], ordinal[parent])
        plans[agent].append((known[agent], transaction["patches"]))
        ordinal.append(len(plans[agent]))
    done = [0, 0]
    run = Run(0, 0, [])
    for index in range(len(transactions)):
        ready = done[0] < len(plans[0]) and plans[0][done[0]][0] <= done[1]
        agent = 0 if ready else 1
        if agent != run.agent or len(run.typed) == MAX_OPS:
            yield run
            run = Run(agent, index, [])
        run.typed.append(plans[agent][done[agent]])
        done[agent] += 1
    yield run


class Friend(Editor):
    """Types at a screen that shows no more of the other than the one who typed had seen.

    What came is taken in as late as the protocol allows: the server maps over the rest. What had to
    be taken in and was not seen yet is not on the screen, and what is typed is mapped over it here.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.behind = 0
        """How often the server had to map."""
        self._shown = 0
        self._unseen: deque[ChangeSet] = deque()
        self._waiting: deque[dict[str, Any]] = deque()
        self._holding = False

    async def type_run(self, run: Run) -> None:
        while self.rev + len(self._waiting) < run.start:
            self.well()
            await asyncio.sleep(0)
        while self.outgoing:  # what was sent before is acknowledged first
            self._item(self._waiting.popleft())
        self._holding = True
        for known, patches in run.typed:
            while self._shown < known:
                if not self._unseen:
                    self._item(self._waiting.popleft())
                self._unseen.popleft()
                self._shown += 1
            type_patches(self, patches)
        self._holding = False
        self.behind += bool(self._waiting)
        self._flush()

    def take_all(self) -> None:
        while self._waiting:
            self._item(self._waiting.popleft())

    def change(self, change: ChangeSet) -> None:
        for index, unseen in enumerate(self._unseen):
            self._unseen[index] = unseen.map(change, before=True)
            change = change.map(unseen)
        super().change(change)

    @property
    def shown_length(self) -> int:
        return self._unseen[0].length if self._unseen else len(self.units)

    def _remote(self, change: ChangeSet) -> None:
        super()._remote(change)
        self._unseen.append(change)

    def _flush(self) -> None:
        if not self._holding:
            super()._flush()

    def _take(self, frame: dict[str, Any]) -> bool:
        if frame["type"] != "items":
            return super()._take(frame)
        self._waiting.extend(frame["items"])
        return True


async def test_two_friends_at_once(synq: Running, data: Path) -> None:
    trace = read(data, "friendsforever")
    session = await new_session(synq, "")
    async with (
        Friend(synq.url, synq.token("alice"), session) as a,
        Friend(synq.url, synq.token("bob"), session) as b,
    ):
        friends = (a, b)
        async with asyncio.timeout(120):
            for run in runs(trace):
                await friends[run.agent].type_run(run)
            while a.rev < len(trace["txns"]) or b.rev < len(trace["txns"]):
                for friend in friends:
                    friend.well()
                    friend.take_all()
                await asyncio.sleep(0.01)
        for friend in friends:
            await friend.settle()
        stored = await stored_history(synq, session, "")
        assert stored.rev == len(trace["txns"])
        assert stored.state == trace["endContent"]
        assert check([a.record, b.record], stored) == []
        assert a.behind + b.behind > 100, "they were never really at once"
