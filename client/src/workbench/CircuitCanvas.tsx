import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactElement } from "react";
import type { Circuit } from "../lib/circuit";
import type { CircuitPeer } from "../lib/circuit-channel";
import { drawingOf, labelOfGate, type GateOp } from "./circuit-drawing";
import { gateAfter, wiresFor } from "./circuit-edits";
import { BOX, ROW, describeOp, layoutCircuit, rowY, summarize, type PlacedOp } from "./circuit-layout";
import { Operation, WireNames, Wires, family, labelWidthOf } from "./CircuitView";
import { colorFor } from "./peers";

/** Beside the last gate, room for the next one. */
const MARGIN = 90;
const WINDOWED = 300;
/** A press that moves less than this is a press, not a drag. */
const THRESHOLD = 5;

interface Spot {
  x: number;
  row: number;
}

interface Drag {
  id: string;
  from: Spot & { y: number };
  dx: number;
  dy: number;
  moved: boolean;
}

export interface CanvasProps {
  circuit: Circuit;
  writable: boolean;
  /** The gate that a press puts down. */
  armed: string | null;
  selected: string | null;
  peers: readonly CircuitPeer[];
  /** Comments by gate. */
  marks: ReadonlyMap<string, { count: number; unread: boolean }>;
  onSelect: (id: string | null) => void;
  onPlace: (name: string, row: number, before: string | null, more: boolean) => void;
  onDisarm: () => void;
  /** `before` is the gate it now stands ahead of; null for the end, undefined for where it was. */
  onMove: (id: string, rows: number, before: string | null | undefined) => void;
  onStep: (id: string, way: "earlier" | "later") => void;
  onDelete: (id: string) => void;
  onEdit: () => void;
}

/** The circuit as what is worked on: gates are put down, selected, dragged and deleted, by pointer or keyboard. */
export function CircuitCanvas(props: CanvasProps): ReactElement {
  const { circuit, writable, armed, selected, peers, marks, onSelect } = props;
  const drawing = useMemo(() => drawingOf(circuit), [circuit]);
  const [view, setView] = useState({ left: 0, right: 0 });
  const placed = useMemo(() => layoutCircuit(drawing), [drawing]);
  const labelWidth = labelWidthOf(placed);
  // The wires reach to the edge of what is seen, so that there is a place for the next gate.
  const layout = useMemo(
    () => ({ ...placed, width: Math.max(placed.width + MARGIN, view.right - view.left - labelWidth) }),
    [placed, view.left, view.right, labelWidth],
  );
  const ops = useMemo(() => placed.ops.map((op) => ({ ...op, id: (op.op as GateOp).id })), [placed]);
  const stops = useMemo(() => stopsOf(ops, placed.width), [ops, placed.width]);
  const svg = useRef<SVGSVGElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [spot, setSpot] = useState<Spot | null>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const readout = useId();

  const spotAt = (event: { clientX: number; clientY: number }): Spot | null => {
    const box = svg.current?.getBoundingClientRect();
    if (!box || event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) return null;
    const x = nearest(stops, event.clientX - box.left);
    const row = Math.round((event.clientY - box.top - rowY(0)) / ROW);
    return { x, row: Math.max(0, Math.min(circuit.qubits - 1, row)) };
  };
  const put = (at: Spot, more: boolean): void => {
    if (armed === null) return;
    const wires = wiresFor(circuit, armed, at.row) ?? [at.row];
    props.onPlace(armed, at.row, gateAfter(circuit, ops, at.x, [Math.min(...wires), Math.max(...wires)]), more);
  };

  // From the palette a gate is dragged here, or pressed there and then here: either way it ends with a release.
  const latest = useRef({ spotAt, put });
  latest.current = { spotAt, put };
  useEffect(() => {
    if (armed === null) {
      setSpot(null);
      return;
    }
    let began = false;
    const move = (event: globalThis.PointerEvent): void => setSpot((old) => latest.current.spotAt(event) ?? (event.pointerType === "mouse" ? null : old));
    const down = (event: globalThis.PointerEvent): void => {
      began = latest.current.spotAt(event) !== null;
    };
    const up = (event: globalThis.PointerEvent): void => {
      const at = latest.current.spotAt(event);
      if (at) latest.current.put(at, began);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerdown", down);
    window.addEventListener("pointerup", up);
    return () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerdown", down);
      window.removeEventListener("pointerup", up);
    };
  }, [armed]);

  const measureView = (): void => {
    const element = scroller.current;
    if (element) setView({ left: element.scrollLeft, right: element.scrollLeft + element.clientWidth });
  };
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(measureView);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const windowed = ops.length > WINDOWED;
  const shown = windowed ? ops.filter((op) => op.x > view.left - 400 && op.x < view.right + 400) : ops;
  const chosen = ops.find((op) => op.id === selected);

  const reveal = (x: number): void => {
    const element = scroller.current;
    if (!element) return;
    if (x - 40 < element.scrollLeft || x + 40 + labelWidth > element.scrollLeft + element.clientWidth) {
      element.scrollLeft = x - (element.clientWidth - labelWidth) / 2;
    }
  };
  const revealed = chosen?.x;
  useEffect(() => {
    if (revealed !== undefined) reveal(revealed);
    // Where a gate came to stand is shown; not where every other one did.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected, revealed]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const handled = armed !== null ? placeByKey(event) : selectByKey(event);
    if (handled) event.preventDefault();
  };
  const placeByKey = (event: KeyboardEvent): boolean => {
    const at = spot ?? { x: stops[stops.length - 1] ?? 0, row: 0 };
    const index = stops.indexOf(at.x);
    const to = (x: number | undefined, row: number): boolean => {
      const next = { x: x ?? at.x, row: Math.max(0, Math.min(circuit.qubits - 1, row)) };
      setSpot(next);
      reveal(next.x);
      return true;
    };
    switch (event.key) {
      case "ArrowLeft":
        return to(stops[index - 1], at.row);
      case "ArrowRight":
        return to(stops[index + 1], at.row);
      case "ArrowUp":
        return to(at.x, at.row - 1);
      case "ArrowDown":
        return to(at.x, at.row + 1);
      case "Enter":
      case " ":
        if (event.ctrlKey || event.metaKey) return false;
        put(at, true);
        return true;
      case "Escape":
        props.onDisarm();
        return true;
      default:
        return false;
    }
  };
  const selectByKey = (event: KeyboardEvent): boolean => {
    const at = chosen?.index ?? null;
    const last = ops.length - 1;
    const choose = (index: number): boolean => {
      onSelect(ops[index]?.id ?? null);
      return last >= 0;
    };
    if (event.altKey && chosen && writable) {
      if (event.key === "ArrowUp" || event.key === "ArrowDown") props.onMove(chosen.id, event.key === "ArrowUp" ? -1 : 1, undefined);
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") props.onStep(chosen.id, event.key === "ArrowLeft" ? "earlier" : "later");
      else return false;
      return true;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    switch (event.key) {
      case "ArrowRight":
        return choose(at === null ? 0 : Math.min(last, at + 1));
      case "ArrowLeft":
        return choose(at === null ? 0 : Math.max(0, at - 1));
      case "Home":
        return choose(0);
      case "End":
        return choose(last);
      case "Delete":
      case "Backspace":
        if (!chosen || !writable) return false;
        props.onDelete(chosen.id);
        return true;
      case "Enter":
        if (!chosen) return false;
        props.onEdit();
        return true;
      case "Escape":
        onSelect(null);
        return selected !== null;
      default:
        return false;
    }
  };

  const onPointerDown = (event: PointerEvent<SVGGElement>, op: PlacedOp & { id: string }): void => {
    if (armed !== null || event.button !== 0) return;
    onSelect(op.id);
    if (!writable) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setDrag({ id: op.id, from: { x: event.clientX, y: event.clientY, row: 0 }, dx: 0, dy: 0, moved: false });
  };
  const onPointerMove = (event: PointerEvent): void => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.from.x, event.clientY - drag.from.y];
    setDrag({ ...drag, dx, dy, moved: drag.moved || Math.hypot(dx, dy) > THRESHOLD });
  };
  const onPointerUp = (op: PlacedOp & { id: string }): void => {
    if (drag?.moved) {
      const rows = Math.round(drag.dy / ROW);
      const shift = Math.max(-op.rows[0], Math.min(rows, circuit.qubits - 1 - op.rows[1]));
      const span = [op.rows[0] + shift, op.rows[1] + shift] as const;
      const stood = gateAfter(circuit, ops, op.x, span, op.id);
      const stands = gateAfter(circuit, ops, op.x + drag.dx, span, op.id);
      props.onMove(op.id, shift, Math.abs(drag.dx) > 12 && stands !== stood ? stands : undefined);
    }
    setDrag(null);
  };

  const ghost = armed !== null && spot !== null ? wiresFor(circuit, armed, spot.row) : null;

  return (
    <div className={armed === null ? "circuit canvas" : "circuit canvas placing"}>
      <div
        className="circuit-scroll"
        ref={scroller}
        tabIndex={0}
        role="application"
        aria-label={
          armed === null
            ? "Circuit. Arrow keys step through its gates, Alt with an arrow moves one, Delete removes it, Enter edits it."
            : `Placing ${armed}. Arrow keys choose the place, Enter puts it there, Escape ends.`
        }
        aria-describedby={readout}
        onKeyDown={onKeyDown}
        onScroll={windowed ? measureView : undefined}
      >
        <div className="circuit-sheet" style={{ width: layout.width + labelWidth }}>
          <svg className="wire-labels" width={labelWidth} height={layout.height} aria-hidden="true">
            <rect width={labelWidth} height={layout.height} className="label-ground" />
            <WireNames layout={layout} width={labelWidth} />
          </svg>
          <svg
            ref={svg}
            className="circuit-svg"
            width={layout.width}
            height={layout.height}
            role="img"
            aria-label={summarize(drawing)}
            onPointerDown={(event) => {
              if (armed === null && event.target === event.currentTarget) onSelect(null);
            }}
          >
            <Wires layout={layout} />
            {shown.map((op) => {
              const dragged = drag?.moved && drag.id === op.id;
              const mark = marks.get(op.id);
              return (
                <g
                  key={op.id}
                  data-gate={op.id}
                  className={`op op-${family(op)}${op.id === selected ? " active" : ""}${dragged ? " dragged" : ""}`}
                  transform={dragged ? `translate(${drag.dx} ${Math.round(drag.dy / ROW) * ROW})` : undefined}
                  onPointerDown={(event) => onPointerDown(event, op)}
                  onPointerMove={drag?.id === op.id ? onPointerMove : undefined}
                  onPointerUp={() => onPointerUp(op)}
                  onPointerCancel={() => setDrag(null)}
                  onDoubleClick={props.onEdit}
                >
                  <Operation placed={op} layout={layout} />
                  {mark && (
                    <g className={mark.unread ? "gate-mark unread" : "gate-mark"}>
                      <circle cx={op.x + op.width / 2} cy={rowY(op.box[0]) - BOX / 2} r={8} />
                      <text x={op.x + op.width / 2} y={rowY(op.box[0]) - BOX / 2}>
                        {mark.count}
                      </text>
                    </g>
                  )}
                </g>
              );
            })}
            {peers.flatMap((peer) =>
              peer.gates.map((id) => {
                const op = ops.find((each) => each.id === id);
                return op && <PeerFrame key={`${peer.client}/${id}`} op={op} peer={peer} />;
              }),
            )}
            {ghost && spot && armed !== null && <Ghost name={armed} x={spot.x} rows={ghost} height={layout.height} />}
          </svg>
        </div>
      </div>
      <p className="circuit-readout" id={readout} aria-live="polite">
        {armed !== null
          ? spot
            ? `Put ${armed} on ${(wiresFor(circuit, armed, spot.row) ?? []).map((wire) => `q[${wire}]`).join(", ") || "more qubits than there are"}`
            : `Press where ${armed} is to stand, or use the arrow keys and Enter`
          : chosen
            ? describeOp(chosen.op, drawing)
            : `${ops.length} ${ops.length === 1 ? "operation" : "operations"}`}
      </p>
    </div>
  );
}

/** Where something can be put: ahead of each column of gates, and after the last. */
export function stopsOf(ops: readonly { x: number; width: number }[], width: number): number[] {
  const columns = new Map<number, number>();
  for (const op of ops) columns.set(op.x, Math.max(columns.get(op.x) ?? 0, op.width));
  const ahead = [...columns].sort(([a], [b]) => a - b).map(([x, wide]) => Math.round(x - wide / 2 - 6));
  return [...ahead, Math.round(width + 12)];
}

function nearest(stops: readonly number[], x: number): number {
  return stops.reduce((best, stop) => (Math.abs(stop - x) < Math.abs(best - x) ? stop : best), stops[0] ?? 0);
}

function Ghost({ name, x, rows, height }: { name: string; x: number; rows: readonly number[]; height: number }): ReactElement {
  const [first, last] = [Math.min(...rows), Math.max(...rows)];
  const label = labelOfGate(name);
  const width = Math.max(BOX, label.length * 8.3 + 12);
  return (
    <g className="ghost">
      <line x1={x} x2={x} y1={4} y2={height - 4} />
      <rect x={x - width / 2} y={rowY(first) - BOX / 2} width={width} height={rowY(last) - rowY(first) + BOX} rx={5} />
      <text className="gate-label" x={x} y={(rowY(first) + rowY(last)) / 2}>
        {label}
      </text>
    </g>
  );
}

function PeerFrame({ op, peer }: { op: PlacedOp; peer: CircuitPeer }): ReactElement {
  const color = peer.color ?? colorFor(peer.user);
  const top = rowY(op.rows[0]) - BOX / 2 - 5;
  const left = op.x - op.width / 2 - 5;
  return (
    <g className="peer-frame" style={{ "--peer": color } as React.CSSProperties} data-peer={peer.name} aria-hidden="true">
      <rect x={left} y={top} width={op.width + 10} height={rowY(op.rows[1]) - rowY(op.rows[0]) + BOX + 10} rx={8} />
      <text x={left} y={top - 3}>
        {peer.name}
      </text>
    </g>
  );
}
