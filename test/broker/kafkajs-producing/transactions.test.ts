import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_KEYS } from '../../helpers/kafka-proxy.ts'
import type { KafkaProxy } from '../../helpers/kafka-proxy.ts'
import type { Services } from '../../helpers/services.ts'
import { startServices, uniqueName } from '../../helpers/services.ts'
import { bareKafka, createTopic, readTopic } from './log-reader.ts'
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

function newTopic(): Promise<string> {
  return createTopic(brokers, { topic: uniqueName('transactions'), numPartitions: 2 })
}

async function values(topic: string): Promise<string[]> {
  return (await readTopic(brokers, topic)).map(({ value }) => value)
}

test('bare kafkajs commits a transaction whose record nobody ever sees, when the one before had failed and was rolled back', async () => {
  const topic = await newTopic()
  const producer = bareKafka(brokers).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    transactionalId: uniqueName('bare'),
    retry: { retries: 1, initialRetryTime: 20 },
  })
  await producer.connect()
  const fault = proxy.swallowResponses(API_KEYS.produce, 100)
  const first = await producer.transaction()
  await expect(first.send({ topic, messages: [{ partition: 0, value: 'rolled back' }] })).rejects.toMatchObject({
    name: 'KafkaJSNumberOfRetriesExceeded',
  })
  fault.disarm()
  await first.abort()

  await expect
    .poll(async () => {
      const second = await producer.transaction()
      try {
        await second.send({ topic, messages: [{ partition: 0, value: 'committed' }] })
        await second.commit()
        return 'committed'
      } catch {
        await second.abort() // the broker still ends the first one
        return 'again'
      }
    })
    .toBe('committed')
  await producer.disconnect()
  expect(await values(topic)).toEqual([])
})

test('after a failed transaction the next one is seen, and nothing of the failed one', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  const fault = proxy.swallowResponses(API_KEYS.produce, 10_000)
  const first = await producer.begin()
  expect(await send(first, batchOf(topic, 0, ['rolled back']), 600)).toEqual(['HOLDFAST_INDETERMINATE'])
  fault.disarm()
  await expect(first.commit()).rejects.toMatchObject({ code: 'HOLDFAST_TRANSACTION_ABORTED' })
  await first.abort()

  const second = await producer.begin()
  expect(await send(second, batchOf(topic, 0, ['committed']))).toEqual([expect.stringMatching(/^\d+$/)])
  await second.commit()
  await producer.close({ timeoutMs: 5_000 })
  expect(await values(topic)).toEqual(['committed'])
})

test('a lost response inside a transaction is repeated, and the record is in it once', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  const transaction = await producer.begin()
  proxy.swallowResponses(API_KEYS.produce, 1)
  await send(transaction, batchOf(topic, 0, ['a', 'b']))
  await send(transaction, batchOf(topic, 0, ['c']))
  await send(transaction, batchOf(topic, 1, ['d']))
  await transaction.commit()
  await producer.close({ timeoutMs: 5_000 })
  expect(await values(topic)).toEqual(['a', 'b', 'c', 'd'])
})

test('transactions follow each other, and one rolled back in peace leaves nothing and costs no record of the next', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  for (let i = 0; i < 6; i++) {
    const transaction = await producer.begin()
    expect(await send(transaction, batchOf(topic, 0, [`${i}`]))).toEqual([expect.stringMatching(/^\d+$/)])
    if (i % 2 === 0) await transaction.commit()
    else await transaction.abort()
  }
  await producer.close({ timeoutMs: 5_000 })
  expect(await values(topic)).toEqual(['0', '2', '4'])
})

test('a refused record ends its transaction, which can then only be rolled back', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  const transaction = await producer.begin()
  await send(transaction, batchOf(topic, 0, ['a']))
  expect(await send(transaction, batchOf(topic, 0, [Buffer.alloc(2_000_000)]))).toEqual(['HOLDFAST_RECORD_TOO_LARGE'])
  expect(await send(transaction, batchOf(topic, 1, ['b']))).toEqual(['HOLDFAST_TRANSACTION_ABORTED'])
  await expect(transaction.commit()).rejects.toMatchObject({ code: 'HOLDFAST_TRANSACTION_ABORTED' })
  await transaction.abort()

  const next = await producer.begin()
  await send(next, batchOf(topic, 0, ['next']))
  await next.commit()
  await producer.close({ timeoutMs: 5_000 })
  expect(await values(topic)).toEqual(['next'])
})

test('a commit whose answer is lost is indeterminate, and the next begin finds it settled', async () => {
  const topic = await newTopic()
  const producer = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  const first = await producer.begin()
  await send(first, batchOf(topic, 0, ['arrived']))
  proxy.swallowResponses(API_KEYS.endTxn, 1)
  await expect(first.commit()).rejects.toMatchObject({ code: 'HOLDFAST_INDETERMINATE' })
  await first.abort()

  const second = await producer.begin()
  await send(second, batchOf(topic, 0, ['next']))
  await second.commit()
  await producer.close({ timeoutMs: 5_000 })
  expect(await values(topic)).toEqual(['arrived', 'next']) // the broker had carried it out
})

test('a second producer of the same id shuts the first one out for good', async () => {
  const topic = await newTopic()
  const transactionalId = uniqueName('ours')
  const first = ourProducer(brokers, { transactionalId })
  const old = await first.begin()
  await send(old, batchOf(topic, 0, ['of the zombie']))

  const second = ourProducer(brokers, { transactionalId })
  const owner = await second.begin()
  expect(await send(old, batchOf(topic, 1, ['of the zombie']))).toEqual(['HOLDFAST_FENCED'])
  await old.abort()
  await expect(first.begin()).rejects.toMatchObject({ code: 'HOLDFAST_FENCED' })

  await send(owner, batchOf(topic, 0, ['of the owner']))
  await owner.commit()
  await Promise.all([first.close({ timeoutMs: 5_000 }), second.close({ timeoutMs: 5_000 })])
  expect(await values(topic)).toEqual(['of the owner'])
})

test('a zombie that learns of its end at the commit has committed nothing', async () => {
  const topic = await newTopic()
  const transactionalId = uniqueName('ours')
  const first = ourProducer(brokers, { transactionalId })
  const old = await first.begin()
  await send(old, batchOf(topic, 0, ['of the zombie']))
  const second = ourProducer(brokers, { transactionalId })
  const owner = await second.begin()
  await expect(old.commit()).rejects.toMatchObject({ code: 'HOLDFAST_FENCED' })
  await owner.abort()
  await Promise.all([first.close({ timeoutMs: 5_000 }), second.close({ timeoutMs: 5_000 })])
  expect(await values(topic)).toEqual([])
})

test('outside a transaction a transactional producer writes nothing, and a plain one begins none', async () => {
  const topic = await newTopic()
  const transactional = ourProducer(brokers, { transactionalId: uniqueName('ours') })
  expect(await send(transactional, batchOf(topic, 0, ['x']))).toEqual(['HOLDFAST_UNSUPPORTED'])
  const plain = ourProducer(brokers)
  await expect(plain.begin()).rejects.toMatchObject({ code: 'HOLDFAST_UNSUPPORTED' })
  const open = await transactional.begin()
  await expect(transactional.begin()).rejects.toMatchObject({ code: 'HOLDFAST_REFUSED' })
  await open.abort()
  await Promise.all([transactional.close({ timeoutMs: 5_000 }), plain.close({ timeoutMs: 5_000 })])
})
