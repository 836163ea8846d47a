/**
 * Where everything of a circuit drawing goes: plain numbers from the server's columns, so that it can be
 * tested without a browser. Classical bits are drawn as one double wire per register.
 */
import type { Drawing, DrawingOp } from "../lib/rest";

export const ROW = 46;
export const BOX = 32;
const TOP = 26;
const GAP = 13;
const CLASSICAL_ROW = 38;
const CHAR = 8.3;
const SMALL_CHAR = 5.9;

export type Shape = "box" | "target" | "swap" | "phase" | "measure" | "barrier" | "reset" | "block";

export interface PlacedOp {
  index: number;
  op: DrawingOp;
  shape: Shape;
  /** Centre. */
  x: number;
  width: number;
  /** First and last quantum row touched, and those of the box itself. */
  rows: [number, number];
  box: [number, number];
  controls: number[];
  targets: number[];
  label: string;
  detail: string | null;
  /** Classical register the op writes or depends on, and the bit text beside its end. */
  register: number | null;
  bits: string;
}

export interface Register {
  name: string;
  size: number;
  y: number;
}

export interface Layout {
  width: number;
  height: number;
  wires: { name: string; y: number }[];
  registers: Register[];
  ops: PlacedOp[];
}

export const rowY = (row: number): number => TOP + row * ROW;

export function layoutCircuit(drawing: Drawing): Layout {
  const wires = drawing.qubits.map((name, row) => ({ name, y: rowY(row) }));
  const registerNames = [...new Set(drawing.clbits.map(registerOf))];
  const classicalTop = TOP + drawing.qubits.length * ROW;
  const registers = registerNames.map((name, i) => ({
    name,
    size: drawing.clbits.filter((bit) => registerOf(bit) === name).length,
    y: classicalTop + i * CLASSICAL_ROW,
  }));

  const ops: PlacedOp[] = [];
  let x = GAP;
  for (const column of drawing.columns) {
    for (const slot of slotsOf(column, drawing, registerNames)) {
      const width = Math.max(...slot.map((placed) => placed.width));
      for (const placed of slot) ops.push({ ...placed, x: x + width / 2, index: ops.length });
      x += width + GAP;
    }
  }
  const bottom = registers.length > 0 ? classicalTop + (registers.length - 1) * CLASSICAL_ROW : classicalTop - ROW;
  return { width: Math.max(x + GAP, 120), height: bottom + 30, wires, registers, ops };
}

/** What shares a column on the wires may still cross on the way down to a register: give those their own slot. */
function slotsOf(column: DrawingOp[], drawing: Drawing, registers: string[]): PlacedOp[][] {
  const slots: { ops: PlacedOp[]; taken: [number, number][] }[] = [];
  const bottom = drawing.qubits.length + registers.length;
  for (const op of column) {
    const placed = place(op, drawing, registers);
    const extent: [number, number] = [placed.rows[0], placed.register === null ? placed.rows[1] : bottom];
    const free = slots.find((slot) => slot.taken.every(([a, b]) => extent[1] < a || extent[0] > b));
    if (free) {
      free.ops.push(placed);
      free.taken.push(extent);
    } else {
      slots.push({ ops: [placed], taken: [extent] });
    }
  }
  return slots.map((slot) => slot.ops);
}

function place(op: DrawingOp, drawing: Drawing, registers: string[]): PlacedOp {
  const controls = op.qubits.slice(0, op.controls);
  const targets = op.qubits.slice(op.controls);
  const own = targets.length > 0 ? targets : op.qubits;
  const label = labelOf(op);
  const detail = op.params.length > 0 ? shorten(op.params.map(prettyParam).join(", "), 14) : null;
  const shape = shapeOf(op, targets);
  const bit = op.clbits[0] === undefined ? undefined : drawing.clbits[op.clbits[0]];
  const conditionRegister = op.condition === null ? -1 : registers.findIndex((name) => mentions(op.condition ?? "", name));
  const register = bit !== undefined ? registers.indexOf(registerOf(bit)) : conditionRegister >= 0 ? conditionRegister : null;
  const narrow = shape === "target" || shape === "swap" || shape === "phase" || shape === "barrier";
  const text = Math.max(label.length * CHAR, (detail?.length ?? 0) * SMALL_CHAR);
  const width = shape === "barrier" ? 12 : narrow ? 28 : Math.max(BOX, Math.ceil(text) + 14);
  const bits = op.condition ?? (op.kind === "measure" ? bitIndex(bit) : "");
  return {
    index: 0,
    op,
    shape,
    x: 0,
    // The condition is written beside its line; leave room for it.
    width: op.condition === null ? width : Math.max(width, op.condition.length * SMALL_CHAR * 2 + 12),
    rows: span(op.qubits),
    box: span(own),
    controls,
    targets,
    label,
    detail,
    register,
    bits,
  };
}

function span(rows: number[]): [number, number] {
  return rows.length === 0 ? [0, 0] : [Math.min(...rows), Math.max(...rows)];
}

function shapeOf(op: DrawingOp, targets: number[]): Shape {
  if (op.kind === "measure" || op.kind === "barrier" || op.kind === "reset") return op.kind;
  if (op.kind === "control_flow") return "block";
  const label = op.label.toUpperCase();
  if (/^c*swap$/i.test(op.name) && targets.length === 2) return "swap";
  if (op.controls > 0 && targets.length === 1 && label === "X") return "target";
  if (op.controls > 0 && targets.length === 1 && label === "Z") return "phase";
  return "box";
}

const GREEK: Record<string, string> = { pi: "π", tau: "τ", theta: "θ", phi: "φ", lambda: "λ", gamma: "γ" };

/** `pi/2` as π/2, and no more digits than a drawing can use. */
export function prettyParam(param: string): string {
  return param
    .replace(/\b(pi|tau|theta|phi|lambda|gamma)\b/g, (name) => GREEK[name] ?? name)
    .replace(/\d+\.\d{4,}/g, (number) => String(Number(Number(number).toPrecision(4))))
    .replace(/\*/g, "")
    .replace(/-/g, "−");
}

function labelOf(op: DrawingOp): string {
  if (op.kind === "reset") return "|0⟩";
  if (op.kind === "measure") return "M";
  const dagger = /^(.*?)(dg|†)$/i.exec(op.label);
  const text = dagger ? `${dagger[1] ?? ""}†` : op.label;
  return shorten(text, 12);
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

const registerOf = (bit: string): string => bit.replace(/\[\d+\]$/, "");
const bitIndex = (bit: string | undefined): string => /\[(\d+)\]$/.exec(bit ?? "")?.[1] ?? "";
const mentions = (condition: string, name: string): boolean =>
  new RegExp(`(^|\\W)${name.replace(/[^\w]/g, "\\$&")}(\\W|$)`).test(condition);

/** One operation in words: for the readout under the drawing and for screen readers. */
export function describeOp(op: DrawingOp, drawing: Drawing): string {
  const names = op.qubits.map((q) => drawing.qubits[q] ?? `qubit ${q}`);
  const parameters = op.params.length > 0 ? `(${op.params.join(", ")})` : "";
  const bits = op.clbits.map((c) => drawing.clbits[c] ?? `bit ${c}`).join(", ");
  const when = op.condition === null ? "" : ` if ${op.condition}`;
  if (op.kind === "measure") return `measure ${names.join(", ")} into ${bits}${when}`;
  if (op.kind === "barrier" && names.length > 4) return `barrier over ${names.length} qubits`;
  if (op.controls > 0) {
    const controls = names.slice(0, op.controls).join(", ");
    return `${op.name}${parameters} on ${names.slice(op.controls).join(", ")}, controlled by ${controls}${when}`;
  }
  return `${op.name}${parameters} on ${names.join(", ")}${when}`;
}

export function summarize(drawing: Drawing, most = 30): string {
  const ops = drawing.columns.flat();
  const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
  const head = `Circuit with ${count(drawing.qubits.length, "qubit")} and ${count(drawing.clbits.length, "classical bit")}, ${count(ops.length, "operation")}`;
  if (ops.length === 0) return `${head}.`;
  const listed = ops.slice(0, most).map((op) => describeOp(op, drawing));
  return `${head}: ${listed.join("; ")}${ops.length > most ? `; and ${ops.length - most} more` : ""}.`;
}
