/** Undo, comments, roles and replaced histories on a whole client, with a socket whose other end is the test. */
import { ChangeSet, Text } from "@codemirror/state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ThreadEntry } from "../src/lib/protocol";
import type { Refusal, SessionStatus } from "../src/lib/session-channel";
import type { Unsent } from "../src/lib/shared-document";
import type { TextChannel } from "../src/lib/text-channel";
import type { Thread } from "../src/lib/threads";
import { SecureWebSocketClient } from "../src/lib/websocket-secure";
import { FakeSession } from "./fake-server";
import { FakeSocket } from "./fake-socket";

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1_000);

class Screen {
  shown = Text.empty;
  status!: SessionStatus;
  threads: readonly Thread[] = [];
  refusals: Refusal[] = [];
  unsent: Unsent[] = [];
  replaced = 0;
  readonly client: SecureWebSocketClient;
  readonly channel: TextChannel;

  constructor() {
    this.client = new SecureWebSocketClient({
      url: "ws://test/ws/collaborate",
      session: "s",
      token: async () => "a.b.c",
      WebSocket: FakeSocket as unknown as typeof WebSocket,
      random: () => 0,
    });
    this.channel = this.client.openText("s", {
      onChanges: (changes) => void (this.shown = changes.apply(this.shown)),
      onStatus: (status) => void (this.status = status),
      onPeers: () => {},
      onRejected: (refusal) => void this.refusals.push(refusal),
      onThreads: (threads) => void (this.threads = threads),
      onUnsent: (unsent) => void this.unsent.push(unsent),
      onReplaced: () => void (this.replaced += 1),
    });
    this.client.connect();
  }

  type(at: number, insert: string, group: string | null = null): void {
    const changes = ChangeSet.of({ from: at, insert }, this.shown.length);
    this.shown = changes.apply(this.shown);
    this.channel.local(changes, group);
  }
}

let server: FakeSession;
let screen: Screen;

beforeEach(async () => {
  vi.useFakeTimers();
  server = new FakeSession("abc");
  FakeSocket.reset(server);
  screen = new Screen();
  await settle();
});

afterEach(() => {
  screen.client.close();
  vi.useRealTimers();
});

describe("undo and redo", () => {
  it("ask the server, and what it says is applied", async () => {
    expect(screen.status).toMatchObject({ canUndo: false, canRedo: false });
    screen.type(3, "d");
    expect(screen.status.canUndo).toBe(true);
    expect(screen.channel.undo()).toBe(true);
    // Foreseen: what waits counts as done.
    expect(screen.status).toMatchObject({ canUndo: false, canRedo: true, unconfirmed: 2 });
    await settle();
    expect(screen.shown.toString()).toBe("abc");
    expect(screen.status).toMatchObject({ canUndo: false, canRedo: true, unconfirmed: 0 });
    expect(screen.channel.redo()).toBe(true);
    await settle();
    expect(screen.shown.toString()).toBe("abcd");
    expect(screen.status).toMatchObject({ canUndo: true, canRedo: false });
    expect(server.items.map((item) => item.kind)).toEqual(["edit", "undo", "redo"]);
  });

  it("do nothing where there is nothing, and a wrong count is put right without a word", async () => {
    expect(screen.channel.undo()).toBe(false);
    FakeSocket.last.deliver({
      type: "subscribed", session: "s", kind: "text", lineage: "L1", rev: 0, client: screen.channel.client, acked: 0,
      items: [], undo_depth: 3, redo_depth: 0, permissions: ["read", "write"], role: "editor",
    });
    expect(screen.channel.undo()).toBe(true);
    await settle();
    expect(screen.status.canUndo).toBe(false);
    expect(screen.refusals).toEqual([]);
    screen.type(0, "x");
    await settle();
    expect(server.doc.toString()).toBe("xabc");
  });

  it("one message changes the document at a time; the group travels with the edit", async () => {
    FakeSocket.last.deaf = true;
    screen.type(3, "d", "g1");
    screen.type(4, "e", "g2");
    screen.channel.undo();
    await settle();
    expect(FakeSocket.last.of("edit").map((frame) => frame["group"])).toEqual(["g1"]);
    expect(FakeSocket.last.of("undo")).toEqual([]);
    FakeSocket.last.drop(1006);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(server.items.map((item) => item.kind)).toEqual(["edit", "edit", "undo"]);
    expect(screen.shown.toString()).toBe("abcd");
  });
});

describe("comments", () => {
  const entry: ThreadEntry = {
    id: "t1", rev: 1, anchor: { from: 1, to: 2 }, range: [1, 2], quote: "b", orphaned: false, resolved: false,
    comments: [{ id: "c1", user: "bob", text: "why b?", ts: 5 }],
  };
  const deliver = (rev: number, comment: object, more: object = {}): void =>
    FakeSocket.last.deliver({ type: "items", session: "s", items: [{ rev, client: "tab-bob-1", user: "bob", seq: rev, kind: "comment", comment, ts: rev, ...more }] });

  it("are folded from the items and move with what is typed", () => {
    deliver(1, { action: "add", thread: "t1", comment: "c1", text: "why b?", anchor: { from: 1, to: 2 }, quote: "b" });
    deliver(2, { action: "reply", thread: "t1", comment: "c2", text: "because" });
    deliver(3, { action: "edit", thread: "t1", comment: "c1", text: "why b, really?" });
    deliver(4, { action: "resolve", thread: "t1" });
    expect(screen.threads).toHaveLength(1);
    expect(screen.threads[0]).toMatchObject({ resolved: true, comments: [{ text: "why b, really?", edited_ts: 3 }, { text: "because" }] });
    screen.type(0, "zz");
    expect(screen.channel.place(screen.threads[0] as Thread)).toEqual({ from: 3, to: 4 });
    deliver(5, { action: "delete", thread: "t1", comment: "c1" });
    expect(screen.threads[0]?.comments[0]).toMatchObject({ text: "", deleted: true, user: "bob" });
    deliver(6, { action: "delete", thread: "t1", comment: "c2" });
    expect(screen.threads).toEqual([]);
  });

  it("come with the subscription", () => {
    FakeSocket.last.deliver({ type: "subscribed", session: "s", lineage: "L1", rev: 0, items: [], comments: [entry] });
    expect(screen.threads[0]).toMatchObject({ id: "t1", kind: "range", from: 1, to: 2 });
  });

  it("are sent after the edits before them, once, and again as they were", async () => {
    FakeSocket.last.deaf = true;
    screen.type(0, "zz");
    screen.channel.addComment({ from: 3, to: 4, line: false }, "here");
    await settle();
    expect(FakeSocket.last.of("comment")).toEqual([]);
    FakeSocket.last.drop(1006);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(FakeSocket.last.of("comment")).toEqual([
      { type: "comment", session: "s", client: screen.channel.client, seq: 2, action: "add", text: "here", anchor: { from: 3, to: 4 }, rev: 1 },
    ]);
    expect(screen.status.unconfirmed).toBe(0);
  });

  it("one that is refused is handed back and holds up nothing", async () => {
    FakeSocket.last.deaf = true;
    screen.channel.reply("t9", "to nobody");
    screen.type(0, "x");
    await settle();
    FakeSocket.last.deaf = false;
    FakeSocket.last.deliver({ type: "nack", session: "s", client: screen.channel.client, seq: 1, code: "invalid", message: "no such thread" });
    await settle();
    expect(screen.refusals).toEqual([{ what: "comment", message: "no such thread", text: "to nobody" }]);
    expect(server.doc.toString()).toBe("xabc");
    expect(screen.status).toMatchObject({ phase: "live", unconfirmed: 0 });
  });
});

describe("what others decide", () => {
  it("a role that changes is known at once", () => {
    FakeSocket.last.deliver({ type: "subscribed", session: "s", lineage: "L1", rev: 0, items: [], role: "viewer", permissions: ["read"] });
    expect(screen.status).toMatchObject({ role: "viewer", canWrite: false, canComment: false, phase: "live" });
    expect(screen.channel.undo()).toBe(false);
  });

  it("what was not sent when writing ended is taken out and handed back", () => {
    FakeSocket.last.drop(1006);
    screen.type(3, "late");
    server.permissions = ["read"];
    return vi.advanceTimersByTimeAsync(5_000).then(() => {
      expect(screen.shown.toString()).toBe("abc");
      expect(screen.refusals).toMatchObject([{ what: "edit", text: "late" }]);
      expect(screen.status.unconfirmed).toBe(0);
    });
  });

  it("a restored revision replaces the text; what was unsent is offered, not merged", async () => {
    FakeSocket.last.deaf = true;
    screen.type(3, "mine");
    await settle();
    server.restore("old", "L2");
    FakeSocket.last.drop(4000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(screen.shown.toString()).toBe("old");
    expect(screen.replaced).toBe(1);
    expect(screen.unsent).toEqual([{ edits: 1, text: "mine", comments: [] }]);
    screen.type(3, "er");
    await settle();
    expect(server.doc.toString()).toBe("older");
  });
});
