"""Judges a run: was anything acknowledged lost, doubled, reordered or shown that is not stored?

Pure: it compares what every client sent, was told and saw with the stored history, after the fact,
as Jepsen's checkers do. `tests/client.py` keeps the records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.ot.text import ChangeSet, from_units, to_units

Item = dict[str, Any]
# What `Editor.type_randomly` types is unlike anything else typed, so that a doubled edit shows.
TOKEN = re.compile("<[a-z]+[0-9]+>")
# Of a comment, what its sender decides.
SAID = ("action", "text", "thread", "comment")


@dataclass(slots=True)
class Record:
    """One client's side of a run. Times are of the monotonic clock, in seconds.

    Attributes:
        sent: every message that enters the history, each time it was sent.
        begun: ``(lineage, rev)`` of each state it was given; its stream goes on from there.
        seen: every item it was sent, in order, with the lineage it was following.
        acknowledged: ``(time, seq, rev)`` of its own items.
        repeated: the same of every ``ack``, the answer to what was sent again.
        typed: what it typed, as tokens; `check` expects all of it acknowledged.
        text, rev: what it shows in the end.
    """

    client: str
    user: str
    sent: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    begun: list[tuple[str, int]] = field(default_factory=list)
    seen: list[tuple[float, str, Item]] = field(default_factory=list)
    acknowledged: list[tuple[float, int, int]] = field(default_factory=list)
    repeated: list[tuple[float, int, int]] = field(default_factory=list)
    nacks: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    text: str = ""
    rev: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What storage says in the end: all items from rev 1 on, and the state they come to."""

    start: str
    items: Sequence[Item]
    lineage: str
    rev: int
    state: str


def check(records: Sequence[Record], stored: Stored) -> list[str]:
    """Return every way in which the run was wrong; nothing where all is well.

    Every client is expected to have settled: nothing it typed is still on its way.
    """
    return [
        *_gapless(stored),
        *_folds(stored),
        *_sent_by_somebody(records, stored),
        *(each for record in records for each in _acknowledged(record, stored)),
        *(each for record in records for each in _observed(record, stored)),
        *_typed_once(records, stored),
        *(
            f"{record.client} shows rev {record.rev} and another text than rev {stored.rev} has"
            for record in records
            if (record.text, record.rev) != (stored.state, stored.rev)
        ),
    ]


def _gapless(stored: Stored) -> Iterator[str]:
    """Revs without a gap, each number once, and each client's numbers in its own order."""
    revs = [item["rev"] for item in stored.items]
    if revs != list(range(1, stored.rev + 1)):
        yield f"history of {len(revs)} items has not each rev from 1 to {stored.rev} once"
    newest: Counter[str] = Counter()
    for item in stored.items:
        newest[item["client"]] += 1
        if item["seq"] != newest[item["client"]]:
            yield (
                f"rev {item['rev']}: {item['client']} has seq {item['seq']}, "
                f"expected {newest[item['client']]}"
            )
            newest[item["client"]] = item["seq"]


def _folds(stored: Stored) -> Iterator[str]:
    units = to_units(stored.start)
    for item in stored.items:
        if item.get("op") is None:
            continue
        change = ChangeSet.from_json(item["op"])
        if change.length != len(units):
            yield f"rev {item['rev']} changes {change.length} units, the document has {len(units)}"
            return
        units = change.apply(units)
    if from_units(units) != stored.state:
        yield "the stored items do not come to the stored state"


def _sent_by_somebody(records: Iterable[Record], stored: Stored) -> Iterator[str]:
    """Each item is what its client sent under its number, mapped over what came between."""
    sent: dict[tuple[str, int], list[tuple[int, dict[str, Any]]]] = {}
    for record in records:
        for _, message in record.sent:
            for index in range(len(message.get("ops", "1"))):
                key = record.client, message["seq"] + index
                sent.setdefault(key, []).append((index, message))
    mapped: dict[tuple[int, int], list[ChangeSet]] = {}
    for item in stored.items:
        candidates = sent.get((item["client"], item["seq"]), [])
        if not candidates:
            yield f"rev {item['rev']}: nobody sent seq {item['seq']} of {item['client']}"
        elif not any(_is(item, index, message, stored, mapped) for index, message in candidates):
            yield f"rev {item['rev']} is not what {item['client']} sent as seq {item['seq']}"


def _is(
    item: Item,
    index: int,
    message: dict[str, Any],
    stored: Stored,
    mapped: dict[tuple[int, int], list[ChangeSet]],
) -> bool:
    """Whether ``item`` is number ``index`` of ``message``."""
    if item["kind"] != message["type"]:
        return False
    if item["kind"] == "comment":
        said = item["comment"]
        return all(said.get(name) == message[name] for name in SAID if name in message)
    if item["kind"] != "edit":
        return True
    first = item["rev"] - index
    key = id(message), first
    if key not in mapped:
        mapped[key] = _mapped(message, stored.items[message["rev"] : first - 1])
    ops = mapped[key]
    return bool(ops) and ops[index].to_json() == item["op"]


def _mapped(message: dict[str, Any], missed: Sequence[Item]) -> list[ChangeSet]:
    """Return a message's ops as they apply after ``missed``; nothing where they cannot."""
    ops = [ChangeSet.from_json(op) for op in message["ops"]]
    for item in missed:
        if item.get("op") is None:
            continue
        other = ChangeSet.from_json(item["op"])
        if other.length != ops[0].length:
            return []
        for at, op in enumerate(ops):
            ops[at] = op.map(other)
            other = other.map(op, before=True)
    return ops


def _acknowledged(record: Record, stored: Stored) -> Iterator[str]:
    """What was acknowledged is stored under the rev that was told."""
    told: dict[int, int] = {}
    for _, seq, rev in (*record.acknowledged, *record.repeated):
        if told.setdefault(seq, rev) != rev:
            yield f"seq {seq} of {record.client} was acknowledged as rev {told[seq]} and {rev}"
    for seq, rev in told.items():
        item = _at(stored, rev)
        if item is None or (item["client"], item["seq"]) != (record.client, seq):
            yield f"seq {seq} of {record.client}, acknowledged as rev {rev}, is not there"


def _observed(record: Record, stored: Stored) -> Iterator[str]:
    """The stream was without gap, in one lineage, and what is stored."""
    begins = dict.fromkeys(record.begun)
    if any(lineage != stored.lineage for lineage, _ in begins):
        yield f"{record.client} followed another lineage than {stored.lineage}"
    newest: int | None = None
    starts = {rev for _, rev in begins}
    for _, lineage, item in record.seen:
        rev = item["rev"]
        if lineage != stored.lineage:
            yield f"{record.client} saw rev {rev} in lineage {lineage}"
        if rev - 1 not in (starts if newest is None else (newest, *starts)):
            yield f"{record.client} saw rev {rev} after {newest}"
        newest = rev
        kept = _at(stored, rev)
        own_edit = item["client"] == record.client and item["kind"] == "edit"
        if kept is not None and own_edit:
            kept = {name: value for name, value in kept.items() if name != "op"}
        if item != kept:
            yield f"{record.client} saw at rev {rev} what is not stored there"


def _typed_once(records: Iterable[Record], stored: Stored) -> Iterator[str]:
    """Each thing typed entered the history once, whatever was sent how often."""
    entered: Counter[str] = Counter()
    for item in stored.items:
        if item["kind"] == "edit":
            for part in item["op"]:
                if isinstance(part, list):
                    entered.update(TOKEN.findall("\n".join(part[1:])))
    for record in records:
        for token in record.typed:
            if entered[token] != 1:
                yield f"{record.client} typed {token}, which is in history {entered[token]} times"


def _at(stored: Stored, rev: int) -> Item | None:
    return stored.items[rev - 1] if 0 < rev <= len(stored.items) else None
