/** Small, pure operations on CodeMirror change sets that the protocol asks of a client. */
import { ChangeSet, Text, type ChangeSpec } from "@codemirror/state";

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

export function textOf(content: string): Text {
  return Text.of(content.split("\n"));
}

/** Whether position `pos` falls inside a surrogate pair of `doc`. */
function splitsPair(doc: Text, pos: number): boolean {
  if (pos <= 0 || pos >= doc.length) return false;
  const around = doc.sliceString(pos - 1, pos + 1);
  return isHigh(around.charCodeAt(0)) && isLow(around.charCodeAt(1));
}

interface Range {
  from: number;
  to: number;
  fromB: number;
  toB: number;
  insert: Text;
}

function rangesOf(changes: ChangeSet): Range[] {
  const ranges: Range[] = [];
  changes.iterChanges((from, to, fromB, toB, insert) => ranges.push({ from, to, fromB, toB, insert }), true);
  return ranges;
}

/**
 * The same edit with no boundary inside a surrogate pair.
 *
 * A browser reports 😀 → 😁 as a change of the low half alone; the server refuses such an op, rightly, since
 * half a pair is no text. Widening the replaced range to whole pairs gives the same document.
 */
export function keepPairsWhole(changes: ChangeSet, doc: Text): ChangeSet {
  const ranges = rangesOf(changes);
  if (!ranges.some((r) => splitsPair(doc, r.from) || splitsPair(doc, r.to))) return changes;
  const after = changes.apply(doc);
  const specs: { from: number; to: number; fromB: number; toB: number }[] = [];
  for (const range of ranges) {
    const widenLeft = splitsPair(doc, range.from) ? 1 : 0;
    const widenRight = splitsPair(doc, range.to) ? 1 : 0;
    const wide = {
      from: range.from - widenLeft,
      to: range.to + widenRight,
      fromB: range.fromB - widenLeft,
      toB: range.toB + widenRight,
    };
    const previous = specs[specs.length - 1];
    if (previous && wide.from <= previous.to) {
      previous.to = wide.to;
      previous.toB = wide.toB;
    } else {
      specs.push(wide);
    }
  }
  return ChangeSet.of(
    specs.map((s) => ({ from: s.from, to: s.to, insert: after.slice(s.fromB, s.toB) })),
    doc.length,
  );
}

/** Bytes of one UTF-16 unit inside a JSON string, counted high rather than low. */
function jsonCost(unit: number): number {
  if (unit < 0x20) return 6;
  if (unit === 0x22 || unit === 0x5c) return 2;
  if (unit < 0x80) return 1;
  return unit < 0x800 ? 2 : 6;
}

/**
 * Cut an edit in two so that the first part's JSON stays near `maxBytes`: `first ∘ rest` is the whole edit.
 * `rest` is null when it already fits.
 */
export function splitChanges(changes: ChangeSet, maxBytes: number): { first: ChangeSet; rest: ChangeSet | null } {
  const first: ChangeSpec[] = [];
  const rest: ChangeSpec[] = [];
  let budget = maxBytes;
  let shift = 0;
  for (const { from, to, insert } of rangesOf(changes)) {
    if (rest.length > 0) {
      rest.push({ from: from + shift, to: to + shift, insert });
      continue;
    }
    const text = insert.toString();
    let take = 0;
    budget -= 16;
    while (take < text.length && budget > 0) {
      const unit = text.charCodeAt(take);
      budget -= unit === 0x0a ? 3 : jsonCost(unit);
      take += 1;
    }
    if (take < text.length && take > 0 && isHigh(text.charCodeAt(take - 1)) && isLow(text.charCodeAt(take))) take += 1;
    if (take === 0 && text.length === 0 && budget <= 0) {
      rest.push({ from: from + shift, to: to + shift });
      continue;
    }
    first.push({ from, to, insert: textOf(text.slice(0, take)) });
    shift += take - (to - from);
    if (take < text.length) rest.push({ from: to + shift, insert: textOf(text.slice(take)) });
  }
  if (rest.length === 0) return { first: changes, rest: null };
  const head = ChangeSet.of(first, changes.length);
  return { first: head, rest: ChangeSet.of(rest, head.newLength) };
}

/**
 * A change from one document to another, as few lines wide as possible.
 *
 * Used only when the server can offer nothing better than a snapshot. Lines that both share at the ends are
 * kept; between them the longest common subsequence of lines is kept while the table stays small, so that an
 * unconfirmed edit in an untouched line keeps its place.
 */
export function diffText(before: Text, after: Text): ChangeSet {
  if (before.eq(after)) return ChangeSet.empty(before.length);
  // Each line with its newline, so that every span of lines is a span of text.
  const a = before.toString().split(/(?<=\n)/);
  const b = after.toString().split(/(?<=\n)/);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const midA = a.slice(head, a.length - tail);
  const midB = b.slice(head, b.length - tail);
  const kept = midA.length * midB.length <= 250_000 ? commonLines(midA, midB) : [];

  const offsetsA = lineOffsets(a);
  const offsetsB = lineOffsets(b);
  const specs: { from: number; to: number; insert: Text }[] = [];
  let i = head;
  let j = head;
  const replace = (endA: number, endB: number): void => {
    if (i === endA && j === endB) return;
    const span = { from: offsetsA[i] ?? before.length, to: offsetsA[endA] ?? before.length };
    const other = { from: offsetsB[j] ?? after.length, to: offsetsB[endB] ?? after.length };
    specs.push(trimmed(before, after, span, other));
  };
  for (const [x, y] of kept) {
    replace(head + x, head + y);
    i = head + x + 1;
    j = head + y + 1;
  }
  replace(a.length - tail, b.length - tail);
  const changes = ChangeSet.of(specs, before.length);
  // A diff that is wrong would lose text; a whole replacement never does.
  if (changes.apply(before).eq(after)) return changes;
  return ChangeSet.of({ from: 0, to: before.length, insert: after }, before.length);
}

function lineOffsets(lines: string[]): number[] {
  const offsets: number[] = [];
  let at = 0;
  for (const line of lines) {
    offsets.push(at);
    at += line.length;
  }
  return offsets;
}

/** Trim what both sides share at either end, never into a surrogate pair. */
function trimmed(
  before: Text,
  after: Text,
  a: { from: number; to: number },
  b: { from: number; to: number },
): { from: number; to: number; insert: Text } {
  const x = before.sliceString(a.from, a.to);
  const y = after.sliceString(b.from, b.to);
  let head = 0;
  while (head < x.length && head < y.length && x[head] === y[head]) head += 1;
  if (head > 0 && isHigh(x.charCodeAt(head - 1))) head -= 1;
  let tail = 0;
  while (tail < x.length - head && tail < y.length - head && x[x.length - 1 - tail] === y[y.length - 1 - tail]) tail += 1;
  if (tail > 0 && isLow(x.charCodeAt(x.length - tail))) tail -= 1;
  return { from: a.from + head, to: a.to - tail, insert: after.slice(b.from + head, b.to - tail) };
}

function commonLines(a: string[], b: string[]): [number, number][] {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        a[i] === b[j]
          ? (table[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(table[(i + 1) * width + j] ?? 0, table[i * width + j + 1] ?? 0);
    }
  }
  const pairs: [number, number][] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      pairs.push([i, j]);
      i += 1;
      j += 1;
    } else if ((table[(i + 1) * width + j] ?? 0) >= (table[i * width + j + 1] ?? 0)) {
      i += 1;
    } else {
      j += 1;
    }
  }
  return pairs;
}
