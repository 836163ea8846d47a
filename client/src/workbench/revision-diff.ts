/** Two versions of a program in one read-only editor. Loaded only when somebody looks at the history. */
import { unifiedMergeView } from "@codemirror/merge";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { qasmLanguage } from "./qasm-language";

export type RevisionMode = "then" | "changes";

/** Show `then` as it was, or what became of it by `now`. */
export function showRevision(parent: HTMLElement, then: string, now: string, mode: RevisionMode): EditorView {
  const extensions: Extension[] = [
    lineNumbers(),
    qasmLanguage(),
    EditorState.readOnly.of(true),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": mode === "then" ? "The program then" : "What has changed since" }),
  ];
  if (mode === "changes") {
    extensions.push(unifiedMergeView({ original: then, mergeControls: false, gutter: true, allowInlineDiffs: true }));
  }
  return new EditorView({ parent, state: EditorState.create({ doc: mode === "then" ? then : now, extensions }) });
}
