import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_KEYS } from '../../helpers/kafka-proxy.ts'
import type { KafkaProxy } from '../../helpers/kafka-proxy.ts'
import type { Services } from '../../helpers/services.ts'
import { startServices, uniqueName } from '../../helpers/services.ts'
import { bareKafka, countValues, createTopic, readTopic } from './log-reader.ts'
import { batchOf, ourProducer, send } from './our-producer.ts'

let services: Services
let brokers: string[]
let proxy: KafkaProxy

beforeAll(async () => {
  services = await startServices({ kafka: { proxied: true } })
  brokers = services.kafka!.brokers
  proxy = services.kafka!.nodes[0]!.proxy!
})
afterAll(() => services?.close())

function newTopic(partitions: number): Promise<string> {
  return createTopic(brokers, { topic: uniqueName('lost-response'), numPartitions: partitions })
}

test('bare kafkajs loses an acknowledged record and doubles another when sends run side by side and one response is lost', async () => {
  const topic = await newTopic(1)
  const producer = bareKafka(brokers).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const sendOne = (value: string): Promise<unknown> => producer.send({ topic, messages: [{ partition: 0, value }] })
  await sendOne('warm')

  proxy.swallowResponses(API_KEYS.produce, 1)
  await Promise.all([sendOne('A'), sendOne('B'), sendOne('C')]) // all three are acknowledged
  await producer.disconnect()

  const counts = countValues(await readTopic(brokers, topic))
  const three = ['A', 'B', 'C'].map((value) => counts.get(value) ?? 0)
  expect(three).toContain(0)
  expect(three).toContain(2)
})

test('three batches at once and one lost response: each is acknowledged, and on the log once', async () => {
  const topic = await newTopic(1)
  const producer = ourProducer(brokers)
  await send(producer, batchOf(topic, 0, ['warm']))

  const fault = proxy.swallowResponses(API_KEYS.produce, 1)
  const ends = await Promise.all(['A', 'B', 'C'].map((value) => send(producer, batchOf(topic, 0, [value]))))
  await fault.spent
  await producer.close({ timeoutMs: 5_000 })

  expect(ends.flat()).toEqual(['1', '2', '3'])
  expect((await readTopic(brokers, topic)).map(({ value }) => value)).toEqual(['warm', 'A', 'B', 'C'])
})

test('a response lost on a connection that stays open is noticed by the request timeout, and the repeat is not doubled', async () => {
  const topic = await newTopic(1)
  const producer = ourProducer(brokers, { config: { requestTimeout: 700 } })
  await send(producer, batchOf(topic, 0, ['warm']))

  proxy.swallowResponses(API_KEYS.produce, 1, { connection: 'open' })
  const end = await send(producer, batchOf(topic, 0, ['A', 'B']))
  await producer.close({ timeoutMs: 5_000 })

  expect(end).toEqual(['1', '2'])
  expect((await readTopic(brokers, topic)).map(({ value }) => value)).toEqual(['warm', 'A', 'B'])
})

test('bare kafkajs writes a record without a partition to another one after a lost response', async () => {
  const topic = await newTopic(2)
  const producer = bareKafka(brokers).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  proxy.swallowResponses(API_KEYS.produce, 1)
  await producer.send({ topic, messages: [{ value: 'X' }] })
  await producer.disconnect()

  const seen = await readTopic(brokers, topic)
  expect(seen.map(({ partition, value }) => `${value}@${partition}`).toSorted()).toEqual(['X@0', 'X@1'])
})

test('the partition of a record is fixed before it is sent, so that a repeat cannot leave it', async () => {
  const topic = await newTopic(2)
  const producer = ourProducer(brokers)
  proxy.swallowResponses(API_KEYS.produce, 1)
  expect(await send(producer, batchOf(topic, 1, ['X']))).toEqual(['0'])
  await producer.close({ timeoutMs: 5_000 })

  const seen = await readTopic(brokers, topic)
  expect(seen.map(({ partition, value }) => `${value}@${partition}`)).toEqual(['X@1'])
})

test('a batch whose responses stay lost ends indeterminate, is on the log once at most, and the next ones are safe', async () => {
  const topic = await newTopic(2)
  const producer = ourProducer(brokers)
  await send(producer, batchOf(topic, 0, ['warm']))

  const fault = proxy.swallowResponses(API_KEYS.produce, 10_000)
  expect(await send(producer, batchOf(topic, 0, ['doubtful']), 800)).toEqual(['HOLDFAST_INDETERMINATE'])
  fault.disarm()
  for (const value of ['B', 'C', 'D']) {
    expect(await send(producer, batchOf(topic, 0, [value]))).toEqual([expect.stringMatching(/^\d+$/)])
  }
  await producer.close({ timeoutMs: 5_000 })

  const values = (await readTopic(brokers, topic)).map(({ value }) => value)
  expect(values).toEqual(['warm', 'doubtful', 'B', 'C', 'D']) // it had arrived: only its responses were lost
})

test('a delivery timeout on one partition does not take the answers of another one along', async () => {
  const topic = await newTopic(2)
  const producer = ourProducer(brokers)
  await send(producer, batchOf(topic, 0, ['warm']))
  await send(producer, batchOf(topic, 1, ['warm']))

  const fault = proxy.swallowResponses(API_KEYS.produce, 10_000)
  const doubtful = send(producer, batchOf(topic, 0, ['doubtful']), 500)
  const patient = send(producer, batchOf(topic, 1, ['A']), 20_000)
  expect(await doubtful).toEqual(['HOLDFAST_INDETERMINATE'])
  fault.disarm()
  expect(await patient).toEqual(['1'])
  expect(await send(producer, batchOf(topic, 0, ['next']))).toEqual(['2'])
  await producer.close({ timeoutMs: 5_000 })

  const counts = countValues(await readTopic(brokers, topic))
  expect(counts).toEqual(
    new Map([
      ['warm', 2],
      ['doubtful', 1],
      ['next', 1],
      ['A', 1],
    ]),
  )
})
