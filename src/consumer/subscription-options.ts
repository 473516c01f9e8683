import type { DedupeStore, Inbox } from '../idempotency/index.ts'
import type { RetryOptions } from '../retry/index.ts'
import type { TombstoneHandler } from './message.ts'

/** How one topic is handled. `Tx` is what its inbox gives to the handler. */
export interface SubscriptionOptions<Tx = undefined> {
  /**
   * When the offset of a message moves.
   *
   * `at-least-once`: after its outcome. A crash has it handled again, and nothing is lost.
   *
   * `at-most-once`: before its handler is called, which waits until the broker has the commit. No message is handled twice, and a crash loses
   * those that were in handlers: `concurrency` at the most. One that fails is skipped and counted (`skipped`), whatever it fails for, so `retry`,
   * `deadLetter`, `onExhausted: 'pause'`, `dedupe`, `inbox`, `ack: 'manual'` and the verdicts `retry`, `park` and `pause` have no meaning beside it.
   * For views, counters and logs, where one too many is worse than one too few.
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
