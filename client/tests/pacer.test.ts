import { describe, expect, it } from "vitest";
import { Pacer, type MessageClass } from "../src/lib/pacer";

function pacer(limits = { per_second: 10, per_minute: 500 }): { pacer: Pacer; tick: (ms: number) => void; now: () => number } {
  let now = 1_000_000;
  return { pacer: new Pacer(limits, () => now), tick: (ms) => (now += ms), now: () => now };
}

/** Send as eagerly as allowed for `seconds`; the times of what went. */
function eager(kind: MessageClass, seconds: number): number[] {
  const { pacer: it, tick, now } = pacer();
  const end = now() + seconds * 1_000;
  const times: number[] = [];
  while (now() < end) {
    const delay = it.delay(kind);
    if (delay > 0) {
      tick(Math.max(1, delay));
      continue;
    }
    it.record();
    times.push(now());
  }
  return times;
}

const most = (times: number[], windowMs: number): number =>
  Math.max(...times.map((at, i) => times.slice(i).filter((t) => t < at + windowMs).length));

describe("Pacer", () => {
  it("lets the first keystrokes go at once", () => {
    const { pacer: it } = pacer();
    for (let i = 0; i < 4; i += 1) {
      expect(it.delay("edit")).toBe(0);
      it.record();
    }
    expect(it.delay("edit")).toBeGreaterThan(0);
  });

  it("never reaches the server's windows, however eager", () => {
    const times = eager("edit", 180);
    expect(most(times, 1_000)).toBeLessThan(10);
    expect(most(times, 60_000)).toBeLessThan(500);
    expect(times.length).toBeGreaterThan(180 * 4);
  });

  it("never stops dead while typing goes on", () => {
    const times = eager("edit", 180);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? at));
    expect(Math.max(...gaps)).toBeLessThan(700);
  });

  it("drops presence first", () => {
    const { pacer: it } = pacer();
    for (let i = 0; i < 6; i += 1) it.record();
    expect(it.delay("presence")).toBeGreaterThan(0);
    expect(it.delay("control")).toBe(0);
  });

  it("waits as long as the server says", () => {
    const { pacer: it, tick } = pacer();
    it.block(700);
    expect(it.delay("edit")).toBe(700);
    tick(700);
    expect(it.delay("edit")).toBe(0);
  });

  it("works with the smallest limits", () => {
    const { pacer: it, tick } = pacer({ per_second: 1, per_minute: 1 });
    expect(it.delay("edit")).toBe(0);
    it.record();
    expect(it.delay("edit")).toBeGreaterThan(59_000);
    tick(60_002);
    expect(it.delay("edit")).toBe(0);
  });
});
