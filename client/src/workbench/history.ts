/** A session's items as a person reads them: who did what, in one go, newest first. */
import type { Item } from "../lib/protocol";

/** What one user did without a longer pause. */
export interface Chapter {
  user: string;
  from: number;
  /** The newest rev in it: the version it stands for. */
  rev: number;
  start: number;
  end: number;
  edits: number;
  added: number;
  removed: number;
  comments: number;
  undone: number;
  restored: boolean;
}

/** A pause this long begins another chapter. */
const PAUSE_MS = 5 * 60_000;

/** `items` oldest first; the chapters come newest first. */
export function chaptersOf(items: readonly Item[]): Chapter[] {
  const chapters: Chapter[] = [];
  for (const item of items) {
    const ts = item.ts ?? 0;
    const last = chapters[chapters.length - 1];
    const restored = item.kind === "restore";
    let chapter = last;
    if (!last || last.user !== item.user || ts - last.end > PAUSE_MS || restored || last.restored) {
      chapter = { user: item.user, from: item.rev, rev: item.rev, start: ts, end: ts, edits: 0, added: 0, removed: 0, comments: 0, undone: 0, restored };
      chapters.push(chapter);
    }
    if (!chapter) continue;
    chapter.rev = item.rev;
    chapter.end = ts;
    if (item.kind === "comment") chapter.comments += 1;
    else if (item.kind === "undo" || item.kind === "redo") chapter.undone += 1;
    else if (!restored) chapter.edits += 1;
    if (item.kind !== "comment" && !restored) {
      const { added, removed } = sizeOf(item.op);
      chapter.added += added;
      chapter.removed += removed;
    }
  }
  return chapters.reverse();
}

/** Characters (of a text) or gates (of a circuit) that an op adds and removes. */
export function sizeOf(op: unknown): { added: number; removed: number } {
  let [added, removed] = [0, 0];
  for (const part of Array.isArray(op) ? (op as unknown[]) : []) {
    if (Array.isArray(part)) {
      const [gone, ...lines] = part as [number, ...string[]];
      removed += gone;
      added += lines.reduce((sum, line) => sum + line.length, 0) + Math.max(0, lines.length - 1);
    } else if (typeof part === "object" && part !== null) {
      if ("put" in part) added += 1;
      if ("del" in part) removed += 1;
    }
  }
  return { added, removed };
}

/** `12 edits, +40 −3 · 1 comment` */
export function chapterText(chapter: Chapter): string {
  if (chapter.restored) return "restored an earlier version";
  const count = (n: number, noun: string): string[] => (n === 0 ? [] : [`${n} ${noun}${n === 1 ? "" : "s"}`]);
  const size = [chapter.added > 0 ? `+${chapter.added}` : "", chapter.removed > 0 ? `−${chapter.removed}` : ""].filter(Boolean).join(" ");
  return [...count(chapter.edits, "edit"), size, ...count(chapter.undone, "undo step"), ...count(chapter.comments, "comment")].filter(Boolean).join(" · ");
}
