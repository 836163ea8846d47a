import { memo, type ReactElement } from "react";
import { CircuitView } from "./CircuitView";
import type { CircuitView as Circuit } from "./use-circuit";

const Drawn = memo(CircuitView);

/** Whether the drawing is of an older text than the one that was checked last. */
const isStale = ({ parsed, problem }: Circuit): boolean => problem !== null || (parsed !== null && !parsed.valid);

export function CircuitHead({ circuit }: { circuit: Circuit }): ReactElement {
  const { stats } = circuit;
  const stale = isStale(circuit);
  return (
    <div className="panel-head">
      <h2>Circuit</h2>
      {stats && (
        <ul className="stats" aria-label="Circuit size">
          <li>
            <strong>{stats.qubits ?? 0}</strong> qubits
          </li>
          <li>
            depth <strong>{stats.depth ?? 0}</strong>
          </li>
          <li>
            <strong>{stats.gates ?? 0}</strong> gates
          </li>
        </ul>
      )}
      <span className="spacer" />
      {stale && stats && <span className="tag warn">last valid drawing</span>}
    </div>
  );
}

export function CircuitBody({ circuit, loaded }: { circuit: Circuit; loaded: boolean }): ReactElement {
  const { drawing, parsed, problem } = circuit;
  const empty = drawing !== null && drawing.qubits.length === 0;
  return (
    <div className="circuit-body">
      {problem && (
        <p className="notice error" role="status">
          {problem}
        </p>
      )}
      {drawing && !empty && <Drawn drawing={drawing} stale={isStale(circuit)} />}
      {empty && <p className="empty muted">No qubits are declared yet.</p>}
      {!drawing && !problem && (
        <p className="empty muted">{loaded && parsed && !parsed.valid ? "The drawing appears when the program has no errors." : "Drawing…"}</p>
      )}
    </div>
  );
}
