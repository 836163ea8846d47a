import { memo, useCallback, useEffect, useRef, useState, type KeyboardEvent, type ReactElement } from "react";
import type { Diagnostic, Identity, RestClient, Session } from "../lib/rest";
import { CircuitBody, CircuitHead } from "./CircuitPane";
import { ConnectionStatus } from "./ConnectionStatus";
import { download } from "./download";
import { Icon } from "./icons";
import { Problems } from "./Problems";
import { RunPanel, readSettings } from "./RunPanel";
import { ShareButton } from "./ShareButton";
import { Split } from "./Split";
import { SuggestPanel } from "./SuggestPanel";
import { Faces, Me, TopBar } from "./TopBar";
import { useCircuit } from "./use-circuit";
import { useJob } from "./use-job";
import { useSession } from "./use-session";

const TABS = [
  ["program", "Program"],
  ["circuit", "Circuit"],
  ["results", "Results"],
] as const;
type Tab = (typeof TABS)[number][0];

const Suggest = memo(SuggestPanel);

export function Workbench({ session, identity, rest, name, onName }: {
  session: Session;
  identity: Identity;
  rest: RestClient;
  name: string;
  onName: (name: string) => void;
}): ReactElement {
  const parent = useRef<HTMLDivElement>(null);
  const [tab, setTab] = useState<Tab>("program");
  const [shots, setShots] = useState("1024");
  const [seed, setSeed] = useState("");
  const [spoken, setSpoken] = useState("");
  const [rejected, setRejected] = useState<{ message: string; text: string } | null>(null);
  const runRef = useRef<() => void>(() => {});

  const live = useSession({
    session,
    identity,
    rest,
    name,
    parent,
    onRun: useCallback(() => runRef.current(), []),
    onRejected: useCallback((message: string, text: string) => setRejected({ message, text }), []),
  });
  const { editor, socket, connection, text, content } = live;
  const loaded = text.phase !== "loading" && text.phase !== "refused";
  const circuit = useCircuit(rest, content, loaded && connection.phase === "live");
  const current = circuit.text === content;
  const job = useJob(rest, socket);

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

  const run = (): void => {
    const settings = readSettings(shots, seed);
    if (typeof settings === "string" || blocked !== null || job.view.phase === "running") {
      if (blocked !== null) setSpoken(blocked);
      return;
    }
    setTab("results");
    job.run(content, settings.shots, settings.seed);
  };
  runRef.current = run;

  const phase = job.view.phase;
  useEffect(() => {
    if (phase === "running") setSpoken("Running.");
    if (phase === "done") setSpoken("The run is done. The histogram is ready.");
    if (phase === "cancelled") setSpoken("The run was cancelled.");
  }, [phase]);

  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
        event.preventDefault();
        runRef.current();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  useEffect(() => {
    document.title = `${session.name} · SynQ`;
    return () => {
      document.title = "SynQ";
    };
  }, [session.name]);

  const currentText = useCallback(() => editor.current?.text ?? "", [editor]);

  const program = (
    <section className={tabClass("program", tab)} id="pane-program" aria-label="Program">
      <div className="panel-head">
        <h2>Program</h2>
        {circuit.parsed?.format && <span className="tag">{circuit.parsed.format === "qasm2" ? "OpenQASM 2" : "OpenQASM 3"}</span>}
        {loaded && !text.canWrite && <span className="tag warn">read only{text.role ? `: ${text.role}` : ""}</span>}
        <span className="spacer" />
        <button type="button" className="quiet" onClick={() => download(session.name, "qasm", currentText(), "text/plain")} disabled={!loaded}>
          <Icon name="download" />
          .qasm
        </button>
      </div>
      {rejected && (
        <div className="notice error floating" role="alert">
          <span>
            <strong>An edit was refused and taken out.</strong> {rejected.message}
          </span>
          {rejected.text && (
            <button type="button" className="quiet" onClick={() => void navigator.clipboard?.writeText(rejected.text)}>
              Copy its text
            </button>
          )}
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => setRejected(null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
      <div className="editor-frame">
        <div className="editor" ref={parent} data-ready={loaded} />
        {!loaded && <Loading connection={connection.phase} reason={connection.phase === "refused" ? connection.reason : text.reason} />}
      </div>
      <Problems diagnostics={diagnostics} state={circuit.parsed === null ? "unchecked" : current || connection.phase === "live" ? "checked" : "offline"} onGo={(d) => {
        setTab("program");
        editor.current?.goTo(d.line, d.column);
      }} />
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
        <RunPanel
          view={job.view}
          name={session.name}
          shots={shots}
          seed={seed}
          onShots={setShots}
          onSeed={setSeed}
          onRun={run}
          onCancel={job.cancel}
          blocked={blocked}
        />
        <Suggest rest={rest} text={currentText} blocked={blocked} announce={setSpoken} />
      </div>
    </div>
  );

  return (
    <div className="app">
      <TopBar me={<><Faces peers={live.peers} /><Me user={identity.user} name={name} onName={onName} /></>}>
        <h1 className="session-name" title={session.name}>
          {session.name}
        </h1>
        <ShareButton id={session.id} isPublic={session.visibility === "public"} announce={setSpoken} />
      </TopBar>
      <div className="statusbar">
        <ConnectionStatus connection={connection} text={text} onRetry={() => socket?.connect()} />
        {connection.phase === "refused" && connection.code === "unauthorized" && (
          <button type="button" className="quiet" onClick={() => window.location.reload()}>
            Sign in again
          </button>
        )}
      </div>
      <Tabs tab={tab} onTab={setTab} problems={diagnostics.length} />
      <main className="bench">
        <Split
          className="bench-split"
          direction="columns"
          initial={44}
          label="Resize the editor"
          first={program}
          second={<Split className="side-split" direction="rows" initial={44} label="Resize the circuit" first={drawing} second={results} />}
        />
      </main>
      <div className="visually-hidden" aria-live="polite">
        {spoken}
      </div>
    </div>
  );
}

const NONE: Diagnostic[] = [];

const tabClass = (name: Tab, current: Tab): string => `panel pane${name === current ? " current" : ""}${name === "results" ? " results-pane" : ""}`;

function Tabs({ tab, onTab, problems }: { tab: Tab; onTab: (tab: Tab) => void; problems: number }): ReactElement {
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const index = (TABS.findIndex(([id]) => id === tab) + step + TABS.length) % TABS.length;
    onTab((TABS[index] ?? TABS[0])[0]);
    event.currentTarget.querySelectorAll("button")[index]?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label="Parts of the workbench" onKeyDown={onKeyDown}>
      {TABS.map(([id, label]) => (
        <button key={id} type="button" role="tab" aria-selected={tab === id} aria-controls={`pane-${id}`} tabIndex={tab === id ? 0 : -1} onClick={() => onTab(id)}>
          {label}
          {id === "program" && problems > 0 && <span className="count">{problems}</span>}
        </button>
      ))}
    </div>
  );
}

function Loading({ connection, reason }: { connection: string; reason: string | undefined }): ReactElement {
  return (
    <div className="editor-veil">
      {reason ? (
        <div className="notice error">
          {reason} <a href="/">All sessions</a>
        </div>
      ) : (
        <p className="muted">{connection === "live" ? "Loading the program…" : "Connecting…"}</p>
      )}
    </div>
  );
}
