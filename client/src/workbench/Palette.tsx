import { memo, useId, useState, type ReactElement } from "react";
import { GATE_TYPES } from "../lib/circuit";
import { controlsOf, labelOfGate, paletteGroups } from "./circuit-drawing";

const GROUPS = paletteGroups();

/** The gates there are: press one, then a place in the circuit; or drag it there. */
export const Palette = memo(function Palette({ armed, qubits, onArm }: {
  armed: string | null;
  qubits: number;
  /** `keyboard` when no pointer was used: the focus then goes to the circuit. */
  onArm: (name: string | null, keyboard: boolean) => void;
}): ReactElement {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <div className="palette" role="group" aria-label="Gates" id={id}>
      {GROUPS.filter((_, index) => open || index === 0).map((group, index) => (
        <div key={group.title} className="palette-group" role="group" aria-label={group.title}>
          {index > 0 && (
            <span className="palette-title" aria-hidden="true">
              {group.title}
            </span>
          )}
          {group.gates.map((name) => {
            const kind = GATE_TYPES.get(name);
            const small = (kind?.qubits ?? 1) > qubits;
            return (
              <button
                key={name}
                type="button"
                className={`palette-gate ${familyOf(name)}`}
                data-name={name}
                aria-label={`${name}: ${kind?.help ?? ""}`}
                title={`${name}: ${kind?.help ?? ""}`}
                aria-pressed={armed === name}
                disabled={small || qubits === 0}
                onPointerDown={(event) => {
                  if (event.button !== 0) return;
                  // A touch would else keep the pointer here, and the circuit would never hear of it.
                  if (event.currentTarget.hasPointerCapture(event.pointerId)) event.currentTarget.releasePointerCapture(event.pointerId);
                  onArm(armed === name ? null : name, false);
                }}
                onClick={(event) => {
                  if (event.detail === 0) onArm(armed === name ? null : name, true);
                }}
              >
                {face(name)}
              </button>
            );
          })}
          {index === 0 && (
            <button type="button" className="quiet palette-more" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
              {open ? "Fewer" : "More gates"}
            </button>
          )}
        </div>
      ))}
    </div>
  );
});

/** What is written on the button. */
function face(name: string): string {
  if (name === "measure") return "M";
  if (name === "reset") return "|0⟩";
  return controlsOf(name) > 0 ? name.toUpperCase().replace("SDG", "S†") : labelOfGate(name);
}

function familyOf(name: string): string {
  const kind = GATE_TYPES.get(name);
  if (name === "measure") return "op-measure";
  if (name === "reset" || name === "barrier") return "op-reset";
  if ((kind?.qubits ?? 1) > 1) return "op-entangling";
  return (kind?.params ?? 0) > 0 ? "op-rotation" : "";
}
