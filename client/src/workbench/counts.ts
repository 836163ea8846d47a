/** Measurement counts, made ready to draw. */
export type CountOrder = "count" | "bitstring";

export interface Bar {
  label: string;
  count: number;
  probability: number;
  /** How many outcomes this bar gathers; 1 for an outcome of its own. */
  outcomes: number;
}

export interface CountsView {
  bars: Bar[];
  shots: number;
  outcomes: number;
}

/** The `limit` most frequent outcomes in the wanted order, and the rest gathered in one last bar. */
export function viewCounts(counts: Record<string, number>, order: CountOrder, limit = 24): CountsView {
  const all = Object.entries(counts).filter(([, count]) => count > 0);
  const shots = all.reduce((sum, [, count]) => sum + count, 0);
  const byCount = [...all].sort((a, b) => b[1] - a[1] || compareBits(a[0], b[0]));
  // A gathered bar for one single outcome would only hide its name.
  const shown = all.length <= limit ? byCount : byCount.slice(0, limit - 1);
  const hidden = byCount.slice(shown.length);
  if (order === "bitstring") shown.sort((a, b) => compareBits(a[0], b[0]));
  const bars = shown.map(([label, count]) => ({ label, count, probability: count / shots, outcomes: 1 }));
  if (hidden.length > 0) {
    const count = hidden.reduce((sum, [, n]) => sum + n, 0);
    bars.push({ label: `${hidden.length} others`, count, probability: count / shots, outcomes: hidden.length });
  }
  return { bars, shots, outcomes: all.length };
}

function compareBits(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Round numbers for an axis that reaches `max`, 0 first. */
export function axisTicks(max: number, wanted = 4): number[] {
  if (!(max > 0)) return [0];
  const rough = max / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * magnitude).find((s) => s >= rough) ?? rough;
  const ticks: number[] = [];
  for (let i = 0; i * step <= max * 1.0001; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

export function percent(probability: number): string {
  const value = probability * 100;
  if (value > 0 && value < 0.1) return "<0.1 %";
  return `${value.toFixed(value >= 99.95 || value === 0 ? 0 : 1)} %`;
}
