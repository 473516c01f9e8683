import { connect } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { KafkaProxy } from '../../helpers/kafka-proxy.ts'
import type { KafkaNode, Services } from '../../helpers/services.ts'
import { startServices, uniqueName } from '../../helpers/services.ts'
import { everyThreadStopped } from '../../helpers/stopped-process.ts'
import { bareKafka, countValues, createTopic, readTopic } from './log-reader.ts'
import { batchOf, ourProducer, send } from './our-producer.ts'

let services: Services
let brokers: string[]
let nodes: readonly KafkaNode[]

beforeAll(async () => {
  services = await startServices({ kafka: { nodes: 3, proxied: true } })
  brokers = services.kafka!.brokers
  nodes = services.kafka!.nodes
})
afterAll(() => services?.close())

const proxyOf = (node: KafkaNode): KafkaProxy => node.proxy!

/** A topic of one partition, on one broker alone. */
async function topicOn(node: KafkaNode): Promise<string> {
  const replicaAssignment = [{ partition: 0, replicas: [node.id] }]
  const configEntries = [{ name: 'min.insync.replicas', value: '1' }]
  return createTopic(brokers, { topic: uniqueName('cluster'), replicaAssignment, configEntries })
}

const PRODUCE = 0

/** The next Produce to one broker resets its connection; each one to another broker leaves 1.2 s late. */
function resetAndDelay(
  resetPort: number,
  slowPort: number,
): { readonly socketFactory: ISocketFactory; arm(on: boolean): void } {
  let isArmed = false
  let resetsLeft = 0
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect)
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    socket.write = (...args: unknown[]): boolean => {
      const [bytes] = args as [Buffer]
      const isProduce = bytes.length > 6 && bytes.readInt16BE(4) === PRODUCE
      if (isProduce && port === resetPort && resetsLeft-- > 0) {
        socket.destroy(new Error('reset by the test'))
        return true
      }
      if (!isProduce || port !== slowPort || !isArmed) return write(...args)
      setTimeout(() => write(...args), 1_200) // the defect is about time: the other broker's answer comes after the reset
      return true
    }
    return socket
  }
  return {
    socketFactory,
    arm(on) {
      isArmed = on
      resetsLeft = on ? 1 : 0
    },
  }
}

const portOf = (node: KafkaNode): number => Number(node.address.split(':')[1])

test('bare kafkajs doubles the records of a slow broker when the connection to another one of the same send is reset', async () => {
  const [first, second] = nodes as [KafkaNode, KafkaNode, KafkaNode]
  const [quick, slow] = [await topicOn(first), await topicOn(second)]
  const faults = resetAndDelay(portOf(first), portOf(second))
  const producer = bareKafka(brokers, faults.socketFactory).producer({ idempotent: true })
  await producer.connect()
  for (const topic of [quick, slow]) await producer.send({ topic, messages: [{ partition: 0, value: 'warm' }] })

  faults.arm(true)
  await producer.sendBatch({
    topicMessages: [
      { topic: quick, messages: [{ partition: 0, value: 'p' }] },
      { topic: slow, messages: [{ partition: 0, value: 'q' }] },
    ],
  })
  faults.arm(false)
  await producer.disconnect()
  expect(countValues(await readTopic(brokers, slow)).get('q')).toBe(2)
})

test('a reset of one broker repeats what went to that broker alone, however slow another one is', async () => {
  const [first, second] = nodes as [KafkaNode, KafkaNode, KafkaNode]
  const [quick, slow] = [await topicOn(first), await topicOn(second)]
  const faults = resetAndDelay(portOf(first), portOf(second))
  const producer = ourProducer(brokers, { config: { socketFactory: faults.socketFactory } })
  for (const topic of [quick, slow]) await send(producer, batchOf(topic, 0, ['warm']))

  faults.arm(true)
  const ends = await Promise.all([send(producer, batchOf(quick, 0, ['p'])), send(producer, batchOf(slow, 0, ['q']))])
  faults.arm(false)
  expect(ends).toEqual([['1'], ['1']])
  expect(await send(producer, batchOf(slow, 0, ['r']))).toEqual(['2'])
  await producer.close({ timeoutMs: 5_000 })

  expect((await readTopic(brokers, quick)).map(({ value }) => value)).toEqual(['warm', 'p'])
  expect((await readTopic(brokers, slow)).map(({ value }) => value)).toEqual(['warm', 'q', 'r'])
})

test(
  'a broker that hangs makes its batch indeterminate at the delivery timeout, holds up no other broker, and is used again',
  { timeout: 150_000 },
  async () => {
    const [first, second] = nodes as [KafkaNode, KafkaNode, KafkaNode]
    const [hanging, lively] = [await topicOn(first), await topicOn(second)]
    const producer = ourProducer(brokers)
    for (const topic of [hanging, lively]) await send(producer, batchOf(topic, 0, ['warm']))

    proxyOf(first).blackHole(true)
    try {
      const doubtful = send(producer, batchOf(hanging, 0, ['doubtful']), 1_500)
      expect(await send(producer, batchOf(lively, 0, ['A']))).toEqual(['1'])
      expect(await doubtful).toEqual(['HOLDFAST_INDETERMINATE'])
      // By a fresh producer. kafkajs begins at a random seed, and asks what the cluster names as its controller, at random too: more
      // than half of the tries meet the silent broker, and each costs 5 s.
      expect(await send(producer, batchOf(lively, 0, ['B']), 100_000)).toEqual(['2'])
      expect(await send(producer, batchOf(lively, 0, ['C']))).toEqual(['3'])
    } finally {
      proxyOf(first).blackHole(false)
    }

    expect(await send(producer, batchOf(hanging, 0, ['C']))).toEqual([expect.stringMatching(/^\d+$/)])
    expect(await send(producer, batchOf(hanging, 0, ['D']))).toEqual([expect.stringMatching(/^\d+$/)])
    await producer.close({ timeoutMs: 5_000 })

    const counts = countValues(await readTopic(brokers, hanging))
    expect([counts.get('warm'), counts.get('C'), counts.get('D')]).toEqual([1, 1, 1])
    expect(counts.get('doubtful') ?? 0).toBeLessThanOrEqual(1)
    expect((await readTopic(brokers, lively)).map(({ value }) => value)).toEqual(['warm', 'A', 'B', 'C'])
  },
)

test('a stopped broker process makes its batch indeterminate, and the next ones are written when it goes on', async () => {
  const third = nodes[2]!
  const topic = await topicOn(third)
  const producer = ourProducer(brokers)
  await send(producer, batchOf(topic, 0, ['warm']))
  third.pause()
  await everyThreadStopped(third.pid!)
  try {
    expect(await send(producer, batchOf(topic, 0, ['doubtful']), 1_000)).toEqual(['HOLDFAST_INDETERMINATE'])
  } finally {
    third.resume()
  }
  expect(await send(producer, batchOf(topic, 0, ['A']), 30_000)).toEqual([expect.stringMatching(/^\d+$/)])
  expect(await send(producer, batchOf(topic, 0, ['B']), 30_000)).toEqual([expect.stringMatching(/^\d+$/)])
  await producer.close({ timeoutMs: 5_000 })
  const counts = countValues(await readTopic(brokers, topic))
  expect([counts.get('A'), counts.get('B')]).toEqual([1, 1])
  expect(counts.get('doubtful') ?? 0).toBeLessThanOrEqual(1)
})

test('a leader that is killed costs no acknowledged record: the batch goes on to the next leader, once', async () => {
  const [, second] = nodes as [KafkaNode, KafkaNode, KafkaNode]
  const replicaAssignment = [{ partition: 0, replicas: [second.id, nodes[0]!.id, nodes[2]!.id] }]
  const topic = await createTopic(brokers, { topic: uniqueName('cluster'), replicaAssignment })
  const producer = ourProducer(brokers)
  const sent: string[] = []
  const writeOn = async (until: () => boolean): Promise<void> => {
    while (!until()) {
      const value = String(sent.length)
      expect(await send(producer, batchOf(topic, 0, [value]), 45_000)).toEqual([expect.stringMatching(/^\d+$/)])
      sent.push(value)
    }
  }
  await writeOn(() => sent.length === 20)
  const killed = second.kill()
  await writeOn(() => sent.length >= 60)
  await killed
  await producer.close({ timeoutMs: 5_000 })
  await second.restart()
  expect((await readTopic(brokers, topic)).map(({ value }) => value)).toEqual(sent)
})

/** Waits until the cluster says that a partition has so many. */
async function inSyncReplicas(topic: string, count: number): Promise<void> {
  const admin = bareKafka(brokers).admin()
  await admin.connect()
  await vi.waitFor(
    async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      expect(topics[0]!.partitions[0]!.isr).toHaveLength(count)
    },
    { timeout: 20_000, interval: 50 },
  )
  await admin.disconnect()
}

test('too few replicas in sync is no doubt: nothing was written, and the same batch is taken when they are back', async () => {
  const [first, second, third] = nodes as [KafkaNode, KafkaNode, KafkaNode]
  const configEntries = [{ name: 'min.insync.replicas', value: '3' }]
  const replicaAssignment = [{ partition: 0, replicas: [first.id, second.id, third.id] }]
  const topic = await createTopic(brokers, { topic: uniqueName('cluster'), replicaAssignment, configEntries })
  const producer = ourProducer(brokers)
  await send(producer, batchOf(topic, 0, ['warm']))
  await third.terminate()
  await inSyncReplicas(topic, 2) // before the leader knows, it appends, and then says so: that is a doubt
  expect(await send(producer, batchOf(topic, 0, ['A']), 1_500)).toEqual(['HOLDFAST_UNAVAILABLE'])
  await third.restart()
  expect(await send(producer, batchOf(topic, 0, ['A']), 30_000)).toEqual(['1'])
  await producer.close({ timeoutMs: 5_000 })
  expect((await readTopic(brokers, topic)).map(({ value }) => value)).toEqual(['warm', 'A'])
})
