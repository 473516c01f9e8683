import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Compression, ProduceBatch } from '../../../src/driver/index.ts'
import { packedCompression, toKafkajsMessages } from '../../../src/driver/kafkajs/packed-records.ts'
import { unfitBatch } from '../../../src/driver/kafkajs/unfit-batch.ts'
import type { OutboundRecord } from '../../../src/record/index.ts'

const require = createRequire(import.meta.url)
/** kafkajs' own encoding of a produce request: what it writes is what stands on the log. */
const produceRequest = require('kafkajs/src/protocol/requests/produce/v3/request.js') as (request: object) => {
  encode(): Promise<{ readonly buffer: Buffer }>
}

/** A batch as kafkajs puts it on the wire. */
async function onTheWire(messages: readonly object[], compression: number): Promise<Buffer> {
  const partitions = [{ partition: 1, firstSequence: 7, messages }]
  const topicData = [{ topic: 't', partitions }]
  const request = { acks: -1, timeout: 1_000, producerId: 5, producerEpoch: 2, compression, topicData }
  return (await produceRequest(request).encode()).buffer
}

function batchWith(...records: ReadonlyArray<Partial<OutboundRecord>>): ProduceBatch {
  const whole = { topic: 't', partition: 1, key: null, value: Buffer.from('v'), headers: [], timestamp: 5n }
  return { topic: 't', partition: 1, records: records.map((each) => ({ ...whole, ...each })), compression: 'none' }
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each))
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  // Names that are no integers and do not repeat: with others kafkajs itself changes the order.
  headers: fc
    .uniqueArray(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 5 })
    .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(`h${name}`), bytes)))),
  timestamp: fc.bigInt({ min: 1n, max: 9_000_000_000_000n }),
})

test.each<[Compression, number]>([
  ['none', 0],
  ['gzip', 1],
])('with compression %s the bytes on the wire are those that kafkajs makes of the same records', async (name, type) => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async (records) => {
      const batch = batchWith(...records)
      const plain = batch.records.map(({ key, value, headers, timestamp, partition }) => ({
        key,
        value,
        partition,
        timestamp: timestamp.toString().padStart(16, '0'),
        headers: Object.fromEntries(headers),
      }))
      const ours = await onTheWire(toKafkajsMessages(batch), packedCompression(name))
      expect(ours.equals(await onTheWire(plain, type))).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test('a batch is counted as the records it has: the broker numbers them by it', () => {
  expect(toKafkajsMessages(batchWith({}, {}, {}))).toHaveLength(3)
  expect(toKafkajsMessages(batchWith({}))).toHaveLength(1)
})

test('kafkajs makes a record of the first and the last alone: each costs it half a kilobyte', () => {
  const [first, , last] = toKafkajsMessages(batchWith({ timestamp: 1n }, {}, { timestamp: 9n })).map(
    ({ timestamp }) => timestamp,
  )
  expect([first, last].map(Number)).toEqual([1, 9])
  let made = 0
  const records = toKafkajsMessages(batchWith({}, {}, {}, {})).map(() => ++made)
  expect([made, records.length]).toEqual([2, 4])
})

/** The headers of the first record in a packed batch (Kafka's record format v2), read without any help of kafkajs. */
function firstHeaders(packed: Buffer): [string, string | null][] {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = packed[at++]!
      value |= (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) return (value >>> 1) ^ -(value & 1)
    }
  }
  const text = (): string | null => {
    const length = varint()
    if (length < 0) return null
    at += length
    return packed.toString('utf8', at - length, at)
  }
  varint() // length
  at++ // attributes
  varint() // timestamp delta
  varint() // offset delta
  text() // key
  text() // value
  return Array.from({ length: varint() }, () => [text()!, text()])
}

test('headers keep their order, repeated names and names that every JavaScript object has, which kafkajs would not', () => {
  const headers = [
    ['b', ''],
    ['__proto__', '1'],
    ['constructor', '2'],
    ['7', '3'],
    ['b', '4'],
    ['', '5'],
  ] as const
  const [message] = toKafkajsMessages(batchWith({ headers: headers.map(([name, text]) => [name, Buffer.from(text)]) }))
  expect(firstHeaders(message!.value as Buffer)).toEqual(headers)
})

test('bytes that are no Buffer, and a view on a part of one, are written as they are', () => {
  const view = new Uint8Array([9, 1, 2, 3]).subarray(1)
  const same = (value: Uint8Array): Buffer => toKafkajsMessages(batchWith({ key: value, value }))[0]!.value as Buffer
  expect(same(view).equals(same(Buffer.from([1, 2, 3])))).toBe(true)
})

test('what kafkajs would choke on is refused with its place, and never its content', () => {
  const unfit = unfitBatch(batchWith({ timestamp: -1n, partition: 2 }))
  expect(unfit).toMatchObject({ code: 'HOLDFAST_MESSAGE_INVALID' })
  expect(unfit!.problems.map(({ path }) => path)).toEqual(['records[0]', 'records[0].timestamp'])
  expect(unfitBatch(batchWith({ value: null }))).toBeUndefined() // a tombstone
  expect(unfitBatch(batchWith())).toMatchObject({ code: 'HOLDFAST_MESSAGE_INVALID' })
})
