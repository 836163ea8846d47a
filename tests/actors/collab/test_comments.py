"""Comments: their places move with the document, and what one may say and change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors import log as records
from actors.collab import comments
from actors.collab.messages import Comment, Edit, Undo
from actors.collab.sequencer import Accepted, Refused, Sequencer
from actors.ot.kinds import CIRCUIT
from actors.ot.text import to_units
from cluster.storage.items import Stored

TEXT = "first\nsecond 😀\nthird\n"
A, B = "client-a", "client-b"


class Talk:
    """A document that two people talk about."""

    def __init__(self, text: str = TEXT) -> None:
        self.sequencer = Sequencer(lineage="L", rev=0, state=to_units(text))

    def submit(self, kind: Any, client: str, *, manages: bool = False, **more: Any) -> Any:
        known = self.sequencer.clients.get(client)
        seq = (known.acked if known else 0) + 1
        message = msgspec.convert({"session": "s", "client": client, "seq": seq, **more}, kind)
        user = "alice" if client == A else "bob"
        return self.sequencer.submit(message, user, 1_000 * seq, manages=manages)

    def say(self, client: str = A, **more: Any) -> dict[str, Any]:
        outcome = self.submit(Comment, client, **more)
        assert isinstance(outcome, Accepted), outcome
        detail = outcome.items[0].comment
        assert detail is not None
        return detail

    def refused(self, code: str, client: str = A, **more: Any) -> None:
        before = self.threads
        outcome = self.submit(Comment, client, **more)
        assert isinstance(outcome, Refused), outcome
        assert outcome.code == code, outcome
        assert self.threads == before

    def edit(self, *op: Any, client: str = B, rev: int | None = None) -> None:
        rev = self.sequencer.rev if rev is None else rev
        outcome = self.submit(Edit, client, rev=rev, ops=[list(op)])
        assert isinstance(outcome, Accepted), outcome

    @property
    def threads(self) -> list[dict[str, Any]]:
        return self.sequencer.comments.public(self.sequencer.state)

    @property
    def thread(self) -> dict[str, Any]:
        (thread,) = self.threads
        return thread


def test_a_range_moves_with_the_text() -> None:
    t = Talk()
    detail = t.say(action="add", anchor={"from": 6, "to": 12}, rev=0, text="which?")
    assert detail == {
        "action": "add", "thread": "t1", "comment": "c1", "anchor": {"from": 6, "to": 12},
        "quote": "second", "text": "which?",
    }  # fmt: skip
    t.edit([0, ">>"], 22)
    assert t.thread["anchor"] == {"from": 8, "to": 14}
    t.edit(10, [0, "--"], 14)
    assert t.thread["anchor"] == {"from": 8, "to": 16}
    assert t.thread["quote"] == "second"
    assert t.thread["comments"] == [{"id": "c1", "user": "alice", "text": "which?", "ts": 1000}]


def test_a_line_is_the_line_it_has_become() -> None:
    t = Talk()
    assert t.say(action="add", anchor={"line": 2}, text="x")["quote"] == "second 😀"
    t.edit([0, "new", "lines", ""], 22)
    assert t.thread["anchor"] == {"line": 4}


def test_an_anchor_at_an_earlier_rev_is_brought_here() -> None:
    t = Talk()
    t.edit([0, "xx"], 22)
    t.edit([0, "yy"], 24)
    t.say(action="add", anchor={"from": 6, "to": 12}, rev=0, text="x")
    assert t.thread["anchor"] == {"from": 10, "to": 16}
    t.say(action="add", anchor={"line": 2}, rev=1, text="y")
    assert t.threads[1]["quote"] == "second 😀"


def test_without_its_text_a_thread_is_an_orphan_with_a_quote_and_undo_brings_it_home() -> None:
    t = Talk()
    t.say(action="add", anchor={"from": 6, "to": 12}, text="x")
    t.edit(3, [12], 7)
    assert t.thread["orphaned"]
    assert t.thread["quote"] == "second"
    outcome = t.submit(Undo, B)
    assert isinstance(outcome, Accepted)
    assert not t.thread["orphaned"]
    assert t.thread["anchor"] == {"from": 6, "to": 12}


def test_a_conversation() -> None:
    t = Talk()
    thread = t.say(action="add", anchor={"line": 1}, text="first?")["thread"]
    t.say(B, action="reply", thread=thread, text="yes")
    t.say(B, action="edit", comment="c2", text="no")
    t.say(B, action="resolve", thread=thread)
    assert t.thread["resolved"]
    t.say(action="reopen", thread=thread)
    assert not t.thread["resolved"]
    assert [(c["user"], c["text"]) for c in t.thread["comments"]] == [
        ("alice", "first?"), ("bob", "no"),
    ]  # fmt: skip
    assert t.thread["comments"][1]["edited_ts"]
    t.say(action="delete", comment="c1")
    assert t.thread["comments"][0] == {
        "id": "c1", "user": "alice", "text": "", "ts": 1000, "deleted": True,
    }  # fmt: skip
    t.say(B, action="delete", comment="c2")
    assert t.threads == []
    t.refused("invalid", action="reply", thread=thread, text="there?")


def test_only_ones_own_but_a_manager_may_delete() -> None:
    t = Talk()
    t.say(action="add", anchor={"line": 1}, text="mine")
    t.refused("forbidden", B, action="edit", comment="c1", text="yours")
    t.refused("forbidden", B, action="edit", comment="c1", text="yours", manages=True)
    t.refused("forbidden", B, action="delete", comment="c1")
    t.say(B, action="delete", comment="c1", manages=True)
    assert t.threads == []


@pytest.mark.parametrize(
    "anchor",
    [
        None, {}, {"line": 0}, {"line": 5}, {"line": "1"}, {"line": True}, {"from": 3, "to": 3},
        {"from": -1, "to": 3}, {"from": 3, "to": 23}, {"from": 3}, {"gate": "g"},
        {"from": 14, "to": 16}, {"line": 1, "from": 0, "to": 1}, {"from": 1.5, "to": 2},
    ],
)  # fmt: skip
def test_a_comment_on_nothing_is_refused(anchor: Any) -> None:
    Talk().refused("invalid", action="add", anchor=anchor, text="x")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "shout", "text": "x"}, "invalid"),
        ({"action": "add", "anchor": {"line": 1}}, "invalid"),
        ({"action": "add", "anchor": {"line": 1}, "text": " \n"}, "invalid"),
        ({"action": "add", "anchor": {"line": 1}, "text": "a\0b"}, "invalid"),
        ({"action": "add", "anchor": {"line": 1}, "text": "x" * 5_121}, "too_large"),
        ({"action": "add", "anchor": {"line": 1}, "text": "é" * 2_561}, "too_large"),
        ({"action": "add", "anchor": {"line": 1}, "text": "x", "rev": 9}, "invalid"),
        ({"action": "reply", "thread": "t9", "text": "x"}, "invalid"),
        ({"action": "resolve"}, "invalid"),
        ({"action": "edit", "comment": "c9", "text": "x"}, "invalid"),
        ({"action": "delete"}, "invalid"),
    ],
)
def test_refuses(message: dict[str, Any], code: str) -> None:
    Talk().refused(code, **message)


def test_what_the_anchor_was_about_may_be_gone_already() -> None:
    t = Talk()
    t.edit(3, [12], 7)
    t.refused("invalid", action="add", anchor={"from": 6, "to": 12}, rev=0, text="x")


def test_there_are_not_endlessly_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comments, "MAX_COMMENTS", 3)
    t = Talk()
    for _ in range(3):
        t.say(action="add", anchor={"line": 1}, text="x")
    t.refused("too_large", action="add", anchor={"line": 1}, text="x")
    t.say(action="delete", comment="c1")
    t.say(action="add", anchor={"line": 1}, text="x")


def test_are_the_same_after_a_load() -> None:
    t = Talk()
    t.say(action="add", anchor={"line": 2}, text="a")
    t.say(action="add", anchor={"from": 0, "to": 5}, text="b")
    values = records.snapshot(t.sequencer)
    t.edit([5], 17)
    t.say(B, action="reply", thread="t1", text="c")
    items = t.sequencer.ring.since(2)
    assert items is not None
    rows = [_Row(records.to_row("s", 1, item)) for item in items]
    plain = msgspec.json.decode(msgspec.json.encode(values), type=type(values))
    again = records.load(Stored("text", 1, plain, rows))
    assert again.comments.public(again.state) == t.threads
    assert [thread["orphaned"] for thread in t.threads] == [False, True]


class _Row:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def test_a_gate_keeps_its_comments_wherever_it_goes() -> None:
    gate = {
        "pos": "a0", "name": "cx", "qubits": [0, 1], "clbits": [], "params": [], "condition": None
    }  # fmt: skip
    circuit = {"qubits": 2, "clbits": 0, "gates": {"g": gate}}
    t = Talk()
    t.sequencer = Sequencer(
        lineage="L", rev=0, state=CIRCUIT.load(msgspec.json.encode(circuit).decode()), kind=CIRCUIT
    )
    assert t.say(action="add", anchor={"gate": "g"}, text="why?")["quote"] == "cx 0, 1"
    t.edit({"move": {"id": "g", "pos": "b0"}})
    assert not t.thread["orphaned"]
    t.edit({"del": "g"})
    assert t.thread["orphaned"]
    assert isinstance(t.submit(Undo, B), Accepted)
    assert not t.thread["orphaned"]
    t.refused("invalid", action="add", anchor={"gate": "nothing"}, text="x")
    t.refused("invalid", action="add", anchor={"line": 1}, text="x")
