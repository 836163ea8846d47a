import { useEffect, useState, type FormEvent, type ReactElement } from "react";
import { Histogram } from "./Histogram";
import { Icon } from "./icons";
import type { JobStatus } from "../lib/rest";
import type { JobView } from "./use-job";

export interface RunSettings {
  shots: number;
  seed: number | undefined;
}

const MAX_SHOTS = 1_000_000;

/** The settings as typed, or what is wrong with them. */
export function readSettings(shots: string, seed: string): RunSettings | string {
  const wanted = Number(shots);
  if (!/^\d+$/.test(shots.trim()) || wanted < 1 || wanted > MAX_SHOTS) return `Shots: a whole number from 1 to ${MAX_SHOTS.toLocaleString("en")}.`;
  if (seed.trim() === "") return { shots: wanted, seed: undefined };
  if (!/^\d{1,10}$/.test(seed.trim()) || Number(seed) > 2 ** 31 - 1) return "Seed: a whole number from 0 to 2147483647, or empty.";
  return { shots: wanted, seed: Number(seed) };
}

export function RunPanel(props: {
  view: JobView;
  name: string;
  shots: string;
  seed: string;
  onShots: (value: string) => void;
  onSeed: (value: string) => void;
  onRun: () => void;
  onCancel: () => void;
  blocked: string | null;
}): ReactElement {
  const { view, shots, seed } = props;
  const [touched, setTouched] = useState(false);
  const settings = readSettings(shots, seed);
  const running = view.phase === "running";
  const problem = typeof settings === "string" ? settings : props.blocked;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setTouched(true);
    if (!running && typeof settings !== "string") props.onRun();
  };

  return (
    <section className="panel run-panel" aria-labelledby="run-title">
      <form className="panel-head" onSubmit={submit}>
        <h2 id="run-title">Run</h2>
        <label className="inline-field">
          <span>Shots</span>
          <input inputMode="numeric" value={shots} onChange={(event) => props.onShots(event.target.value)} size={7} aria-invalid={typeof settings === "string" && settings.startsWith("Shots")} />
        </label>
        <label className="inline-field">
          <span>Seed</span>
          <input inputMode="numeric" value={seed} placeholder="any" onChange={(event) => props.onSeed(event.target.value)} size={7} aria-invalid={typeof settings === "string" && settings.startsWith("Seed")} />
        </label>
        <span className="spacer" />
        {running ? (
          <button type="button" className="danger" onClick={props.onCancel} disabled={view.cancelling}>
            <Icon name="stop" />
            {view.cancelling ? "Cancelling…" : "Cancel"}
          </button>
        ) : (
          <button type="submit" className="primary" disabled={problem !== null} title="Ctrl or ⌘ + Enter">
            <Icon name="play" />
            Run
          </button>
        )}
      </form>
      <div className="panel-body">
        {typeof settings === "string" && (
          <p className="notice error" role={touched ? "alert" : undefined}>
            {settings}
          </p>
        )}
        {view.phase === "idle" && (
          <div className="empty">
            <p>
              Run the program on this cluster's simulator.
              <span className="keys-hint">
                {" "}
                <kbd>Ctrl</kbd> <kbd>Enter</kbd> does it from the editor.
              </span>
            </p>
            {props.blocked && <p className="muted">{props.blocked}</p>}
          </div>
        )}
        {running && <Progress key={view.id ?? ""} status={view.status} progress={view.progress} />}
        {view.phase === "failed" && (
          <div className="notice error" role="alert">
            <strong>The run failed.</strong> {view.message}
          </div>
        )}
        {view.phase === "cancelled" && <p className="notice">The run was cancelled.</p>}
        {view.phase === "done" && <Histogram counts={view.counts} name={props.name} />}
      </div>
    </section>
  );
}

function Progress({ status, progress }: { status: JobStatus; progress: number }): ReactElement {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const start = Date.now();
    const timer = setInterval(() => setSeconds(Math.floor((Date.now() - start) / 1_000)), 500);
    return () => clearInterval(timer);
  }, []);
  // One circuit is simulated in one piece: until it is done there is no share of it to show, only time.
  const known = progress > 0;
  return (
    <div className="progress-block">
      <div className="progress-line">
        <span>{status === "queued" ? "Waiting for a worker…" : "Simulating…"}</span>
        <span className="figures">{known ? `${Math.round(progress * 100)} %` : `${seconds} s`}</span>
      </div>
      <div
        className={known ? "progress" : "progress indeterminate"}
        role="progressbar"
        aria-label="Simulation progress"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.round(progress * 100) : undefined}
      >
        <span style={{ width: `${Math.max(2, progress * 100)}%` }} />
      </div>
    </div>
  );
}
