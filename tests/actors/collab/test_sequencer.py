"""The sequencer: what is accepted, once, in which order; and that everyone ends equal."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.collab.history import RING_ITEMS
from actors.collab.messages import Edit
from actors.collab.sequencer import Accepted, Known, Refused, Sequencer
from actors.ot.text import ChangeSet, from_units, to_units

A, B = "client-a", "client-b"


def edit(client: str, seq: int, rev: int, *ops: Any) -> Edit:
    return msgspec.convert(
        {"session": "s", "client": client, "seq": seq, "rev": rev, "ops": list(ops)}, Edit
    )


def sequencer(text: str = "") -> Sequencer:
    return Sequencer(lineage="L", rev=0, state=to_units(text))


def refused(outcome: object, code: str) -> None:
    assert isinstance(outcome, Refused), outcome
    assert outcome.code == code, outcome


def test_accepts_in_order() -> None:
    s = sequencer("ab")
    outcome = s.submit(edit(A, 1, 0, [1, [0, "x"], 1], [3, [0, "y"]]), "alice", 5)
    assert isinstance(outcome, Accepted)
    assert [(i.rev, i.seq, i.ts) for i in outcome.items] == [(1, 1, 5), (2, 2, 5)]
    assert s.state == "axby"
    assert s.rev == 2


def test_the_earlier_insertion_stays_on_the_left() -> None:
    s = sequencer()
    s.submit(edit(A, 1, 0, [[0, "a"]]), "alice", 0)
    s.submit(edit(B, 1, 0, [[0, "b"]]), "bob", 0)
    assert s.state == "ab"


def test_maps_op_by_op() -> None:
    """Over a composition the insertion would end on the other side (docs/protocol.md §4)."""
    s = sequencer("A")
    s.submit(edit(B, 1, 0, [[1]], [[0, "x"]]), "bob", 0)
    s.submit(edit(A, 1, 0, [[0, "y"], 1]), "alice", 0)
    assert s.state == "xy"


def test_a_repeated_number_is_known_and_not_applied_again() -> None:
    s = sequencer()
    message = edit(A, 1, 0, [[0, "x"]])
    s.submit(message, "alice", 0)
    outcome = s.submit(message, "alice", 0)
    assert isinstance(outcome, Known)
    assert s.known_revs(A, outcome.seqs) == {1: (1, outcome.digests[0])}
    assert s.state == "x"


def test_a_number_with_other_content_has_another_digest() -> None:
    s = sequencer()
    s.submit(edit(A, 1, 0, [[0, "x"]]), "alice", 0)
    outcome = s.submit(edit(A, 1, 0, [[0, "y"]]), "alice", 0)
    assert isinstance(outcome, Known)
    assert s.known_revs(A, [1])[1][1] != outcome.digests[0]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (edit(A, 3, 1, [1, [0, "x"]]), "gap"),
        (edit(A, 1, 1, [[0, "a"]], [1, [0, "b"]]), "conflict"),
        (edit(A, 2, 9, [1, [0, "x"]]), "invalid"),
        (edit(A, 2, 0, [[0, "x"]]), "stale"),
        (edit(A, 2, 1, [5]), "invalid"),
        (edit(A, 2, 1, [1], [7]), "invalid"),
        (edit(A, 2, 1, [1, [0, "x"]], [[3]]), "invalid"),
    ],
)
def test_refuses_whole_messages(message: Edit, code: str) -> None:
    s = sequencer()
    s.submit(edit(A, 1, 0, [[0, "a"]]), "alice", 0)
    refused(s.submit(message, "alice", 0), code)
    assert (s.state, s.rev) == ("a", 1)


def test_a_client_belongs_to_its_first_user() -> None:
    s = sequencer()
    s.submit(edit(A, 1, 0, [[0, "a"]]), "alice", 0)
    refused(s.submit(edit(A, 2, 1, [1]), "mallory", 0), "forbidden")


def test_refuses_what_would_split_a_surrogate_pair() -> None:
    s = sequencer("😀")
    refused(s.submit(edit(A, 1, 0, [1, [0, "x"], 1]), "alice", 0), "invalid")
    assert isinstance(s.submit(edit(A, 1, 0, [2, [0, "x"]]), "alice", 0), Accepted)


def test_refuses_a_document_that_grows_beyond_its_bound() -> None:
    s = Sequencer(lineage="L", rev=0, state="", max_length=10)
    refused(s.submit(edit(A, 1, 0, [[0, "x" * 11]]), "alice", 0), "too_large")


def test_a_base_beyond_memory_is_stale() -> None:
    s = sequencer()
    for n in range(1, RING_ITEMS + 2):
        s.submit(edit(A, n, n - 1, [[0, "x"], n - 1] if n > 1 else [[0, "x"]]), "alice", 0)
    refused(s.submit(edit(B, 1, 0, [[0, "y"]]), "bob", 0), "stale")


def test_replay_gives_the_same_state() -> None:
    s = sequencer("ab")
    items = []
    for seq in range(1, 20):
        outcome = s.submit(edit(A, seq, s.rev, [len(s.state), [0, str(seq)]]), "alice", 0)
        assert isinstance(outcome, Accepted)
        items += outcome.items
    again = sequencer("ab")
    for item in items:
        again.replay(item)
    assert (again.state, again.rev) == (s.state, s.rev)
    assert again.clients[A].acked == 19


class Peer:
    """A client by the book: one message in flight, items mapped one at a time."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.units = to_units(text)
        self.rev = 0
        self.seq = 0
        self.sent: Edit | None = None
        self.unconfirmed: list[ChangeSet] = []
        self.in_flight = 0

    def type(self, rng: random.Random) -> None:
        size = len(self.units)
        start = rng.randrange(size + 1)
        end = min(size, start + rng.randrange(4))
        text = rng.choice(["", "a", "bc", "\n", "xyz"])
        if start == end and not text:
            return
        change = ChangeSet.from_json(
            [start, [end - start, *text.split("\n")] if text else [end - start], size - end]
        )
        self.units = change.apply(self.units)
        self.unconfirmed.append(change)

    def flush(self) -> Edit | None:
        if self.sent is None and self.unconfirmed:
            ops = [change.to_json() for change in self.unconfirmed]
            self.sent = edit(self.name, self.seq + 1, self.rev, *ops)
            self.in_flight = len(ops)
        return self.sent

    def receive(self, item: Any) -> None:
        assert item.rev == self.rev + 1
        self.rev = item.rev
        if item.client == self.name:
            self.seq = item.seq
            self.unconfirmed.pop(0)
            self.in_flight -= 1
            if not self.in_flight:
                self.sent = None
            return
        other = item.op
        mapped = []
        for change in self.unconfirmed:
            mapped.append(change.map(other))
            other = other.map(change, before=True)
        self.unconfirmed = mapped
        self.units = other.apply(self.units)


@given(st.integers(min_value=0, max_value=2**63), st.integers(min_value=2, max_value=4))
@settings(max_examples=300, deadline=None)
def test_peers_converge(seed: int, count: int) -> None:
    """Delays, duplicates and lost acknowledgements: all end equal, each op once."""
    rng = random.Random(seed)
    text = "OPENQASM 3.0;"
    s = sequencer(text)
    peers = [Peer(f"client-{n}", text) for n in range(count)]
    log: list[Any] = []
    for _step in range(60):
        peer = rng.choice(peers)
        act = rng.random()
        if act < 0.4:
            peer.type(rng)
        elif act < 0.7:
            message = peer.flush()
            if message is not None:  # sent again and again until its items came
                outcome = s.submit(message, peer.name, 0)
                assert not isinstance(outcome, Refused), outcome
                if isinstance(outcome, Accepted):
                    log += outcome.items
        else:
            for item in log[peer.rev : peer.rev + rng.randrange(1, 5)]:
                peer.receive(item)
    for _round in range(2 * count + 2):
        for peer in peers:
            message = peer.flush()
            if message is not None:
                outcome = s.submit(message, peer.name, 0)
                if isinstance(outcome, Accepted):
                    log += outcome.items
            for item in log[peer.rev :]:
                peer.receive(item)
    for peer in peers:
        for item in log[peer.rev :]:
            peer.receive(item)
    assert {peer.units for peer in peers} == {s.state}
    assert [item.rev for item in log] == list(range(1, len(log) + 1))
    assert len({(item.client, item.seq) for item in log}) == len(log)
    units = to_units(text)
    for item in log:
        before = units
        units = item.op.apply(units)
        assert item.inverse.apply(units) == before
    assert from_units(units) == from_units(s.state)
