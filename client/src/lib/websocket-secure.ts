/**
 * The socket to `/ws/collaborate`: signs in, stays connected, says what state it is in, and brings what was
 * not acknowledged again after every interruption.
 *
 * The token is handed over by a callback each time it is needed and goes nowhere but into the handshake's
 * `Sec-WebSocket-Protocol` and into `ping`: never into a URL, a log line, an error or the statistics.
 */
import { Backoff } from "./backoff";
import { CircuitChannel, type CircuitChannelListener } from "./circuit-channel";
import type { Channel, ConnectionState, ConnectionStatistics, Diagnosis, SecureWebSocketOptions, TokenProvider, Wire } from "./connection";
import { Heartbeat } from "./heartbeat";
import { Pacer } from "./pacer";
import { ProgressChannel } from "./progress-channel";
import {
  BEARER_PREFIX,
  SUBPROTOCOL,
  closeReason,
  mayReconnect,
  parseFrame,
  type ErrorFrame,
  type ServerFrame,
  type Welcome,
} from "./protocol";
import { TextChannel, type TextChannelListener } from "./text-channel";

export type * from "./connection";

const CONNECT_TIMEOUT_MS = 15_000;
/** A connection that lived this long has earned a fresh count of attempts. */
const SETTLED_MS = 5_000;
const TOKEN_MARGIN_MS = 90_000;

export class SecureWebSocketClient implements Wire {
  readonly pacer = new Pacer({ per_second: 10, per_minute: 500 });
  maxMessageBytes = 102_400;

  readonly #token: TokenProvider;
  readonly #options: Omit<SecureWebSocketOptions, "token">;
  readonly #backoff: Backoff;
  readonly #sessions = new Map<string, Channel>();
  readonly #progress = new Map<string, ProgressChannel>();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  readonly #heartbeat = new Heartbeat({
    ping: (frame) => this.#sendRaw(frame),
    dead: () => void this.#lost(1006, "", this.live),
  });
  readonly #encoder = new TextEncoder();
  #socket: WebSocket | null = null;
  #state: ConnectionState = { phase: "idle" };
  #wanted = false;
  /** Grows with every attempt; what belongs to an older one is ignored. */
  #epoch = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #settledTimer: ReturnType<typeof setTimeout> | undefined;
  #tokenTimer: ReturnType<typeof setTimeout> | undefined;
  #unlisten: (() => void) | undefined;
  #user: string | null = null;
  #stats: Omit<ConnectionStatistics, "unacknowledged" | "pingsSent" | "rttMs" | "smoothedRttMs"> = {
    connects: 0,
    reconnects: 0,
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    resent: 0,
    nacks: 0,
    rateLimited: 0,
    lastCloseCode: null,
  };

  constructor(options: SecureWebSocketOptions) {
    const { token, ...rest } = options;
    this.#token = token;
    this.#options = rest;
    this.#backoff = new Backoff({ base_ms: 1_000, cap_ms: 30_000, max_attempts: 10 }, options.random);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get live(): boolean {
    return this.#state.phase === "live";
  }

  /** The user the server signed in, once it said so. */
  get user(): string | null {
    return this.#user;
  }

  get statistics(): ConnectionStatistics {
    let unacknowledged = 0;
    for (const channel of this.#sessions.values()) unacknowledged += channel.unconfirmed;
    const { pings: pingsSent, rttMs, smoothedRttMs } = this.#heartbeat;
    return { ...this.#stats, pingsSent, rttMs, smoothedRttMs, unacknowledged };
  }

  /** Calls `listener` at every change of state; returns what ends that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Start, or start again with a fresh count of attempts. */
  connect(): void {
    this.#wanted = true;
    this.#listenToBrowser();
    this.#backoff.reset();
    if (this.#socket === null) void this.#attempt();
  }

  /** Try now instead of waiting. Does nothing while connected or connecting. */
  retryNow(): void {
    if (!this.#wanted || this.#socket !== null || this.#state.phase === "connecting") return;
    this.#backoff.reset();
    void this.#attempt();
  }

  /** Say goodbye for good. */
  close(): void {
    this.#wanted = false;
    this.#epoch += 1;
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#clearTimers();
    const socket = this.#release();
    for (const channel of this.#sessions.values()) channel.close();
    socket?.close(1000);
    this.#setState({ phase: "idle" });
  }

  /** Open a text session: what it loads, receives and acknowledges goes to `listener`. */
  openText(session: string, listener: TextChannelListener): TextChannel {
    return this.#open(session, (closed) => new TextChannel(this, session, listener, closed));
  }

  /** Follow a progress channel (`job:<id>`, `training:<id>`); returns what ends it. */
  watch(name: string, listener: (data: unknown) => void, onError: (error: ErrorFrame) => void = () => {}): () => void {
    this.#progress.get(name)?.close();
    const channel = new ProgressChannel(this, name, listener, onError);
    this.#progress.set(name, channel);
    if (this.live) channel.connected();
    return () => {
      if (this.#progress.get(name) !== channel) return;
      this.#progress.delete(name);
      channel.close();
    };
  }

  transmit(frame: string | object): boolean {
    if (!this.live || !this.#sendRaw(frame)) return false;
    this.pacer.record();
    return true;
  }

  countResend(): void {
    this.#stats.resent += 1;
  }

  /** The name this client writes into anything printed; there is nothing else to see. */
  toJSON(): object {
    return { session: this.#options.session, phase: this.#state.phase };
  }

  /** Open a circuit session. */
  openCircuit(session: string, listener: CircuitChannelListener): CircuitChannel {
    return this.#open(session, (closed) => new CircuitChannel(this, session, listener, closed));
  }

  #open<C extends Channel>(session: string, make: (closed: () => void) => C): C {
    if (this.#sessions.has(session)) throw new Error(`session ${session} is open already: close it first`);
    const channel = make(() => this.#sessions.delete(session));
    this.#sessions.set(session, channel);
    if (this.live) channel.connected();
    return channel;
  }

  async #attempt(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#clearTimers();
    this.#release();
    this.#setState({ phase: "connecting", attempt: this.#backoff.attempt });
    let token: string;
    try {
      token = await this.#token({ fresh: false });
    } catch {
      if (epoch !== this.#epoch || !this.#wanted) return;
      this.#wanted = false;
      this.#setState({ phase: "refused", code: "unauthorized", reason: "Sign in to continue." });
      return;
    }
    if (epoch !== this.#epoch || !this.#wanted) return;
    const url = `${this.#options.url}?session=${encodeURIComponent(this.#options.session)}`;
    const Socket = this.#options.WebSocket ?? WebSocket;
    const socket = new Socket(url, [SUBPROTOCOL, BEARER_PREFIX + token]);
    this.#socket = socket;
    let welcomed = false;
    socket.onmessage = (event: MessageEvent) => {
      if (epoch !== this.#epoch) return;
      this.#received(event.data);
      const frame = parseFrame(event.data);
      if (!frame) return;
      if (frame.type === "welcome") {
        if (welcomed) return;
        welcomed = true;
        this.#welcomed(frame);
      } else if (welcomed) {
        this.#dispatch(frame);
      }
    };
    socket.onclose = (event: CloseEvent) => {
      if (epoch !== this.#epoch) return;
      void this.#lost(event.code, event.reason, welcomed);
    };
    // The close event follows every error and says more.
    socket.onerror = () => {};
    this.#heartbeat.expect(CONNECT_TIMEOUT_MS);
  }

  #welcomed(frame: Welcome): void {
    this.#stats.connects += 1;
    if (this.#stats.connects > 1) this.#stats.reconnects += 1;
    this.#user = frame.user;
    this.maxMessageBytes = frame.limits?.max_message_bytes ?? this.maxMessageBytes;
    if (frame.limits) this.pacer.setLimits(frame.limits);
    if (frame.reconnect) this.#backoff.limits = frame.reconnect;
    this.#setState({ phase: "live", since: Date.now() });
    this.#settledTimer = setTimeout(() => this.#backoff.reset(), SETTLED_MS);
    this.#heartbeat.start(frame.heartbeat_ms);
    this.#scheduleTokenRefresh(frame.token_expires_at);
    for (const channel of this.#sessions.values()) channel.connected();
    for (const channel of this.#progress.values()) channel.connected();
  }

  #dispatch(frame: ServerFrame): void {
    switch (frame.type) {
      case "pong":
        if (typeof frame.t === "number") this.#heartbeat.pong(frame.t);
        if (typeof frame.token_expires_at === "number") this.#scheduleTokenRefresh(frame.token_expires_at);
        return;
      case "nack":
        this.#stats.nacks += 1;
        if (frame.code === "rate_limited") this.#rateLimited(frame.retry_after_ms);
        break;
      case "error":
        if (frame.code === "rate_limited") this.#rateLimited(frame.retry_after_ms);
        for (const channel of this.#sessions.values()) channel.error(frame);
        for (const channel of this.#progress.values()) channel.error(frame);
        return;
      default:
        break;
    }
    if ("channel" in frame && frame.channel !== undefined) {
      this.#progress.get(frame.channel)?.frame(frame);
    } else if ("session" in frame && frame.session !== undefined) {
      this.#sessions.get(frame.session)?.frame(frame);
    }
  }

  #rateLimited(retryAfterMs = 1_000): void {
    this.#stats.rateLimited += 1;
    this.pacer.block(retryAfterMs);
  }

  async #lost(code: number, serverReason: string, welcomed: boolean): Promise<void> {
    const epoch = ++this.#epoch;
    this.#clearTimers();
    this.#release()?.close();
    this.#stats.lastCloseCode = code;
    for (const channel of this.#sessions.values()) channel.disconnected(code);
    for (const channel of this.#progress.values()) channel.disconnected();
    if (!this.#wanted) return;

    // A duplicated tab goes on under a new client name; every other 45xx is final.
    if (!mayReconnect(code) && code !== 4504) {
      this.#wanted = false;
      this.#setState({ phase: "refused", code, reason: closeReason(code, serverReason) });
      return;
    }
    this.#waitAndRetry(closeReason(code));
    if (welcomed && code !== 4002) return;
    // Refused before the upgrade: 401, 404 and 503 all look like 1006 from here.
    const diagnosis = (await this.#options.diagnose?.().catch((): Diagnosis => "retry")) ?? "retry";
    if (epoch !== this.#epoch || !this.#wanted || diagnosis === "retry") return;
    this.#wanted = false;
    this.#clearTimers();
    const reason = {
      unauthorized: "The sign-in is no longer valid.",
      not_found: "There is no such session, or you may not see it.",
      forbidden: "You may not open this session.",
    }[diagnosis];
    this.#setState({ phase: "refused", code: diagnosis, reason });
  }

  #waitAndRetry(reason: string): void {
    const delay = this.#backoff.next();
    if (delay === null) {
      this.#setState({ phase: "offline", reason });
      return;
    }
    this.#setState({ phase: "waiting", attempt: this.#backoff.attempt, retryAt: Date.now() + delay, reason });
    this.#retryTimer = setTimeout(() => void this.#attempt(), delay);
  }

  /** `expiresAt` is in seconds of the epoch. */
  #scheduleTokenRefresh(expiresAt: number): void {
    clearTimeout(this.#tokenTimer);
    if (!Number.isFinite(expiresAt)) return;
    const left = expiresAt * 1_000 - Date.now();
    const delay = Math.min(Math.max(left - TOKEN_MARGIN_MS, left / 2, 1_000), 2 ** 31 - 1);
    this.#tokenTimer = setTimeout(() => void this.#refreshToken(), delay);
  }

  async #refreshToken(): Promise<void> {
    const epoch = this.#epoch;
    try {
      const token = await this.#token({ fresh: true });
      if (epoch === this.#epoch && this.live) this.#heartbeat.ping(undefined, token);
    } catch {
      // No fresh token to be had. The server ends this connection with 4002 and the owner asks to sign in.
    }
  }

  #received(data: unknown): void {
    this.#heartbeat.heard();
    this.#stats.messagesReceived += 1;
    if (typeof data === "string") this.#stats.bytesReceived += data.length;
  }

  #sendRaw(frame: string | object): boolean {
    const socket = this.#socket;
    if (!socket || socket.readyState !== 1) return false;
    const text = typeof frame === "string" ? frame : JSON.stringify(frame);
    socket.send(text);
    this.#stats.messagesSent += 1;
    this.#stats.bytesSent += this.#encoder.encode(text).length;
    return true;
  }

  /** Forget the present socket without waiting for its close handshake, which a dead peer never answers. */
  #release(): WebSocket | null {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return null;
    socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    return socket;
  }

  #clearTimers(): void {
    this.#heartbeat.stop();
    for (const timer of [this.#retryTimer, this.#settledTimer, this.#tokenTimer]) clearTimeout(timer);
  }

  #listenToBrowser(): void {
    if (this.#unlisten || typeof window === "undefined") return;
    const wake = (): void => {
      if (document.visibilityState === "hidden") return;
      if (this.live) this.#heartbeat.probe();
      else this.retryNow();
    };
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    this.#unlisten = () => {
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
    };
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    for (const listener of this.#stateListeners) listener(state);
  }
}
