/**
 * Tells the others where this user's caret is: the latest place only, never late, and least of all important.
 * While the user types nothing is sent, since whoever sees the edits knows where the caret is.
 */
import type { Pacer } from "./pacer";
import type { PresenceState } from "./protocol";

export interface AnnouncerHost {
  readonly pacer: Pacer;
  /** Whether presence may be sent at all now. */
  readonly ready: boolean;
  /** Send this state, given in visible positions; false when it did not go. */
  sendPresence(state: PresenceState): boolean;
}

const INTERVAL_MS = 80;
const TYPING_QUIET_MS = 400;
/** Presence ends 60 s after the last sign of life, so it is said again well before. */
const REFRESH_MS = 25_000;

export class CaretAnnouncer {
  private read: (() => PresenceState) | null = null;
  private news = false;
  private lastSentAt = 0;
  private lastTypedAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private refresh: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly host: AnnouncerHost) {}

  /** `read` is asked at the moment of sending, so that a caret that moved meanwhile is not sent late. */
  announce(read: () => PresenceState): void {
    this.read = read;
    this.again();
  }

  typed(): void {
    this.lastTypedAt = Date.now();
  }

  /** A new subscription knows nothing of us: say it all again. */
  start(): void {
    clearInterval(this.refresh);
    this.refresh = setInterval(() => this.again(), REFRESH_MS);
    this.again();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    clearInterval(this.refresh);
  }

  private again(): void {
    this.news = true;
    this.schedule();
  }

  private schedule(): void {
    if (!this.news || !this.read || !this.host.ready || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.send();
    }, this.wait());
  }

  private wait(): number {
    const now = Date.now();
    return Math.max(0, this.lastSentAt + INTERVAL_MS - now, this.lastTypedAt + TYPING_QUIET_MS - now, this.host.pacer.delay("presence"));
  }

  private send(): void {
    if (!this.news || !this.read || !this.host.ready) return;
    if (this.wait() > 0) {
      this.schedule();
    } else if (this.host.sendPresence(this.read())) {
      this.news = false;
      this.lastSentAt = Date.now();
    }
  }
}
