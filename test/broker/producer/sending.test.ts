import { beforeAll, expect, test } from 'vitest'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { readTopic } from '../kafkajs-producing/log-reader.ts'
import type { Numbered } from './world.ts'
import { failureOf, newTopic, ourProducer } from './world.ts'

let brokers: string[]
beforeAll(async () => {
  brokers = (await useKafka()).brokers
})

const parsed = async (topic: string): Promise<readonly Numbered[]> =>
  (await readTopic(brokers, topic)).map(({ value }) => JSON.parse(value) as Numbered)

test('keeps the order of every key under load, with nothing lost and nothing doubled', async () => {
  const topic = await newTopic(brokers, 6)
  const producer = ourProducer(brokers, { maxBatchRecords: 700 })
  const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`)
  const sends: Promise<unknown>[] = []
  for (let n = 0; n < 200; n++) {
    for (const key of keys) sends.push(producer.send(topic, { key, n }))
    if (n % 20 === 0) await sends.at(-1) // so that some come while batches are under way
  }
  await Promise.all(sends)
  expect(await producer.close()).toEqual({ unconfirmed: [] })

  const byKey = new Map<string, number[]>(keys.map((key) => [key, []]))
  for (const { key, n } of await parsed(topic.name)) byKey.get(key)!.push(n)
  const inOrder = Array.from({ length: 200 }, (_, n) => n)
  for (const key of keys) expect(byKey.get(key)).toEqual(inOrder)
})

test('results say where each record is', async () => {
  const topic = await newTopic(brokers, 3)
  const producer = ourProducer(brokers)
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, n) => producer.send(topic, { key: `k${n % 7}`, n })),
  )
  await producer.close()
  const seen = await readTopic(brokers, topic.name)
  const values = new Map(
    seen.map(({ partition, offset, value }) => [`${partition}@${offset}`, (JSON.parse(value) as Numbered).n]),
  )
  expect(results.map(({ partition, offset }) => values.get(`${partition}@${offset}`))).toEqual(
    Array.from({ length: 100 }, (_, n) => n),
  )
})

test('a record that the broker finds too large fails alone, and its neighbours are written in their order', async () => {
  const topic = await newTopic(brokers, 1, { 'max.message.bytes': '20000' })
  const producer = ourProducer(brokers)
  const numbers = Array.from({ length: 300 }, (_, n) => n)
  const outcomes = await producer.sendMany(
    numbers.map((n) => ({ topic, value: { key: 'k', n, filler: n === 123 ? 'x'.repeat(30_000) : undefined } })),
  )
  await producer.close()
  const failed = outcomes.flatMap((outcome, n) => (outcome.ok ? [] : [[n, outcome.error.code]]))
  expect(failed).toEqual([[123, 'HOLDFAST_RECORD_TOO_LARGE']])
  expect((await parsed(topic.name)).map(({ n }) => n)).toEqual(numbers.filter((n) => n !== 123))
})

test('a record that the broker refuses for its time fails alone', async () => {
  const topic = await newTopic(brokers, 1)
  const producer = ourProducer(brokers)
  const inTenYears = new Date(Date.now() + 10 * 365 * 86_400_000)
  const outcomes = await producer.sendMany([
    { topic, value: { key: 'k', n: 0 } },
    { topic, value: { key: 'k', n: 1 }, timestamp: inTenYears },
    { topic, value: { key: 'k', n: 2 } },
  ])
  await producer.close()
  expect(outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.code))).toEqual(['ok', 'HOLDFAST_REFUSED', 'ok'])
  expect((await parsed(topic.name)).map(({ n }) => n)).toEqual([0, 2])
})

test('gzip is written and read', async () => {
  const topic = await newTopic(brokers, 2)
  const producer = ourProducer(brokers, { compression: 'gzip' })
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => producer.send(topic, { key: `k${n}`, n, filler: 'a'.repeat(500) })),
  )
  await producer.close()
  expect((await parsed(topic.name)).map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, n) => n),
  )
})

test('a topic or partition that is not there is refused, and the producer goes on', async () => {
  const topic = await newTopic(brokers, 1)
  const producer = ourProducer(brokers)
  const missing = { ...topic, name: uniqueName('missing') }
  expect((await failureOf(producer.send(missing, { key: 'k', n: 0 }))).code).toBe('HOLDFAST_TOPIC_UNKNOWN')
  expect((await failureOf(producer.send(topic, { key: 'k', n: 0 }, { partition: 9 }))).code).toBe(
    'HOLDFAST_PARTITION_UNKNOWN',
  )
  await producer.send(topic, { key: 'k', n: 1 })
  await producer.close()
  expect((await parsed(topic.name)).map(({ n }) => n)).toEqual([1])
})

test('a full buffer makes sends wait until there is room, and loses none', async () => {
  const topic = await newTopic(brokers, 2)
  const producer = ourProducer(brokers, { maxBufferedBytes: 50_000, maxRequestBytes: 50_000 })
  await Promise.all(
    Array.from({ length: 400 }, (_, n) => producer.send(topic, { key: `k${n % 5}`, n, filler: 'x'.repeat(1_000) })),
  )
  await producer.close()
  expect((await parsed(topic.name)).length).toBe(400)
})

test('a transaction shows all of its messages of two topics, or none', async () => {
  const [orders, payments] = [await newTopic(brokers, 3), await newTopic(brokers, 2)]
  const producer = ourProducer(brokers, { transactionalId: uniqueName('shop') })
  await producer.transaction(async (transaction) => {
    await transaction.sendMany([
      { topic: orders, value: { key: 'a', n: 1 } },
      { topic: payments, value: { key: 'a', n: 2 } },
      { topic: orders, value: { key: 'b', n: 3 } },
    ])
  })
  const thrown = new Error('changed its mind')
  await expect(
    producer.transaction(async (transaction) => {
      await transaction.send(orders, { key: 'a', n: 4 })
      await transaction.send(payments, { key: 'a', n: 5 })
      throw thrown
    }),
  ).rejects.toBe(thrown)
  const spoiled = producer.transaction(async (transaction) => {
    await transaction.send(orders, { key: 'a', n: 6 })
    void transaction.send(payments, { key: '', n: 7 })
  })
  expect((await failureOf(spoiled)).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
  await producer.transaction(async (transaction) => {
    void transaction.send(payments, { key: 'c', n: 8 }) // not awaited, and yet of the transaction
  })
  await producer.close()
  const numbers = async (topic: string): Promise<number[]> =>
    (await parsed(topic)).map(({ n }) => n).toSorted((a, b) => a - b)
  expect(await numbers(orders.name)).toEqual([1, 3])
  expect(await numbers(payments.name)).toEqual([2, 8])
})
