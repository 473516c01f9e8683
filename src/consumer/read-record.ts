import { isDeadLetterTopic } from '../dlq/index.ts'
import type { Failure } from '../dlq/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { headerText, MESSAGE_HEADERS } from '../record/index.ts'
import { retry } from '../retry/index.ts'
import { decodeMessage } from '../topic/index.ts'
import type { Message } from './message.ts'
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
export async function readRecord({ record, messageId }: Delivery, pipeline: Pipeline): Promise<Reading | Unfinished> {
  const { topic } = pipeline.subscription
  if (isDeadLetterTopic(topic)) return messageOf(record, messageId, topic.readRecord(record))
  if (record.value === null) return TOMBSTONE
  try {
    return messageOf(record, messageId, await decodeMessage(topic, record))
  } catch (error) {
    return HoldfastError.is(error) && error.retriable
      ? readAgain(record, messageId, pipeline)
      : malformed(error, pipeline)
  }
}

const TOMBSTONE: Reading = { kind: 'tombstone' }

function messageOf(record: InboundRecord, id: string, value: unknown): Reading {
  const time = new Date(timeOf(record)) // oxlint-disable-line no-restricted-globals -- the record's own time
  return { kind: 'message', message: { id, source: headerText(record.headers, MESSAGE_HEADERS.source), time, value } }
}

/** What the message says itself: where a topic has LogAppendTime, the record's timestamp is the broker's. */
function timeOf({ headers, timestamp }: InboundRecord): number {
  const said = headerText(headers, MESSAGE_HEADERS.time)
  const time = said !== undefined && /^\d{1,16}$/.test(said) ? Number(said) : Infinity
  return time <= LAST_DATE ? time : Number(timestamp)
}

const LAST_DATE = 8_640_000_000_000_000 // the last moment that a Date can hold, in the year 275760

async function readAgain(record: InboundRecord, messageId: string, pipeline: Pipeline): Promise<Reading | Unfinished> {
  const { subscription, epoch, runtime } = pipeline
  const result = await retry(async () => decodeMessage(subscription.topic, record), {
    policy: subscription.retry,
    signal: epoch.stopSignal,
    runtime,
    rule: ({ thrown }) => (HoldfastError.is(thrown) && thrown.retriable ? { kind: 'retry' } : { kind: 'give-up' }),
  })
  if (result.kind === 'stopped') return unfinished('stopping')
  return result.kind === 'succeeded' ? messageOf(record, messageId, result.value) : malformed(result.thrown, pipeline)
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
