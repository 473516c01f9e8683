import type { HoldfastError } from '../errors/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'

/** Everything that a consumer tells, by name. */
export interface ConsumerEvents {
  readonly assigned: { readonly partitions: readonly TopicPartition[] }
  readonly revoked: { readonly partitions: readonly TopicPartition[] }
  readonly lost: { readonly partitions: readonly TopicPartition[] }
  readonly handled: { readonly position: Position; readonly messageId: string; readonly attempts: number }
  readonly duplicate: { readonly position: Position; readonly messageId: string }
  readonly retrying: {
    readonly position: Position
    readonly attempt: number
    readonly delayMs: number
    readonly error: unknown
  }
  readonly parked: { readonly position: Position; readonly deadLetterTopic: string; readonly reason: string }
  readonly skipped: { readonly position: Position; readonly reason: string }
  /**
   * At most once: the offset has moved, or may have, and its handler was not called, or was interrupted, before the partition went. It may never come
   * again, and if it was called it will not.
   */
  readonly abandoned: { readonly position: Position }
  /**
   * The dedupe store was out, and by `onStoreDown: 'handle'` a message went on without it. `begin`: it was handled without a look whether it had been
   * handled before. `complete`: it was handled and is not marked, so a redelivery is handled again.
   */
  readonly unguarded: { readonly position: Position; readonly messageId: string; readonly step: 'begin' | 'complete' }
  /**
   * A record of a topic that others write came with so many headers that only Holdfast's own topics may carry (`holdfast-dlq-…`,
   * `holdfast-retry-…`). They were not believed, and its handler does not see them.
   */
  readonly 'forged-headers': { readonly position: Position; readonly count: number }
  readonly paused: { readonly partition: TopicPartition; readonly reason: string }
  readonly resumed: { readonly partition: TopicPartition }
  readonly committed: { readonly positions: readonly Position[] }
  /** A call of a handler did not end in time; it may still be running. */
  readonly 'timed-out': { readonly position: Position; readonly attempt: number; readonly afterMs: number }
  /** A call that had timed out has ended. */
  readonly late: { readonly position: Position; readonly afterMs: number; readonly ended: 'resolved' | 'rejected' }
  /** A position was not on the log any more, and by `onOutOfRange` the partition goes on elsewhere. */
  readonly 'out-of-range': {
    readonly position: Position
    readonly earliest: bigint
    readonly latest: bigint
    readonly continuesAt: bigint
  }
  readonly seeked: { readonly positions: readonly Position[] }
  /**
   * The event loop stood still for a second or longer, or for half of a session that is shorter: no heartbeat was sent and no timer ran
   * meanwhile. Something computes for too long without a pause, or the process was stopped for a while.
   */
  readonly blocked: { readonly forMs: number }
  readonly 'stale-refused': { readonly position: Position; readonly operation: 'commit' | 'park' | 'complete' }
  /** The client ended by itself, or could not be started again. While one of its topics is deleted it cannot, and reads none of the others. */
  readonly crashed: { readonly error: HoldfastError; readonly restartInMs: number }
}
