import { useEffect, useState, type ReactElement, type Ref } from "react";
import { GATE_TYPES, type Circuit, type Gate } from "../lib/circuit";
import type { CircuitOp } from "../lib/circuit-op";
import { conditionText, controlsOf } from "./circuit-drawing";
import { readParam, setKey, setQubit } from "./circuit-edits";
import { Icon } from "./icons";

/** The selected gate in a form: its wires, its angles, and what else can be done with it. */
export function GateInspector({ circuit, id, gate, writable, canComment, form, onEdit, onDelete, onComment, onStep }: {
  circuit: Circuit;
  id: string;
  gate: Gate;
  writable: boolean;
  canComment: boolean;
  form: Ref<HTMLFormElement>;
  onEdit: (op: CircuitOp | null) => void;
  onDelete: () => void;
  onComment: () => void;
  onStep: (way: "earlier" | "later") => void;
}): ReactElement {
  const kind = GATE_TYPES.get(gate.name);
  const controls = controlsOf(gate.name);
  const condition = conditionText(gate);
  const role = (index: number): string => {
    if (index < controls) return controls > 1 ? `Control ${index + 1}` : "Control";
    const targets = gate.qubits.length - controls;
    return targets > 1 ? `Qubit ${index - controls + 1}` : controls > 0 ? "Target" : "Qubit";
  };
  return (
    <form className="inspector" ref={form} aria-label={`Gate ${gate.name}`} onSubmit={(event) => event.preventDefault()}>
      <strong className="inspector-name" title={kind?.help}>
        {gate.name}
      </strong>
      {gate.name !== "barrier" &&
        gate.qubits.map((wire, index) => (
          <label key={index} className="inline-field">
            <span>{role(index)}</span>
            <select value={wire} disabled={!writable} onChange={(event) => onEdit(setQubit(circuit, id, index, Number(event.target.value)))}>
              {Array.from({ length: circuit.qubits }, (_, q) => (
                <option key={q} value={q}>
                  q[{q}]
                </option>
              ))}
            </select>
          </label>
        ))}
      {gate.clbits.map((bit, index) => (
        <label key={index} className="inline-field">
          <span>Into</span>
          <select value={bit} disabled={!writable} onChange={(event) => onEdit(setKey(circuit, id, "clbits", [Number(event.target.value)]))}>
            {Array.from({ length: circuit.clbits }, (_, c) => (
              <option key={c} value={c}>
                c[{c}]
              </option>
            ))}
          </select>
        </label>
      ))}
      {gate.params.map((param, index) => (
        <Parameter
          key={`${id}/${index}`}
          label={gate.params.length > 1 ? `Angle ${index + 1}` : "Angle"}
          value={String(param)}
          writable={writable}
          onChange={(value) => onEdit(setKey(circuit, id, "params", gate.params.map((old, i) => (i === index ? value : old))))}
        />
      ))}
      {condition !== null && <span className="tag">if {condition}</span>}
      {gate.note && (
        <span className="muted note" title={gate.note}>
          {gate.note}
        </span>
      )}
      <span className="spacer" />
      {writable && (
        <span className="row tight">
          <button type="button" className="icon-button" aria-label="Move earlier" title="Earlier (Alt + ←)" onClick={() => onStep("earlier")}>
            <Icon name="back" />
          </button>
          <button type="button" className="icon-button" aria-label="Move later" title="Later (Alt + →)" onClick={() => onStep("later")}>
            <Icon name="next" />
          </button>
          <button type="button" className="icon-button" aria-label={`Delete ${gate.name}`} title="Delete" onClick={onDelete}>
            <Icon name="trash" />
          </button>
        </span>
      )}
      {canComment && (
        <button type="button" className="quiet" onClick={onComment}>
          <Icon name="comment" />
          Comment
        </button>
      )}
    </form>
  );
}

/** Kept as typed until it is left or entered; what cannot be an angle is said and not sent. */
function Parameter({ label, value, writable, onChange }: { label: string; value: string; writable: boolean; onChange: (value: number | string) => void }): ReactElement {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const read = readParam(text);
  const commit = (): void => {
    if (read !== null && String(read) !== value) onChange(read);
    else if (read === null) setText(value);
  };
  return (
    <label className="inline-field">
      <span>{label}</span>
      <input
        value={text}
        readOnly={!writable}
        size={9}
        spellCheck={false}
        autoCapitalize="off"
        aria-invalid={read === null}
        title={read === null ? "A number or an expression, such as pi/2" : undefined}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) commit();
          else if (event.key === "Escape") setText(value);
        }}
      />
    </label>
  );
}
