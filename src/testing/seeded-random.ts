/**
 * A random number generator that gives the same numbers for the same seed: mulberry32, 32 bits of state, good enough to
 * shuffle schedules, not for secrets.
 *
 * @param seed - any integer; its low 32 bits count.
 * @returns numbers from 0 (included) to 1 (excluded).
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
