import { useEffect, useState, type ReactElement, type ReactNode } from "react";
import type { Peer } from "../lib/presence-book";
import { Dialog, ShortcutsDialog } from "./Dialog";
import { Icon, Mark } from "./icons";
import { colorFor, initials } from "./peers";
import { applyTheme, nextTheme, storedTheme } from "./theme";

export function ThemeButton(): ReactElement {
  const [theme, setTheme] = useState(storedTheme);
  const next = nextTheme(theme);
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}. Switch to ${next}.`}
      title={`Theme: ${theme}`}
      onClick={() => {
        applyTheme(next);
        setTheme(next);
      }}
    >
      <Icon name={theme === "system" ? "auto" : theme === "light" ? "sun" : "moon"} />
    </button>
  );
}

export function HelpButton(): ReactElement {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement | null;
      if (event.key !== "?" || target?.closest("input, textarea, select, [contenteditable=true]")) return;
      setOpen(true);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <button type="button" className="icon-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setOpen(true)}>
        <Icon name="help" />
      </button>
      <ShortcutsDialog open={open} onClose={() => setOpen(false)} />
    </>
  );
}

/** This user's own face; opens the form for the name others see. */
export function Me({ user, name, onName }: { user: string; name: string; onName: (name: string) => void }): ReactElement {
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState(name);
  return (
    <>
      <button
        type="button"
        className="me"
        aria-label={`You are ${name}. Change your name.`}
        title="Change your name"
        onClick={() => {
          setDraft(name);
          setOpen(true);
        }}
      >
        <span className="avatar" style={{ "--peer": colorFor(user) } as React.CSSProperties} aria-hidden="true">
          {initials(name)}
        </span>
        <span className="me-name">{name}</span>
      </button>
      <Dialog title="Your name" open={open} onClose={() => setOpen(false)}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            onName(draft);
            setOpen(false);
          }}
        >
          <label className="field">
            <span>Shown at your caret in every session of this tab</span>
            <input value={draft} maxLength={40} onChange={(event) => setDraft(event.target.value)} autoFocus />
          </label>
          <p className="muted">
            Signed in as <code>{user}</code>
          </p>
          <button type="submit" className="primary">
            Save
          </button>
        </form>
      </Dialog>
    </>
  );
}

const SHOWN_FACES = 5;

export function Faces({ peers }: { peers: readonly Peer[] }): ReactElement | null {
  const people = [...new Map(peers.map((peer) => [peer.user, peer])).values()];
  if (people.length === 0) return null;
  return (
    <ul className="faces" aria-label={`Also here: ${people.map((peer) => peer.name).join(", ")}`}>
      {people.slice(0, SHOWN_FACES).map((peer) => (
        <li key={peer.user} className="avatar" style={{ "--peer": peer.color ?? colorFor(peer.user) } as React.CSSProperties} title={peer.name}>
          <span aria-hidden="true">{initials(peer.name)}</span>
        </li>
      ))}
      {people.length > SHOWN_FACES && <li className="avatar more">+{people.length - SHOWN_FACES}</li>}
    </ul>
  );
}

export function TopBar({ children, me }: { children?: ReactNode; me: ReactNode }): ReactElement {
  return (
    <header className="topbar">
      <a className="brand" href="/" aria-label="SynQ, all sessions">
        <Mark />
        <span className="wordmark">
          Syn<b>Q</b>
        </span>
      </a>
      {children}
      <span className="spacer" />
      <div className="topbar-end">
        {me}
        <ThemeButton />
        <HelpButton />
      </div>
    </header>
  );
}
