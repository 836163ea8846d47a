import { describe, expect, it } from "vitest";
import { GATE_TYPES, circuitOf, ordered, type Circuit } from "../src/lib/circuit";
import { CIRCUIT } from "../src/lib/circuit-kind";
import { CircuitOp } from "../src/lib/circuit-op";
import { between } from "../src/lib/positions";
import { SharedDocument } from "../src/lib/shared-document";
import { controlsOf, depthOf, drawingOf, labelOfGate, paletteGroups } from "../src/workbench/circuit-drawing";
import { gateAfter, moveGate, neighbours, place, readParam, resize, setKey, setQubit } from "../src/workbench/circuit-edits";
import { describeOp, layoutCircuit } from "../src/workbench/circuit-layout";
import { stopsOf } from "../src/workbench/CircuitCanvas";

const gate = (pos: string, name: string, qubits: number[], more: object = {}): object => ({ pos, name, qubits, ...more });
const bell: Circuit = circuitOf({
  qubits: 3, clbits: 1,
  gates: { h: gate("a0", "h", [0]), cx: gate("a1", "cx", [0, 1]), rx: gate("a2", "rx", [2], { params: ["pi/2"] }) },
});
const names = (circuit: Circuit | undefined): string => ordered(circuit as Circuit).map(([id]) => id).join(" ");

describe("edits of a circuit", () => {
  it("put a gate where it is wanted, with what it needs", () => {
    const op = place(bell, "x", 1, "cx", "new") as CircuitOp;
    expect(names(op.apply(bell))).toBe("h new cx rx");
    expect(names((place(bell, "x", 1, null, "new") as CircuitOp).apply(bell))).toBe("h cx rx new");
    // Too low for three qubits: it moves up.
    expect((place(bell, "ccx", 2, null, "t") as CircuitOp).apply(bell).gates.get("t")?.qubits).toEqual([0, 1, 2]);
    expect(place(bell, "c3x", 0, null)).toBeNull();
    expect((place(bell, "barrier", 2, null, "b") as CircuitOp).apply(bell).gates.get("b")?.qubits).toEqual([0, 1, 2]);
    // A measurement of q[2] brings the bit it needs.
    const measured = (place(bell, "measure", 2, null, "m") as CircuitOp).apply(bell);
    expect(measured.clbits).toBe(3);
    expect(measured.gates.get("m")?.clbits).toEqual([2]);
  });

  it("move a gate along and across the wires, and say nothing where nothing changes", () => {
    expect(moveGate(bell, "cx", 1, undefined)?.toJSON()).toEqual([{ set: { id: "cx", key: "qubits", value: [1, 2] } }]);
    expect(moveGate(bell, "cx", 9, undefined)?.apply(bell).gates.get("cx")?.qubits).toEqual([1, 2]);
    expect(moveGate(bell, "cx", -1, undefined)).toBeNull();
    expect(names(moveGate(bell, "cx", 0, "h")?.apply(bell))).toBe("cx h rx");
    expect(neighbours(bell, "cx")).toEqual({ before: "h", after: null, afterNext: null });
    expect(neighbours(bell, "h")).toEqual({ before: null, after: "cx", afterNext: null });
  });

  it("exchange operands rather than name one twice", () => {
    expect(setQubit(bell, "cx", 0, 1)?.apply(bell).gates.get("cx")?.qubits).toEqual([1, 0]);
    expect(setQubit(bell, "cx", 1, 2)?.apply(bell).gates.get("cx")?.qubits).toEqual([0, 2]);
    expect(setQubit(bell, "cx", 0, 0)).toBeNull();
    expect(setKey(bell, "rx", "params", ["pi/4"])?.apply(bell).gates.get("rx")?.params).toEqual(["pi/4"]);
  });

  it("take away only wires that are not in use", () => {
    expect(resize(bell, -1, 0)).toBeNull();
    expect(resize(bell, 1, 0)?.toJSON()).toEqual([{ resize: { qubits: 4, clbits: 1 } }]);
    expect(resize(bell, 0, -1)?.toJSON()).toEqual([{ resize: { qubits: 3, clbits: 0 } }]);
    expect(resize(resize(bell, 0, -1)?.apply(bell) as Circuit, 0, -1)).toBeNull();
  });

  it("read angles as numbers or expressions", () => {
    expect([readParam(" 0.5 "), readParam("-1e-3"), readParam("pi/2"), readParam("2*theta + 1")]).toEqual([0.5, -0.001, "pi/2", "2*theta + 1"]);
    expect([readParam(""), readParam("alert('x')"), readParam("a;b")]).toEqual([null, null, null]);
  });

  it("find a place between any two, whoever chose them", () => {
    expect(between(null, null)).toBe("a0");
    for (const [a, b] of [["a0", "a1"], ["a0", null], [null, "a0"], ["a0", "a0V"], ["zz", null], ["x~", null], ["az", "b00"]] as const) {
      const key = between(a, b);
      expect(a === null || a <= key, `${a} ≤ ${key}`).toBe(true);
      expect(b === null || key <= b, `${key} ≤ ${b}`).toBe(true);
    }
    let [low, high] = ["a0", "a1"];
    for (let i = 0; i < 200; i += 1) {
      const key = between(low, high);
      expect(low < key && key < high).toBe(true);
      if (i % 2) low = key;
      else high = key;
    }
  });
});

describe("the drawing of a circuit", () => {
  it("puts each gate into the first free column and knows its parts", () => {
    const drawing = drawingOf(bell);
    expect(drawing.columns.map((column) => column.map((op) => op.id))).toEqual([["h", "rx"], ["cx"]]);
    expect(depthOf(bell)).toBe(2);
    expect(describeOp(drawing.columns[1]?.[0] as never, drawing)).toBe("cx on q[1], controlled by q[0]");
    expect([labelOfGate("ccx"), labelOfGate("c3x"), labelOfGate("crz"), labelOfGate("csdg"), labelOfGate("cswap"), labelOfGate("sx")]).toEqual([
      "X", "X", "RZ", "S†", "SWAP", "√X",
    ]);
    for (const { name, qubits } of GATE_TYPES.values()) expect(controlsOf(name)).toBeLessThan(qubits ?? 9);
  });

  it("knows what a new gate comes ahead of", () => {
    const ops = layoutCircuit(drawingOf(bell)).ops.map((op) => ({ ...op, id: (op.op as unknown as { id: string }).id }));
    const stops = stopsOf(ops, 400);
    expect(stops).toHaveLength(3);
    expect(stops.every((stop, i) => i === 0 || stop > (stops[i - 1] as number))).toBe(true);
    expect(gateAfter(bell, ops, stops[0] as number, [0, 0])).toBe("h");
    expect(gateAfter(bell, ops, stops[1] as number, [0, 1])).toBe("cx");
    expect(gateAfter(bell, ops, stops[1] as number, [2, 2])).toBeNull();
    expect(gateAfter(bell, ops, stops[2] as number, [0, 2])).toBeNull();
  });

  it("has every gate of the table in the palette, but for older names", () => {
    const offered = paletteGroups().flatMap((group) => group.gates);
    expect(new Set(offered).size).toBe(offered.length);
    expect([...GATE_TYPES.keys()].filter((name) => !offered.includes(name))).toEqual(["u1", "u2", "u3", "cu1", "cu3"]);
  });
});

describe("a circuit that is shared", () => {
  const session = (): SharedDocument<CircuitOp, Circuit> => {
    const shared = new SharedDocument(CIRCUIT, "s", "client-a");
    shared.load({ lineage: "L", rev: 0, state: { qubits: 3, clbits: 1, gates: { h: gate("a0", "h", [0]), cx: gate("a1", "cx", [0, 1]) } }, acked: 0 });
    return shared;
  };
  const theirs = { client: "client-b", user: "bob", seq: 1, kind: "edit" };

  it("keeps what was done here over what others did meanwhile", () => {
    const shared = session();
    shared.local(CircuitOp.of({ move: { id: "h", pos: "a5" } }));
    expect(JSON.parse(shared.send() ?? "")).toMatchObject({ type: "edit", rev: 0, ops: [[{ move: { id: "h", pos: "a5" } }]] });
    shared.receive({ ...theirs, rev: 1, op: [{ set: { id: "h", key: "qubits", value: [2] } }] });
    expect(shared.visible.gates.get("h")).toMatchObject({ pos: "a5", qubits: [2] });
    shared.receive({ ...theirs, rev: 2, seq: 2, op: [{ del: "h" }] });
    expect(shared.visible.gates.has("h")).toBe(false);
    shared.receive({ rev: 3, client: "client-a", user: "alice", seq: 1, kind: "edit" });
    expect([...shared.confirmed.gates.keys()]).toEqual(["cx"]);
  });

  it("shows what fits while the server has not judged it", () => {
    const shared = session();
    shared.local(CircuitOp.of({ put: { id: "x", gate: { pos: "a9", name: "x", qubits: [2], clbits: [], params: [], condition: null } } }));
    shared.local(CircuitOp.of({ put: { id: "y", gate: { pos: "b0", name: "y", qubits: [1], clbits: [], params: [], condition: null } } }));
    shared.receive({ ...theirs, rev: 1, op: [{ resize: { qubits: 2, clbits: 1 } }] });
    expect([...shared.visible.gates.keys()]).toEqual(["h", "cx", "y"]);
  });
});
