/**
 * When the next message may go: two exact sliding windows, as the server counts them, with a reserve.
 *
 * The server counts a user's messages over all tabs, and its clock and ours see a message at different
 * times, so we stay below its numbers. Edits may use more of the window than presence: a caret can be late,
 * a keystroke should not. The first edits after a pause go at once; a burst is then spread evenly, because
 * eight messages at once and silence for the rest of the second is what a watcher sees as stutter.
 */
export type MessageClass = "edit" | "presence" | "control";

const SECOND_SHARE: Record<MessageClass, number> = { edit: 0.8, presence: 0.6, control: 0.9 };
const MINUTE_SHARE: Record<MessageClass, number> = { edit: 0.9, presence: 0.5, control: 0.95 };
/** Of the per-second allowance, what may go without any spacing. */
const BURST_SHARE = 0.4;

export class Pacer {
  private sent: number[] = [];
  private blockedUntil = 0;

  constructor(
    private limits: { per_second: number; per_minute: number },
    private readonly now: () => number = Date.now,
  ) {}

  setLimits(limits: { per_second: number; per_minute: number }): void {
    this.limits = limits;
  }

  /** Milliseconds until a message of this class may go; 0 when it may go now. */
  delay(kind: MessageClass): number {
    const now = this.now();
    this.prune(now);
    const perSecond = Math.max(1, Math.floor(this.limits.per_second * SECOND_SHARE[kind]));
    const perMinute = Math.max(1, Math.floor(this.limits.per_minute * MINUTE_SHARE[kind]));
    let at = Math.max(now, this.blockedUntil);
    at = Math.max(at, this.windowFreeAt(1_000, perSecond), this.windowFreeAt(60_000, perMinute));
    if (kind === "edit") at = Math.max(at, this.spacedAt(now, perSecond, perMinute));
    return Math.max(0, at - now);
  }

  /** Record a message that went out. Pings are free and are not recorded. */
  record(): void {
    this.sent.push(this.now());
  }

  /** The server said `rate_limited`: other tabs of this user have spent the window. */
  block(retryAfterMs: number): void {
    this.blockedUntil = Math.max(this.blockedUntil, this.now() + retryAfterMs);
  }

  private windowFreeAt(windowMs: number, allowed: number): number {
    if (this.sent.length < allowed) return 0;
    return (this.sent[this.sent.length - allowed] ?? 0) + windowMs + 1;
  }

  private spacedAt(now: number, perSecond: number, perMinute: number): number {
    const last = this.sent[this.sent.length - 1];
    if (last === undefined) return 0;
    const inSecond = this.sent.filter((at) => at > now - 1_000).length;
    if (inSecond < Math.max(1, Math.floor(this.limits.per_second * BURST_SHARE))) return 0;
    // Past 60 % of the minute, slow to a rate the minute can bear, so that typing never stops dead.
    const nearlySpent = this.sent.length > perMinute * 0.6;
    return last + (nearlySpent ? 60_000 / (perMinute * 0.7) : 1_000 / perSecond);
  }

  private prune(now: number): void {
    let drop = 0;
    while (drop < this.sent.length && (this.sent[drop] ?? now) <= now - 60_001) drop += 1;
    if (drop > 0) this.sent.splice(0, drop);
  }
}
