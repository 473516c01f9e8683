import type { TextMapGetter } from '@opentelemetry/api'
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import kafkajs from 'kafkajs'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Consumer, MessageContext } from 'holdfast'
import { createConsumer, defineTopic, memoryDedupeStore } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import type { ConsumerSpec } from './consumer-spec.ts'
import { consumeOnce } from './consume-guarded.ts'
import { IO_MS } from './consumer-spec.ts'
import type { Counter } from './counter.ts'
import type { OrderEvent } from './records.ts'
import { orderJson } from './records.ts'

const schema = z.object({
  orderId: z.string().min(1),
  customer: z.string(),
  status: z.enum(['CREATED', 'PAID', 'SHIPPED', 'CANCELLED']),
  totalCents: z.int().nonnegative(),
  lines: z.array(z.object({ sku: z.string(), quantity: z.int().positive(), priceCents: z.int().nonnegative() })),
})

/** One run of Holdfast: ordered by key, as it is by default. Dead letters are off only because nothing here fails. */
export async function consumeOurs(spec: ConsumerSpec, group: string, counter: Counter): Promise<void> {
  if (spec.servers !== undefined) return consumeOnce(spec, spec.servers, group, counter)
  const { brokers, concurrency, maxBufferedBytes } = spec
  const consumer = createConsumer({
    driver: kafkajsDriver({ clientId: 'bench', brokers: [...brokers] }),
    groupId: group,
    ...(concurrency !== undefined && { concurrency }),
    ...(maxBufferedBytes !== undefined && { maxBufferedBytes }),
  })
  const handle = withSampling(spec, consumer, counter)
  const common = { deadLetter: false, onExhausted: 'pause' } as const
  if (spec.handler === 'guarded') {
    consumer.on(defineTopic({ name: spec.topic, schema }), handle, {
      ...common,
      dedupe: { store: memoryDedupeStore() },
    })
  } else {
    consumer.on(defineTopic({ name: spec.topic, codec: orderJson }), handle, common)
  }
  await consumer.start()
  await counter.done
  await consumer.close()
}

const SAMPLE_EVERY = 500

function withSampling(spec: ConsumerSpec, consumer: Consumer, counter: Counter): Handle {
  const handle: Handle = spec.handler === 'io' ? waiting(counter) : () => counter.handled()
  if (spec.buffered !== true) return handle
  let calls = 0
  return (message, context) => {
    if (calls++ % SAMPLE_EVERY === 0) {
      const records = consumer.health().partitions.reduce((sum, { buffered }) => sum + buffered, 0)
      counter.holds(records * bytesOf(context))
    }
    return handle(message, context)
  }
}

type Handle = (message: unknown, context: MessageContext) => Promise<void> | void

function waiting(counter: Counter): Handle {
  return () =>
    new Promise((resolve) => {
      setTimeout(() => {
        counter.handled()
        resolve()
      }, IO_MS)
    })
}

/** All records here are about as large as this one. */
function bytesOf({ key, record }: MessageContext): number {
  const headers = record.headers.reduce((sum, [name, value]) => sum + name.length + (value?.byteLength ?? 0), 0)
  return (key?.byteLength ?? 0) + (record.value?.byteLength ?? 0) + headers
}

/** One run of bare kafkajs as its guide has it: `eachMessage`, which commits by itself. */
export function consumeBare(spec: ConsumerSpec, group: string, counter: Counter): Promise<void> {
  return consumeEach(spec, group, counter, ({ message }) => {
    const event = JSON.parse(message.value!.toString()) as OrderEvent
    if (event.orderId === '') throw new Error('no order has this id')
    counter.handled()
  })
}

/** The same with what `guarded` asks for, in the fewest lines: no leases, no attempts, no dead letters. */
export function consumeByHand(spec: ConsumerSpec, group: string, counter: Counter): Promise<void> {
  const tracer = trace.getTracer('bench')
  const done = new LRUCache<string, true>({ max: 100_000 })
  const headersGetter: TextMapGetter<kafkajs.IHeaders> = {
    keys: (headers) => Object.keys(headers),
    get: (headers, name) => headers[name]?.toString(),
  }
  return consumeEach(spec, group, counter, ({ topic, partition, message }) => {
    const { headers = {}, key, value, offset } = message
    const id = headers['holdfast-id']!.toString()
    const attributes = {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': String(partition),
      'messaging.consumer.group.name': group,
      'messaging.message.id': id,
      'messaging.kafka.offset': Number(offset),
      'messaging.kafka.message.key': key!.toString(),
    }
    const carried = propagation.extract(ROOT_CONTEXT, headers, headersGetter)
    const span = tracer.startSpan(`process ${topic}`, { kind: SpanKind.CONSUMER, attributes }, carried)
    context.with(trace.setSpan(carried, span), () => {
      schema.parse(JSON.parse(value!.toString()))
      if (done.has(id)) return
      counter.handled()
      done.set(id, true)
    })
    span.end()
  })
}

async function consumeEach(
  { brokers, topic }: ConsumerSpec,
  groupId: string,
  counter: Counter,
  handle: (payload: kafkajs.EachMessagePayload) => void,
): Promise<void> {
  const client = new kafkajs.Kafka({
    clientId: 'bench-bare',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const consumer = client.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async (payload) => handle(payload) })
  await counter.done
  await consumer.disconnect()
}
