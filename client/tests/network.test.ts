/** Whole clients, sockets included, on a network that delays, repeats, loses and refuses. */
import { ChangeSet, Text } from "@codemirror/state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EditMessage } from "../src/lib/protocol";
import type { TextChannel } from "../src/lib/text-channel";
import { SecureWebSocketClient } from "../src/lib/websocket-secure";
import { textOf } from "../src/lib/text-ops";
import { FakeSession } from "./fake-server";

/** Mulberry32: small, seeded, good enough to make the same trouble twice. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Network {
  sockets = new Set<Link>();
  trouble = true;

  constructor(
    readonly server: FakeSession,
    readonly random: () => number,
  ) {}

  chance(share: number): boolean {
    return this.trouble && this.random() < share;
  }

  broadcast(from: number): void {
    for (const socket of this.sockets) socket.items(from);
  }
}

class Link {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;
  client: string | null = null;
  private up = 0;
  private down = 0;

  constructor(readonly network: Network) {
    network.sockets.add(this);
    setTimeout(() => {
      this.readyState = 1;
      this.deliver({
        type: "welcome", protocol: 1, connection: "c", user: "u", heartbeat_ms: 30_000, token_expires_at: Date.now() / 1_000 + 86_400,
        limits: { per_second: 1_000, per_minute: 50_000, max_message_bytes: 102_400 },
        reconnect: { max_attempts: 1_000, base_ms: 10, cap_ms: 100 },
      });
    }, 1);
  }

  send(wire: string): void {
    // In order, each after its own delay, as TCP would.
    this.up = Math.max(this.up, Date.now() + this.network.random() * 40);
    setTimeout(() => {
      if (this.readyState === 1) this.serve(wire);
    }, this.up - Date.now());
  }

  close(): void {
    this.readyState = 3;
    this.network.sockets.delete(this);
  }

  drop(): void {
    const tell = this.onclose;
    this.close();
    tell?.({ code: 1006, reason: "" });
  }

  deliver(frame: object): void {
    const text = JSON.stringify(frame);
    this.down = Math.max(this.down, Date.now() + this.network.random() * 40);
    setTimeout(() => {
      if (this.readyState === 1) this.onmessage?.({ data: text });
    }, this.down - Date.now());
  }

  items(from: number): void {
    if (this.client === null) return;
    const { server } = this.network;
    // A repeated item must be harmless, and so must a larger frame than needed.
    const start = this.network.chance(0.1) ? Math.max(0, from - 2) : from;
    const items = server.items.slice(start).map((item) => server.view(item, this.client ?? ""));
    if (items.length > 0) this.deliver({ type: "items", session: "s", items });
  }

  private serve(wire: string): void {
    const { server } = this.network;
    const frame = JSON.parse(wire) as Record<string, unknown>;
    if (frame["type"] === "ping") this.deliver({ type: "pong", t: frame["t"] });
    if (frame["type"] === "subscribe") {
      this.client = String(frame["client"]);
      this.deliver(server.subscribe(this.client, frame["since"] as { lineage: string; rev: number } | undefined));
    }
    if (frame["type"] !== "edit") return;
    const edit = frame as unknown as EditMessage;
    if (this.network.chance(0.05)) {
      const code = this.network.random() < 0.5 ? "rate_limited" : "overloaded";
      this.deliver({ type: "nack", session: "s", client: edit.client, seq: edit.seq, code, message: "", retry_after_ms: 50 });
      return;
    }
    if (this.network.chance(0.05)) server.keptFrom = Math.max(0, server.rev - 3);
    const before = server.rev;
    const reply = server.take(edit);
    if (reply) this.deliver(reply);
    this.network.broadcast(before);
  }
}

class Typist {
  shown = Text.empty;
  rejected = 0;
  readonly client: SecureWebSocketClient;
  readonly channel: TextChannel;

  constructor(network: Network) {
    const socket = function (): Link {
      return new Link(network);
    } as unknown as typeof WebSocket;
    this.client = new SecureWebSocketClient({
      url: "ws://host/ws",
      session: "s",
      token: () => Promise.resolve("a.b.c"),
      WebSocket: socket,
      random: network.random,
    });
    this.channel = this.client.openText("s", {
      onChanges: (changes) => (this.shown = changes.apply(this.shown)),
      onStatus: () => {},
      onPeers: () => {},
      onRejected: () => void (this.rejected += 1),
    });
    this.client.connect();
  }

  type(random: () => number): void {
    if (this.channel.status.phase === "loading") return;
    const points = Array.from(this.shown.toString());
    const start = Math.floor(random() * (points.length + 1));
    const from = points.slice(0, start).join("").length;
    const gone = random() < 0.3 ? points.slice(start, start + 2).join("").length : 0;
    const insert = random() < 0.75 ? (["a", "bc", "\n", "😀"][Math.floor(random() * 4)] ?? "") : "";
    const changes = ChangeSet.of({ from, to: from + gone, insert: textOf(insert) }, this.shown.length);
    if (changes.empty) return;
    this.shown = changes.apply(this.shown);
    this.channel.local(changes);
  }
}

describe("whole clients on a bad network", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("converge, seed %i", async (seed) => {
    const random = generator(seed);
    const server = new FakeSession("OPENQASM 3.0;\n😀");
    const network = new Network(server, random);
    const typists = Array.from({ length: 4 }, () => new Typist(network));
    for (let step = 0; step < 400; step += 1) {
      const typist = typists[Math.floor(random() * typists.length)] as Typist;
      if (random() < 0.7) typist.type(random);
      if (network.chance(0.02)) [...network.sockets][Math.floor(random() * network.sockets.size)]?.drop();
      await vi.advanceTimersByTimeAsync(Math.floor(random() * 30));
    }
    network.trouble = false;
    await vi.advanceTimersByTimeAsync(60_000);
    for (const typist of typists) {
      expect(typist.client.statistics.unacknowledged).toBe(0);
      expect(typist.shown.toString()).toBe(server.doc.toString());
      expect(typist.rejected).toBe(0);
      typist.client.close();
    }
    expect(server.rev).toBeGreaterThan(50);
  });
});
