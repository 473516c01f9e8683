import type { Clock } from '../../clock/index.ts'

/**
 * Finds a member that is adrift: the group counts it in, and it has no assignment. kafkajs asks again when the group is rebalancing,
 * and forgets its join over any other answer (`consumer/runner.js:100`): a coordinator that is still loading, a connection that
 * closed, a SyncGroup answer that was lost. In a group that is stable by then its heartbeats are confirmed, so it never asks again, and
 * reads nothing.
 */
export interface DriftWatch {
  /** The group has confirmed a heartbeat of kafkajs'. */
  confirmed(hasAssignment: boolean): void
  /** It asks to join, or for its assignment, or has one. */
  reset(): void
}

/** Makes a {@link DriftWatch}, which calls at most once until it is reset. */
export function createDriftWatch(clock: Clock, onAdrift: () => void): DriftWatch {
  let since: number | null = null
  return {
    confirmed(hasAssignment) {
      if (hasAssignment) since = null
      else if (since === null) since = clock.monotonic()
      else if (clock.monotonic() - since >= ADRIFT_MS) {
        since = null
        onAdrift()
      }
    },
    reset: () => void (since = null),
  }
}

/**
 * During a rebalance the group confirms heartbeats only between its answer to a join and the assignment, while kafkajs waits for the
 * latter and sends few: two that lie this far apart, with no request between them, are none of those.
 */
const ADRIFT_MS = 10_000
