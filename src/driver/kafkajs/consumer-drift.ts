import type { Clock, Timer } from '../../clock/index.ts'

/**
 * Finds a consumer that is adrift: it has no assignment and asks for none. kafkajs asks again when the group is rebalancing or
 * has forgotten the member, and lets go of its join over any other answer (`consumer/runner.js:100`): a coordinator that is still
 * loading, a connection that closed, a SyncGroup answer that was lost. In a group that is stable by then its heartbeats are
 * confirmed, and once it has no member id it sends none at all: either way it never asks again, and reads nothing.
 */
export interface DriftWatch {
  /** A look for the coordinator, a JoinGroup or a SyncGroup is under way, however long it takes, until the call of what is returned. */
  asking(): () => void
  cancel(): void
}

/** How a drift is told. */
export interface DriftOptions {
  readonly clock: Clock
  /** kafkajs hears that it has to ask from its own heartbeats, which lie this far apart. */
  readonly heartbeatIntervalMs: number
  readonly hasAssignment: () => boolean
  /** Called each time that it has been adrift for so long. */
  readonly onAdrift: () => void
}

/** Makes a {@link DriftWatch} with a timer of its own: kafkajs need not give any sign of life. */
export function createDriftWatch({ clock, heartbeatIntervalMs, hasAssignment, onAdrift }: DriftOptions): DriftWatch {
  const limit = Math.ceil((ADRIFT_MS + heartbeatIntervalMs) / STEP_MS)
  let underWay = 0
  let idle = 0 // steps, not time: a process that was blocked has not been idle
  const timer: Timer = clock.every(STEP_MS, () => {
    if (underWay > 0 || hasAssignment()) idle = 0
    else if (++idle > limit) {
      idle = 0
      onAdrift()
    }
  })
  return {
    asking() {
      let answered = false
      underWay++
      idle = 0
      return () => {
        if (answered) return
        answered = true
        underWay--
        idle = 0
      }
    },
    cancel: () => timer.cancel(),
  }
}

/** Beyond a heartbeat: kafkajs' own waits between two attempts to join are 2 s at most (`RETRY`), and a leader looks up its topics. */
const ADRIFT_MS = 10_000
const STEP_MS = 1_000
