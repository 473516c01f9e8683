import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'
import { expect, test } from 'vitest'
import type { FetchCluster } from '../../../src/driver/kafkajs/consumer-fetching.ts'
import { decodeFetches, fetchedOf } from '../../../src/driver/kafkajs/consumer-fetching.ts'
import type { Fetched } from '../../../src/driver/kafkajs/fetch-decoding.ts'
import { MalformedBatchError } from '../../../src/driver/kafkajs/record-reader.ts'

const require = createRequire(import.meta.url)

const FETCH = 1
const PARTITION = { topic: 'orders', partition: 0 }

interface Sent {
  readonly request: { readonly apiKey: number; readonly apiVersion: number }
  readonly response: { decode(payload: Buffer): Promise<unknown>; parse(data: unknown): Promise<unknown> }
}

interface FetchAnswer {
  readonly clientSideThrottleTime: number
  readonly responses: ReadonlyArray<{ readonly topicName: string; readonly partitions: readonly PartitionAnswer[] }>
}

interface PartitionAnswer {
  readonly partition: number
  readonly highWatermark: string
  readonly abortedTransactions: readonly object[]
  readonly messages: readonly KafkaMessage[]
}

interface Broker {
  versions: Record<number, { readonly minVersion: number; readonly maxVersion: number }>
  fetch: (request: object) => Promise<FetchAnswer>
  metadata: (topics: readonly string[]) => Promise<unknown>
  connect(): Promise<void>
}

// kafkajs' own broker and batch, so that what is tested is what it does with them; only the socket is a script.
const KafkajsBroker = require('kafkajs/src/broker/index.js') as new (options: object) => Broker
const KafkajsBatch = require('kafkajs/src/consumer/batch.js') as new (
  topic: string,
  fetchedOffset: string,
  partition: PartitionAnswer,
) => {
  readonly messages: readonly KafkaMessage[]
  isEmpty(): boolean
  isEmptyDueToFiltering(): boolean
  firstOffset(): string | null
  lastOffset(): string
}

/** A broker of kafkajs' whose connection answers with these bytes, as its connection would: decoded, then parsed. */
async function brokerOf(maxVersion: number, payload: Buffer): Promise<{ broker: Broker; sent: Sent[] }> {
  const sent: Sent[] = []
  const connection = { getSupportAuthenticationProtocol: () => true, authenticate: async () => {} }
  const connectionPool = {
    host: 'broker',
    port: 9092,
    connectionTimeout: 1_000,
    isConnected: () => false, // so that connecting again is connecting
    getConnection: async () => connection,
    setVersions() {},
    setSupportAuthenticationProtocol() {},
    async send(exchange: Sent) {
      sent.push(exchange)
      return exchange.response.parse(await exchange.response.decode(payload))
    },
  }
  const logger = { namespace: () => ({ debug() {} }) }
  const versions = { [FETCH]: { minVersion: 0, maxVersion }, 3: { minVersion: 0, maxVersion: 0 } }
  const broker = new KafkajsBroker({ connectionPool, logger, nodeId: 1, versions })
  await broker.connect()
  return { broker, sent }
}

/** Has the fetches of a cluster's brokers decoded, and finds them as kafkajs' consumer does. */
function clusterOf(...brokers: readonly Broker[]): { find(nodeId?: number): Promise<Broker> } {
  const cluster = { findBroker: async ({ nodeId }: { nodeId: string }) => brokers[Number(nodeId)] }
  decodeFetches(cluster as unknown as FetchCluster)
  return { find: async (nodeId = 0) => (await cluster.findBroker({ nodeId: String(nodeId) }))! }
}

const REQUEST = {
  maxWaitTime: 5,
  minBytes: 1,
  maxBytes: 1_000,
  topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: '5', maxBytes: 100 }] }],
}

/** Fetches once; what the answer says of its first partition. */
async function fetchOnce(version: number, payload: Buffer): Promise<PartitionAnswer> {
  const { broker } = await brokerOf(version, payload)
  return partitionOf(await (await clusterOf(broker).find()).fetch(REQUEST))
}

function partitionOf({ responses }: FetchAnswer, at = 0): PartitionAnswer {
  return responses[at]!.partitions[0]!
}

function recordsOf({ messages }: Pick<PartitionAnswer, 'messages'>, from: bigint): [bigint, string][] {
  const records = [...fetchedOf(messages)!.records(PARTITION, from)]
  return records.map(({ offset, value }) => [offset, Buffer.from(value!).toString()])
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value])
const int32 = (value: number): Buffer => Buffer.from([value >> 24, value >> 16, value >> 8, value])
const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

interface Scripted {
  readonly topic?: string
  readonly errorCode?: number
  readonly aborted?: ReadonlyArray<readonly [producerId: number, firstOffset: number]>
  readonly set: Buffer
}

/** The answer to a fetch, in a version up to 3, or 4, or from 8 on. */
function answer(version: number, ...partitions: readonly Scripted[]): Buffer {
  const of = ({ topic = 'orders', errorCode = 0, aborted = [], set }: Scripted): Buffer[] => [
    int16(topic.length),
    Buffer.from(topic),
    int32(1),
    int32(0),
    int16(errorCode),
    int64(90), // high watermark
    ...(version >= 4 ? [int64(90)] : []),
    ...(version >= 5 ? [int64(0)] : []),
    ...(version >= 4 ? [int32(aborted.length), ...aborted.flat().map(int64)] : []),
    ...(version >= 11 ? [int32(-1)] : []),
    int32(set.length),
    set,
  ]
  const session = version >= 7 ? [int16(0), int32(0)] : []
  const throttle = version >= 1 ? [int32(30)] : []
  return Buffer.concat([...throttle, ...session, int32(partitions.length), ...partitions.flatMap(of)])
}

interface WrittenBatch {
  readonly baseOffset: number
  readonly values: readonly string[]
  readonly headers?: Record<string, Buffer>
  readonly producerId?: number
  readonly isControl?: boolean
}

const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0/index.js') as {
  RecordBatch(batch: object): Promise<{ readonly buffer: Buffer }>
}
const KafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0/index.js') as (record: object) => object

/** A batch as kafkajs writes it; of producers with an id, in a transaction. */
async function batch({ baseOffset, values, headers, producerId, isControl = false }: WrittenBatch): Promise<Buffer> {
  const key = isControl ? Buffer.alloc(4) : null // an abort
  const { buffer } = await RecordBatch({
    firstOffset: baseOffset,
    lastOffsetDelta: values.length - 1,
    transactional: producerId !== undefined,
    producerId: producerId ?? -1,
    records: values.map((value, offsetDelta) =>
      KafkajsRecord({ offsetDelta, key, value: Buffer.from(value), headers }),
    ),
  })
  if (isControl) buffer[22]! |= 0x20 // which no client writes
  return buffer
}

/** Messages in the format before Kafka 0.11, from an offset on. */
function oldSet(baseOffset: number, ...values: readonly string[]): Buffer {
  const each = values.map((value, i) => {
    const head = [int32(0), Buffer.from([1, 0]), int64(5), int32(-1), int32(value.length)]
    const message = Buffer.concat([...head, Buffer.from(value)])
    return Buffer.concat([int64(baseOffset + i), int32(message.length), message])
  })
  return Buffer.concat(each)
}

test('kafkajs asks, and the answer is read by this driver: one message stands for all that was fetched of a partition', async () => {
  const set = Buffer.concat([
    await batch({ baseOffset: 5, values: ['a', 'b'] }),
    await batch({ baseOffset: 7, values: ['c'] }),
  ])
  const { broker, sent } = await brokerOf(11, answer(11, { set }, { topic: 'refunds', set: Buffer.alloc(0) }))
  const { clientSideThrottleTime, responses } = await (await clusterOf(broker).find()).fetch(REQUEST)
  expect(sent.map(({ request }) => [request.apiKey, request.apiVersion])).toEqual([[FETCH, 11]])
  expect(clientSideThrottleTime).toBe(30)
  expect(responses.map(({ topicName }) => topicName)).toEqual(['orders', 'refunds'])
  const [orders, refunds] = responses.map(({ partitions }) => partitions[0]!)
  expect(orders).toMatchObject({ partition: 0, errorCode: 0, highWatermark: '90', preferredReadReplica: -1 })
  expect(orders!.messages).toHaveLength(1)
  expect(fetchedOf(orders!.messages)!.lastOffset).toBe(7n)
  expect(recordsOf(orders!, 6n)).toEqual([
    [6n, 'b'],
    [7n, 'c'],
  ])
  expect(refunds!.messages).toEqual([])
})

test.each([4, 8, 11])(
  'the answer of a broker whose fetches have version %i is read by this driver',
  async (version) => {
    const set = await batch({ baseOffset: 5, values: ['a'] })
    const { messages } = await fetchOnce(version, answer(version, { set }))
    expect(messages).toEqual([{ offset: '5', isControlRecord: false, fetched: expect.anything() as Fetched }])
  },
)

test('a broker is changed once, however often it is found', async () => {
  const { broker, sent } = await brokerOf(11, answer(11, { set: await batch({ baseOffset: 5, values: ['a'] }) }))
  const cluster = clusterOf(broker)
  const { fetch } = await cluster.find()
  expect(await cluster.find()).toBe(broker)
  expect((await cluster.find()).fetch).toBe(fetch)
  expect(partitionOf(await broker.fetch(REQUEST)).messages).toHaveLength(1)
  expect(sent).toHaveLength(1)
})

test('each broker that is found is changed, also one that takes the place of another', async () => {
  const of = async (value: string): Promise<Broker> =>
    (await brokerOf(11, answer(11, { set: await batch({ baseOffset: 5, values: [value] }) }))).broker
  const cluster = clusterOf(await of('a'), await of('b'))
  for (const [nodeId, value] of ['a', 'b'].entries())
    expect(recordsOf(partitionOf(await (await cluster.find(nodeId)).fetch(REQUEST)), 0n)).toEqual([[5n, value]])
})

test('what else kafkajs asks a broker is read by kafkajs', async () => {
  const { broker, sent } = await brokerOf(11, Buffer.concat([int32(0), int32(0)]))
  expect(await (await clusterOf(broker).find()).metadata([])).toEqual({ brokers: [], topicMetadata: [] })
  expect(sent[0]!.request.apiKey).toBe(3)
})

test('a broker that is connected anew may speak another version, and is understood in it', async () => {
  const set = await batch({ baseOffset: 5, values: ['a'] })
  const { broker, sent } = await brokerOf(11, answer(4, { set }))
  const found = await clusterOf(broker).find()
  await expect(found.fetch(REQUEST), 'the script speaks version 4').rejects.toBeInstanceOf(Error)
  broker.versions = { [FETCH]: { minVersion: 0, maxVersion: 4 } }
  await broker.connect()
  expect(recordsOf(partitionOf(await found.fetch(REQUEST)), 0n)).toEqual([[5n, 'a']])
  expect(sent.map(({ request }) => request.apiVersion)).toEqual([11, 4])
})

test.each([0, 1, 2, 3])(
  'the answer of a broker whose fetches have version %i is read by kafkajs, and looks the same',
  async (version) => {
    const partition = await fetchOnce(version, answer(version, { set: oldSet(3, 'a', 'b', 'c') }))
    expect(partition.messages).toHaveLength(1)
    expect(fetchedOf(partition.messages)!.lastOffset).toBe(5n)
    expect(recordsOf(partition, 4n), 'what lies below the position is dropped').toEqual([
      [4n, 'b'],
      [5n, 'c'],
    ])
    const [record] = fetchedOf(partition.messages)!.records({ topic: 'other', partition: 7 }, 0n)
    expect(record).toEqual({
      topic: 'other',
      partition: 7,
      offset: 3n,
      key: null,
      value: Buffer.from('a'),
      headers: [],
      timestamp: 5n,
    })
  },
)

test('a partition of an old broker with nothing new has no message', async () => {
  expect((await fetchOnce(2, answer(2, { set: Buffer.alloc(0) }))).messages).toEqual([])
})

test('what was written before Kafka 0.11 is read by kafkajs, however new the broker is', async () => {
  const long = 'x'.repeat(40)
  const partition = await fetchOnce(11, answer(11, { set: oldSet(3, long, 'b') }))
  expect(fetchedOf(partition.messages)!.lastOffset).toBe(4n)
  expect(recordsOf(partition, 3n)).toEqual([
    [3n, long],
    [4n, 'b'],
  ])
})

test('a short message that was written before Kafka 0.11 comes, too: else its partition would stand still for ever', async () => {
  expect(recordsOf(await fetchOnce(11, answer(11, { set: oldSet(3, 'a') })), 3n)).toEqual([[3n, 'a']])
})

test('one partition in the old format costs the others neither their headers nor their transactions', async () => {
  const headers = { h: Buffer.from('1') }
  const set = Buffer.concat([
    await batch({ baseOffset: 5, values: ['committed'], headers }),
    await batch({ baseOffset: 6, values: ['aborted'], producerId: 1 }),
    await batch({ baseOffset: 7, values: [''], producerId: 1, isControl: true }),
  ])
  const payload = answer(11, { topic: 'old', set: oldSet(3, 'x'.repeat(40)) }, { set, aborted: [[1, 6]] })
  const { broker } = await brokerOf(11, payload)
  const response = await (await clusterOf(broker).find()).fetch(REQUEST)
  expect(recordsOf(partitionOf(response, 0), 3n)).toEqual([[3n, 'x'.repeat(40)]])
  const orders = partitionOf(response, 1)
  expect(recordsOf(orders, 5n)).toEqual([[5n, 'committed']])
  const [record] = fetchedOf(orders.messages)!.records(PARTITION, 5n)
  expect(record!.headers).toEqual([['h', Buffer.from('1')]])
})

test.each([2, 11])("an error of the broker's comes out as kafkajs makes it, with version %i", async (version) => {
  const none = Buffer.alloc(0)
  const outOfRange = fetchOnce(version, answer(version, { set: none }, { topic: 'refunds', errorCode: 1, set: none }))
  await expect(outOfRange).rejects.toMatchObject({ name: 'KafkaJSOffsetOutOfRange', topic: 'refunds', partition: 0 })
  const notLeader = fetchOnce(version, answer(version, { errorCode: 6, set: none }))
  await expect(notLeader).rejects.toMatchObject({ type: 'NOT_LEADER_FOR_PARTITION', retriable: true })
})

test('an answer that cannot be read fails the fetch, and the next one is asked for as before', async () => {
  const set = await batch({ baseOffset: 5, values: ['a'] })
  set.writeInt32BE(7, 8) // its length
  const { broker } = await brokerOf(11, answer(11, { set }))
  const found = await clusterOf(broker).find()
  await expect(found.fetch(REQUEST)).rejects.toThrow(MalformedBatchError)
  await expect(found.fetch(REQUEST)).rejects.toThrow(MalformedBatchError)
})

test('kafkajs makes a batch of it that is not empty and ends where the fetch ended, also when nothing of it is to be handled', async () => {
  const aborted = Buffer.concat([
    await batch({ baseOffset: 5, values: ['a', 'b'], producerId: 1 }),
    await batch({ baseOffset: 7, values: [''], producerId: 1, isControl: true }),
  ])
  const marker = await batch({ baseOffset: 5, values: [''], producerId: 1, isControl: true })
  const committed = await batch({ baseOffset: 4, values: ['a', 'b'] }) // begins below what was asked for
  for (const [set, last, records] of [
    [aborted, '7', []],
    [marker, '5', []],
    [committed, '5', [[5n, 'b']]],
  ] as const) {
    const partition = await fetchOnce(11, answer(11, { set, aborted: [[1, 5]] }))
    expect(partition.abortedTransactions, 'nothing is left for kafkajs to filter').toEqual([])
    const made = new KafkajsBatch('orders', '5', partition)
    expect([made.isEmpty(), made.isEmptyDueToFiltering(), made.lastOffset()]).toEqual([false, false, last])
    expect(made.messages, 'which it hands to the consumer').toEqual(partition.messages)
    expect(recordsOf(made, 5n)).toEqual(records)
  }
})

test('a fetch that brought nothing is an empty batch of kafkajs', async () => {
  const made = new KafkajsBatch('orders', '5', await fetchOnce(11, answer(11, { set: Buffer.alloc(0) })))
  expect([made.isEmpty(), made.isEmptyDueToFiltering()]).toEqual([true, false])
})

test("messages of kafkajs' own making are not taken for what was fetched here", () => {
  const message = { offset: '5', key: null, value: null, timestamp: '1', attributes: 0, headers: {} }
  expect(fetchedOf([message as KafkaMessage])).toBeUndefined()
  expect(fetchedOf([])).toBeUndefined()
})
