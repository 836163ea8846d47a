/**
 * Answers, with the client's own code, what the server answers in Python; bundled and fed by
 * `tests/actors/test_client_oracle.py`.
 */
import { ChangeSet } from "@codemirror/state";
import { circuitOf, circuitToJson, type Circuit } from "../../src/lib/circuit";
import { CircuitOp, InvalidCircuit } from "../../src/lib/circuit-op";
import type { Item, ThreadEntry } from "../../src/lib/protocol";
import { textOf } from "../../src/lib/text-ops";
import { ThreadBook, lineRange, moveInText, type Thread } from "../../src/lib/threads";

interface CircuitCase {
  kind: "circuit";
  doc: unknown;
  a: unknown;
  b: unknown;
  c: unknown;
}

interface ThreadsCase {
  kind: "threads";
  doc: string;
  items: Item[];
  /** The server's account after so many items. */
  middle: { at: number; threads: ThreadEntry[] };
}

function orInvalid(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvalidCircuit) return "invalid";
    throw error;
  }
}

function circuitAnswers({ doc, a, b, c }: CircuitCase): object {
  const circuit: Circuit = circuitOf(doc);
  const [A, B, C] = [a, b, c].map((json) => CircuitOp.fromJSON(json)) as [CircuitOp, CircuitOp, CircuitOp];
  const applied = orInvalid(() => circuitToJson(A.apply(circuit)));
  return {
    apply: applied,
    map: A.map(B).toJSON(),
    before: A.map(B, true).toJSON(),
    compose: orInvalid(() => A.compose(C).toJSON()),
    invert: A.invert(circuit).toJSON(),
    between: CircuitOp.between(circuit, applied === "invalid" ? circuit : circuitOf(applied)).toJSON(),
  };
}

const shown = ({ id, rev, from, to, quote, orphaned, resolved, comments }: Thread): object => ({ id, rev, range: [from, to], quote, orphaned, resolved, comments });

function threadAnswers({ doc, items, middle }: ThreadsCase): object {
  let text = textOf(doc);
  const book = new ThreadBook(moveInText, lineRange);
  const late = new ThreadBook(moveInText, lineRange);
  items.forEach((item, index) => {
    const op = item.op === undefined ? null : ChangeSet.fromJSON(item.op);
    if (op) text = op.apply(text);
    book.note(item, op, text);
    if (index + 1 === middle.at) late.load(middle.threads, text);
    else if (index + 1 > middle.at) late.note(item, op, text);
  });
  return { doc: text.toString(), threads: book.all.map(shown), late: late.all.map(shown) };
}

/** The answer to one JSON case, in JSON. */
export function answer(line: string): string {
  const value = JSON.parse(line) as CircuitCase | ThreadsCase;
  return JSON.stringify(value.kind === "circuit" ? circuitAnswers(value) : threadAnswers(value));
}
