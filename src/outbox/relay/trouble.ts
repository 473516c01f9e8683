import type { Clock } from '../../clock/index.ts'
import { describeForLog, HoldfastError } from '../../errors/index.ts'
import type { Logger } from '../../logger/index.ts'
import type { Backoff } from '../../retry/index.ts'
import { backoffDelay } from '../../retry/index.ts'

/** Between two tries at what has failed: as the producer, and longer in the end, since an outage may last. */
const BACKOFF: Backoff = { initialDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.2 }

/** Something that fails again and again, and since when. */
export interface Trouble {
  /** Since when nothing has succeeded, on the monotonic clock, and with what it failed last; null when all is well. */
  readonly now: { readonly since: number; readonly code: string } | null
  /** @returns how long to wait before the next try, in milliseconds. */
  failed(error: unknown): number
  ended(): void
}

/** Watches one kind of work. @param what - for the log */
export function createTrouble(what: string, clock: Clock, random: () => number, logger: Logger): Trouble {
  let since = 0
  let code = ''
  let failures = 0
  return {
    get now() {
      return failures === 0 ? null : { since, code }
    },
    failed(error) {
      if (failures++ === 0) {
        since = clock.monotonic()
        logger.warn({ error: describeForLog(error) }, `${what} fails, and is tried again`)
      }
      code = HoldfastError.is(error) ? error.code : 'unknown'
      return backoffDelay(BACKOFF, failures, random())
    },
    ended() {
      if (failures === 0) return
      logger.info({ failures, afterMs: Math.round(clock.monotonic() - since) }, `${what} works again`)
      failures = 0
    },
  }
}
