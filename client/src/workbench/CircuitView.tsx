import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type ReactElement } from "react";
import type { Drawing } from "../lib/rest";
import { BOX, ROW, describeOp, layoutCircuit, rowY, summarize, type Layout, type PlacedOp } from "./circuit-layout";

/** Above this many operations only what is in view is in the document. */
const WINDOWED = 300;
const LABELS_MIN = 56;

/** The circuit as a drawing: pan by scrolling, step through it with the arrow keys. */
export function CircuitView({ drawing, stale }: { drawing: Drawing; stale: boolean }): ReactElement {
  const layout = useMemo(() => layoutCircuit(drawing), [drawing]);
  const summary = useMemo(() => summarize(drawing), [drawing]);
  const [selected, setSelected] = useState<number | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ left: 0, right: 4_000 });
  const readout = useId();

  useEffect(() => {
    setSelected((index) => (index !== null && index >= layout.ops.length ? null : index));
    setHovered(null);
  }, [layout]);

  const measureView = (): void => {
    const element = scroller.current;
    if (element) setView({ left: element.scrollLeft, right: element.scrollLeft + element.clientWidth });
  };
  useEffect(measureView, [layout]);

  const windowed = layout.ops.length > WINDOWED;
  const shown = windowed ? layout.ops.filter((op) => op.x > view.left - 400 && op.x < view.right + 400) : layout.ops;
  const labelWidth = labelWidthOf(layout);

  const select = (index: number): void => {
    const op = layout.ops[index];
    const element = scroller.current;
    if (!op || !element) return;
    setSelected(index);
    if (op.x - op.width < element.scrollLeft || op.x + op.width + labelWidth > element.scrollLeft + element.clientWidth) {
      element.scrollLeft = op.x - (element.clientWidth - labelWidth) / 2;
    }
    const [top, bottom] = [rowY(op.box[0]) - ROW, rowY(op.box[1]) + ROW];
    if (top < element.scrollTop || bottom > element.scrollTop + element.clientHeight) {
      element.scrollTop = (top + bottom - element.clientHeight) / 2;
    }
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const last = layout.ops.length - 1;
    if (last < 0) return;
    const steps: Record<string, number> = {
      ArrowRight: selected === null ? 0 : Math.min(last, selected + 1),
      ArrowLeft: selected === null ? 0 : Math.max(0, selected - 1),
      Home: 0,
      End: last,
    };
    const next = steps[event.key];
    if (next !== undefined) {
      event.preventDefault();
      select(next);
    } else if (event.key === "Escape") {
      setSelected(null);
    }
  };

  const active = hovered ?? selected;
  const activeOp = active === null ? undefined : layout.ops[active];

  return (
    <div className={stale ? "circuit stale" : "circuit"}>
      <div
        className="circuit-scroll"
        ref={scroller}
        tabIndex={0}
        role="group"
        aria-label="Circuit drawing. Arrow keys step through its operations."
        aria-describedby={readout}
        onKeyDown={onKeyDown}
        onScroll={windowed ? measureView : undefined}
        onMouseLeave={() => setHovered(null)}
      >
        <div className="circuit-sheet" style={{ width: layout.width + labelWidth }}>
          <svg className="wire-labels" width={labelWidth} height={layout.height} aria-hidden="true">
            <rect width={labelWidth} height={layout.height} className="label-ground" />
            <WireNames layout={layout} width={labelWidth} />
          </svg>
          <svg className="circuit-svg" width={layout.width} height={layout.height} role="img" aria-label={summary}>
            <Wires layout={layout} />
            {shown.map((placed) => (
              <g
                key={placed.index}
                className={`op op-${family(placed)}${placed.index === active ? " active" : ""}`}
                onMouseEnter={() => setHovered(placed.index)}
              >
                <Operation placed={placed} layout={layout} />
              </g>
            ))}
          </svg>
        </div>
      </div>
      <p className="circuit-readout" id={readout} aria-live="polite">
        {activeOp ? describeOp(activeOp.op, drawing) : size(layout.ops.length, drawing.truncated)}
      </p>
    </div>
  );
}

function size(operations: number, truncated: boolean): string {
  if (truncated) return `The first ${operations} operations; the program has more.`;
  return operations === 1 ? "1 operation" : `${operations} operations`;
}

/** The colour family of an operation. */
export function family({ op, shape }: PlacedOp): string {
  if (shape === "measure" || shape === "barrier" || shape === "reset" || shape === "block") return shape;
  if (op.controls > 0 || op.qubits.length > 1) return "entangling";
  return op.params.length > 0 ? "rotation" : "clifford";
}

export function labelWidthOf(layout: Layout): number {
  return Math.max(LABELS_MIN, ...[...layout.wires, ...layout.registers].map(({ name }) => name.length * 7.6 + 22));
}

export function WireNames({ layout, width }: { layout: Layout; width: number }): ReactElement {
  return (
    <>
      {layout.wires.map((wire) => (
        <text key={wire.name} x={width - 12} y={wire.y} className="wire-label">
          {wire.name}
        </text>
      ))}
      {layout.registers.map((register) => (
        <text key={register.name} x={width - 12} y={register.y} className="wire-label classical">
          {register.name}
        </text>
      ))}
    </>
  );
}

export function Wires({ layout }: { layout: Layout }): ReactElement {
  return (
    <g className="wires">
      {layout.wires.map((wire) => (
        <line key={wire.name} x1={0} x2={layout.width} y1={wire.y} y2={wire.y} />
      ))}
      {layout.registers.map((register) => (
        <g key={register.name} className="classical">
          <line x1={0} x2={layout.width} y1={register.y - 1.5} y2={register.y - 1.5} />
          <line x1={0} x2={layout.width} y1={register.y + 1.5} y2={register.y + 1.5} />
          <line x1={3} x2={8} y1={register.y + 6} y2={register.y - 6} />
          <text x={5} y={register.y - 9} className="bundle">
            {register.size}
          </text>
        </g>
      ))}
    </g>
  );
}

export function Operation({ placed, layout }: { placed: PlacedOp; layout: Layout }): ReactElement {
  const { shape, x, controls, targets, rows, box } = placed;
  const [first, last] = rows;
  if (shape === "barrier") {
    return (
      <g>
        <rect className="hit" x={x - 8} y={rowY(first) - ROW / 2} width={16} height={(last - first + 1) * ROW} />
        {placed.op.qubits.map((row) => (
          <line key={row} className="barrier" x1={x} x2={x} y1={rowY(row) - ROW / 2} y2={rowY(row) + ROW / 2} />
        ))}
      </g>
    );
  }
  const register = placed.register === null ? undefined : layout.registers[placed.register];
  const low = Math.max(last, box[1]);
  return (
    <g>
      <rect
        className="hit"
        x={x - placed.width / 2 - 3}
        y={rowY(first) - BOX / 2 - 3}
        width={placed.width + 6}
        height={rowY(low) - rowY(first) + BOX + 6}
        rx={7}
      />
      {register && (
        <g className="to-classical">
          <line x1={x - 1.5} x2={x - 1.5} y1={rowY(low)} y2={register.y - 2} />
          <line x1={x + 1.5} x2={x + 1.5} y1={rowY(low)} y2={register.y - 2} />
          {placed.op.condition === null ? (
            <path className="arrow" d={`M${x - 5} ${register.y - 9}L${x} ${register.y - 1}L${x + 5} ${register.y - 9}Z`} />
          ) : (
            <circle className="arrow" cx={x} cy={register.y} r={4} />
          )}
          <text className="bit" x={x + 7} y={register.y + 13}>
            {placed.bits}
          </text>
        </g>
      )}
      {first !== last && controls.length + (shape === "swap" ? 1 : 0) > 0 && (
        <line className="link" x1={x} x2={x} y1={rowY(first)} y2={rowY(last)} />
      )}
      {controls.map((row) => (
        <circle key={row} className="control" cx={x} cy={rowY(row)} r={4.5} />
      ))}
      {shape === "target" && targets.map((row) => <Target key={row} x={x} y={rowY(row)} />)}
      {shape === "phase" && targets.map((row) => <circle key={row} className="control" cx={x} cy={rowY(row)} r={4.5} />)}
      {shape === "swap" && targets.map((row) => <Cross key={row} x={x} y={rowY(row)} />)}
      {shape === "measure" && <Meter placed={placed} />}
      {(shape === "box" || shape === "reset" || shape === "block") && <GateBox placed={placed} />}
    </g>
  );
}

function Target({ x, y }: { x: number; y: number }): ReactElement {
  return (
    <g className="target">
      <circle cx={x} cy={y} r={11} />
      <path d={`M${x - 11} ${y}h22M${x} ${y - 11}v22`} />
    </g>
  );
}

function Cross({ x, y }: { x: number; y: number }): ReactElement {
  return <path className="cross" d={`M${x - 6} ${y - 6}l12 12M${x + 6} ${y - 6}l-12 12`} />;
}

function Meter({ placed }: { placed: PlacedOp }): ReactElement {
  const { x, width } = placed;
  const y = rowY(placed.box[0]);
  return (
    <g className="gate">
      <rect x={x - width / 2} y={y - BOX / 2} width={width} height={BOX} rx={5} />
      <path className="meter" d={`M${x - 9} ${y + 6}a9.5 9.5 0 0 1 18 0M${x} ${y + 6}l6.5 -11`} />
    </g>
  );
}

function GateBox({ placed }: { placed: PlacedOp }): ReactElement {
  const { x, width, box, label, detail, targets, shape } = placed;
  const top = rowY(box[0]) - BOX / 2;
  const height = rowY(box[1]) - rowY(box[0]) + BOX;
  const middle = top + height / 2;
  const wide = targets.length > 1 && shape === "box";
  return (
    <g className="gate">
      <rect x={x - width / 2} y={top} width={width} height={height} rx={shape === "block" ? 3 : 5} />
      <text className="gate-label" x={x} y={detail === null ? middle : middle - 5}>
        {label}
      </text>
      {detail !== null && (
        <text className="gate-detail" x={x} y={middle + 9}>
          {detail}
        </text>
      )}
      {wide &&
        targets.map((row, i) => (
          <text key={row} className="port" x={x - width / 2 + 3} y={rowY(row) - 9}>
            {i}
          </text>
        ))}
    </g>
  );
}
