import type { Driver } from '../driver/index.ts'
import type { HoldfastError } from '../errors/index.ts'
import type { DedupeStore } from '../idempotency/index.ts'
import type { Runtime } from '../clock/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import type { RetryOptions } from '../retry/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import type { Topic } from '../topic/index.ts'
import type { Handler, TombstoneHandler } from './message.ts'

/** How a consumer is made. */
export interface ConsumerOptions {
  readonly driver: Driver
  /** The consumer group: 1 to 249 characters. */
  readonly groupId: string
  /**
   * Where a partition begins for which the group has no commit.
   *
   * @defaultValue `'earliest'`
   */
  readonly startAt?: 'earliest' | 'latest' | Date
  /**
   * How many messages may be in handlers at a time; one of a partition. An integer of 1 to 10,000.
   *
   * @defaultValue `64`
   */
  readonly concurrency?: number
  /**
   * Without a heartbeat for this long the broker gives the partitions to others. 1,000 to 1,800,000 ms (the broker has its own bounds).
   *
   * @defaultValue `30_000`, kafkajs' own
   */
  readonly sessionTimeoutMs?: number
  /**
   * How long a rebalance waits for this member. At least `drainTimeoutMs` and what a commit takes.
   *
   * @defaultValue `60_000`, kafkajs' own
   */
  readonly rebalanceTimeoutMs?: number
  /** @defaultValue `3_000`, kafkajs' own */
  readonly heartbeatIntervalMs?: number
  /**
   * How long a close, or a partition that goes, waits for handlers under way before it aborts their signals.
   *
   * @defaultValue `10_000`
   */
  readonly drainTimeoutMs?: number
  /**
   * How long what is finished may wait to be committed while more comes: what a crash then repeats. An integer of 0 to 60,000 ms.
   * The first record after a quiet time is committed at once, and 5,000 records never wait.
   *
   * @defaultValue `100`
   */
  readonly commitIntervalMs?: number
  /**
   * Records held in memory, in bytes of keys, values and headers. Each partition may hold its share of it (and 10,000 records); one
   * that holds more is fetched again when half is worked off. What one fetch brings can stand above it, once for each partition.
   * An integer of 1 or more.
   *
   * @defaultValue 64 MiB
   */
  readonly maxBufferedBytes?: number
  /** @defaultValue silent */
  readonly logger?: Logger
  /** @defaultValue OpenTelemetry's API: nothing without an SDK */
  readonly telemetry?: Telemetry
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** How one topic is handled. */
export interface SubscriptionOptions {
  /** How often a failed handler is called again, in place. */
  readonly retry?: RetryOptions
  /** What becomes of a failure, by its kind; the first rule that matches decides. Without a match: `'retry'`. */
  readonly errors?: readonly ErrorRule[]
  /**
   * Where exhausted messages are parked. `false` turns parking off and demands `onExhausted`.
   *
   * @defaultValue `<topic>.dlq`
   */
  readonly deadLetter?: false | { readonly topic: string }
  /** What becomes of an exhausted message without a dead letter topic: the partition waits for an operator, or it is skipped and counted. */
  readonly onExhausted?: 'pause' | 'skip'
  /** Recognises duplicates. Without one every redelivery is handled again. */
  readonly dedupe?: DedupeOptions
  /** Handles tombstones. Without it they are skipped and counted. */
  readonly onTombstone?: TombstoneHandler
}

/** How duplicates are recognised. */
export interface DedupeOptions {
  readonly store: DedupeStore
  /**
   * How long a crashed holder keeps others from the message, in milliseconds; renewed while the handler runs. 1,000 or more.
   * A store that has not answered a call for so long counts as out: the partition waits, and asks again.
   *
   * @defaultValue `60_000`
   */
  readonly leaseMs?: number
  /** Tells this handler's marks from those of other handlers of the same group. @defaultValue the topic's name */
  readonly scope?: string
}

/** What becomes of a failure: called again, parked at once, the partition paused until the dependency is back, skipped, or the consumer stopped. */
export type ErrorVerdict = 'retry' | 'park' | 'pause' | 'skip' | 'stop'

/** Which failures a rule is for: a class, an error's `code`, or a predicate. */
export interface ErrorRule {
  readonly when: (abstract new (...args: never[]) => Error) | { readonly code: string } | ((error: unknown) => boolean)
  readonly verdict: ErrorVerdict
}

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
  readonly paused: { readonly partition: TopicPartition; readonly reason: string }
  readonly resumed: { readonly partition: TopicPartition }
  readonly committed: { readonly positions: readonly Position[] }
  readonly 'stale-refused': { readonly position: Position; readonly operation: 'commit' | 'park' | 'complete' }
  readonly crashed: { readonly error: HoldfastError; readonly restartInMs: number }
}

/** Is it fit to serve, and if not, why not. */
export interface ConsumerHealth {
  readonly status: 'healthy' | 'unhealthy'
  /**
   * One sentence each; empty when healthy. A call of a handler or validator that has not ended after 5 minutes (Java's
   * `max.poll.interval.ms`), or two leases if that is longer, is one: nothing is interrupted.
   */
  readonly reasons: readonly string[]
  readonly state: 'new' | 'starting' | 'running' | 'restarting' | 'closing' | 'closed' | 'failed'
  readonly partitions: ReadonlyArray<
    TopicPartition & {
      /** The offset below which every record has its outcome; null before the first. */
      readonly watermark: bigint | null
      /** Records held and in handling. */
      readonly buffered: number
      /** Why it waits; null when it does not. */
      readonly pausedFor: string | null
    }
  >
}

/** A member of a consumer group that cannot lose a record. */
export interface Consumer {
  /**
   * Adds a topic and its handler. Before `start` only. What does not fit is told by `start`, for all topics at once.
   *
   * @throws HOLDFAST_CONFIG_INVALID after `start`.
   */
  on<Input, Output>(topic: Topic<Input, Output>, handler: Handler<Output>, options?: SubscriptionOptions): Consumer
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
  health(): ConsumerHealth
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
