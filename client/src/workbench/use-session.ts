/** The live session behind the editor: one socket, one text channel, one editor. */
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import type { Peer } from "../lib/presence-book";
import type { Identity, RestClient, Session } from "../lib/rest";
import type { TextChannel } from "../lib/text-channel";
import type { Refusal, SessionStatus } from "../lib/session-channel";
import type { Unsent } from "../lib/shared-document";
import type { Thread } from "../lib/threads";
import { SecureWebSocketClient, type ConnectionState } from "../lib/websocket-secure";
import { ProgramEditor } from "./editor";
import { colorFor } from "./peers";

export interface LiveSession {
  editor: RefObject<ProgramEditor | null>;
  channel: RefObject<TextChannel | null>;
  socket: SecureWebSocketClient | null;
  connection: ConnectionState;
  status: SessionStatus;
  peers: readonly Peer[];
  threads: readonly Thread[];
  /** The document's text, newest first known. */
  content: string;
  undo: () => void;
  redo: () => void;
}

export const START: SessionStatus = {
  phase: "loading", role: null, canWrite: false, canComment: false, canManage: false, unconfirmed: 0, canUndo: false, canRedo: false, rev: 0,
};

export function socketUrl(location: Pick<Location, "protocol" | "host">): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/collaborate`;
}

/** What a session may have to tell its user, whatever its kind. */
export interface SessionNews {
  onRejected: (refusal: Refusal) => void;
  onUnsent: (unsent: Unsent) => void;
  onReplaced: () => void;
}

export function useSession(options: SessionNews & {
  session: Session;
  identity: Identity;
  rest: RestClient;
  name: string;
  parent: RefObject<HTMLDivElement | null>;
  onRun: () => void;
  onComment: () => void;
  onOpenThread: (id: string) => void;
}): LiveSession {
  const { session, identity, rest, parent } = options;
  const [connection, setConnection] = useState<ConnectionState>({ phase: "idle" });
  const [status, setStatus] = useState<SessionStatus>(START);
  const [peers, setPeerList] = useState<readonly Peer[]>([]);
  const [threads, setThreads] = useState<readonly Thread[]>([]);
  const [content, setContent] = useState("");
  const [socket, setSocket] = useState<SecureWebSocketClient | null>(null);
  const editor = useRef<ProgramEditor | null>(null);
  const channelRef = useRef<TextChannel | null>(null);
  // What may change while the session lives is read through here, so that it never restarts the session.
  const latest = useRef(options);
  latest.current = options;
  const announce = useRef<() => void>(() => {});

  const undo = useCallback(() => {
    editor.current?.endUndoGroup();
    channelRef.current?.undo();
  }, []);
  const redo = useCallback(() => {
    editor.current?.endUndoGroup();
    channelRef.current?.redo();
  }, []);

  useEffect(() => {
    if (!parent.current) return;
    const client = new SecureWebSocketClient({
      url: socketUrl(window.location),
      session: session.id,
      token: () => Promise.resolve(latest.current.identity.token),
      diagnose: () => rest.diagnose(session.id),
    });
    const program = new ProgramEditor(parent.current, {
      onLocalChanges: (changes, group) => channel.local(changes, group),
      onDocument: (doc) => setContent(doc.toString()),
      onSelection: () => announce.current(),
      onRun: () => latest.current.onRun(),
      onUndo: undo,
      onRedo: redo,
      onComment: () => latest.current.onComment(),
      onOpenThread: (id) => latest.current.onOpenThread(id),
    });
    let writable = false;
    const checkWritable = (): void => {
      const { canWrite, phase } = channel.status;
      // Before the first state there is nothing to write into; and what is typed after the end goes nowhere.
      const may = canWrite && phase !== "loading" && phase !== "refused" && client.state.phase !== "refused";
      if (may === writable) return;
      writable = may;
      program.setWritable(may);
    };
    const channel = client.openText(session.id, {
      onChanges: (changes) => program.applyRemote(changes),
      onStatus: (now) => {
        setStatus(now);
        checkWritable();
      },
      onPeers: (all) => {
        program.showPeers(all);
        setPeerList((old) => (sameFaces(old, all) ? old : [...all.values()]));
      },
      onThreads: setThreads,
      onRejected: (refusal) => latest.current.onRejected(refusal),
      onUnsent: (unsent) => latest.current.onUnsent(unsent),
      onReplaced: () => latest.current.onReplaced(),
    });
    channelRef.current = channel;
    announce.current = () =>
      channel.announce(() => ({ name: latest.current.name, color: colorFor(identity.user), ...program.presence() }));
    const off = client.onState((state) => {
      setConnection(state);
      checkWritable();
    });
    editor.current = program;
    setSocket(client);
    client.connect();
    announce.current();

    const offLeaving = onLeaving(client, () => channel.unconfirmed);
    return () => {
      offLeaving();
      off();
      channel.close();
      client.close();
      program.destroy();
      editor.current = null;
      channelRef.current = null;
      setSocket(null);
    };
  }, [session.id, identity.user, rest, parent, undo, redo]);

  useEffect(() => announce.current(), [options.name]);

  return { editor, channel: channelRef, socket, connection, status, peers, threads, content, undo, redo };
}

/** Ask before unsaved work is left, and say goodbye; returns what ends that. */
export function onLeaving(client: SecureWebSocketClient, unconfirmed: () => number): () => void {
  const warn = (event: BeforeUnloadEvent): void => {
    if (unconfirmed() > 0) event.preventDefault();
  };
  const leave = (): void => client.close();
  const back = (event: PageTransitionEvent): void => {
    // Out of the back/forward cache: a page that was frozen starts anew rather than with dead channels.
    if (event.persisted) window.location.reload();
  };
  window.addEventListener("beforeunload", warn);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", back);
  return () => {
    window.removeEventListener("beforeunload", warn);
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", back);
  };
}

/** Whether the same people are there under the same names and colours; where their carets are is the editor's. */
function sameFaces(old: readonly Peer[], all: ReadonlyMap<string, Peer>): boolean {
  return (
    old.length === all.size &&
    old.every((peer) => {
      const now = all.get(peer.client);
      return now !== undefined && now.name === peer.name && now.color === peer.color && now.user === peer.user;
    })
  );
}
