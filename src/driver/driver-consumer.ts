import type { HoldfastError } from '../errors/index.ts'
import type { InboundRecord, Position, TopicPartition } from '../record/index.ts'
import type { DriverSurroundings } from './driver.ts'

/** How a driver's consumer is made. */
export interface DriverConsumerOptions extends DriverSurroundings {
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** The longest that the broker waits for data before it answers a fetch with nothing. */
  readonly maxWaitMs: number
  /** The most that one fetch brings of one partition. */
  readonly maxBytesPerPartition: number
}

/** One partition of a new assignment, with what its group has committed for it. */
export interface AssignedPartition extends TopicPartition {
  /** Grows with every assignment of this process; all of one assignment have the same. */
  readonly epoch: number
  /** Read from the broker after the assignment; null when the group has no commit for it. */
  readonly committed: { readonly offset: bigint; readonly metadata: string } | null
}

/**
 * Records in the order of their offsets. A driver may make each of them when its turn comes, so that what waits takes little more than its
 * bytes. It must not fail then: what cannot be read is found before.
 */
export interface InboundRecords extends Iterable<InboundRecord> {
  readonly length: number
  /** What their keys, values and headers take, in bytes, where the driver knows it without looking; else it is counted. */
  readonly byteLength?: number
}

/** Records of one partition, in offset order, all of one assignment. */
export interface InboundBatch extends TopicPartition {
  readonly epoch: number
  /** Empty when a filter removed all that was read: transaction markers, aborted records, compaction. */
  readonly records: InboundRecords
  /** The offset after the last one this batch covers, records that a filter removed included. */
  readonly nextOffset: bigint
  /** The end of the partition when the batch was read: the offset that the next record will get. */
  readonly highWatermark: bigint
}

/** An offset to commit: the next one to read, never the last one handled. */
export interface CommitOffset extends Position {
  /** The epoch under which the work was done. */
  readonly epoch: number
  readonly metadata?: string
}

/**
 * What the core hears from a driver's consumer. None of them throws; a driver whose callback rejects all the same ends the
 * consumer with `onCrash`, so that nothing is lost silently.
 */
export interface ConsumerCallbacks {
  /**
   * Partitions came, perhaps none. What stays through a cooperative rebalance is not among them and keeps its epoch. Resolves with the offset at which each shall start, or leaves one out to have it paused until
   * {@link DriverConsumer.seek}. Nothing of the epoch is delivered before it resolves, and its first batch begins there.
   */
  onAssigned(partitions: readonly AssignedPartition[]): Promise<readonly Position[]>
  /**
   * Partitions go. With `revoke: 'before'` they are still owned, and the group waits (within the rebalance timeout) until
   * this resolves; with `'after'` they are gone already and commits for them are refused. One call for each epoch among them.
   */
  onRevoked(partitions: readonly TopicPartition[], epoch: number): Promise<void>
  /** The membership was lost: the partitions may be somebody else's already. Nothing may be committed for them. One call for each epoch. */
  onLost(partitions: readonly TopicPartition[], epoch: number): void
  /** Takes records over; returns at once. The core bounds what it holds by {@link DriverConsumer.pause}. */
  onBatch(batch: InboundBatch): void
  /** The committed or wanted offset is not on the log; the partition is paused and the commit unchanged. */
  onOutOfRange(
    partition: Position & { readonly epoch: number; readonly earliest: bigint; readonly latest: bigint },
  ): void
  /**
   * It ended by itself, for one because a topic of it was deleted (the cause is `HOLDFAST_TOPIC_UNKNOWN` then): membership and assignment lost, `onLost` called before or not; the core
   * may {@link DriverConsumer.start} it again.
   */
  onCrash(error: HoldfastError): void
}

/** A member of a consumer group. Heartbeats go on by themselves while it is started, whatever the core does. */
export interface DriverConsumer {
  /**
   * Joins the group. Resolves when it is under way (the first assignment comes by `onAssigned`). May be called again after
   * `onCrash`.
   *
   * @throws HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE; HOLDFAST_REFUSED while it is started,
   * HOLDFAST_CLOSED after {@link stop}
   */
  start(topics: readonly string[], callbacks: ConsumerCallbacks): Promise<void>
  /**
   * Commits, and resolves when the broker has acknowledged.
   *
   * @throws HOLDFAST_EPOCH_LOST when one of the offsets belongs to an old epoch (refused locally, nothing is sent) or the
   * broker knows this member no more; HOLDFAST_UNAVAILABLE, HOLDFAST_INDETERMINATE when the answer is missing: committing
   * again is safe within the same epoch; HOLDFAST_REFUSED when metadata is longer than the broker takes (4,096 UTF-16 units by
   * default): the other partitions of the call are stored.
   */
  commit(offsets: readonly CommitOffset[]): Promise<void>
  /** Delivers nothing of these until {@link resume}; keeps the membership. What was already fetched may be fetched again. */
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Goes on at an offset: no later batch of this epoch has records below it or skips one above. Never commits. */
  seek(position: Position): void
  /** When the group last confirmed the membership, on the monotonic clock; null before the first time. */
  lastHeartbeatAt(): number | null
  /** Leaves the group and closes. Commits nothing: the core has. Safe to call twice. */
  stop(): Promise<void>
}
