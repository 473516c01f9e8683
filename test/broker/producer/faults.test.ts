import { afterAll, beforeAll, expect, test } from 'vitest'
import { API_KEYS } from '../../helpers/kafka-proxy.ts'
import type { KafkaNode, Services } from '../../helpers/services.ts'
import { startServices } from '../../helpers/services.ts'
import { everyThreadStopped } from '../../helpers/stopped-process.ts'
import { readTopic } from '../kafkajs-producing/log-reader.ts'
import type { Numbered } from './world.ts'
import { failureOf, newTopic, ourProducer } from './world.ts'

let services: Services
let brokers: string[]
let node: KafkaNode
beforeAll(async () => {
  services = await startServices({ kafka: { proxied: true, own: true } })
  brokers = services.kafka!.brokers
  node = services.kafka!.nodes[0]!
})
afterAll(() => services?.close())

const numbersOn = async (topic: string): Promise<number[]> =>
  (await readTopic(brokers, topic)).map(({ value }) => (JSON.parse(value) as Numbered).n)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

test('lost responses under load lose nothing, double nothing and keep the order', async () => {
  const topic = await newTopic(brokers, 1)
  const producer = ourProducer(brokers, { maxBatchRecords: 20 })
  await producer.send(topic, { key: 'k', n: 0 })
  const fault = node.proxy!.swallowResponses(API_KEYS.produce, 3)
  const sends = upTo(200)
    .slice(1)
    .map((n) => producer.send(topic, { key: 'k', n }))
  await Promise.all(sends)
  expect(fault.remaining).toBe(0)
  await producer.close()
  expect(await numbersOn(topic.name)).toEqual(upTo(200))
})

test('a broker that stops answering leaves what was handed over indeterminate, and the rest certainly not written', async () => {
  const topic = await newTopic(brokers, 1)
  const producer = ourProducer(brokers, { deliveryTimeoutMs: 3_000, maxBatchRecords: 1 })
  await producer.send(topic, { key: 'k', n: 0 })
  const arrived = node.proxy!.nextRequest(API_KEYS.produce)
  node.pause()
  await everyThreadStopped(node.pid!)
  const codes = [1, 2].map(async (n) => (await failureOf(producer.send(topic, { key: 'k', n }))).code)
  try {
    await arrived
    expect(await Promise.all(codes)).toEqual(['HOLDFAST_INDETERMINATE', 'HOLDFAST_DELIVERY_TIMEOUT'])
  } finally {
    node.resume()
  }
  await producer.send(topic, { key: 'k', n: 3 }, { deliveryTimeoutMs: 30_000 })
  await producer.close()
  const numbers = await numbersOn(topic.name)
  expect(numbers).not.toContain(2)
  expect(numbers.filter((n) => n !== 1)).toEqual([0, 3])
})
