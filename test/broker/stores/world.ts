import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Services } from '../../../scripts/services/index.ts'
import { startServices } from '../../../scripts/services/index.ts'

/** Real servers of one test file. */
export async function startStores(wanted: {
  readonly postgres?: boolean
  readonly redis?: boolean | 'cluster'
}): Promise<Services> {
  return startServices({ ...wanted, onProgress: () => {} })
}

/** What the suite needs of time where it is real. */
export const realTime = {
  /** A little longer: a server counts by a clock of its own, in whole milliseconds, and a timer here may be early by one. */
  tick: (ms: number): Promise<void> => sleep(ms + 10),
  now: (): number => Date.now(),
}

/** A name that nobody else uses. */
export function fresh(prefix: string): string {
  return `${prefix}_${randomBytes(5).toString('hex')}`
}
