/** The others in the editor: carets with names, selections, and the colours that tell them apart. */
import { StateEffect, StateField, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";
import type { Peer } from "../lib/presence-book";

/** Dark enough for white text on each (at least 4.5:1), far enough apart to tell two carets from each other. */
export const PEER_COLORS = ["#b4450f", "#1f6feb", "#8a3ffc", "#0f766e", "#be185d", "#4d7c0f", "#a16207", "#0369a1"] as const;

export function colorFor(key: string): string {
  let hash = 2166136261;
  for (const char of key) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return PEER_COLORS[(hash >>> 0) % PEER_COLORS.length] as string;
}

export function initials(name: string): string {
  const parts = name.trim().split(/[\s_.-]+/).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts[parts.length - 1]] : [parts[0]];
  return letters.map((part) => Array.from(part ?? "?")[0]?.toUpperCase() ?? "?").join("");
}

export const setPeers = StateEffect.define<ReadonlyMap<string, Peer>>();

class CaretWidget extends WidgetType {
  constructor(
    readonly client: string,
    readonly name: string,
    readonly color: string,
    readonly moves: number,
    readonly below: boolean,
  ) {
    super();
  }

  override eq(other: CaretWidget): boolean {
    return (
      other.client === this.client &&
      other.name === this.name &&
      other.color === this.color &&
      other.moves === this.moves &&
      other.below === this.below
    );
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = this.below ? "peer-caret below" : "peer-caret";
    caret.style.setProperty("--peer", this.color);
    caret.setAttribute("aria-hidden", "true");
    caret.dataset["peer"] = this.name;
    const flag = document.createElement("span");
    flag.className = "peer-flag";
    flag.textContent = this.name;
    caret.append(flag);
    return caret;
  }

  override get lineBreaks(): number {
    return 0;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

interface Shown {
  peers: ReadonlyMap<string, Peer>;
  decorations: DecorationSet;
}

const field = StateField.define<Shown>({
  create: () => ({ peers: new Map(), decorations: Decoration.none }),
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setPeers)) return { peers: effect.value, decorations: decorate(effect.value, transaction.newDoc) };
    }
    // Between two reports of the server, what is typed moves the others' carets along.
    return transaction.docChanged ? { ...shown, decorations: shown.decorations.map(transaction.changes) } : shown;
  },
  provide: (self) => EditorView.decorations.from(self, (shown) => shown.decorations),
});

function decorate(peers: ReadonlyMap<string, Peer>, doc: { length: number; lineAt(pos: number): { number: number } }): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  for (const peer of peers.values()) {
    const color = peer.color ?? colorFor(peer.user);
    for (const [from, to] of peer.selection) {
      const end = Math.min(to, doc.length);
      if (from < end) ranges.push(Decoration.mark({ class: "peer-selection", attributes: { style: `--peer:${color}` } }).range(from, end));
    }
    if (peer.cursor === null) continue;
    const at = Math.min(peer.cursor, doc.length);
    const widget = new CaretWidget(peer.client, peer.name, color, peer.moves, doc.lineAt(at).number === 1);
    ranges.push(Decoration.widget({ widget, side: -1 }).range(at));
  }
  return Decoration.set(ranges, true);
}

export function peerCarets(): Extension {
  return field;
}
