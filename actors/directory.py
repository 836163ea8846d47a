"""The directory: which actor owns which session, under which epoch.

There is one directory. It gives a session an actor of its own while the budget lasts, then the
least loaded one, and keeps one more actor started, so that the first join is fast and the loss of
an actor costs no start. Giving a session to an actor raises the session's epoch in SQL first:
whoever held it before can append no more, so two owners can never both be believed, whatever this
process thinks.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import ray
from ray.exceptions import RayActorError

from actors.collab.room import REMOVED
from actors.host import GOING_AWAY
from actors.named import DIRECTORY, call, ensure, find
from actors.owners import PREFIX, START_TIMEOUT_S, Nodes, Owner, least_loaded, start_actor
from actors.stream import Offer
from cluster.errors import SynqError, Unavailable
from cluster.settings import Settings, get_settings
from cluster.storage import items as log_store
from cluster.storage.database import Database
from cluster.telemetry import configure_logging, get_logger

log = get_logger(__name__)

# An actor is started in about 1 s; where it takes longer (a busy machine, a node that hangs), a
# session shares one rather than wait: its people are waiting too.
START_PATIENCE_S = 2.0
WATCH_INTERVAL_S = 1.0
# Actors tried for one session before its client is told to come back.
ATTEMPTS = 3
# An actor that does not answer for so long is given up: it hangs, or its node is gone. Well above
# what a busy machine ever holds one up; with the time to load, below 10 s.
SILENCE_S = 5.0


class Directory:
    """See the module."""

    def __init__(self) -> None:
        self._settings = get_settings()
        configure_logging(self._settings)
        self._owners: dict[str, Owner] = {}
        self._where: dict[str, Owner] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._starting: asyncio.Task[Owner] | None = None
        self._started: asyncio.Task[None] | None = None
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._nodes = Nodes()
        self._spares: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Adopt the session actors that exist and start the first. Idempotent."""
        if self._started is None or (self._started.done() and self._started.exception()):
            self._started = asyncio.ensure_future(self._begin())
        await asyncio.shield(self._started)

    async def locate(self, session: str, connected: list[str]) -> tuple[str, Offer | None]:
        """Return the name of the session's actor and, unless ``connected`` to it, an offer.

        Raises:
            NotFound: there is no such session.
            Unavailable: no actor could take it now.
        """
        await self.start()
        for _attempt in range(ATTEMPTS):
            owner = await self._settled_owner(session)
            if owner.name in connected:
                return owner.name, None
            try:
                return owner.name, await call(owner.handle.offer.remote(), SILENCE_S)
            except (RayActorError, Unavailable) as error:
                self._lose(owner, error)
        raise Unavailable(f"the actor of session {session!r} does not answer")

    async def remove(self, session: str) -> None:
        """Let go of a deleted session; its sockets are closed for good."""
        owner = self._where.pop(session, None)
        if owner is not None:
            owner.sessions.discard(session)
            await call(owner.handle.release.remote(session, REMOVED, "session deleted"))

    async def set_role(self, session: str, user: str, role: str | None) -> None:
        """Make a change of role felt at once where the session is live; None removes the user."""
        owner = self._where.get(session)
        if owner is not None:
            await call(owner.handle.set_role.remote(session, user, role))

    async def replaced(self, session: str) -> None:
        """Let go of a session whose history was replaced; its sockets come back to the new one."""
        owner = self._where.pop(session, None)
        if owner is not None:
            owner.sessions.discard(session)
            reason = "session restored"
            await call(owner.handle.release.remote(session, GOING_AWAY, reason))

    async def owners(self) -> dict[str, dict[str, Any]]:
        """Return every session actor's process id and sessions; for operators and tests."""
        await self.start()
        return {
            owner.name: {
                "pid": await call(owner.handle.pid.remote()),
                "sessions": sorted(owner.sessions),
            }
            for owner in list(self._owners.values())
        }

    # --- inside ----------------------------------------------------------------------------

    async def _begin(self) -> None:
        self._database = Database(self._settings, pool_size=2)
        names = [name for name in ray.util.list_named_actors() if name.startswith(PREFIX)]
        await asyncio.gather(*(self._adopt(name) for name in names))
        if not self._owners:
            await self._start_actor()
        self._spares = asyncio.ensure_future(self._keep_spares())

    async def _adopt(self, name: str) -> None:
        try:
            handle = ray.get_actor(name)
        except ValueError:
            return
        try:
            node = await call(handle.node.remote(), SILENCE_S)
            sessions = await call(handle.sessions.remote(), SILENCE_S)
        except (RayActorError, SynqError):
            # It is nobody's now: if it lives after all, it must not keep anyone waiting.
            ray.kill(handle)
            return
        owner = self._add(Owner(name, handle, node, set(sessions)))
        for session in owner.sessions:
            self._where[session] = owner
        log.info("session actor adopted", actor=name, sessions=len(sessions))

    def _add(self, owner: Owner) -> Owner:
        self._owners[owner.name] = owner
        self._watchers[owner.name] = asyncio.ensure_future(self._watch(owner))
        return owner

    async def _settled_owner(self, session: str) -> Owner:
        lock = self._locks.setdefault(session, asyncio.Lock())
        try:
            async with lock:
                return await self._owner_of(session)
        finally:
            if not lock.locked():
                self._locks.pop(session, None)

    async def _owner_of(self, session: str) -> Owner:
        owner = self._where.get(session)
        if owner is not None:
            try:
                if await call(owner.handle.holds.remote(session), SILENCE_S):
                    return owner
                self._unassign(owner, session)
            except (RayActorError, Unavailable) as error:
                self._lose(owner, error)
        for _attempt in range(ATTEMPTS):
            owner = await self._choose()
            # Reserved before the first await: another locate must see this actor's load.
            owner.sessions.add(session)
            try:
                async with self._database.session() as sql:
                    epoch = await log_store.fence(sql, session)
                await call(owner.handle.acquire.remote(session, epoch))
            except (RayActorError, Unavailable) as error:
                self._lose(owner, error)
                continue
            except BaseException:
                owner.sessions.discard(session)
                raise
            self._where[session] = owner
            return owner
        raise Unavailable(f"no actor could take session {session!r}")

    async def _choose(self) -> Owner:
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + START_PATIENCE_S
        while True:
            busy = [owner for owner in self._owners.values() if owner.sessions]
            if len(busy) >= self._budget():
                return least_loaded(busy)
            free = self._free()
            if free is not None:
                return free
            start = self._start_one()
            left_s = patient_until - loop.time() if busy else START_TIMEOUT_S
            await asyncio.wait({start}, timeout=max(0.0, left_s))
            if not start.done() or start.exception() is not None:
                if not self._owners:
                    raise Unavailable("no session actor could be started")
                return least_loaded(self._owners.values())

    def _free(self) -> Owner | None:
        return next((owner for owner in self._owners.values() if not owner.sessions), None)

    def _budget(self) -> int:
        # Measured on 2 cores: two actors beside the replica and the load are slower than one.
        each = self._settings.session_actors_per_node or max(1, (os.cpu_count() or 1) // 2)
        return each * max(1, len(self._nodes.alive()))

    def _start_one(self) -> asyncio.Task[Owner]:
        """Start one more actor, one at a time."""
        if self._starting is None or self._starting.done():
            self._starting = asyncio.ensure_future(self._start_actor())
            # Whoever waits is told; nobody may.
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._starting

    async def _start_actor(self) -> Owner:
        return self._add(await start_actor(self._nodes.emptiest(self._owners.values())))

    def _unassign(self, owner: Owner, session: str) -> None:
        owner.sessions.discard(session)
        self._where.pop(session, None)

    def _lose(self, owner: Owner, error: Exception) -> None:
        """Give up an actor. If it lives after all, its epochs are stale and it is ended."""
        if self._owners.pop(owner.name, None) is None:
            return
        if not isinstance(error, RayActorError):
            self._nodes.fell_silent(owner.node)
        sessions, reason = len(owner.sessions), str(error)
        log.warning("session actor lost", actor=owner.name, sessions=sessions, error=reason)
        for session in list(owner.sessions):
            self._unassign(owner, session)
        ray.kill(owner.handle)

    async def _watch(self, owner: Owner) -> None:
        """Notice that an actor is dead or hangs before anyone asks; have it unload idle sessions.

        Each actor has a watcher of its own: those of a lost node keep no other waiting.
        """
        while owner.name in self._owners:
            await asyncio.sleep(WATCH_INTERVAL_S)
            try:
                await call(owner.handle.pid.remote(), SILENCE_S)
            except (RayActorError, Unavailable) as error:
                self._lose(owner, error)
                break
            try:
                idle_s = self._settings.session_idle_s
                for session in await call(owner.handle.passivate.remote(idle_s)):
                    self._unassign(owner, session)
            except Exception:
                log.exception("idle sessions not unloaded", actor=owner.name)
        self._watchers.pop(owner.name, None)

    async def _keep_spares(self) -> None:
        """Keep one actor more started than is needed."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            if self._free() is None:
                self._start_one()


def start(_settings: Settings) -> Any:
    """Make sure the directory runs; return its handle."""
    return ensure(Directory, DIRECTORY)


def handle() -> Any:
    """Return the directory.

    Raises:
        Unavailable: it does not run.
    """
    return find(DIRECTORY)
