"""The WebSocket application: one bare ASGI route, because a socket's memory is what it costs.

FastAPI's and Starlette's per-connection state is most of what an idle socket weighs beyond
uvicorn's own; this route needs none of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sqlalchemy.exc import DBAPIError

from actors.named import JOBS, TRAINER
from actors.sessions import SessionService
from cluster.errors import NotFound, SynqError, Unavailable
from cluster.identity.tokens import Principal, get_tokens
from cluster.processes import spare_the_loop
from cluster.settings import Settings, get_settings
from cluster.storage import tickets
from cluster.storage.database import Database
from cluster.telemetry import configure_logging, get_logger
from deployments.websocket.connection import take_sockets
from deployments.websocket.handshake import Handshake, authenticate, check_origin, refuse
from deployments.websocket.hub import GOING_AWAY, Channels, Hub
from deployments.websocket.limits import SlidingWindows
from deployments.websocket.socket import Context, Socket

log = get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHECK_INTERVAL_S = 1.0
RETRY_AFTER_S = 5
PUBLISHERS = {"job": JOBS, "training": TRAINER}


class Ingress:
    """The ASGI application of one ingress replica."""

    def __init__(self, settings: Settings, database: Database, channels: Channels) -> None:
        self._settings = settings
        self._database = database
        self._tokens = get_tokens()
        self._users: dict[str, SlidingWindows] = {}
        self._sockets: set[Socket] = set()
        self._hub = Hub(channels)
        # Each replica takes its share; the edge spreads sockets over all of them.
        self._capacity = -(-settings.websocket_max_connections // settings.ingress_replicas)
        self._context = Context(
            settings=settings,
            tokens=self._tokens,
            sessions=SessionService(database, settings),
            hub=self._hub,
            windows=self._windows,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "websocket":
            await _not_a_socket(send)
            return
        await receive()  # websocket.connect
        handshake = Handshake.read(scope)
        try:
            principal = await self._admitted(scope, handshake)
        except SynqError as error:
            log.info("handshake refused", code=error.code, detail=error.message)
            await refuse(scope, send, error, RETRY_AFTER_S if error.retryable else 0)
            return
        socket = Socket(self._context, principal, receive, send)
        self._sockets.add(socket)
        try:
            await send({"type": "websocket.accept", "subprotocol": handshake.subprotocol})
            del scope, handshake  # with all the headers: this frame lives as long as the socket
            log.info("socket opened", connection=socket.connection, user=principal.user)
            await socket.run()
        finally:
            self._sockets.discard(socket)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        sweeper = asyncio.ensure_future(self._sweep())
        await self._database.ping()
        spare_the_loop()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()  # lifespan.shutdown
        finally:
            sweeper.cancel()
            for socket in tuple(self._sockets):
                socket.close(GOING_AWAY, "server going away")
            await self._database.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _admitted(self, scope: Scope, handshake: Handshake) -> Principal:
        try:
            return await self._admit(scope, handshake)
        except (OSError, DBAPIError) as error:
            raise Unavailable("storage does not answer; try again") from error

    async def _admit(self, scope: Scope, handshake: Handshake) -> Principal:
        if scope["path"].rstrip("/") != "/ws/collaborate":
            raise NotFound(f"no socket at {scope['path']!r:.100}, expected /ws/collaborate")
        if len(self._sockets) >= self._capacity:
            raise Unavailable(f"all {self._capacity} connections are taken")
        check_origin(handshake.origin, handshake.host, self._settings)
        principal = await authenticate(handshake, self._tokens, self._spend)
        if handshake.session is not None:
            await self._context.sessions.access(handshake.session, principal.user)
        return principal

    async def _spend(self, principal: Principal) -> bool:
        return await tickets.spend(self._database, principal.token_id, principal.expires_at)

    def _windows(self, user: str) -> SlidingWindows:
        windows = self._users.get(user)
        if windows is None:
            windows = SlidingWindows(
                self._settings.rate_limit_per_second, self._settings.rate_limit_per_minute
            )
            self._users[user] = windows
        return windows

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now, wall = time.monotonic(), time.time()
            for socket in tuple(self._sockets):
                socket.check(now, wall)
            # A user's windows outlive the sockets: closing one must not refill the allowance.
            here = {socket.user for socket in self._sockets}
            for user in [u for u, w in self._users.items() if u not in here and w.idle(now)]:
                del self._users[user]


def build() -> Ingress:
    """Build the ingress of this process."""
    settings = get_settings()
    configure_logging(settings)
    ingress = Ingress(settings, Database(settings), PUBLISHERS)
    take_sockets(ingress)
    return ingress


async def _not_a_socket(send: Send) -> None:
    body = b"expected a WebSocket upgrade\n"
    headers = [(b"content-type", b"text/plain"), (b"upgrade", b"websocket")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": body})
