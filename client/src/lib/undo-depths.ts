/**
 * How often this user can undo and redo: what the server said at subscribing, kept current by folding the
 * user's own items. Where an item does not tell (the undo group of another tab's edit) the count is rather too
 * high than too low: the server then answers that there is nothing to undo, and the count is put right.
 */
import type { Item } from "./protocol";

/** As the server counts: older steps stay as they are. */
const MAX_DEPTH = 100;
const GROUP_MS = 500;

interface Top {
  client: string;
  group: string | null;
  ts: number;
}

export class UndoDepths {
  undo = 0;
  redo = 0;
  /** The newest step, while an edit may still join it. */
  private top: Top | null = null;

  load(undo: number, redo: number): void {
    this.undo = undo;
    this.redo = redo;
    this.top = null;
  }

  /** Fold one item of this user in; `group` where it is this client's own edit. */
  note(item: Item, group: string | null): void {
    if (item.kind === "undo") {
      this.undo = Math.max(0, this.undo - 1);
      this.redo += 1;
      this.top = null;
    } else if (item.kind === "redo") {
      this.redo = Math.max(0, this.redo - 1);
      this.undo = Math.min(MAX_DEPTH, this.undo + 1);
      this.top = null;
    } else if (item.kind === "edit") {
      const { top } = this;
      const ts = item.ts ?? 0;
      const joins = top !== null && top.client === item.client && top.group === group && (group !== null || ts - top.ts < GROUP_MS);
      if (!joins) this.undo = Math.min(MAX_DEPTH, this.undo + 1);
      this.redo = 0;
      this.top = { client: item.client, group, ts };
    }
  }

  /** The server said that there is nothing to undo, or to redo. */
  none(kind: "undo" | "redo"): void {
    this[kind] = 0;
  }
}
