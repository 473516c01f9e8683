import type { Position, TopicPartition } from '../record/index.ts'
import type { Topic } from '../topic/index.ts'
import type { BatchHandler } from './batch.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { Handler } from './message.ts'
import type { ReliabilityPlan } from './reliability-plan.ts'
import type { BatchSubscriptionOptions, SubscriptionOptions } from './subscription-options.ts'

/** Is it fit to serve, and if not, why not. */
export interface ConsumerHealth {
  readonly status: 'healthy' | 'unhealthy'
  /**
   * One sentence each; empty when healthy. A call of a handler or validator that has not ended after 5 minutes (Java's
   * `max.poll.interval.ms`), or two leases if that is longer, is one: nothing is interrupted.
   */
  readonly reasons: readonly string[]
  readonly state: 'new' | 'starting' | 'running' | 'restarting' | 'closing' | 'closed' | 'failed'
  /** How often a message has gone on without its dedupe store since this consumer was made: `onStoreDown: 'handle'`. */
  readonly unguarded: number
  readonly partitions: ReadonlyArray<
    TopicPartition & {
      /** The offset below which every record has its outcome; null before the first. */
      readonly watermark: bigint | null
      /** Records held and in handling. */
      readonly buffered: number
      /** Of these, how many are being processed. */
      readonly underWay: number
      /** How long the record at the watermark has been here without its outcome, in milliseconds; 0 when there is none. */
      readonly headAgeMs: number
      /** Why it waits; null when it does not. */
      readonly pausedFor: string | null
    }
  >
}

/** Where to go on: at an offset, or at the first record of a time or later. */
export type SeekTarget = Position | { readonly topic: string; readonly partition?: number; readonly timestamp: Date }

/** A member of a consumer group that cannot lose a record. */
export interface Consumer {
  /**
   * Adds a topic and its handler. Before `start` only. What does not fit is told by `start`, for all topics at once.
   *
   * @throws HOLDFAST_CONFIG_INVALID after `start`.
   */
  on<Input, Output, Tx = undefined>(
    topic: Topic<Input, Output>,
    handler: Handler<Output, Tx>,
    options?: SubscriptionOptions<Tx>,
  ): Consumer
  /**
   * Adds a topic whose messages are handled many at a time. Every record still has an outcome of its own: the handler may fail single
   * messages, and when it throws all of them are tried again one by one, so that one bad message parks alone. A partition has one batch
   * at a time, in one place of `concurrency`. Duplicates, what cannot be decoded, and tombstones (skipped and counted) are in no batch.
   *
   * @throws HOLDFAST_CONFIG_INVALID after `start`.
   */
  onBatch<Input, Output, Tx = undefined>(
    topic: Topic<Input, Output>,
    handler: BatchHandler<Output, Tx>,
    options?: BatchSubscriptionOptions<Tx>,
  ): Consumer
  /**
   * Joins the group. Resolves at the first assignment. May be called again when it has failed.
   *
   * @throws HOLDFAST_CONFIG_INVALID, HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_DEAD_LETTER_TOPIC_UNFIT, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE
   */
  start(): Promise<void>
  /**
   * Handles no further message of these until {@link resume}; what is in a handler goes on, its further attempts too. All topics when
   * none is named. Before `start` as well.
   *
   * @throws HOLDFAST_CONFIG_INVALID when one is no topic of this consumer.
   */
  pause(topics?: readonly string[]): void
  /** Goes on; also with a message that has failed for good and waits for an operator (`onExhausted: 'pause'`). */
  resume(topics?: readonly string[]): void
  /**
   * Goes on elsewhere: at an offset of one partition, or in all owned partitions of a topic (or one of them) at the first record of a
   * time or later; at the end where there is none. What is in handlers is drained first, as in a rebalance, and what is held and has not
   * begun is dropped; the new position is committed before anything of it is dispatched, so that a crash does not undo it. Resolves with
   * where each partition goes on, once that is committed. Of several calls each is worked off after the other, and the last one stands.
   *
   * A dedupe store knows what it knows: messages that it has as handled are recognised as duplicates. Safe inside a handler without
   * awaiting it: one that awaits it waits for itself, until `drainTimeoutMs` is over. Inside `onAssigned` it may be awaited.
   *
   * @throws HOLDFAST_CONFIG_INVALID when the target is none, or of no topic of this consumer; HOLDFAST_EPOCH_LOST when the partition is
   * not, or no longer, owned by this member, before `start` as well; HOLDFAST_UNAVAILABLE when the cluster does not answer: nothing has
   * changed then. HOLDFAST_CLOSED after `close`.
   */
  seek(to: SeekTarget): Promise<readonly Position[]>
  health(): ConsumerHealth
  /**
   * What it will do, topic by topic, and whether the bounds hold that its promises rest on, each with its arithmetic. Pure: it connects to nothing,
   * before `start` as well as after it. A bound that does not hold is no error here; `start` refuses it.
   *
   * @throws HOLDFAST_CONFIG_INVALID when options do not fit, listing every problem: there is nothing to plan with.
   */
  plan(): ReliabilityPlan
  /** Listens. The function it returns ends that. A listener that throws is logged and changes nothing. */
  listen<Name extends keyof ConsumerEvents>(name: Name, listener: (event: ConsumerEvents[Name]) => void): () => void
  /**
   * Stops fetching, drains, commits, leaves the group. Safe to call twice, and inside a handler without awaiting it: one that awaits
   * it waits for itself, until `drainTimeoutMs` is over and the close goes on without it.
   */
  close(): Promise<void>
  /** Resolves when it has closed; rejects with HOLDFAST_STOPPED_BY_RULE when an error rule has ended it. Never anything else. */
  readonly closed: Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
