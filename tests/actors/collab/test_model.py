"""The whole session core under a scheduler that may do anything at any moment (see ``model``)."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.collab import history, sequencer
from tests.actors.collab.model import Client, World, random_op

CIRCUIT = '{"qubits":2,"clbits":1,"gates":{}}'
TEXT = "OPENQASM 3.0;\nqubit q; 😀"
CLIENTS = 3


@pytest.fixture(autouse=True)
def _small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is beyond memory, and too far behind, happens all the time."""
    monkeypatch.setattr(history, "RING_ITEMS", 12)
    monkeypatch.setattr(sequencer, "MAP_BUDGET", 40)


class Session(RuleBasedStateMachine):
    """Every rule is one thing that may happen next."""

    kind = "text"
    initial = TEXT

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World(self.kind, self.initial, CLIENTS)
        self.world.settle()

    def client(self, number: int) -> Client:
        return self.world.clients[number]

    @rule(who=st.integers(0, CLIENTS - 1))
    def type(self, who: int) -> None:
        client = self.client(who)
        if client.live:
            client.local(random_op(self.world, client, self.rng))

    @rule(who=st.integers(0, CLIENTS - 1))
    def flush(self, who: int) -> None:
        self.world.flush(self.client(who))

    @rule(who=st.integers(0, CLIENTS - 1))
    def duplicate(self, who: int) -> None:
        """Say something again that was accepted, as one does who never heard of it."""
        client = self.client(who)
        if client.live and client.acked:
            self.world.repeat(client, self.rng.choice(list(client.acked)))

    @rule(who=st.integers(0, CLIENTS - 1), kind=st.sampled_from(["undo", "redo"]))
    def take_back(self, who: int, kind: str) -> None:
        self.world.undo(self.client(who), kind)

    @rule(who=st.integers(0, CLIENTS - 1))
    def comment(self, who: int) -> None:
        client = self.client(who)
        length = self.world.kind.length(client.state) if client.state is not None else 0
        if client.threads and self.rng.random() < 0.3:
            thread = self.rng.choice(client.threads)
            self.world.say(client, {"action": "reply", "thread": thread, "text": "yes"})
        elif self.world.kind.name == "circuit":
            if length:
                gate = self.rng.choice(list(client.state.gates))
                anchor = {"gate": gate}
                self.world.say(client, {"action": "add", "anchor": anchor, "text": "why?"})
        elif length > 3:
            start = self.rng.randrange(length - 1)
            anchor = {"from": start, "to": self.rng.randrange(start + 1, length)}
            message = {"action": "add", "anchor": anchor, "rev": client.rev, "text": "why?"}
            self.world.say(client, message)

    @rule(who=st.integers(0, CLIENTS - 1), count=st.integers(1, 3))
    def arrive(self, who: int, count: int) -> None:
        self.world.arrive(self.client(who), count)

    @rule(who=st.integers(0, CLIENTS - 1), count=st.integers(1, 3))
    def deliver(self, who: int, count: int) -> None:
        self.world.deliver(self.client(who), count)

    @rule()
    def fetched(self) -> None:
        self.world.fetched()

    @rule(dies=st.sampled_from(["", "", "", "", "before", "after"]))
    def round(self, dies: str) -> None:
        self.world.round(dies=dies)

    @rule(who=st.integers(0, CLIENTS - 1))
    def disconnect(self, who: int) -> None:
        self.world.disconnect(self.client(who))

    @rule(who=st.integers(0, CLIENTS - 1))
    def connect(self, who: int) -> None:
        if not self.client(who).socket:
            self.world.connect(self.client(who))

    @rule()
    def exchange(self) -> None:
        """All goes well for a moment: what was said arrives, and is heard."""
        for client in self.world.clients:
            self.connect(self.world.clients.index(client))
            self.world.flush(client)
            self.world.arrive(client, 5)
        self.world.round()
        for client in self.world.clients:
            self.world.deliver(client, 5)

    @rule()
    def pause_and_take_over(self) -> None:
        self.world.usurp()

    @rule()
    def passivate(self) -> None:
        self.world.passivate()

    @rule()
    def snapshot(self) -> None:
        self.world.snapshot()

    @rule()
    def compact(self) -> None:
        self.world.compact()

    @rule(ms=st.integers(0, 2_000))
    def time_passes(self, ms: int) -> None:
        self.world.now_ms += ms

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


class CircuitSession(Session):
    """The same, for gates."""

    kind = "circuit"
    initial = CIRCUIT


SEARCH = settings(max_examples=60, stateful_step_count=60, deadline=None)


class TestText(Session.TestCase):  # type: ignore[name-defined, misc]
    """Texts."""

    settings = SEARCH


class TestCircuit(CircuitSession.TestCase):  # type: ignore[name-defined, misc]
    """Circuits."""

    settings = SEARCH


WEIGHTS = {
    "type": 15, "flush": 15, "duplicate": 2, "take_back": 25, "comment": 8, "arrive": 25,
    "deliver": 25, "fetched": 10, "round": 25, "disconnect": 1, "connect": 20,
    "exchange": 25, "pause_and_take_over": 1, "passivate": 1, "snapshot": 2, "time_passes": 10,
}  # fmt: skip


@pytest.mark.parametrize("machine", [Session, CircuitSession])
@pytest.mark.parametrize("seed", range(5))
def test_long_runs(machine: type[Session], seed: int) -> None:
    """Hundreds of steps, as they would come: mostly typing, now and then a fault."""
    rng = random.Random(seed)
    run = machine()
    run.begin(seed)
    for _step in range(800):
        (name,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        match name:
            case "arrive" | "deliver":
                getattr(run, name)(rng.randrange(CLIENTS), rng.randrange(1, 4))
            case "take_back":
                run.take_back(rng.randrange(CLIENTS), rng.choice(["undo", "redo"]))
            case "round":
                run.round(rng.choice([""] * 60 + ["before", "after"]))
            case "time_passes":
                run.time_passes(rng.randrange(2_000))
            case "fetched" | "exchange" | "pause_and_take_over" | "passivate" | "snapshot":
                getattr(run, name)()
            case _:
                getattr(run, name)(rng.randrange(CLIENTS))
        run.holds()
    run.teardown()
    kinds = {row.kind for row in run.world.store.rows}  # type: ignore[attr-defined]
    assert kinds == {"edit", "comment", "undo", "redo"}, "the run shows little"
    assert run.world.store.head > 40
