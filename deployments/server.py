"""What Serve's own HTTP servers are told that its options cannot say.

Ray imports `middlewares` in every process that is about to start one
(``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH``). Serve 2.60 passes uvicorn none of its WebSocket
options; binding them here, on the name that Serve calls, is private to that version, which the
constraints pin and ``tests/deployments`` checks.
"""

from __future__ import annotations

import functools

import uvicorn
from ray.serve._private import http_util, replica
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.settings import get_settings
from deployments.websocket.connection import Connection

# Serve hands the handler uvicorn's own `receive` where this header says so: no task and no queue
# between, and the reader's pace reaches the sender (`replica.py`, direct ingress).
UNDISTURBED = (b"x-request-disconnect-disabled", b"?1")


_ADD_PORT = replica.add_port_to_grpc_server


class DirectSockets:
    """Marks every socket's request as one whose disconnects the handler sees by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            scope["headers"] = [*scope["headers"], UNDISTURBED]
        await self._app(scope, receive, send)


def keep_to_loopback() -> None:
    """Bind this replica's inner gRPC server to loopback too; Serve itself asks for all addresses.

    Called by every replica before that server starts: those with a route through `middlewares`.
    """
    if get_settings().loopback and replica.add_port_to_grpc_server is _ADD_PORT:
        replica.add_port_to_grpc_server = lambda server, address: _ADD_PORT(
            server, address.replace("[::]", "127.0.0.1")
        )


def middlewares() -> list[Middleware]:
    """Bind uvicorn's WebSocket options; return the middleware of every server."""
    keep_to_loopback()
    if not isinstance(http_util.uvicorn.Config, functools.partial):
        settings = get_settings()
        http_util.uvicorn.Config = functools.partial(
            uvicorn.Config,
            ws=Connection,
            # A frame over our own limit gets an answer that says so; one far over it, 1009.
            ws_max_size=4 * settings.max_message_size,
            # Costs about 40 KB a socket, and lengths of compressed secrets leak (CRIME, BREACH).
            ws_per_message_deflate=False,
            # Heartbeats are the protocol's own (`docs/protocol.md` §6).
            ws_ping_interval=None,
        )
    return [Middleware(DirectSockets)]
