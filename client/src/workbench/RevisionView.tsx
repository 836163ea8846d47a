import { useEffect, useRef, useState, type ReactElement, type ReactNode } from "react";
import type { RestClient, Revision, Session } from "../lib/rest";
import { Dialog } from "./Dialog";
import { Icon } from "./icons";
import type { RevisionMode } from "./revision-diff";

/** A past version, to look at, restore or fork. `draw` shows one that is no text. */
export function RevisionView({ rest, session, rev, newest, content, canWrite, draw, onRev, onForked, onClose }: {
  rest: RestClient;
  session: Session;
  rev: number;
  newest: number;
  /** The text as it is now; null where the document is no text. */
  content: string | null;
  canWrite: boolean;
  draw?: (state: unknown) => ReactNode;
  onRev: (rev: number) => void;
  onForked: (session: Session) => void;
  onClose: () => void;
}): ReactElement {
  const [revision, setRevision] = useState<Revision | null>(null);
  const [mode, setMode] = useState<RevisionMode>("changes");
  const [problem, setProblem] = useState<string | null>(null);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    const controller = new AbortController();
    setProblem(null);
    rest.revision(session.id, rev, controller.signal).then(setRevision, (error: unknown) => {
      if (!controller.signal.aborted) setProblem(messageOf(error));
    });
    return () => controller.abort();
  }, [rest, session.id, rev]);

  const act = async (what: () => Promise<void>): Promise<void> => {
    setBusy(true);
    try {
      await what();
    } catch (error) {
      setProblem(messageOf(error));
    }
    setBusy(false);
  };
  const restore = (): Promise<void> =>
    act(async () => {
      setAsking(false);
      await rest.restore(session.id, rev);
      onClose();
    });

  return (
    <div className="revision" role="region" aria-label={`Version ${rev}`}>
      <div className="revision-bar">
        <span className="row tight">
          <button type="button" className="icon-button" aria-label="One step earlier" disabled={rev <= 0} onClick={() => onRev(rev - 1)}>
            <Icon name="back" />
          </button>
          <strong className="figures" role="status">
            Version {rev} of {newest}
          </strong>
          <button type="button" className="icon-button" aria-label="One step later" disabled={rev >= newest} onClick={() => onRev(rev + 1)}>
            <Icon name="next" />
          </button>
        </span>
        {content !== null && (
          <span className="segmented" role="group" aria-label="What to show">
            <button type="button" aria-pressed={mode === "changes"} onClick={() => setMode("changes")}>
              Changes since
            </button>
            <button type="button" aria-pressed={mode === "then"} onClick={() => setMode("then")}>
              As it was
            </button>
          </span>
        )}
        <span className="spacer" />
        {canWrite && (
          <button type="button" disabled={busy || revision === null} onClick={() => setAsking(true)}>
            <Icon name="undo" />
            Restore
          </button>
        )}
        <button type="button" disabled={busy || revision === null} onClick={() => void act(async () => onForked(await rest.fork(session.id, rev)))}>
          <Icon name="fork" />
          Fork from here
        </button>
        <button type="button" className="primary" onClick={onClose}>
          Back to now
        </button>
      </div>
      {problem && (
        <p className="notice error" role="alert">
          {problem}
        </p>
      )}
      {revision !== null && revision.rev === rev && (
        <div className="revision-body">
          {content !== null ? <RevisionText then={String(revision.state)} now={content} mode={mode} /> : draw?.(revision.state)}
        </div>
      )}
      <Dialog title={`Restore version ${rev}?`} open={asking} onClose={() => setAsking(false)}>
        <p>Everyone in the session gets this version. The history stays whole, so this can be taken back by restoring the version before.</p>
        <p className="row end">
          <button type="button" onClick={() => setAsking(false)}>
            Cancel
          </button>
          <button type="button" className="primary" onClick={() => void restore()}>
            Restore for everyone
          </button>
        </p>
      </Dialog>
    </div>
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "That did not work.");

function RevisionText({ then, now, mode }: { then: string; now: string; mode: RevisionMode }): ReactElement {
  const parent = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let ended = false;
    let end = (): void => {};
    void import("./revision-diff").then(({ showRevision }) => {
      if (ended || !parent.current) return;
      const view = showRevision(parent.current, then, now, mode);
      end = () => view.destroy();
    });
    return () => {
      ended = true;
      end();
    };
  }, [then, now, mode]);
  return (
    <>
      {mode === "changes" && then === now && <p className="notice">Nothing has changed since.</p>}
      <div className="editor revision-editor" ref={parent} />
    </>
  );
}
