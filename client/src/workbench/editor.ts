/** The CodeMirror editor of a session: what it is made of, and how it is joined to the session's channel. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic as EditorDiagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Annotation, Compartment, EditorState, Transaction, type ChangeSet, type Text } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import type { Peer } from "../lib/presence-book";
import type { PresenceState } from "../lib/protocol";
import type { Diagnostic } from "../lib/rest";
import { peerCarets, setPeers } from "./peers";
import { qasmLanguage } from "./qasm-language";

export interface EditorEvents {
  /** The user changed the document; remote changes do not come here. */
  onLocalChanges(changes: ChangeSet): void;
  onDocument(text: Text): void;
  onSelection(): void;
  onRun(): void;
}

const remote = Annotation.define<boolean>();

export class ProgramEditor {
  readonly view: EditorView;
  private readonly writable = new Compartment();
  /** Somebody who only watches has no caret to show. */
  private entered = false;

  constructor(parent: HTMLElement, events: EditorEvents) {
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: "",
        extensions: [
          // Before the default keymap, where Mod-Enter inserts a line.
          keymap.of([{ key: "Mod-Enter", preventDefault: true, run: () => (events.onRun(), true) }]),
          lineNumbers(),
          lintGutter(),
          highlightActiveLineGutter(),
          highlightSpecialChars(),
          history(),
          drawSelection(),
          indentUnit.of("  "),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          search({ top: true }),
          // Tab stays what it is on every page: the way to the next control. Mod-] indents.
          keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap]),
          qasmLanguage(),
          peerCarets(),
          this.writable.of(writableExtensions(false)),
          EditorView.contentAttributes.of({ "aria-label": "OpenQASM program", autocapitalize: "off", spellcheck: "false" }),
          EditorView.updateListener.of((update) => {
            for (const transaction of update.transactions) {
              if (transaction.docChanged && !transaction.annotation(remote)) events.onLocalChanges(transaction.changes);
            }
            if (update.focusChanged && update.view.hasFocus) this.entered = true;
            if (update.docChanged) events.onDocument(update.state.doc);
            if (update.selectionSet || update.docChanged || update.focusChanged) events.onSelection();
          }),
        ],
      }),
    });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  /** Apply a change that came from the session. It is not this user's to undo. */
  applyRemote(changes: ChangeSet): void {
    this.view.dispatch({ changes, annotations: [remote.of(true), Transaction.addToHistory.of(false)] });
  }

  showPeers(peers: ReadonlyMap<string, Peer>): void {
    this.view.dispatch({ effects: setPeers.of(peers) });
  }

  setWritable(writable: boolean): void {
    this.view.dispatch({ effects: this.writable.reconfigure(writableExtensions(writable)) });
  }

  /** This user's caret and selections, for the others. */
  presence(): PresenceState {
    if (!this.entered) return {};
    const { ranges, main } = this.view.state.selection;
    const selection = ranges.filter((range) => !range.empty).slice(0, 16);
    return { cursor: main.head, selection: selection.map((range) => [range.from, range.to]) };
  }

  showDiagnostics(diagnostics: readonly Diagnostic[]): void {
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics.map((d) => this.placed(d))));
  }

  /** Put the caret at a 1-based line and column and bring it into view. */
  goTo(line: number, column: number): void {
    const position = this.position(line, column);
    this.view.dispatch({ selection: { anchor: position }, effects: EditorView.scrollIntoView(position, { y: "center" }) });
    this.view.focus();
  }

  destroy(): void {
    this.view.destroy();
  }

  private position(line: number, column: number): number {
    const { doc } = this.view.state;
    const at = doc.line(Math.min(Math.max(1, line), doc.lines));
    return Math.min(at.from + Math.max(0, column - 1), at.to);
  }

  private placed({ line, column, severity, message }: Diagnostic): EditorDiagnostic {
    const { doc } = this.view.state;
    const at = doc.line(Math.min(Math.max(1, line), doc.lines));
    let from = this.position(line, column);
    const word = /^[\w.]+/.exec(doc.sliceString(from, at.to));
    let to = Math.min(at.to, from + (word ? word[0].length : 1));
    // An error at the end of a line, or on an empty one, still needs something to underline.
    if (from === to && at.length > 0) from = Math.max(at.from, from - 1);
    to = Math.max(to, from);
    return { from, to, severity, message, source: "OpenQASM" };
  }
}

function writableExtensions(writable: boolean): readonly [ReturnType<typeof EditorState.readOnly.of>, ReturnType<typeof EditorView.editable.of>] {
  // Read-only stays focusable, so that its text can be selected and read by keyboard.
  return [EditorState.readOnly.of(!writable), EditorView.editable.of(true)];
}
