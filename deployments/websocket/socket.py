"""One client's socket: takes its messages in order, answers, and knows when to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from actors import wire
from actors.collab.messages import (
    BadMessage,
    Change,
    Message,
    Ping,
    Presence,
    Subscribe,
    Sync,
    Unsubscribe,
    decode,
    encode,
    error_frame,
    nack_frame,
)
from actors.sessions import SessionService
from cluster.errors import SynqError, Unauthenticated
from cluster.identity.roles import PERMISSIONS
from cluster.identity.tokens import Principal, Tokens
from cluster.settings import Settings
from cluster.storage.models import new_id
from cluster.telemetry import get_logger
from deployments.websocket.frames import Frame
from deployments.websocket.hub import Hub, Link
from deployments.websocket.limits import SlidingWindows
from deployments.websocket.outbox import Outbox

log = get_logger(__name__)

TOO_SLOW = 4001
TOKEN_EXPIRED = 4002
HEARTBEAT_MISSED = 4004
TOKEN_REVOKED = 4500
VIOLATIONS = 4502
EXPIRY_GRACE_S = 25
# Frames that are no messages, within one minute; an honest client sends none.
MAX_VIOLATIONS = 20
MAX_SUBSCRIPTIONS = 100
CLOSE_TIMEOUT_S = 5.0

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Context:
    """What all sockets of a replica share."""

    settings: Settings
    tokens: Tokens
    sessions: SessionService
    hub: Hub
    windows: Callable[[str], SlidingWindows]


@dataclass(slots=True)
class _Subscription:
    link: Link
    client: str


class Socket:
    """See the module. ``fanout.Reader`` is its outer face."""

    _ids = 0

    def __init__(
        self, context: Context, principal: Principal, receive: Receive, send: Send
    ) -> None:
        Socket._ids += 1
        self.id = Socket._ids
        self.connection = new_id()
        self.user = principal.user
        self._principal = principal
        self._context = context
        self._receive = receive
        self._send = send
        self._outbox = Outbox(send)
        self._windows = context.windows(principal.user)
        self._subscriptions: dict[str, _Subscription] = {}
        self._violations: list[float] = []
        self._closing: tuple[int, str] | None = None
        self._wake: asyncio.Task[Any] | None = None
        self.last_seen = time.monotonic()

    # --- fanout.Reader ------------------------------------------------------------------------

    def frame(self, frame: Frame | str) -> None:
        """Send a frame."""
        self._outbox.frame(frame)

    def items(self, session: str, fragments: list[bytes], frame: Frame) -> None:
        """Send items."""
        self._outbox.items(session, fragments, frame)

    def close(self, code: int, reason: str) -> None:
        """End the socket; its receiving side wakes and says goodbye."""
        if self._closing is None:
            self._closing = (code, reason)
            # Whoever closes from within its own message notices at the end of it.
            if self._wake is not None and self._wake is not asyncio.current_task():
                self._wake.cancel()

    # --- life ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the socket until either side ends it."""
        self._wake = asyncio.current_task()
        self._context.hub.add(self)
        self._outbox.frame(encode(self._welcome()).decode())
        try:
            while self._closing is None:
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    self._outbox.stop()
                    return
                self.last_seen = time.monotonic()
                await self._take(event)
        except asyncio.CancelledError:
            if self._closing is None:  # cancelled from outside: the client or the replica ends
                self._outbox.stop()
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        finally:
            self._wake = None
            self._context.hub.remove(self)
        await self._say_goodbye()

    def check(self, now_s: float, wall_s: float) -> None:
        """Close what is silent, expired or too slow. Called about once a second."""
        silent_s = now_s - self.last_seen
        if silent_s > 2 * self._context.settings.websocket_heartbeat_interval / 1_000:
            self.close(HEARTBEAT_MISSED, "heartbeat missed")
        elif wall_s > self._principal.expires_at + EXPIRY_GRACE_S:
            self.close(TOKEN_EXPIRED, "token expired")
        elif self._outbox.too_slow(now_s):
            self.close(TOO_SLOW, "too slow")

    async def _say_goodbye(self) -> None:
        code, reason = self._closing or (1000, "")
        slow = self._outbox.blocked_since is not None
        self._outbox.stop()
        log.info("socket closed", connection=self.connection, user=self.user, code=code)
        if not slow:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return
            except Exception:  # noqa: S110 - the peer is gone already
                pass
        # The peer takes nothing: a close frame would wait behind what it does not read, and the
        # buffer with it. End the connection; the client sees 1006, which also says: come back.
        transport = getattr(getattr(self._receive, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    def _welcome(self) -> dict[str, Any]:
        settings = self._context.settings
        return {
            "type": "welcome",
            "protocol": 1,
            "connection": self.connection,
            "user": self.user,
            "heartbeat_ms": settings.websocket_heartbeat_interval,
            "token_expires_at": self._principal.expires_at,
            "limits": {
                "per_second": settings.rate_limit_per_second,
                "per_minute": settings.rate_limit_per_minute,
                "max_message_bytes": settings.max_message_size,
            },
            "reconnect": {
                "max_attempts": settings.websocket_reconnect_max_attempts,
                "base_ms": 1_000,
                "cap_ms": 30_000,
            },
        }

    # --- messages --------------------------------------------------------------------------

    async def _take(self, event: MutableMapping[str, Any]) -> None:
        try:
            message = self._decode(event)
        except BadMessage as bad:
            self._violation(bad)
            return
        if isinstance(message, Ping):
            self._ping(message)
            return
        wait_ms = self._windows.take(time.monotonic())
        if wait_ms is not None:
            self._limited(message, wait_ms)
            return
        try:
            if isinstance(message, Change):
                self._change(message)
            elif isinstance(message, Presence):
                self._presence(message)
            elif isinstance(message, Subscribe):
                await self._subscribe(message)
            elif isinstance(message, Sync):
                self._sync(message)
            else:
                self._unsubscribe(message)
        except SynqError as error:
            code = error.code if error.code in ("forbidden", "not_found") else "unavailable"
            self._error(code, error.message, message.id)
        except Exception:
            log.exception("message failed", connection=self.connection)
            self._error("unavailable", "the message could not be handled now", message.id)

    def _decode(self, event: MutableMapping[str, Any]) -> Message:
        text = event.get("text")
        if text is None:
            raise BadMessage("invalid_message", "expected a text frame, got a binary one")
        allowed = self._context.settings.max_message_size
        size = len(text) if text.isascii() else len(text.encode())
        if size > allowed:
            raise BadMessage("too_large", f"expected at most {allowed} bytes, got {size}")
        return decode(text)

    def _violation(self, bad: BadMessage) -> None:
        self._error(bad.code, bad.message, bad.id)
        now = time.monotonic()
        self._violations = [at for at in self._violations if at > now - 60.0]
        self._violations.append(now)
        if len(self._violations) >= MAX_VIOLATIONS:
            log.warning("protocol violations", connection=self.connection, user=self.user)
            self.close(VIOLATIONS, "protocol violations")

    def _limited(self, message: Message, wait_ms: int) -> None:
        text = f"more than {self._limits()} messages"
        if isinstance(message, Change):
            payload = nack_frame(message, "rate_limited", text, retry_after_ms=wait_ms)
            self.frame(payload.decode())
        else:
            self._error("rate_limited", text, message.id, retry_after_ms=wait_ms)

    def _limits(self) -> str:
        settings = self._context.settings
        return f"{settings.rate_limit_per_second}/s or {settings.rate_limit_per_minute}/min"

    def _ping(self, ping: Ping) -> None:
        for topic, subscription in self._subscriptions.items():
            if subscription.client:
                subscription.link.stream.send(wire.encode(wire.Alive(self.id, topic)))
        pong: dict[str, Any] = {"type": "pong"}
        if ping.t is not None:
            pong["t"] = ping.t
        if ping.id is not None:
            pong["id"] = ping.id
        if ping.token is not None:
            try:
                fresh = self._context.tokens.verify(ping.token)
            except Unauthenticated as error:
                self._error("forbidden", error.message, ping.id)
                return
            if fresh.user != self.user:
                self.close(TOKEN_REVOKED, "token of another user")
                return
            self._principal = fresh
            pong["token_expires_at"] = fresh.expires_at
        self.frame(encode(pong).decode())

    async def _subscribe(self, message: Subscribe) -> None:
        hub = self._context.hub
        topic = message.session or message.channel or ""
        if topic not in self._subscriptions and len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            self._error("too_large", f"expected at most {MAX_SUBSCRIPTIONS} topics", message.id)
            return
        if message.channel is not None:
            link = await hub.channel_link(message.channel)
            self._subscriptions[topic] = _Subscription(link, "")
            since = message.since if isinstance(message.since, int) else None
            watch = wire.Watch(self.id, topic, self.user, since, message.id)
            hub.ask(link, self.id, topic, "", watch)
            return
        assert message.client is not None  # noqa: S101 - `decode` checked it
        access = await self._context.sessions.access(topic, self.user)
        link = await hub.session_link(topic)
        self._subscriptions[topic] = _Subscription(link, message.client)
        follow = wire.Follow(
            socket=self.id,
            session=topic,
            client=message.client,
            user=self.user,
            role=access.role.value,
            permissions=tuple(PERMISSIONS[access.role]),
            since=message.since if not isinstance(message.since, int) else None,
            id=message.id,
        )
        hub.ask(link, self.id, topic, message.client, follow)

    def _unsubscribe(self, message: Unsubscribe) -> None:
        topic = message.session or message.channel or ""
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self._context.hub.leave(subscription.link, self.id, topic)
        frame: dict[str, Any] = {"type": "unsubscribed"}
        frame["session" if message.session is not None else "channel"] = topic
        if message.id is not None:
            frame["id"] = message.id
        self.frame(encode(frame).decode())

    def _change(self, message: Change) -> None:
        subscription = self._subscriptions.get(message.session)
        if subscription is None:
            text = "subscribe to the session first"
            self.frame(nack_frame(message, "not_subscribed", text).decode())
            return
        subscription.link.stream.send(wire.encode(wire.ChangeFrom(self.id, message)))

    def _presence(self, message: Presence) -> None:
        subscription = self._subscriptions.get(message.session)
        if subscription is None or subscription.client != message.client:
            self._error("not_found", f"not subscribed to {message.session!r}", message.id)
            return
        subscription.link.stream.send(wire.encode(wire.PresenceFrom(self.id, message)))

    def _sync(self, message: Sync) -> None:
        subscription = self._subscriptions.get(message.session)
        if subscription is None:
            self._error("not_found", f"not subscribed to {message.session!r}", message.id)
            return
        subscription.link.stream.send(wire.encode(wire.SyncFrom(self.id, message)))

    def _error(self, code: str, text: str, id_: str | int | None = None, **more: object) -> None:
        self.frame(error_frame(code, text, id_, **more).decode())
