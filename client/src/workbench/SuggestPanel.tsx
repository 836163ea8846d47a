import { useEffect, useRef, useState, type ReactElement } from "react";
import type { Prediction, RestClient } from "../lib/rest";
import { percent } from "./counts";
import { Icon } from "./icons";

const NAMES: Record<string, string> = {
  ae: "Amplitude estimation",
  bell: "Bell pair",
  bv: "Bernstein–Vazirani",
  dj: "Deutsch–Jozsa",
  ghz: "GHZ state",
  graphstate: "Graph state",
  grover: "Grover search",
  hhl: "HHL linear solver",
  qaoa: "QAOA",
  qft: "Quantum Fourier transform",
  qftentangled: "QFT on an entangled state",
  qnn: "Quantum neural network",
  qpeexact: "Phase estimation (exact)",
  qpeinexact: "Phase estimation (inexact)",
  qwalk: "Quantum walk",
  randomcircuit: "Random circuit",
  realamprandom: "Real-amplitudes ansatz",
  shor: "Shor's factoring",
  su2random: "SU(2) ansatz",
  twolocalrandom: "Two-local ansatz",
  vqe: "Variational eigensolver",
  wstate: "W state",
};

export function labelName(label: string): string {
  const key = label.toLowerCase().replace(/[^a-z0-9]/g, "");
  return NAMES[key] ?? NAMES[key.replace(/^vqe.*/, "vqe")] ?? label;
}

type View =
  | { phase: "idle" }
  | { phase: "asking" }
  | { phase: "answered"; prediction: Prediction; text: string }
  | { phase: "failed"; message: string };

/** Asks the cluster's model which family of circuits this program looks like. */
export function SuggestPanel({ rest, text, blocked, announce }: {
  rest: RestClient;
  text: () => string;
  blocked: string | null;
  announce: (message: string) => void;
}): ReactElement {
  const [view, setView] = useState<View>({ phase: "idle" });
  const request = useRef<AbortController | null>(null);
  useEffect(() => () => request.current?.abort(), []);

  const ask = async (): Promise<void> => {
    request.current?.abort();
    const controller = new AbortController();
    request.current = controller;
    setView({ phase: "asking" });
    const asked = text();
    try {
      const prediction = await rest.predictPattern(asked, controller.signal);
      if (controller.signal.aborted) return;
      setView({ phase: "answered", prediction, text: asked });
      const first = prediction.predictions[0];
      if (first) announce(`Most likely ${labelName(first.label)}, ${percent(first.confidence)}.`);
    } catch (error) {
      if (!controller.signal.aborted) setView({ phase: "failed", message: error instanceof Error ? error.message : "No answer." });
    }
  };

  return (
    <section className="panel suggest-panel" aria-labelledby="suggest-title">
      <div className="panel-head">
        <h2 id="suggest-title">Suggest</h2>
        <span className="muted hint">What does this circuit look like?</span>
        <span className="spacer" />
        <button type="button" onClick={() => void ask()} disabled={blocked !== null || view.phase === "asking"}>
          <Icon name="spark" />
          {view.phase === "asking" ? "Asking…" : "Suggest"}
        </button>
      </div>
      {view.phase === "failed" && (
        <div className="panel-body">
          <div className="notice error" role="alert">
            {view.message}
          </div>
        </div>
      )}
      {view.phase === "answered" && <Answer prediction={view.prediction} />}
    </section>
  );
}

function Answer({ prediction }: { prediction: Prediction }): ReactElement {
  const shown = prediction.predictions.slice(0, 5);
  const block = useRef<HTMLDivElement>(null);
  // Below a tall histogram the answer would be out of sight.
  useEffect(() => block.current?.scrollIntoView({ block: "nearest" }), [prediction]);
  return (
    <div className="panel-body" ref={block}>
      <ol className="predictions">
        {shown.map(({ label, confidence }) => (
          <li key={label} data-label={label}>
            <span className="prediction-name">{labelName(label)}</span>
            <span className="confidence" aria-hidden="true">
              <span style={{ width: `${Math.max(0.5, confidence * 100)}%` }} />
            </span>
            <span className="figures">{percent(confidence)}</span>
          </li>
        ))}
      </ol>
      <p className="muted model-line">
        {prediction.model.name}, version {prediction.model.version}, answered in {prediction.inference_ms.toFixed(1)} ms
      </p>
    </div>
  );
}
