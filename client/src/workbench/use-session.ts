/** The live session behind the editor: one socket, one text channel, one editor. */
import { useEffect, useRef, useState, type RefObject } from "react";
import type { Peer } from "../lib/presence-book";
import type { Identity, RestClient, Session } from "../lib/rest";
import type { TextStatus } from "../lib/text-channel";
import { SecureWebSocketClient, type ConnectionState } from "../lib/websocket-secure";
import { ProgramEditor } from "./editor";
import { colorFor } from "./peers";

export interface LiveSession {
  editor: RefObject<ProgramEditor | null>;
  socket: SecureWebSocketClient | null;
  connection: ConnectionState;
  text: TextStatus;
  peers: readonly Peer[];
  /** The document's text, newest first known. */
  content: string;
}

const START: TextStatus = { phase: "loading", role: null, canWrite: false, unconfirmed: 0, rev: 0, canComment: false, canManage: false, canUndo: false, canRedo: false };

export function socketUrl(location: Pick<Location, "protocol" | "host">): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws/collaborate`;
}

export function useSession(options: {
  session: Session;
  identity: Identity;
  rest: RestClient;
  name: string;
  parent: RefObject<HTMLDivElement | null>;
  onRun: () => void;
  onRejected: (message: string, text: string) => void;
}): LiveSession {
  const { session, identity, rest, parent } = options;
  const [connection, setConnection] = useState<ConnectionState>({ phase: "idle" });
  const [text, setText] = useState<TextStatus>(START);
  const [peers, setPeerList] = useState<readonly Peer[]>([]);
  const [content, setContent] = useState("");
  const [socket, setSocket] = useState<SecureWebSocketClient | null>(null);
  const editor = useRef<ProgramEditor | null>(null);
  // What may change while the session lives is read through here, so that it never restarts the session.
  const latest = useRef(options);
  latest.current = options;
  const announce = useRef<() => void>(() => {});

  useEffect(() => {
    if (!parent.current) return;
    const client = new SecureWebSocketClient({
      url: socketUrl(window.location),
      session: session.id,
      token: () => Promise.resolve(latest.current.identity.token),
      diagnose: () => rest.diagnose(session.id),
    });
    const program = new ProgramEditor(parent.current, {
      onLocalChanges: (changes) => channel.local(changes),
      onDocument: (doc) => setContent(doc.toString()),
      onSelection: () => announce.current(),
      onRun: () => latest.current.onRun(),
    });
    let writable = false;
    const channel = client.openText(session.id, {
      onChanges: (changes) => program.applyRemote(changes),
      onStatus: (status) => {
        // Before the first state there is nothing to write into.
        const may = status.canWrite && status.phase !== "loading" && status.phase !== "refused";
        if (may !== writable) {
          writable = may;
          program.setWritable(may);
        }
        setText(status);
      },
      onPeers: (all) => {
        program.showPeers(all);
        setPeerList((old) => (sameFaces(old, all) ? old : [...all.values()]));
      },
      onRejected: ({ message, text: lost }) => latest.current.onRejected(message, lost),
    });
    announce.current = () =>
      channel.announce(() => ({ name: latest.current.name, color: colorFor(identity.user), ...program.presence() }));
    const off = client.onState(setConnection);
    editor.current = program;
    setSocket(client);
    client.connect();
    announce.current();

    const warn = (event: BeforeUnloadEvent): void => {
      if (channel.unconfirmed > 0) event.preventDefault();
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
      off();
      channel.close();
      client.close();
      program.destroy();
      editor.current = null;
      setSocket(null);
    };
  }, [session.id, identity.user, rest, parent]);

  useEffect(() => announce.current(), [options.name]);

  return { editor, socket, connection, text, peers, content };
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
