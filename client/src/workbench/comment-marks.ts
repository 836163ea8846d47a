/** Comments in the editor: a highlighted range, a marker in the gutter, and the place a new one is about. */
import { RangeSet, StateEffect, StateField, type ChangeDesc, type EditorState, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, GutterMarker, gutter, type DecorationSet } from "@codemirror/view";

/** A thread as the editor shows it; positions are in the visible document. */
export interface Mark {
  id: string;
  from: number;
  to: number;
  line: boolean;
  comments: number;
  unread: boolean;
}

/** The place a comment that is being written is about. */
export interface Draft {
  from: number;
  to: number;
  line: boolean;
}

export const setMarks = StateEffect.define<readonly Mark[]>();
export const setActiveMark = StateEffect.define<string | null>();
export const setDraft = StateEffect.define<Draft | null>();

interface Shown {
  marks: readonly Mark[];
  active: string | null;
  draft: Draft | null;
}

const field = StateField.define<Shown>({
  create: () => ({ marks: [], active: null, draft: null }),
  update(shown, transaction) {
    let { marks, active, draft } = shown;
    if (transaction.docChanged) {
      marks = marks.map((mark) => moved(mark, transaction.changes));
      draft = draft && moved(draft, transaction.changes);
    }
    for (const effect of transaction.effects) {
      if (effect.is(setMarks)) marks = effect.value;
      else if (effect.is(setActiveMark)) active = effect.value;
      else if (effect.is(setDraft)) draft = effect.value;
    }
    return marks === shown.marks && active === shown.active && draft === shown.draft ? shown : { marks, active, draft };
  },
  provide: (self) => EditorView.decorations.from(self, (shown) => (view) => decorate(shown, view.state)),
});

function moved<T extends { from: number; to: number }>(place: T, changes: ChangeDesc): T {
  const from = changes.mapPos(place.from, 1);
  return { ...place, from, to: Math.max(from, changes.mapPos(place.to, -1)) };
}

/** The draft's place, moved along with what was typed since. */
export function draftOf(state: EditorState): Draft | null {
  return state.field(field).draft;
}

/** The threads that stand at a position. */
export function marksAt(state: EditorState, pos: number): Mark[] {
  const line = state.doc.lineAt(pos);
  return state.field(field).marks.filter((mark) => mark.from <= line.to && Math.max(mark.from, mark.to - 1) >= line.from);
}

function decorate({ marks, active, draft }: Shown, state: EditorState): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  const paint = (name: string, { from, to, line }: Draft): void => {
    const end = Math.min(to, state.doc.length);
    if (line) ranges.push(Decoration.line({ class: `${name} whole-line` }).range(state.doc.lineAt(Math.min(from, state.doc.length)).from));
    else if (from < end) ranges.push(Decoration.mark({ class: name }).range(from, end));
  };
  for (const mark of marks) paint(mark.id === active ? "commented active" : "commented", mark);
  if (draft) paint("commented draft", draft);
  return Decoration.set(ranges, true);
}

class ThreadMarker extends GutterMarker {
  constructor(
    readonly count: number,
    readonly unread: boolean,
    readonly active: boolean,
  ) {
    super();
  }

  override eq(other: ThreadMarker): boolean {
    return other.count === this.count && other.unread === this.unread && other.active === this.active;
  }

  override toDOM(): Node {
    const marker = document.createElement("span");
    marker.className = `thread-marker${this.unread ? " unread" : ""}${this.active ? " active" : ""}`;
    marker.textContent = this.count > 9 ? "9+" : String(this.count);
    marker.title = `${this.count} ${this.count === 1 ? "comment" : "comments"}`;
    return marker;
  }
}

/** `onOpen` is told which thread's marker was pressed. */
export function commentMarks(onOpen: (id: string) => void): Extension {
  return [
    field,
    gutter({
      class: "cm-comment-gutter",
      markers: (view) => {
        const { marks, active } = view.state.field(field);
        const lines = new Map<number, Mark[]>();
        for (const mark of marks) {
          const { from } = view.state.doc.lineAt(Math.min(mark.from, view.state.doc.length));
          lines.set(from, [...(lines.get(from) ?? []), mark]);
        }
        return RangeSet.of(
          [...lines].map(([from, there]) =>
            new ThreadMarker(
              there.reduce((sum, mark) => sum + mark.comments, 0),
              there.some((mark) => mark.unread),
              there.some((mark) => mark.id === active),
            ).range(from),
          ),
          true,
        );
      },
      lineMarkerChange: (update) => update.startState.field(field) !== update.state.field(field),
      domEventHandlers: {
        mousedown(view, line) {
          const [first] = marksAt(view.state, line.from);
          if (first) onOpen(first.id);
          return first !== undefined;
        },
      },
    }),
  ];
}
