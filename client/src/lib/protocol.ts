/**
 * The wire of `docs/protocol.md`, version 1: what a client and the server say to each other.
 *
 * Offsets are UTF-16 code units, newline is `\n`, revisions count items from 1.
 */

export const SUBPROTOCOL = "synq.v1";
export const BEARER_PREFIX = "synq.bearer.";

/** A CodeMirror `ChangeSet` in its JSON form. */
export type Op = (number | [number, ...string[]])[];

export interface Since {
  lineage: string;
  rev: number;
}

/**
 * One entry of a session's history. `op` is absent on an `edit` of our own: it is the acknowledgement. An op is
 * read by the kind of document it is for.
 */
export interface Item {
  rev: number;
  client: string;
  user: string;
  seq: number;
  kind: string;
  op?: unknown;
  comment?: CommentDetail;
  ts?: number;
}

/** What a thread is about. */
export type Anchor = { line: number } | { from: number; to: number } | { gate: string };

export type CommentAction = "add" | "reply" | "edit" | "resolve" | "reopen" | "delete";

/** What a client says of a comment; the place of a new one is beside it. */
export interface CommentFields {
  action: CommentAction;
  thread?: string;
  comment?: string;
  text?: string;
}

/** What a `comment` item says, with the names the server gave. */
export interface CommentDetail {
  action: CommentAction;
  thread: string;
  comment?: string;
  text?: string;
  anchor?: Anchor;
  quote?: string;
  /** Of a `line`: the positions it stands for. */
  range?: [number, number];
}

export interface CommentEntry {
  id: string;
  user: string;
  text: string;
  ts: number;
  edited_ts?: number;
  deleted?: boolean;
}

export interface ThreadEntry {
  id: string;
  rev: number;
  anchor: Anchor;
  range?: [number, number];
  quote: string;
  orphaned: boolean;
  resolved: boolean;
  comments: CommentEntry[];
}

export interface PresenceState {
  name?: string;
  color?: string;
  cursor?: number;
  selection?: [number, number][];
  /** In a circuit session: the gates this user has selected. */
  gates?: string[];
}

export interface PresenceEntry {
  user: string;
  state: PresenceState;
}

export interface Welcome {
  type: "welcome";
  protocol: number;
  connection: string;
  user: string;
  heartbeat_ms: number;
  token_expires_at: number;
  limits: { per_second: number; per_minute: number; max_message_bytes: number };
  reconnect: { max_attempts: number; base_ms: number; cap_ms: number };
}

/** The whole state at one rev (`state`), or what was missed since the asked rev (`items`). */
export interface Subscribed {
  type: "subscribed" | "snapshot";
  session: string;
  kind?: string;
  lineage: string;
  rev: number;
  client?: string;
  acked?: number;
  role?: string;
  permissions?: string[];
  state?: unknown;
  items?: Item[];
  comments?: ThreadEntry[];
  presence?: Record<string, PresenceEntry | null>;
  undo_depth?: number;
  redo_depth?: number;
}

export interface Items {
  type: "items";
  session: string;
  lineage?: string;
  items: Item[];
}

export interface Ack {
  type: "ack";
  session: string;
  client: string;
  seq: number;
  rev: number;
}

export interface Nack {
  type: "nack";
  session: string;
  client: string;
  seq: number;
  code: string;
  message: string;
  retry_after_ms?: number;
}

export interface PresenceFrame {
  type: "presence";
  session: string;
  rev: number;
  clients: Record<string, PresenceEntry | null>;
}

export interface ErrorFrame {
  type: "error";
  code: string;
  message: string;
  id?: string | number;
  retry_after_ms?: number;
}

export interface Pong {
  type: "pong";
  t?: number;
  token_expires_at?: number;
}

export interface ChannelSubscribed {
  type: "subscribed";
  channel: string;
  seq: number;
  state?: unknown;
  events?: { seq: number; data: unknown }[];
}

export interface ChannelEvent {
  type: "event";
  channel: string;
  seq: number;
  data: unknown;
}

export interface Unsubscribed {
  type: "unsubscribed";
  session?: string;
  channel?: string;
}

export type ServerFrame =
  | Welcome
  | Subscribed
  | ChannelSubscribed
  | ChannelEvent
  | Items
  | Ack
  | Nack
  | PresenceFrame
  | ErrorFrame
  | Pong
  | Unsubscribed;

export interface EditMessage {
  type: "edit";
  session: string;
  client: string;
  seq: number;
  rev: number;
  group?: string;
  ops: Op[];
}

/**
 * Read one frame. Anything that is not a JSON object with a string `type` is null: a client must outlive
 * frames of a newer server, so what it does not know it skips.
 */
export function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== "string") return null;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return typeof (value as { type?: unknown }).type === "string" ? (value as ServerFrame) : null;
}

/** Whether a close code says *reconnect* (PROTOCOL section 6). */
export function mayReconnect(code: number): boolean {
  if (code >= 4500 && code <= 4999) return false;
  // 1002, 1003, 1007 and 1009 would only repeat the same quarrel.
  return ![1002, 1003, 1007, 1009].includes(code);
}

const CLOSE_REASONS: Record<number, string> = {
  4000: "The server is restarting.",
  4001: "This connection could not keep up.",
  4002: "The sign-in expired.",
  4004: "The server missed our heartbeat.",
  4500: "This sign-in was revoked.",
  4501: "You are no longer in this session: you were removed, or it was deleted.",
  4502: "The server closed the connection after repeated protocol errors.",
  4503: "This user is blocked.",
  4504: "This session was opened by a newer copy of this tab.",
};

/** A sentence for a person, about a close code; `said` is what the server wrote beside one we do not know. */
export function closeReason(code: number, said = ""): string {
  return CLOSE_REASONS[code] ?? (said || "The connection was lost.");
}

const CLIENT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * A fresh name for this editor instance. It lives in memory only: whatever a browser copies when a tab is
 * duplicated (sessionStorage is), two live tabs must not share it.
 */
export function newClientId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => CLIENT_ALPHABET[byte & 63]).join("");
}
