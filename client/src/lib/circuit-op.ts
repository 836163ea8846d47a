/**
 * Circuit operations, with the very semantics of the server's `actors/ot/circuit.py`: net effects on gates by
 * id, and at most one size. Primitives on different gates never meet; where two concurrent ops meet on one gate
 * a later put replaces, a delete beats changes, an earlier put takes a later change, and of one property the
 * later value stands. All values are immutable.
 */
import { fitProblem, gateProblem, type Circuit, type Gate, type GateKey } from "./circuit";

export type Primitive =
  | { put: { id: string; gate: Gate } }
  | { del: string }
  | { move: { id: string; pos: string } }
  | { set: { id: string; key: GateKey; value: unknown } }
  | { resize: { qubits: number; clbits: number } };

/** Properties of a gate, sorted by their keys. */
type Values = readonly (readonly [GateKey, unknown])[];
export type Effect = { put: Gate } | { del: true } | { change: Values };

/** The result would be no circuit. */
export class InvalidCircuit extends Error {
  override readonly name = "InvalidCircuit";
}

export class CircuitOp {
  static readonly none = new CircuitOp(new Map(), null);

  constructor(
    readonly effects: ReadonlyMap<string, Effect>,
    readonly resize: readonly [number, number] | null,
  ) {}

  /** Read the JSON form. Throws `InvalidCircuit` where a deleted gate is changed, or a primitive is none. */
  static fromJSON(value: unknown): CircuitOp {
    if (!Array.isArray(value)) throw new InvalidCircuit("expected a list of primitives");
    const effects = new Map<string, Effect>();
    let resize: [number, number] | null = null;
    for (const part of value as Primitive[]) {
      if ("resize" in part) {
        resize = [part.resize.qubits, part.resize.clbits];
        continue;
      }
      const [id, effect] = read(part);
      effects.set(id, then(effects.get(id), effect));
    }
    return new CircuitOp(effects, resize);
  }

  /** An op of these primitives, one after the other. */
  static of(...primitives: Primitive[]): CircuitOp {
    return CircuitOp.fromJSON(primitives);
  }

  /** What makes `target` of `circuit`, touching only gates that differ. */
  static between(circuit: Circuit, target: Circuit): CircuitOp {
    const effects = new Map<string, Effect>();
    for (const id of circuit.gates.keys()) if (!target.gates.has(id)) effects.set(id, { del: true });
    for (const [id, gate] of target.gates) {
      const old = circuit.gates.get(id);
      if (old === undefined || !same(old, gate)) effects.set(id, { put: gate });
    }
    const resized = circuit.qubits !== target.qubits || circuit.clbits !== target.clbits;
    return new CircuitOp(effects, resized ? [target.qubits, target.clbits] : null);
  }

  get empty(): boolean {
    return this.effects.size === 0 && this.resize === null;
  }

  toJSON(): Primitive[] {
    const result: Primitive[] = [];
    if (this.resize) result.push({ resize: { qubits: this.resize[0], clbits: this.resize[1] } });
    for (const [id, effect] of this.effects) {
      if ("put" in effect) result.push({ put: { id, gate: effect.put } });
      else if ("del" in effect) result.push({ del: id });
      else {
        for (const [key, value] of effect.change) {
          result.push(key === "pos" ? { move: { id, pos: String(value) } } : { set: { id, key, value } });
        }
      }
    }
    return result;
  }

  /** This op as it applies after `other`, which was accepted earlier; with `before`, this one was. */
  map(other: CircuitOp, before = false): CircuitOp {
    const resize = before && other.resize ? null : this.resize;
    const effects = new Map<string, Effect>();
    for (const [id, effect] of this.effects) {
      const theirs = other.effects.get(id);
      const left = theirs === undefined ? effect : before ? metByLater(effect, theirs) : metByEarlier(effect, theirs);
      if (left) effects.set(id, left);
    }
    return new CircuitOp(effects, resize);
  }

  /** This, then `other`. Throws `InvalidCircuit` where `other` changes a gate that this deletes. */
  compose(other: CircuitOp): CircuitOp {
    const effects = new Map(this.effects);
    for (const [id, effect] of other.effects) effects.set(id, then(effects.get(id), effect));
    return new CircuitOp(effects, other.resize ?? this.resize);
  }

  /** The circuit this makes of `circuit`. Throws `InvalidCircuit`. */
  apply(circuit: Circuit): Circuit {
    const [qubits, clbits] = this.resize ?? [circuit.qubits, circuit.clbits];
    const gates = new Map(circuit.gates);
    for (const [id, effect] of this.effects) {
      if ("del" in effect) {
        gates.delete(id);
        continue;
      }
      const gate = resultOf(effect, gates.get(id));
      const problem = gate === null ? "it does not exist" : (gateProblem(gate) ?? fitProblem(gate, qubits, clbits));
      if (gate === null || problem !== null) throw new InvalidCircuit(`gate ${id}: ${problem}`);
      gates.set(id, gate);
    }
    if (qubits < circuit.qubits || clbits < circuit.clbits) {
      for (const [id, gate] of gates) {
        const problem = fitProblem(gate, qubits, clbits);
        if (problem !== null) throw new InvalidCircuit(`gate ${id}: ${problem}`);
      }
    }
    return { qubits, clbits, gates };
  }

  /** As much of `apply` as leaves a circuit: what is shown while the server has not judged it yet. */
  applyWhatFits(circuit: Circuit): Circuit {
    // Nearly always the whole fits.
    const whole = attempt(this, circuit);
    return whole ?? this.parts().reduce((shown, part) => attempt(part, shown) ?? shown, circuit);
  }

  /** What takes this back; `circuit` is what it applied to. */
  invert(circuit: Circuit): CircuitOp {
    const effects = new Map<string, Effect>();
    for (const [id, effect] of this.effects) {
      const old = circuit.gates.get(id);
      if (old === undefined) {
        if ("put" in effect) effects.set(id, { del: true });
      } else if ("change" in effect) {
        effects.set(id, { change: effect.change.map(([key]) => [key, old[key] ?? null] as const) });
      } else {
        effects.set(id, { put: old });
      }
    }
    return new CircuitOp(effects, this.resize ? [circuit.qubits, circuit.clbits] : null);
  }

  /** One op for each gate, those that free wires before the size and those that need them after it. */
  private parts(): CircuitOp[] {
    const all = [...this.effects].map(([id, effect]) => [new CircuitOp(new Map([[id, effect]]), null), "del" in effect] as const);
    const size = this.resize ? [new CircuitOp(new Map(), this.resize)] : [];
    return [...all.filter(([, del]) => del).map(([op]) => op), ...size, ...all.filter(([, del]) => !del).map(([op]) => op)];
  }
}

function attempt(op: CircuitOp, circuit: Circuit): Circuit | null {
  try {
    return op.apply(circuit);
  } catch (error) {
    if (error instanceof InvalidCircuit) return null;
    throw error;
  }
}

function read(part: Exclude<Primitive, { resize: unknown }>): [string, Effect] {
  if ("put" in part) return [part.put.id, { put: part.put.gate }];
  if ("del" in part) return [part.del, { del: true }];
  if ("move" in part) return [part.move.id, { change: [["pos", part.move.pos]] }];
  if ("set" in part) return [part.set.id, { change: [[part.set.key, part.set.value]] }];
  throw new InvalidCircuit("expected one of put, del, move, set, resize");
}

function resultOf(effect: { put: Gate } | { change: Values }, old: Gate | undefined): Gate | null {
  if ("put" in effect) return effect.put;
  return old === undefined ? null : changed(old, effect.change);
}

function changed(gate: Gate, values: Values): Gate {
  const { note, ...rest } = { ...gate, ...Object.fromEntries(values) } as Gate;
  // Absent where there is none, as the server writes it.
  return note === null || note === undefined ? rest : { ...rest, note };
}

function then(first: Effect | undefined, second: Effect): Effect {
  if (first === undefined || !("change" in second)) return second;
  if ("put" in first) return { put: changed(first.put, second.change) };
  if ("del" in first) throw new InvalidCircuit("a gate that is deleted cannot be changed");
  const values = new Map<GateKey, unknown>([...first.change, ...second.change]);
  return { change: [...values].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)) };
}

/** What is left of the later effect. */
function metByEarlier(mine: Effect, theirs: Effect): Effect | null {
  return "del" in theirs && !("put" in mine) ? null : mine;
}

/** What is left of the earlier effect. */
function metByLater(mine: Effect, theirs: Effect): Effect | null {
  if (!("change" in theirs)) return null;
  if ("put" in mine) return { put: changed(mine.put, theirs.change) };
  if ("del" in mine) return mine;
  const known = new Set(theirs.change.map(([key]) => key));
  const left = mine.change.filter(([key]) => !known.has(key));
  return left.length > 0 ? { change: left } : null;
}

function same(a: Gate, b: Gate): boolean {
  const text = ({ pos, name, qubits, clbits, params, condition, note }: Gate): string =>
    JSON.stringify([pos, name, qubits, clbits, params, condition && [condition.clbits, condition.value], note ?? null]);
  return a === b || text(a) === text(b);
}
