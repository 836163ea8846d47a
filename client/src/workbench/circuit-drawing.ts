/** A circuit document as a drawing: each gate in the first column where all its wires are free. */
import { GATE_TYPES, ordered, type Circuit, type Gate } from "../lib/circuit";
import type { Drawing, DrawingOp } from "../lib/rest";

/** A drawn gate that knows which one of the document it is. */
export interface GateOp extends DrawingOp {
  id: string;
}

/** As the server's own drawing has them. */
const LABELS: Record<string, string> = { sdg: "S†", tdg: "T†", sx: "√X", sxdg: "√X†", id: "I", swap: "SWAP", iswap: "iSWAP" };
const CONTROLS: Record<string, number> = {
  cx: 1, cy: 1, cz: 1, ch: 1, cs: 1, csdg: 1, csx: 1, cp: 1, crx: 1, cry: 1, crz: 1, cu: 1, cu1: 1, cu3: 1, cswap: 1,
  ccx: 2, ccz: 2, c3x: 3, c3sx: 3, c4x: 4,
};

/** How many of a gate's qubits, counted from its first, are controls. */
export const controlsOf = (name: string): number => CONTROLS[name] ?? 0;

export function labelOfGate(name: string): string {
  const controls = controlsOf(name);
  const base = controls === 0 ? name : name.replace(/^c(\d|c*)/, "");
  return LABELS[base] ?? (base.length <= 3 ? base.toUpperCase() : base);
}

const KINDS: Record<string, DrawingOp["kind"]> = { measure: "measure", barrier: "barrier", reset: "reset" };

/** `c[0] == 1`, or of several bits, the most significant first, `c[2,1] == 3`. */
export function conditionText(gate: Pick<Gate, "condition">): string | null {
  const { condition } = gate;
  return condition && `c[${[...condition.clbits].reverse().join(",")}] == ${condition.value}`;
}

export function drawnGate(id: string, gate: Gate): GateOp {
  return {
    id,
    name: gate.name,
    label: labelOfGate(gate.name),
    qubits: gate.qubits,
    clbits: gate.clbits,
    params: gate.params.map(String),
    controls: controlsOf(gate.name),
    condition: conditionText(gate),
    kind: KINDS[gate.name] ?? "gate",
  };
}

const names = (letter: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${letter}[${i}]`);

export function drawingOf(circuit: Circuit): Omit<Drawing, "columns"> & { columns: GateOp[][] } {
  const free = new Array<number>(circuit.qubits).fill(0);
  const columns: GateOp[][] = [];
  for (const [id, gate] of ordered(circuit)) {
    const first = Math.min(...gate.qubits);
    const last = Math.max(...gate.qubits);
    const column = Math.max(...free.slice(first, last + 1));
    (columns[column] ??= []).push(drawnGate(id, gate));
    free.fill(column + 1, first, last + 1);
  }
  return { qubits: names("q", circuit.qubits), clbits: names("c", circuit.clbits), columns, truncated: false };
}

/** How many layers the gates make; barriers are no gates. */
export function depthOf(circuit: Circuit): number {
  const depth = new Array<number>(circuit.qubits).fill(0);
  for (const [, gate] of ordered(circuit)) {
    if (gate.name === "barrier") continue;
    const layer = 1 + Math.max(...gate.qubits.map((wire) => depth[wire] ?? 0));
    for (const wire of gate.qubits) depth[wire] = layer;
  }
  return Math.max(0, ...depth);
}

/** What most circuits are made of: shown before all the others. */
const COMMON = ["h", "x", "y", "z", "s", "t", "rx", "ry", "rz", "p", "cx", "cz", "cp", "swap", "ccx", "measure", "reset", "barrier"];

/** The palette's groups, from the table of gates; the first one is always shown. */
export function paletteGroups(): { title: string; gates: string[] }[] {
  const all = [...GATE_TYPES.values()];
  // Under older names they are there already.
  const old = new Set(["u1", "u2", "u3", "cu1", "cu3"]);
  const pick = (test: (gate: (typeof all)[number]) => boolean): string[] =>
    all.filter((gate) => !COMMON.includes(gate.name) && !old.has(gate.name) && test(gate)).map((gate) => gate.name);
  return [
    { title: "Common", gates: COMMON },
    { title: "One qubit", gates: pick((gate) => gate.qubits === 1) },
    { title: "Two qubits", gates: pick((gate) => gate.qubits === 2) },
    { title: "Three and more", gates: pick((gate) => (gate.qubits ?? 0) > 2) },
  ];
}
