/** The live circuit session: one socket, one channel, the circuit as it is seen. */
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import { EMPTY, type Circuit } from "../lib/circuit";
import type { CircuitChannel, CircuitPeer } from "../lib/circuit-channel";
import type { CircuitOp } from "../lib/circuit-op";
import type { Identity, RestClient, Session } from "../lib/rest";
import type { SessionStatus } from "../lib/session-channel";
import type { Thread } from "../lib/threads";
import { SecureWebSocketClient, type ConnectionState } from "../lib/websocket-secure";
import { colorFor } from "./peers";
import { START, onLeaving, socketUrl, type SessionNews } from "./use-session";

export interface LiveCircuit {
  channel: RefObject<CircuitChannel | null>;
  socket: SecureWebSocketClient | null;
  connection: ConnectionState;
  status: SessionStatus;
  peers: readonly CircuitPeer[];
  threads: readonly Thread[];
  circuit: Circuit;
  /** Whether this user may change it now. */
  writable: boolean;
  /** Do something to it; each call is a step of its own to undo. */
  edit: (op: CircuitOp | null) => void;
}

export function useCircuitSession(options: SessionNews & {
  session: Session;
  identity: Identity;
  rest: RestClient;
  name: string;
  selected: string | null;
}): LiveCircuit {
  const { session, identity, rest } = options;
  const [connection, setConnection] = useState<ConnectionState>({ phase: "idle" });
  const [status, setStatus] = useState<SessionStatus>(START);
  const [peers, setPeers] = useState<readonly CircuitPeer[]>([]);
  const [threads, setThreads] = useState<readonly Thread[]>([]);
  const [circuit, setCircuit] = useState<Circuit>(EMPTY);
  const [socket, setSocket] = useState<SecureWebSocketClient | null>(null);
  const channelRef = useRef<CircuitChannel | null>(null);
  const latest = useRef(options);
  latest.current = options;
  const steps = useRef(0);
  const announce = useRef<() => void>(() => {});

  useEffect(() => {
    const client = new SecureWebSocketClient({
      url: socketUrl(window.location),
      session: session.id,
      token: () => Promise.resolve(latest.current.identity.token),
      diagnose: () => rest.diagnose(session.id),
    });
    const channel = client.openCircuit(session.id, {
      onChanges: () => setCircuit(channel.visible),
      onStatus: setStatus,
      onPeers: (all) => setPeers([...all.values()]),
      onThreads: setThreads,
      onRejected: (refusal) => latest.current.onRejected(refusal),
      onUnsent: (unsent) => latest.current.onUnsent(unsent),
      onReplaced: () => latest.current.onReplaced(),
    });
    channelRef.current = channel;
    announce.current = () =>
      channel.announce(() => {
        const { name, selected } = latest.current;
        return { name, color: colorFor(identity.user), gates: selected === null ? [] : [selected] };
      });
    const off = client.onState(setConnection);
    setSocket(client);
    client.connect();
    announce.current();
    const offLeaving = onLeaving(client, () => channel.unconfirmed);
    return () => {
      offLeaving();
      off();
      channel.close();
      client.close();
      channelRef.current = null;
      setSocket(null);
    };
  }, [session.id, identity.user, rest]);

  useEffect(() => announce.current(), [options.name, options.selected]);

  const edit = useCallback((op: CircuitOp | null) => {
    const channel = channelRef.current;
    if (op === null || channel === null || !channel.status.canWrite) return;
    channel.local(op, `${channel.client.slice(0, 8)}-${++steps.current}`);
    setCircuit(channel.visible);
  }, []);

  const loaded = status.phase !== "loading" && status.phase !== "refused";
  const writable = loaded && status.canWrite && connection.phase !== "refused";
  return { channel: channelRef, socket, connection, status, peers, threads, circuit, writable, edit };
}
