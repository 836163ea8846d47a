import { useRef, useState, type KeyboardEvent, type PointerEvent, type ReactElement, type ReactNode } from "react";

const STEP = 4;

/** Two panes with a divider that can be dragged, or moved with the arrow keys. */
export function Split({ direction, initial, label, className, first, second }: {
  direction: "columns" | "rows";
  initial: number;
  label: string;
  className: string;
  first: ReactNode;
  second: ReactNode;
}): ReactElement {
  const [share, setShare] = useState(initial);
  const frame = useRef<HTMLDivElement>(null);
  const columns = direction === "columns";
  const clamp = (value: number): number => Math.min(80, Math.max(20, value));

  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || !frame.current) return;
    const box = frame.current.getBoundingClientRect();
    setShare(clamp(columns ? ((event.clientX - box.left) / box.width) * 100 : ((event.clientY - box.top) / box.height) * 100));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const less = columns ? "ArrowLeft" : "ArrowUp";
    const more = columns ? "ArrowRight" : "ArrowDown";
    if (event.key !== less && event.key !== more) return;
    event.preventDefault();
    setShare((value) => clamp(value + (event.key === more ? STEP : -STEP)));
  };

  return (
    <div ref={frame} className={`split ${direction} ${className}`} style={{ "--share": `${share}%` } as React.CSSProperties}>
      {first}
      <div
        className="divider"
        role="separator"
        tabIndex={0}
        aria-label={label}
        aria-orientation={columns ? "vertical" : "horizontal"}
        aria-valuenow={Math.round(share)}
        aria-valuemin={20}
        aria-valuemax={80}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onDoubleClick={() => setShare(initial)}
        onKeyDown={onKeyDown}
      />
      {second}
    </div>
  );
}
