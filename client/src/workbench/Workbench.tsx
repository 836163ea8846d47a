import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import type { Diagnostic } from "../lib/rest";
import { CircuitBody, CircuitHead } from "./CircuitPane";
import { CommentsPanel, type ShownThread } from "./CommentsPanel";
import { HistoryPanel } from "./HistoryPanel";
import { Icon } from "./icons";
import { Loading } from "./Loading";
import { Problems } from "./Problems";
import { RevisionView } from "./RevisionView";
import { RunPanel } from "./RunPanel";
import { SessionShell, isNarrow, type PanelName, type WorkbenchProps } from "./SessionShell";
import { Split } from "./Split";
import { SuggestPanel } from "./SuggestPanel";
import { Tabs, tabClass } from "./Tabs";
import { useCircuit } from "./use-circuit";
import { useJob } from "./use-job";
import { usePeople } from "./use-names";
import { useNotices } from "./use-notices";
import { useRun } from "./use-run";
import { useSession } from "./use-session";
import { useUnread } from "./use-unread";

const TABS = [
  ["program", "Program"],
  ["circuit", "Circuit"],
  ["results", "Results"],
] as const;
type Tab = (typeof TABS)[number][0];

const Suggest = memo(SuggestPanel);
const NONE: Diagnostic[] = [];

/** A text session. */
export function Workbench(props: WorkbenchProps): ReactElement {
  const { session, identity, rest, name } = props;
  const parent = useRef<HTMLDivElement>(null);
  const [tab, setTab] = useState<Tab>("program");
  const [spoken, setSpoken] = useState("");
  const [panel, setPanel] = useState<PanelName | null>(null);
  const [active, setActive] = useState<string | null>(null);
  const [draft, setDraft] = useState<{ where: string; quote: string } | null>(null);
  const [revision, setRevision] = useState<number | null>(null);
  const notices = useNotices();
  const runRef = useRef<() => void>(() => {});

  const openThread = useCallback((id: string) => {
    setPanel("comments");
    setActive(id);
  }, []);
  const beginComment = useCallback((): void => {
    if (!live.channel.current?.status.canComment) return;
    const place = live.editor.current?.beginComment();
    if (!place) return;
    setDraft({ where: place.line ? `Line ${place.number}` : `In line ${place.number}`, quote: place.quote });
    setPanel("comments");
    setRevision(null);
  }, []);
  const live = useSession({
    session, identity, rest, name, parent,
    onRun: useCallback(() => runRef.current(), []),
    onComment: beginComment,
    onOpenThread: openThread,
    onRejected: notices.onRejected,
    onUnsent: notices.onUnsent,
    onReplaced: notices.onReplaced,
  });
  const { editor, channel, socket, connection, status, content, threads } = live;
  const loaded = status.phase !== "loading" && status.phase !== "refused";
  const circuit = useCircuit(rest, content, loaded && connection.phase === "live");
  const current = circuit.text === content;
  const people = usePeople(rest, session.id, live.peers, { user: identity.user, name }, connection.phase === "live" ? `${live.peers.length} ${status.role}` : null);
  const unread = useUnread(session.id, threads, identity.user, panel === "comments");

  const shown = useMemo((): ShownThread[] => {
    const lineAt = (at: number): number => content.slice(0, at).split("\n").length;
    return threads.map((thread) => {
      const place = channel.current?.place(thread) ?? thread;
      const line = lineAt(place.from);
      const where = thread.orphaned ? `Was at line ${line}` : thread.kind === "line" ? `Line ${line}` : `In line ${line}`;
      return { thread, where, order: place.from };
    });
    // Where a thread stands moves with the text.
  }, [threads, content, channel]);
  useEffect(() => {
    const marks = threads
      .filter((thread) => !thread.resolved && !thread.orphaned)
      .map((thread) => ({
        id: thread.id,
        ...(channel.current?.place(thread) ?? thread),
        line: thread.kind === "line",
        comments: thread.comments.filter((comment) => !comment.deleted).length,
        unread: unread.threads.has(thread.id),
      }));
    editor.current?.showThreads(marks);
  }, [threads, unread.threads, editor, channel]);
  useEffect(() => editor.current?.showThread(panel === "comments" ? active : null), [active, panel, editor]);

  const goToThread = (id: string): void => {
    setActive(id);
    setTab("program");
    setRevision(null);
    const thread = threads.find((each) => each.id === id);
    const place = thread && channel.current?.place(thread);
    if (isNarrow()) setPanel(null);
    if (place) editor.current?.showThread(id, place);
  };
  const endDraft = (text: string | null): void => {
    const place = editor.current?.endComment();
    setDraft(null);
    if (place && text !== null) channel.current?.addComment(place, text);
    editor.current?.focus();
  };
  const close = useCallback(() => {
    setPanel(null);
    setRevision(null);
    setDraft(null);
    editor.current?.endComment();
    editor.current?.focus();
  }, [editor]);
  const openPanel = (next: PanelName | null): void => {
    if (next === null) close();
    else setPanel(next);
    if (next !== "history") setRevision(null);
  };

  const diagnostics = circuit.parsed?.diagnostics ?? NONE;
  useEffect(() => {
    // Of an older text the places would be wrong; the next answer is on its way.
    if (editor.current && circuit.text === editor.current.text) editor.current.showDiagnostics(diagnostics);
  }, [editor, circuit.text, diagnostics]);

  const blocked = !loaded
    ? "The program is not here yet."
    : content.trim() === ""
      ? "There is no program yet."
      : circuit.parsed && !circuit.parsed.valid && current
        ? "The program has an error; see the list below it."
        : null;
  const job = useJob(rest, socket);
  const currentText = useCallback(() => editor.current?.text ?? "", [editor]);
  const runner = useRun({ job, text: currentText, blocked, announce: setSpoken, onStart: () => setTab("results") });
  runRef.current = runner.run;

  const program = (
    <section className={tabClass("program", tab)} id="pane-program" aria-label="Program">
      <div className="panel-head">
        <h2>Program</h2>
        {circuit.parsed?.format && <span className="tag">{circuit.parsed.format === "qasm2" ? "OpenQASM 2" : "OpenQASM 3"}</span>}
        {loaded && !status.canWrite && <span className="tag warn">read only{status.role ? `: ${status.role}` : ""}</span>}
        <span className="spacer" />
        {status.canWrite && (
          <span className="row tight">
            <button type="button" className="icon-button" aria-label="Undo" title="Undo your last edit (Ctrl or ⌘ + Z)" disabled={!status.canUndo} onClick={live.undo}>
              <Icon name="undo" />
            </button>
            <button type="button" className="icon-button" aria-label="Redo" title="Redo (Ctrl or ⌘ + Shift + Z)" disabled={!status.canRedo} onClick={live.redo}>
              <Icon name="redo" />
            </button>
          </span>
        )}
        {status.canComment && (
          <button type="button" className="quiet" onClick={beginComment} disabled={!loaded} title="Comment on the selection or the line (Ctrl or ⌘ + Alt + M)">
            <Icon name="comment" />
            Comment
          </button>
        )}
      </div>
      <div className="editor-frame">
        <div className="editor" ref={parent} data-ready={loaded} inert={revision !== null} />
        {!loaded && <Loading connection={connection.phase} reason={connection.phase === "refused" ? connection.reason : status.reason} />}
        {revision !== null && (
          <RevisionView
            rest={rest}
            session={session}
            rev={revision}
            newest={status.rev}
            content={content}
            canWrite={status.canWrite}
            onRev={setRevision}
            onForked={(made) => props.onOpen(made.id)}
            onClose={() => setRevision(null)}
          />
        )}
      </div>
      <Problems
        diagnostics={diagnostics}
        state={circuit.parsed === null ? "unchecked" : current || connection.phase === "live" ? "checked" : "offline"}
        onGo={(d) => {
          setTab("program");
          editor.current?.goTo(d.line, d.column);
        }}
      />
    </section>
  );

  const drawing = (
    <section className={tabClass("circuit", tab)} id="pane-circuit" aria-label="Circuit">
      <CircuitHead circuit={circuit} />
      <CircuitBody circuit={circuit} loaded={loaded} />
    </section>
  );

  const results = (
    <div className={tabClass("results", tab)} id="pane-results">
      <div className="results-grid">
        <RunPanel {...runner} view={job.view} name={session.name} onRun={runner.run} onCancel={job.cancel} blocked={blocked} />
        <Suggest rest={rest} text={currentText} blocked={blocked} announce={setSpoken} />
      </div>
    </div>
  );

  const side =
    panel === "comments" ? (
      <CommentsPanel
        threads={shown}
        me={identity.user}
        nameOf={people.nameOf}
        canComment={status.canComment}
        canManage={status.canManage}
        about="Select some text, or put the caret in a line, and press Comment."
        draft={draft}
        active={active}
        actions={{
          reply: (thread, text) => channel.current?.reply(thread, text),
          edit: (comment, text) => channel.current?.editComment(comment, text),
          remove: (comment) => channel.current?.deleteComment(comment),
          resolve: (thread) => channel.current?.resolve(thread),
          reopen: (thread) => channel.current?.reopen(thread),
        }}
        onAdd={beginComment}
        onSubmitDraft={endDraft}
        onCancelDraft={() => endDraft(null)}
        onActivate={goToThread}
        onClose={close}
      />
    ) : panel === "history" ? (
      <HistoryPanel
        rest={rest}
        session={session.id}
        rev={status.rev}
        shown={revision}
        nameOf={people.nameOf}
        onOpen={(rev) => {
          setRevision(rev);
          setTab("program");
          if (isNarrow()) setPanel(null);
        }}
        onClose={close}
      />
    ) : null;

  return (
    <SessionShell {...props} connection={connection} status={status} socket={socket} peers={live.peers} people={people} notices={notices} unread={unread.count} panel={panel} onPanel={openPanel} spoken={spoken}>
      <Tabs tabs={TABS} tab={tab} onTab={setTab} counts={{ program: diagnostics.length }} />
      <div className="bench">
        <main className="bench-main">
          <Split
            className="bench-split"
            direction="columns"
            initial={44}
            label="Resize the editor"
            first={program}
            second={<Split className="side-split" direction="rows" initial={44} label="Resize the circuit" first={drawing} second={results} />}
          />
        </main>
        {side}
      </div>
    </SessionShell>
  );
}
