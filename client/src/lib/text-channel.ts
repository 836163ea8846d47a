/**
 * A text session on the socket: subscribes and resumes, sends what is typed one message at a time, resends it
 * after an interruption, and answers every refusal. The rules are in `TextSession`; here are the clocks.
 */
import type { ChangeSet } from "@codemirror/state";
import { CaretAnnouncer, type AnnouncerHost } from "./caret-announcer";
import type { Pacer } from "./pacer";
import { PresenceBook, type Peer } from "./presence-book";
import {
  newClientId,
  type ErrorFrame,
  type Item,
  type Nack,
  type PresenceState,
  type ServerFrame,
  type Subscribed,
} from "./protocol";
import { TextSession } from "./text-session";
import type { Wire } from "./connection";

export type TextPhase = "loading" | "live" | "catching_up" | "interrupted" | "refused";

export interface TextStatus {
  phase: TextPhase;
  role: string | null;
  canWrite: boolean;
  /** Local edits the server has not acknowledged yet. */
  unconfirmed: number;
  rev: number;
  /** Why the session was refused. */
  reason?: string;
}

export interface TextChannelListener {
  /** A change to apply to the visible document. The first one fills an empty document. */
  onChanges(changes: ChangeSet): void;
  onStatus(status: TextStatus): void;
  /** The other editors; positions are in the visible document as it is at this call. */
  onPeers(peers: ReadonlyMap<string, Peer>): void;
  /** The server refused an edit for good and it was taken out of the document. */
  onRejected(message: string, text: string): void;
}

const ACK_TIMEOUT_MS = 10_000;
/** Before a forced resync, time for an edit still inside the server to come out of it. */
const SETTLE_MS = 300;

export class TextChannel implements AnnouncerHost {
  private readonly state: TextSession;
  private readonly book = new PresenceBook();
  private phase: TextPhase = "loading";
  private role: string | null = null;
  private writable = false;
  private reason: string | undefined;
  private closed = false;
  /** The in-flight message was handed to the present socket. */
  private sentHere = false;
  /** The in-flight edit was refused as stale: it goes again against the present revision. */
  private rebaseWanted = false;
  private rejections = 0;
  private resyncs = 0;
  private readonly announcer = new CaretAnnouncer(this);
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private subscribeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly wire: Wire,
    readonly session: string,
    private readonly listener: TextChannelListener,
    private readonly onClosed: () => void = () => {},
  ) {
    this.state = new TextSession(session, newClientId(), wire.maxMessageBytes);
  }

  get client(): string {
    return this.state.client;
  }

  get unconfirmed(): number {
    return this.state.unconfirmed;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.book.peers;
  }

  get status(): TextStatus {
    return {
      phase: this.phase,
      role: this.role,
      canWrite: this.writable,
      unconfirmed: this.state.unconfirmed,
      rev: this.state.rev,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
    };
  }

  /** The user typed; `changes` is relative to the visible document. */
  local(changes: ChangeSet): void {
    if (changes.empty || this.closed) return;
    this.state.local(changes);
    this.book.mapVisible(changes);
    this.announcer.typed();
    this.flush();
    this.emitStatus();
  }

  /** Say where this user's caret is; `read` answers in visible positions, at the moment of sending. */
  announce(read: () => PresenceState): void {
    this.announcer.announce(read);
  }

  get pacer(): Pacer {
    return this.wire.pacer;
  }

  get ready(): boolean {
    return this.phase === "live" && !this.closed;
  }

  sendPresence(visible: PresenceState): boolean {
    const state = { ...visible };
    if (state.cursor !== undefined) state.cursor = this.state.toConfirmed(state.cursor);
    if (state.selection) {
      state.selection = state.selection.map(([a, b]) => [this.state.toConfirmed(a), this.state.toConfirmed(b)]);
    }
    const { client, rev } = this.state;
    return this.wire.transmit({ type: "presence", session: this.session, client, rev, state });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.clearTimers();
    this.wire.transmit({ type: "unsubscribe", session: this.session });
    this.onClosed();
  }

  /** The socket is live: subscribe, from where we are if we are anywhere. */
  connected(): void {
    this.sentHere = false;
    this.subscribe(true);
  }

  disconnected(code: number): void {
    this.clearTimers();
    this.sentHere = false;
    if (code === 4504) this.state.rename(newClientId());
    if (this.phase !== "refused") this.phase = this.state.loaded ? "interrupted" : "loading";
    this.book.clear();
    this.emitPeers();
    this.emitStatus();
  }

  frame(frame: ServerFrame): void {
    if (this.closed) return;
    switch (frame.type) {
      case "subscribed":
      case "snapshot":
        if ("session" in frame) this.subscribed(frame);
        return;
      case "items":
        this.items(frame.items);
        return;
      case "ack":
        this.acknowledged(frame.client, frame.seq, frame.rev);
        return;
      case "nack":
        this.refused(frame);
        return;
      case "presence":
        this.book.update(frame.clients, frame.rev, this.state);
        this.emitPeers();
        return;
      default:
        return;
    }
  }

  error(error: ErrorFrame): void {
    if (this.closed || error.id !== this.requestId) return;
    if (error.code === "not_found" || error.code === "forbidden") {
      this.phase = "refused";
      this.reason = error.message;
      this.emitStatus();
      return;
    }
    this.subscribeLater(error.retry_after_ms ?? 2_000);
  }

  private get requestId(): string {
    return `text:${this.session}`.slice(0, 64);
  }

  private subscribe(resume: boolean): void {
    clearTimeout(this.subscribeTimer);
    if (this.closed) return;
    const delay = this.wire.pacer.delay("control");
    if (delay > 0) {
      this.subscribeLater(delay, resume);
      return;
    }
    const since = resume ? this.state.since : null;
    this.phase = this.state.loaded ? "catching_up" : "loading";
    this.wire.transmit({
      type: "subscribe",
      id: this.requestId,
      session: this.session,
      client: this.state.client,
      ...(since ? { since } : {}),
    });
    this.emitStatus();
  }

  private subscribeLater(delay: number, resume = true): void {
    clearTimeout(this.subscribeTimer);
    this.subscribeTimer = setTimeout(() => this.subscribe(resume), delay);
  }

  private subscribed(frame: Subscribed): void {
    if (frame.kind !== undefined && frame.kind !== "text") {
      this.phase = "refused";
      this.reason = `This is a ${frame.kind} session; this editor opens text sessions.`;
      this.emitStatus();
      return;
    }
    if (frame.role !== undefined) this.role = frame.role;
    if (frame.permissions !== undefined) this.writable = frame.permissions.includes("write");
    if (frame.state !== undefined) {
      const changes = this.state.load({
        lineage: frame.lineage,
        rev: frame.rev,
        state: frame.state,
        ...(frame.acked === undefined ? {} : { acked: frame.acked }),
      });
      this.sentHere = false;
      this.book.mapVisible(changes);
      this.book.restart();
      this.listener.onChanges(changes);
    } else if (!this.items(frame.items ?? [])) {
      return;
    } else if (frame.lineage !== this.state.lineage || frame.rev > this.state.rev) {
      this.resync();
      return;
    }
    const { acked } = frame;
    const { inflightSeq } = this.state;
    if (frame.type === "subscribed" && acked !== undefined) {
      if (inflightSeq !== null && acked >= inflightSeq) {
        // Accepted, yet its item is not in what we were given: only a whole state can tell what became of it.
        this.resync();
        return;
      }
      this.state.adoptAcked(acked);
    }
    this.phase = "live";
    if (frame.presence) this.book.replace(frame.presence, frame.rev, this.state);
    this.emitPeers();
    this.flush();
    this.announcer.start();
    this.emitStatus();
  }

  /** Apply items in order, one at a time. False when the stream could not be followed. */
  private items(items: Item[]): boolean {
    for (const item of items) {
      const received = this.state.receive(item);
      if (received.outcome === "known") continue;
      if (received.outcome === "gap") {
        this.catchUp();
        return false;
      }
      if (received.outcome === "broken") {
        this.resync();
        return false;
      }
      if (received.op) this.book.advance(item.rev, received.op);
      if (received.own) {
        clearTimeout(this.ackTimer);
        this.sentHere = false;
        this.rejections = 0;
        this.resyncs = 0;
      }
      if (received.changes) {
        this.book.mapVisible(received.changes);
        if (received.op) this.book.typed(item.client, received.op, this.state);
        this.listener.onChanges(received.changes);
      }
    }
    this.flush();
    this.emitPeers();
    this.emitStatus();
    return true;
  }

  private acknowledged(client: string, seq: number, rev: number): void {
    if (client !== this.state.client || seq !== this.state.inflightSeq) return;
    // Its item comes or came with the stream. Past that revision it can only have been missed.
    if (rev <= this.state.rev) this.resync();
  }

  private refused(nack: Nack): void {
    if (nack.client !== this.state.client || nack.seq !== this.state.inflightSeq) return;
    clearTimeout(this.ackTimer);
    switch (nack.code) {
      case "rate_limited":
      case "overloaded":
        this.sentHere = false;
        this.flushLater(nack.retry_after_ms ?? 1_000);
        return;
      case "not_subscribed":
        this.sentHere = false;
        this.subscribe(true);
        return;
      case "stale":
        this.sentHere = false;
        if (this.resyncs++ > 3) this.resync();
        else this.catchUp("rebase");
        return;
      case "gap":
      case "conflict":
        this.resync();
        return;
      case "forbidden":
        this.writable = false;
        this.reject(nack.message, "all");
        return;
      default:
        // `invalid` may be our own mistake about the text: look at it afresh once, then give the edit up.
        if (nack.code === "invalid" && this.rejections++ === 0) this.resync();
        else this.reject(nack.message, "one");
    }
  }

  private reject(message: string, what: "one" | "all"): void {
    const before = this.state.visible;
    const changes = what === "all" ? this.state.dropUnconfirmed() : this.state.dropInFlight();
    this.sentHere = false;
    if (changes) {
      const lost: string[] = [];
      changes.iterChanges((from, to) => lost.push(before.sliceString(from, to)));
      this.book.mapVisible(changes);
      this.listener.onChanges(changes);
      this.listener.onRejected(message, lost.join(""));
    }
    this.flush();
    this.emitStatus();
  }

  /** Ask for what was missed; `rebase` sends the in-flight edit again against the new revision. */
  private catchUp(then: "rebase" | "nothing" = "nothing"): void {
    this.phase = "catching_up";
    this.emitStatus();
    this.rebaseWanted = then === "rebase";
    this.subscribe(true);
  }

  /** Start over from a whole state, keeping the user's unconfirmed text. */
  private resync(): void {
    clearTimeout(this.ackTimer);
    this.phase = "catching_up";
    this.emitStatus();
    this.resyncs += 1;
    // A server we disagree with again and again must not be asked in a tight loop.
    const patience = Math.min(SETTLE_MS * 2 ** Math.min(this.resyncs - 1, 6), 20_000);
    this.subscribeLater(this.state.hasInFlight || this.resyncs > 1 ? patience : 0, false);
  }

  private flush(): void {
    if (this.closed || this.phase !== "live" || !this.wire.live || this.sentHere) return;
    const fresh = !this.state.hasInFlight;
    if (fresh && this.state.unconfirmed === 0) return;
    if (!this.writable && fresh) return;
    const delay = this.wire.pacer.delay("edit");
    if (delay > 0) {
      this.flushLater(delay);
      return;
    }
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    let message = fresh ? this.state.send() : this.state.resend();
    if (!fresh && this.rebaseWanted) message = this.state.rebase();
    this.rebaseWanted = false;
    if (message === null) return;
    this.sentHere = true;
    clearTimeout(this.ackTimer);
    this.ackTimer = setTimeout(() => {
      // Neither item nor nack on a live socket. Sending the same bytes again is harmless: seq names them.
      this.sentHere = false;
      this.flush();
    }, ACK_TIMEOUT_MS);
    // Not sent: the socket is going, and the next one brings it.
    if (!this.wire.transmit(message)) this.sentHere = false;
    else if (!fresh) this.wire.countResend();
  }

  private flushLater(delay: number): void {
    if (this.flushTimer !== undefined) return;
    this.flushTimer = setTimeout(() => {
      this.flushTimer = undefined;
      this.flush();
    }, delay);
  }

  private emitPeers(): void {
    if (!this.closed) this.listener.onPeers(this.book.othersThan(this.state.client));
  }

  private emitStatus(): void {
    if (!this.closed) this.listener.onStatus(this.status);
  }

  private clearTimers(): void {
    for (const timer of [this.flushTimer, this.ackTimer, this.subscribeTimer]) clearTimeout(timer);
    this.flushTimer = undefined;
    this.announcer.stop();
  }
}
