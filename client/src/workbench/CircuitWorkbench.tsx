import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import { circuitOf, usedWires } from "../lib/circuit";
import { CircuitOp } from "../lib/circuit-op";
import { depthOf, drawingOf, drawnGate } from "./circuit-drawing";
import { moveGate, neighbours, newGateId, place, resize } from "./circuit-edits";
import { describeOp } from "./circuit-layout";
import { CircuitCanvas } from "./CircuitCanvas";
import { CircuitView } from "./CircuitView";
import { CommentsPanel, type ShownThread } from "./CommentsPanel";
import { download } from "./download";
import { GateInspector } from "./GateInspector";
import { HistoryPanel } from "./HistoryPanel";
import { Icon } from "./icons";
import { Loading } from "./Loading";
import { Palette } from "./Palette";
import { RevisionView } from "./RevisionView";
import { RunPanel } from "./RunPanel";
import { SessionShell, isNarrow, type PanelName, type WorkbenchProps } from "./SessionShell";
import { Split } from "./Split";
import { SuggestPanel } from "./SuggestPanel";
import { Tabs, tabClass } from "./Tabs";
import { useCircuitSession } from "./use-circuit-session";
import { useJob } from "./use-job";
import { usePeople } from "./use-names";
import { useNotices } from "./use-notices";
import { useProgramOf } from "./use-program-of";
import { useRun } from "./use-run";
import { useUnread } from "./use-unread";

const TABS = [
  ["circuit", "Circuit"],
  ["program", "Program"],
  ["results", "Results"],
] as const;
type Tab = (typeof TABS)[number][0];

const Suggest = memo(SuggestPanel);

/** A circuit session: the drawing is the document. */
export function CircuitWorkbench(props: WorkbenchProps): ReactElement {
  const { session, identity, rest, name } = props;
  const [tab, setTab] = useState<Tab>("circuit");
  const [spoken, setSpoken] = useState("");
  const [panel, setPanel] = useState<PanelName | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const [armed, setArmed] = useState<string | null>(null);
  const [drafting, setDrafting] = useState<string | null>(null);
  const [active, setActive] = useState<string | null>(null);
  const [revision, setRevision] = useState<number | null>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const notices = useNotices();
  const live = useCircuitSession({
    session, identity, rest, name, selected,
    onRejected: notices.onRejected,
    onUnsent: notices.onUnsent,
    onReplaced: notices.onReplaced,
  });
  const { channel, circuit, status, connection, socket, threads, writable, edit } = live;
  const loaded = status.phase !== "loading" && status.phase !== "refused";
  const gate = selected === null ? undefined : circuit.gates.get(selected);
  const people = usePeople(rest, session.id, live.peers, { user: identity.user, name }, connection.phase === "live" ? `${live.peers.length} ${status.role}` : null);
  const unread = useUnread(session.id, threads, identity.user, panel === "comments");
  const program = useProgramOf(rest, session.id, status.rev, loaded && connection.phase === "live" && status.unconfirmed === 0);

  // Somebody may have deleted what is selected.
  useEffect(() => {
    if (selected !== null && !circuit.gates.has(selected)) setSelected(null);
  }, [selected, circuit]);

  const focusCanvas = useCallback(() => canvas.current?.querySelector<HTMLElement>(".circuit-scroll")?.focus(), []);
  const undo = useCallback(() => channel.current?.undo(), [channel]);
  const redo = useCallback(() => channel.current?.redo(), [channel]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement | null;
      if (!(event.ctrlKey || event.metaKey) || event.defaultPrevented || target?.closest("input, textarea, select")) return;
      const key = event.key.toLowerCase();
      if (key === "z" && !event.shiftKey) undo();
      else if (key === "y" || key === "z") redo();
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [undo, redo]);

  useEffect(() => {
    if (armed === null) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setArmed(null);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [armed]);

  const remove = (id: string): void => {
    edit(CircuitOp.of({ del: id }));
    setSelected(null);
    focusCanvas();
  };
  const step = (id: string, way: "earlier" | "later"): void => {
    const near = neighbours(circuit, id);
    if (way === "earlier" && near.before !== null) edit(moveGate(circuit, id, 0, near.before));
    if (way === "later" && near.after !== null) edit(moveGate(circuit, id, 0, near.afterNext));
  };
  const put = (kind: string, row: number, before: string | null, more: boolean): void => {
    const id = newGateId();
    const op = place(circuit, kind, row, before, id);
    edit(op);
    if (op) setSelected(id);
    if (!more) setArmed(null);
  };
  const arm = useCallback(
    (kind: string | null, keyboard: boolean) => {
      setArmed(kind);
      setSelected(null);
      if (kind !== null && keyboard) focusCanvas();
    },
    [focusCanvas],
  );

  const where = useCallback(
    (id: string | null): string => {
      const one = id === null ? undefined : circuit.gates.get(id);
      return one === undefined ? "A gate that is gone" : describeOp(drawnGate(id ?? "", one), drawingOf({ ...circuit, gates: new Map() }));
    },
    [circuit],
  );
  const shown = useMemo(
    (): ShownThread[] =>
      threads.map((thread, order) => ({ thread, where: thread.orphaned ? `Was ${thread.quote}` : where(thread.gate), order })),
    [threads, where],
  );
  const marks = useMemo(() => {
    const found = new Map<string, { count: number; unread: boolean }>();
    for (const thread of threads) {
      if (thread.resolved || thread.gate === null) continue;
      const before = found.get(thread.gate) ?? { count: 0, unread: false };
      const count = thread.comments.filter((comment) => !comment.deleted).length;
      found.set(thread.gate, { count: before.count + count, unread: before.unread || unread.threads.has(thread.id) });
    }
    return found;
  }, [threads, unread.threads]);
  const beginComment = (): void => {
    if (selected === null) {
      setPanel("comments");
      return;
    }
    setDrafting(selected);
    setPanel("comments");
    setRevision(null);
  };
  const close = useCallback(() => {
    setPanel(null);
    setRevision(null);
    setDrafting(null);
    focusCanvas();
  }, [focusCanvas]);
  const openPanel = (next: PanelName | null): void => {
    if (next === null) close();
    else setPanel(next);
    if (next !== "history") setRevision(null);
  };

  const text = useRef("");
  text.current = program.text ?? "";
  const blocked = !loaded
    ? "The circuit is not here yet."
    : circuit.gates.size === 0
      ? "There is no gate yet."
      : program.text === null
        ? (program.problem ?? "The program is being written.")
        : program.rev !== status.rev || status.unconfirmed > 0
          ? "The last change is being saved."
          : null;
  const job = useJob(rest, socket);
  const currentText = useCallback(() => text.current, []);
  const runner = useRun({ job, text: currentText, blocked, announce: setSpoken, onStart: () => setTab("results") });

  const [usedQubits, usedClbits] = useMemo(() => usedWires(circuit), [circuit]);
  const size = (label: string, count: number, used: number, more: [number, number]): ReactElement => (
    <span className="stepper">
      <button type="button" className="icon-button" aria-label={`One ${label} less`} title={count <= used ? "The last one is in use" : `One ${label} less`} disabled={!writable || count <= used} onClick={() => edit(resize(circuit, -more[0], -more[1]))}>
        −
      </button>
      <span>
        <strong>{count}</strong> {label}
        {count === 1 ? "" : "s"}
      </span>
      <button type="button" className="icon-button" aria-label={`One ${label} more`} title={`One ${label} more`} disabled={!writable} onClick={() => edit(resize(circuit, ...more))}>
        +
      </button>
    </span>
  );

  const editor = (
    <section className={tabClass("circuit", tab)} id="pane-circuit" aria-label="Circuit">
      <div className="panel-head">
        <h2>Circuit</h2>
        <div className="stats">
          {size("qubit", circuit.qubits, usedQubits, [1, 0])}
          {size("bit", circuit.clbits, usedClbits, [0, 1])}
          <span>
            depth <strong>{depthOf(circuit)}</strong>
          </span>
        </div>
        {loaded && !status.canWrite && <span className="tag warn">read only{status.role ? `: ${status.role}` : ""}</span>}
        <span className="spacer" />
        {status.canWrite && (
          <span className="row tight">
            <button type="button" className="icon-button" aria-label="Undo" title="Undo your last change (Ctrl or ⌘ + Z)" disabled={!status.canUndo} onClick={undo}>
              <Icon name="undo" />
            </button>
            <button type="button" className="icon-button" aria-label="Redo" title="Redo (Ctrl or ⌘ + Shift + Z)" disabled={!status.canRedo} onClick={redo}>
              <Icon name="redo" />
            </button>
          </span>
        )}
      </div>
      <div className="circuit-editor" data-ready={loaded} ref={canvas}>
        {writable && <Palette armed={armed} qubits={circuit.qubits} onArm={arm} />}
        <div className="circuit-body">
          <CircuitCanvas
            circuit={circuit}
            writable={writable}
            armed={armed}
            selected={selected}
            peers={live.peers}
            marks={marks}
            onSelect={setSelected}
            onPlace={put}
            onDisarm={() => setArmed(null)}
            onMove={(id, rows, before) => edit(moveGate(circuit, id, rows, before))}
            onStep={step}
            onDelete={remove}
            onEdit={() => form.current?.querySelector<HTMLElement>("input, select, button")?.focus()}
          />
        </div>
        {gate && selected !== null && (
          <GateInspector
            circuit={circuit}
            id={selected}
            gate={gate}
            writable={writable}
            canComment={status.canComment}
            form={form}
            onEdit={edit}
            onDelete={() => remove(selected)}
            onComment={beginComment}
            onStep={(way) => step(selected, way)}
          />
        )}
        {!loaded && <Loading connection={connection.phase} reason={connection.phase === "refused" ? connection.reason : status.reason} />}
        {revision !== null && (
          <RevisionView
            rest={rest}
            session={session}
            rev={revision}
            newest={status.rev}
            content={null}
            canWrite={status.canWrite}
            draw={(state) => <CircuitView drawing={drawingOf(circuitOf(state))} stale={false} />}
            onRev={setRevision}
            onForked={(made) => props.onOpen(made.id)}
            onClose={() => setRevision(null)}
          />
        )}
      </div>
    </section>
  );

  const written = (
    <section className={tabClass("program", tab)} id="pane-program" aria-label="Program">
      <div className="panel-head">
        <h2>Program</h2>
        <span className="tag">OpenQASM 3</span>
        <span className="spacer" />
        <button type="button" className="quiet" disabled={program.text === null} onClick={() => download(session.name, "qasm", program.text ?? "", "text/plain")}>
          <Icon name="download" />
          .qasm
        </button>
      </div>
      {program.problem !== null && (
        <p className="notice error" role="status">
          {program.problem}
        </p>
      )}
      <pre className="program-text" tabIndex={0} aria-label="OpenQASM 3 of this circuit">
        {program.text}
      </pre>
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
        about="Select a gate and press Comment."
        draft={drafting === null ? null : { where: where(drafting), quote: "" }}
        active={active}
        actions={{
          reply: (thread, said) => channel.current?.reply(thread, said),
          edit: (comment, said) => channel.current?.editComment(comment, said),
          remove: (comment) => channel.current?.deleteComment(comment),
          resolve: (thread) => channel.current?.resolve(thread),
          reopen: (thread) => channel.current?.reopen(thread),
        }}
        onAdd={selected === null ? null : beginComment}
        onSubmitDraft={(said) => {
          if (drafting !== null) channel.current?.addComment({ gate: drafting }, said);
          setDrafting(null);
          focusCanvas();
        }}
        onCancelDraft={() => setDrafting(null)}
        onActivate={(id) => {
          setActive(id);
          setSelected(threads.find((thread) => thread.id === id)?.gate ?? null);
          setTab("circuit");
          if (isNarrow()) setPanel(null);
        }}
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
          setTab("circuit");
          if (isNarrow()) setPanel(null);
        }}
        onClose={close}
      />
    ) : null;

  return (
    <SessionShell {...props} connection={connection} status={status} socket={socket} peers={live.peers} people={people} notices={notices} unread={unread.count} panel={panel} onPanel={openPanel} spoken={spoken}>
      <Tabs tabs={TABS} tab={tab} onTab={setTab} />
      <div className="bench">
        <main className="bench-main">
          <Split
            className="bench-split"
            direction="columns"
            initial={62}
            label="Resize the circuit"
            first={editor}
            second={<Split className="side-split" direction="rows" initial={40} label="Resize the program" first={written} second={results} />}
          />
        </main>
        {side}
      </div>
    </SessionShell>
  );
}
