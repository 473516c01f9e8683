import { z } from 'zod'
import type { BatchMessage, Consumer } from '../../src/consumer/index.ts'
import { park, pauseFor } from '../../src/consumer/index.ts'
import { deadLetters, readDeadLetter } from '../../src/dlq/index.ts'
import type { Position } from '../../src/record/index.ts'
import { defineTopic } from '../../src/topic/index.ts'

declare const consumer: Consumer

const orders = defineTopic({
  name: 'orders',
  schema: z.object({
    id: z.string(),
    placedAt: z.string().transform((text) => new Date(text)),
    note: z.string().default(''),
  }),
  key: (order) => order.id,
})
const readOnly = defineTopic({ name: 'audit', schema: z.string() })

// The handler gets the schema's output, not its input.
consumer.on(orders, async ({ id, value }, { attempt, signal, headers }) => {
  value satisfies { id: string; placedAt: Date; note: string }
  id satisfies string
  attempt satisfies number
  signal satisfies AbortSignal
  headers satisfies ReadonlyArray<readonly [string, Uint8Array | null]>
  // @ts-expect-error -- not a field of the schema
  value.total satisfies number
  if (value.note === '') return park('no note')
  return pauseFor(1_000)
})

// A topic without a key can be read, and `on` can be chained.
consumer.on(readOnly, ({ value }) => void (value satisfies string)).on(orders, () => {})

// @ts-expect-error -- a handler of another value
consumer.on(orders, (message: { value: { sku: string } }) => void message)
// @ts-expect-error -- a promise of something that is no outcome
consumer.on(orders, async () => 7)
// @ts-expect-error -- no such verdict
consumer.on(orders, () => {}, { errors: [{ when: Error, verdict: 'explode' }] })
// @ts-expect-error -- no such policy
consumer.on(orders, () => {}, { deadLetter: false, onExhausted: 'drop' })

class Declined extends Error {
  readonly reason: string
  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}
consumer.on(orders, () => {}, {
  errors: [
    { when: Declined, verdict: 'park' },
    { when: { code: 'ECONNREFUSED' }, verdict: 'pause' },
    { when: (error) => error instanceof RangeError, verdict: 'skip' },
  ],
  deadLetter: { topic: 'orders.failed' },
})

// A dead letter monitor needs no cast.
consumer.on(deadLetters(orders), ({ value: letter }, { record }) => {
  if (letter.kind === 'foreign') return
  letter.origin.offset satisfies bigint
  letter.error?.message satisfies string | undefined
  letter.value satisfies Uint8Array | null
  readDeadLetter(record)?.reason satisfies string | undefined
})

consumer.listen('parked', ({ position, deadLetterTopic, reason }) => {
  position.offset satisfies bigint
  deadLetterTopic satisfies string
  reason satisfies string
})
// @ts-expect-error -- no such event
consumer.listen('exploded', () => {})

// Batches: the types flow from the topic to each message, without a cast.
consumer.onBatch(
  orders,
  async (messages, { fail, signal, log, topic, partition }) => {
    messages satisfies readonly BatchMessage<{ id: string; placedAt: Date; note: string }>[]
    for (const message of messages) {
      message.value.placedAt satisfies Date
      message.context.attempt satisfies number
      // @ts-expect-error -- not a field of the schema
      message.value.total satisfies number
      // @ts-expect-error -- a message of a batch is not acknowledged by itself
      message.context.ack()
      if (message.value.note === '') fail(message, new Error('no note'))
    }
    signal satisfies AbortSignal
    log.info({ topic, partition }, 'done')
  },
  { maxBatchSize: 500, maxBatchWaitMs: 50, concurrency: 2, handlerTimeoutMs: 60_000, retry: { maxAttempts: 3 } },
)
consumer.onBatch(readOnly, (messages) => void (messages[0]!.value satisfies string)).on(orders, () => {})

// @ts-expect-error -- a handler of another value
consumer.onBatch(orders, (messages: readonly BatchMessage<{ sku: string }>[]) => void messages)
// @ts-expect-error -- batches have no order of their own to choose
consumer.onBatch(orders, () => {}, { ordering: 'key' })
// @ts-expect-error -- and no acks by hand
consumer.onBatch(orders, () => {}, { ack: 'manual' })
// @ts-expect-error -- fail() says why
consumer.onBatch(orders, ([message], { fail }) => fail(message!))

// Seek: an offset belongs to a partition, a time may mean all of them.
void (consumer.seek({ topic: 'orders', partition: 0, offset: 5n }) satisfies Promise<readonly Position[]>)
void consumer.seek({ topic: 'orders', timestamp: new Date(0) })
void consumer.seek({ topic: 'orders', partition: 1, timestamp: new Date(0) })
// @ts-expect-error -- of which partition?
void consumer.seek({ topic: 'orders', offset: 5n })
// @ts-expect-error -- offsets are bigint
void consumer.seek({ topic: 'orders', partition: 0, offset: 5 })
