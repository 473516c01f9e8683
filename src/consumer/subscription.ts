import { z } from 'zod'
import { MAX_TIMER_MS } from '../clock/index.ts'
import { deadLetterTopicName, topicNameProblems } from '../topic/index.ts'
import type { Topic } from '../topic/index.ts'
import { isDeadLetterTopic } from '../dlq/index.ts'
import type { Problem } from '../errors/index.ts'
import type { DedupeStore, Inbox } from '../idempotency/index.ts'
import type { RetryPolicy } from '../retry/index.ts'
import { DEFAULT_RETRY_POLICY, retrySchema } from '../retry/index.ts'
import type { BatchHandler } from './batch.ts'
import type {
  BatchSubscriptionOptions,
  DedupeOptions,
  DeliveryLevel,
  ErrorRule,
  Ordering,
  SubscriptionOptions,
} from './subscription-options.ts'
import { atMostOnceProblems } from './delivery-level.ts'
import { problemsOf, wellFormed } from './consumer-settings.ts'
import type { Bound } from './dispatcher.ts'
import { createBound } from './dispatcher.ts'
import type { Handler, TombstoneHandler } from './message.ts'

/** One topic and how it is handled: {@link SubscriptionOptions} with nothing left open. */
export interface Subscription {
  readonly topic: Topic
  readonly handler: Handler<unknown, unknown>
  readonly onTombstone: TombstoneHandler<unknown> | null
  /** Null where messages are handled one at a time. */
  readonly batch: {
    readonly handler: BatchHandler<unknown, unknown>
    readonly maxSize: number
    readonly maxWaitMs: number
  } | null
  readonly delivery: DeliveryLevel
  readonly ordering: Ordering
  readonly bound: Bound | null
  readonly handlerTimeoutMs: number
  readonly ack: 'auto' | 'manual'
  readonly retry: RetryPolicy
  readonly rules: readonly ErrorRule[]
  readonly deadLetterTopic: string | null
  /** What becomes of an exhausted message when there is no dead letter topic. */
  readonly onExhausted: 'pause' | 'skip'
  readonly dedupe: {
    readonly store: DedupeStore
    readonly leaseMs: number
    readonly timeoutMs: number
    readonly onStoreDown: 'pause' | 'handle'
    readonly scope: string
  } | null
  /** In place of a dedupe store. */
  readonly inbox: Inbox<unknown> | null
  /** Is the topic one that only Holdfast writes, so that its headers may be believed? */
  readonly trusted: boolean
}

/** A {@link Subscription}, and everything that is wrong with it. */
export interface CheckedSubscription {
  readonly subscription: Subscription
  readonly problems: readonly Problem[]
}

/** Checks one `onBatch` call. */
export function createBatchSubscription<Input, Output, Tx>(
  topic: Topic<Input, Output>,
  handler: BatchHandler<Output, Tx>,
  options: BatchSubscriptionOptions<Tx> = {},
): CheckedSubscription {
  const { maxBatchSize, maxBatchWaitMs, ...rest } = options
  const checked = batchSchema.safeParse({ maxBatchSize, maxBatchWaitMs })
  const foreign = ['ordering', 'ack', 'onTombstone'].filter((name) => name in rest)
  const single = createSubscription(topic, handler as unknown as Handler<Output, Tx>, rest)
  const batch = {
    handler: handler as BatchHandler<unknown, unknown>,
    maxSize: maxBatchSize ?? 100,
    maxWaitMs: maxBatchWaitMs ?? 0,
  }
  return {
    subscription: { ...single.subscription, batch, ordering: 'none' },
    problems: [
      ...single.problems,
      ...(checked.success ? [] : problemsOf(checked.error, topic.name)),
      ...foreign.map((name) => ({ path: `${topic.name}.${name}`, message: 'has no meaning for batches' })),
    ],
  }
}

/** Checks one `on` call. Every problem comes back, so that `start` can report those of all topics at once. */
export function createSubscription<Input, Output, Tx>(
  topic: Topic<Input, Output>,
  handler: Handler<Output, Tx>,
  options: SubscriptionOptions<Tx> = {},
): CheckedSubscription {
  const where = topic.name
  const ours = isDeadLetterTopic(topic)
  const atMostOnce = options.delivery === 'at-most-once'
  const deadLetter = options.deadLetter ?? (ours || atMostOnce ? false : { topic: deadLetterTopicName(topic.name) })
  const checked = schema.safeParse(options)
  const problems = [
    ...topicNameProblems(topic.name).map((message) => ({ path: where, message })),
    ...(checked.success ? [] : problemsOf(checked.error, where)),
  ]
  if (typeof handler !== 'function') problems.push({ path: where, message: 'needs a handler' })
  if (atMostOnce) problems.push(...atMostOnceProblems(options, where))
  if (deadLetter === false && options.onExhausted === undefined && !ours && !atMostOnce) {
    problems.push({
      path: `${where}.onExhausted`,
      message:
        'must be "pause" or "skip" when deadLetter is false: what becomes of a message that has failed for good?',
    })
  }
  if (deadLetter !== false) {
    if (options.onExhausted !== undefined) {
      problems.push({
        path: `${where}.onExhausted`,
        message: 'has no meaning beside a dead letter topic: set deadLetter to false',
      })
    }
    const names = topicNameProblems(deadLetter.topic)
    problems.push(...names.map((message) => ({ path: `${where}.deadLetter.topic`, message })))
  }
  const { dedupe } = options
  if (dedupe?.timeoutMs !== undefined && dedupe.timeoutMs > (dedupe.leaseMs ?? Infinity))
    problems.push({
      path: `${where}.dedupe.timeoutMs`,
      message: 'must be no more than leaseMs: the lease would end before',
    })
  if (options.inbox !== undefined) {
    if (dedupe !== undefined)
      problems.push({ path: `${where}.inbox`, message: 'has no meaning beside dedupe: it does the same, and more' })
    if (options.ack === 'manual')
      problems.push({
        path: `${where}.ack`,
        message: "cannot be manual with an inbox: the handler's end is the end of its transaction",
      })
  }
  const handlerTimeoutMs = numberOrNaN(options.handlerTimeoutMs ?? HANDLER_TIMEOUT_MS)
  const subscription: Subscription = {
    // The value that reaches a handler came out of its own topic's schema: the types met here, and are not needed further in.
    topic: topic as Topic<unknown, unknown> as Topic,
    handler: handler as Handler<unknown, unknown>,
    onTombstone: (options.onTombstone as TombstoneHandler<unknown> | undefined) ?? null,
    batch: null,
    delivery: options.delivery ?? 'at-least-once',
    ordering: options.ordering ?? (topic.key === 'none' ? 'none' : 'key'),
    bound: options.concurrency === undefined ? null : createBound(numberOrNaN(options.concurrency)),
    handlerTimeoutMs,
    ack: options.ack ?? 'auto',
    retry: retryPolicyOf(checked.data?.retry, atMostOnce),
    rules: options.errors ?? [],
    deadLetterTopic: deadLetter === false ? null : deadLetter.topic,
    onExhausted: options.onExhausted ?? (atMostOnce ? 'skip' : 'pause'),
    dedupe: dedupe === undefined ? null : settled(dedupe, topic.name, handlerTimeoutMs),
    inbox: options.inbox ?? null,
    trusted: ours,
  }
  return { subscription, problems }
}

function retryPolicyOf(given: RetryPolicy | undefined, once: boolean): RetryPolicy {
  const policy = given ?? DEFAULT_RETRY_POLICY
  return once ? { ...policy, maxAttempts: 1 } : policy
}

function settled(given: DedupeOptions, scope: string, handlerTimeoutMs: number): NonNullable<Subscription['dedupe']> {
  const { leaseMs = leaseFor(handlerTimeoutMs) } = given
  return { leaseMs, timeoutMs: Math.min(STORE_TIMEOUT_MS, leaseMs), onStoreDown: 'pause', scope, ...given }
}

/** As long as Redis and PostgreSQL take to fail over, or less: longer, and a partition would stand still for one lost answer. */
const STORE_TIMEOUT_MS = 10_000

const aFunction = z.custom<unknown>((value) => typeof value === 'function', { message: 'must be a function' })
const storeMethods = ['begin', 'complete', 'abandon', 'renew']
const inboxMethods = ['handle', 'begin', 'complete', 'abandon', 'check']
const objectWith = (names: readonly string[], what: string): z.ZodType =>
  z.custom<unknown>(
    (given) =>
      typeof given === 'object' &&
      given !== null &&
      names.every((name) => typeof Reflect.get(given, name) === 'function'),
    { message: `must be ${what}` },
  )

/** The schema tells of what is no number; bounds are reckoned beside it, and must not stumble over a bigint. */
function numberOrNaN(given: unknown): number {
  return typeof given === 'number' ? given : Number.NaN
}

/** A lease that the longest call does not outlive, with time to mark what it did. */
function leaseFor(handlerTimeoutMs: number): number {
  return Math.min(handlerTimeoutMs + LEASE_BEYOND_HANDLER_MS, MAX_TIMER_MS)
}

const LEASE_BEYOND_HANDLER_MS = 30_000

/** Java's `max.poll.interval.ms`: after this its consumer is taken for stuck. */
const HANDLER_TIMEOUT_MS = 300_000

const batchSchema = z.strictObject({
  maxBatchSize: z.int().min(1).max(10_000).optional(),
  maxBatchWaitMs: z.int().min(0).max(60_000).optional(),
})

const schema = z.strictObject({
  delivery: z
    .enum(['at-least-once', 'at-most-once'], {
      error: ({ input }) =>
        input === 'exactly-once'
          ? 'exactly-once, from topic to topic in a transaction, is not there yet: take at-least-once with an inbox, whose effects happen once in your database'
          : 'must be "at-least-once" or "at-most-once"',
    })
    .optional(),
  ordering: z.enum(['key', 'partition', 'none']).optional(),
  concurrency: z.int().min(1).max(10_000).optional(),
  handlerTimeoutMs: z.int().min(1).max(MAX_TIMER_MS).optional(),
  ack: z.enum(['auto', 'manual']).optional(),
  retry: retrySchema.optional(),
  errors: z
    .array(
      z.strictObject({
        when: z.union([aFunction, z.strictObject({ code: z.string().min(1) })], {
          error: 'must be a class of errors, { code }, or a function that decides',
        }),
        verdict: z.enum(['retry', 'park', 'pause', 'skip', 'stop']),
      }),
    )
    .optional(),
  deadLetter: z
    .union([z.literal(false), z.strictObject({ topic: z.string() })], { error: 'must be false or { topic }' })
    .optional(),
  onExhausted: z.enum(['pause', 'skip']).optional(),
  dedupe: z
    .strictObject({
      store: objectWith(storeMethods, 'a DedupeStore'),
      leaseMs: z.int().min(1_000).max(MAX_TIMER_MS).optional(),
      timeoutMs: z.int().min(1).max(MAX_TIMER_MS).optional(),
      onStoreDown: z.enum(['pause', 'handle']).optional(),
      scope: wellFormed(z.string().min(1).max(249)).optional(),
    })
    .optional(),
  inbox: objectWith(inboxMethods, 'an Inbox').optional(),
  onTombstone: aFunction.optional(),
})
