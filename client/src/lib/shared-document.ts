/**
 * One session as a client sees it, without sockets, clocks or an editor.
 *
 * The visible document is `base`, what the server has confirmed, with the ops of the queue applied. The queue
 * holds what the user did and the history does not have yet, in order: edits, undos, redos, comments. Only its
 * head is ever sent, and once sent it is frozen: a resend carries the very bytes of the first time, because its
 * number names them for ever. Server items are applied one at a time and each is mapped over the queue;
 * composing items first would place concurrent insertions elsewhere than the server does (PROTOCOL section 4).
 */
import type { DocumentKind, Place } from "./document-kind";
import type { CommentFields, Item, Since } from "./protocol";

interface Sent {
  client: string;
  seq: number;
  /** The message as first sent; resent byte for byte. */
  wire: string;
}

type Change<O> =
  | { kind: "edit"; op: O; edits: number; group: string | null }
  | { kind: "undo" | "redo" }
  | { kind: "comment"; fields: CommentFields; place: Place | null };

export type Entry<O> = Change<O> & { sent: Sent | null };

/** What an item did: `changes` is for the visible document, null when nothing moves there. */
export type Received<O> =
  | { outcome: "applied"; changes: O | null; own: boolean; rev: number; op: O | null; group: string | null }
  | { outcome: "known" }
  | { outcome: "gap" }
  | { outcome: "broken"; reason: string };

/** What the user did that will never be in the history, in a form that can be copied. */
export interface Unsent {
  edits: number;
  text: string;
  comments: string[];
}

export interface Snapshot {
  lineage: string;
  rev: number;
  state: unknown;
  acked?: number;
}

/** Beyond this many waiting messages, further edits join the last one, whatever their undo group. */
const MAX_WAITING = 24;

export class SharedDocument<O, S> {
  rev = 0;
  lineage: string | null = null;
  protected base: S;
  protected queue: Entry<O>[] = [];
  private nextSeq = 1;
  private lost: Unsent | null = null;

  constructor(
    readonly kind: DocumentKind<O, S>,
    readonly session: string,
    public client: string,
    private readonly maxMessageBytes = 102_400,
  ) {
    this.base = kind.nothing;
  }

  get loaded(): boolean {
    return this.lineage !== null;
  }

  /** The document the user sees. */
  get visible(): S {
    return this.edits().reduce((state, edit) => this.kind.apply(edit.op, state), this.base);
  }

  /** The document as the server has confirmed it at `rev`. */
  get confirmed(): S {
    return this.base;
  }

  /** How many things the user did that no item has confirmed yet. */
  get unconfirmed(): number {
    return this.queue.reduce((sum, entry) => sum + (entry.kind === "edit" ? entry.edits : 1), 0);
  }

  get waiting(): readonly Entry<O>[] {
    return this.queue;
  }

  get hasInFlight(): boolean {
    return this.sent !== null;
  }

  get inflightSeq(): number | null {
    return this.sent?.seq ?? null;
  }

  get since(): Since | null {
    return this.lineage === null ? null : { lineage: this.lineage, rev: this.rev };
  }

  /** The user changed the visible document. Edits of one `group` are undone together. */
  local(op: O, group: string | null = null): void {
    if (this.kind.isEmpty(op)) return;
    const last = this.queue[this.queue.length - 1];
    const joins = last?.kind === "edit" && last.sent === null && (last.group === group || this.queue.length >= MAX_WAITING);
    if (joins) {
      last.op = this.kind.compose(last.op, op);
      last.edits += 1;
    } else {
      this.queue.push({ kind: "edit", op, edits: 1, group, sent: null });
    }
  }

  /** Ask for an undo or redo, after everything done so far. False when too many wait already. */
  step(kind: "undo" | "redo"): boolean {
    if (this.queue.length >= MAX_WAITING) return false;
    this.queue.push({ kind, sent: null });
    return true;
  }

  /** Say something; `place`, for a new thread, is in the visible document. */
  comment(fields: CommentFields, place: Place | null): void {
    this.queue.push({ kind: "comment", fields, place, sent: null });
  }

  /** Freeze what is next into a message and return it; null while one is in flight or nothing waits. */
  send(): string | null {
    if (this.sent || !this.loaded) return null;
    while (this.queue[0]?.kind === "edit" && this.kind.isEmpty(this.queue[0].op)) this.queue.shift();
    return this.freeze();
  }

  /** The unacknowledged message exactly as it was sent. */
  resend(): string | null {
    return this.sent && this.sent.client === this.client ? this.sent.wire : null;
  }

  /**
   * After `nack stale` and the catch-up: the same against the present revision. Nothing of the refused message
   * was applied, so its number is still free.
   */
  rebase(): string | null {
    return this.sent ? this.freeze() : null;
  }

  /** Apply one item of the history. */
  receive(item: Item): Received<O> {
    if (!this.loaded || item.rev <= this.rev) return { outcome: "known" };
    if (item.rev !== this.rev + 1) return { outcome: "gap" };
    const head = this.queue[0];
    const own = head?.sent != null && item.client === head.sent.client && item.seq === head.sent.seq;
    if (own && head.kind === "edit") {
      this.base = this.kind.apply(head.op, this.base);
      this.settleHead(item.rev);
      return { outcome: "applied", changes: null, own, rev: item.rev, op: head.op, group: head.group };
    }
    let op: O | null = null;
    if (item.op !== undefined) {
      try {
        op = this.kind.readOp(item.op);
      } catch {
        return { outcome: "broken", reason: `rev ${item.rev} carries no op` };
      }
      const mismatch = this.kind.mismatch(op, this.base);
      if (mismatch !== null) return { outcome: "broken", reason: `rev ${item.rev}: ${mismatch}` };
    } else if (item.kind === "edit") {
      return { outcome: "broken", reason: `rev ${item.rev} confirms seq ${item.seq}, which is not in flight` };
    }
    if (own) this.settleHead(item.rev);
    this.rev = item.rev;
    if (op === null) return { outcome: "applied", changes: null, own, rev: item.rev, op, group: null };
    const changes = this.mapOver(op);
    this.base = this.kind.apply(op, this.base);
    return { outcome: "applied", changes, own, rev: item.rev, op, group: null };
  }

  /**
   * Take a whole state; returns the change that turns the visible document into the new one.
   *
   * Within one history what the user typed and nobody confirmed is carried over by a difference. A history that
   * was replaced is another document: edits made for the old one are given up, and `takeUnsent` has them.
   */
  load(snapshot: Snapshot): O {
    const sameHistory = snapshot.lineage === this.lineage;
    const acked = snapshot.acked ?? (sameHistory ? this.nextSeq - 1 : 0);
    const target = this.kind.load(snapshot.state);
    const head = this.queue[0];
    const accepted = head?.sent != null && head.sent.client === this.client && acked >= head.sent.seq;
    let changes: O;
    if (sameHistory || !this.loaded) {
      if (accepted) {
        if (head.kind === "edit") this.base = this.kind.apply(head.op, this.base);
        this.queue.shift();
      }
      changes = this.mapOver(this.kind.difference(this.base, target));
    } else {
      changes = this.kind.difference(this.visible, target);
      if (accepted) this.queue.shift();
      this.giveUpQueue();
    }
    this.base = target;
    this.lineage = snapshot.lineage;
    this.rev = snapshot.rev;
    this.takeBack();
    this.nextSeq = acked + 1;
    return changes;
  }

  /** What `load` had to give up, once. */
  takeUnsent(): Unsent | null {
    const { lost } = this;
    this.lost = null;
    return lost;
  }

  /** The message in flight becomes unsent again, to be sent afresh. */
  takeBack(): void {
    const head = this.queue[0];
    if (!head?.sent) return;
    this.nextSeq = head.sent.seq;
    head.sent = null;
  }

  /** Give up what the server refused. `changes` removes it from the visible document. */
  dropHead(): { entry: Entry<O>; changes: O | null } | null {
    const entry = this.queue[0];
    if (!entry) return null;
    if (entry.sent) this.nextSeq = entry.sent.seq;
    const inverse = entry.kind === "edit" ? this.kind.invert(entry.op, this.base) : null;
    this.queue.shift();
    return { entry, changes: inverse === null ? null : this.mapOver(inverse) };
  }

  /** Give up everything that would change the document. Returns the change that removes it from what is visible. */
  dropChanges(): O | null {
    if (this.queue[0]?.sent) this.nextSeq = this.queue[0].sent.seq;
    const changes = this.edits().length > 0 ? this.kind.difference(this.visible, this.base) : null;
    this.queue = this.queue.filter((entry) => entry.kind === "comment");
    for (const entry of this.queue) {
      entry.sent = null;
      if (changes && entry.kind === "comment" && entry.place) entry.place = this.kind.movePlace(entry.place, changes);
    }
    return changes;
  }

  /** Continue under another name, from seq 1: the old one belongs to another tab now. */
  rename(client: string): void {
    this.client = client;
    this.nextSeq = 1;
  }

  /** What the server has of this client, once all items up to now are applied. */
  adoptAcked(acked: number): void {
    const { sent } = this;
    // Sent under a name we no longer have, and not among the items: it was not accepted.
    if (sent && sent.client !== this.client && this.queue[0]) this.queue[0].sent = null;
    if (!this.sent) this.nextSeq = Math.max(this.nextSeq, acked + 1);
  }

  protected edits(): { op: O }[] {
    return this.queue.filter((entry): entry is Entry<O> & { kind: "edit" } => entry.kind === "edit");
  }

  private get sent(): Sent | null {
    return this.queue[0]?.sent ?? null;
  }

  /** Map `remote` past what is unconfirmed, and that past it. The remote change was accepted first. */
  private mapOver(remote: O): O {
    let change = remote;
    for (const entry of this.queue) {
      if (entry.kind === "comment" && entry.place) entry.place = this.kind.movePlace(entry.place, change);
      if (entry.kind !== "edit") continue;
      const mapped = this.kind.map(entry.op, change, false);
      change = this.kind.map(change, entry.op, true);
      entry.op = mapped;
    }
    return change;
  }

  private settleHead(rev: number): void {
    const head = this.queue.shift();
    if (head?.sent && head.sent.client === this.client) this.nextSeq = head.sent.seq + 1;
    this.rev = rev;
  }

  private giveUpQueue(): void {
    const lost: Unsent = { edits: 0, text: "", comments: [] };
    const texts: string[] = [];
    this.queue = this.queue.filter((entry) => {
      if (entry.kind === "comment" && entry.place === null) return true;
      if (entry.kind === "edit") {
        lost.edits += entry.edits;
        texts.push(this.kind.salvage(entry.op));
      } else if (entry.kind === "comment") {
        lost.comments.push(entry.fields.text ?? "");
      }
      return false;
    });
    lost.text = texts.filter(Boolean).join("\n");
    if (lost.edits > 0 || lost.comments.length > 0) this.lost = lost;
  }

  private freeze(): string | null {
    const head = this.queue[0];
    if (!head) return null;
    const message = this.message(head);
    head.sent = { client: this.client, seq: this.nextSeq, wire: JSON.stringify(message) };
    return head.sent.wire;
  }

  private message(head: Entry<O>): object {
    const { session, client, nextSeq: seq, rev } = this;
    if (head.kind === "comment") {
      const anchor = head.place && this.kind.anchor(head.place, this.base);
      const place = head.place ? { anchor: anchor ?? {}, rev } : {};
      return { type: "comment", session, client, seq, ...head.fields, ...place };
    }
    if (head.kind !== "edit") return { type: head.kind, session, client, seq };
    // The envelope and the kept lengths need room beside what is inserted.
    const { first, rest } = this.kind.prepare(head.op, this.base, Math.max(256, Math.floor(this.maxMessageBytes * 0.6)));
    head.op = first;
    if (rest !== null) {
      this.queue.splice(1, 0, { kind: "edit", op: rest, edits: head.edits, group: head.group, sent: null });
      head.edits = 0;
    }
    const group = head.group === null ? {} : { group: head.group };
    return { type: "edit", session, client, seq, rev, ...group, ops: [this.kind.writeOp(first)] };
  }
}
