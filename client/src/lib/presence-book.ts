/**
 * Where the others are. Positions arrive for some revision of the confirmed text and are kept in the visible
 * one, moved along with every change to it.
 */
import type { ChangeDesc, ChangeSet } from "@codemirror/state";
import type { PresenceEntry } from "./protocol";
import type { TextSession } from "./text-session";

export interface Peer {
  client: string;
  user: string;
  name: string;
  color: string | null;
  cursor: number | null;
  selection: readonly (readonly [number, number])[];
  /** Grows whenever this peer itself moved, not when its place was moved by others' edits. */
  moves: number;
}

/** How many confirmed changes are kept, to bring a position of an older revision up to date. */
const KEPT_CHANGES = 300;
const MAX_RANGES = 16;

export class PresenceBook {
  private entries = new Map<string, Peer>();
  private recent: { rev: number; changes: ChangeDesc }[] = [];

  get peers(): ReadonlyMap<string, Peer> {
    return this.entries;
  }

  othersThan(client: string): ReadonlyMap<string, Peer> {
    if (!this.entries.has(client)) return this.entries;
    const others = new Map(this.entries);
    others.delete(client);
    return others;
  }

  /** A confirmed change happened; positions of revisions before it can still be mapped. */
  advance(rev: number, changes: ChangeSet): void {
    this.recent.push({ rev, changes: changes.desc });
    if (this.recent.length > KEPT_CHANGES) this.recent.shift();
  }

  /** Another whole state was loaded: positions of older revisions mean nothing in it. */
  restart(): void {
    this.recent = [];
  }

  /** The visible document changed. */
  mapVisible(changes: ChangeDesc): void {
    if (changes.empty) return;
    const map = (pos: number): number => changes.mapPos(Math.min(pos, changes.length), -1);
    for (const [client, peer] of this.entries) {
      this.entries.set(client, {
        ...peer,
        cursor: peer.cursor === null ? null : map(peer.cursor),
        selection: peer.selection.map(([a, b]) => [map(a), map(b)] as const),
      });
    }
  }

  /** `client` made this change, so its caret is where the change ends: no presence message is needed for that. */
  typed(client: string, op: ChangeSet, session: TextSession): void {
    const peer = this.entries.get(client);
    if (!peer) return;
    let end: number | null = null;
    op.iterChanges((_fromA, _toA, _fromB, toB) => {
      end = toB;
    });
    if (end !== null) this.entries.set(client, { ...peer, cursor: session.toVisible(end), selection: [], moves: peer.moves + 1 });
  }

  update(clients: Record<string, PresenceEntry | null>, rev: number, session: TextSession): void {
    for (const [client, entry] of Object.entries(clients)) {
      const peer = entry && this.read(client, entry, rev, session);
      if (peer) this.entries.set(client, peer);
      else this.entries.delete(client);
    }
  }

  replace(clients: Record<string, PresenceEntry | null>, rev: number, session: TextSession): void {
    this.entries.clear();
    this.update(clients, rev, session);
  }

  clear(): void {
    this.entries.clear();
  }

  /** Another user's browser wrote this: take only what has the right shape and a sane size. */
  private read(client: string, entry: PresenceEntry, rev: number, session: TextSession): Peer | null {
    if (typeof entry !== "object" || typeof entry.user !== "string") return null;
    const state = typeof entry.state === "object" && entry.state !== null ? entry.state : {};
    const place = (pos: unknown): number | null => {
      if (typeof pos !== "number" || !Number.isInteger(pos) || pos < 0) return null;
      let at = pos;
      for (const { rev: changed, changes } of this.recent) {
        if (changed > rev) at = changes.mapPos(Math.min(at, changes.length), -1);
      }
      return session.toVisible(at);
    };
    const selection: (readonly [number, number])[] = [];
    for (const range of Array.isArray(state.selection) ? state.selection.slice(0, MAX_RANGES) : []) {
      const [a, b] = Array.isArray(range) ? [place(range[0]), place(range[1])] : [null, null];
      if (a !== null && b !== null && a !== b) selection.push([Math.min(a, b), Math.max(a, b)]);
    }
    return {
      client,
      user: entry.user,
      name: typeof state.name === "string" && state.name.trim() ? state.name.trim().slice(0, 40) : entry.user,
      color: typeof state.color === "string" && /^#[0-9a-f]{6}$/i.test(state.color) ? state.color : null,
      cursor: place(state.cursor),
      selection,
      moves: (this.entries.get(client)?.moves ?? 0) + 1,
    };
  }
}
