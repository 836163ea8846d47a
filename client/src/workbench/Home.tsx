import { useCallback, useEffect, useRef, useState, type DragEvent, type FormEvent, type ReactElement } from "react";
import type { Identity, RestClient, Session } from "../lib/rest";
import { Dialog } from "./Dialog";
import { Icon } from "./icons";
import { TEMPLATES, nameFromFile, type Template } from "./templates";
import { Me, TopBar } from "./TopBar";

const MAX_FILE_BYTES = 1_000_000;
const PAGE = 50;

export function Home({ identity, rest, name, onName, onOpen }: {
  identity: Identity;
  rest: RestClient;
  name: string;
  onName: (name: string) => void;
  onOpen: (id: string) => void;
}): ReactElement {
  const [sessions, setSessions] = useState<{ items: Session[]; total: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [limit, setLimit] = useState(PAGE);
  const [doomed, setDoomed] = useState<Session | null>(null);

  const load = useCallback(async () => {
    try {
      setSessions(await rest.sessions(limit));
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The sessions could not be listed.");
    }
  }, [rest, limit]);
  useEffect(() => void load(), [load]);

  const remove = async (session: Session): Promise<void> => {
    setDoomed(null);
    try {
      await rest.deleteSession(session.id);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The session could not be deleted.");
    }
    await load();
  };

  return (
    <div className="app home">
      <TopBar me={<Me user={identity.user} name={name} onName={onName} />} />
      <main className="home-body">
        <div className="hero">
          <h1>Quantum circuits, written together.</h1>
          <p>Everyone in a session sees every keystroke. The circuit draws itself, runs on your own cluster, and a model tells you what it looks like.</p>
        </div>
        <div className="home-columns">
          <NewSession rest={rest} onOpen={onOpen} />
          <section className="card" aria-labelledby="sessions-title">
            <div className="card-head">
              <h2 id="sessions-title">Sessions</h2>
              {sessions && <span className="muted figures">{sessions.total}</span>}
              <span className="spacer" />
              <button type="button" className="quiet" onClick={() => void load()}>
                Refresh
              </button>
            </div>
            {problem && (
              <p className="notice error" role="alert">
                {problem}
              </p>
            )}
            {!sessions && !problem && <p className="muted empty">Loading…</p>}
            {sessions?.items.length === 0 && <p className="muted empty">None yet. Start one, then send its link to a colleague.</p>}
            <ul className="session-list">
              {sessions?.items.map((session) => (
                <li key={session.id}>
                  <a href={`/s/${encodeURIComponent(session.id)}`} onClick={(event) => {
                    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                    event.preventDefault();
                    onOpen(session.id);
                  }}>
                    <span className="session-title">{session.name}</span>
                    <span className="muted session-facts">
                      {session.kind === "circuit" ? "drawn circuit · " : ""}
                      {session.visibility === "public" ? "open to everyone here" : "private"} · {session.rev} edits · {ago(session.updated_at)}
                    </span>
                  </a>
                  {session.owner === identity.user && (
                    <button type="button" className="icon-button" aria-label={`Delete ${session.name}`} title="Delete" onClick={() => setDoomed(session)}>
                      <Icon name="trash" />
                    </button>
                  )}
                </li>
              ))}
            </ul>
            {sessions && sessions.total > sessions.items.length && limit < 200 && (
              <button type="button" className="quiet wide" onClick={() => setLimit(limit + PAGE)}>
                Show more
              </button>
            )}
          </section>
        </div>
      </main>
      <Dialog title="Delete this session?" open={doomed !== null} onClose={() => setDoomed(null)}>
        <p>
          <strong>{doomed?.name}</strong> and its history end for everyone in it. This cannot be undone.
        </p>
        <p className="row end">
          <button type="button" onClick={() => setDoomed(null)}>
            Keep it
          </button>
          <button type="button" className="danger" onClick={() => doomed && void remove(doomed)}>
            Delete
          </button>
        </p>
      </Dialog>
    </div>
  );
}

function NewSession({ rest, onOpen }: { rest: RestClient; onOpen: (id: string) => void }): ReactElement {
  const [name, setName] = useState("");
  const [choice, setChoice] = useState<Template | "file">(TEMPLATES[0] as Template);
  const [file, setFile] = useState<{ name: string; content: string } | null>(null);
  const [open, setOpen] = useState(true);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const picker = useRef<HTMLInputElement>(null);

  const take = async (given: File | undefined): Promise<void> => {
    if (!given) return;
    if (given.size > MAX_FILE_BYTES) {
      setProblem(`${given.name} has ${given.size.toLocaleString("en")} bytes; a program may have ${MAX_FILE_BYTES.toLocaleString("en")}.`);
      return;
    }
    // CodeMirror and the server count a line break as one unit.
    const content = (await given.text()).replace(/\r\n?/g, "\n");
    if (content.includes("\0")) {
      setProblem(`${given.name} is not a text file.`);
      return;
    }
    setProblem(null);
    setFile({ name: given.name, content });
    setChoice("file");
    setName((old) => old || nameFromFile(given.name));
  };

  const create = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const template = choice === "file" ? null : choice;
    try {
      const session = await rest.createSession({
        name: name.trim() || (template ? template.name : nameFromFile(file?.name ?? "")),
        kind: template && typeof template.content !== "string" ? "circuit" : "text",
        content: template ? template.content : (file?.content ?? ""),
        visibility: open ? "public" : "private",
        public_role: "editor",
      });
      onOpen(session.id);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The session could not be made.");
      setBusy(false);
    }
  };

  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };

  return (
    <section
      className={over ? "card dropping" : "card"}
      aria-labelledby="new-title"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <form className="stack" onSubmit={(event) => void create(event)}>
        <div className="card-head">
          <h2 id="new-title">New session</h2>
        </div>
        <label className="field">
          <span>Name</span>
          <input value={name} maxLength={120} placeholder={choice === "file" ? nameFromFile(file?.name ?? "") : choice.name} onChange={(event) => setName(event.target.value)} />
        </label>
        <fieldset className="templates">
          <legend>Start from</legend>
          {TEMPLATES.map((template) => (
            <label key={template.id} className="template">
              <input type="radio" name="template" checked={choice !== "file" && choice.id === template.id} onChange={() => setChoice(template)} />
              <span>
                <b>{template.name}</b>
                <small>{template.description}</small>
              </span>
            </label>
          ))}
          {file && (
            <label className="template file">
              <input type="radio" name="template" checked={choice === "file"} onChange={() => setChoice("file")} />
              <span>
                <b>{file.name}</b>
                <small>{file.content.split("\n").length} lines from your computer</small>
              </span>
            </label>
          )}
        </fieldset>
        <p className="row">
          <button type="button" onClick={() => picker.current?.click()}>
            <Icon name="file" />
            Open a .qasm file
          </button>
          <span className="muted hint">or drop one here</span>
          <input ref={picker} type="file" accept=".qasm,.inc,.txt,text/plain" hidden onChange={(event) => {
            void take(event.target.files?.[0]);
            event.target.value = "";
          }} />
        </p>
        <label className="check">
          <input type="checkbox" checked={open} onChange={(event) => setOpen(event.target.checked)} />
          <span>Anyone on this SynQ can edit</span>
        </label>
        {problem && (
          <p className="notice error" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="primary large" disabled={busy}>
          <Icon name="plus" />
          {busy ? "Starting…" : "Start session"}
        </button>
      </form>
    </section>
  );
}

/** How long ago, in words: `just now`, `5 min ago`, `3 days ago`. `time` is in milliseconds of the epoch. */
export function ago(time: number, now = Date.now()): string {
  const seconds = (now - time) / 1_000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < 60) return "just now";
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "yesterday" : `${days} days ago`;
}
