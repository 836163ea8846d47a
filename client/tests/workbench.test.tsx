import { EditorState } from "@codemirror/state";
import { StringStream } from "@codemirror/language";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import type { Drawing, DrawingOp, Job } from "../src/lib/rest";
import { sessionOf } from "../src/workbench/App";
import { CircuitView } from "../src/workbench/CircuitView";
import { describeOp, layoutCircuit, prettyParam, rowY, summarize } from "../src/workbench/circuit-layout";
import { statusLine } from "../src/workbench/ConnectionStatus";
import { axisTicks, percent, viewCounts } from "../src/workbench/counts";
import { ago } from "../src/workbench/Home";
import { PEER_COLORS, colorFor, initials } from "../src/workbench/peers";
import { token, type TokenName } from "../src/workbench/qasm-language";
import { readSettings } from "../src/workbench/RunPanel";
import { labelName } from "../src/workbench/SuggestPanel";
import { TEMPLATES, nameFromFile } from "../src/workbench/templates";
import { outcomeOf } from "../src/workbench/use-job";

function op(part: Partial<DrawingOp>): DrawingOp {
  return { name: "h", label: "H", qubits: [0], clbits: [], params: [], controls: 0, condition: null, kind: "gate", ...part };
}

function drawing(columns: DrawingOp[][], qubits = 3): Drawing {
  const names = Array.from({ length: qubits }, (_, i) => `q[${i}]`);
  return { qubits: names, clbits: names.map((_, i) => `c[${i}]`), columns, truncated: false };
}

function tokens(line: string, state = { comment: false }): [string, TokenName | null][] {
  const stream = new StringStream(line, 2, 2);
  const found: [string, TokenName | null][] = [];
  while (!stream.eol()) {
    stream.start = stream.pos;
    const kind = token(stream, state);
    if (stream.pos === stream.start) throw new Error(`no progress at ${stream.pos} of ${line}`);
    if (kind !== null) found.push([stream.current(), kind]);
  }
  return found;
}

describe("OpenQASM tokens", () => {
  it("reads version 3", () => {
    expect(tokens("ctrl @ rz(pi/2) q[0], $1; // note")).toEqual([
      ["ctrl", "modifier"], ["@", "punctuation"], ["rz", "gate"], ["(", "bracket"], ["pi", "atom"], ["/", "operator"], ["2", "number"],
      [")", "bracket"], ["q", "variable"], ["[", "bracket"], ["0", "number"], ["]", "bracket"], [",", "punctuation"], ["$1", "variable"],
      [";", "punctuation"], ["// note", "comment"],
    ]);
    expect(tokens("bit[2] c = measure q;").map(([, kind]) => kind)).toEqual([
      "typeName", "bracket", "number", "bracket", "variable", "operator", "keyword", "variable", "punctuation",
    ]);
    expect(tokens("delay[100ns] q; x = 1e-3; y = 0b1_0; θ")).toContainEqual(["100ns", "number"]);
    expect(tokens("pow(2) @ x q; pow(2, 3)").filter(([text]) => text === "pow")).toEqual([["pow", "modifier"], ["pow", "function"]]);
  });

  it("reads version 2", () => {
    expect(tokens("measure q[0] -> c[0];")[5]).toEqual(["->", "operator"]);
    expect(tokens('include "qelib1.inc";')[1]).toEqual(['"qelib1.inc"', "string"]);
    expect(tokens("qreg q[5];")[0]).toEqual(["qreg", "typeName"]);
  });

  it("carries block comments over lines and always moves on", () => {
    const state = { comment: false };
    tokens("x q; /* a", state);
    expect(state.comment).toBe(true);
    expect(tokens("b */ h q;", state)[1]).toEqual(["h", "gate"]);
    for (const odd of ["é 😀 \\ ` ? #", '"open', "1.2.3", "@", "$"]) tokens(odd);
  });
});

describe("circuit layout", () => {
  it("puts controls and targets on their rows", () => {
    const layout = layoutCircuit(drawing([[op({})], [op({ name: "ccx", label: "X", qubits: [0, 2, 1], controls: 2 })]]));
    expect(layout.ops.map((placed) => placed.shape)).toEqual(["box", "target"]);
    expect(layout.ops[1]).toMatchObject({ controls: [0, 2], targets: [1], rows: [0, 2], box: [1, 1] });
    expect(layout.ops[1]?.x).toBeGreaterThan((layout.ops[0]?.x ?? 0) + 20);
    expect(layout.wires.map((wire) => wire.y)).toEqual([rowY(0), rowY(1), rowY(2)]);
  });

  it("knows the shapes", () => {
    const shapes = [
      op({ name: "cz", label: "Z", qubits: [0, 1], controls: 1 }),
      op({ name: "swap", label: "SWAP", qubits: [0, 1] }),
      op({ name: "cswap", label: "SWAP", qubits: [0, 1, 2], controls: 1 }),
      op({ name: "cp", label: "P", qubits: [0, 1], controls: 1, params: ["pi/4"] }),
      op({ name: "measure", kind: "measure", clbits: [1] }),
      op({ name: "barrier", kind: "barrier", label: "", qubits: [0, 1, 2] }),
      op({ name: "reset", kind: "reset" }),
      op({ name: "if_else", kind: "control_flow", label: "if", condition: "c[0] == 1" }),
    ].map((one) => layoutCircuit(drawing([[one]])).ops[0]?.shape);
    expect(shapes).toEqual(["phase", "swap", "swap", "box", "measure", "barrier", "reset", "block"]);
  });

  it("never lets two operations of one column overlap on the way to the classical wire", () => {
    const measures = [0, 1, 2].map((q) => op({ name: "measure", kind: "measure", qubits: [q], clbits: [q] }));
    const layout = layoutCircuit(drawing([measures]));
    expect(new Set(layout.ops.map((placed) => placed.x)).size).toBe(3);
    expect(layout.registers).toMatchObject([{ name: "c", size: 3 }]);
    expect(layout.ops.map((placed) => placed.bits)).toEqual(["0", "1", "2"]);
    // Two gates on wires of their own share a column.
    const gates = layoutCircuit(drawing([[op({}), op({ qubits: [1] })]]));
    expect(new Set(gates.ops.map((placed) => placed.x)).size).toBe(1);
  });

  it("widens boxes for their parameters and keeps names short", () => {
    const wide = layoutCircuit(drawing([[op({ name: "u", label: "U", params: ["pi/2", "0.123456789", "-pi"] })]])).ops[0];
    expect(wide?.detail).toBe("π/2, 0.1235, …");
    expect(wide?.width).toBeGreaterThan(80);
    expect(prettyParam("2*pi/3")).toBe("2π/3");
    expect(layoutCircuit(drawing([[op({ label: "a_very_long_gate_name" })]])).ops[0]?.label).toBe("a_very_long…");
  });

  it("describes itself in words", () => {
    const one = drawing([[op({})], [op({ name: "cx", label: "X", qubits: [0, 1], controls: 1 })]]);
    expect(summarize(one)).toBe(
      "Circuit with 3 qubits and 3 classical bits, 2 operations: h on q[0]; cx on q[1], controlled by q[0].",
    );
    expect(describeOp(op({ name: "rz", params: ["pi/2"], condition: "c == 1" }), one)).toBe("rz(pi/2) on q[0] if c == 1");
    expect(summarize(drawing([]))).toContain("0 operations.");
  });

  it("is drawn, with nothing of a name taken as markup", () => {
    const markup = renderToStaticMarkup(
      <CircuitView stale={false} drawing={drawing([[op({ label: "<b>", name: "<img>" })], [op({ name: "cx", label: "X", qubits: [0, 2], controls: 1 })]])} />,
    );
    expect(markup).toContain('role="img"');
    expect(markup).toContain("&lt;b&gt;");
    expect(markup).not.toContain("<b>");
    expect(markup).toContain('class="target"');
  });
});

describe("counts", () => {
  it("sum to the shots in every view", () => {
    const counts = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [i.toString(2).padStart(8, "0"), i + 1]));
    for (const order of ["count", "bitstring"] as const) {
      const view = viewCounts(counts, order);
      expect(view.bars).toHaveLength(24);
      expect(view.bars.reduce((sum, bar) => sum + bar.count, 0)).toBe(view.shots);
      expect(view.bars[23]).toMatchObject({ label: "177 others", outcomes: 177 });
    }
    expect(viewCounts(counts, "count").bars[0]?.label).toBe("11000111");
  });

  it("keep every outcome when there are few", () => {
    const view = viewCounts({ "11": 3, "00": 5, "01": 0 }, "bitstring");
    expect(view.bars.map((bar) => bar.label)).toEqual(["00", "11"]);
    expect(view.bars[0]?.probability).toBeCloseTo(5 / 8);
    expect(viewCounts({}, "count")).toEqual({ bars: [], shots: 0, outcomes: 0 });
  });

  it("have a readable axis", () => {
    expect(axisTicks(1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(axisTicks(0.07)).toEqual([0, 0.02, 0.04, 0.06]);
    expect(axisTicks(0)).toEqual([0]);
    expect(percent(0.5)).toBe("50.0 %");
    expect(percent(0.0001)).toBe("<0.1 %");
    expect(percent(1)).toBe("100 %");
  });
});

describe("a finished job", () => {
  const job: Job = { id: "j", status: "done", progress: 1, shots: 10, seed: null, results: [{ counts: { "0": 10 } }], created_at: 0, finished_at: null };

  it("has counts, or says why not", () => {
    expect(outcomeOf(job)).toMatchObject({ phase: "done", counts: { "0": 10 } });
    expect(outcomeOf({ ...job, status: "cancelled", results: [null] })).toEqual({ phase: "cancelled" });
    expect(outcomeOf({ ...job, results: [{ error: "too many qubits" }] })).toEqual({ phase: "failed", message: "too many qubits" });
    expect(outcomeOf({ ...job, status: "failed", results: [null], error: { message: "worker died" } })).toEqual({ phase: "failed", message: "worker died" });
    expect(outcomeOf({ ...job, results: [] }).phase).toBe("failed");
  });
});

describe("run settings", () => {
  it("are checked before they are sent", () => {
    expect(readSettings("1024", "")).toEqual({ shots: 1024, seed: undefined });
    expect(readSettings(" 10 ", "7")).toEqual({ shots: 10, seed: 7 });
    for (const bad of ["", "0", "-1", "1.5", "1e3", "9999999", "x"]) expect(readSettings(bad, "")).toContain("Shots");
    for (const bad of ["-1", "x", "1.5", "4294967296"]) expect(readSettings("1", bad)).toContain("Seed");
  });
});

describe("the status line", () => {
  const text = {
    phase: "live", role: "editor", canWrite: true, canComment: true, canManage: false, canUndo: false, canRedo: false, unconfirmed: 0, rev: 1,
  } as const;

  it("tells the truth about the user's work", () => {
    expect(statusLine({ phase: "live", since: 0 }, text, 0).text).toBe("Live · all changes saved");
    expect(statusLine({ phase: "live", since: 0 }, { ...text, unconfirmed: 2 }, 0).text).toBe("Live · saving…");
    expect(statusLine({ phase: "live", since: 0 }, { ...text, canWrite: false, canComment: false }, 0).text).toBe("Live · read only");
    expect(statusLine({ phase: "live", since: 0 }, { ...text, canWrite: false }, 0).text).toBe("Live · read and comment");
    expect(statusLine({ phase: "waiting", attempt: 1, retryAt: 3_500, reason: "" }, { ...text, unconfirmed: 1 }, 1_000).text).toBe(
      "Reconnecting in 3 s · 1 unsaved edit",
    );
    expect(statusLine({ phase: "refused", code: 4501, reason: "Removed." }, text, 0)).toMatchObject({ text: "Disconnected", spoken: "Removed.", action: null });
    expect(statusLine({ phase: "refused", code: 4502, reason: "Errors." }, text, 0).action).toBe("retry");
    expect(statusLine({ phase: "refused", code: "not_found", reason: "Gone." }, text, 0)).toMatchObject({ text: "Gone.", action: null });
    expect(statusLine({ phase: "offline", reason: "" }, { ...text, unconfirmed: 4 }, 0)).toMatchObject({ text: "Offline · 4 unsaved edits", action: "retry" });
  });
});

describe("small things", () => {
  it("addresses name sessions", () => {
    expect(sessionOf({ pathname: "/s/abc", search: "" })).toBe("abc");
    expect(sessionOf({ pathname: "/", search: "?session=a%20b" })).toBe("a b");
    expect(sessionOf({ pathname: "/", search: "" })).toBeNull();
    expect(sessionOf({ pathname: "/s/%E0%A4%A", search: "" })).toBeNull();
  });

  it("people have initials and steady colours", () => {
    expect(initials("Ada Lovelace")).toBe("AL");
    expect(initials("guest-1")).toBe("G1");
    expect(initials("")).toBe("?");
    expect(colorFor("alice")).toBe(colorFor("alice"));
    expect(PEER_COLORS).toContain(colorFor("bob"));
  });

  it("files, labels and times have readable names", () => {
    expect(nameFromFile("C:\\x\\grover_n2.qasm")).toBe("grover_n2");
    expect(nameFromFile(".qasm")).toBe("Untitled");
    expect(labelName("qft")).toBe("Quantum Fourier transform");
    expect(labelName("un-heard_of")).toBe("un heard of");
    expect(ago(Date.parse("2026-01-01T00:00:00Z"), Date.parse("2026-01-01T00:07:00Z"))).toBe("7 min ago");
    expect(ago(Date.parse("2026-01-01T00:00:00Z"), Date.parse("2026-01-02T03:00:00Z"))).toBe("yesterday");
  });

  it("templates are whole programs with one kind of line break", () => {
    for (const template of TEMPLATES) {
      if (typeof template.content !== "string") continue;
      expect(EditorState.create({ doc: template.content }).doc.line(1).text).toBe("OPENQASM 3.0;");
      expect(template.content).not.toContain("\r");
    }
  });
});
