import { isDeadLetterTopic } from '../dlq/index.ts'
import type { Failure } from '../dlq/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import { decodeMessage } from '../topic/index.ts'
import type { Message } from './message.ts'
import { insist } from './partition-pause.ts'
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
 * asynchronous validator that rejects has said nothing of the record. What it asks may be out, and with it every record that comes: the
 * partition is paused until it answers, or the outage would fill the dead letter topic.
 */
export function readRecord(
  delivery: Delivery,
  pipeline: Pipeline,
): Reading | Unfinished | Promise<Reading | Unfinished> {
  const { record } = delivery
  const { topic } = pipeline.subscription
  if (isDeadLetterTopic(topic)) return messageOf(delivery, topic.readRecord(record))
  if (record.value === null) return TOMBSTONE
  try {
    const value = decodeMessage(topic, record)
    return value instanceof Promise ? readLater(value, delivery, pipeline) : messageOf(delivery, value)
  } catch (error) {
    return malformed(error, pipeline) // a validator that answers at once says the same of it every time
  }
}

const TOMBSTONE: Reading = { kind: 'tombstone' }

function messageOf(delivery: Delivery, value: unknown): Reading {
  return { kind: 'message', message: new ReadMessage(delivery, value) }
}

async function readLater(
  first: Promise<unknown>,
  delivery: Delivery,
  pipeline: Pipeline,
): Promise<Reading | Unfinished> {
  const { topic } = pipeline.subscription
  let isFirst = true
  const read = (): unknown => {
    delivery.since = pipeline.runtime.clock.monotonic()
    if (!isFirst) return decodeMessage(topic, delivery.record)
    isFirst = false
    return first
  }
  const result = await insist(delivery, pipeline, read, (thrown) => validatorRejects(topic.name, thrown), saysHowItIs)
  if (result.kind === 'stopped') return unfinished('stopping')
  return result.kind === 'succeeded' ? messageOf(delivery, result.value) : malformed(result.thrown, pipeline)
}

function saysHowItIs(thrown: unknown): boolean {
  return !HoldfastError.is(thrown) || !thrown.retriable
}

function validatorRejects(topic: string, thrown: unknown): string {
  const problem = HoldfastError.is(thrown) ? thrown.problems[0]?.message : undefined
  return `the schema of ${topic} says nothing of its records (${problem ?? 'the validator rejects'})`
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
