"""Comment threads of one session, and the places they are about, which move with the document.

A fold of the history, like everything else: a comment is an item, its names come from its rev, and
an anchor is carried along by every op. Text whose place is gone leaves its thread ``orphaned`` with
the words it was about; where an undo brings exactly these back, the thread finds its place again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actors.collab.history import Item
from actors.collab.messages import Comment
from actors.ot.circuit import Circuit
from actors.ot.kinds import State
from actors.ot.text import ChangeSet, from_units, to_units
from cluster.errors import Forbidden, InvalidInput, TooLarge

MAX_TEXT_BYTES = 5_120
# Of the words an anchor is about, so many are kept.
MAX_QUOTE = 200
# Comments of one session; they are all in memory and in every first answer.
MAX_COMMENTS = 5_000

ACTIONS = ("add", "reply", "edit", "resolve", "reopen", "delete")


@dataclass(slots=True)
class Anchor:
    """What a thread is about: a range of text, the line it began as, or a gate.

    ``start`` and ``end`` are positions in the document as it is now.
    """

    kind: str
    start: int = 0
    end: int = 0
    gate: str = ""
    quote: str = ""
    orphaned: bool = False

    def public(self, state: State) -> dict[str, Any]:
        """Return it as clients know it."""
        if self.kind == "gate":
            return {"gate": self.gate}
        if self.kind == "line":
            return {"line": state.count("\n", 0, self.start) + 1}
        return {"from": self.start, "to": self.end}


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
            anchor = thread.anchor
            if anchor.kind == "gate":
                anchor.orphaned = anchor.gate not in state.gates
            else:
                _move(anchor, item.op, state if returns else None)

    def _say(self, item: Item, detail: dict[str, Any]) -> None:
        action = detail["action"]
        if action == "add":
            self._threads[detail["thread"]] = Thread(_anchor_of(detail), item.rev)
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


def place(value: dict[str, Any], state: State, kind: str) -> Anchor:
    """Return the place that a message's ``anchor`` names in ``state``.

    Raises:
        InvalidInput: not one of the forms, of the other kind of session, or not in the document.
    """
    if kind == "circuit":
        gate = value.get("gate")
        if value.keys() != {"gate"} or not isinstance(gate, str) or gate not in state.gates:
            raise InvalidInput(f"expected an anchor of {{gate}}, a gate's id, got {value!r:.80}")
        return Anchor("gate", gate=gate, quote=_quote_gate(state, gate))
    if value.keys() == {"line"}:
        start, end = _line(value["line"], state)
        name = "line"
    elif value.keys() == {"from", "to"}:
        start, end = value["from"], value["to"]
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(state):
            raise InvalidInput(
                f"expected 0 ≤ from < to ≤ {len(state)}, got {start!r:.20} and {end!r:.20}"
            )
        name = "range"
    else:
        raise InvalidInput(f"expected an anchor of {{line}} or {{from, to}}, got {value!r:.80}")
    quote = _quote(state, start, end)
    return Anchor(name, start, end, quote=quote.rstrip("\n") if name == "line" else quote)


def _anchor_of(detail: dict[str, Any]) -> Anchor:
    """Return the place of an accepted comment, in the document it was accepted for."""
    value, quote = detail["anchor"], detail["quote"]
    if "gate" in value:
        return Anchor("gate", gate=value["gate"], quote=quote)
    if "line" in value:
        start, end = detail["range"]
        return Anchor("line", start, end, quote=quote)
    return Anchor("range", value["from"], value["to"], quote=quote)


def move(anchor: Anchor, items: list[Item]) -> Anchor:
    """Carry a place of a past text along ``items``; gates are known by name and stay.

    Raises:
        InvalidInput: what it is about is gone.
    """
    for item in items:
        if item.op is not None and anchor.kind != "gate":
            _move(anchor, item.op, None)
    if anchor.orphaned:
        raise InvalidInput("what the anchor is about was deleted meanwhile")
    return anchor


def _move(anchor: Anchor, op: Any, returns_in: State | None) -> None:
    """Carry ``anchor`` over ``op``; its text may return where the document after it is given."""
    if isinstance(op, ChangeSet):
        held = anchor.end > anchor.start
        start = op.map_pos(anchor.start, 1)
        end = max(start, op.map_pos(anchor.end, -1))
        if anchor.orphaned or (held and start == end):
            anchor.orphaned = True
            # Where the text was: an undo puts it back there, among what was deleted with it.
            start, stop = op.map_pos(anchor.start, -1), op.map_pos(anchor.start, 1)
            quote = to_units(anchor.quote)
            found = -1
            if returns_in is not None and 0 < len(quote) < MAX_QUOTE:
                found = returns_in.find(quote, start, stop)
            if found >= 0:
                anchor.orphaned, start = False, found
            end = start if anchor.orphaned else start + len(quote)
        anchor.start, anchor.end = start, end


def _line(number: Any, units: str) -> tuple[int, int]:
    lines = units.count("\n") + 1
    if type(number) is not int or not 1 <= number <= lines:
        raise InvalidInput(f"expected a line from 1 to {lines}, got {number!r:.20}")
    start = 0
    for _ in range(number - 1):
        start = units.index("\n", start) + 1
    end = units.find("\n", start)
    # With its line break, so that an empty line has something that can go.
    return start, len(units) if end < 0 else end + 1


def _quote(units: str, start: int, end: int) -> str:
    end = min(end, start + MAX_QUOTE)
    if end < len(units) and end > start and "\ud800" <= units[end - 1] <= "\udbff":
        end -= 1
    try:
        return from_units(units[start:end])
    except InvalidInput:  # an edge inside a surrogate pair
        raise InvalidInput("the anchor splits a surrogate pair") from None


def _quote_gate(circuit: Circuit, gate: str) -> str:
    found = circuit.gates[gate]
    params = f"({', '.join(map(str, found.params))})" if found.params else ""
    return f"{found.name}{params} {', '.join(map(str, found.qubits))}"


def _text(text: str | None) -> str:
    if not text or not text.strip():
        raise InvalidInput("expected `text`, got none")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise TooLarge(f"expected a comment of at most {MAX_TEXT_BYTES} bytes")
    if "\0" in text:
        raise InvalidInput("expected text without NUL characters")
    from_units(text)  # refuses half of a surrogate pair
    return text
