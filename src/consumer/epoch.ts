import type { TopicPartition } from '../record/index.ts'
import { formatPartition } from '../record/index.ts'
import type { OffsetTracker } from './offset-tracker.ts'
import { createOffsetTracker } from './offset-tracker.ts'

/**
 * One assignment of one partition to this process. All that is done for a record (park, complete, commit) goes through the epoch
 * it was read in, and a dead epoch refuses: the partition may be somebody else's by then.
 */
export interface Epoch extends TopicPartition {
  /** As the driver counts assignments. */
  readonly number: number
  /** `orders[3]`: names it in maps and to people. */
  readonly name: string
  /** Null until the start position is known. */
  readonly tracker: OffsetTracker | null
  /** The last offset that the broker acknowledged; null when the group has none. */
  committed: bigint | null
  /** Nothing further begins: it drains, or is dead. */
  readonly stopped: boolean
  /** The partition is gone, or must be taken as gone. For ever. */
  readonly dead: boolean
  /** Aborts when nothing further begins, so that waits end. */
  readonly stopSignal: AbortSignal
  /** Aborts when the time to drain is used up, or the partition is gone: what handlers are given. */
  readonly signal: AbortSignal
  /** Why its records wait; null when they do not. */
  readonly pause: EpochPause | null
  /** Sets where it starts. Once. */
  begin(start: bigint): void
  setPause(pause: EpochPause | null): void
  stop(): void
  abort(reason: Error): void
  /** Makes it refuse everything, and aborts what still runs. */
  end(reason: Error): void
}

/** Why the records of a partition wait. */
export interface EpochPause {
  /** A sentence, for health. */
  readonly reason: string
  /** Does it need somebody's attention? A wait between two attempts does not. */
  readonly unhealthy: boolean
}

/** Makes an {@link Epoch} without a start position. */
export function createEpoch({ topic, partition }: TopicPartition, number: number, committed: bigint | null): Epoch {
  const stopping = new AbortController()
  const aborting = new AbortController()
  let tracker: OffsetTracker | null = null
  let stopped = false
  let dead = false
  let pause: EpochPause | null = null

  const epoch: Epoch = {
    topic,
    partition,
    number,
    name: formatPartition({ topic, partition }),
    committed,
    stopSignal: stopping.signal,
    signal: aborting.signal,
    get tracker() {
      return tracker
    },
    get stopped() {
      return stopped
    },
    get dead() {
      return dead
    },
    get pause() {
      return pause
    },
    begin: (start) => void (tracker ??= createOffsetTracker(start)),
    setPause: (next) => void (pause = next),
    stop() {
      if (stopped) return
      stopped = true // before the signal: its listeners run at once, and look here
      stopping.abort(new Error('nothing further begins'))
    },
    abort(reason) {
      epoch.stop()
      if (!aborting.signal.aborted) aborting.abort(reason)
    },
    end(reason) {
      dead = true
      epoch.abort(reason)
    },
  }
  return epoch
}
