/** Circuits: an op is a `CircuitOp`, a document its `Circuit`. */
import { EMPTY, circuitOf, type Circuit } from "./circuit";
import { CircuitOp } from "./circuit-op";
import type { DocumentKind } from "./document-kind";

export const CIRCUIT: DocumentKind<CircuitOp, Circuit> = {
  name: "circuit",
  nothing: EMPTY,
  load: circuitOf,
  readOp: (json) => CircuitOp.fromJSON(json),
  writeOp: (op) => op.toJSON(),
  isEmpty: (op) => op.empty,
  // Gates have names, so an op fits any circuit or is refused by the server.
  mismatch: () => null,
  apply: (op, circuit) => op.applyWhatFits(circuit),
  map: (op, over, before = false) => op.map(over, before),
  compose: (first, second) => first.compose(second),
  invert: (op, circuit) => op.invert(circuit),
  prepare: (op) => ({ first: op, rest: null }),
  difference: (from, to) => CircuitOp.between(from, to),
  movePlace: (place) => place,
  anchor: (place, circuit) => ("gate" in place && circuit.gates.has(place.gate) ? place : null),
  salvage: (op) => JSON.stringify(op.toJSON()),
};
