import { describe, expect, it } from "vitest";
import { closeReason, mayReconnect, newClientId, parseFrame } from "../src/lib/protocol";

describe("protocol", () => {
  it("reads JSON objects with a type and nothing else", () => {
    expect(parseFrame('{"type":"pong","t":1}')).toEqual({ type: "pong", t: 1 });
    for (const bad of ["", "{", "[]", "null", "3", '"x"', "{}", '{"type":3}', new ArrayBuffer(2), undefined]) {
      expect(parseFrame(bad)).toBeNull();
    }
  });

  it("knows which close codes say reconnect", () => {
    for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4000, 4001, 4002, 4004, 4499]) expect(mayReconnect(code)).toBe(true);
    for (const code of [1002, 1009, 4500, 4501, 4502, 4503, 4504, 4999]) expect(mayReconnect(code)).toBe(false);
    expect(closeReason(4501)).toContain("removed");
    expect(closeReason(1006)).toContain("lost");
  });

  it("names every editor instance afresh, within the allowed alphabet", () => {
    const names = new Set(Array.from({ length: 200 }, newClientId));
    expect(names.size).toBe(200);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  });
});
