/** A WebSocket whose other end is a test. Every socket made is kept, the newest last. */
import type { FakeSession, Reply } from "./fake-server";

export class FakeSocket {
  static made: FakeSocket[] = [];
  /** What every new socket is welcomed with; null leaves it without a welcome. */
  static welcome: Record<string, unknown> | null = null;
  static server: FakeSession | null = null;

  static get last(): FakeSocket {
    const socket = FakeSocket.made[FakeSocket.made.length - 1];
    if (!socket) throw new Error("no socket was made");
    return socket;
  }

  static reset(server: FakeSession | null = null): void {
    FakeSocket.made = [];
    FakeSocket.server = server;
    FakeSocket.welcome = {
      type: "welcome",
      protocol: 1,
      connection: "c",
      user: "alice",
      heartbeat_ms: 30_000,
      token_expires_at: Date.now() / 1_000 + 3_600,
      limits: { per_second: 10, per_minute: 500, max_message_bytes: 102_400 },
      reconnect: { max_attempts: 3, base_ms: 1_000, cap_ms: 30_000 },
    };
  }

  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  wires: string[] = [];
  /** Stop answering, as a dead peer does. */
  deaf = false;
  client = "";

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.made.push(this);
    queueMicrotask(() => {
      this.readyState = 1;
      if (FakeSocket.welcome) this.deliver(FakeSocket.welcome);
    });
  }

  send(wire: string): void {
    const frame = JSON.parse(wire) as Record<string, unknown>;
    this.sent.push(frame);
    this.wires.push(wire);
    queueMicrotask(() => {
      if (!this.deaf) this.answer(frame);
    });
  }

  close(): void {
    this.readyState = 3;
  }

  deliver(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }

  of(type: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame["type"] === type);
  }

  private answer(frame: Record<string, unknown>): void {
    const { server } = FakeSocket;
    if (frame["type"] === "ping") {
      this.deliver({ type: "pong", t: frame["t"] });
    } else if (server && frame["type"] === "subscribe" && "session" in frame) {
      this.client = String(frame["client"]);
      this.deliver(server.subscribe(this.client, frame["since"] as { lineage: string; rev: number } | undefined));
    } else if (server && ["edit", "undo", "redo", "comment"].includes(String(frame["type"]))) {
      const before = server.rev;
      const reply: Reply | null = server.take(frame as unknown as Parameters<FakeSession["take"]>[0]);
      if (reply) this.deliver(reply);
      this.deliverItems(before);
    }
  }

  /** Send the server's items after `rev`. */
  deliverItems(rev: number): void {
    const { server } = FakeSocket;
    const items = server?.items.slice(rev).map((item) => server.view(item, this.client)) ?? [];
    if (items.length > 0) this.deliver({ type: "items", session: "s", items });
  }
}
