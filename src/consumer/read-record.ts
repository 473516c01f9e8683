import { isDeadLetterTopic } from '../dlq/index.ts'
import type { Failure } from '../dlq/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import { retry } from '../retry/index.ts'
import { decodeMessage } from '../topic/index.ts'
import type { Message } from './message.ts'
import { ReadMessage } from './read-message.ts'
import type { Delivery } from './delivery.ts'
import type { Pipeline } from './pipeline.ts'
import type { Unfinished } from './record-outcome.ts'
import { unfinished } from './record-outcome.ts'

/** What the bytes of a record turned out to be. */
export type Reading =
  | { readonly kind: 'message'; readonly message: Message<unknown> }
  | { readonly kind: 'tombstone' }
  | { readonly kind: 'malformed'; readonly failure: Failure }

/**
 * Decodes a record and holds it against its schema. What does not fit never will, so nothing is tried again, with one exception: an
 * asynchronous validator that rejected may have met an outage of its own.
 */
export function readRecord(
  delivery: Delivery,
  pipeline: Pipeline,
): Reading | Unfinished | Promise<Reading | Unfinished> {
  const { record } = delivery
  const { topic } = pipeline.subscription
  if (isDeadLetterTopic(topic)) return messageOf(delivery, topic.readRecord(record))
  if (record.value === null) return TOMBSTONE
  const unread = (error: unknown): Reading | Promise<Reading | Unfinished> =>
    HoldfastError.is(error) && error.retriable ? readAgain(delivery, pipeline) : malformed(error, pipeline)
  try {
    const value = decodeMessage(topic, record)
    return value instanceof Promise
      ? value.then((each) => messageOf(delivery, each), unread)
      : messageOf(delivery, value)
  } catch (error) {
    return unread(error)
  }
}

const TOMBSTONE: Reading = { kind: 'tombstone' }

function messageOf(delivery: Delivery, value: unknown): Reading {
  return { kind: 'message', message: new ReadMessage(delivery, value) }
}

async function readAgain(delivery: Delivery, pipeline: Pipeline): Promise<Reading | Unfinished> {
  const { record } = delivery
  const { subscription, epoch, runtime } = pipeline
  const result = await retry(async () => decodeMessage(subscription.topic, record), {
    policy: subscription.retry,
    signal: epoch.stopSignal,
    runtime,
    rule: ({ thrown }) => (HoldfastError.is(thrown) && thrown.retriable ? { kind: 'retry' } : { kind: 'give-up' }),
  })
  if (result.kind === 'stopped') return unfinished('stopping')
  return result.kind === 'succeeded' ? messageOf(delivery, result.value) : malformed(result.thrown, pipeline)
}

function malformed(thrown: unknown, { runtime }: Pipeline): Reading {
  const now = runtime.clock.now()
  const reason = HoldfastError.is(thrown, 'HOLDFAST_SCHEMA_INVALID') ? 'schema-invalid' : 'decode-failed'
  // Only our own errors are known to name places and no values; what anything else has to say may quote the record.
  const error = HoldfastError.is(thrown)
    ? describeError(thrown)
    : { name: describeError(thrown).name, message: 'decoding failed' }
  return { kind: 'malformed', failure: { reason, attempts: 0, firstFailedAt: now, lastFailedAt: now, error } }
}
