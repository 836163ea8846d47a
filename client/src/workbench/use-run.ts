/** The run as a user steers it: its settings, its button and key, and what is said about it. */
import { useEffect, useRef, useState } from "react";
import { readSettings } from "./RunPanel";
import type { useJob } from "./use-job";

export function useRun({ job, text, blocked, announce, onStart }: {
  job: ReturnType<typeof useJob>;
  /** The program to run, as it is at the moment it is asked for. */
  text: () => string | Promise<string>;
  blocked: string | null;
  announce: (message: string) => void;
  onStart: () => void;
}): { shots: string; seed: string; onShots: (value: string) => void; onSeed: (value: string) => void; run: () => void } {
  const [shots, setShots] = useState("1024");
  const [seed, setSeed] = useState("");
  const latest = useRef<() => void>(() => {});
  const { phase } = job.view;

  const run = (): void => {
    const settings = readSettings(shots, seed);
    if (typeof settings === "string" || blocked !== null || phase === "running") {
      if (blocked !== null) announce(blocked);
      return;
    }
    onStart();
    job.run(text(), settings.shots, settings.seed);
  };
  latest.current = run;

  useEffect(() => {
    if (phase === "running") announce("Running.");
    if (phase === "done") announce("The run is done. The histogram is ready.");
    if (phase === "cancelled") announce("The run was cancelled.");
  }, [phase, announce]);

  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
        event.preventDefault();
        latest.current();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  return { shots, seed, onShots: setShots, onSeed: setSeed, run };
}
