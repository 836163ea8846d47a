import { describe, expect, it, vi } from "vitest";
import { ApiError, RestClient, epochMs, errorText } from "../src/lib/rest";

function answering(status: number, body: unknown): { rest: RestClient; calls: [string, RequestInit][] } {
  const calls: [string, RequestInit][] = [];
  const fetchFn = ((url: string, init: RequestInit) => {
    calls.push([url, init]);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return Promise.resolve(new Response(status === 204 ? null : text, { status }));
  }) as typeof fetch;
  return { rest: new RestClient(() => "a.b.c", "/api/v1", fetchFn), calls };
}

describe("RestClient", () => {
  it("sends the token as a header and the body as JSON", async () => {
    const { rest, calls } = answering(202, { id: "j1" });
    await rest.submitJob("OPENQASM 3.0;", 100);
    const [url, init] = calls[0] as [string, RequestInit];
    expect(url).toBe("/api/v1/jobs");
    expect(url).not.toContain("a.b.c");
    expect(init.headers).toMatchObject({ Authorization: "Bearer a.b.c", "Content-Type": "application/json" });
    expect(JSON.parse(String(init.body))).toEqual({ circuits: [{ qasm: "OPENQASM 3.0;" }], shots: 100 });
  });

  it("turns problem details into an error with their code and words", async () => {
    const { rest } = answering(403, { type: "about:blank", title: "Forbidden", status: 403, detail: "no guests here", code: "guest_disabled" });
    await expect(rest.guest()).rejects.toMatchObject({ status: 403, code: "guest_disabled", message: "no guests here" });
  });

  it("outlives answers that are not JSON", async () => {
    await expect(answering(502, "<html>").rest.me()).rejects.toMatchObject({ status: 502, code: "http_502" });
    await expect(answering(204, "").rest.deleteSession("x")).resolves.toBeNull();
  });

  it("says when the server cannot be reached", async () => {
    const rest = new RestClient(() => null, "", vi.fn(() => Promise.reject(new TypeError("failed"))) as unknown as typeof fetch);
    await expect(rest.version()).rejects.toBeInstanceOf(ApiError);
    await expect(rest.version()).rejects.toMatchObject({ status: 0, code: "unreachable" });
  });

  it("tells why a handshake was refused", async () => {
    for (const [status, diagnosis] of [[200, "retry"], [401, "unauthorized"], [403, "forbidden"], [404, "not_found"], [503, "retry"]] as const) {
      expect(await answering(status, {}).rest.diagnose("s")).toBe(diagnosis);
    }
  });

  it("escapes ids in paths", async () => {
    const { rest, calls } = answering(200, {});
    await rest.session("../me?x");
    expect(calls[0]?.[0]).toBe("/api/v1/collaboration/sessions/..%2Fme%3Fx");
  });
});

describe("fields of several shapes", () => {
  it("reads times as seconds or ISO 8601", () => {
    expect(epochMs(1_767_225_600)).toBe(1_767_225_600_000);
    expect(epochMs("2026-01-01T00:00:00Z")).toBe(1_767_225_600_000);
    expect(epochMs("soon")).toBeNull();
    expect(epochMs(undefined)).toBeNull();
  });

  it("finds the words of an error", () => {
    expect(errorText("x")).toBe("x");
    expect(errorText({ message: "y" })).toBe("y");
    expect(errorText({ detail: "z" })).toBe("z");
    expect(errorText(null)).toBeNull();
  });
});
