import { describe, expect, it } from "vitest";
import { Backoff } from "../src/lib/backoff";

const limits = { base_ms: 1_000, cap_ms: 30_000, max_attempts: 10 };

describe("Backoff", () => {
  it("doubles its ceiling from 1 s to 30 s and stops after max_attempts", () => {
    const backoff = new Backoff(limits, () => 1);
    const waits = Array.from({ length: 11 }, () => backoff.next());
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, null]);
    expect(backoff.exhausted).toBe(true);
    backoff.reset();
    expect(backoff.next()).toBe(1_000);
  });

  it("spreads each wait over the whole range", () => {
    const waits = Array.from({ length: 500 }, () => new Backoff(limits).next() ?? -1);
    expect(Math.min(...waits)).toBeLessThan(200);
    expect(Math.max(...waits)).toBeGreaterThan(800);
    expect(waits.every((wait) => wait >= 0 && wait <= 1_000)).toBe(true);
  });
});
