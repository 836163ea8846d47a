"""The framed stream between an ingress replica and an actor.

One TCP connection carries everything between the two, length-prefixed: 4 bytes, big-endian, then
that many bytes. What is sent within one turn of the event loop is written at once, so batches grow
with load and cost nothing when idle (`docs/architecture.md` has the measurements).

Ray places, names and restarts the actor; by a Ray call the replica gets the address and a one-time
secret, and the secret is the first frame on the stream. Anything else there ends the connection.

Both ends send an empty frame every second. A peer that hangs, or whose machine is gone without a
word, keeps the connection open as far as TCP knows: silence is what tells.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Callable
from typing import Protocol

from cluster.telemetry import get_logger

log = get_logger(__name__)

# A snapshot of the largest document, twice escaped, fits; a length beyond it is a broken peer.
MAX_FRAME_BYTES = 64 * 1024 * 1024
# Beyond this the peer is not reading: the stream is dropped rather than memory filled.
MAX_BUFFER_BYTES = 256 * 1024 * 1024
SECRET_TTL_S = 10.0
CONNECT_TIMEOUT_S = 5.0
BEAT_S = 1.0
# Far above what a process on a busy machine is ever held up (the longest seen is 2 s), and low
# enough that what a lost machine had is elsewhere within 10 s.
SILENCE_S = 5.0

Offer = tuple[str, int, str]
"""Host, port and one-time secret of a stream."""


class Handler(Protocol):
    """Who gets a stream's frames."""

    def stream_opened(self, stream: Stream) -> None:
        """Take a stream whose secret was right."""

    def stream_frame(self, stream: Stream, frame: bytes) -> None:
        """Take one frame, in order."""

    def stream_closed(self, stream: Stream) -> None:
        """The stream ended; nothing more comes."""


class Stream(asyncio.Protocol):
    """One end of a stream."""

    _ids = 0

    def __init__(
        self, handler: Handler, *, admit: Callable[[str], bool] | None = None, secret: str = ""
    ) -> None:
        Stream._ids += 1
        self.id = Stream._ids
        self._handler = handler
        self._admit = admit
        self._secret = secret
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._opened = False
        self._heard = 0.0
        self._beat_due = 0.0
        self._beat_timer: asyncio.TimerHandle | None = None
        self.closed = asyncio.Event()

    # --- asyncio.Protocol ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show the secret, or wait for it."""
        self._transport = transport  # type: ignore[assignment]
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._admit is None:
            self.send(self._secret.encode())
            self._open()
        else:
            self._deadline = self._loop.call_later(SECRET_TTL_S, self.close)

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames."""
        self._heard = self._loop.time()
        buffer = self._buffer
        buffer += data
        start, size = 0, len(buffer)
        while size - start >= 4:
            length = int.from_bytes(buffer[start : start + 4], "big")
            if length > (MAX_FRAME_BYTES if self._opened else 256):
                log.warning("stream frame too long", bytes=length)
                self.close()
                return
            end = start + 4 + length
            if end > size:
                break
            frame = bytes(buffer[start + 4 : end])
            start = end
            if self._opened:
                if frame:
                    self._handler.stream_frame(self, frame)
            elif self._admit is not None and self._admit(frame.decode("ascii", "replace")):
                self._deadline.cancel()
                self._open()
            else:
                log.warning("stream refused: wrong secret")
                self.close()
                return
        if start:
            del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler, once."""
        self.closed.set()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        if self._admit is not None and not self._opened:
            self._deadline.cancel()
        if self._opened:
            self._opened = False
            self._handler.stream_closed(self)

    # --- ours ------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Queue a frame; all of one event-loop turn leave in one write."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(len(frame).to_bytes(4, "big"))
        self._out.append(frame)

    def close(self) -> None:
        """End the stream."""
        if self._transport is not None:
            self._transport.close()

    def _open(self) -> None:
        self._opened = True
        self._heard = self._beat_due = self._loop.time()
        self._beat()
        self._handler.stream_opened(self)

    def _beat(self) -> None:
        """Give a sign of life, and end the stream where the peer has given none."""
        now = self._loop.time()
        if now - self._beat_due > BEAT_S:
            self._heard = now  # it was we who were held up: what came meanwhile is still unread
        if now - self._heard > SILENCE_S:
            log.warning("stream peer is silent", seconds=round(now - self._heard, 1))
            if self._transport is not None:
                self._transport.abort()
            return
        self.send(b"")
        self._beat_due = now + BEAT_S
        self._beat_timer = self._loop.call_at(self._beat_due, self._beat)

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_BUFFER_BYTES:
            log.error("stream peer does not read", buffered=transport.get_write_buffer_size())
            transport.abort()
            return
        transport.write(data)


class StreamServer:
    """Accepts streams on an address of its own."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._offers: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self._host = ""
        self._port = 0

    async def start(self, host: str) -> None:
        """Listen on ``host``, at a port the system picks."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Stream(self._handler, admit=self._admit), host, 0
        )
        self._host, self._port = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Listen no more; streams that are open stay."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def offer(self) -> Offer:
        """Return an address and a secret that opens one stream within 10 s."""
        now = asyncio.get_running_loop().time()
        self._offers = {s: until for s, until in self._offers.items() if until > now}
        secret = secrets.token_urlsafe(24)
        self._offers[secret] = now + SECRET_TTL_S
        return self._host, self._port, secret

    def _admit(self, given: str) -> bool:
        now = asyncio.get_running_loop().time()
        for secret, until in self._offers.items():
            if hmac.compare_digest(secret.encode(), given.encode()):
                del self._offers[secret]
                return until > now
        return False


async def connect(offer: Offer, handler: Handler) -> Stream:
    """Open the stream that ``offer`` describes.

    Raises:
        OSError, TimeoutError: nobody listens there (any more).
    """
    host, port, secret = offer
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        _, stream = await asyncio.get_running_loop().create_connection(
            lambda: Stream(handler, secret=secret), host, port
        )
    return stream
