/**
 * The comment threads of one session and the places they are about: the same fold of the history as the
 * server's, so that a place here is the place there, at every rev. Threads are immutable; a change makes others.
 */
import type { ChangeSet, Text } from "@codemirror/state";
import type { Anchor, CommentDetail, CommentEntry, Item, ThreadEntry } from "./protocol";

/** Of the words an anchor is about, the server keeps so many; a longer quote cannot find its text again. */
const MAX_QUOTE = 200;

export interface Thread {
  readonly id: string;
  readonly rev: number;
  readonly kind: "range" | "line" | "gate";
  /** Positions in the confirmed text; 0 for a gate. */
  readonly from: number;
  readonly to: number;
  readonly gate: string | null;
  readonly quote: string;
  readonly orphaned: boolean;
  readonly resolved: boolean;
  readonly comments: readonly CommentEntry[];
}

/** Carries a thread over an op; `after` is the document after it. */
export type Mover<O, S> = (thread: Thread, op: O | null, returns: boolean, after: S) => Thread;

export class ThreadBook<O, S> {
  private threads = new Map<string, Thread>();

  constructor(
    private readonly move: Mover<O, S>,
    private readonly lineRange: (line: number, state: S) => [number, number] = () => [0, 0],
  ) {}

  get all(): readonly Thread[] {
    return [...this.threads.values()];
  }

  /** Take the server's own account, which belongs to `state`. */
  load(entries: readonly ThreadEntry[], state: S): void {
    this.threads = new Map(
      entries.map(({ id, rev, anchor, range, quote, orphaned, resolved, comments }) => [
        id,
        { id, rev, ...this.place(anchor, range, state), quote, orphaned, resolved, comments },
      ]),
    );
  }

  /** Fold the next item in; `after` is the confirmed document after it. True when any thread changed. */
  note(item: Item, op: O | null, after: S): boolean {
    if (item.comment) {
      this.say(item, item.comment, after);
      return true;
    }
    if (op === null || this.threads.size === 0) return false;
    const returns = item.kind === "undo" || item.kind === "redo" || item.kind === "restore";
    for (const [id, thread] of this.threads) this.threads.set(id, this.move(thread, op, returns, after));
    return true;
  }

  private place(anchor: Anchor, range: [number, number] | undefined, state: S): Pick<Thread, "kind" | "from" | "to" | "gate"> {
    if ("gate" in anchor) return { kind: "gate", from: 0, to: 0, gate: anchor.gate };
    if ("line" in anchor) {
      const [from, to] = range ?? this.lineRange(anchor.line, state);
      return { kind: "line", from, to, gate: null };
    }
    return { kind: "range", from: anchor.from, to: anchor.to, gate: null };
  }

  private say(item: Item, detail: CommentDetail, state: S): void {
    const { action, comment } = detail;
    if (action === "add" && detail.anchor) {
      const place = this.place(detail.anchor, detail.range, state);
      const { quote = "" } = detail;
      this.threads.set(detail.thread, { id: detail.thread, rev: item.rev, ...place, quote, orphaned: false, resolved: false, comments: [] });
    }
    const thread = this.threads.get(detail.thread);
    if (!thread) return;
    const ts = item.ts ?? 0;
    let { comments, resolved } = thread;
    if (action === "add" || action === "reply") {
      comments = [...comments, { id: comment ?? "", user: item.user, text: detail.text ?? "", ts }];
    } else if (action === "edit") {
      comments = comments.map((each) => (each.id === comment ? { ...each, text: detail.text ?? "", edited_ts: ts } : each));
    } else if (action === "delete") {
      comments = comments.map((each) => (each.id === comment ? { id: each.id, user: each.user, text: "", ts: each.ts, deleted: true } : each));
    } else {
      resolved = action === "resolve";
    }
    if (comments.every((each) => each.deleted)) this.threads.delete(thread.id);
    else this.threads.set(thread.id, { ...thread, comments, resolved });
  }
}

/** As the server moves a place of a text: `actors/collab/comments.py`. */
export function moveInText(thread: Thread, op: ChangeSet | null, returns: boolean, after: Text): Thread {
  if (op === null || thread.kind === "gate") return thread;
  const held = thread.to > thread.from;
  const from = op.mapPos(thread.from, 1);
  const to = Math.max(from, op.mapPos(thread.to, -1));
  if (!thread.orphaned && !(held && from === to)) return from === thread.from && to === thread.to ? thread : { ...thread, from, to };
  // Where the text was: an undo puts it back there, among what was deleted with it.
  const start = op.mapPos(thread.from, -1);
  const { quote } = thread;
  if (returns && quote.length > 0 && quote.length < MAX_QUOTE) {
    const found = after.sliceString(start, from).indexOf(quote);
    if (found >= 0) return { ...thread, orphaned: false, from: start + found, to: start + found + quote.length };
  }
  return { ...thread, orphaned: true, from: start, to: start };
}

/** The positions of a 1-based line, with its line break, so that an empty line has something that can go. */
export function lineRange(line: number, doc: Text): [number, number] {
  const at = doc.line(Math.min(Math.max(1, line), doc.lines));
  return [at.from, Math.min(doc.length, at.to + 1)];
}
