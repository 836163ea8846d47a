/** A circuit session on the socket: `SessionChannel`, with the gates that others have selected. */
import type { Circuit } from "./circuit";
import { CIRCUIT } from "./circuit-kind";
import type { CircuitOp } from "./circuit-op";
import type { Wire } from "./connection";
import type { Peer } from "./presence-book";
import { newClientId, type PresenceEntry, type PresenceFrame, type PresenceState } from "./protocol";
import { SessionChannel, type SessionListener } from "./session-channel";
import { SharedDocument } from "./shared-document";
import { ThreadBook, type Thread } from "./threads";

export interface CircuitPeer extends Peer {
  /** The gates this user has selected. */
  gates: readonly string[];
}

export interface CircuitChannelListener extends SessionListener<CircuitOp> {
  onPeers(peers: ReadonlyMap<string, CircuitPeer>): void;
}

const MAX_GATES = 16;

/** A thread is about its gate, wherever that stands; it is orphaned while the gate is gone. */
export function moveWithGate(thread: Thread, _op: CircuitOp | null, _returns: boolean, after: Circuit): Thread {
  const orphaned = thread.gate !== null && !after.gates.has(thread.gate);
  return orphaned === thread.orphaned ? thread : { ...thread, orphaned };
}

export class CircuitChannel extends SessionChannel<CircuitOp, Circuit, SharedDocument<CircuitOp, Circuit>> {
  private peers = new Map<string, CircuitPeer>();

  constructor(
    wire: Wire,
    session: string,
    protected override readonly listener: CircuitChannelListener,
    onClosed: () => void = () => {},
  ) {
    super(wire, new SharedDocument(CIRCUIT, session, newClientId(), wire.maxMessageBytes), new ThreadBook(moveWithGate), listener, onClosed);
  }

  /** The circuit the user sees. */
  get visible(): Circuit {
    return this.state.visible;
  }

  protected toWire(visible: PresenceState): PresenceState {
    return visible;
  }

  protected presence({ clients }: Pick<PresenceFrame, "clients" | "rev">, all: boolean): void {
    if (all) this.peers.clear();
    for (const [client, entry] of Object.entries(clients)) {
      const peer = entry && peerOf(client, entry);
      if (peer) this.peers.set(client, peer);
      else this.peers.delete(client);
    }
    this.emitPeers();
  }

  protected nobodyHere(): void {
    this.peers.clear();
    this.emitPeers();
  }

  protected visibleChanged(): void {}
  protected confirmed(): void {}
  protected restarted(): void {}

  protected emitPeers(): void {
    if (this.closed) return;
    const others = new Map(this.peers);
    others.delete(this.client);
    this.listener.onPeers(others);
  }

  protected wordsOf(changes: CircuitOp, before: Circuit): string {
    return JSON.stringify(changes.invert(before).toJSON());
  }
}

/** Another user's browser wrote this: take only what has the right shape and a sane size. */
function peerOf(client: string, entry: PresenceEntry): CircuitPeer | null {
  if (typeof entry !== "object" || typeof entry.user !== "string") return null;
  const state = typeof entry.state === "object" && entry.state !== null ? entry.state : {};
  const gates = Array.isArray(state.gates) ? state.gates.slice(0, MAX_GATES).filter((id) => typeof id === "string") : [];
  return {
    client,
    user: entry.user,
    name: typeof state.name === "string" && state.name.trim() ? state.name.trim().slice(0, 40) : entry.user,
    color: typeof state.color === "string" && /^#[0-9a-f]{6}$/i.test(state.color) ? state.color : null,
    cursor: null,
    selection: [],
    moves: 0,
    gates,
  };
}
