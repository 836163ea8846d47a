/** The circuit of the present text: asked for a moment after the last keystroke, only the newest answer used. */
import { useEffect, useRef, useState } from "react";
import { ApiError, type Drawing, type ParsedCircuit, type RestClient } from "../lib/rest";

const DEBOUNCE_MS = 200;

export interface CircuitView {
  /** The last answer; null before the first. */
  parsed: ParsedCircuit | null;
  /** The last valid drawing, kept while the program has errors. */
  drawing: Drawing | null;
  stats: Pick<ParsedCircuit, "qubits" | "clbits" | "depth" | "gates"> | null;
  /** Why there is no fresh answer, if there is none. */
  problem: string | null;
  /** The text the answer is about. */
  text: string | null;
}

/** `live` is whether the server is there: nothing is asked without it, and at its return the newest text is. */
export function useCircuit(rest: RestClient, text: string, live: boolean): CircuitView {
  const [view, setView] = useState<CircuitView>({ parsed: null, drawing: null, stats: null, problem: null, text: null });
  const first = useRef(true);

  useEffect(() => {
    if (!live) return;
    const controller = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const parsed = await rest.parse(text, controller.signal);
        if (controller.signal.aborted) return;
        setView((old) => ({
          parsed,
          drawing: parsed.valid && parsed.drawing ? parsed.drawing : old.drawing,
          stats: parsed.valid ? parsed : old.stats,
          problem: null,
          text,
        }));
      } catch (error) {
        if (controller.signal.aborted) return;
        const message = error instanceof ApiError ? error.message : "The circuit could not be drawn.";
        setView((old) => ({ ...old, problem: message }));
      }
    };
    const timer = setTimeout(() => void ask(), first.current ? 0 : DEBOUNCE_MS);
    first.current = false;
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [rest, text, live]);

  return view;
}
