import type { Clock } from '../clock/index.ts'

/** Notices that the event loop stood still: while it does, no heartbeat is sent and no timer runs, so it can only be told afterwards. */
export interface Watchdog {
  /** The last time that it stood still for long; null when it never did. */
  readonly last: { readonly forMs: number; readonly at: number } | null
  close(): void
}

/** Makes a {@link Watchdog}, which calls back after each time that the loop stood still for {@link BLOCKED_MS} or longer. */
export function createWatchdog(clock: Clock, onBlocked: (forMs: number) => void): Watchdog {
  let last: Watchdog['last'] = null
  let seen = clock.monotonic()
  const timer = clock.every(LOOK_MS, () => {
    const now = clock.monotonic()
    const forMs = Math.round(now - seen - LOOK_MS)
    seen = now
    if (forMs < BLOCKED_MS) return
    last = { forMs, at: now }
    onBlocked(forMs)
  })
  return {
    get last() {
      return last
    },
    close: () => timer.cancel(),
  }
}

const LOOK_MS = 500

/** A collection of garbage takes less; a heartbeat interval is three times as long. */
const BLOCKED_MS = 1_000
