"""A recorded session of two people through the pure core: the cost of order itself.

The trace says what each of them had seen when they typed (`josephg/editing-traces`, concurrent
form). Here both type through one `Sequencer`: every change is submitted at the newest rev its
author could know, and only the sequencer's time counts. No storage, no sockets.

Usage: ``make bench-replay``, or ``python -m benchmarks.replay --help``.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.collab.messages import Edit
from actors.collab.sequencer import Accepted, Sequencer
from actors.ot.text import ChangeSet
from benchmarks import machine, report
from benchmarks.servers import HERE

TRACE = HERE.parent.parent / "shared/data/traces/friendsforever.json.gz"
# Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker", their OT in Rust: the whole
# trace merged, on their machine. It stores nothing and answers nobody either.
PAPER_MS = 378.0
HEAD = ("trace", "changes", "ops", "concurrent", "ms", "ops/s", "µs an op", "÷ Rust OT (378 ms)")


@dataclass(slots=True)
class Unseen:
    """An accepted op that an author had not seen, relative to what the author had."""

    rev: int
    agent: int
    number: int
    op: ChangeSet


@dataclass(slots=True)
class Author:
    """One person of the trace: what they know, and what came meanwhile."""

    name: str
    accepted_rev: int = 0
    seq: int = 1
    unseen: list[Unseen] = field(default_factory=list)

    def learn(self, known: Sequence[int]) -> int:
        """See what the trace says was seen; return the newest rev of it."""
        seen = 0
        while self.unseen and self.unseen[0].number < known[self.unseen[0].agent]:
            seen = self.unseen.pop(0).rev
        return seen


def main() -> None:
    """Replay so often; print the median."""
    parser = argparse.ArgumentParser(prog="benchmarks.replay", description=__doc__)
    parser.add_argument("--trace", type=Path, default=TRACE)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    trace = json.loads(gzip.decompress(chosen.trace.read_bytes()))
    times = []
    ops = concurrent = 0
    for _ in range(chosen.rounds):
        spent_s, ops, concurrent, text = replay(trace)
        times.append(spent_s * 1e3)
        if sorted(text) != sorted(trace["endContent"]):
            raise SystemExit("the text at the end is not made of the trace's characters")
    median = statistics.median(times)
    row = [
        chosen.trace.name.partition(".")[0],
        f"{len(trace['txns'])}",
        f"{ops}",
        f"{concurrent / len(trace['txns']):.0%}",
        report.spread(times, 0),
        f"{ops / median * 1e3:.0f}",
        f"{median / ops * 1e3:.1f}",
        f"{median / PAPER_MS:.2f}",
    ]
    print(report.table(HEAD, [row]))
    print(
        f"\nMinimum / median / maximum of {chosen.rounds} replays; each op is checked, mapped, "
        "inverted, applied, hashed and encoded for the wire. One process, one core.\n"
    )
    print(report.conditions(machine.describe(HERE)))


def replay(trace: dict[str, Any]) -> tuple[float, int, int, str]:
    """Return the sequencer's seconds, how many ops, how many changes that missed some, the text."""
    authors = [Author(f"author-{agent:03d}") for agent in range(trace["numAgents"])]
    sequencer = Sequencer(lineage="replay", rev=0, state="")
    clock = time.perf_counter
    spent, ops, concurrent = 0.0, 0, 0
    gc.collect()
    gc.disable()
    for number, (txn, known) in enumerate(zip(trace["txns"], versions(trace), strict=True)):
        author = authors[txn["agent"]]
        base = max(author.accepted_rev, author.learn(known))
        author.accepted_rev = base
        length = len(sequencer.state) - sum(u.op.new_length - u.op.length for u in author.unseen)
        mine = []
        for position, deleted, inserted in txn["patches"]:
            mine.append(_op(position, deleted, inserted, length))
            length += len(inserted) - deleted
        edit = _edit(author, base, mine)
        began = clock()
        outcome = sequencer.submit(edit, author.name, number)
        spent += clock() - began
        if not isinstance(outcome, Accepted):
            raise SystemExit(f"change {number} was not accepted: {outcome}")
        ops += len(mine)
        concurrent += bool(author.unseen)
        _pass_on(author, mine)
        author.accepted_rev = outcome.items[-1].rev
        author.seq += len(mine)
        for other in authors:
            if other is not author:
                other.unseen += [
                    Unseen(item.rev, txn["agent"], number, item.op) for item in outcome.items
                ]
    gc.enable()
    return spent, ops, concurrent, sequencer.state


def versions(trace: dict[str, Any]) -> list[list[int]]:
    """Return for each change, by agent, the number of that agent's first change it did not know."""
    result: list[list[int]] = []
    for txn in trace["txns"]:
        known = [0] * trace["numAgents"]
        for parent in txn["parents"]:
            known = [max(pair) for pair in zip(known, result[parent], strict=True)]
            agent = trace["txns"][parent]["agent"]
            known[agent] = max(known[agent], parent + 1)
        result.append(known)
    return result


def _edit(author: Author, base: int, ops: Sequence[ChangeSet]) -> Edit:
    """Return the message, at ``base``: its ops mapped over what came before that, unseen or not."""
    mapped = list(ops)
    for unseen in author.unseen:
        if unseen.rev > base:
            break
        other = unseen.op
        for index, op in enumerate(mapped):
            mapped[index], other = op.map(other), other.map(op, before=True)
    return Edit(
        session="replay",
        client=author.name,
        seq=author.seq,
        rev=base,
        ops=[op.to_json() for op in mapped],
    )


def _pass_on(author: Author, ops: Sequence[ChangeSet]) -> None:
    """Map what the author has not seen over what they typed."""
    for op in ops:
        mine = op
        for unseen in author.unseen:
            unseen.op, mine = unseen.op.map(mine, before=True), mine.map(unseen.op)


def _op(position: int, deleted: int, inserted: str, length: int) -> ChangeSet:
    rest = length - position - deleted
    change: list[Any] = [position] if position else []
    change.append([deleted, *inserted.split("\n")] if inserted else [deleted])
    return ChangeSet.from_json([*change, rest] if rest else change)


if __name__ == "__main__":
    main()
