/** Keeps a socket known to be alive: pings well within the server's patience, and notices when nothing answers. */

export interface HeartbeatHost {
  /** Send a ping; false when there is no socket to send it on. */
  ping(frame: object): boolean;
  /** The other end is gone, whatever the socket says. */
  dead(): void;
}

const ANSWER_MS = 8_000;
/** After sleep or a hidden tab the question is only whether the socket survived. */
const PROBE_MS = 3_000;

export class Heartbeat {
  pings = 0;
  /** The last measured round trip, and its smoothed value (RFC 6298's 1/8). */
  rttMs: number | null = null;
  smoothedRttMs: number | null = null;
  private periodMs = 30_000;
  private next: ReturnType<typeof setTimeout> | undefined;
  private deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly host: HeartbeatHost) {}

  /** Either side may be silent for `heartbeatMs` at most; half of it leaves room for a lost ping. */
  start(heartbeatMs: number): void {
    if (heartbeatMs > 0) this.periodMs = heartbeatMs;
    this.schedule();
  }

  stop(): void {
    clearTimeout(this.next);
    clearTimeout(this.deadline);
  }

  /** Any frame is a sign of life. */
  heard(): void {
    clearTimeout(this.deadline);
  }

  /** Give the other end this long to say anything at all. */
  expect(withinMs: number): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.host.dead(), withinMs);
  }

  probe(): void {
    this.ping(PROBE_MS);
  }

  /** Ping now, with a fresh token for the connection if there is one. */
  ping(withinMs = ANSWER_MS, token?: string): void {
    this.expect(withinMs);
    const frame = { type: "ping", t: Math.round(performance.now()), ...(token === undefined ? {} : { token }) };
    if (this.host.ping(frame)) this.pings += 1;
  }

  pong(t: number): void {
    const ms = performance.now() - t;
    if (!(ms >= 0)) return;
    this.rttMs = ms;
    this.smoothedRttMs = this.smoothedRttMs === null ? ms : this.smoothedRttMs + (ms - this.smoothedRttMs) / 8;
  }

  private schedule(): void {
    clearTimeout(this.next);
    this.next = setTimeout(() => {
      this.ping();
      this.schedule();
    }, this.periodMs / 2);
  }
}
