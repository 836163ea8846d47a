/** The circuit document: gates by id on numbered wires, in the order of `(pos, id)`. As `quantum/document.py`. */
import table from "./gates.json";

export interface Condition {
  clbits: number[];
  value: number;
}

/** One gate. Never changed: an edit makes another. */
export interface Gate {
  pos: string;
  name: string;
  qubits: number[];
  clbits: number[];
  params: (number | string)[];
  condition: Condition | null;
  note?: string;
}

export type GateKey = keyof Gate;

export interface Circuit {
  readonly qubits: number;
  readonly clbits: number;
  readonly gates: ReadonlyMap<string, Gate>;
}

/** What a gate takes: a copy of the server's `quantum/gates.py`, which a test compares with it. */
export interface GateType {
  name: string;
  /** Null for any number, at least one. */
  qubits: number | null;
  params: number;
  clbits: number;
  help: string;
}

export const GATE_TYPES: ReadonlyMap<string, GateType> = new Map((table as GateType[]).map((row) => [row.name, row]));
export const MAX_QUBITS = 1_000;
export const MAX_CLBITS = 10_000;

export const EMPTY: Circuit = { qubits: 0, clbits: 0, gates: new Map() };

interface CircuitJson {
  qubits: number;
  clbits: number;
  gates: Record<string, Partial<Gate> & Pick<Gate, "pos" | "name" | "qubits">>;
}

export function circuitOf(json: unknown): Circuit {
  const { qubits, clbits, gates } = json as CircuitJson;
  // Entries, not properties: an id may be `__proto__`.
  return { qubits, clbits, gates: new Map(Object.entries(gates).map(([id, gate]) => [id, gateOf(gate)])) };
}

function gateOf({ pos, name, qubits, clbits = [], params = [], condition = null, note }: CircuitJson["gates"][string]): Gate {
  return { pos, name, qubits, clbits, params, condition, ...(note === undefined || note === null ? {} : { note }) };
}

export function circuitToJson({ qubits, clbits, gates }: Circuit): CircuitJson {
  return { qubits, clbits, gates: Object.fromEntries(gates) };
}

/** The gates as they act. */
export function ordered(circuit: Circuit): [string, Gate][] {
  const less = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...circuit.gates].sort(([idA, a], [idB, b]) => less(a.pos, b.pos) || less(idA, idB));
}

/** What of a gate's parts does not fit another; null when all do. */
export function gateProblem(gate: Gate): string | null {
  const kind = GATE_TYPES.get(gate.name);
  if (!kind) return `unknown gate ${gate.name}`;
  if (kind.qubits === null ? gate.qubits.length === 0 : gate.qubits.length !== kind.qubits) return `${gate.name} takes ${kind.qubits ?? "at least 1"} qubits`;
  if (gate.clbits.length !== kind.clbits) return `${gate.name} takes ${kind.clbits} bits`;
  if (gate.params.length !== kind.params) return `${gate.name} takes ${kind.params} parameters`;
  if (new Set(gate.qubits).size !== gate.qubits.length) return "a qubit is named twice";
  return null;
}

/** Why a gate does not fit into a circuit of this size; null when it does. */
export function fitProblem(gate: Gate, qubits: number, clbits: number): string | null {
  const wire = Math.max(...gate.qubits);
  const bit = Math.max(-1, ...gate.clbits, ...(gate.condition?.clbits ?? []));
  if (wire >= qubits) return `${gate.name} acts on qubit ${wire}; there are ${qubits}`;
  if (bit >= clbits) return `${gate.name} uses bit ${bit}; there are ${clbits}`;
  return null;
}

/** How many qubits and bits are in use: a circuit cannot be made smaller. */
export function usedWires(circuit: Circuit): [number, number] {
  let [qubits, clbits] = [0, 0];
  for (const gate of circuit.gates.values()) {
    qubits = Math.max(qubits, ...gate.qubits.map((wire) => wire + 1));
    clbits = Math.max(clbits, ...gate.clbits.map((bit) => bit + 1), ...(gate.condition?.clbits ?? []).map((bit) => bit + 1));
  }
  return [qubits, clbits];
}
