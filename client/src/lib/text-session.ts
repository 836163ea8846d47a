/** A text session without socket or clock: `SharedDocument` over CodeMirror's change sets, and its positions. */
import type { ChangeSet, Text } from "@codemirror/state";
import { SharedDocument } from "./shared-document";
import { TEXT } from "./text-kind";

export class TextSession extends SharedDocument<ChangeSet, Text> {
  constructor(session: string, client: string, maxMessageBytes?: number) {
    super(TEXT, session, client, maxMessageBytes);
  }

  /** From a position in the confirmed text to the visible one. */
  toVisible(pos: number, assoc = -1): number {
    const start = Math.max(0, Math.min(pos, this.base.length));
    return this.edits().reduce((at, { op }) => op.mapPos(at, assoc), start);
  }

  /** From a position in the visible text to the confirmed one: inside our own new text, where it begins. */
  toConfirmed(pos: number): number {
    return this.edits().reduceRight((at, { op }) => op.invertedDesc.mapPos(Math.min(at, op.newLength), -1), pos);
  }
}
