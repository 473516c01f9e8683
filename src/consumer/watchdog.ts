import type { Clock } from '../clock/index.ts'
import type { Mutable } from './mutable.ts'

/** Notices that the event loop stood still: while it does, no heartbeat is sent and no timer runs, so it can only be told afterwards. */
export interface Watchdog {
  /** The last time that it stood still for long; null when it never did. */
  readonly last: { readonly forMs: number; readonly at: number } | null
  close(): void
}

/**
 * Makes a {@link Watchdog}, which calls back after each time that the loop stood still for a second or longer, or for half of a session
 * that is shorter. How long is known to half of that: it stood still for at least so long.
 */
export function createWatchdog(
  clock: Clock,
  { sessionTimeoutMs }: { readonly sessionTimeoutMs: number },
  onBlocked: (forMs: number) => void,
): Watchdog {
  const blockedMs = Math.min(MOST_MS, sessionTimeoutMs / 2)
  const lookMs = Math.floor(blockedMs / 2)
  let seen = clock.monotonic()
  const timer = clock.every(lookMs, () => {
    const now = clock.monotonic()
    const forMs = Math.round(now - seen - lookMs)
    seen = now
    if (forMs < blockedMs) return
    watchdog.last = { forMs, at: now }
    onBlocked(forMs)
  })
  const watchdog: Mutable<Watchdog> = { last: null, close: () => timer.cancel() }
  return watchdog
}

/** A collection of garbage takes less; a heartbeat interval is three times as long. */
const MOST_MS = 1_000
