import { useEffect, useMemo, useRef, type ReactElement, type ReactNode } from "react";
import type { Peer } from "../lib/presence-book";
import type { Identity, RestClient, Session } from "../lib/rest";
import type { SessionStatus } from "../lib/session-channel";
import type { ConnectionState, SecureWebSocketClient } from "../lib/websocket-secure";
import { ConnectionStatus } from "./ConnectionStatus";
import { Dialog } from "./Dialog";
import { Icon } from "./icons";
import { Menu } from "./Menu";
import { NoticeList } from "./NoticeList";
import { ShareButton } from "./ShareDialog";
import { Faces, Me, TopBar } from "./TopBar";
import { useActions } from "./use-actions";
import type { People } from "./use-names";
import type { Notices } from "./use-notices";

export type PanelName = "comments" | "history";

export interface WorkbenchProps {
  session: Session;
  identity: Identity;
  rest: RestClient;
  name: string;
  onName: (name: string) => void;
  onOpen: (id: string) => void;
}

/** Where a panel covers the workbench, it gives way to what is opened from it. */
export const isNarrow = (): boolean => window.matchMedia("(max-width: 900px)").matches;

const MAY: Record<string, string> = { viewer: "may look", commenter: "may look and comment", editor: "may edit", owner: "own this session" };

/** What every session has around it, whatever its kind. */
export function SessionShell({ session, identity, rest, name, onName, onOpen, connection, status, socket, peers, people, notices, unread, panel, onPanel, spoken, children }: WorkbenchProps & {
  connection: ConnectionState;
  status: SessionStatus;
  socket: SecureWebSocketClient | null;
  peers: readonly Peer[];
  people: People;
  notices: Notices;
  unread: number;
  panel: PanelName | null;
  onPanel: (panel: PanelName | null) => void;
  spoken: string;
  children: ReactNode;
}): ReactElement {
  const actions = useActions(rest, session, notices.say, onOpen);
  const here = useMemo(() => new Set(peers.map((peer) => peer.user)), [peers]);

  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${session.name} · SynQ`;
    return () => {
      document.title = "SynQ";
    };
  }, [session.name, unread]);

  const roleBefore = useRef<string | null>(null);
  const { role } = status;
  const { say } = notices;
  useEffect(() => {
    if (roleBefore.current !== null && role !== null && role !== roleBefore.current) {
      say({ title: `You are now ${role} here.`, detail: `From now on you ${MAY[role] ?? "have other permissions"}.` });
    }
    roleBefore.current = role ?? roleBefore.current;
  }, [role, say]);

  const toggle = (which: PanelName, label: string, icon: "comment" | "clock", badge: number): ReactElement => (
    <button
      type="button"
      className="quiet tool"
      aria-pressed={panel === which}
      aria-label={badge > 0 ? `${label}, ${badge} unread` : label}
      title={label}
      onClick={() => onPanel(panel === which ? null : which)}
    >
      <Icon name={icon} />
      <span className="tool-label">{label}</span>
      {badge > 0 && <span className="count">{badge}</span>}
    </button>
  );

  return (
    <div className="app">
      <TopBar
        me={
          <>
            <Faces peers={peers} />
            <Me user={identity.user} name={name} onName={onName} />
          </>
        }
      >
        <h1 className="session-name" title={session.name}>
          {session.name}
        </h1>
        <ShareButton rest={rest} session={session} people={people} me={identity.user} canManage={status.canManage} here={here} />
      </TopBar>
      <div className="statusbar">
        <ConnectionStatus connection={connection} status={status} onRetry={() => socket?.connect()} />
        {connection.phase === "refused" && connection.code === "unauthorized" && (
          <button type="button" className="quiet" onClick={() => window.location.reload()}>
            Sign in again
          </button>
        )}
        <span className="spacer" />
        {toggle("comments", "Comments", "comment", unread)}
        {toggle("history", "History", "clock", 0)}
        <Menu label="Export and more" items={actions.items}>
          <Icon name="download" />
          <span className="tool-label">Export</span>
        </Menu>
      </div>
      {connection.phase === "refused" && typeof connection.code === "number" && (
        <div className="notice error floating ended" role="alert">
          <span className="notice-text">
            <strong>{connection.reason}</strong> What you see stays here to be copied; nothing more is sent or received.
          </span>
          <a className="button" href="/">
            All sessions
          </a>
        </div>
      )}
      <NoticeList notices={notices.all} onDismiss={notices.dismiss} />
      {children}
      <Dialog title="Converted" open={actions.converted !== null} onClose={actions.forget}>
        <p>The new session has everything that has a form there. What could not be kept:</p>
        <ul className="notes">
          {actions.converted?.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
        <p className="row end">
          <button type="button" onClick={actions.forget}>
            Stay here
          </button>
          <button type="button" className="primary" onClick={() => actions.converted && onOpen(actions.converted.session.id)}>
            Open it
          </button>
        </p>
      </Dialog>
      <div className="visually-hidden" aria-live="polite">
        {spoken}
      </div>
    </div>
  );
}
