/** Exponential backoff with full jitter: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
export class Backoff {
  private attempts = 0;

  constructor(
    public limits: { base_ms: number; cap_ms: number; max_attempts: number },
    private readonly random: () => number = Math.random,
  ) {}

  get attempt(): number {
    return this.attempts;
  }

  get exhausted(): boolean {
    return this.attempts >= this.limits.max_attempts;
  }

  /** Milliseconds before the next attempt, uniform in [0, min(cap, base * 2^attempt)]; null when spent. */
  next(): number | null {
    if (this.exhausted) return null;
    const ceiling = Math.min(this.limits.cap_ms, this.limits.base_ms * 2 ** this.attempts);
    this.attempts += 1;
    return Math.round(this.random() * ceiling);
  }

  reset(): void {
    this.attempts = 0;
  }
}
