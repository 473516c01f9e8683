import type { Clock } from '../../clock/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { isPassing, refusals } from './refusals.ts'

/** How long clients ask again, in all: twice `request.timeout.ms` of Kafka's own. */
const PATIENCE_MS = 60_000
const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 1_000

/** How long to wait before the attempt after so many: doubling from 10 ms to a second. */
export function pauseAfter(attempts: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1))
}

/**
 * Asks what can be asked twice, again and again while messages get lost or a coordinator loads, as clients do.
 *
 * @param wanted - false: nobody waits for the answer any more, and the last failure is thrown
 * @throws HOLDFAST_UNAVAILABLE when a minute has not been enough; every other refusal at once.
 */
export async function patiently<T>(
  clock: Clock,
  ask: () => Promise<T>,
  wanted: () => boolean = () => true,
): Promise<T> {
  const deadline = clock.monotonic() + PATIENCE_MS
  for (let attempts = 1; ; attempts++) {
    try {
      return await ask()
    } catch (error) {
      if (!isPassing(error) || !wanted()) throw error
      const pauseMs = pauseAfter(attempts)
      if (clock.monotonic() + pauseMs > deadline)
        throw HoldfastError.is(error, 'HOLDFAST_UNAVAILABLE') ? error : refusals.unavailable('no answer came')
      await clock.sleep(pauseMs)
    }
  }
}
