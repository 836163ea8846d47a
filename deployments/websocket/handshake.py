"""Who may open a socket: token, origin, session. Refusals come before the upgrade."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from cluster.errors import Forbidden, SynqError, Unauthenticated
from cluster.identity.tokens import TICKET, Principal, Tokens
from cluster.settings import Settings

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Spend = Callable[[Principal], Awaitable[bool]]

SUBPROTOCOL = "synq.v1"
BEARER_PREFIX = "synq.bearer."


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client asked for, read from its request."""

    origin: str | None
    host: str
    authorization: str | None
    subprotocols: tuple[str, ...]
    ticket: str | None
    session: str | None

    @classmethod
    def read(cls, scope: Scope) -> Handshake:
        """Read the ASGI scope of an upgrade request."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return cls(
            origin=headers.get(b"origin"),
            host=headers.get(b"host", ""),
            authorization=headers.get(b"authorization"),
            subprotocols=tuple(scope.get("subprotocols", ())),
            ticket=query.get("ticket", [None])[0],
            session=query.get("session", [None])[0],
        )

    @property
    def subprotocol(self) -> str | None:
        """The one to answer with; the one that carries the token is never echoed."""
        return SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None


def check_origin(origin: str | None, host: str, settings: Settings) -> None:
    """Refuse pages of other sites. No ``Origin`` means a program, which needs its token alone.

    Raises:
        Forbidden: the origin is none of ours and not on the allow-list.
    """
    if origin is None or origin in settings.allowed_origins:
        return
    if settings.loopback:
        # Not by the Host header: a site that rebinds its name to 127.0.0.1 would pass.
        names = ("127.0.0.1", "localhost", "[::1]")
        own = {f"http://{name}:{settings.port}" for name in names}
    else:
        own = {f"http://{host}", f"https://{host}"}
    if origin not in own:
        raise Forbidden(f"origin {origin!r:.200} is not allowed", code="origin_not_allowed")


async def authenticate(handshake: Handshake, tokens: Tokens, spend: Spend) -> Principal:
    """Return whom the token names; the three ways of the protocol, in its order.

    Raises:
        Unauthenticated: no token, a bad one, or a ticket that was used before.
    """
    if handshake.authorization is not None:
        scheme, _, token = handshake.authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(f"expected the scheme Bearer, got {scheme!r:.40}")
        return tokens.verify(token.strip())
    for offered in handshake.subprotocols:
        if offered.startswith(BEARER_PREFIX):
            return tokens.verify(offered.removeprefix(BEARER_PREFIX))
    if handshake.ticket is not None:
        principal = tokens.verify(handshake.ticket, type_=TICKET)
        if not await spend(principal):
            raise Unauthenticated("the ticket was used before", code="ticket_spent")
        return principal
    raise Unauthenticated("expected a token in Authorization, Sec-WebSocket-Protocol or ?ticket=")


async def refuse(scope: Scope, send: Send, error: SynqError, retry_after_s: int = 0) -> None:
    """Answer an upgrade request with a problem document instead of a socket."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        # The Python proxy knows no denial responses: it turns this into a plain 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    body = json.dumps(
        {"type": "about:blank", "title": error.code, "status": error.status,
         "detail": error.message, "code": error.code}
    ).encode()  # fmt: skip
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send(
        {"type": "websocket.http.response.start", "status": error.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": body})
