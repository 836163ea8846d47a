import { ChangeSet, Text } from "@codemirror/state";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EditMessage, Item, Subscribed } from "../src/lib/protocol";
import { TextSession } from "../src/lib/text-session";
import { diffText, keepPairsWhole, splitChanges, textOf } from "../src/lib/text-ops";
import { FakeSession } from "./fake-server";

const PIECES = ["x", "ab", "\n", "😀", "q[0]", "é"];

/** A random edit of `doc` that leaves surrogate pairs whole. */
function randomEdit(doc: Text, a: number, b: number, piece: number): ChangeSet {
  const points = Array.from(doc.toString());
  const at = (n: number): number => points.slice(0, n % (points.length + 1)).join("").length;
  const from = at(a);
  const to = Math.max(from, at(a + (b % 3)));
  const insert = piece % 4 === 3 ? "" : (PIECES[piece % PIECES.length] ?? "");
  return ChangeSet.of({ from, to: Math.min(to, doc.length), insert: textOf(insert) }, doc.length);
}

/** A client on a link that can lose what is under way, in both directions. */
class Peer {
  readonly session: TextSession;
  /** What the editor shows, changed only by what the session returns. */
  shown = Text.empty;
  toServer: string[] = [];
  fromServer: Item[] = [];
  sentHere = false;

  constructor(
    private readonly server: FakeSession,
    name: string,
  ) {
    this.session = new TextSession("s", name);
    this.join();
  }

  type(a: number, b: number, piece: number): void {
    const edit = randomEdit(this.shown, a, b, piece);
    if (edit.empty) return;
    this.shown = edit.apply(this.shown);
    this.session.local(edit);
    this.flush();
  }

  undo(kind: "undo" | "redo"): void {
    this.session.step(kind);
    this.flush();
  }

  flush(): void {
    if (this.sentHere) return;
    const message = this.session.hasInFlight ? this.session.resend() : this.session.send();
    if (message === null) return;
    this.toServer.push(message);
    this.sentHere = true;
  }

  /** The server reads one message of ours. */
  serverReads(duplicate: boolean, all: Peer[]): void {
    const wire = this.toServer.shift();
    if (wire === undefined) return;
    for (let copy = 0; copy < (duplicate ? 2 : 1); copy += 1) {
      const before = this.server.rev;
      const reply = this.server.take(JSON.parse(wire) as EditMessage);
      if (reply && reply.type === "nack") {
        if (reply["message"] !== "nothing to undo") throw new Error(`${String(reply["code"])}: ${wire}`);
        // It travels in order with the items, as on a socket.
        this.fromServer.push({ rev: -1, client: this.session.client, user: "u", seq: Number(reply["seq"]), kind: "nothing" });
        continue;
      }
      for (const item of this.server.items.slice(before)) for (const peer of all) peer.fromServer.push(item);
    }
  }

  receive(count: number): void {
    for (const item of this.fromServer.splice(0, count)) {
      if (item.kind === "nothing") {
        if (item.seq !== this.session.inflightSeq) continue;
        this.session.dropHead();
        this.sentHere = false;
        continue;
      }
      const received = this.session.receive(this.server.view(item, this.session.client));
      if (received.outcome === "broken" || received.outcome === "gap") throw new Error(JSON.stringify(received));
      if (received.outcome === "applied") {
        if (received.own) this.sentHere = false;
        if (received.changes) this.shown = received.changes.apply(this.shown);
      }
    }
    this.flush();
  }

  reconnect(): void {
    this.toServer = [];
    this.fromServer = [];
    this.sentHere = false;
    this.join();
    this.flush();
  }

  join(): void {
    const reply = this.server.subscribe(this.session.client, this.session.since ?? undefined) as unknown as Subscribed;
    if (reply.state !== undefined) {
      const { lineage, rev, state, acked } = reply;
      const changes = this.session.load({ lineage, rev, state, ...(acked === undefined ? {} : { acked }) });
      this.shown = changes.apply(this.shown);
    }
    for (const item of reply.items ?? []) {
      const received = this.session.receive(item);
      if (received.outcome === "applied" && received.changes) this.shown = received.changes.apply(this.shown);
    }
  }
}

function settle(server: FakeSession, peers: Peer[]): void {
  for (let round = 0; round < 500; round += 1) {
    for (const peer of peers) {
      peer.flush();
      peer.serverReads(false, peers);
    }
    for (const peer of peers) peer.receive(1_000);
    if (peers.every((p) => p.session.unconfirmed === 0 && p.fromServer.length === 0)) return;
  }
  throw new Error(`not settled: ${peers.map((p) => p.session.unconfirmed).join()} of ${server.rev}`);
}

function assertConverged(server: FakeSession, peers: Peer[]): void {
  for (const peer of peers) {
    expect(peer.shown.toString()).toBe(server.doc.toString());
    expect(peer.session.visible.toString()).toBe(server.doc.toString());
    expect(peer.session.confirmed.toString()).toBe(server.doc.toString());
    expect(peer.session.rev).toBe(server.rev);
  }
}

const step = fc.record({
  who: fc.nat({ max: 3 }),
  what: fc.constantFrom("type", "type", "type", "read", "read", "receive", "receive", "duplicate", "drop", "comment", "undo", "undo", "redo"),
  a: fc.nat({ max: 60 }),
  b: fc.nat({ max: 3 }),
  piece: fc.nat({ max: 11 }),
});

describe("convergence", () => {
  it("four clients agree with the server through drops, duplicates and reconnects", () => {
    fc.assert(
      fc.property(fc.constantFrom("", "A", "OPENQASM 3.0;\nqubit q;\n", "a😀b"), fc.array(step, { maxLength: 120 }), (content, steps) => {
        const server = new FakeSession(content);
        const peers = ["a", "b", "c", "d"].map((name) => new Peer(server, `client-${name}`));
        for (const { who, what, a, b, piece } of steps) {
          const peer = peers[who] as Peer;
          if (what === "type") peer.type(a, b, piece);
          else if (what === "receive") peer.receive((a % 3) + 1);
          else if (what === "drop") peer.reconnect();
          else if (what === "undo" || what === "redo") peer.undo(what);
          else if (what === "comment") {
            server.appendOther("someone");
            for (const each of peers) each.fromServer.push(server.items[server.rev - 1] as Item);
          } else peer.serverReads(what === "duplicate", peers);
          expect(peer.session.visible.toString()).toBe(peer.shown.toString());
        }
        settle(server, peers);
        assertConverged(server, peers);
      }),
      { numRuns: 400, seed: 20261122 },
    );
  });

  it("each edit enters the history once, in the order it was typed", () => {
    const server = new FakeSession("");
    const peers = [new Peer(server, "client-a"), new Peer(server, "client-b")];
    const [a, b] = peers as [Peer, Peer];
    for (const letter of "quantum") {
      const at = a.shown.length;
      const edit = ChangeSet.of({ from: at, insert: letter }, at);
      a.shown = edit.apply(a.shown);
      a.session.local(edit);
      a.flush();
      if (letter === "n") a.serverReads(true, peers);
      if (letter === "t") a.reconnect();
      b.receive(1);
    }
    settle(server, peers);
    assertConverged(server, peers);
    expect(server.doc.toString()).toBe("quantum");
  });

  it("puts the earlier accepted insertion on the left", () => {
    const server = new FakeSession("");
    const peers = [new Peer(server, "client-a"), new Peer(server, "client-b")];
    const [a, b] = peers as [Peer, Peer];
    a.type(0, 0, 0);
    b.type(0, 0, 1);
    b.serverReads(false, peers);
    a.serverReads(false, peers);
    settle(server, peers);
    expect(server.doc.toString()).toBe("abx");
    assertConverged(server, peers);
  });

  it("maps over delete, then insert, one at a time", () => {
    // Composed, the two items would put the concurrent "y" on the other side.
    const server = new FakeSession("A");
    const peers = [new Peer(server, "client-a"), new Peer(server, "client-b")];
    const [a, b] = peers as [Peer, Peer];
    const edit = ChangeSet.of({ from: 1, insert: "y" }, 1);
    a.shown = edit.apply(a.shown);
    a.session.local(edit);
    a.flush();
    server.append("other", 1, ChangeSet.of({ from: 0, to: 1 }, 1));
    server.append("other", 2, ChangeSet.of({ from: 0, insert: "x" }, 0));
    for (const item of server.items) for (const peer of peers) peer.fromServer.push(item);
    a.receive(2);
    a.serverReads(false, peers);
    settle(server, peers);
    assertConverged(server, [a, b]);
  });
});

describe("resend", () => {
  it("repeats the very bytes after remote items and reconnects", () => {
    const server = new FakeSession("abc");
    const peer = new Peer(server, "client-a");
    peer.type(1, 0, 0);
    const first = peer.session.resend();
    server.append("other", 1, ChangeSet.of({ from: 0, insert: "zz" }, 3));
    peer.reconnect();
    peer.type(0, 0, 1);
    expect(peer.session.resend()).toBe(first);
    settle(server, [peer]);
    assertConverged(server, [peer]);
  });

  it("has one message in flight and gathers the rest into the next", () => {
    const peer = new Peer(new FakeSession(""), "client-a");
    for (let i = 0; i < 5; i += 1) peer.type(i, 0, 0);
    expect(peer.toServer).toHaveLength(1);
    expect(peer.session.unconfirmed).toBe(5);
  });

  it("knows its own edit under the name it had before", () => {
    for (const accepted of [true, false]) {
      const server = new FakeSession("abc");
      const peer = new Peer(server, "client-a");
      peer.type(3, 0, 0);
      if (accepted) peer.serverReads(false, []);
      peer.session.rename("client-z");
      expect(peer.session.resend()).toBeNull();
      peer.reconnect();
      peer.session.adoptAcked(server.acked.get("client-z")?.seq ?? 0);
      peer.flush();
      settle(server, [peer]);
      assertConverged(server, [peer]);
      expect(server.doc.toString()).toBe("abcx");
      peer.type(0, 0, 1);
      settle(server, [peer]);
      expect(server.items.map(({ client, seq }) => [client, seq])).toEqual(
        accepted ? [["client-a", 1], ["client-z", 1]] : [["client-z", 1], ["client-z", 2]],
      );
    }
  });

  it("rebases a stale edit under the same number", () => {
    const server = new FakeSession("abc");
    const peer = new Peer(server, "client-a");
    peer.type(3, 0, 0);
    server.append("other", 1, ChangeSet.of({ from: 0, insert: "zz" }, 3));
    server.keptFrom = 1;
    const refused = server.edit(JSON.parse(peer.session.resend() ?? "") as EditMessage);
    expect(refused).toMatchObject({ type: "nack", code: "stale" });
    peer.session.receive(server.view(server.items[0] as Item, "client-a"));
    const rebased = JSON.parse(peer.session.rebase() ?? "") as EditMessage;
    expect(rebased).toMatchObject({ seq: 1, rev: 1, ops: [[5, [0, "x"]]] });
    expect(server.edit(rebased)).toBeNull();
    expect(server.doc.toString()).toBe("zzabcx");
  });
});

describe("snapshots", () => {
  it("carries what was typed over a snapshot of the same history", () => {
    const server = new FakeSession("one\ntwo\nthree");
    const peer = new Peer(server, "client-a");
    const edit = ChangeSet.of({ from: 7, insert: " mine" }, peer.shown.length);
    peer.shown = edit.apply(peer.shown);
    peer.session.local(edit);
    peer.flush();
    server.append("other", 1, ChangeSet.of({ from: 0, insert: "zero\n" }, 13));
    server.keptFrom = 1;
    peer.reconnect();
    expect(peer.shown.toString()).toBe("zero\none\ntwo mine\nthree");
    expect(peer.session.takeUnsent()).toBeNull();
    settle(server, [peer]);
    assertConverged(server, [peer]);
  });

  it("gives up what was typed when the history was replaced, and hands its words back once", () => {
    const server = new FakeSession("one\ntwo\nthree");
    const peer = new Peer(server, "client-a");
    for (const [at, word] of [[3, " sent"], [8, " not"]] as const) {
      const edit = ChangeSet.of({ from: at, insert: word }, peer.shown.length);
      peer.shown = edit.apply(peer.shown);
      peer.session.local(edit);
      peer.flush();
    }
    peer.session.comment({ action: "add", text: "about this" }, { from: 0, to: 3, line: false });
    peer.session.comment({ action: "resolve", thread: "t1" }, null);
    server.restore("zero\nfour", "L2");
    peer.reconnect();
    expect(peer.shown.toString()).toBe("zero\nfour");
    expect(peer.session.visible.toString()).toBe("zero\nfour");
    expect(peer.session.takeUnsent()).toEqual({ edits: 2, text: " sent\n not", comments: ["about this"] });
    expect(peer.session.takeUnsent()).toBeNull();
    // What is about no place of the text is said all the same, under the next number.
    expect(peer.session.waiting.map((entry) => entry.kind)).toEqual(["comment"]);
    expect(JSON.parse(peer.session.resend() ?? "")).toMatchObject({ type: "comment", action: "resolve", thread: "t1", seq: 1 });
  });

  it("offers nothing that the replaced history had accepted", () => {
    const server = new FakeSession("abc");
    const peer = new Peer(server, "client-a");
    peer.type(3, 0, 0);
    peer.serverReads(false, []);
    server.restore("abc", "L2");
    peer.reconnect();
    expect(peer.shown.toString()).toBe("abc");
    expect(peer.session.takeUnsent()).toBeNull();
    peer.type(0, 0, 1);
    expect(JSON.parse(peer.session.resend() ?? "")).toMatchObject({ seq: 2, rev: 2 });
  });

  it("does not repeat what the snapshot contains already", () => {
    const server = new FakeSession("abc");
    const peer = new Peer(server, "client-a");
    peer.type(3, 0, 0);
    peer.serverReads(false, []);
    server.keptFrom = 5;
    peer.reconnect();
    expect(peer.shown.toString()).toBe("abcx");
    expect(peer.session.unconfirmed).toBe(0);
    peer.type(0, 0, 1);
    expect(JSON.parse(peer.session.resend() ?? "")).toMatchObject({ seq: 2 });
  });
});

describe("undo and redo", () => {
  it("go after what was typed before them, and what is typed meanwhile stays", () => {
    const server = new FakeSession("");
    const peers = [new Peer(server, "client-a"), new Peer(server, "client-b")];
    const [a, b] = peers as [Peer, Peer];
    a.type(0, 0, 0);
    a.undo("undo");
    a.type(1, 0, 2);
    expect(a.session.waiting.map((entry) => entry.kind)).toEqual(["edit", "undo", "edit"]);
    b.type(0, 0, 1);
    b.serverReads(false, peers);
    settle(server, peers);
    assertConverged(server, peers);
    expect(server.items.map((item) => item.kind)).toEqual(["edit", "edit", "undo", "edit"]);
    expect(server.doc.toString()).toBe("ab\n");
  });

  it("keep the bytes of an unanswered undo over a reconnect", () => {
    const server = new FakeSession("");
    const peer = new Peer(server, "client-a");
    peer.type(0, 0, 0);
    peer.serverReads(false, [peer]);
    peer.receive(9);
    peer.undo("undo");
    const first = peer.session.resend();
    expect(JSON.parse(first ?? "")).toEqual({ type: "undo", session: "s", client: "client-a", seq: 2 });
    peer.reconnect();
    expect(peer.session.resend()).toBe(first);
    settle(server, [peer]);
    expect(server.doc.toString()).toBe("");
  });

  it("edits of one group join while they wait, others do not", () => {
    const session = new TextSession("s", "client-a");
    session.load({ lineage: "L", rev: 0, state: "", acked: 0 });
    const type = (at: number, group: string | null): void => session.local(ChangeSet.of({ from: at, insert: "x" }, at), group);
    type(0, "g1");
    const sent = JSON.parse(session.send() ?? "") as EditMessage;
    expect(sent).toMatchObject({ group: "g1", ops: [[[0, "x"]]] });
    type(1, "g1");
    type(2, "g1");
    type(3, "g2");
    expect(session.waiting).toHaveLength(3);
    for (let i = 4; i < 60; i += 1) type(i, `g${i}`);
    expect(session.waiting.length).toBeLessThanOrEqual(24);
    expect(session.unconfirmed).toBe(60);
  });
});

describe("a place that is to be commented on", () => {
  it("moves with the text until its turn", () => {
    const session = new TextSession("s", "client-a");
    session.load({ lineage: "L", rev: 0, state: "abcdef", acked: 0 });
    session.local(ChangeSet.of({ from: 0, insert: "XY" }, 6));
    session.send();
    // "cd" of the visible "XYabcdef".
    session.comment({ action: "add", text: "why?" }, { from: 4, to: 6, line: false });
    const other = { client: "b", user: "b", seq: 1, kind: "edit" };
    session.receive({ ...other, rev: 1, op: [[0, "12"], 6] });
    session.receive({ rev: 2, client: "client-a", user: "a", seq: 1, kind: "edit" });
    session.receive({ ...other, rev: 3, seq: 2, op: [[2], 8] });
    expect(session.confirmed.toString()).toBe("XYabcdef");
    expect(JSON.parse(session.send() ?? "")).toEqual({
      type: "comment", session: "s", client: "client-a", seq: 2, action: "add", text: "why?", anchor: { from: 4, to: 6 }, rev: 3,
    });
  });
});

describe("broken streams", () => {
  it("reports a gap, a wrong length and a confirmation out of nowhere", () => {
    const session = new TextSession("s", "client-a");
    session.load({ lineage: "L", rev: 3, state: "abc", acked: 0 });
    const item: Item = { rev: 4, client: "b", user: "b", seq: 1, kind: "edit", op: [4] };
    expect(session.receive({ ...item, rev: 6 }).outcome).toBe("gap");
    expect(session.receive({ ...item, rev: 3 }).outcome).toBe("known");
    expect(session.receive(item).outcome).toBe("broken");
    expect(session.receive({ rev: 4, client: "client-a", user: "a", seq: 1, kind: "edit" }).outcome).toBe("broken");
    expect(session.rev).toBe(3);
  });

  it("takes a refused edit out and keeps what was typed after it", () => {
    const session = new TextSession("s", "client-a");
    session.load({ lineage: "L", rev: 0, state: "abc", acked: 0 });
    session.local(ChangeSet.of({ from: 0, insert: "BAD" }, 3));
    session.send();
    session.local(ChangeSet.of({ from: 6, insert: "good" }, 6));
    const undo = session.dropHead()?.changes;
    expect(undo?.apply(textOf("BADabcgood")).toString()).toBe("abcgood");
    expect(session.visible.toString()).toBe("abcgood");
    expect(JSON.parse(session.send() ?? "")).toMatchObject({ seq: 1, ops: [[3, [0, "good"]]] });
  });
});

describe("positions", () => {
  it("maps between the confirmed and the visible text", () => {
    const session = new TextSession("s", "client-a");
    session.load({ lineage: "L", rev: 0, state: "abcdef", acked: 0 });
    session.local(ChangeSet.of({ from: 2, insert: "XX" }, 6));
    session.send();
    session.local(ChangeSet.of({ from: 0, insert: "Y" }, 8));
    expect(session.toVisible(4)).toBe(7);
    expect(session.toConfirmed(7)).toBe(4);
    expect(session.toConfirmed(4)).toBe(2);
  });
});

describe("text operations", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "😀", "é"), maxLength: 40 });

  it("diffText always arrives at the target", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const changes = diffText(textOf(a), textOf(b));
        expect(changes.apply(textOf(a)).toString()).toBe(b);
        expect(keepPairsWhole(changes, textOf(a)).apply(textOf(a)).toString()).toBe(b);
      }),
      { numRuns: 500 },
    );
  });

  it("diffText leaves untouched lines alone", () => {
    const before = textOf("a\nb\nc\nd\ne");
    const changes = diffText(before, textOf("a\nB\nc\nd\nnew\ne"));
    const touched: string[] = [];
    changes.iterChanges((from, to, _b, _c, insert) => touched.push(`${from}-${to}:${insert.toString()}`));
    expect(touched).toEqual(["2-3:B", "8-8:new\n"]);
  });

  it("keepPairsWhole never leaves a boundary inside a pair", () => {
    const doc = textOf("x😀y");
    const half = ChangeSet.of({ from: 2, to: 3, insert: "\ude01" }, doc.length);
    const whole = keepPairsWhole(half, doc);
    expect(whole.toJSON()).toEqual([1, [2, "😁"], 1]);
    expect(whole.apply(doc).eq(half.apply(doc))).toBe(true);
  });

  it("splitChanges cuts long pastes into parts that compose to the whole", () => {
    fc.assert(
      fc.property(text, fc.array(fc.tuple(fc.nat({ max: 40 }), text), { maxLength: 3 }), fc.integer({ min: 20, max: 60 }), (start, edits, size) => {
        const doc = textOf(start);
        const points = Array.from(start);
        const specs = edits.map(([at, insert]) => ({
          from: points.slice(0, at % (points.length + 1)).join("").length,
          insert: textOf(insert),
        }));
        const whole = ChangeSet.of(specs, doc.length);
        let rest: ChangeSet | null = whole;
        let reached = doc;
        for (let i = 0; rest && i < 500; i += 1) {
          const cut = splitChanges(rest, size) as { first: ChangeSet; rest: ChangeSet | null };
          reached = cut.first.apply(reached);
          rest = cut.rest;
        }
        expect(rest).toBeNull();
        expect(reached.eq(whole.apply(doc))).toBe(true);
      }),
    );
  });
});
