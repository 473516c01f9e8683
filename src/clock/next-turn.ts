import { setImmediate as immediate } from 'node:timers/promises'

/**
 * Resolves when every promise job that is ready, and every job those make ready, has run. For virtual clocks, which must let the
 * code under test come to rest before they move; nothing else should need it.
 */
export async function nextTurn(): Promise<void> {
  await immediate()
}
