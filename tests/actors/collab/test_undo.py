"""Undo and redo: one's own work, in steps, over tabs and restarts; never another's text."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from actors import log as records
from actors.collab import undo
from actors.collab.messages import Edit, Redo, Undo
from actors.collab.sequencer import Accepted, NeedsItems, Refused, Sequencer
from actors.ot.kinds import CIRCUIT
from actors.ot.text import to_units
from cluster.storage.items import Stored

A, A2, B = "client-a", "client-a2", "client-b"
USERS = {A: "alice", A2: "alice", B: "bob"}


class Told:
    """A document and those who change it, each a second after the one before."""

    def __init__(self, text: str = "") -> None:
        self.sequencer = Sequencer(lineage="L", rev=0, state=to_units(text))
        self.now_ms = 0
        self.items: list[Any] = []

    @property
    def text(self) -> str:
        return str(self.sequencer.state)

    def _say(self, kind: Any, client: str, **more: Any) -> Any:
        self.now_ms += more.pop("after_ms", 1_000)
        known = self.sequencer.clients.get(client)
        seq = (known.acked if known else 0) + 1
        message = msgspec.convert({"session": "s", "client": client, "seq": seq, **more}, kind)
        outcome = self.sequencer.submit(message, USERS[client], self.now_ms)
        if isinstance(outcome, Accepted):
            self.items += outcome.items
        return outcome

    def replace(self, client: str, start: int, end: int, text: str = "", **more: Any) -> None:
        size = len(self.text)
        op = [start] if start else []
        op.append([end - start, *text.split("\n")] if text else [end - start])
        if size > end:
            op.append(size - end)
        outcome = self._say(Edit, client, rev=self.sequencer.rev, ops=[op], **more)
        assert isinstance(outcome, Accepted), outcome

    def undo(self, client: str) -> str:
        outcome = self._say(Undo, client)
        assert isinstance(outcome, Accepted), outcome
        return self.text

    def redo(self, client: str) -> str:
        outcome = self._say(Redo, client)
        assert isinstance(outcome, Accepted), outcome
        return self.text

    def cannot(self, kind: Any, client: str) -> None:
        assert self._say(kind, client) == Refused("invalid", f"nothing to {kind.__name__.lower()}")


def test_takes_back_and_brings_back() -> None:
    t = Told("x")
    t.replace(A, 1, 1, "yz")
    assert t.undo(A) == "x"
    assert t.redo(A) == "xyz"
    t.cannot(Redo, A)
    assert t.undo(A) == "x"
    t.cannot(Undo, A)


def test_what_is_typed_at_once_is_one_step() -> None:
    t = Told()
    t.replace(A, 0, 0, "a")
    t.replace(A, 1, 1, "b", after_ms=499)
    t.replace(A, 2, 2, "c", after_ms=500)
    assert t.undo(A) == "ab"
    assert t.undo(A) == ""


def test_a_named_group_is_one_step_however_long_it_takes() -> None:
    t = Told("q q")
    t.replace(A, 0, 1, "r", group="rename")
    t.replace(A, 2, 3, "r", group="rename", after_ms=60_000)
    t.replace(A, 3, 3, "!", group="other", after_ms=1)
    assert t.undo(A) == "r r"
    assert t.undo(A) == "q q"


def test_is_per_user_and_over_tabs() -> None:
    t = Told()
    t.replace(A, 0, 0, "a")
    t.replace(B, 1, 1, "b")
    t.replace(A2, 2, 2, "c")
    assert t.undo(A) == "ab"
    assert t.undo(A2) == "b"
    t.cannot(Undo, A)
    assert t.redo(A) == "ab"
    assert t.undo(B) == "a"


def test_a_new_edit_ends_redoing() -> None:
    t = Told()
    t.replace(A, 0, 0, "a")
    t.undo(A)
    t.replace(A, 0, 0, "b")
    t.cannot(Redo, A)
    assert t.sequencer.undo_book.depths("alice") == (1, 0)


def test_another_users_edit_does_not() -> None:
    t = Told()
    t.replace(A, 0, 0, "a")
    t.undo(A)
    t.replace(B, 0, 0, "b")
    assert t.redo(A) in ("ab", "ba")


def test_others_later_text_stays() -> None:
    t = Told()
    t.replace(A, 0, 0, "begin end")
    t.replace(B, 6, 6, "BOB ")
    assert t.undo(A) == "BOB "


def test_steps_that_came_to_nothing_are_passed_over() -> None:
    t = Told("x")
    t.replace(A, 1, 1, "1")
    t.replace(A, 2, 2, "2")
    t.replace(B, 2, 3)
    assert t.undo(A) == "x"
    t.cannot(Undo, A)
    assert t.redo(A) == "x1"


def test_a_deletion_inside_what_was_typed_before() -> None:
    """Undone one by one, and redone: the removed part belongs to what was typed, not beside it."""
    t = Told()
    t.replace(A, 0, 0, "abc")
    t.replace(A, 1, 2)
    states = [t.text, t.undo(A), t.undo(A), t.redo(A), t.redo(A), t.undo(A), t.undo(A)]
    assert states == ["ac", "abc", "", "abc", "ac", "abc", ""]


def test_with_anothers_text_in_between() -> None:
    t = Told()
    t.replace(A, 0, 0, "abc")
    t.replace(A, 1, 2)
    t.replace(B, 2, 2, "!")
    assert t.undo(A) == "abc!"
    t.replace(B, 0, 0, "?")
    assert t.undo(A) == "?!"
    assert t.redo(A) == "?abc!"
    assert t.redo(A) == "?ac!"


@pytest.mark.parametrize("seed", range(200))
def test_alone_undoing_goes_back_state_by_state_and_redoing_forward(seed: int) -> None:
    rng = random.Random(seed)
    t = Told("0123456789")
    past = [t.text]
    future: list[str] = []
    for _ in range(40):
        act = rng.random()
        if act < 0.5 or len(past) == 1:
            start = rng.randrange(len(t.text) + 1)
            end = min(len(t.text), start + rng.choice([0, 0, 1, 3]))
            text = rng.choice(["", "x", "yz", "\n"]) or ("" if end > start else "w")
            t.replace(A, start, end, text)
            past.append(t.text)
            future.clear()
        elif act < 0.8 or not future:
            future.append(past.pop())
            # A step that changed nothing (a by a) is passed over: then there was nothing to see.
            assert t.undo(A) == past[-1]
        else:
            past.append(future.pop())
            assert t.redo(A) == past[-1]
    assert t.sequencer.undo_book.depths("alice") == (len(past) - 1, len(future))


def test_survives_a_restart_before_and_after_the_snapshot() -> None:
    t = Told()
    for n in range(5):
        t.replace(A, n, n, str(n))
    t.undo(A)
    values = records.snapshot(t.sequencer)
    rest = t.items[:]
    t.replace(A, 4, 4, "x")
    t.undo(A)
    rows = [_Row(records.to_row("s", 1, item)) for item in t.items[len(rest) :]]
    again = records.load(Stored("text", 1, values, rows))
    assert again.undo_book.dump() == t.sequencer.undo_book.dump()
    old, t.sequencer = t.sequencer, again
    assert t.redo(A) == "0123x"
    assert t.undo(A) == "0123"
    # What lies before the snapshot is in storage only.
    outcome = t._say(Undo, A)
    assert outcome == NeedsItems(4)
    older = [item for item in rest if item.rev >= 4]
    known = again.clients[A].acked
    message = Undo(session="s", client=A, seq=known + 1)
    assert isinstance(again.submit(message, "alice", 0, older=older), Accepted)
    assert again.state == "012"
    assert old.state == "0123"


class _Row:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def test_the_stack_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "MAX_DEPTH", 5)
    t = Told()
    for n in range(8):
        t.replace(A, n, n, str(n))
    assert t.sequencer.undo_book.depths("alice") == (5, 0)
    for _ in range(5):
        t.undo(A)
    t.cannot(Undo, A)
    assert t.text == "012"


def test_in_a_circuit_others_later_values_win() -> None:
    gate = {
        "pos": "a0", "name": "rz", "qubits": [0], "clbits": [], "params": ["pi"], "condition": None
    }  # fmt: skip
    state = CIRCUIT.load(msgspec.json.encode({"qubits": 2, "clbits": 0, "gates": {}}).decode())
    t = Told()
    t.sequencer = Sequencer(lineage="L", rev=0, state=state, kind=CIRCUIT)

    def edit(client: str, *primitives: Any) -> None:
        outcome = t._say(Edit, client, rev=t.sequencer.rev, ops=[list(primitives)])
        assert isinstance(outcome, Accepted), outcome

    edit(A, {"put": {"id": "g", "gate": gate}})
    edit(
        A,
        {"set": {"id": "g", "key": "params", "value": ["pi/2"]}},
        {"move": {"id": "g", "pos": "b"}},
    )
    edit(B, {"set": {"id": "g", "key": "params", "value": ["pi/4"]}})
    t.undo(A)
    found = t.sequencer.state.gates["g"]
    assert (list(found.params), found.pos) == (["pi/4"], "a0")
    edit(A, {"resize": {"qubits": 3, "clbits": 0}})
    edit(B, {"put": {"id": "h", "gate": {**gate, "qubits": [2]}}})
    # The third qubit is in use by now: growing it cannot be taken back, the older step can.
    t.undo(A)
    assert t.sequencer.state.qubits == 3
    assert list(t.sequencer.state.gates) == ["h"]
