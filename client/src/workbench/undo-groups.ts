/**
 * Which edits are undone together: those CodeMirror's own history would join. The server keeps the stack; here
 * only the names of its groups are made.
 */
import { Transaction, type ChangeDesc } from "@codemirror/state";

/** As `history({newGroupDelay})` has it by default. */
const PAUSE_MS = 500;
const JOINS = /^(input\.type|delete)($|\.)/;

export class UndoGroups {
  private readonly prefix = Math.random().toString(36).slice(2, 10);
  private count = 0;
  private last: { at: number; from: number; to: number } | null = null;

  constructor(private readonly now: () => number = Date.now) {}

  /** The group of a change the user just made. */
  of(transaction: Transaction): string {
    const userEvent = transaction.annotation(Transaction.userEvent);
    const now = this.now();
    let adjacent = false;
    let touched: { from: number; to: number } | null = null;
    transaction.changes.iterChangedRanges((fromA, toA, fromB, toB) => {
      if (this.last && fromA <= this.last.to && toA >= this.last.from) adjacent = true;
      touched = { from: touched?.from ?? fromB, to: toB };
    });
    const joins = this.last !== null && now - this.last.at < PAUSE_MS && adjacent && (userEvent === undefined || JOINS.test(userEvent));
    if (!joins && userEvent !== "input.type.compose") this.count += 1;
    if (touched) this.last = { at: now, ...(touched as { from: number; to: number }) };
    return `${this.prefix}-${this.count}`;
  }

  /** Somebody else changed the text. */
  moved(changes: ChangeDesc): void {
    if (this.last) this.last = { ...this.last, from: changes.mapPos(this.last.from, 1), to: changes.mapPos(this.last.to, -1) };
  }

  /** An undo was asked for: what follows it is a step of its own. */
  close(): void {
    this.last = null;
  }
}
