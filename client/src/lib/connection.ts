/** What a connection is asked for, what it says about itself, and what its channels need of it. */
import type { Pacer } from "./pacer";
import type { ErrorFrame, ServerFrame } from "./protocol";

/** Gives a valid JWT. With `fresh`, one that lives longer than the present one, where there is such a thing. */
export type TokenProvider = (options: { fresh: boolean }) => Promise<string>;

/** What a refused handshake means; the browser hides its status from us, so the owner asks over HTTP. */
export type Diagnosis = "retry" | "unauthorized" | "not_found" | "forbidden";

export type ConnectionState =
  | { phase: "idle" }
  | { phase: "connecting"; attempt: number }
  | { phase: "live"; since: number }
  | { phase: "waiting"; attempt: number; retryAt: number; reason: string }
  | { phase: "offline"; reason: string }
  | { phase: "refused"; code: number | Exclude<Diagnosis, "retry">; reason: string };

export interface ConnectionStatistics {
  connects: number;
  reconnects: number;
  messagesSent: number;
  messagesReceived: number;
  bytesSent: number;
  bytesReceived: number;
  pingsSent: number;
  rttMs: number | null;
  smoothedRttMs: number | null;
  resent: number;
  nacks: number;
  rateLimited: number;
  lastCloseCode: number | null;
  unacknowledged: number;
}

export interface SecureWebSocketOptions {
  /** `ws://…/ws/collaborate` or `wss://…`, without a query. */
  url: string;
  /** The routing hint, and the session whose permissions are checked at the handshake. */
  session: string;
  token: TokenProvider;
  diagnose?: () => Promise<Diagnosis>;
  /** For tests. */
  WebSocket?: typeof WebSocket;
  random?: () => number;
}

/** What the connection needs of a session's channel. */
export interface Channel {
  readonly unconfirmed: number;
  connected(): void;
  disconnected(code: number): void;
  frame(frame: ServerFrame): void;
  error(error: ErrorFrame): void;
  close(): void;
}

/** What the channels need of the connection. */
export interface Wire {
  readonly live: boolean;
  /** The user the server signed in, once it said so. */
  readonly user: string | null;
  readonly pacer: Pacer;
  readonly maxMessageBytes: number;
  /** Send one frame now. False when there is no live socket. */
  transmit(frame: string | object): boolean;
  countResend(): void;
}
