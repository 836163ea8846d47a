import { ChangeSet, Text } from "@codemirror/state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Peer } from "../src/lib/presence-book";
import type { TextChannel, TextStatus } from "../src/lib/text-channel";
import { SecureWebSocketClient, type ConnectionState, type Diagnosis } from "../src/lib/websocket-secure";
import { FakeSession } from "./fake-server";
import { FakeSocket } from "./fake-socket";

const TOKEN = "aaaa.bbbb.cccc";
let clients: SecureWebSocketClient[] = [];

function connect(options: { token?: () => Promise<string>; diagnose?: () => Promise<Diagnosis> } = {}): SecureWebSocketClient {
  const client = new SecureWebSocketClient({
    url: "ws://host/ws/collaborate",
    session: "s",
    token: options.token ?? (() => Promise.resolve(TOKEN)),
    ...(options.diagnose ? { diagnose: options.diagnose } : {}),
    WebSocket: FakeSocket as unknown as typeof WebSocket,
    random: () => 0.5,
  });
  clients.push(client);
  client.connect();
  return client;
}

class Screen {
  shown = Text.empty;
  status: TextStatus | null = null;
  peers: ReadonlyMap<string, Peer> = new Map();
  rejected: [string, string][] = [];
  channel: TextChannel;

  constructor(client: SecureWebSocketClient) {
    this.channel = client.openText("s", {
      onChanges: (changes) => (this.shown = changes.apply(this.shown)),
      onStatus: (status) => (this.status = status),
      onPeers: (peers) => (this.peers = peers),
      onRejected: ({ message, text }) => void this.rejected.push([message, text]),
    });
  }

  type(at: number, insert: string): void {
    const changes = ChangeSet.of({ from: at, insert }, this.shown.length);
    this.shown = changes.apply(this.shown);
    this.channel.local(changes);
  }
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.reset(new FakeSession("hello"));
});
afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
  vi.useRealTimers();
});

describe("connecting", () => {
  it("offers the token as a subprotocol and nowhere else", async () => {
    const log = vi.spyOn(console, "log");
    const client = connect();
    await settle();
    expect(FakeSocket.last.url).toBe("ws://host/ws/collaborate?session=s");
    expect(FakeSocket.last.protocols).toEqual(["synq.v1", `synq.bearer.${TOKEN}`]);
    expect(client.state.phase).toBe("live");
    for (const printed of [JSON.stringify(client), String(client), JSON.stringify(client.statistics), JSON.stringify(client.state)]) {
      expect(printed).not.toContain(TOKEN);
    }
    expect(Object.values(client).some((value) => JSON.stringify(value)?.includes(TOKEN))).toBe(false);
    expect(log).not.toHaveBeenCalled();
  });

  it("reconnects with growing, jittered waits and stops after max_attempts", async () => {
    const client = connect();
    await settle();
    const waits: number[] = [];
    client.onState((state: ConnectionState) => {
      if (state.phase === "waiting") waits.push(state.retryAt - Date.now());
    });
    FakeSocket.welcome = null;
    FakeSocket.last.drop(1006);
    for (let i = 0; i < 3; i += 1) {
      await vi.advanceTimersByTimeAsync(waits[waits.length - 1] ?? 0);
      FakeSocket.last.drop(1006);
      await settle();
    }
    expect(waits).toEqual([500, 1_000, 2_000]);
    expect(client.state.phase).toBe("offline");

    FakeSocket.reset(FakeSocket.server);
    client.connect();
    await settle();
    expect(client.state.phase).toBe("live");
    expect(client.statistics.reconnects).toBe(1);
  });

  it.each([4500, 4501, 4502, 4503])("does not reconnect after %i", async (code) => {
    const client = connect();
    await settle();
    FakeSocket.last.drop(code);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(client.state).toMatchObject({ phase: "refused", code });
    expect(FakeSocket.made).toHaveLength(1);
  });

  it.each([1001, 1006, 1012, 1013, 4000, 4001, 4002, 4004])("reconnects after %i", async (code) => {
    const client = connect();
    await settle();
    FakeSocket.last.drop(code);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.state.phase).toBe("live");
    expect(FakeSocket.made).toHaveLength(2);
  });

  it("asks why the handshake was refused and stops when the session is gone", async () => {
    FakeSocket.welcome = null;
    const client = connect({ diagnose: () => Promise.resolve("not_found") });
    await settle();
    FakeSocket.last.drop(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.state).toMatchObject({ phase: "refused", code: "not_found" });
    expect(FakeSocket.made).toHaveLength(1);
  });

  it("asks to sign in when there is no token", async () => {
    const client = connect({ token: () => Promise.reject(new Error("none")) });
    await settle();
    expect(client.state).toMatchObject({ phase: "refused", code: "unauthorized" });
  });
});

describe("liveness", () => {
  it("pings well within the heartbeat and measures the round trip", async () => {
    const client = connect();
    await settle();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(FakeSocket.last.of("ping")).toHaveLength(2);
    expect(client.statistics.rttMs).toBeGreaterThanOrEqual(0);
    expect(client.state.phase).toBe("live");
  });

  it("leaves a socket that does not answer", async () => {
    const client = connect();
    await settle();
    const first = FakeSocket.last;
    first.deaf = true;
    await vi.advanceTimersByTimeAsync(15_000 + 8_000 + 1_000);
    expect(first.readyState).toBe(3);
    expect(FakeSocket.made.length).toBe(2);
    expect(client.state.phase).toBe("live");
  });

  it("sends a fresh token in ping before the old one ends", async () => {
    (FakeSocket.welcome as { token_expires_at: number }).token_expires_at = Date.now() / 1_000 + 200;
    const asked: boolean[] = [];
    let fresh = TOKEN;
    connect({
      token: () => {
        asked.push(true);
        return Promise.resolve(fresh);
      },
    });
    await settle();
    fresh = "dddd.eeee.ffff";
    await vi.advanceTimersByTimeAsync(115_000);
    const pings = FakeSocket.last.of("ping");
    expect(pings.some((ping) => ping["token"] === fresh)).toBe(true);
    expect(asked.length).toBe(2);
  });
});

describe("a text session", () => {
  it("loads, sends what is typed at once, and knows when it is saved", async () => {
    const client = connect();
    const screen = new Screen(client);
    await settle();
    expect(screen.shown.toString()).toBe("hello");
    screen.type(5, "!");
    expect(FakeSocket.last.of("edit")).toHaveLength(1);
    expect(screen.status?.unconfirmed).toBe(1);
    await settle();
    expect(screen.status).toMatchObject({ phase: "live", unconfirmed: 0, canWrite: true });
    expect(FakeSocket.server?.doc.toString()).toBe("hello!");
  });

  it("resends the unacknowledged edit byte for byte and never twice into the history", async () => {
    const client = connect();
    const screen = new Screen(client);
    await settle();
    const first = FakeSocket.last;
    first.deaf = true;
    screen.type(5, "!");
    screen.type(6, "?");
    const wire = first.wires.find((sent) => sent.includes('"edit"'));
    expect(client.statistics.unacknowledged).toBe(2);
    // The server took it, the acknowledgement was lost.
    FakeSocket.server?.edit(JSON.parse(wire ?? ""));
    first.drop(1006);
    expect(screen.status).toMatchObject({ phase: "interrupted", unconfirmed: 2 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.server?.doc.toString()).toBe("hello!?");
    expect(screen.shown.toString()).toBe("hello!?");

    FakeSocket.last.deaf = true;
    screen.type(0, ">");
    const sent = FakeSocket.last.wires[FakeSocket.last.wires.length - 1];
    FakeSocket.last.drop(4000);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(FakeSocket.last.wires).toContain(sent);
    expect(client.statistics.resent).toBeGreaterThan(0);
    expect(FakeSocket.server?.doc.toString()).toBe(">hello!?");
    expect(screen.status?.unconfirmed).toBe(0);
  });

  it("resumes with since and the rev it has", async () => {
    const screen = new Screen(connect());
    await settle();
    screen.type(5, "!");
    await settle();
    FakeSocket.server?.append("other", 1, ChangeSet.of({ from: 0, insert: "oh " }, 6));
    FakeSocket.last.drop(4001);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.last.of("subscribe")[0]).toMatchObject({ session: "s", since: { lineage: "L1", rev: 1 } });
    expect(screen.shown.toString()).toBe("oh hello!");
  });

  it("takes a new client name when a newer tab has this one", async () => {
    const screen = new Screen(connect());
    await settle();
    const before = screen.channel.client;
    FakeSocket.last.drop(4504);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(screen.channel.client).not.toBe(before);
    screen.type(5, "!");
    await settle();
    expect(FakeSocket.last.of("edit")[0]).toMatchObject({ client: screen.channel.client, seq: 1 });
    expect(FakeSocket.server?.doc.toString()).toBe("hello!");
  });

  it("catches up over a gap", async () => {
    const screen = new Screen(connect());
    await settle();
    const { server } = FakeSocket;
    server?.append("other", 1, ChangeSet.of({ from: 0, insert: "a" }, 5));
    server?.append("other", 2, ChangeSet.of({ from: 0, insert: "b" }, 6));
    FakeSocket.last.deliverItems(1);
    await settle();
    expect(screen.shown.toString()).toBe("bahello");
    expect(screen.status?.phase).toBe("live");
  });

  it("rebases on nack stale", async () => {
    const screen = new Screen(connect());
    await settle();
    const { server } = FakeSocket;
    server?.append("other", 1, ChangeSet.of({ from: 0, insert: "oh " }, 5));
    if (server) server.keptFrom = 1;
    screen.type(5, "!");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server?.doc.toString()).toBe("oh hello!");
    expect(screen.shown.toString()).toBe("oh hello!");
    expect(screen.status?.unconfirmed).toBe(0);
  });

  it("waits as long as rate_limited says, then sends the same bytes", async () => {
    const screen = new Screen(connect());
    await settle();
    const socket = FakeSocket.last;
    socket.deaf = true;
    screen.type(5, "!");
    await settle();
    socket.deliver({ type: "nack", session: "s", client: screen.channel.client, seq: 1, code: "rate_limited", message: "slow", retry_after_ms: 700 });
    socket.deaf = false;
    await vi.advanceTimersByTimeAsync(600);
    expect(socket.of("edit")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(300);
    expect(socket.of("edit")).toHaveLength(2);
    const [first, second] = socket.wires.filter((wire) => wire.includes('"edit"'));
    expect(second).toBe(first);
    expect(screen.status?.unconfirmed).toBe(0);
  });

  it.each(["gap", "conflict", "invalid"])("resyncs on nack %s and keeps the user's text", async (code) => {
    const screen = new Screen(connect());
    await settle();
    const socket = FakeSocket.last;
    socket.deaf = true;
    screen.type(5, "!");
    await settle();
    socket.deaf = false;
    socket.deliver({ type: "nack", session: "s", client: screen.channel.client, seq: 1, code, message: "no" });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(FakeSocket.server?.doc.toString()).toBe("hello!");
    expect(screen.shown.toString()).toBe("hello!");
    expect(screen.rejected).toEqual([]);
  });

  it("gives a refused edit up, says so, and goes on", async () => {
    const screen = new Screen(connect());
    await settle();
    const socket = FakeSocket.last;
    socket.deaf = true;
    screen.type(5, "BAD");
    await settle();
    socket.deaf = false;
    socket.deliver({ type: "nack", session: "s", client: screen.channel.client, seq: 1, code: "blocked", message: "suspicious" });
    expect(screen.shown.toString()).toBe("hello");
    expect(screen.rejected).toEqual([["suspicious", "BAD"]]);
    screen.type(5, "!");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.server?.doc.toString()).toBe("hello!");
  });

  it("stays within the limits under fast typing, one message in flight", async () => {
    const screen = new Screen(connect());
    await settle();
    const socket = FakeSocket.last;
    const times: number[] = [];
    const { send } = socket;
    socket.send = (wire: string) => {
      if (!wire.includes('"ping"')) times.push(Date.now());
      send.call(socket, wire);
    };
    screen.channel.announce(() => ({ cursor: 0 }));
    for (let i = 0; i < 1_500; i += 1) {
      screen.type(screen.shown.length, "x");
      screen.channel.announce(() => ({ cursor: screen.shown.length }));
      await vi.advanceTimersByTimeAsync(50);
    }
    await vi.advanceTimersByTimeAsync(3_000);
    const most = (windowMs: number): number => Math.max(...times.map((at, i) => times.slice(i).filter((t) => t < at + windowMs).length));
    expect(most(1_000)).toBeLessThanOrEqual(9);
    expect(most(60_000)).toBeLessThanOrEqual(475);
    expect(FakeSocket.server?.doc.length).toBe(5 + 1_500);
    expect(screen.status?.unconfirmed).toBe(0);
  });

  it("refuses a circuit session in words", async () => {
    FakeSocket.server = null;
    const screen = new Screen(connect());
    await settle();
    FakeSocket.last.deliver({ type: "subscribed", session: "s", kind: "circuit", lineage: "L", rev: 0 });
    expect(screen.status).toMatchObject({ phase: "refused" });
    expect(screen.status?.reason).toContain("circuit");
  });

  it("says when the session is not for this user", async () => {
    FakeSocket.server = null;
    const screen = new Screen(connect());
    await settle();
    const { id } = FakeSocket.last.of("subscribe")[0] as { id: string };
    FakeSocket.last.deliver({ type: "error", code: "forbidden", message: "not yours", id });
    expect(screen.status).toMatchObject({ phase: "refused", reason: "not yours" });
  });
});

describe("presence", () => {
  it("follows peers through remote and local edits and ignores what is misshapen", async () => {
    const screen = new Screen(connect());
    await settle();
    const socket = FakeSocket.last;
    socket.deliver({
      type: "presence",
      session: "s",
      rev: 0,
      clients: { "tab-b": { user: "bob", state: { name: "Bob", color: "red;background:url(x)", cursor: 2, selection: [[1, 4], ["x"], 7] } } },
    });
    expect(screen.peers.get("tab-b")).toMatchObject({ user: "bob", name: "Bob", color: null, cursor: 2, selection: [[1, 4]] });
    screen.type(0, ">>");
    await settle();
    FakeSocket.server?.append("tab-b", 1, ChangeSet.of({ from: 7, insert: "abc" }, 7));
    socket.deliverItems(1);
    // Where Bob typed is where Bob is.
    expect(screen.peers.get("tab-b")?.cursor).toBe(10);
    socket.deliver({ type: "presence", session: "s", rev: 2, clients: { "tab-b": null } });
    expect(screen.peers.size).toBe(0);
  });

  it("sends the caret in confirmed positions, after typing has paused", async () => {
    const screen = new Screen(connect());
    await settle();
    screen.channel.announce(() => ({ name: "Ada", cursor: 3, selection: [[1, 3]] }));
    await vi.advanceTimersByTimeAsync(200);
    expect(FakeSocket.last.of("presence")).toHaveLength(1);
    for (let i = 0; i < 5; i += 1) {
      screen.type(5 + i, "!");
      screen.channel.announce(() => ({ name: "Ada", cursor: 6 + i }));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(FakeSocket.last.of("presence")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeSocket.last.of("presence")[1]).toMatchObject({ rev: 5, state: { name: "Ada", cursor: 10 } });
  });
});

describe("progress channels", () => {
  it("delivers each event once and resumes after a reconnect", async () => {
    const client = connect();
    await settle();
    const seen: unknown[] = [];
    const stop = client.watch("job:7", (data) => seen.push(data));
    expect(FakeSocket.last.of("subscribe")[0]).toMatchObject({ channel: "job:7" });
    FakeSocket.last.deliver({ type: "subscribed", channel: "job:7", seq: 1, state: { progress: 0.1 } });
    FakeSocket.last.deliver({ type: "event", channel: "job:7", seq: 2, data: { progress: 0.5 } });
    FakeSocket.last.deliver({ type: "event", channel: "job:7", seq: 2, data: { progress: 0.5 } });
    FakeSocket.last.drop(1012);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.last.of("subscribe")[0]).toMatchObject({ channel: "job:7", since: 2 });
    FakeSocket.last.deliver({ type: "subscribed", channel: "job:7", seq: 3, state: { progress: 1 }, events: [{ seq: 3, data: { progress: 1 } }] });
    expect(seen).toEqual([{ progress: 0.1 }, { progress: 0.5 }, { progress: 1 }]);
    stop();
    expect(FakeSocket.last.of("unsubscribe")).toHaveLength(1);
  });
});
