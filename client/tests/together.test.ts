/** The small pure parts of comments, history, sharing and undo. */
import { EditorState, Transaction } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import type { Item } from "../src/lib/protocol";
import type { Thread } from "../src/lib/threads";
import { UndoDepths } from "../src/lib/undo-depths";
import { chapterText, chaptersOf, sizeOf } from "../src/workbench/history";
import { takeInviteFromFragment } from "../src/workbench/identity";
import { UndoGroups } from "../src/workbench/undo-groups";
import { unreadOf } from "../src/workbench/use-unread";

const item = (rev: number, user: string, minutes: number, more: Partial<Item> = {}): Item => ({
  rev, client: `tab-${user}`, user, seq: rev, kind: "edit", ts: minutes * 60_000, ...more,
});

describe("history in chapters", () => {
  it("joins what one user did in one go, newest first", () => {
    const chapters = chaptersOf([
      item(1, "ada", 0, { op: [[0, "ab", "c"]] }),
      item(2, "ada", 4, { op: [2, [1], 1] }),
      item(3, "ada", 10, { op: [4] }),
      item(4, "bob", 10, { kind: "comment" }),
      item(5, "bob", 11, { kind: "undo", op: [[1], 3] }),
      item(6, "bob", 11, { kind: "restore", op: [[3, "abc"]] }),
      item(7, "bob", 11, { op: [3, [0, "x"]] }),
    ]);
    expect(chapters.map(({ user, from, rev }) => [user, from, rev])).toEqual([["bob", 7, 7], ["bob", 6, 6], ["bob", 4, 5], ["ada", 3, 3], ["ada", 1, 2]]);
    expect(chapters.map(chapterText)).toEqual(["1 edit · +1", "restored an earlier version", "−1 · 1 undo step · 1 comment", "1 edit", "2 edits · +4 −1"]);
  });

  it("counts gates of a circuit", () => {
    expect(sizeOf([{ put: { id: "g" } }, { del: "h" }, { move: { id: "k", pos: "a0" } }])).toEqual({ added: 1, removed: 1 });
    expect(sizeOf(undefined)).toEqual({ added: 0, removed: 0 });
  });
});

describe("groups of undo", () => {
  function typist(): { type: (at: number, insert: string, event?: string, remove?: number) => string; wait: (ms: number) => void; other: (at: number) => void } {
    let now = 0;
    let state = EditorState.create({ doc: "0123456789" });
    const groups = new UndoGroups(() => now);
    return {
      type(at, insert, event = "input.type", remove = 0) {
        const transaction = state.update({ changes: { from: at, to: at + remove, insert }, annotations: Transaction.userEvent.of(event) });
        state = transaction.state;
        return groups.of(transaction);
      },
      wait: (ms) => void (now += ms),
      other(at) {
        const transaction = state.update({ changes: { from: at, insert: "zz" } });
        state = transaction.state;
        groups.moved(transaction.changes);
      },
    };
  }

  it("join what is typed in one place without a pause", () => {
    const { type, wait, other } = typist();
    const first = type(3, "a");
    wait(100);
    expect(type(4, "b")).toBe(first);
    other(0);
    expect(type(7, "c")).toBe(first);
    expect(type(7, "", "delete.backward", 1)).toBe(first);
    const elsewhere = type(0, "d");
    expect(elsewhere).not.toBe(first);
    wait(600);
    const later = type(1, "e");
    expect(later).not.toBe(elsewhere);
    // A paste is a step of its own.
    expect(type(2, "pasted", "input.paste")).not.toBe(later);
  });
});

describe("how often one can undo", () => {
  it("follows the user's own items", () => {
    const depths = new UndoDepths();
    depths.load(2, 0);
    const mine = (kind: string, ts: number, group: string | null = null, client = "a"): void =>
      depths.note({ rev: 1, client, user: "ada", seq: 1, kind, ts }, group);
    mine("edit", 0);
    mine("edit", 400);
    expect([depths.undo, depths.redo]).toEqual([3, 0]);
    mine("edit", 1_000);
    mine("edit", 1_001, "g1");
    mine("edit", 9_000, "g1");
    mine("edit", 9_001, "g1", "another-tab");
    expect(depths.undo).toBe(6);
    mine("undo", 9_100);
    mine("edit", 9_200);
    expect([depths.undo, depths.redo]).toEqual([6, 0]);
    mine("undo", 9_300);
    mine("redo", 9_400);
    expect([depths.undo, depths.redo]).toEqual([6, 0]);
    depths.none("undo");
    expect(depths.undo).toBe(0);
  });
});

describe("unread comments", () => {
  it("are those of others, in threads that are open, since the panel was", () => {
    const thread = (id: string, resolved: boolean, ...said: [string, number][]): Thread => ({
      id, rev: 1, kind: "line", from: 0, to: 1, gate: null, quote: "", orphaned: false, resolved,
      comments: said.map(([user, ts], i) => ({ id: `${id}${i}`, user, text: "", ts })),
    });
    const threads = [thread("a", false, ["ada", 5], ["bob", 6]), thread("b", true, ["bob", 9]), thread("c", false, ["bob", 2])];
    expect(unreadOf(threads, "ada", 0)).toEqual({ count: 2, threads: new Set(["a", "c"]) });
    expect(unreadOf(threads, "ada", 2)).toEqual({ count: 1, threads: new Set(["a"]) });
    expect(unreadOf(threads, "bob", 5).count).toBe(0);
  });
});

describe("an invite in the address", () => {
  it("is taken out of it and believed only in its own alphabet", () => {
    const replaced: string[] = [];
    const history = { state: null, replaceState: (_state: unknown, _title: string, url?: string | URL | null) => void replaced.push(String(url)) };
    const take = (hash: string): string | null => takeInviteFromFragment({ hash, pathname: "/s/x", search: "" }, history);
    expect(take("#invite=Ab_9-z")).toBe("Ab_9-z");
    expect(take("#invite=Ab&x=1")).toBe("Ab");
    expect(take("#invite=%3Cscript%3E")).toBeNull();
    expect(take("#nothing")).toBeNull();
    expect(replaced).toEqual(["/s/x", "/s/x#x=1", "/s/x"]);
  });
});
