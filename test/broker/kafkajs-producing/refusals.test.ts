import { beforeAll, expect, test } from 'vitest'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { bareKafka, createTopic, deleteTopic, readTopic, withAdmin } from './log-reader.ts'
import { batchOf, ourProducer, send } from './our-producer.ts'

let brokers: string[]

beforeAll(async () => {
  brokers = (await useKafka()).brokers
})

async function newTopic(settings: Readonly<Record<string, string>> = {}): Promise<string> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  return createTopic(brokers, { topic: uniqueName('refusals'), numPartitions: 2, configEntries })
}

const large = Buffer.alloc(2_000, 'x')
const five = (name: string): string[] => Array.from({ length: 5 }, (_, i) => `${name}${i}`)
const asMessages = (values: readonly string[]): { partition: number; value: string }[] =>
  values.map((value) => ({ partition: 0, value }))

test('bare kafkajs acknowledges records that it loses, after one partition of a request was refused', async () => {
  const topic = await newTopic()
  const strict = await newTopic({ 'max.message.bytes': '500' })
  const producer = bareKafka(brokers).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const mixed = producer.sendBatch({
    topicMessages: [
      { topic, messages: asMessages(five('a')) },
      { topic: strict, messages: [{ partition: 0, value: large }] },
    ],
  })
  await expect(mixed).rejects.toMatchObject({ type: 'MESSAGE_TOO_LARGE' })
  await producer.send({ topic, messages: asMessages(five('b')) }) // acknowledged
  await producer.disconnect()

  const values = (await readTopic(brokers, topic)).map(({ value }) => value)
  expect(values).toEqual(five('a')) // the refused ones are there, and the acknowledged b0 to b4 are not
})

test('a refused partition leaves the others alone, since each has a request of its own', async () => {
  const topic = await newTopic()
  const strict = await newTopic({ 'max.message.bytes': '500' })
  const producer = ourProducer(brokers)
  const ends = await Promise.all([
    send(producer, batchOf(topic, 0, five('a'))),
    send(producer, batchOf(strict, 0, [large])),
  ])
  const after = await send(producer, batchOf(topic, 0, five('b')))
  const sameAfter = await send(producer, batchOf(strict, 0, ['small']))
  await producer.close({ timeoutMs: 5_000 })

  expect(ends).toEqual([['0', '1', '2', '3', '4'], ['HOLDFAST_RECORD_TOO_LARGE']])
  expect(after).toEqual(['5', '6', '7', '8', '9'])
  expect(sameAfter).toEqual(['0'])
  expect((await readTopic(brokers, topic)).map(({ value }) => value)).toEqual([...five('a'), ...five('b')])
})

test('bare kafkajs resolves a send to a partition that does not exist, and the record is nowhere', async () => {
  const topic = await newTopic()
  const producer = bareKafka(brokers).producer({ idempotent: true })
  await producer.connect()
  expect(await producer.send({ topic, messages: [{ partition: 99, value: 'gone' }] })).toEqual([])
  await producer.disconnect()
  expect(await readTopic(brokers, topic)).toEqual([])
})

test('a partition that does not exist is a definite error, and the producer goes on', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers)
  expect(await send(producer, batchOf(topic, 99, ['a', 'b']))).toEqual(Array(2).fill('HOLDFAST_PARTITION_UNKNOWN'))
  expect(await send(producer, batchOf(topic, 1, ['a']))).toEqual(['0'])
  await producer.close({ timeoutMs: 5_000 })
})

test('partitions added while the producer runs are written as soon as the core knows them', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers)
  expect(await producer.partitionCount(topic)).toBe(2)
  await send(producer, batchOf(topic, 0, ['a']))
  await withAdmin(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }))

  expect(await producer.partitionCount(topic)).toBe(2) // remembered
  producer.forgetPartitions(topic)
  await expect.poll(() => (producer.forgetPartitions(topic), producer.partitionCount(topic))).toBe(3)
  expect(await send(producer, batchOf(topic, 2, ['b']))).toEqual(['0']) // kafkajs' own metadata would be old for minutes
  await producer.close({ timeoutMs: 5_000 })
})

test('a topic that does not exist is a definite error, and so is one that is deleted while the producer runs', async () => {
  const doomed = await newTopic()
  const producer = ourProducer(brokers)
  await expect(producer.partitionCount('no-such-topic')).rejects.toMatchObject({ code: 'HOLDFAST_TOPIC_UNKNOWN' })
  expect(await send(producer, batchOf('no-such-topic', 0, ['a']))).toEqual(['HOLDFAST_TOPIC_UNKNOWN'])
  expect(await send(producer, batchOf(doomed, 0, ['a']))).toEqual(['0'])
  await deleteTopic(brokers, doomed)
  expect(await send(producer, batchOf(doomed, 0, ['b']))).toEqual(['HOLDFAST_TOPIC_UNKNOWN'])
  await producer.close({ timeoutMs: 5_000 })
})

test('bare kafkajs cannot send to a healthy topic any more once another one it sent to is deleted', async () => {
  const [doomed, healthy] = [await newTopic(), await newTopic()]
  const producer = bareKafka(brokers).producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    retry: { retries: 2 },
  })
  await producer.connect()
  await producer.send({ topic: doomed, messages: [{ partition: 0, value: 'a' }] })
  await deleteTopic(brokers, doomed)
  const refused = producer.send({ topic: healthy, messages: [{ partition: 0, value: 'a' }] })
  await expect(refused).rejects.toMatchObject({ cause: { type: 'UNKNOWN_TOPIC_OR_PARTITION' } })
  await producer.disconnect()
})

test('a deleted topic does not stop the sends to others', async () => {
  const [doomed, healthy] = [await newTopic(), await newTopic()]
  const producer = ourProducer(brokers)
  await send(producer, batchOf(doomed, 0, ['a']))
  await deleteTopic(brokers, doomed)
  expect(await send(producer, batchOf(healthy, 0, ['a']))).toEqual(['0'])
  await producer.close({ timeoutMs: 5_000 })
})

test('what the broker refuses for its content is a definite error, and the next record follows without a gap', async () => {
  const strict = await newTopic({ 'message.timestamp.before.max.ms': '60000', 'max.message.bytes': '500' })
  const compacted = await newTopic({ 'cleanup.policy': 'compact' })
  const producer = ourProducer(brokers)

  const old = batchOf(strict, 0, ['old'])
  const records = old.records.map((record) => ({ ...record, timestamp: 1_000n }))
  expect(await send(producer, { ...old, records })).toEqual(['HOLDFAST_REFUSED'])
  expect(await send(producer, batchOf(strict, 0, [large]))).toEqual(['HOLDFAST_RECORD_TOO_LARGE'])
  expect(await send(producer, batchOf(strict, 0, ['good']))).toEqual(['0'])
  expect(await send(producer, batchOf(compacted, 0, ['without a key']))).toEqual(['HOLDFAST_REFUSED'])
  await producer.close({ timeoutMs: 5_000 })

  expect((await readTopic(brokers, strict)).map(({ value }) => value)).toEqual(['good'])
})

test('headers arrive as they were written: repeated, empty, and with names that JavaScript objects have by themselves', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers)
  const batch = batchOf(topic, 0, ['with headers'])
  const headers = [
    ['a', Buffer.from('1')],
    ['empty', Buffer.alloc(0)],
    ['a', Buffer.from('2')],
    ['naïve ✓', Buffer.from([0, 255])],
    ['toString', Buffer.from('mine')],
    ['hasOwnProperty', Buffer.from('mine')],
  ] as const
  const records = batch.records.map((record) => ({ ...record, headers }))
  expect(await send(producer, { ...batch, records })).toEqual(['0'])
  await producer.close({ timeoutMs: 5_000 })

  const [seen] = await readTopic(brokers, topic)
  expect(seen!.headers['a']).toEqual([Buffer.from('1'), Buffer.from('2')])
  expect(seen!.headers['empty']).toEqual(Buffer.alloc(0))
  expect(seen!.headers['naïve ✓']).toEqual(Buffer.from([0, 255]))
})

test('a null header value is written as it stands, where kafkajs would throw in the middle of a request', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers)
  const batch = batchOf(topic, 0, ['x'])
  const records = batch.records.map((record) => ({ ...record, headers: [['h', null]] as const }))
  expect(await send(producer, { ...batch, records })).toEqual(['0'])
  await producer.close({ timeoutMs: 5_000 })
  const [seen] = await readTopic(brokers, topic)
  expect(seen!.headers).toEqual({ h: null })
})
