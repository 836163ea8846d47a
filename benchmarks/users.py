"""The users of a benchmark: what one types, when it came due, and who has seen it.

A user has at most one unacknowledged message per session, as both protocols want it; what comes due
meanwhile goes with the next. Every edit is one character at the user's cursor, which moves to a
random place for each message. A subclass speaks one server's protocol.
"""

from __future__ import annotations

import random
from array import array

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Broken(Exception):
    """The server broke its protocol, or refused what it should have taken."""


class Record:
    """Latencies of all deliveries of edits that came due within the measured window."""

    def __init__(self) -> None:
        self.start = self.end = float("inf")
        self.latencies = array("d")
        self.received = 0
        """Deliveries that arrived within the window, whenever they had come due."""

    def open(self, start: float, end: float) -> None:
        """Set the window, in monotonic seconds."""
        self.start, self.end = start, end


class User:
    """One user in one session (``room``)."""

    max_batch = 1_000

    def __init__(self, name: str, room: Room, record: Record, seed: int) -> None:
        self.name = name
        self.room = room
        self.due: list[float] = []
        self.sent = 0
        self.in_flight = 0
        # The shared document, as this user was told it is: its length, what was inserted where,
        # and where in it the message in flight stands.
        self.length = len(room.text)
        self.inserts: list[tuple[int, str]] = []
        self.position = 0
        self.seen: dict[str, int] = {}
        self._record = record
        self._random = random.Random(seed)
        room.users[name] = self

    async def open(self) -> None:
        """Connect and subscribe."""
        raise NotImplementedError

    async def server_text(self) -> str:
        """Return the document as the server has it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""
        raise NotImplementedError

    def submit(self, first: int, text: str, position: int) -> None:
        """Send the edits ``first``, … (counted from 0): ``text``, inserted at ``position``."""
        raise NotImplementedError

    # --- the same for every server ---------------------------------------------------------

    def typed(self, due: float) -> None:
        """Take one edit that came due."""
        self.due.append(due)
        if not self.in_flight:
            self.send_next()

    def send_next(self) -> None:
        """Send what has come due, if anything; nothing may be in flight."""
        count = min(len(self.due) - self.sent, self.max_batch)
        if count <= 0:
            return
        first = self.sent
        self.sent += count
        self.in_flight = count
        self.position = int(self._random.random() * (self.length + 1))
        self.submit(first, letters(first, count), self.position)

    def own(self, first: int, count: int, now: float) -> None:
        """Take the acknowledgement of edits ``first``, …: they stand where they were mapped to."""
        self.inserts.append((self.position, letters(first, count)))
        self.position += count
        self.length += count
        self.in_flight -= count
        self.saw(self, first, count, now)

    def others(self, author: User, position: int, text: str, now: float) -> None:
        """Take another user's next edits."""
        first = self.seen.get(author.name, 0)
        self.inserts.append((position, text))
        self.length += len(text)
        if self.in_flight and self.goes_left(position):
            self.position += len(text)
        self.saw(author, first, len(text), now)

    def goes_left(self, position: int) -> bool:
        """Whether an insertion there moves ours; servers differ where both are at one place."""
        return position <= self.position

    def saw(self, author: User, first: int, count: int, now: float) -> None:
        """Note the arrival of an author's edits, which must be the next of that author."""
        if self.seen.get(author.name, 0) != first:
            raise Broken(f"{self.name}: expected {author.name}'s edit {self.seen[author.name]}")
        self.seen[author.name] = first + count
        record = self._record
        if record.start <= now < record.end:
            record.received += count
        for due in author.due[first : first + count]:
            if record.start <= due < record.end:
                record.latencies.append(now - due)

    def text(self) -> str:
        """Return the document as this user has it."""
        text = self.room.text
        for position, inserted in self.inserts:
            text = text[:position] + inserted + text[position:]
        return text


class Room:
    """One session and its users."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.users: dict[str, User] = {}

    @property
    def quiet(self) -> bool:
        """Whether everyone has everything."""
        total = sum(len(user.due) for user in self.users.values())
        return all(sum(user.seen.values()) == total for user in self.users.values())


def letters(first: int, count: int) -> str:
    """Return the characters of a user's edits ``first``, …"""
    if count == 1:
        return LETTERS[first % 26]
    return "".join(LETTERS[index % 26] for index in range(first, first + count))
