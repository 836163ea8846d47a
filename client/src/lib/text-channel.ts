/** A text session on the socket: `SessionChannel`, with carets and selections that move along with the text. */
import type { ChangeSet, Text } from "@codemirror/state";
import type { Wire } from "./connection";
import { PresenceBook, type Peer } from "./presence-book";
import { newClientId, type Item, type PresenceFrame, type PresenceState } from "./protocol";
import { SessionChannel, type SessionListener } from "./session-channel";
import { TextSession } from "./text-session";
import { ThreadBook, lineRange, moveInText, type Thread } from "./threads";

export type { Refusal, SessionPhase as TextPhase, SessionStatus as TextStatus } from "./session-channel";

export interface TextChannelListener extends SessionListener<ChangeSet> {
  /** The other editors; positions are in the visible document as it is at this call. */
  onPeers(peers: ReadonlyMap<string, Peer>): void;
}

export class TextChannel extends SessionChannel<ChangeSet, Text, TextSession> {
  private readonly presenceBook = new PresenceBook();

  constructor(
    wire: Wire,
    session: string,
    protected override readonly listener: TextChannelListener,
    onClosed: () => void = () => {},
  ) {
    super(wire, new TextSession(session, newClientId(), wire.maxMessageBytes), new ThreadBook(moveInText, lineRange), listener, onClosed);
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.presenceBook.peers;
  }

  /** Where a thread stands in the visible document. */
  place(thread: Thread): { from: number; to: number } {
    const from = this.state.toVisible(thread.from, 1);
    return { from, to: Math.max(from, this.state.toVisible(thread.to, -1)) };
  }

  protected toWire(visible: PresenceState): PresenceState {
    const state = { ...visible };
    if (state.cursor !== undefined) state.cursor = this.state.toConfirmed(state.cursor);
    if (state.selection) {
      state.selection = state.selection.map(([a, b]) => [this.state.toConfirmed(a), this.state.toConfirmed(b)]);
    }
    return state;
  }

  protected presence({ clients, rev }: Pick<PresenceFrame, "clients" | "rev">, all: boolean): void {
    if (all) this.presenceBook.replace(clients, rev, this.state);
    else this.presenceBook.update(clients, rev, this.state);
    this.emitPeers();
  }

  protected nobodyHere(): void {
    this.presenceBook.clear();
    this.emitPeers();
  }

  protected visibleChanged(changes: ChangeSet): void {
    this.presenceBook.mapVisible(changes);
  }

  protected confirmed(item: Item, op: ChangeSet | null, changes: ChangeSet | null): void {
    if (op) this.presenceBook.advance(item.rev, op);
    if (op && changes) this.presenceBook.typed(item.client, op, this.state);
  }

  protected restarted(): void {
    this.presenceBook.restart();
  }

  protected emitPeers(): void {
    if (!this.closed) this.listener.onPeers(this.presenceBook.othersThan(this.state.client));
  }

  protected wordsOf(changes: ChangeSet, before: Text): string {
    const words: string[] = [];
    changes.iterChanges((from, to) => words.push(before.sliceString(from, to)));
    return words.join("");
  }
}
