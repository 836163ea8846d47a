/** One simulation at a time: submitted, followed on its channel, fetched when it is over. */
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, errorText, type Job, type JobStatus, type RestClient } from "../lib/rest";
import type { SecureWebSocketClient } from "../lib/websocket-secure";

export type JobView =
  | { phase: "idle" }
  | { phase: "running"; id: string | null; status: JobStatus; progress: number; cancelling: boolean }
  | { phase: "done"; job: Job; counts: Record<string, number> }
  | { phase: "failed"; message: string }
  | { phase: "cancelled" };

/** The channel brings progress at once; the poll is for when the socket is down or an event was lost. */
const POLL_MS = 2_000;

interface Following {
  id: string | null;
  stop: () => void;
}

export function useJob(rest: RestClient, socket: SecureWebSocketClient | null): {
  view: JobView;
  run: (qasm: string | Promise<string>, shots: number, seed?: number) => void;
  cancel: () => void;
} {
  const [view, setView] = useState<JobView>({ phase: "idle" });
  const current = useRef<Following | null>(null);

  const end = useCallback((next: JobView) => {
    current.current?.stop();
    current.current = null;
    setView(next);
  }, []);

  useEffect(() => () => current.current?.stop(), []);

  const follow = useCallback(
    (following: Following, id: string) => {
      let fetching = false;
      const check = async (): Promise<void> => {
        if (fetching || current.current !== following) return;
        fetching = true;
        try {
          const job = await rest.job(id);
          if (current.current !== following) return;
          if (job.status === "queued" || job.status === "running") advance(job.status, job.progress);
          else end(outcomeOf(job));
        } catch (error) {
          // Unreachable for a moment is no verdict; gone is.
          if (current.current === following && error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
            end({ phase: "failed", message: error.message });
          }
        } finally {
          fetching = false;
        }
      };
      const advance = (status: JobStatus, progress: number): void => {
        setView((old) =>
          old.phase === "running" ? { ...old, id, status, progress: Math.max(old.progress, Math.min(1, progress || 0)) } : old,
        );
      };
      const unwatch = socket?.watch(`job:${id}`, (data) => {
        if (current.current !== following || typeof data !== "object" || data === null) return;
        const { status, progress } = data as { status?: JobStatus; progress?: number };
        if (status === "queued" || status === "running") advance(status, progress ?? 0);
        else if (status !== undefined) void check();
      });
      const timer = setInterval(() => void check(), POLL_MS);
      following.id = id;
      following.stop = () => {
        clearInterval(timer);
        unwatch?.();
      };
    },
    [rest, socket, end],
  );

  const run = useCallback(
    (qasm: string | Promise<string>, shots: number, seed?: number) => {
      current.current?.stop();
      const following: Following = { id: null, stop: () => {} };
      current.current = following;
      setView({ phase: "running", id: null, status: "queued", progress: 0, cancelling: false });
      Promise.resolve(qasm).then((program) => rest.submitJob(program, shots, seed)).then(
        ({ id }) => {
          if (current.current === following) follow(following, id);
        },
        (error: unknown) => {
          if (current.current === following) end({ phase: "failed", message: error instanceof Error ? error.message : "The run failed." });
        },
      );
    },
    [rest, follow, end],
  );

  const cancel = useCallback(() => {
    const following = current.current;
    if (!following) return;
    if (following.id === null) {
      end({ phase: "cancelled" });
      return;
    }
    setView((old) => (old.phase === "running" ? { ...old, cancelling: true } : old));
    rest.cancelJob(following.id).then(
      () => {
        if (current.current === following) end({ phase: "cancelled" });
      },
      () => {
        // It may have finished meanwhile; the next poll tells.
        setView((old) => (old.phase === "running" ? { ...old, cancelling: false } : old));
      },
    );
  }, [rest, end]);

  return { view, run, cancel };
}

/** What a finished job has to show. */
export function outcomeOf(job: Job): JobView {
  if (job.status === "cancelled") return { phase: "cancelled" };
  const result = job.results?.[0];
  const problem = errorText(result?.error) ?? errorText(job.error);
  if (job.status === "done" && result?.counts) return { phase: "done", job, counts: result.counts };
  return { phase: "failed", message: problem ?? "The simulation gave no counts." };
}
