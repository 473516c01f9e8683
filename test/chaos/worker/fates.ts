import { createHash } from 'node:crypto'

/** What the handler does with a message. `ok` when none is drawn. */
export type Fate = 'ok' | 'slow' | 'flaky' | 'late-failure' | 'poison' | 'hang' | 'park'

/** How many of a thousand messages have a fate. */
export type FateShares = Partial<Readonly<Record<Exclude<Fate, 'ok'>, number>>>

/**
 * The fate of a message follows from the seed and its value alone, so that every process that meets it does the same.
 *
 * `slow` takes longer. `flaky` fails before its effect at the first attempt, `late-failure` after it. `poison` always fails, `hang`
 * always outlives its time, `park` asks to be parked.
 */
export function fateOf(seed: number, value: string, shares: FateShares): Fate {
  const drawn = createHash('sha256').update(`${seed}/${value}`).digest().readUInt32BE(0) % 1_000
  let bound = 0
  for (const fate of FATES) {
    bound += shares[fate] ?? 0
    if (drawn < bound) return fate
  }
  return 'ok'
}

const FATES = ['slow', 'flaky', 'late-failure', 'poison', 'hang', 'park'] as const
