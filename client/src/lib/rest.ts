/** The HTTP side of SynQ: one small typed client. Errors are RFC 9457 problem details with a stable `code`. */
import type { Diagnosis } from "./connection";

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Identity {
  token: string;
  user: string;
  name: string;
  /** Milliseconds of the epoch; null when the server did not say. */
  expiresAt: number | null;
}

export interface Session {
  id: string;
  name: string;
  kind: "text" | "circuit";
  visibility: "private" | "public";
  public_role: "viewer" | "commenter" | "editor" | null;
  owner: string;
  role: string | null;
  rev: number;
  created_at: string;
  updated_at: string;
}

export interface Page<T> {
  items: T[];
  total: number;
}

export interface Diagnostic {
  line: number;
  column: number;
  severity: "error" | "warning" | "info";
  message: string;
}

export interface DrawingOp {
  name: string;
  label: string;
  qubits: number[];
  clbits: number[];
  params: string[];
  controls: number;
  condition: string | null;
  kind: "gate" | "measure" | "barrier" | "reset" | "control_flow";
}

export interface Drawing {
  qubits: string[];
  clbits: string[];
  columns: DrawingOp[][];
  truncated: boolean;
}

export interface ParsedCircuit {
  valid: boolean;
  format?: string;
  qubits?: number;
  clbits?: number;
  depth?: number;
  gates?: number;
  diagnostics: Diagnostic[];
  drawing?: Drawing;
}

export type JobStatus = "queued" | "running" | "done" | "failed" | "cancelled";

export interface JobResult {
  counts?: Record<string, number>;
  error?: string | { message?: string; code?: string };
}

export interface Job {
  id: string;
  status: JobStatus;
  progress: number;
  shots: number;
  seed: number | null;
  results: (JobResult | null)[];
  error?: string | { message?: string; code?: string } | null;
  created_at: string;
  finished_at: string | null;
}

export interface Prediction {
  predictions: { label: string; confidence: number }[];
  confidence: number;
  model: { id: string; name: string; version: string | number };
  inference_ms: number;
}

export interface NewSession {
  name: string;
  content: string;
  visibility: "private" | "public";
  public_role: "viewer" | "commenter" | "editor";
}

const TIMEOUT_MS = 20_000;

export class RestClient {
  constructor(
    private readonly token: () => string | null,
    private readonly base = "/api/v1",
    private readonly fetchFn: typeof fetch = (...args) => fetch(...args),
  ) {}

  async guest(name?: string): Promise<Identity> {
    return identityOf(await this.call<Record<string, unknown>>("POST", "/auth/guest", name ? { name } : {}));
  }

  async me(): Promise<Omit<Identity, "token">> {
    const { token: _token, ...identity } = identityOf(await this.call<Record<string, unknown>>("GET", "/me"));
    return identity;
  }

  version(): Promise<{ name: string; version: string; protocol: number }> {
    return this.call("GET", "/version");
  }

  sessions(limit = 50, offset = 0): Promise<Page<Session>> {
    return this.call("GET", `/collaboration/sessions?limit=${limit}&offset=${offset}`);
  }

  session(id: string): Promise<Session> {
    return this.call("GET", `/collaboration/sessions/${encodeURIComponent(id)}`);
  }

  createSession(session: NewSession): Promise<Session> {
    return this.call("POST", "/collaboration/sessions", { kind: "text", ...session });
  }

  deleteSession(id: string): Promise<void> {
    return this.call("DELETE", `/collaboration/sessions/${encodeURIComponent(id)}`);
  }

  join(id: string): Promise<{ role: string }> {
    return this.call("POST", `/collaboration/sessions/${encodeURIComponent(id)}/join`, {});
  }

  parse(qasm: string, signal?: AbortSignal): Promise<ParsedCircuit> {
    return this.call("POST", "/circuits/parse", { qasm }, signal);
  }

  submitJob(qasm: string, shots: number, seed?: number): Promise<{ id: string }> {
    return this.call("POST", "/jobs", { circuits: [{ qasm }], shots, ...(seed === undefined ? {} : { seed }) });
  }

  job(id: string): Promise<Job> {
    return this.call("GET", `/jobs/${encodeURIComponent(id)}`);
  }

  cancelJob(id: string): Promise<void> {
    return this.call("DELETE", `/jobs/${encodeURIComponent(id)}`);
  }

  predictPattern(qasm: string, signal?: AbortSignal): Promise<Prediction> {
    return this.call("POST", "/ml/predict/pattern-recognition", { circuit: { qasm } }, signal);
  }

  /** What a refused WebSocket handshake meant: the browser does not tell, the same question over HTTP does. */
  async diagnose(session: string): Promise<Diagnosis> {
    try {
      await this.session(session);
      return "retry";
    } catch (error) {
      if (!(error instanceof ApiError)) return "retry";
      if (error.status === 401) return "unauthorized";
      if (error.status === 403) return "forbidden";
      return error.status === 404 ? "not_found" : "retry";
    }
  }

  private async call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const token = this.token();
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    let response: Response;
    try {
      response = await this.fetchFn(this.base + path, {
        method,
        headers: {
          Accept: "application/json",
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...(token ? { Authorization: `Bearer ${token}` } : {}),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        credentials: "omit",
        cache: "no-store",
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      const slow = error instanceof DOMException && error.name === "TimeoutError";
      throw new ApiError(0, slow ? "timeout" : "unreachable", slow ? "SynQ did not answer in time." : "SynQ cannot be reached.");
    }
    const text = await response.text();
    const value = parseJson(text);
    if (!response.ok) throw problemOf(response.status, value);
    return value as T;
  }
}

function parseJson(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(status: number, value: unknown): ApiError {
  const problem = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const code = typeof problem["code"] === "string" ? problem["code"] : `http_${status}`;
  const said = [problem["detail"], problem["title"]].find((part) => typeof part === "string" && part !== "");
  return new ApiError(status, code, typeof said === "string" ? said : `SynQ answered ${status}.`);
}

function identityOf(value: Record<string, unknown>): Identity {
  return {
    token: String(value["token"] ?? ""),
    user: String(value["user"] ?? ""),
    name: String(value["name"] || value["user"] || ""),
    expiresAt: epochMs(value["expires_at"]),
  };
}

/** A time as the server may write it: seconds of the epoch or ISO 8601. */
export function epochMs(value: unknown): number | null {
  if (typeof value === "number" && Number.isFinite(value)) return value * 1_000;
  if (typeof value !== "string") return null;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : parsed;
}

/** The text of an error field that may be a string or an object. */
export function errorText(error: unknown): string | null {
  if (typeof error === "string") return error;
  if (typeof error === "object" && error !== null) {
    const { message, detail } = error as { message?: unknown; detail?: unknown };
    if (typeof message === "string") return message;
    if (typeof detail === "string") return detail;
  }
  return null;
}
