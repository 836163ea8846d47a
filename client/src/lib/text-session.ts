/**
 * One text session as a client sees it, without sockets, clocks or an editor.
 *
 * The visible document is `base ∘ inflight ∘ buffer`: what the server has confirmed, the one edit that was
 * sent, and what was typed since. The sent edit is frozen: a resend carries the very bytes of the first time,
 * because its number names them for ever. Server items are applied one at a time and each is mapped over the
 * unconfirmed edits; composing items first would place concurrent insertions elsewhere than the server does
 * (PROTOCOL section 4).
 */
import { ChangeSet, Text } from "@codemirror/state";
import type { EditMessage, Item, Since } from "./protocol";
import { diffText, keepPairsWhole, splitChanges, textOf } from "./text-ops";

interface InFlight {
  client: string;
  seq: number;
  /** The message as first sent; resent byte for byte. */
  wire: string;
  /** The same edit, mapped to the present revision. */
  changes: ChangeSet;
  edits: number;
}

/** What an item did: `changes` is for the visible document, null when nothing moves there. */
export type Received =
  | { outcome: "applied"; changes: ChangeSet | null; own: boolean; rev: number; op: ChangeSet | null }
  | { outcome: "known" }
  | { outcome: "gap" }
  | { outcome: "broken"; reason: string };

export class TextSession {
  rev = 0;
  lineage: string | null = null;
  private base: Text = Text.empty;
  private nextSeq = 1;
  private inflight: InFlight | null = null;
  private buffer: ChangeSet | null = null;
  private bufferedEdits = 0;

  constructor(
    readonly session: string,
    public client: string,
    private readonly maxMessageBytes = 102_400,
  ) {}

  get loaded(): boolean {
    return this.lineage !== null;
  }

  /** The document the user sees. */
  get visible(): Text {
    let doc = this.base;
    if (this.inflight) doc = this.inflight.changes.apply(doc);
    if (this.buffer) doc = this.buffer.apply(doc);
    return doc;
  }

  /** The document as the server has confirmed it at `rev`. */
  get confirmed(): Text {
    return this.base;
  }

  /** How many local edits no item has confirmed yet. */
  get unconfirmed(): number {
    return (this.inflight?.edits ?? 0) + this.bufferedEdits;
  }

  get hasInFlight(): boolean {
    return this.inflight !== null;
  }

  get since(): Since | null {
    return this.lineage === null ? null : { lineage: this.lineage, rev: this.rev };
  }

  /** The user typed: `changes` is relative to the visible document. */
  local(changes: ChangeSet): void {
    if (changes.empty) return;
    this.buffer = this.buffer ? this.buffer.compose(changes) : changes;
    this.bufferedEdits += 1;
  }

  /** Freeze what was typed into a message and return it; null while one is in flight or nothing was typed. */
  send(): string | null {
    if (this.inflight || !this.buffer || !this.loaded) return null;
    if (this.buffer.empty) {
      this.buffer = null;
      this.bufferedEdits = 0;
      return null;
    }
    // The envelope and the kept lengths need room beside the inserted text.
    const { first, rest } = splitChanges(this.buffer, Math.max(256, Math.floor(this.maxMessageBytes * 0.6)));
    this.freeze(first, rest ? 0 : this.bufferedEdits);
    this.buffer = rest;
    if (!rest) this.bufferedEdits = 0;
    return this.inflight && (this.inflight as InFlight).wire;
  }

  /** The unacknowledged message exactly as it was sent. */
  resend(): string | null {
    return this.inflight?.wire ?? null;
  }

  /**
   * After `nack stale` and the catch-up: the same edit against the present revision. Nothing of the refused
   * message was applied, so its number is still free.
   */
  rebase(): string | null {
    const { inflight } = this;
    if (!inflight) return null;
    this.freeze(inflight.changes, inflight.edits);
    return this.resend();
  }

  /** Apply one item of the history. */
  receive(item: Item): Received {
    if (!this.loaded || item.rev <= this.rev) return { outcome: "known" };
    if (item.rev !== this.rev + 1) return { outcome: "gap" };
    const { inflight } = this;
    if (inflight && item.client === inflight.client && item.seq === inflight.seq) {
      this.base = inflight.changes.apply(this.base);
      this.inflight = null;
      this.nextSeq = inflight.seq + 1;
      this.rev = item.rev;
      return { outcome: "applied", changes: null, own: true, rev: item.rev, op: inflight.changes };
    }
    if (item.op === undefined) {
      if (item.kind === "edit") {
        return { outcome: "broken", reason: `rev ${item.rev} confirms seq ${item.seq}, which is not in flight` };
      }
      this.rev = item.rev;
      return { outcome: "applied", changes: null, own: false, rev: item.rev, op: null };
    }
    let op: ChangeSet;
    try {
      op = ChangeSet.fromJSON(item.op);
    } catch {
      return { outcome: "broken", reason: `rev ${item.rev} carries no change set` };
    }
    if (op.length !== this.base.length) {
      return { outcome: "broken", reason: `rev ${item.rev} is for length ${op.length}, the text has ${this.base.length}` };
    }
    const changes = this.mapOver(op);
    this.base = op.apply(this.base);
    this.rev = item.rev;
    return { outcome: "applied", changes, own: false, rev: item.rev, op };
  }

  /**
   * Take a whole state. What the user typed and nobody confirmed is carried over by a line diff.
   * Returns the change that turns the visible document into the new one.
   */
  load(snapshot: { lineage: string; rev: number; state: string; acked?: number }): ChangeSet {
    const acked = snapshot.acked ?? (snapshot.lineage === this.lineage ? this.nextSeq - 1 : 0);
    const sameHistory = snapshot.lineage === this.lineage;
    if (this.inflight && sameHistory && this.inflight.client === this.client && acked >= this.inflight.seq) {
      this.base = this.inflight.changes.apply(this.base);
      this.inflight = null;
    }
    this.takeBack();
    const target = textOf(snapshot.state);
    const delta = diffText(this.base, target);
    const changes = this.mapOver(delta);
    this.base = target;
    this.lineage = snapshot.lineage;
    this.rev = snapshot.rev;
    this.nextSeq = acked + 1;
    return changes;
  }

  /** The in-flight edit becomes unsent again, to be sent afresh with whatever follows it. */
  takeBack(): void {
    const { inflight } = this;
    if (!inflight) return;
    this.buffer = this.buffer ? inflight.changes.compose(this.buffer) : inflight.changes;
    this.bufferedEdits += inflight.edits;
    this.nextSeq = inflight.seq;
    this.inflight = null;
  }

  /** Give up the edit the server refused. Returns the change that removes it from the visible document. */
  dropInFlight(): ChangeSet | null {
    const { inflight } = this;
    if (!inflight) return null;
    const inverse = inflight.changes.invert(this.base);
    this.inflight = null;
    this.nextSeq = inflight.seq;
    if (!this.buffer) return inverse;
    const visible = inverse.map(this.buffer, true);
    this.buffer = this.buffer.map(inverse);
    return visible;
  }

  /** Give up everything unconfirmed. Returns the change that removes it from the visible document. */
  dropUnconfirmed(): ChangeSet | null {
    this.takeBack();
    const pending = this.buffer;
    this.buffer = null;
    this.bufferedEdits = 0;
    return pending ? pending.invert(this.base) : null;
  }

  /** Continue under another name, from seq 1: the old one belongs to another tab now. */
  rename(client: string): void {
    this.takeBack();
    this.client = client;
    this.nextSeq = 1;
  }

  /** Adopt the server's count for this client when nothing of ours is on its way. */
  adoptAcked(acked: number): void {
    if (!this.inflight) this.nextSeq = Math.max(this.nextSeq, acked + 1);
  }

  get inflightSeq(): number | null {
    return this.inflight?.seq ?? null;
  }

  /** From a position in the confirmed text to the visible one. */
  toVisible(pos: number, assoc = -1): number {
    let at = Math.max(0, Math.min(pos, this.base.length));
    if (this.inflight) at = this.inflight.changes.mapPos(at, assoc);
    if (this.buffer) at = this.buffer.mapPos(at, assoc);
    return at;
  }

  /** From a position in the visible text to the confirmed one: inside our own new text, where it begins. */
  toConfirmed(pos: number): number {
    let at = pos;
    if (this.buffer) at = this.buffer.invertedDesc.mapPos(Math.min(at, this.buffer.newLength), -1);
    if (this.inflight) at = this.inflight.changes.invertedDesc.mapPos(Math.min(at, this.inflight.changes.newLength), -1);
    return at;
  }

  /** Map `remote` past what is unconfirmed, and that past it. The remote change was accepted first. */
  private mapOver(remote: ChangeSet): ChangeSet {
    let change = remote;
    if (this.inflight) {
      const mapped = this.inflight.changes.map(change);
      change = change.map(this.inflight.changes, true);
      this.inflight.changes = mapped;
    }
    if (this.buffer) {
      const mapped = this.buffer.map(change);
      change = change.map(this.buffer, true);
      this.buffer = mapped;
    }
    return change;
  }

  private freeze(changes: ChangeSet, edits: number): void {
    const whole = keepPairsWhole(changes, this.base);
    const message: EditMessage = {
      type: "edit",
      session: this.session,
      client: this.client,
      seq: this.nextSeq,
      rev: this.rev,
      ops: [whole.toJSON() as EditMessage["ops"][number]],
    };
    this.inflight = { client: this.client, seq: this.nextSeq, wire: JSON.stringify(message), changes: whole, edits };
  }
}
