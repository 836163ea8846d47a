/** Positions of gates: strings between any two of which another fits. */
import { generateKeyBetween } from "fractional-indexing";

const MAX_LENGTH = 256;

/**
 * A position after `before` and ahead of `after`; null stands for the end on that side.
 *
 * Other clients may choose positions the library does not know. Then it is the one before with a digit more, or,
 * where nothing fits between, the same one: gates of one position stand in the order of their ids.
 */
export function between(before: string | null, after: string | null): string {
  try {
    const key = generateKeyBetween(before, after);
    if (key.length <= MAX_LENGTH) return key;
  } catch {
    // Not a key of the library, or none fits.
  }
  const candidate = `${before ?? ""}V`;
  if (candidate.length <= MAX_LENGTH && (after === null || candidate < after)) return candidate;
  return before ?? after ?? "a0";
}
