import kafkajs from 'kafkajs'
import type { Producer as BareProducer } from 'kafkajs'
import { bytes, createProducer, defineTopic, systemRuntime } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import type { Bench, BenchWorld, PreparedBench } from './bench.ts'
import { perSecond } from './measure.ts'

const PARTITIONS = 6
const value = Buffer.alloc(200, 'x') // a small event
const keys = Array.from({ length: 1_000 }, (_, i) => `order-${i}`)
const keyOf = (i: number): string => keys[i % keys.length]!

/** What both sides do: the same keys and values, idempotent, acknowledged by all replicas. Ours carry id, source and content type too. */
type Send = (producer: BareProducer, topic: string, count: number) => Promise<unknown>

/** One at a time: the latency of a request handler that must know. */
export const sendOne: Bench = {
  name: 'send-one',
  work: 'one awaited send at a time',
  peers: [{ name: 'bare kafkajs, idempotent', reach: 0.9 }],
  prepare: (world) =>
    prepare(
      world,
      3_000,
      async (send, count) => {
        for (let i = 0; i < count; i++) await send(i)
      },
      async (producer, topic, count) => {
        for (let i = 0; i < count; i++) await producer.send({ topic, messages: [{ key: keyOf(i), value }] })
      },
    ),
}

/** All started at once, as busy services do without thinking. */
export const sendMany: Bench = {
  name: 'send-many',
  work: '20,000 sends started at once',
  peers: [{ name: 'bare kafkajs, single sends', reach: 15 }],
  prepare: (world) =>
    prepare(world, 20_000, together, async (producer, topic, count) => {
      await Promise.all(
        Array.from({ length: count }, (_, i) => producer.send({ topic, messages: [{ key: keyOf(i), value }] })),
      )
    }),
}

/** The same against somebody who batches by hand. */
export const sendManyBatched: Bench = {
  name: 'send-many',
  work: '20,000 sends started at once',
  peers: [{ name: 'bare kafkajs, batches of 500', reach: 0.85 }],
  prepare: (world) => prepare(world, 20_000, together, batched()),
}

/** The same again, with the headers that ours have: what it costs to send the same records. */
export const sendManySameRecords: Bench = {
  name: 'send-many',
  work: '20,000 sends started at once',
  peers: [{ name: 'the same with our headers', reach: 0.85 }],
  prepare: (world) =>
    prepare(
      world,
      20_000,
      together,
      batched(() => ({
        'holdfast-id': systemRuntime.ids(),
        'holdfast-source': 'bench',
        'holdfast-time': String(systemRuntime.clock.now()),
        'content-type': 'application/octet-stream',
      })),
    ),
}

function batched(headers?: () => Record<string, string>): Send {
  return async (producer, topic, count) => {
    for (let i = 0; i < count; i += BATCH) {
      const messages = Array.from({ length: Math.min(BATCH, count - i) }, (_, j) => ({
        key: keyOf(i + j),
        value,
        ...(headers && { headers: headers() }),
      }))
      await producer.send({ topic, messages })
    }
  }
}
const BATCH = 500

async function together(send: (i: number) => Promise<unknown>, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => send(i)))
}

async function prepare(
  world: BenchWorld,
  amount: number,
  ours: (send: (i: number) => Promise<unknown>, count: number) => Promise<void>,
  peer: Send,
): Promise<PreparedBench> {
  const count = Math.ceil(amount / world.shorten)
  let next = 0
  const topic = defineTopic({ name: await world.topic(PARTITIONS), codec: bytes(), key: () => keyOf(next++) })
  const peerTopic = await world.topic(PARTITIONS)
  const producer = createProducer({ driver: kafkajsDriver({ clientId: 'bench', brokers: world.brokers }) })
  const bare = new kafkajs.Kafka({
    clientId: 'bench-bare',
    brokers: world.brokers,
    logLevel: kafkajs.logLevel.NOTHING,
  }).producer({
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.start()
  await bare.connect()
  return {
    ours: () =>
      perSecond(async () => {
        await ours(() => producer.send(topic, value), count)
        return count
      }),
    peers: [
      () =>
        perSecond(async () => {
          await peer(bare, peerTopic, count)
          return count
        }),
    ],
    async close() {
      await producer.close()
      await bare.disconnect()
    },
  }
}
