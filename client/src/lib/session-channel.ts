/**
 * A session on the socket, of either kind: subscribes and resumes, sends what the user did one message at a
 * time, resends it after an interruption, and answers every refusal. The rules are in `SharedDocument`; here are
 * the clocks. What differs between the kinds, presence above all, is in the subclasses.
 */
import { CaretAnnouncer, type AnnouncerHost } from "./caret-announcer";
import type { Channel, Wire } from "./connection";
import type { Place } from "./document-kind";
import type { Pacer } from "./pacer";
import {
  newClientId,
  type CommentFields,
  type ErrorFrame,
  type Item,
  type Nack,
  type PresenceFrame,
  type PresenceState,
  type ServerFrame,
  type Subscribed,
} from "./protocol";
import type { SharedDocument, Unsent } from "./shared-document";
import type { Thread, ThreadBook } from "./threads";
import { UndoDepths } from "./undo-depths";

export type SessionPhase = "loading" | "live" | "catching_up" | "interrupted" | "refused";

export interface SessionStatus {
  phase: SessionPhase;
  role: string | null;
  canWrite: boolean;
  canComment: boolean;
  canManage: boolean;
  /** What the user did that the server has not acknowledged yet. */
  unconfirmed: number;
  /** Whether there is something to undo and redo, with what waits counted as done. */
  canUndo: boolean;
  canRedo: boolean;
  rev: number;
  /** Why the session was refused. */
  reason?: string;
}

/** The server refused something for good. */
export interface Refusal {
  what: "edit" | "comment";
  message: string;
  /** The user's own words in it, to be copied. */
  text: string;
}

export interface SessionListener<O> {
  /** A change to apply to the visible document. The first one fills an empty document. */
  onChanges(changes: O): void;
  onStatus(status: SessionStatus): void;
  onRejected(refusal: Refusal): void;
  /** The comment threads, with places in the confirmed document; see `place` for the visible one. */
  onThreads?(threads: readonly Thread[]): void;
  /** The history was replaced, and this was not in it. */
  onUnsent?(unsent: Unsent): void;
  /** Another history has taken the place of the one before: somebody restored a revision. */
  onReplaced?(): void;
}

const ACK_TIMEOUT_MS = 10_000;
/** Before a forced resync, time for an edit still inside the server to come out of it. */
const SETTLE_MS = 300;

export abstract class SessionChannel<O, S, D extends SharedDocument<O, S>> implements AnnouncerHost, Channel {
  protected readonly announcer = new CaretAnnouncer(this);
  private readonly depths = new UndoDepths();
  private phase: SessionPhase = "loading";
  private role: string | null = null;
  private permissions: readonly string[] = [];
  private reason: string | undefined;
  protected closed = false;
  /** The in-flight message was handed to the present socket. */
  private sentHere = false;
  /** The in-flight message was refused as stale: it goes again against the present revision. */
  private rebaseWanted = false;
  private rejections = 0;
  private resyncs = 0;
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private ackTimer: ReturnType<typeof setTimeout> | undefined;
  private subscribeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    protected readonly wire: Wire,
    protected readonly state: D,
    protected readonly book: ThreadBook<O, S>,
    protected readonly listener: SessionListener<O>,
    private readonly onClosed: () => void,
  ) {}

  get session(): string {
    return this.state.session;
  }

  get client(): string {
    return this.state.client;
  }

  get unconfirmed(): number {
    return this.state.unconfirmed;
  }

  get threads(): readonly Thread[] {
    return this.book.all;
  }

  get status(): SessionStatus {
    const { undo, redo } = this.foreseenDepths();
    return {
      phase: this.phase,
      role: this.role,
      canWrite: this.may("write"),
      canComment: this.may("comment"),
      canManage: this.may("manage"),
      unconfirmed: this.state.unconfirmed,
      canUndo: undo > 0,
      canRedo: redo > 0,
      rev: this.state.rev,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
    };
  }

  /** The user changed the visible document; edits of one `group` are undone together. */
  local(changes: O, group: string | null = null): void {
    if (this.closed || this.state.kind.isEmpty(changes)) return;
    this.state.local(changes, group);
    this.visibleChanged(changes);
    this.announcer.typed();
    this.flush();
    this.emitStatus();
  }

  /** Take this user's newest change back, whichever tab or day it was made in. */
  undo(): boolean {
    return this.step("undo");
  }

  redo(): boolean {
    return this.step("redo");
  }

  /** Begin a thread at a place of the visible document. */
  addComment(place: Place, text: string): void {
    this.say({ action: "add", text }, place);
  }

  reply(thread: string, text: string): void {
    this.say({ action: "reply", thread, text });
  }

  editComment(comment: string, text: string): void {
    this.say({ action: "edit", comment, text });
  }

  deleteComment(comment: string): void {
    this.say({ action: "delete", comment });
  }

  resolve(thread: string): void {
    this.say({ action: "resolve", thread });
  }

  reopen(thread: string): void {
    this.say({ action: "reopen", thread });
  }

  /** Say where this user is; `read` answers for the visible document, at the moment of sending. */
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
    const { client, rev } = this.state;
    return this.wire.transmit({ type: "presence", session: this.session, client, rev, state: this.toWire(visible) });
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
    this.nobodyHere();
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
        this.presence(frame, false);
        return;
      default:
        return;
    }
  }

  error(error: ErrorFrame): void {
    if (this.closed || error.id !== this.requestId) return;
    if (error.code === "not_found" || error.code === "forbidden") {
      this.refuse(error.message);
      return;
    }
    this.subscribeLater(error.retry_after_ms ?? 2_000);
  }

  // What differs between the kinds.

  /** Presence as the server is to have it, from the visible document's. */
  protected abstract toWire(visible: PresenceState): PresenceState;
  protected abstract presence(frame: Pick<PresenceFrame, "clients" | "rev">, all: boolean): void;
  protected abstract nobodyHere(): void;
  protected abstract visibleChanged(changes: O): void;
  /** An item was confirmed; `changes` is null where nothing moved in the visible document. */
  protected abstract confirmed(item: Item, op: O | null, changes: O | null): void;
  /** Another whole state was loaded: what was known of older revisions means nothing in it. */
  protected abstract restarted(): void;
  protected abstract emitPeers(): void;
  /** The words of the user that `changes` takes out of the document `before`. */
  protected abstract wordsOf(changes: O, before: S): string;

  private get requestId(): string {
    return `session:${this.session}`.slice(0, 64);
  }

  private may(permission: string): boolean {
    return this.permissions.includes(permission);
  }

  private step(kind: "undo" | "redo"): boolean {
    const depth = this.foreseenDepths()[kind];
    if (this.closed || !this.may("write") || depth === 0 || !this.state.step(kind)) return false;
    this.flush();
    this.emitStatus();
    return true;
  }

  private say(fields: CommentFields, place: Place | null = null): void {
    if (this.closed) return;
    this.state.comment(fields, place);
    this.flush();
    this.emitStatus();
  }

  private foreseenDepths(): { undo: number; redo: number } {
    let { undo, redo } = this.depths;
    for (const { kind } of this.state.waiting) {
      if (kind === "edit") [undo, redo] = [undo + 1, 0];
      else if (kind === "undo" && undo > 0) [undo, redo] = [undo - 1, redo + 1];
      else if (kind === "redo" && redo > 0) [undo, redo] = [undo + 1, redo - 1];
    }
    return { undo, redo };
  }

  private refuse(reason: string): void {
    this.phase = "refused";
    this.reason = reason;
    this.emitStatus();
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
    const { name } = this.state.kind;
    if (frame.kind !== undefined && frame.kind !== name) {
      this.refuse(`This is a ${frame.kind} session; this editor opens ${name} sessions.`);
      return;
    }
    if (frame.role !== undefined) this.role = frame.role;
    if (frame.permissions !== undefined) this.permissions = frame.permissions;
    if (frame.state !== undefined) {
      this.loaded(frame, frame.state);
    } else if (!this.items(frame.items ?? [])) {
      return;
    } else if (frame.lineage !== this.state.lineage || frame.rev > this.state.rev) {
      this.resync();
      return;
    }
    const { acked } = frame;
    const { inflightSeq } = this.state;
    if (frame.type === "subscribed" && acked !== undefined) {
      if (inflightSeq !== null && frame.client === this.state.client && this.state.resend() !== null && acked >= inflightSeq) {
        // Accepted, yet its item is not in what we were given: only a whole state can tell what became of it.
        this.resync();
        return;
      }
      this.state.adoptAcked(acked);
    }
    this.phase = "live";
    if (frame.comments) {
      this.book.load(frame.comments, this.state.confirmed);
      this.listener.onThreads?.(this.book.all);
    }
    if (frame.undo_depth !== undefined) this.depths.load(frame.undo_depth, frame.redo_depth ?? 0);
    if (frame.presence) this.presence({ clients: frame.presence, rev: frame.rev }, true);
    this.emitPeers();
    const { waiting, hasInFlight } = this.state;
    if (!this.may("write") && !hasInFlight && waiting.some(({ kind }) => kind !== "comment")) {
      this.rejectAll("You may only read here now.");
    }
    this.flush();
    this.announcer.start();
    this.emitStatus();
  }

  private loaded(frame: Subscribed, state: unknown): void {
    const replaced = this.state.loaded && frame.lineage !== this.state.lineage;
    const { lineage, rev, acked } = frame;
    const changes = this.state.load({ lineage, rev, state, ...(acked === undefined ? {} : { acked }) });
    this.sentHere = false;
    this.visibleChanged(changes);
    this.restarted();
    this.listener.onChanges(changes);
    if (replaced) this.listener.onReplaced?.();
    const unsent = this.state.takeUnsent();
    if (unsent) this.listener.onUnsent?.(unsent);
  }

  /** Apply items in order, one at a time. False when the stream could not be followed. */
  private items(items: Item[]): boolean {
    let said = false;
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
      if (received.own) {
        clearTimeout(this.ackTimer);
        this.sentHere = false;
        this.rejections = 0;
        this.resyncs = 0;
      }
      if (item.user === this.wire.user || received.own) this.depths.note(item, received.group);
      said = this.book.note(item, received.op, this.state.confirmed) || said;
      if (received.changes) this.visibleChanged(received.changes);
      this.confirmed(item, received.op, received.changes);
      if (received.changes) this.listener.onChanges(received.changes);
    }
    if (said) this.listener.onThreads?.(this.book.all);
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
    this.sentHere = false;
    const kind = this.state.waiting[0]?.kind;
    switch (nack.code) {
      case "rate_limited":
      case "overloaded":
        this.flushLater(nack.retry_after_ms ?? 1_000);
        return;
      case "not_subscribed":
        this.subscribe(true);
        return;
      case "stale":
        if (this.resyncs++ > 3) this.resync();
        else this.catchUp("rebase");
        return;
      case "gap":
      case "conflict":
        this.resync();
        return;
      case "forbidden":
        if (kind === "comment") {
          this.reject(nack.message);
          return;
        }
        this.permissions = this.permissions.filter((permission) => permission !== "write");
        this.rejectAll(nack.message);
        return;
      default:
        if (kind === "undo" || kind === "redo") this.nothingTo(kind);
        // `invalid` may be our own mistake about the text: look at it afresh once, then give the edit up.
        else if (kind === "edit" && nack.code === "invalid" && this.rejections++ === 0) this.resync();
        else this.reject(nack.message);
    }
  }

  private nothingTo(kind: "undo" | "redo"): void {
    this.state.dropHead();
    this.depths.none(kind);
    this.flush();
    this.emitStatus();
  }

  private reject(message: string): void {
    const before = this.state.visible;
    const dropped = this.state.dropHead();
    if (dropped?.entry.kind === "comment") {
      this.listener.onRejected({ what: "comment", message, text: dropped.entry.fields.text ?? "" });
    } else if (dropped?.changes) {
      this.takenOut(dropped.changes, before, message);
    }
    this.flush();
    this.emitStatus();
  }

  private rejectAll(message: string): void {
    const before = this.state.visible;
    const changes = this.state.dropChanges();
    if (changes) this.takenOut(changes, before, message);
    this.flush();
    this.emitStatus();
  }

  private takenOut(changes: O, before: S, message: string): void {
    this.visibleChanged(changes);
    this.listener.onChanges(changes);
    this.listener.onRejected({ what: "edit", message, text: this.wordsOf(changes, before) });
  }

  /** Ask for what was missed; `rebase` sends the in-flight message again against the new revision. */
  private catchUp(then: "rebase" | "nothing" = "nothing"): void {
    this.phase = "catching_up";
    this.emitStatus();
    this.rebaseWanted = then === "rebase";
    this.subscribe(true);
  }

  /** Start over from a whole state, keeping what the user did and nobody confirmed. */
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
    const next = this.state.waiting[0]?.kind;
    if (next === undefined) return;
    if (fresh && !this.may(next === "comment" ? "comment" : "write")) return;
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

  private emitStatus(): void {
    if (!this.closed) this.listener.onStatus(this.status);
  }

  private clearTimers(): void {
    for (const timer of [this.flushTimer, this.ackTimer, this.subscribeTimer]) clearTimeout(timer);
    this.flushTimer = undefined;
    this.announcer.stop();
  }
}
