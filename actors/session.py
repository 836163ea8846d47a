"""The session actor: the Ray face of a process that owns live sessions (`actors.host`)."""

from __future__ import annotations

import os

import ray

from actors.host import SessionHost
from actors.stream import Offer
from cluster.identity.roles import Role
from cluster.processes import spare_the_loop
from cluster.settings import get_settings
from cluster.storage.database import Database
from cluster.telemetry import configure_logging


@ray.remote(num_cpus=0, max_restarts=0, max_concurrency=1_000)
class SessionActor:
    """Owns the live sessions that the directory gives it, in a process of its own."""

    async def start(self) -> None:
        """Open the database and listen for replicas. Called once, by the directory."""
        settings = get_settings()
        configure_logging(settings)
        self._database = Database(settings, pool_size=2)
        self._host = SessionHost(
            self._database,
            max_length=settings.max_document_bytes,
            snapshot_every=settings.snapshot_every,
            history_keep_revs=settings.history_keep_revs,
        )
        await self._host.server.start(ray.util.get_node_ip_address())
        await self._database.ping()  # what a first use loads is to be there before the next line
        spare_the_loop()
        self._host.start()

    async def offer(self) -> Offer:
        """Return where and with what secret a replica opens its stream."""
        return self._host.server.offer()

    async def acquire(self, session: str, epoch: int) -> None:
        """See `SessionHost.acquire`."""
        await self._host.acquire(session, epoch)

    async def release(self, session: str, code: int, reason: str) -> None:
        """See `SessionHost.release`."""
        self._host.release(session, code, reason)

    async def set_role(self, session: str, user: str, role: str | None) -> None:
        """See `SessionHost.set_role`."""
        self._host.set_role(session, user, None if role is None else Role(role))

    async def holds(self, session: str) -> bool:
        """See `SessionHost.holds`."""
        return self._host.holds(session)

    async def sessions(self) -> dict[str, int]:
        """See `SessionHost.sessions`."""
        return self._host.sessions()

    async def passivate(self, idle_s: float) -> list[str]:
        """See `SessionHost.passivate`."""
        return await self._host.passivate(idle_s)

    async def pid(self) -> int:
        """Return the process id; for operators and fault tests."""
        return os.getpid()

    async def node(self) -> str:
        """Return the id of the Ray node it runs on."""
        node: str = ray.get_runtime_context().get_node_id()
        return node
