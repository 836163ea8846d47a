/** How many comments of others came since this tab's user last had the panel open, in this browser. */
import { useEffect, useMemo, useState } from "react";
import type { Thread } from "../lib/threads";

const key = (session: string): string => `synq.comments-seen.${session}`;

function stored(session: string): number {
  try {
    return Number(localStorage.getItem(key(session))) || 0;
  } catch {
    return 0;
  }
}

/** Comments of others after `seen`, over all threads that are still open. */
export function unreadOf(threads: readonly Thread[], me: string, seen: number): { count: number; threads: ReadonlySet<string> } {
  const found = new Set<string>();
  let count = 0;
  for (const thread of threads) {
    if (thread.resolved) continue;
    const fresh = thread.comments.filter(({ user, ts, deleted }) => user !== me && ts > seen && !deleted).length;
    if (fresh > 0) found.add(thread.id);
    count += fresh;
  }
  return { count, threads: found };
}

export function useUnread(session: string, threads: readonly Thread[], me: string, open: boolean): { count: number; threads: ReadonlySet<string> } {
  const [seen, setSeen] = useState(() => stored(session));
  const newest = useMemo(() => Math.max(0, ...threads.flatMap((thread) => thread.comments.map(({ ts }) => ts))), [threads]);
  useEffect(() => {
    if (!open || newest <= seen) return;
    setSeen(newest);
    try {
      localStorage.setItem(key(session), String(newest));
    } catch {
      // Storage may be off or full. The hint then lasts as long as the page.
    }
  }, [open, newest, seen, session]);
  return useMemo(() => unreadOf(threads, me, open ? newest : seen), [threads, me, open, newest, seen]);
}
