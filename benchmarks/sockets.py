"""A WebSocket client as small as the measurement needs it, the same one for every server.

One callback per frame, no task and no queue: the generator shares the machine with the servers, and
what it takes is missing there. RFC 6455 without extensions; a fragmented frame is an
error, because none of the servers sends one.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
OPEN_TIMEOUT_S = 15.0

OnFrame = Callable[[bytes, float], None]
"""Gets a frame's payload and the monotonic time at which its bytes were read."""


class Socket(asyncio.Protocol):
    """One client connection; `connect` opens it."""

    def __init__(self, request: bytes, on_frame: OnFrame) -> None:
        self._request = request
        self._on_frame = on_frame
        self._buffer = b""
        self._open = False
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closing = False
        self.lost: str | None = None
        """Why the server ended the connection, where it did."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # No isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an end that was not ours."""
        if not self.closing and self.lost is None:
            self.lost = f"connection lost ({exc})"
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.lost or "closed"))

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames and hand them over."""
        now = time.monotonic()
        if self._buffer:
            data = self._buffer + data
        if not self._open:
            rest = self._handshake(data)
            if rest is None:
                self._buffer = data
                return
            data = rest
        start, size = 0, len(data)
        while size - start >= 2:
            head = start + 2
            length = data[start + 1]
            if length == 126:
                head += 2
                length = int.from_bytes(data[start + 2 : head], "big")
            elif length == 127:
                head += 8
                length = int.from_bytes(data[start + 2 : head], "big")
            end = head + length
            if size < head or size < end:
                break
            kind = data[start]
            if kind in (0x80 | TEXT, 0x80 | BINARY):
                self._on_frame(data[head:end], now)
            else:
                self._control(kind, data[head:end])
            start = end
        self._buffer = data[start:]

    def send(self, text: str) -> None:
        """Send one text frame."""
        self._write(TEXT, text.encode())

    def send_binary(self, data: bytes) -> None:
        """Send one binary frame."""
        self._write(BINARY, data)

    def close(self) -> None:
        """End the connection."""
        self.closing = True
        if self._transport is not None:
            self._transport.close()

    def _handshake(self, data: bytes) -> bytes | None:
        """Return what follows the answer to the upgrade; None while it is not complete."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return None
        if not head.startswith(b"HTTP/1.1 101"):
            self.lost = f"{head.decode('latin-1').splitlines()[0]}: {rest.decode(errors='replace')}"
            self.opened.set_exception(ConnectionError(self.lost))
            self.close()
            return None
        self._open = True
        self.opened.set_result(None)
        return rest

    def _control(self, kind: int, payload: bytes) -> None:
        if kind == 0x80 | PING:
            self._write(PONG, payload)
        elif kind == 0x80 | CLOSE:
            code = int.from_bytes(payload[:2], "big")
            self.lost = f"closed with {code} {payload[2:].decode('utf-8', 'replace')}"
        elif kind != 0x80 | PONG:
            self.lost = f"unexpected frame {kind:#04x}"
            self.close()

    def _write(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        key = os.urandom(4)
        if size < 126:
            head = bytes((0x80 | kind, 0x80 | size))
        elif size < 65_536:
            head = bytes((0x80 | kind, 0xFE)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | kind, 0xFF)) + size.to_bytes(8, "big")
        mask = (key * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
        assert self._transport is not None
        self._transport.write(head + key + masked.to_bytes(size, "big"))


async def connect(url: str, on_frame: OnFrame, headers: Sequence[tuple[str, str]] = ()) -> Socket:
    """Open a WebSocket to a ``ws://`` address.

    Raises:
        ConnectionError: it was refused; says with what.
    """
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(
        lambda: Socket(request, on_frame), parts.hostname or "", parts.port or 80
    )
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await socket.opened
    return socket
