/** The HTTP side of SynQ: one small typed client. Errors are RFC 9457 problem details with a stable `code`. */
import type { Diagnosis } from "./connection";
import type { Item } from "./protocol";

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
  /** Times are milliseconds of the epoch. */
  created_at: number;
  updated_at: number;
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
  created_at: number;
  finished_at: number | null;
}

export interface Prediction {
  predictions: { label: string; confidence: number }[];
  confidence: number;
  model: { id: string; name: string; version: string | number };
  inference_ms: number;
}

export type GivenRole = "viewer" | "commenter" | "editor";

export interface Participant {
  user: string;
  name: string | null;
  role: GivenRole | "owner";
  joined_at: number;
}

/** A session's document at one revision: a text, or a circuit's object. */
export interface Revision {
  rev: number;
  lineage: string;
  kind: Session["kind"];
  state: unknown;
}

export type ExportFormat = "qasm2" | "qasm3" | "qpy" | "json";

export interface ExportedFile {
  blob: Blob;
  /** In words, what the format could not keep. */
  notes: string | null;
}

export interface NewSession {
  name: string;
  kind?: Session["kind"];
  content: string | object;
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
    return this.call("POST", "/collaboration/sessions", session);
  }

  deleteSession(id: string): Promise<void> {
    return this.call("DELETE", `/collaboration/sessions/${encodeURIComponent(id)}`);
  }

  /** Make the public role a lasting one, or that of an invite. */
  join(id: string, invite?: string): Promise<{ role: string }> {
    return this.call("POST", `${path(id)}/join`, invite === undefined ? {} : { invite });
  }

  participants(id: string): Promise<Page<Participant>> {
    return this.call("GET", `${path(id)}/participants`);
  }

  setRole(id: string, user: string, role: GivenRole): Promise<{ role: string }> {
    return this.call("PUT", `${path(id)}/participants/${encodeURIComponent(user)}`, { role });
  }

  removeParticipant(id: string, user: string): Promise<void> {
    return this.call("DELETE", `${path(id)}/participants/${encodeURIComponent(user)}`);
  }

  invite(id: string, role: GivenRole): Promise<{ invite: string; role: GivenRole }> {
    return this.call("POST", `${path(id)}/invites`, { role });
  }

  /** Items from rev `from` on, oldest first, each with its op. */
  history(id: string, from: number, limit: number, signal?: AbortSignal): Promise<{ items: Item[]; next: number | null }> {
    return this.call("GET", `${path(id)}/history?from=${from}&limit=${limit}`, undefined, signal);
  }

  revision(id: string, rev: number, signal?: AbortSignal): Promise<Revision> {
    return this.call("GET", `${path(id)}/state?rev=${rev}`, undefined, signal);
  }

  /** Make a past state the present one, for everyone. */
  restore(id: string, rev: number): Promise<{ rev: number; lineage: string }> {
    return this.call("POST", `${path(id)}/restore`, { rev });
  }

  fork(id: string, rev?: number): Promise<Session> {
    return this.call("POST", `${path(id)}/fork`, rev === undefined ? {} : { rev });
  }

  convert(id: string, to: Session["kind"]): Promise<Session & { notes: string[] }> {
    return this.call("POST", `${path(id)}/convert`, { to });
  }

  async export(id: string, format: ExportFormat, signal?: AbortSignal): Promise<ExportedFile> {
    const response = await this.answer("GET", `${path(id)}/export?format=${format}`, undefined, signal);
    const notes = response.headers.get("X-Synq-Notes");
    return { blob: await response.blob(), notes: notes === null ? null : decoded(notes) };
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
    return parseJson(await (await this.answer(method, path, body, signal)).text()) as T;
  }

  /** An answer that is not a refusal. */
  private async answer(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
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
    if (!response.ok) throw problemOf(response.status, parseJson(await response.text()));
    return response;
  }
}

const path = (session: string): string => `/collaboration/sessions/${encodeURIComponent(session)}`;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
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
