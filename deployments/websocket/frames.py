"""A frame that goes to many: encoded once, with its head, in the form each kind of server takes."""

from __future__ import annotations

from websockets.frames import Frame as RawFrame
from websockets.frames import Opcode


class Frame:
    """One text message on its way to any number of sockets.

    A server's frames are not masked (RFC 6455, section 5.1), so the same bytes serve everyone.
    """

    __slots__ = ("_text", "_wire", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._wire = b""
        self._text: str | None = None

    def __len__(self) -> int:
        return len(self.payload)

    @property
    def wire(self) -> bytes:
        """The bytes on the wire, without extensions."""
        if not self._wire:
            self._wire = RawFrame(Opcode.TEXT, self.payload).serialize(mask=False)
        return self._wire

    @property
    def text(self) -> str:
        """The message, for ASGI's ``send``."""
        if self._text is None:
            self._text = self.payload.decode()
        return self._text
