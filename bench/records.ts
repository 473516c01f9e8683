import kafkajs from 'kafkajs'
import type { TypedCodec } from 'holdfast'
import { createProducer, defineTopic, json, partitionOfKey } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'

/** A value of about 200 bytes as JSON. */
export interface OrderEvent {
  readonly orderId: string
  readonly customer: string
  readonly status: string
  readonly totalCents: number
  readonly lines: ReadonlyArray<{ readonly sku: string; readonly quantity: number; readonly priceCents: number }>
}

/** JSON without a schema: the types are taken on trust, as with a bare `JSON.parse`. */
export const orderJson = { ...json(), typed: true } as TypedCodec<OrderEvent>

/** Topics full of records, made before anything is measured; each is made once and grows when more is asked for. */
export interface Records {
  /** @param plain - without headers, as bare kafkajs writes them; else with those of Holdfast */
  atLeast(partitions: number, keys: number, count: number, plain?: boolean): Promise<string>
  close(): Promise<void>
}

const CHUNK = 5_000

/** Sends with Holdfast, so that the records carry its ids. */
export function createRecords(
  brokers: string[],
  newTopic: (partitions: number) => Promise<string>,
  progress: (line: string) => void,
): Records {
  const made = new Map<string, { readonly name: string; readonly keys: readonly string[]; count: number }>()
  const producer = createProducer({ driver: kafkajsDriver({ clientId: 'bench-records', brokers }) })
  const bare = new kafkajs.Kafka({ clientId: 'bench-plain', brokers, logLevel: kafkajs.logLevel.NOTHING }).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  let started: Promise<void> | undefined
  return {
    async atLeast(partitions, keyCount, count, plain = false) {
      await (started ??= Promise.all([producer.start(), bare.connect()]).then(() => undefined))
      const id = `${partitions}/${keyCount}/${plain}`
      const records = made.get(id) ?? {
        name: await newTopic(partitions),
        keys: evenKeys(partitions, keyCount),
        count: 0,
      }
      made.set(id, records)
      const { name, keys } = records
      if (records.count < count) progress(`records: ${partitions} partitions, ${keyCount} keys, up to ${count}`)
      const topic = defineTopic({ name, codec: orderJson, key: (event) => event.orderId })
      for (; records.count < count; records.count += CHUNK) {
        if (plain) {
          await bare.send({ topic: name, messages: plainMessages(keys, records.count) })
          continue
        }
        const send = (_: unknown, i: number): Promise<unknown> => producer.send(topic, event(keys, records.count + i))
        await Promise.all(Array.from({ length: CHUNK }, send))
      }
      return name
    },
    async close() {
      await Promise.all([producer.close(), bare.disconnect()])
    },
  }
}

function plainMessages(keys: readonly string[], from: number): { key: string; value: string }[] {
  return Array.from({ length: CHUNK }, (_, i) => {
    const value = event(keys, from + i)
    return { key: value.orderId, value: JSON.stringify(value) }
  })
}

/** As many keys for every partition, taken in turns: else the fullest partition, not the consumer, would decide how long it takes. */
function evenKeys(partitions: number, count: number): readonly string[] {
  const byPartition = Array.from({ length: partitions }, (): string[] => [])
  const each = Math.ceil(count / partitions)
  for (let i = 0, full = 0; full < partitions; i++) {
    const key = `order-${i}`
    const keys = byPartition[partitionOfKey(Buffer.from(key), partitions)]!
    if (keys.length < each && keys.push(key) === each) full++
  }
  return Array.from({ length: each * partitions }, (_, i) => byPartition[i % partitions]![Math.floor(i / partitions)]!)
}

function event(keys: readonly string[], i: number): OrderEvent {
  return {
    orderId: keys[i % keys.length]!,
    customer: `customer-${i % 5_000}`,
    status: 'PAID',
    totalCents: (i * 37) % 100_000,
    lines: [
      { sku: `sku-${i % 900}`, quantity: (i % 5) + 1, priceCents: (i * 17) % 10_000 },
      { sku: `sku-${i % 700}`, quantity: (i % 3) + 1, priceCents: (i * 13) % 10_000 },
    ],
  }
}
