"""People who type in several sessions, whatever happens, until the run is judged."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.checker import Stored, check
from tests.client import Editor
from tests.conftest import Running

API = "/api/v1/collaboration"
START = "start\n"
# One change a person, on average.
PAUSE_S = 0.08


async def new_session(synq: Running, start: str = START) -> str:
    """Create a session in which everybody may write."""
    async with synq.client("alice") as http:
        body = {"name": "t", "visibility": "public", "public_role": "editor", "content": start}
        answer = await http.post(f"{API}/sessions", json=body)
        assert answer.status_code == 201, answer.text
        session: str = answer.json()["id"]
        return session


async def stored_history(synq: Running, session: str, start: str = START) -> Stored:
    """Return a session's state and every item of its history."""
    async with synq.client("alice") as http:
        state = (await http.get(f"{API}/sessions/{session}/state")).raise_for_status().json()
        items, next_ = [], 1
        while next_ is not None:
            query = f"from={next_}&limit=1000"
            page = (await http.get(f"{API}/sessions/{session}/history?{query}")).json()
            items += page["items"]
            next_ = page["next"]
    return Stored(start, items, state["lineage"], state["rev"], state["state"])


@dataclass
class Team:
    """Editors of some sessions, and the task that lets them type."""

    synq: Running
    editors: list[Editor]
    rng: random.Random
    pause_s: float = PAUSE_S
    idle: set[Editor] = field(default_factory=set)
    """Who does not type."""
    _typing: asyncio.Task[None] | None = None

    @property
    def sessions(self) -> list[str]:
        return list(dict.fromkeys(editor.session for editor in self.editors))

    @property
    def acknowledged(self) -> int:
        return sum(len(editor.record.acknowledged) for editor in self.editors)

    def acknowledged_between(self, start: float, end: float) -> int:
        """Return how many items were acknowledged between two times of the monotonic clock."""
        return sum(
            start < at < end for editor in self.editors for at, _, _ in editor.record.acknowledged
        )

    async def accepted(self, count: int, timeout_s: float) -> None:
        """Wait until so many items were acknowledged in all."""
        async with asyncio.timeout(timeout_s):
            while self.acknowledged < count:
                await asyncio.sleep(0.05)

    async def still_acknowledged(self, seconds: float) -> bool:
        """Wait; return whether anything was acknowledged meanwhile."""
        start = time.monotonic()
        await asyncio.sleep(seconds)
        return self.acknowledged_between(start, time.monotonic()) > 0

    def type(self) -> None:
        """Let everybody type, until `check`."""
        self._typing = asyncio.ensure_future(self._type())

    async def recovered(self, timeout_s: float, editors: Sequence[Editor] | None = None) -> float:
        """Wait until everybody has had something acknowledged that was typed from now on.

        Returns:
            How long it took.
        """
        start = time.monotonic()
        made = {editor: editor.made for editor in editors or self.editors}
        async with asyncio.timeout(timeout_s):
            while any(editor.kept <= count for editor, count in made.items()):
                for editor in made:
                    editor.well()
                await asyncio.sleep(0.01)
        return time.monotonic() - start

    async def check(self, timeout_s: float = 60.0) -> int:
        """Stop typing and have the run judged; return how many items it had."""
        await self._stop()
        for editor in self.editors:
            await editor.settle(timeout_s)
        total = 0
        for session in self.sessions:
            here = [editor for editor in self.editors if editor.session == session]
            stored = await stored_history(self.synq, session)
            for editor in here:
                await editor.reach(stored.rev, timeout_s)
                assert editor.record.acknowledged
            violations = check([editor.record for editor in here], stored)
            assert not violations, violations[:20]
            total += stored.rev
        return total

    async def _stop(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._typing
            self._typing = None

    async def _type(self) -> None:
        pause_s = self.pause_s / len(self.editors)
        while True:
            editor = self.rng.choice(self.editors)
            if editor not in self.idle:
                editor.act_randomly(self.rng)
            await asyncio.sleep(self.rng.uniform(0, 2 * pause_s))


@contextlib.asynccontextmanager
async def team(
    synq: Running, seed: object, *, sessions: int = 1, users: Sequence[str] = ("alice", "bob")
) -> AsyncIterator[Team]:
    """Open ``users`` in each of so many sessions, and let them type."""
    async with contextlib.AsyncExitStack() as stack:
        editors = []
        for _ in range(sessions):
            session = await new_session(synq)
            for user in users:
                editor = Editor(synq.url, synq.token(user), session, user=user)
                editors.append(await stack.enter_async_context(editor))
        people = Team(synq, editors, random.Random(str(seed)))
        people.type()
        try:
            yield people
        finally:
            await people._stop()
