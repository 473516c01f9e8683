import { longestWaitsMs } from '../retry/index.ts'
import type { DeliveryLevel, Ordering } from './subscription-options.ts'
import type { ConsumerSettings } from './consumer-settings.ts'
import { consumerBounds, topicBounds, ttlOf } from './plan-bounds.ts'
import type { Subscription } from './subscription.ts'

/** What a consumer will do, and whether the bounds hold that its promises rest on. All of it goes into JSON as it is. */
export interface ReliabilityPlan {
  readonly groupId: string
  /** Messages in handlers at a time, of all topics together. */
  readonly concurrency: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly maxLagMs: number
  readonly replayWindowMs: number
  /** Those of the consumer as a whole; each topic has its own beside it. */
  readonly bounds: readonly PlanBound[]
  /** In the order in which they were added. */
  readonly topics: readonly TopicPlan[]
}

/** How the messages of one topic are handled. */
export interface TopicPlan {
  readonly topic: string
  readonly handles: 'messages' | 'batches'
  /** When the offset of a message moves. */
  readonly delivery: DeliveryLevel
  /** Of batches: how many messages at most; else 1. */
  readonly maxBatchSize: number
  /** What waits for what. Batches are one at a time of each partition, in the order of their offsets. */
  readonly ordering: Ordering | 'batches of a partition'
  /** Messages (batches) of this topic in handlers at a time. */
  readonly concurrency: number
  readonly handlerTimeoutMs: number
  readonly retry: {
    /** Calls in total, the first included. */
    readonly maxAttempts: number
    /** All waits between them together, each as long as its jitter may make it. */
    readonly longestWaitsMs: number
    /**
     * From the first call to the end of the last: the waits, and `handlerTimeoutMs` for each call; with batches for the batch's own call as well. What
     * has no bound is not in it: outages, waits that a handler asks for itself, and calls that do not end after their time.
     */
    readonly longestMs: number
  }
  /** What becomes of a message whose attempts are used up. */
  readonly exhausted: ExhaustedPlan
  /** How a message that comes again is recognised. */
  readonly duplicates: DuplicatesPlan
  readonly bounds: readonly PlanBound[]
}

/** What becomes of a message whose attempts are used up: see {@link TopicPlan.exhausted}. */
export type ExhaustedPlan =
  | { readonly kind: 'parked'; readonly deadLetterTopic: string }
  /** Its partition waits for an operator. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'skipped' }

/** How a message that comes again is recognised: see {@link TopicPlan.duplicates}. */
export type DuplicatesPlan =
  /** Not at all: it is handled again. */
  | { readonly kind: 'none' }
  /** At most once: none comes. */
  | { readonly kind: 'never' }
  | {
      /** By a mark beside the effect: a crash between the two repeats the effect. */
      readonly kind: 'store'
      readonly scope: string
      /** How long a crash may keep the message waiting. */
      readonly leaseMs: number
      readonly remembersMs: number | 'for ever' | 'unknown'
    }
  | {
      /** By a mark in the handler's own transaction. */
      readonly kind: 'inbox'
      readonly remembersMs: number | 'for ever' | 'unknown'
    }

/** Something that must hold, or a promise does not. */
export interface PlanBound {
  /** What it asks, in a few words. */
  readonly name: string
  /** The option that it is about, as errors name it. */
  readonly path: string
  /** `unknown`: a store or an inbox does not tell what it takes to know. */
  readonly holds: boolean | 'unknown'
  /** The numbers, such as `leaseMs 330,000 > handlerTimeoutMs 300,000`. */
  readonly arithmetic: string
  /** What breaks without it, in a sentence. */
  readonly why: string
}

/** Makes a {@link ReliabilityPlan}. Pure. */
export function reliabilityPlan(settings: ConsumerSettings, subscriptions: readonly Subscription[]): ReliabilityPlan {
  const { groupId, concurrency, sessionTimeoutMs, rebalanceTimeoutMs, drainTimeoutMs, maxLagMs, replayWindowMs } =
    settings
  return {
    groupId,
    concurrency,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    drainTimeoutMs,
    maxLagMs,
    replayWindowMs,
    bounds: consumerBounds(settings, subscriptions),
    topics: subscriptions.map((subscription) => topicPlan(settings, subscription)),
  }
}

function topicPlan(settings: ConsumerSettings, subscription: Subscription): TopicPlan {
  const { topic, batch, delivery, ordering, bound, handlerTimeoutMs } = subscription
  const retry = retryOf(subscription)
  return {
    topic: topic.name,
    handles: batch === null ? 'messages' : 'batches',
    delivery,
    maxBatchSize: batch?.maxSize ?? 1,
    ordering: batch === null ? ordering : 'batches of a partition',
    concurrency: Math.min(bound?.limit ?? Infinity, settings.concurrency),
    handlerTimeoutMs,
    retry,
    exhausted: exhaustedOf(subscription),
    duplicates: duplicatesOf(subscription),
    bounds: topicBounds(settings, subscription, retry.longestMs),
  }
}

function retryOf({ retry, batch, delivery, handlerTimeoutMs }: Subscription): TopicPlan['retry'] {
  const waitsMs = longestWaitsMs(retry)
  const calls = retry.maxAttempts + (batch === null || delivery === 'at-most-once' ? 0 : 1) // a call of several messages that throws is no attempt of any of them
  return { maxAttempts: retry.maxAttempts, longestWaitsMs: waitsMs, longestMs: waitsMs + calls * handlerTimeoutMs }
}

function exhaustedOf({ deadLetterTopic, onExhausted }: Subscription): ExhaustedPlan {
  if (deadLetterTopic !== null) return { kind: 'parked', deadLetterTopic }
  return { kind: onExhausted === 'skip' ? 'skipped' : 'paused' }
}

function duplicatesOf({ delivery, dedupe, inbox }: Subscription): DuplicatesPlan {
  if (delivery === 'at-most-once') return { kind: 'never' }
  if (inbox !== null) return { kind: 'inbox', remembersMs: remembered(inbox) }
  if (dedupe === null) return { kind: 'none' }
  const { store, scope, leaseMs } = dedupe
  return { kind: 'store', scope, leaseMs, remembersMs: remembered(store) }
}

function remembered(memory: unknown): number | 'for ever' | 'unknown' {
  const ttlMs = ttlOf(memory)
  if (Number.isNaN(ttlMs)) return 'unknown'
  return ttlMs === Infinity ? 'for ever' : ttlMs
}
