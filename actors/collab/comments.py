"""Comment threads of one session, about places (`anchors`) that move with the document.

A fold of the history, like everything else: a comment is an item, and its names come from its rev.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actors.collab.anchors import Anchor, placed
from actors.collab.history import Item
from actors.collab.messages import Comment
from actors.ot.kinds import State
from actors.ot.text import from_units
from cluster.errors import Forbidden, InvalidInput, TooLarge

MAX_TEXT_BYTES = 5_120
# Comments of one session; they are all in memory and in every first answer.
MAX_COMMENTS = 5_000

ACTIONS = ("add", "reply", "edit", "resolve", "reopen", "delete")


@dataclass(slots=True)
class Thread:
    """A place and what was said about it, oldest first."""

    anchor: Anchor
    rev: int
    resolved: bool = False
    comments: dict[str, dict[str, Any]] = field(default_factory=dict)


class Comments:
    """All threads of one session."""

    def __init__(self) -> None:
        self._threads: dict[str, Thread] = {}
        self._where: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._threads)

    # --- what comes in ---------------------------------------------------------------------

    def read(
        self, message: Comment, user: str, state: State, *, manages: bool, anchor: Anchor | None
    ) -> dict[str, Any]:
        """Return what a message comes to, ready to become an item; nothing is changed.

        ``manages`` says whether the user may delete what others said; ``anchor`` is the place of a
        new thread in ``state``, the document as it is now.

        Raises:
            InvalidInput: an action that is none, or on nothing; text that is missing.
            TooLarge: more text than a comment may have, or too many comments.
            Forbidden: what is another's to change.
        """
        action = message.action
        if action not in ACTIONS:
            raise InvalidInput(f"expected an action of {', '.join(ACTIONS)}, got {action!r}")
        detail: dict[str, Any] = {"action": action}
        if action in ("add", "reply", "edit"):
            detail["text"] = _text(message.text)
        if action in ("add", "reply") and len(self._where) >= MAX_COMMENTS:
            raise TooLarge(f"expected at most {MAX_COMMENTS} comments in a session")
        if action == "add":
            if anchor is None:
                raise InvalidInput("expected an `anchor` of {line}, {from, to} or {gate}")
            detail["anchor"] = anchor.public(state)
            detail["quote"] = anchor.quote
            if anchor.kind == "line":
                detail["range"] = [anchor.start, anchor.end]
        elif action in ("reply", "resolve", "reopen"):
            if message.thread not in self._threads:
                raise InvalidInput(f"expected the `thread` of a comment, got {message.thread!r}")
            detail["thread"] = message.thread
        else:
            found = self._find(message.comment)
            if found["user"] != user and not (action == "delete" and manages):
                raise Forbidden(f"comment {message.comment!r} is of another user")
            detail["thread"] = self._where[str(message.comment)]
            detail["comment"] = message.comment
        return detail

    def _find(self, comment: str | None) -> dict[str, Any]:
        thread = self._threads.get(self._where.get(comment or "", ""))
        found = None if thread is None else thread.comments[str(comment)]
        if found is None or found.get("deleted"):
            raise InvalidInput(f"expected the name of a `comment`, got {comment!r}")
        return found

    # --- the fold --------------------------------------------------------------------------

    def note(self, item: Item, state: State) -> None:
        """Fold the next item in; ``state`` is the document after it."""
        if item.comment is not None:
            self._say(item, item.comment)
            return
        returns = item.kind in ("undo", "redo", "restore")
        for thread in self._threads.values():
            thread.anchor.move(item.op, state, returns=returns)

    def _say(self, item: Item, detail: dict[str, Any]) -> None:
        action = detail["action"]
        if action == "add":
            self._threads[detail["thread"]] = Thread(placed(detail), item.rev)
        thread = self._threads.get(detail["thread"])
        if thread is None:  # its last comment was deleted
            return
        if action in ("add", "reply"):
            self._where[detail["comment"]] = detail["thread"]
            thread.comments[detail["comment"]] = {
                "id": detail["comment"],
                "user": item.user,
                "text": detail["text"],
                "ts": item.ts,
            }
        elif action == "edit":
            # A new object: a snapshot that is being written has the old one.
            before = thread.comments[detail["comment"]]
            changed = {**before, "text": detail["text"], "edited_ts": item.ts}
            thread.comments[detail["comment"]] = changed
        elif action == "delete":
            self._delete(detail["thread"], thread, detail["comment"])
        else:
            thread.resolved = action == "resolve"

    def _delete(self, name: str, thread: Thread, comment: str) -> None:
        gone = thread.comments[comment]
        # A reply keeps what it replies to, without its words.
        thread.comments[comment] = {
            "id": comment,
            "user": gone["user"],
            "text": "",
            "ts": gone["ts"],
            "deleted": True,
        }
        if all(each.get("deleted") for each in thread.comments.values()):
            for each in thread.comments:
                del self._where[each]
            del self._threads[name]

    # --- what goes out ---------------------------------------------------------------------

    def public(self, state: State) -> list[dict[str, Any]]:
        """Return all threads at ``state``, oldest first."""
        return [
            {
                "id": name,
                "rev": thread.rev,
                "anchor": thread.anchor.public(state),
                # Of a line too: whoever follows the ops from here on moves the very same places.
                "range": [thread.anchor.start, thread.anchor.end],
                "quote": thread.anchor.quote,
                "orphaned": thread.anchor.orphaned,
                "resolved": thread.resolved,
                "comments": list(thread.comments.values()),
            }
            for name, thread in self._threads.items()
        ]

    def dump(self) -> dict[str, Any]:
        """Return plain data that `load` takes."""
        return {
            name: {
                "anchor": [getattr(thread.anchor, slot) for slot in Anchor.__slots__],
                "rev": thread.rev,
                "resolved": thread.resolved,
                "comments": list(thread.comments.values()),
            }
            for name, thread in self._threads.items()
        }

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Comments:
        """Return the threads that `dump` wrote."""
        book = cls()
        for name, thread in stored.items():
            comments = {comment["id"]: dict(comment) for comment in thread["comments"]}
            book._threads[name] = Thread(
                Anchor(*thread["anchor"]), thread["rev"], thread["resolved"], comments
            )
            book._where |= dict.fromkeys(comments, name)
        return book


def _text(text: str | None) -> str:
    if not text or not text.strip():
        raise InvalidInput("expected `text`, got none")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise TooLarge(f"expected a comment of at most {MAX_TEXT_BYTES} bytes")
    if "\0" in text:
        raise InvalidInput("expected text without NUL characters")
    from_units(text)  # refuses half of a surrogate pair
    return text
