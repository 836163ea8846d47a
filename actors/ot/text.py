"""Text operations: CodeMirror's ``ChangeSet`` in its JSON form, over UTF-16 code units.

A change set is a list of sections that together cover the document it applies to:

===================  ==========================================================
JSON                 meaning
===================  ==========================================================
``n``                keep n units
``[n]``              delete n units
``[n, line, …]``     replace n units by the lines joined with a newline
===================  ==========================================================

In memory a section is a pair ``(length, text)``; ``text`` is ``None`` where the units are kept.
Positions count UTF-16 code units, as browsers do. A Python string counts code points, so text with
characters beyond the BMP is held with each of them split into its two surrogates (`to_units`);
then ``len`` and slicing agree with JavaScript's, and text without such characters is itself.

``map``, ``compose``, ``invert`` and ``map_pos`` follow the semantics of ``@codemirror/state``
(MIT), ``src/change.ts``: which of two insertions at one place comes first *is* the protocol, so the
order of the cases below matters as much as their content. ``tests/actors/ot`` holds the oracle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cluster.errors import InvalidInput

Section = tuple[int, str | None]
Json = list[int | list[int | str]]
_Edit = tuple[int, int, str]

# Real edits have a handful of sections. A bound keeps one message's work bounded; what it becomes
# when it is mapped, or an undo of many, may have more.
MAX_SECTIONS = 10_000

# NUL: PostgreSQL carries none.
_NO_LINE = re.compile("[\n\r\0]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


def to_units(text: str) -> str:
    """Return ``text`` with every character beyond the BMP split into its two surrogates."""
    if text.isascii() or not _ASTRAL.search(text):
        return text
    return _ASTRAL.sub(_split, text)


def from_units(units: str) -> str:
    """Undo `to_units`: join surrogate pairs into characters.

    Raises:
        InvalidInput: a surrogate without its other half.
    """
    if units.isascii() or not _SURROGATE.search(units):
        return units
    try:
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise InvalidInput("text holds half of a surrogate pair") from error


def _split(match: re.Match[str]) -> str:
    point = ord(match[0]) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))


class ChangeSet:
    """An immutable change from one document to another.

    Attributes:
        sections: ``(length, text)`` pairs; ``text`` is None for kept units.
        length: units of the document it applies to.
        new_length: units of the document it produces.
    """

    __slots__ = ("_edit", "length", "new_length", "sections")

    def __init__(self, sections: Iterable[Section]) -> None:
        self.sections: tuple[Section, ...] = tuple(sections)
        length = new_length = 0
        # (position, units deleted, text) where that is all there is, in the plainest form: nearly
        # always. Typing is mapped over typing by the thousand; see `map`.
        edit: _Edit | None = None
        plain = len(self.sections) <= 3
        for size, text in self.sections:
            if text is None:
                new_length += size
                plain = plain and size > 0
            else:
                # A second edit, or an edit of nothing, is not plain.
                plain = plain and edit is None and bool(size or text)
                edit = (length, size, text)
                new_length += len(text)
            length += size
        self.length = length
        self.new_length = new_length
        if len(self.sections) == 3 and self.sections[1][1] is None:
            plain = False  # kept, kept, changed
        self._edit = edit if plain else None

    @classmethod
    def _single(cls, position: int, size: int, text: str, length: int) -> ChangeSet:
        """Return the change that replaces ``size`` units at ``position``."""
        self = cls.__new__(cls)
        after = length - position - size
        change = (size, text)
        if position:
            before = (position, None)
            self.sections = (before, change, (after, None)) if after else (before, change)
        else:
            self.sections = (change, (after, None)) if after else (change,)
        self.length = length
        self.new_length = length + len(text) - size
        self._edit = (position, size, text)
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChangeSet) and self.sections == other.sections

    def __hash__(self) -> int:
        return hash(self.sections)

    def __repr__(self) -> str:
        return f"ChangeSet({self.to_json()!r})"

    @property
    def empty(self) -> bool:
        """Whether it is at most one kept section, and so surely changes nothing."""
        return not self.sections or (len(self.sections) == 1 and self.sections[0][1] is None)

    @classmethod
    def identity(cls, length: int) -> ChangeSet:
        """Return the change that keeps a document of ``length`` units."""
        return cls(((length, None),) if length else ())

    @classmethod
    def between(cls, units: str, target: str) -> ChangeSet:
        """Return one replacement that makes ``target`` of ``units``; no edge splits a pair."""
        start = _common_prefix(units, target)
        if start and "\ud800" <= units[start - 1] <= "\udbff":
            start -= 1
        rest, wanted = units[start:], target[start:]
        end = _common_prefix(rest[::-1], wanted[::-1])
        if end and "\udc00" <= rest[len(rest) - end] <= "\udfff":
            end -= 1
        size, text = len(rest) - end, wanted[: len(wanted) - end]
        if not size and not text:
            return cls.identity(len(units))
        return cls._single(start, size, text, len(units))

    @classmethod
    def from_json(cls, value: Any, *, most: int | None = None) -> ChangeSet:
        """Read the JSON form, of at most ``most`` sections.

        Raises:
            InvalidInput: names the section that is not of the form and what was expected.
        """
        if not isinstance(value, list):
            raise InvalidInput(f"expected an op as a list of sections, got {type(value).__name__}")
        if most is not None and len(value) > most:
            raise InvalidInput(f"expected at most {most} sections, got {len(value)}")
        sections: list[Section] = []
        for index, part in enumerate(value):
            if type(part) is int:
                size, text = part, None
            elif isinstance(part, list) and part and type(part[0]) is int:
                size = part[0]
                lines = part[1:]
                for line in lines:
                    if not isinstance(line, str) or _NO_LINE.search(line):
                        raise InvalidInput(
                            f"section {index}: expected lines of text without line breaks "
                            f"or NUL, got {line!r:.80}"
                        )
                text = to_units("\n".join(lines))
                if not text.isascii() and _LONE.search(text):
                    raise InvalidInput(f"section {index}: text holds half of a surrogate pair")
            else:
                raise InvalidInput(
                    f"section {index}: expected n, [n] or [n, line, …], got {part!r:.80}"
                )
            if size < 0:
                raise InvalidInput(f"section {index}: expected a length of at least 0, got {size}")
            # Keeping nothing says nothing; CodeMirror never writes it and trips over it.
            if size or text is not None:
                sections.append((size, text))
        return cls(sections)

    def to_json(self) -> Json:
        """Return the JSON form, with surrogate pairs joined."""
        result: Json = []
        for size, text in self.sections:
            if text is None:
                result.append(size)
            elif text:
                result.append([size, *from_units(text).split("\n")])
            else:
                result.append([size])
        return result

    def check_boundaries(self, units: str) -> None:
        """Refuse an edge inside a surrogate pair of the document ``units``.

        Raises:
            InvalidInput: names the position.
        """
        if units.isascii():
            return
        position = 0
        for size, text in self.sections:
            for edge in (position, position + size) if text is not None else ():
                if (
                    0 < edge < len(units)
                    and "\ud800" <= units[edge - 1] <= "\udbff"
                    and "\udc00" <= units[edge] <= "\udfff"
                ):
                    raise InvalidInput(f"position {edge} splits a surrogate pair")
            position += size

    def apply(self, units: str) -> str:
        """Return the document this change makes of ``units``.

        Raises:
            InvalidInput: the document has another length than the one this applies to.
        """
        if len(units) != self.length:
            raise InvalidInput(
                f"expected an op for a document of {len(units)} units, got one for {self.length}"
            )
        if self._edit is not None:
            at, size, added = self._edit
            return f"{units[:at]}{added}{units[at + size :]}"
        parts: list[str] = []
        position = 0
        for size, text in self.sections:
            if text is None:
                parts.append(units[position : position + size])
            elif text:
                parts.append(text)
            position += size
        return "".join(parts)

    def invert(self, units: str) -> ChangeSet:
        """Return the change that takes this one back; ``units`` is the document before it."""
        if self._edit is not None:
            at, size, added = self._edit
            return ChangeSet._single(at, len(added), units[at : at + size], self.new_length)
        sections: list[Section] = []
        position = 0
        for size, text in self.sections:
            if text is None:
                sections.append((size, None))
            else:
                sections.append((len(text), units[position : position + size]))
            position += size
        return ChangeSet(sections)

    def map(self, other: ChangeSet, *, before: bool = False) -> ChangeSet:
        """Return this change as it applies after ``other``, both made for the same document.

        Where both insert at one position, the text of ``other`` (accepted earlier) stays on the
        left; with ``before`` it goes to the right.

        Raises:
            InvalidInput: the two are for documents of different lengths.
        """
        if self.length != other.length:
            raise InvalidInput(
                f"cannot map an op for {self.length} units over one for {other.length}"
            )
        if other.empty:
            return self
        mine, theirs = self._edit, other._edit
        if mine is not None and theirs is not None:
            # One edit over one edit that it does not touch, or insertion over insertion: only the
            # position moves. The walk below says the same, in ten times the time.
            position, size, text = mine
            start, gone, added = theirs
            if position + size < start or (position == start and before and not size and not gone):
                return ChangeSet._single(position, size, text, other.new_length)
            if position > start + gone or (position == start and not size and not gone):
                position += len(added) - gone
                return ChangeSet._single(position, size, text, other.new_length)
        out = _Builder()
        a, b = _Iterator(self.sections), _Iterator(other.sections)
        # Index of the section of `self` whose text has been placed already: one section may be
        # met in several pieces.
        placed = 0
        while True:
            if a.keep and b.keep:
                size = min(a.size, b.size)
                out.keep(size)
                a.forward(size)
                b.forward(size)
            elif b.change and (
                not a.change
                or placed == a.index
                or (a.offset == 0 and (b.size < a.size or (b.size == a.size and not before)))
            ):
                # The other change starts first (by position, then length, then `before`): step
                # over what it inserted, and over the parts of `self` that it covers.
                size = b.size
                out.keep(b.new_size)
                while size:
                    piece = min(a.size, size)
                    if a.done:
                        raise InvalidInput("mismatched change set lengths")
                    if a.change and placed < a.index and a.size <= piece:
                        out.replace(0, a.text)
                        placed = a.index
                    a.forward(piece)
                    size -= piece
                b.next()
            elif a.change:
                # Take this change up to the start of the next insertion of `other` within it.
                size, left = 0, a.size
                while left:
                    if b.keep:
                        piece = min(left, b.size)
                        size += piece
                        left -= piece
                        b.forward(piece)
                    elif b.change and not b.new_size and b.size < left:
                        left -= b.size
                        b.next()
                    else:
                        break
                out.replace(size, a.text if placed < a.index else "")
                placed = a.index
                a.forward(a.size - left)
            elif a.done and b.done:
                return ChangeSet(out.sections)
            else:
                raise InvalidInput("mismatched change set lengths")

    def compose(self, other: ChangeSet) -> ChangeSet:
        """Return the one change that does this and then ``other``.

        Raises:
            InvalidInput: ``other`` is not for the document this one produces.
        """
        if self.new_length != other.length:
            raise InvalidInput(
                f"cannot compose an op that makes {self.new_length} units "
                f"with one for {other.length}"
            )
        if self.empty:
            return other
        if other.empty:
            return self
        out = _Builder()
        a, b = _Iterator(self.sections), _Iterator(other.sections)
        open_ = False
        while True:
            if a.done and b.done:
                return ChangeSet(out.sections)
            if a.change and not a.new_size:
                out.replace(a.size, "", join=open_)
                a.next()
            elif b.change and b.size == 0:
                out.replace(0, b.text, join=open_)
                b.next()
            elif a.done or b.done:
                raise InvalidInput("mismatched change set lengths")
            else:
                a_new = a.size if a.keep else a.new_size
                size = min(a_new, b.size)
                count = len(out.sections)
                if a.keep:
                    if b.keep:
                        out.keep(size)
                    else:
                        out.replace(size, "" if b.offset else b.text, join=open_)
                elif b.keep:
                    out.replace(
                        0 if a.offset else a.size,
                        a.text[a.offset : a.offset + size],
                        join=open_,
                    )
                else:
                    out.replace(0 if a.offset else a.size, "" if b.offset else b.text, join=open_)
                open_ = ((a.change and a.new_size > size) or (b.change and b.size > size)) and (
                    open_ or len(out.sections) > count
                )
                a.forward_new(size)
                b.forward(size)

    def map_pos(self, position: int, assoc: int = -1) -> int:
        """Return where ``position`` is after this change.

        ``assoc`` says on which side of text inserted exactly there it stays: before (negative) or
        after it.

        Raises:
            InvalidInput: the position is beyond the document.
        """
        old = new = 0
        for size, text in self.sections:
            end = old + size
            if text is None:
                if end > position:
                    return new + position - old
                new += size
            else:
                if end > position or (end == position and assoc < 0 and not size):
                    return new if position == old or assoc < 0 else new + len(text)
                new += len(text)
            old = end
        if position > old:
            raise InvalidInput(f"position {position} is beyond the document's {old} units")
        return new


def _common_prefix(a: str, b: str) -> int:
    """Return how many units both begin with; by halves, so that comparing is done in C."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Iterator:
    """Walks a change set's sections in pieces.

    ``size`` is what is left of the current section in the old document, ``new_size`` what its text
    has left, ``index`` counts sections from 1, ``offset`` what of the section has been consumed.
    """

    __slots__ = (
        "change", "done", "index", "keep", "new_size", "offset", "sections", "size", "text",
    )  # fmt: skip

    def __init__(self, sections: tuple[Section, ...]) -> None:
        self.sections = sections
        self.index = 0
        self.next()

    def next(self) -> None:
        self.offset = 0
        if self.index < len(self.sections):
            self.size, text = self.sections[self.index]
            self.keep = text is None
            self.change = text is not None
            self.done = False
            self.text = text or ""
            self.new_size = len(self.text)
        else:
            self.size = self.new_size = 0
            self.keep = self.change = False
            self.done = True
            self.text = ""
        self.index += 1

    def forward(self, size: int) -> None:
        if size == self.size:
            self.next()
        else:
            self.size -= size
            self.offset += size

    def forward_new(self, size: int) -> None:
        if self.keep:
            self.forward(size)
        elif size == self.new_size:
            self.next()
        else:
            self.new_size -= size
            self.offset += size


class _Builder:
    """Collects sections, merging neighbours of one kind as CodeMirror does."""

    __slots__ = ("sections",)

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def keep(self, size: int) -> None:
        if not size:
            return
        if self.sections and self.sections[-1][1] is None:
            self.sections[-1] = (self.sections[-1][0] + size, None)
        else:
            self.sections.append((size, None))

    def replace(self, size: int, text: str, *, join: bool = False) -> None:
        if not size and not text:
            return
        if self.sections:
            last_size, last_text = self.sections[-1]
            if last_text is not None and (
                join or (not text and not last_text) or (not size and not last_size)
            ):
                self.sections[-1] = (last_size + size, last_text + text)
                return
        self.sections.append((size, text))
