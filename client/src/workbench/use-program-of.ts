/** The program a circuit session comes to, as the server writes it; asked for a moment after the last change. */
import { useEffect, useState } from "react";
import type { RestClient } from "../lib/rest";

const DEBOUNCE_MS = 400;

export interface ProgramOf {
  text: string | null;
  problem: string | null;
  /** The revision the text is of. */
  rev: number;
}

/** `rev` is what the server has; `live` is whether everything done here is in it. */
export function useProgramOf(rest: RestClient, session: string, rev: number, live: boolean): ProgramOf {
  const [program, setProgram] = useState<ProgramOf>({ text: null, problem: null, rev: -1 });
  useEffect(() => {
    if (!live) return;
    const controller = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const { blob } = await rest.export(session, "qasm3", controller.signal);
        const text = await blob.text();
        if (!controller.signal.aborted) setProgram({ text, problem: null, rev });
      } catch (error) {
        if (controller.signal.aborted) return;
        setProgram((old) => ({ ...old, problem: error instanceof Error ? error.message : "The program could not be written." }));
      }
    };
    const timer = setTimeout(() => void ask(), DEBOUNCE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [rest, session, rev, live]);
  return program;
}
