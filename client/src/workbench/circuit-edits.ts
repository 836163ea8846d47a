/** What a user does to a circuit, as operations. Pure: a circuit in, an op out, or null where it cannot be done. */
import { GATE_TYPES, MAX_CLBITS, MAX_QUBITS, ordered, usedWires, type Circuit, type Gate, type GateKey } from "../lib/circuit";
import { CircuitOp, type Primitive } from "../lib/circuit-op";
import { between } from "../lib/positions";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export function newGateId(): string {
  return `g${Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => ALPHABET[byte % 62]).join("")}`;
}

/** The position ahead of `id`, or after all; the gate `moving` is taken out first. */
export function positionBefore(circuit: Circuit, id: string | null, moving: string | null = null): string {
  const list = ordered(circuit).filter(([each]) => each !== moving);
  const found = id === null ? list.length : list.findIndex(([each]) => each === id);
  const at = found < 0 ? list.length : found;
  return between(list[at - 1]?.[1].pos ?? null, list[at]?.[1].pos ?? null);
}

/** The qubits a new gate gets: from `wire` down, or up from the last where there are too few below. */
export function wiresFor(circuit: Circuit, name: string, wire: number): number[] | null {
  const kind = GATE_TYPES.get(name);
  if (!kind) return null;
  // A barrier keeps everything apart.
  const count = kind.qubits ?? circuit.qubits;
  if (count > circuit.qubits || count === 0) return null;
  const first = kind.qubits === null ? 0 : Math.max(0, Math.min(wire, circuit.qubits - count));
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Put a new gate on `wire`, ahead of the gate `before`. A measurement brings the bit it needs. */
export function place(circuit: Circuit, name: string, wire: number, before: string | null, id = newGateId()): CircuitOp | null {
  const qubits = wiresFor(circuit, name, wire);
  const kind = GATE_TYPES.get(name);
  if (!qubits || !kind) return null;
  const clbits = kind.clbits === 0 ? [] : [qubits[0] ?? 0];
  const bits = Math.max(circuit.clbits, ...clbits.map((bit) => bit + 1));
  const gate: Gate = {
    pos: positionBefore(circuit, before),
    name,
    qubits,
    clbits,
    params: Array.from({ length: kind.params }, () => "pi/2"),
    condition: null,
  };
  const primitives: Primitive[] = bits > circuit.clbits ? [{ resize: { qubits: circuit.qubits, clbits: bits } }] : [];
  return CircuitOp.of(...primitives, { put: { id, gate } });
}

/** Shift a gate by whole wires and put it ahead of `before`; what does not change is not said. */
export function moveGate(circuit: Circuit, id: string, rows: number, before: string | null | undefined): CircuitOp | null {
  const gate = circuit.gates.get(id);
  if (!gate) return null;
  const shift = Math.max(-Math.min(...gate.qubits), Math.min(rows, circuit.qubits - 1 - Math.max(...gate.qubits)));
  const primitives: Primitive[] = [];
  if (shift !== 0) primitives.push({ set: { id, key: "qubits", value: gate.qubits.map((wire) => wire + shift) } });
  if (before !== undefined) primitives.push({ move: { id, pos: positionBefore(circuit, before, id) } });
  return primitives.length > 0 ? CircuitOp.of(...primitives) : null;
}

/** The gate that a gate on these rows, drawn at `x`, comes ahead of. */
export function gateAfter(circuit: Circuit, drawn: readonly { id: string; x: number; rows: readonly [number, number] }[], x: number, rows: readonly [number, number], moving: string | null = null): string | null {
  const ahead = new Set(
    drawn.filter((op) => op.id !== moving && op.x >= x && op.rows[0] <= rows[1] && op.rows[1] >= rows[0]).map((op) => op.id),
  );
  return ordered(circuit).find(([id]) => ahead.has(id))?.[0] ?? null;
}

/** The neighbours of a gate among those that share a wire with it: what it can change places with. */
export function neighbours(circuit: Circuit, id: string): { before: string | null; after: string | null; afterNext: string | null } {
  const gate = circuit.gates.get(id);
  const span = (qubits: readonly number[]): [number, number] => [Math.min(...qubits), Math.max(...qubits)];
  if (!gate) return { before: null, after: null, afterNext: null };
  const [first, last] = span(gate.qubits);
  const near = ordered(circuit).filter(([, other]) => {
    const [a, b] = span(other.qubits);
    return a <= last && b >= first;
  });
  const at = near.findIndex(([each]) => each === id);
  return { before: near[at - 1]?.[0] ?? null, after: near[at + 1]?.[0] ?? null, afterNext: near[at + 2]?.[0] ?? null };
}

/** Change one property. Null where nothing would change. */
export function setKey(circuit: Circuit, id: string, key: GateKey, value: unknown): CircuitOp | null {
  const gate = circuit.gates.get(id);
  if (!gate || JSON.stringify(gate[key]) === JSON.stringify(value)) return null;
  return CircuitOp.of({ set: { id, key, value } });
}

/** Let operand `index` act on `wire`; where another operand is there, the two change places. */
export function setQubit(circuit: Circuit, id: string, index: number, wire: number): CircuitOp | null {
  const gate = circuit.gates.get(id);
  if (!gate) return null;
  const qubits = [...gate.qubits];
  const other = qubits.indexOf(wire);
  if (other >= 0) qubits[other] = qubits[index] ?? wire;
  qubits[index] = wire;
  return setKey(circuit, id, "qubits", qubits);
}

/** Add or take away the last qubit or bit. Null where it is in use, or the end of what is allowed is reached. */
export function resize(circuit: Circuit, qubits: number, clbits: number): CircuitOp | null {
  const [usedQubits, usedClbits] = usedWires(circuit);
  const size = { qubits: circuit.qubits + qubits, clbits: circuit.clbits + clbits };
  if (size.qubits < usedQubits || size.clbits < usedClbits || size.qubits > MAX_QUBITS || size.clbits > MAX_CLBITS) return null;
  return CircuitOp.of({ resize: size });
}

/** A parameter as typed: a number, or an expression that the server will read. Null where it can be neither. */
export function readParam(text: string): number | string | null {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.length > 200) return null;
  if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return Number(trimmed);
  return /^[\w\s.+\-*/^()πτθφλγ]+$/u.test(trimmed) ? trimmed : null;
}
