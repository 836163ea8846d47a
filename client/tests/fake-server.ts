/** A session server as PROTOCOL sections 3 and 4 describe it, in memory, for tests. */
import { ChangeSet, Text } from "@codemirror/state";
import type { EditMessage, Item, Op } from "../src/lib/protocol";

export interface Reply {
  type: string;
  [key: string]: unknown;
}

export class FakeSession {
  lineage = "L1";
  permissions = ["read", "write", "comment"];
  doc: Text;
  items: (Item & { changes: ChangeSet; before: Text })[] = [];
  acked = new Map<string, { seq: number; rev: number; wire: string }>();
  /** Oldest rev a `since` or an edit may name. */
  keptFrom = 0;

  constructor(content: string) {
    this.doc = Text.of(content.split("\n"));
  }

  get rev(): number {
    return this.items.length;
  }

  /** An item as `client` is to see it: its own edits come without `op`. */
  view(item: Item, client: string): Item {
    const { rev, user, seq, kind } = item;
    const shown: Item = { rev, client: item.client, user, seq, kind };
    if (!(item.client === client && kind === "edit") && item.op) shown.op = item.op;
    return shown;
  }

  /** Replace the history: the document is another, under a new lineage. */
  restore(content: string, lineage: string): void {
    this.append("restore", this.rev + 1, ChangeSet.of({ from: 0, to: this.doc.length, insert: content }, this.doc.length), "r", "restore");
    this.lineage = lineage;
    this.keptFrom = this.rev;
  }

  /** Take one message, whatever it is. Null when it was appended. */
  take(message: { type: string; client: string; seq: number; session: string }): Reply | null {
    if (message.type === "edit") return this.edit(message as unknown as EditMessage);
    const { client, seq } = message;
    const about = { session: message.session, client, seq };
    const last = this.acked.get(client) ?? { seq: 0, rev: 0, wire: "" };
    if (seq <= last.seq) return { type: "ack", ...about, rev: last.rev };
    if (seq !== last.seq + 1) return { type: "nack", ...about, code: "gap", message: `expected ${last.seq + 1}` };
    if (message.type === "comment") {
      this.appendOther(client, "comment", seq);
    } else {
      const kind = message.type;
      const op = this.backwards(client, kind);
      if (op === null) return { type: "nack", ...about, code: "invalid", message: "nothing to undo" };
      this.append(client, seq, op, "u", kind);
    }
    this.acked.set(client, { seq, rev: this.rev, wire: JSON.stringify(message) });
    return null;
  }

  /** What takes back the newest change of `client` that stands (or its newest undo), as it applies now. */
  private backwards(client: string, kind: string): ChangeSet | null {
    const open: number[] = [];
    const undone: number[] = [];
    this.items.forEach((item, index) => {
      if (item.client !== client) return;
      if (item.kind === "edit") undone.length = 0;
      if (item.kind === "edit" || item.kind === "redo") open.push(index);
      if (item.kind === "undo") undone.push(index);
      if (item.kind === "undo") open.pop();
      if (item.kind === "redo") undone.pop();
    });
    const index = (kind === "undo" ? open : undone).pop();
    const item = index === undefined ? undefined : this.items[index];
    if (index === undefined || !item) return null;
    const back = this.items.slice(index + 1).reduce((op, later) => op.map(later.changes, true), item.changes.invert(item.before));
    return back.empty ? null : back;
  }

  /** Take one edit, op by op over what it missed. Null when it was appended. */
  edit(message: EditMessage, user = "u"): Reply | null {
    const { client, seq, rev } = message;
    const about = { session: message.session, client, seq };
    const last = this.acked.get(client) ?? { seq: 0, rev: 0, wire: "" };
    const wire = JSON.stringify(message);
    if (seq <= last.seq) {
      if (seq === last.seq && wire !== last.wire) return { type: "nack", ...about, code: "conflict", message: "other content" };
      return { type: "ack", ...about, rev: last.rev };
    }
    if (seq !== last.seq + 1) return { type: "nack", ...about, code: "gap", message: `expected ${last.seq + 1}` };
    if (rev < this.keptFrom || rev < last.rev) return { type: "nack", ...about, code: "stale", message: "too far behind" };
    let changes = ChangeSet.fromJSON(message.ops[0]);
    for (const item of this.items.slice(rev)) changes = changes.map(item.changes);
    if (changes.length !== this.doc.length) return { type: "nack", ...about, code: "invalid", message: "length" };
    this.append(client, seq, changes, user);
    this.acked.set(client, { seq, rev: this.rev, wire });
    return null;
  }

  append(client: string, seq: number, changes: ChangeSet, user = "u", kind = "edit"): void {
    const before = this.doc;
    this.doc = changes.apply(this.doc);
    this.items.push({ rev: this.rev + 1, client, user, seq, kind, op: changes.toJSON() as Op, changes, before });
  }

  /** A comment or the like: takes a rev, changes no text. */
  appendOther(client: string, kind = "comment", seq = 0): void {
    const item = { rev: this.rev + 1, client, user: "u", seq, kind };
    this.items.push({ ...item, changes: ChangeSet.empty(this.doc.length), before: this.doc });
  }

  subscribe(client: string, since?: { lineage: string; rev: number }): Reply {
    const reply: Reply = {
      type: "subscribed",
      session: "s",
      kind: "text",
      lineage: this.lineage,
      rev: this.rev,
      client,
      acked: this.acked.get(client)?.seq ?? 0,
      role: "editor",
      permissions: this.permissions,
      presence: {},
    };
    if (since && since.lineage === this.lineage && since.rev >= this.keptFrom && since.rev <= this.rev) {
      reply["items"] = this.items.slice(since.rev).map((item) => this.view(item, client));
    } else {
      reply["state"] = this.doc.toString();
    }
    return reply;
  }
}
