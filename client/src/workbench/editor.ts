/** The CodeMirror editor of a session: what it is made of, and how it is joined to the session's channel. */
import { defaultKeymap } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic as EditorDiagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Annotation, Compartment, EditorState, type ChangeSet, type StateEffect, type Text } from "@codemirror/state";
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
import { commentMarks, draftOf, setActiveMark, setDraft, setMarks, type Draft, type Mark } from "./comment-marks";
import { peerCarets, setPeers } from "./peers";
import { qasmLanguage } from "./qasm-language";
import { UndoGroups } from "./undo-groups";

export interface EditorEvents {
  /** The user changed the document; remote changes do not come here. Those of one `group` are undone together. */
  onLocalChanges(changes: ChangeSet, group: string): void;
  onUndo(): void;
  onRedo(): void;
  /** A comment on the selection, or on the line of the caret. */
  onComment(): void;
  onOpenThread(id: string): void;
  onDocument(text: Text): void;
  onSelection(): void;
  onRun(): void;
}

const remote = Annotation.define<boolean>();

export class ProgramEditor {
  readonly view: EditorView;
  private readonly writable = new Compartment();
  private readonly groups = new UndoGroups();
  /** Somebody who only watches has no caret to show. */
  private entered = false;

  constructor(parent: HTMLElement, events: EditorEvents) {
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        doc: "",
        extensions: [
          // Before the default keymap, where Mod-Enter inserts a line. The undo stack is the session's: it is one
          // over all tabs and restarts, and leaves alone what others wrote.
          keymap.of([
            { key: "Mod-Enter", preventDefault: true, run: () => (events.onRun(), true) },
            { key: "Mod-z", preventDefault: true, run: () => (events.onUndo(), true), shift: () => (events.onRedo(), true) },
            { key: "Mod-y", preventDefault: true, run: () => (events.onRedo(), true) },
            { key: "Mod-Alt-m", preventDefault: true, run: () => (events.onComment(), true) },
          ]),
          EditorView.domEventHandlers({
            // The context menu's undo, and that of a phone's keyboard.
            beforeinput(event) {
              if (event.inputType === "historyUndo") events.onUndo();
              else if (event.inputType === "historyRedo") events.onRedo();
              else return false;
              event.preventDefault();
              return true;
            },
          }),
          commentMarks((id) => events.onOpenThread(id)),
          lineNumbers(),
          lintGutter(),
          highlightActiveLineGutter(),
          highlightSpecialChars(),
          drawSelection(),
          indentUnit.of("  "),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          search({ top: true }),
          // Tab stays what it is on every page: the way to the next control. Mod-] indents.
          keymap.of([...defaultKeymap, ...searchKeymap, ...lintKeymap]),
          qasmLanguage(),
          peerCarets(),
          this.writable.of(writableExtensions(false)),
          EditorView.contentAttributes.of({ "aria-label": "OpenQASM program", autocapitalize: "off", spellcheck: "false" }),
          EditorView.updateListener.of((update) => {
            for (const transaction of update.transactions) {
              if (!transaction.docChanged) continue;
              if (transaction.annotation(remote)) this.groups.moved(transaction.changes);
              else events.onLocalChanges(transaction.changes, this.groups.of(transaction));
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

  /** Apply a change that came from the session. */
  applyRemote(changes: ChangeSet): void {
    this.view.dispatch({ changes, annotations: remote.of(true) });
  }

  /** What is typed from here on is another step to undo. */
  endUndoGroup(): void {
    this.groups.close();
  }

  showThreads(marks: readonly Mark[]): void {
    this.view.dispatch({ effects: setMarks.of(marks) });
  }

  /** Show which thread is being read, and bring its place into view. */
  showThread(id: string | null, place?: { from: number }): void {
    const effects: StateEffect<unknown>[] = [setActiveMark.of(id)];
    if (place) effects.push(EditorView.scrollIntoView(Math.min(place.from, this.view.state.doc.length), { y: "center" }));
    this.view.dispatch({ effects });
  }

  /** Take the selection, or the line of the caret, as the place of a comment that is being written. */
  beginComment(): Draft & { quote: string; number: number } {
    const { state } = this.view;
    const { main } = state.selection;
    const at = state.doc.lineAt(main.from);
    const draft = main.empty ? { from: at.from, to: at.to, line: true } : { from: main.from, to: main.to, line: false };
    this.view.dispatch({ effects: setDraft.of(draft) });
    return { ...draft, quote: state.sliceDoc(draft.from, Math.min(draft.to, draft.from + 200)), number: at.number };
  }

  /** Where the comment that was being written belongs now; the mark goes away. */
  endComment(): Draft | null {
    const draft = draftOf(this.view.state);
    this.view.dispatch({ effects: setDraft.of(null) });
    return draft;
  }

  focus(): void {
    this.view.focus();
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
