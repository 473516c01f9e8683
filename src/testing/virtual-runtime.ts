import type { Failpoint, Runtime } from '../clock/index.ts'
import { noFailpoint } from '../clock/index.ts'
import { seededIds } from './seeded-ids.ts'
import { seededRandom } from './seeded-random.ts'
import type { TimeControls, VirtualClock, VirtualClockOptions } from './virtual-clock.ts'
import { virtualClock } from './virtual-clock.ts'

/** Surroundings that a test owns: time stands until it is moved, and chance and ids follow from the seed. */
export interface VirtualRuntime extends Runtime, TimeControls {
  readonly clock: VirtualClock
}

/** How virtual surroundings are made. */
export interface VirtualRuntimeOptions extends VirtualClockOptions {
  /**
   * Any integer; the same seed gives the same ids and the same random numbers.
   *
   * @defaultValue `1`
   */
  readonly seed?: number
  /** @defaultValue does nothing; see {@link failpoints} */
  readonly failpoint?: Failpoint
}

/** Makes a {@link VirtualRuntime}: pass it as `runtime`, then move time with {@link TimeControls}. */
export function virtualRuntime(options: VirtualRuntimeOptions = {}): VirtualRuntime {
  const seed = options.seed ?? 1
  const clock = virtualClock(options)
  return {
    clock,
    random: seededRandom(seed),
    ids: seededIds(clock, seed),
    failpoint: options.failpoint ?? noFailpoint,
    advance: clock.advance,
    runUntilIdle: clock.runUntilIdle,
    runUntil: clock.runUntil,
    run: clock.run,
  }
}
