// The time as the hub has it: a computer whose clock is wrong sees the same values as any other.

/** Below this, clocks are taken for equal: the header has whole seconds, and answers take time. */
const UNNOTICED = 5;
let skew = 0;

/** Seconds since the epoch. */
export const now = () => Date.now() / 1000 + skew;

/** Told the `Date` of each answer. */
export function compare(header) {
  const there = Date.parse(header ?? '') / 1000;
  if (!Number.isFinite(there)) return;
  const difference = there + 0.5 - Date.now() / 1000;
  skew = Math.abs(difference) > UNNOTICED ? difference : 0;
}
