/** The two kinds of document, as `SharedDocument` sees them: one op, one state, the same algebra. */
import type { Anchor } from "./protocol";

/** Where a comment that was not sent yet is to stand, in the document as it is at its turn. */
export type Place = { from: number; to: number; line: boolean } | { gate: string };

export interface DocumentKind<O, S> {
  readonly name: "text" | "circuit";
  /** The document before anything is loaded. */
  readonly nothing: S;
  /** Read a whole state as the server sends it. */
  load(json: unknown): S;
  /** Read an op; throws when it is none. */
  readOp(json: unknown): O;
  writeOp(op: O): unknown;
  isEmpty(op: O): boolean;
  /** Why `op` cannot be for `state`; null when it can. */
  mismatch(op: O, state: S): string | null;
  apply(op: O, state: S): S;
  /** `op` as it applies after `over`, both made for one document; with `before`, `op` was accepted first. */
  map(op: O, over: O, before?: boolean): O;
  /** `first`, then `second`. */
  compose(first: O, second: O): O;
  invert(op: O, state: S): O;
  /** `op` as the server takes it, near `maxBytes` at most; `rest` is for the next message. */
  prepare(op: O, state: S, maxBytes: number): { first: O; rest: O | null };
  difference(from: S, to: S): O;
  movePlace(place: Place, op: O): Place;
  /** The place in the protocol's words; null when what it is about is gone. */
  anchor(place: Place, state: S): Anchor | null;
  /** What a person would want back of an op that will not be sent. */
  salvage(op: O): string;
}
