import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import type { Failpoint } from './failpoint.ts'
import { noFailpoint } from './failpoint.ts'
import type { Ids } from './ids.ts'
import { uuidv7 } from './ids.ts'

/**
 * Everything the library takes from its surroundings: time, chance, ids, and the seams where a crash test may stop it.
 * The rest of the source touches no timer, no clock, no random number and no environment, so that a simulator or a fake
 * clock can own them all.
 */
export interface Runtime {
  readonly clock: Clock
  /** A number from 0 (included) to 1 (excluded). */
  readonly random: () => number
  readonly ids: Ids
  readonly failpoint: Failpoint
}

/** The real surroundings. */
export const systemRuntime: Runtime = {
  clock: systemClock,
  random: Math.random,
  ids: uuidv7(systemClock),
  failpoint: noFailpoint,
}
