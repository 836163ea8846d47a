import { useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import type { Item } from "../lib/protocol";
import type { RestClient } from "../lib/rest";
import { chapterText, chaptersOf } from "./history";
import { ago } from "./Home";
import { colorFor, initials } from "./peers";
import { SidePanel } from "./SidePanel";

const PAGE = 200;
/** While somebody types, the list follows this often and no more. */
const REFRESH_MS = 1_500;

export function HistoryPanel({ rest, session, rev, shown, nameOf, onOpen, onClose }: {
  rest: RestClient;
  session: string;
  /** The newest revision. */
  rev: number;
  /** The revision that is being looked at. */
  shown: number | null;
  nameOf: (user: string) => string;
  onOpen: (rev: number | null) => void;
  onClose: () => void;
}): ReactElement {
  const [items, setItems] = useState<readonly Item[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const known = useRef<readonly Item[]>([]);

  const load = useCallback(
    async (from: number, limit: number, signal?: AbortSignal): Promise<void> => {
      const page = await rest.history(session, from, limit, signal);
      const byRev = new Map([...known.current, ...page.items].map((item) => [item.rev, item]));
      known.current = [...byRev.values()].sort((a, b) => a.rev - b.rev);
      setItems(known.current);
      setProblem(null);
    },
    [rest, session],
  );
  const failed = (error: unknown): void => setProblem(error instanceof Error ? error.message : "The history could not be read.");

  useEffect(() => {
    const newest = known.current[known.current.length - 1]?.rev ?? Math.max(0, rev - PAGE);
    if (rev <= newest && known.current.length > 0) return;
    const controller = new AbortController();
    const timer = setTimeout(
      () => {
        load(newest + 1, 1_000, controller.signal).catch((error: unknown) => {
          if (!controller.signal.aborted) failed(error);
        });
      },
      known.current.length === 0 ? 0 : REFRESH_MS,
    );
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [load, rev]);

  const oldest = items?.[0]?.rev ?? 1;
  const older = (): void => {
    const from = Math.max(1, oldest - PAGE);
    setBusy(true);
    load(from, oldest - from)
      .catch(failed)
      .finally(() => setBusy(false));
  };
  const chapters = useMemo(() => chaptersOf(items ?? []), [items]);

  return (
    <SidePanel title="History" onClose={onClose}>
      {problem && (
        <p className="notice error" role="alert">
          {problem}
        </p>
      )}
      {items === null && !problem && <p className="empty muted">Loading…</p>}
      <ol className="chapters">
        {chapters.map((chapter, i) => {
          const name = nameOf(chapter.user);
          const time = new Date(chapter.end).toISOString();
          const current = shown === null ? i === 0 : shown >= chapter.from && shown <= chapter.rev;
          return (
            <li key={chapter.from}>
              <button
                type="button"
                className="chapter"
                aria-current={current ? "true" : undefined}
                data-rev={chapter.rev}
                onClick={() => onOpen(chapter.rev === rev ? null : chapter.rev)}
              >
                <span className="avatar small" style={{ "--peer": colorFor(chapter.user) } as React.CSSProperties} aria-hidden="true">
                  {initials(name)}
                </span>
                <span className="chapter-text">
                  <span className="chapter-head">
                    <strong>{name}</strong>
                    <time className="muted" dateTime={time} title={new Date(chapter.end).toLocaleString()}>
                      {ago(chapter.end)}
                    </time>
                  </span>
                  <span className="muted">{chapterText(chapter)}</span>
                </span>
                <span className="muted figures">{chapter.from === chapter.rev ? chapter.rev : `${chapter.from}–${chapter.rev}`}</span>
              </button>
            </li>
          );
        })}
        {items !== null && oldest <= 1 && (
          <li>
            <button type="button" className="chapter" data-rev={0} aria-current={shown === 0 ? "true" : undefined} onClick={() => onOpen(0)}>
              <span className="avatar small more" aria-hidden="true">
                0
              </span>
              <span className="chapter-text">
                <strong>As it was made</strong>
              </span>
            </button>
          </li>
        )}
      </ol>
      {items !== null && oldest > 1 && (
        <button type="button" className="quiet wide" onClick={older} disabled={busy}>
          {busy ? "Loading…" : "Show older"}
        </button>
      )}
    </SidePanel>
  );
}
