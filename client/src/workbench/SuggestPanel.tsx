import { useEffect, useRef, useState, type ReactElement } from "react";
import type { Prediction, RestClient } from "../lib/rest";
import { percent } from "./counts";
import { Icon } from "./icons";

/** The families the shipped model knows, as a person would write them. */
const NAMES: Record<string, string> = {
  adder: "Adder",
  "amplitude-estimation": "Amplitude estimation",
  ansatz: "Variational ansatz",
  "bernstein-vazirani": "Bernstein–Vazirani",
  "deutsch-jozsa": "Deutsch–Jozsa",
  "error-correction": "Error correction",
  ghz: "GHZ state",
  "graph-state": "Graph state",
  grover: "Grover search",
  "hamiltonian-simulation": "Hamiltonian simulation",
  hhl: "HHL linear solver",
  multiplier: "Multiplier",
  qaoa: "QAOA",
  qft: "Quantum Fourier transform",
  qnn: "Quantum neural network",
  qpe: "Phase estimation",
  "quantum-walk": "Quantum walk",
  random: "Random circuit",
  "w-state": "W state",
};

/** A label in words; one that a later model brings is shown as it is, without its hyphens. */
export function labelName(label: string): string {
  return NAMES[label] ?? label.replaceAll(/[-_]/g, " ");
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
        <span className="spacer" />
        <button type="button" onClick={() => void ask()} disabled={blocked !== null || view.phase === "asking"}>
          <Icon name="spark" />
          {view.phase === "asking" ? "Asking…" : "Suggest"}
        </button>
      </div>
      {(view.phase === "idle" || view.phase === "asking") && (
        <div className="panel-body">
          <p className="muted empty">Asks this cluster's model which family of circuits the program looks like.</p>
        </div>
      )}
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
