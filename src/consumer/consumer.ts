import type { Driver } from '../driver/index.ts'
import type { HoldfastError } from '../errors/index.ts'
import type { DedupeStore, Inbox } from '../idempotency/index.ts'
import type { Runtime } from '../clock/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Position, TopicPartition } from '../record/index.ts'
import type { RetryOptions } from '../retry/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import type { Topic } from '../topic/index.ts'
import type { BatchHandler } from './batch.ts'
import type { Handler, TombstoneHandler } from './message.ts'
import type { ReliabilityPlan } from './reliability-plan.ts'

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
   * How many messages may be in handlers at a time, of all topics together. One that waits, for its next attempt or for a dependency,
   * is not among them, nor is a call that has timed out. An integer of 1 to 10,000.
   *
   * @defaultValue `64`
   */
  readonly concurrency?: number
  /**
   * Without a heartbeat for this long the broker gives the partitions to others. An integer of 1,000 to 1,800,000 ms; the broker has
   * bounds of its own (`group.min.session.timeout.ms`, 6,000 unless told otherwise, and `group.max.session.timeout.ms`).
   *
   * @defaultValue `30_000`, kafkajs' own
   */
  readonly sessionTimeoutMs?: number
  /**
   * How long a rebalance waits for this member; what it drains and commits later is refused. An integer of 1,000 to 2,147,483,647 ms, and at
   * least `drainTimeoutMs` + `heartbeatIntervalMs` + 500 for a fetch + 5,000 for the last commit. `onRevoked` gets what is left beyond that;
   * where nothing is left it is refused.
   *
   * @defaultValue `60_000`, kafkajs' own
   */
  readonly rebalanceTimeoutMs?: number
  /**
   * How often the group hears from this member. An integer of 1 ms or more, and less than `sessionTimeoutMs`; a third of that or less lets
   * a heartbeat get lost without harm.
   *
   * @defaultValue `3_000`, kafkajs' own
   */
  readonly heartbeatIntervalMs?: number
  /**
   * How long a close, or a partition that goes, waits for handlers under way before it aborts their signals. An integer of 0 to
   * 2,147,483,647 ms; `rebalanceTimeoutMs` must leave room for it.
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
  /**
   * Records held in memory, shared among the partitions in the same way; one partition holds 10,000 at most. An integer of 1 or more.
   *
   * @defaultValue 20,000, or four times `concurrency` where that is more
   */
  readonly maxBufferedRecords?: number
  /**
   * How far behind the group may fall, in milliseconds: the longest outage or backlog that you mean to get through. It limits nothing; it
   * says how late a duplicate may come, and so how long dedupe stores and inboxes have to remember. An integer of 0 or more.
   *
   * @defaultValue `3_600_000`, an hour
   */
  readonly maxLagMs?: number
  /**
   * How old a record may be that is handled once more because somebody replays it or sets the group back, in milliseconds: counts like
   * {@link maxLagMs}. An integer of 0 or more.
   *
   * @defaultValue `0`: nobody does
   */
  readonly replayWindowMs?: number
  /**
   * What becomes of a partition whose position is not on the log any more: retention was faster than the group, or the log was made
   * anew. `fail`: it waits, its commit stays as it is, and health names the range that is gone, after a restart too, until somebody calls
   * {@link Consumer.seek}. `earliest` and `latest`: it goes on there; the range that is passed over is logged and an event.
   *
   * @defaultValue `'fail'`
   */
  readonly onOutOfRange?: 'fail' | 'earliest' | 'latest'
  /**
   * Called when partitions have come, with where each starts; awaited before any of their records is dispatched: to load the state that
   * belongs to them, or to {@link Consumer.seek} to where that ends. It is called again, with growing waits, until it succeeds; its
   * partitions wait, and health says so.
   */
  readonly onAssigned?: (partitions: readonly Position[], context: RebalanceContext) => Promise<void> | void
  /**
   * Called when partitions go, after their handlers have ended and what is finished is committed, and awaited before the group may
   * give them to others, in a close as well: to store their state. Partitions whose `onAssigned` has not succeeded are not among them:
   * there is nothing to store. It may take what `rebalanceTimeoutMs` has beyond its least, 41,500 ms with the defaults; then its signal
   * aborts, and the partitions go. When it throws, that is logged.
   */
  readonly onRevoked?: (partitions: readonly Position[], context: RebalanceContext) => Promise<void> | void
  /**
   * Called when partitions were lost: they may be somebody else's already, and their state here is to be thrown away. Awaited before a
   * later `onAssigned`; when it throws, that is logged.
   */
  readonly onLost?: (partitions: readonly TopicPartition[]) => Promise<void> | void
  /** @defaultValue silent */
  readonly logger?: Logger
  /** @defaultValue OpenTelemetry's API: nothing without an SDK */
  readonly telemetry?: Telemetry
  /** Time, chance, ids and failpoints: for virtual clocks, simulators and crash tests. @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

/** What a hook of a rebalance is told beside the partitions. */
export interface RebalanceContext {
  /** Aborts when the partitions go on without waiting for the hook any longer. */
  readonly signal: AbortSignal
}

/** How one topic is handled. `Tx` is what its inbox gives to the handler. */
export interface SubscriptionOptions<Tx = undefined> {
  /**
   * When the offset of a message moves.
   *
   * `at-least-once`: after its outcome. A crash has it handled again, and nothing is lost.
   *
   * `at-most-once`: before its handler is called, which waits until the broker has the commit. No message is handled twice, and a crash loses
   * those that were in handlers: `concurrency` at the most, or twice as many just when a broker refuses text with commits. One that fails is skipped and counted (`skipped`), whatever it fails for, so
   * `retry`, `deadLetter`, `onExhausted: 'pause'`, `dedupe`, `inbox`, `ack: 'manual'` and the verdicts `retry`, `park` and `pause` have no meaning beside it. For
   * views, counters and logs, where one too many is worse than one too few.
   *
   * @defaultValue `'at-least-once'`
   */
  readonly delivery?: DeliveryLevel
  /**
   * What waits for what. `key`: messages of one key are handled one after the other in the order of their offsets, those of different
   * keys side by side; all without a key count as one. `partition`: one at a time of each partition. `none`: no order.
   *
   * @defaultValue `'key'`; `'none'` for a topic that is declared with `key: 'none'`
   */
  readonly ordering?: Ordering
  /** A bound for this topic's handlers within the consumer's `concurrency`. An integer of 1 to 10,000. @defaultValue none of its own */
  readonly concurrency?: number
  /**
   * How long one call of the handler may take. After it `context.signal` aborts and the attempt has failed with
   * `HOLDFAST_HANDLER_TIMEOUT`: error rules decide by this code, as about any failure. The next attempt, and the next message of the same
   * key, wait in this process until the call has really ended, for however long; one that ends well after all, before its next attempt,
   * has handled its message. An integer of 1 to 2,147,483,647 ms.
   *
   * @defaultValue `300_000`, Java's `max.poll.interval.ms`
   */
  readonly handlerTimeoutMs?: number
  /**
   * `auto`: a handler that resolves has handled its message. `manual`: it has when it has resolved and `context.ack()` was called, in
   * whatever order; without that call it is a failed attempt when `handlerTimeoutMs` is over.
   *
   * @defaultValue `'auto'`
   */
  readonly ack?: 'auto' | 'manual'
  /** How often a failed handler is called again, in place. */
  readonly retry?: RetryOptions
  /** What becomes of a failure, by its kind; the first rule that matches decides. Without a match: `'retry'`. */
  readonly errors?: readonly ErrorRule[]
  /**
   * Where exhausted messages are parked: a topic that is there at the start, with at least as many partitions as this one. `false` turns
   * parking off and demands `onExhausted`.
   *
   * @defaultValue `<topic>.dlq`
   */
  readonly deadLetter?: false | { readonly topic: string }
  /** What becomes of an exhausted message without a dead letter topic: the partition waits for an operator, or it is skipped and counted. */
  readonly onExhausted?: 'pause' | 'skip'
  /** Recognises duplicates. Without one every redelivery is handled again. */
  readonly dedupe?: DedupeOptions
  /**
   * Recognises duplicates by a mark in the handler's own database transaction, `context.tx`: what is written through it happens once. In
   * place of `dedupe`. A database that does not answer pauses the partition; what it ends for the sake of others is repeated, and is no
   * attempt.
   */
  readonly inbox?: Inbox<Tx>
  /** Handles tombstones. Without it they are skipped and counted. */
  readonly onTombstone?: TombstoneHandler<Tx>
}

/** When the offset of a message moves: see {@link SubscriptionOptions.delivery}. */
export type DeliveryLevel = 'at-least-once' | 'at-most-once'

/** What waits for what: see {@link SubscriptionOptions.ordering}. */
export type Ordering = 'key' | 'partition' | 'none'

/** How one topic is handled in batches: a batch holds messages of one partition, in the order of their offsets. */
export interface BatchSubscriptionOptions<Tx = undefined> extends Omit<
  SubscriptionOptions<Tx>,
  'ordering' | 'ack' | 'onTombstone'
> {
  /** The most messages of one call. An integer of 1 to 10,000. @defaultValue `100` */
  readonly maxBatchSize?: number
  /**
   * How long a batch that is not full waits for more after its first message has come, in milliseconds: 0 takes what is there. One that
   * holds all that `maxBufferedRecords` or `maxBufferedBytes` allow does not wait. An integer of 0 to 60,000.
   *
   * @defaultValue `0`
   */
  readonly maxBatchWaitMs?: number
}

/** How duplicates are recognised. */
export interface DedupeOptions {
  readonly store: DedupeStore
  /**
   * How long a crashed holder keeps others from the message; renewed while the handler runs. An integer of 1,000 to 2,147,483,647 ms, and
   * longer than `handlerTimeoutMs`: a handler that cannot renew it must end before its lease does. After a crash the message waits for the rest
   * of it, so let `handlerTimeoutMs` be what the handler really needs.
   *
   * @defaultValue `handlerTimeoutMs` + 30,000
   */
  readonly leaseMs?: number
  /**
   * How long one call of the store may take, in milliseconds, before the store counts as one that is out. An integer of 1 to 2,147,483,647,
   * and no more than `leaseMs`.
   *
   * @defaultValue `10_000`, or `leaseMs` where that is less
   */
  readonly timeoutMs?: number
  /**
   * What becomes of messages while the store does not answer. `pause`: their partition waits until it does, and no duplicate gets through.
   * `handle`: they are handled without it, so a duplicate among them is handled again, and what is handled is not marked; each is an `unguarded`
   * event, and health counts them.
   *
   * @defaultValue `'pause'`
   */
  readonly onStoreDown?: 'pause' | 'handle'
  /** Tells this handler's marks from those of other handlers of the same group. 1 to 249 characters. @defaultValue the topic's name */
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
