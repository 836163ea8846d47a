"""A world of its own for the session core: clients, a network that loses things, hosts that die.

Everything is plain values: the network is lists, storage is a list of rows that checks epochs, an
actor is a `Room` in the rounds that ``actors.host`` drives. What happens next is chosen by
whoever drives the world, so every run can be had again. ``World.check`` holds after every step.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from actors import log as records
from actors.collab import effects
from actors.collab.effects import Address, Joining, Subscriber, Waiting
from actors.collab.messages import Change, Since, Subscribe, Sync, decode
from actors.collab.room import Room, answer_known
from actors.ot.kinds import KINDS, Kind
from cluster.storage.items import SnapshotValues, Stored

USERS = ("alice", "bob")
PERMISSIONS = ("read", "write", "comment")


class Row:
    """A stored item, with the attributes that storage gives it."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


class Store:
    """What survives. Only the newest epoch may append; a rev and a number are taken once."""

    def __init__(self, kind: str, state: str) -> None:
        self.kind = kind
        self.epoch = 0
        self.rows: list[Row] = []
        self.floor = 0
        self.snapshots = [SnapshotValues(0, "L", state, {}, {}, {})]

    @property
    def head(self) -> int:
        return self.floor + len(self.rows)

    def fence(self) -> int:
        self.epoch += 1
        return self.epoch

    def append(self, epoch: int, rows: list[dict[str, Any]]) -> bool:
        if epoch != self.epoch:
            return False
        taken = {(row.client, row.seq) for row in self.rows}  # type: ignore[attr-defined]
        for row in rows:
            assert row["rev"] == self.head + 1, "a gap in the history"
            assert (row["client"], row["seq"]) not in taken, "a number entered twice"
            taken.add((row["client"], row["seq"]))
            self.rows.append(Row(row))
        return True

    def put_snapshot(self, epoch: int, values: SnapshotValues) -> None:
        if epoch == self.epoch:
            # Through JSON, as the database would.
            plain = msgspec.json.decode(msgspec.json.encode(values), type=SnapshotValues)
            self.snapshots.append(plain)

    def compact(self) -> None:
        """Keep the newest snapshot and what came after it."""
        newest = self.snapshots[-1]
        self.rows = self.rows[newest.rev - self.floor :]
        self.floor = newest.rev
        self.snapshots = [newest]

    def after(self, rev: int, up_to: int | None = None) -> list[Any]:
        end = self.head if up_to is None else up_to
        return [row for row in self.rows if rev < row.rev <= end]  # type: ignore[attr-defined]

    def load(self) -> Stored:
        newest = self.snapshots[-1]
        return Stored(self.kind, self.epoch, newest, self.after(newest.rev))


class Host:
    """One owner of the session, in rounds: take in, commit, tell."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epoch = store.fence()
        self.room = Room("s", records.load(store.load(), 10_000))
        self.fetching: list[Joining | Waiting] = []
        self.joined: set[Address] = set()

    def take(self, at: Address, user: str, message: Any, now_ms: int) -> None:
        if isinstance(message, Subscribe):
            assert message.client is not None
            who = Subscriber(message.client, user, "editor", PERMISSIONS)
            since = message.since if isinstance(message.since, Since) else None
            self.room.subscribe(at, who, since, None)
            self._postpone()
        elif isinstance(message, Sync):
            self.room.sync(at, message)
            self._postpone()
        else:
            assert isinstance(message, Change)
            waiting = self.room.change(at, message, now_ms)
            if waiting is not None:
                self.fetching.append(waiting)

    def _postpone(self) -> None:
        for joining in self.room.needs_older():
            self.room.postpone(joining)
            self.fetching.append(joining)

    def fetched(self) -> None:
        """What was asked of storage arrives."""
        wanted = self.fetching.pop(0)
        base = self.room.sequencer.ring.base
        if isinstance(wanted, Waiting):
            rows = self._rows(wanted.rev - 1, base)
            older = [records.from_row(row, self.room.sequencer.kind) for row in rows]
            again = self.room.resume_change(wanted, older)
            if again is not None:
                self.fetching.append(again)
            return
        assert wanted.since is not None
        rows = self._rows(wanted.since.rev, base)
        if len(rows) == base - wanted.since.rev:
            client = self.room.client_at(wanted.at)
            wanted.older = [records.fragment(row, client) for row in rows]
        else:
            wanted.since = None
        self.room.resume(wanted)

    def _rows(self, rev: int, base: int) -> list[Any]:
        rows = self.store.after(rev, base)
        return rows if len(rows) == base - rev else []

    def commit(self) -> bool:
        rows = [records.to_row("s", self.epoch, item) for item in self.room.pending]
        rows = [msgspec.msgpack.decode(msgspec.msgpack.encode(row)) for row in rows]
        return not rows or self.store.append(self.epoch, rows)

    def tell(self) -> list[tuple[Address | None, Any]]:
        """Return what the round's end sends: ``(to, frame or batch)``."""
        out: list[tuple[Address | None, Any]] = []
        for effect in self.room.finish():
            if isinstance(effect, effects.Batch):
                out.append((None, effect.items))
            elif isinstance(effect, effects.Joined):
                self.joined.add(effect.to)  # as the replica does: batches from now on
                out.append((effect.to, json.loads(effect.payload)))
            elif isinstance(effect, effects.Reply):
                out.append((effect.to, json.loads(effect.payload)))
            elif isinstance(effect, effects.Kick):
                out.append((effect.to, None))
            elif isinstance(effect, effects.LookUp):
                known = {
                    row.seq: (row.rev, row.digest)
                    for row in self.store.rows  # type: ignore[attr-defined]
                    if row.client == effect.message.client  # type: ignore[attr-defined]
                }
                for seq, sent in zip(effect.known.seqs, effect.known.digests, strict=True):
                    known.setdefault(seq, (0, sent))
                answers = answer_known(effect.message, effect.known, known)
                out.extend((effect.to, json.loads(frame)) for frame in answers)
        return out


@dataclass
class Client:
    """A client by the book of docs/protocol.md."""

    name: str
    user: str
    kind: Kind
    state: Any = None
    rev: int = 0
    lineage: str = ""
    seq: int = 0
    unconfirmed: list[Any] = field(default_factory=list)
    in_flight: int = 0
    sent: dict[str, Any] | None = None
    comments_sent: list[dict[str, Any]] = field(default_factory=list)
    socket: int = 0
    live: bool = False
    seen: dict[int, dict[str, Any]] = field(default_factory=dict)
    acked: dict[int, int] = field(default_factory=dict)
    said: dict[int, Any] = field(default_factory=dict)
    threads: list[str] = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        return not self.unconfirmed and self.sent is None and not self.comments_sent

    def local(self, op: Any) -> None:
        self.state = op.apply(self.state)
        self.unconfirmed.append(op)

    def flush(self) -> dict[str, Any] | None:
        """Return the edit that goes out now, if one may."""
        if self.sent is not None or self.comments_sent or not self.unconfirmed or not self.live:
            return None
        ops = [op.to_json() for op in self.unconfirmed]
        self.in_flight = len(ops)
        self.sent = {"type": "edit", "seq": self.seq + 1, "rev": self.rev, "ops": ops}
        return self.sent

    def take_back(self, kind: str) -> dict[str, Any] | None:
        if not self.quiet or not self.live:
            return None
        self.sent = {"type": kind, "seq": self.seq + 1}
        return self.sent

    def say(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if not self.quiet or not self.live:
            return None
        message = {"type": "comment", "seq": self.seq + 1, **message}
        self.comments_sent.append(message)
        return message

    # --- what comes ------------------------------------------------------------------------

    def frame(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed" | "snapshot":
                self._joined(frame)
            case "items":
                for item in frame["items"]:
                    self.item(item)
            case "nack":
                self._nack(frame)
            case "ack":
                pass
            case other:
                raise AssertionError(f"unexpected {other}: {frame}")

    def _joined(self, frame: dict[str, Any]) -> None:
        if "state" in frame:
            if self.lineage:
                self._rebase(frame)
            self.state = self.kind.load(
                frame["state"] if isinstance(frame["state"], str) else json.dumps(frame["state"])
            )
            for op in self.unconfirmed:
                self.state = op.apply(self.state)
            self.rev, self.lineage = frame["rev"], frame["lineage"]
        for item in frame.get("items", ()):
            self.item(item)
        assert self.rev == frame["rev"]
        self.live = True

    def _rebase(self, frame: dict[str, Any]) -> None:
        """What is older than the history that is kept: the state instead, pending ops dropped.

        A real client would carry them over as a difference; what matters here is that numbers that
        were accepted are never sent again with other content.
        """
        self.unconfirmed.clear()
        self.sent = None
        self.in_flight = 0
        self.comments_sent.clear()
        self.seq = frame["acked"]

    def _nack(self, frame: dict[str, Any]) -> None:
        code = frame["code"]
        assert code in ("stale", "invalid"), frame
        if self.comments_sent and self.comments_sent[0]["seq"] == frame["seq"]:
            # Its place is gone, or its thread: the number is free.
            self.comments_sent.pop(0)
        elif self.sent is not None and self.sent["seq"] == frame["seq"]:
            if self.sent["type"] == "edit":
                # Text fits wherever it is mapped to; a gate may meet a circuit it does not fit.
                assert code == "stale" or self.kind.name == "circuit", frame
                if code == "invalid":
                    self.unconfirmed.clear()
                    self.live = False
                    self.lineage = ""
            else:
                assert frame["message"].startswith("nothing to") or "kept" in frame["message"]
            self.sent = None
            self.in_flight = 0

    def item(self, item: dict[str, Any]) -> None:
        assert item["rev"] == self.rev + 1, (self.name, self.rev, item)
        self.rev = item["rev"]
        self.seen[self.rev] = item
        mine = item["client"] == self.name
        if mine:
            assert item["seq"] == self.seq + 1
            self.seq = item["seq"]
            self.acked[self.seq] = self.rev
        if item["kind"] == "comment":
            if item["comment"]["action"] == "add":
                self.threads.append(item["comment"]["thread"])
            if mine:
                self.comments_sent.pop(0)
            return
        if mine and item["kind"] == "edit":
            assert "op" not in item
            self.unconfirmed.pop(0)
            self.in_flight -= 1
            if not self.in_flight:
                self.sent = None
            return
        if mine:
            self.sent = None
        other = self.kind.read(item["op"])
        mapped = []
        for op in self.unconfirmed:
            mapped.append(op.map(other))
            other = other.map(op, before=True)
        self.unconfirmed = mapped
        self.state = other.apply(self.state)


class World:
    """Clients, network, storage and the hosts that come and go."""

    def __init__(self, kind: str, state: str, clients: int) -> None:
        self.kind = KINDS[kind]
        self.store = Store(kind, state)
        self.initial = self.kind.load(state)
        self.host = Host(self.store)
        self.stale: Host | None = None
        self.now_ms = 0
        self.clients = [
            Client(f"client-{n}", USERS[n % len(USERS)], self.kind) for n in range(clients)
        ]
        self._sockets = 0
        self._up: dict[int, deque[Any]] = {}
        self._down: dict[int, deque[dict[str, Any]]] = {}
        self._of: dict[int, Client] = {}
        for client in self.clients:
            self.connect(client)

    # --- what may happen -------------------------------------------------------------------

    def connect(self, client: Client) -> None:
        """(Re)connect: what was on the way is lost, the client resends what has no answer."""
        self.disconnect(client)
        self._sockets += 1
        client.socket = self._sockets
        self._up[client.socket], self._down[client.socket] = deque(), deque()
        self._of[client.socket] = client
        message: dict[str, Any] = {"type": "subscribe"}
        if client.lineage:
            message["since"] = {"lineage": client.lineage, "rev": client.rev}
        self._send(client, message)

    def disconnect(self, client: Client) -> None:
        client.live = False
        if client.socket in self._of:
            self.host.room.unsubscribe(Address(1, client.socket))
            del self._up[client.socket], self._down[client.socket], self._of[client.socket]
            client.socket = 0

    def _send(self, client: Client, message: dict[str, Any]) -> None:
        if client.socket:
            frame = json.dumps({"session": "s", "client": client.name, **message})
            if message["type"] == "sync":
                frame = json.dumps({"session": "s", **message})
            self._up[client.socket].append(decode(frame))
            if "seq" in message:
                client.said[message["seq"]] = message

    def flush(self, client: Client) -> None:
        message = client.flush()
        if message is not None:
            self._send(client, message)

    def resend(self, client: Client) -> None:
        """Say again what has no answer yet, as it was."""
        if client.live:
            for message in ([client.sent] if client.sent else []) + client.comments_sent:
                self._send(client, message)

    def repeat(self, client: Client, seq: int) -> None:
        """Send an accepted message once more; an edit's first number names it."""
        message = client.said.get(seq)
        if message is not None:
            self._up[client.socket].append(
                decode(json.dumps({"session": "s", "client": client.name, **message}))
            )

    def undo(self, client: Client, kind: str) -> None:
        message = client.take_back(kind)
        if message is not None:
            self._send(client, message)

    def say(self, client: Client, message: dict[str, Any]) -> None:
        sent = client.say(message)
        if sent is not None:
            self._send(client, sent)

    def arrive(self, client: Client, count: int) -> None:
        """Some of what a client sent reaches the host, and waits for the round's end."""
        queue = self._up.get(client.socket, deque())
        for _ in range(min(count, len(queue))):
            at = Address(1, client.socket)
            self.host.take(at, client.user, queue.popleft(), self.now_ms)

    def fetched(self) -> None:
        if self.host.fetching:
            self.host.fetched()

    def round(self, *, dies: str = "") -> None:
        """End the round; the host may die before its commit, or between commit and telling."""
        if dies == "before":
            self.kill()
            return
        if not self.host.commit():
            self.kill()
            return
        if dies == "after":
            self.kill()
            return
        head = self.store.head
        joined: set[Address] = set(self.host.joined)
        for to, what in self.host.tell():
            if isinstance(what, list):
                for socket, queue in self._down.items():
                    client = self._of[socket]
                    if Address(1, socket) in joined:
                        assert all(item.rev <= head for item in what), "shown before durable"
                        items = [json.loads(item.fragment(client.name)) for item in what]
                        queue.append({"type": "items", "items": items})
            elif what is None:
                assert to is not None
                client = self._of.get(to.socket)
                if client is not None:
                    self.disconnect(client)
            elif to is not None and to.socket in self._down:
                self._down[to.socket].append(what)

    def deliver(self, client: Client, count: int) -> None:
        """Some of what was sent to a client reaches it."""
        queue = self._down.get(client.socket, deque())
        for _ in range(min(count, len(queue))):
            was = client.live
            client.frame(queue.popleft())
            if client.live and not was:
                self.resend(client)
            if not client.live and was:
                self.connect(client)
                return

    def kill(self) -> None:
        """The host dies: the next one loads what is stored; every socket ends."""
        for client in self.clients:
            self.disconnect(client)
        self.host = Host(self.store)

    def usurp(self) -> None:
        """Another owner takes over while this one is paused; it wakes and tries to go on."""
        paused = self.host
        self.kill()
        if paused.room.pending:
            assert not paused.commit(), "two owners were believed"

    def snapshot(self) -> None:
        if not self.host.room.pending:
            self.store.put_snapshot(self.host.epoch, records.snapshot(self.host.room.sequencer))

    def compact(self) -> None:
        if not self.host.room.pending:
            self.store.compact()

    def passivate(self) -> None:
        """Unloaded and loaded again: nothing of what the core folds is different."""
        if self.host.room.pending or self.host.fetching:
            return
        before = records.snapshot(self.host.room.sequencer)
        self.kill()
        after = records.snapshot(self.host.room.sequencer)
        for name in SnapshotValues.__slots__:
            was, now = getattr(before, name), getattr(after, name)
            assert now == was, f"{name} is not what it was"

    # --- what must hold --------------------------------------------------------------------

    def check(self) -> None:
        for client in self.clients:
            assert client.rev <= self.store.head
            if client.live and not client.unconfirmed and client.rev >= self.store.floor:
                state = self.fold(client.rev)
                assert client.state == state, f"{client.name} differs at rev {client.rev}"
        ring = self.host.room.sequencer.ring
        assert ring.head == self.host.room.sequencer.rev
        sequencer = self.host.room.sequencer
        for thread in sequencer.comments._threads.values():
            anchor = thread.anchor
            if anchor.kind != "gate":
                assert 0 <= anchor.start <= anchor.end <= self.kind.length(sequencer.state)

    def fold(self, rev: int) -> Any:
        """Return the state at a kept rev, from the oldest snapshot and the items after it."""
        first = self.store.snapshots[0]
        state = self.kind.load(first.state)
        for row in self.store.after(first.rev, rev):
            if row.op is not None:
                state = self.kind.read(json.loads(row.op)).apply(state)
        return state

    def settle(self) -> None:
        """Let everybody speak and hear until nothing is left to say; then everything is equal."""
        for _ in range(200):
            for client in self.clients:
                if not client.socket:
                    self.connect(client)
                self.flush(client)
                self.arrive(client, 100)
            while self.host.fetching:
                self.host.fetched()
            self.round()
            for client in self.clients:
                self.deliver(client, 100)
            done = all(
                c.live and c.quiet and c.rev == self.store.head and not self._up[c.socket]
                for c in self.clients
            )
            if done:
                break
        else:
            raise AssertionError("it does not settle")
        state = self.fold(self.store.head)
        assert self.host.room.sequencer.state == state
        for client in self.clients:
            assert client.state == state
            for seq, rev in client.acked.items():
                if rev > self.store.floor:
                    row = self.store.rows[rev - self.store.floor - 1]
                    assert (row.client, row.seq) == (client.name, seq)  # type: ignore[attr-defined]
        self._never_anothers_text()

    def _never_anothers_text(self) -> None:
        """No undo removed what another user wrote (texts; the history must be whole)."""
        if self.kind.name != "text" or self.store.floor:
            return
        authors = [""] * self.kind.length(self.initial)
        for row in self.store.rows:
            if row.op is None:  # type: ignore[attr-defined]
                continue
            kept: list[str] = []
            position = 0
            for size, text in self.kind.read(json.loads(row.op)).sections:  # type: ignore[attr-defined]
                if text is None:
                    kept += authors[position : position + size]
                else:
                    if row.kind == "undo":  # type: ignore[attr-defined]
                        gone = set(authors[position : position + size])
                        assert gone <= {row.user_id}, f"undo removed text of {gone}"  # type: ignore[attr-defined]
                    kept += [row.user_id] * len(text)  # type: ignore[attr-defined]
                position += size
            authors = kept


def random_op(world: World, client: Client, rng: random.Random) -> Any:
    """Return a change somebody could make to what they see."""
    if world.kind.name == "circuit":
        return _random_gates(client, rng)
    state = client.state
    edges = [n for n in range(len(state) + 1) if not _inside(state, n)]
    start = rng.choice(edges)
    act = rng.random()
    if act < 0.35 and state:
        end = rng.choice([e for e in edges if start <= e <= start + 8])
        text = rng.choice(["", "", "r"])
    else:
        end = start
        text = rng.choice(["a", "b", "xy", "\n", "π", "😀", "pasted text\nof two lines"])
    from actors.ot.text import to_units

    units = to_units(text)
    if start == end and not units:
        units = "z"
    sections: list[Any] = [start] if start else []
    lines = text.split("\n") if text else (["z"] if start == end else [])
    sections.append([end - start, *lines])
    if len(state) > end:
        sections.append(len(state) - end)
    return world.kind.read(sections)


def _inside(units: str, at: int) -> bool:
    return 0 < at < len(units) and "\udc00" <= units[at] <= "\udfff"


def _random_gates(client: Client, rng: random.Random) -> Any:
    gates = list(client.state.gates)
    act = rng.random()
    if act < 0.4 or not gates:
        id_ = f"{client.name}-{rng.randrange(10**6)}"
        wires = rng.sample(range(2), 2)
        gate = {
            "pos": rng.choice(["a0", "a1", "a2"]), "name": "cx", "qubits": wires,
            "clbits": [], "params": [], "condition": None,
        }  # fmt: skip
        if rng.random() < 0.5:
            gate |= {"name": "rz", "qubits": wires[:1], "params": ["pi/2"]}
        return client.kind.read([{"put": {"id": id_, "gate": gate}}])
    id_ = rng.choice(gates)
    if act < 0.6:
        return client.kind.read([{"del": id_}])
    if act < 0.8:
        return client.kind.read([{"move": {"id": id_, "pos": rng.choice(["a0", "a3", "a4"])}}])
    if client.state.gates[id_].name == "rz":
        value = {"id": id_, "key": "params", "value": [rng.choice(["pi", "0.5", "2*pi"])]}
    else:
        value = {"id": id_, "key": "qubits", "value": rng.sample(range(2), 2)}
    return client.kind.read([{"set": value}])
