"""Every message a client may send, and the frames that answer it.

Forms and sizes are checked here and nowhere else; what a message may do is the sequencer's concern.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

MAX_PRESENCE_BYTES = 2_048
MAX_OPS = 1_000

Id = Annotated[str, Meta(max_length=64)] | int
SessionId = Annotated[str, Meta(min_length=1, max_length=64)]
ClientId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{8,64}$")]
Channel = Annotated[str, Meta(pattern="^[a-z]{1,16}:[A-Za-z0-9_-]{1,64}$")]
# 2^53: what JavaScript counts exactly.
Seq = Annotated[int, Meta(ge=1, le=2**53)]
Rev = Annotated[int, Meta(ge=0, le=2**53)]
# Sections of a text, or primitives of a circuit; the session's kind reads them (`actors.ot.kinds`).
Op = list[Any]
Text = Annotated[str, Meta(max_length=2**20)]
Name = Annotated[str, Meta(max_length=64)]


class Since(Struct, frozen=True):
    """A place in one history."""

    lineage: Annotated[str, Meta(max_length=64)]
    rev: Rev


class Subscribe(Struct, frozen=True, tag="subscribe"):
    """Follow a session, or a channel of progress."""

    session: SessionId | None = None
    client: ClientId | None = None
    channel: Channel | None = None
    since: Since | Annotated[int, Meta(ge=0)] | None = None
    id: Id | None = None


class Unsubscribe(Struct, frozen=True, tag="unsubscribe"):
    """Stop following."""

    session: SessionId | None = None
    channel: Channel | None = None
    id: Id | None = None


class Edit(Struct, frozen=True, tag="edit"):
    """Change a document: ``ops`` take the numbers ``seq``, ``seq + 1``, …"""

    session: SessionId
    client: ClientId
    seq: Seq
    rev: Rev
    ops: Annotated[list[Op], Meta(min_length=1, max_length=MAX_OPS)]
    group: Annotated[str, Meta(max_length=64)] | None = None
    id: Id | None = None


class Comment(Struct, frozen=True, tag="comment"):
    """Say something about a place; takes the number ``seq``. `comments` checks its parts."""

    session: SessionId
    client: ClientId
    seq: Seq
    action: Annotated[str, Meta(max_length=16)]
    thread: Name | None = None
    comment: Name | None = None
    anchor: dict[str, Any] | None = None
    rev: Rev | None = None
    text: Text | None = None
    id: Id | None = None


class Undo(Struct, frozen=True, tag="undo"):
    """Take back one's newest change that stands; takes the number ``seq``."""

    session: SessionId
    client: ClientId
    seq: Seq
    id: Id | None = None


class Redo(Struct, frozen=True, tag="redo"):
    """Bring back what one's newest undo took; takes the number ``seq``."""

    session: SessionId
    client: ClientId
    seq: Seq
    id: Id | None = None


class Presence(Struct, frozen=True, tag="presence"):
    """Say where one is; ``None`` leaves."""

    session: SessionId
    client: ClientId
    rev: Rev
    state: dict[str, Any] | None
    id: Id | None = None


class Sync(Struct, frozen=True, tag="sync"):
    """Ask for the state, or for what was missed."""

    session: SessionId
    since: Since | None = None
    id: Id | None = None


class Ping(Struct, frozen=True, tag="ping"):
    """A sign of life; may carry a fresh token."""

    t: int | float | str | None = None
    token: Annotated[str, Meta(max_length=8_192)] | None = None
    id: Id | None = None


Change = Edit | Comment | Undo | Redo
"""What enters a session's history, under a number of its client's."""

Message = Subscribe | Unsubscribe | Edit | Comment | Undo | Redo | Presence | Sync | Ping
TYPES = (
    "subscribe", "unsubscribe", "edit", "comment", "undo", "redo", "presence", "sync", "ping",
)  # fmt: skip

_decoder = msgspec.json.Decoder(Message)
_plain = msgspec.json.Decoder()
encode = msgspec.json.Encoder().encode


class BadMessage(Exception):
    """A frame that is no message; its parts go into the ``error`` that answers it."""

    def __init__(self, code: str, message: str, id_: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id_


def decode(frame: str | bytes) -> Message:
    """Read one client frame.

    Raises:
        BadMessage: not JSON, not an object, an unknown type, or a field of the wrong form; the
            message names what was expected and what came.
    """
    try:
        message: Message = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(frame, error) from error
    if isinstance(message, Subscribe | Unsubscribe):
        _check_target(message)
    elif isinstance(message, Presence) and len(encode(message.state)) > MAX_PRESENCE_BYTES:
        raise BadMessage(
            "too_large",
            f"expected presence of at most {MAX_PRESENCE_BYTES} bytes, "
            f"got {len(encode(message.state))}",
            message.id,
        )
    return message


def _check_target(message: Subscribe | Unsubscribe) -> None:
    if (message.session is None) == (message.channel is None):
        raise BadMessage("invalid_message", "expected either `session` or `channel`", message.id)
    if not isinstance(message, Subscribe):
        return
    if message.session is not None:
        if message.client is None:
            raise BadMessage("invalid_message", "expected `client` with `session`", message.id)
        if isinstance(message.since, int):
            raise BadMessage(
                "invalid_message", "expected `since` as {lineage, rev} with `session`", message.id
            )
    elif isinstance(message.since, Since):
        raise BadMessage(
            "invalid_message", "expected `since` as a number with `channel`", message.id
        )


def _explain(frame: str | bytes, error: Exception) -> BadMessage:
    try:
        value = _plain.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        return BadMessage("invalid_message", f"expected a JSON object: {bad}")
    if not isinstance(value, dict):
        return BadMessage("invalid_message", f"expected a JSON object, got {type(value).__name__}")
    id_ = value.get("id")
    if not isinstance(id_, str | int) or isinstance(id_, bool) or len(str(id_)) > 64:
        id_ = None
    kind = value.get("type")
    if isinstance(kind, str) and kind not in TYPES:
        return BadMessage(
            "unknown_type", f"expected a type of {', '.join(TYPES)}, got {kind!r:.80}", id_
        )
    return BadMessage("invalid_message", str(error), id_)


def error_frame(code: str, message: str, id_: str | int | None = None, **more: object) -> bytes:
    """Encode an ``error``."""
    return encode(_with_id({"type": "error", "code": code, "message": message, **more}, id_))


def nack_frame(
    message: Change, code: str, text: str, *, retry_after_ms: int | None = None
) -> bytes:
    """Encode a ``nack``: nothing of ``message`` was applied."""
    frame: dict[str, object] = {
        "type": "nack",
        "session": message.session,
        "client": message.client,
        "seq": message.seq,
        "code": code,
        "message": text,
    }
    if retry_after_ms is not None:
        frame["retry_after_ms"] = retry_after_ms
    return encode(_with_id(frame, message.id))


def ack_frame(session: str, client: str, seq: int, rev: int) -> bytes:
    """Encode the answer to a number that was accepted before, under ``rev``."""
    return encode({"type": "ack", "session": session, "client": client, "seq": seq, "rev": rev})


def _with_id(frame: dict[str, object], id_: str | int | None) -> dict[str, object]:
    if id_ is not None:
        frame["id"] = id_
    return frame
