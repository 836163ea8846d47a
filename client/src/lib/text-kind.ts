/** Text: an op is a CodeMirror `ChangeSet`, a document its `Text`. */
import { ChangeSet, Text } from "@codemirror/state";
import type { DocumentKind, Place } from "./document-kind";
import type { Anchor } from "./protocol";
import { diffText, keepPairsWhole, splitChanges, textOf } from "./text-ops";

export const TEXT: DocumentKind<ChangeSet, Text> = {
  name: "text",
  nothing: Text.empty,
  load: (json) => textOf(String(json)),
  readOp: (json) => ChangeSet.fromJSON(json),
  writeOp: (op) => op.toJSON(),
  isEmpty: (op) => op.empty,
  mismatch: (op, doc) => (op.length === doc.length ? null : `it is for length ${op.length}, the text has ${doc.length}`),
  apply: (op, doc) => op.apply(doc),
  map: (op, over, before = false) => op.map(over, before),
  compose: (first, second) => first.compose(second),
  invert: (op, doc) => op.invert(doc),
  prepare(op, doc, maxBytes) {
    const { first, rest } = splitChanges(op, maxBytes);
    return { first: keepPairsWhole(first, doc), rest };
  },
  difference: diffText,
  movePlace(place: Place, op: ChangeSet): Place {
    if ("gate" in place) return place;
    const from = op.mapPos(place.from, 1);
    return { ...place, from, to: Math.max(from, op.mapPos(place.to, -1)) };
  },
  anchor(place: Place, doc: Text): Anchor | null {
    if ("gate" in place) return null;
    if (place.line) return { line: doc.lineAt(Math.min(place.from, doc.length)).number };
    return place.from < place.to ? { from: place.from, to: place.to } : null;
  },
  salvage(op) {
    const written: string[] = [];
    op.iterChanges((_fromA, _toA, _fromB, _toB, inserted) => {
      if (inserted.length > 0) written.push(inserted.toString());
    });
    return written.join("\n");
  },
};
