/** A progress channel (`job:<id>`, `training:<id>`): the latest data, each event once, resumed by `since`. */
import type { ErrorFrame, ServerFrame } from "./protocol";
import type { Wire } from "./connection";

export class ProgressChannel {
  private seq: number | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly wire: Wire,
    readonly name: string,
    private readonly listener: (data: unknown) => void,
    private readonly onError: (error: ErrorFrame) => void,
  ) {}

  connected(): void {
    clearTimeout(this.retryTimer);
    if (this.closed) return;
    const delay = this.wire.pacer.delay("control");
    if (delay > 0) {
      this.retryTimer = setTimeout(() => this.connected(), delay);
      return;
    }
    const since = this.seq === null ? {} : { since: this.seq };
    this.wire.transmit({ type: "subscribe", channel: this.name, id: this.name.slice(0, 64), ...since });
  }

  disconnected(): void {
    clearTimeout(this.retryTimer);
  }

  frame(frame: ServerFrame): void {
    if (this.closed || !("channel" in frame)) return;
    if (frame.type === "event") {
      if (this.seq !== null && frame.seq <= this.seq) return;
      this.seq = frame.seq;
      this.listener(frame.data);
    } else if (frame.type === "subscribed" && "seq" in frame) {
      for (const event of frame.events ?? []) {
        if (this.seq !== null && event.seq <= this.seq) continue;
        this.seq = event.seq;
        this.listener(event.data);
      }
      // A lower number than ours: the channel began anew, and its state is the news.
      const news = this.seq !== frame.seq;
      this.seq = frame.seq;
      if (news && frame.state !== undefined && frame.state !== null) this.listener(frame.state);
    }
  }

  error(error: ErrorFrame): void {
    if (this.closed || error.id !== this.name.slice(0, 64)) return;
    if (error.code === "rate_limited") {
      this.retryTimer = setTimeout(() => this.connected(), error.retry_after_ms ?? 1_000);
      return;
    }
    this.onError(error);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.retryTimer);
    this.wire.transmit({ type: "unsubscribe", channel: this.name });
  }
}
