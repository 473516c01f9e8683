import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import type { ProduceBatch } from '../../../src/driver/index.ts'
import { toKafkajsHeaders, toKafkajsMessages, unfitBatch } from '../../../src/driver/kafkajs/kafkajs-records.ts'
import type { Headers, OutboundRecord } from '../../../src/record/index.ts'

const require = createRequire(import.meta.url)
/** kafkajs' own encoder of one record: what it writes is what stands on the log. */
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (message: object) => {
  readonly buffer: Buffer
}

function batchWith(record: Partial<OutboundRecord>): ProduceBatch {
  const whole = { topic: 't', partition: 1, key: null, value: Buffer.from('v'), headers: [], timestamp: 5n, ...record }
  return { topic: 't', partition: 1, records: [whole], compression: 'none' }
}

/** The headers in the bytes of a record (Kafka's record format v2), read without any help of kafkajs. */
function headersOnTheWire(bytes: Buffer): [string, string][] {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) return (value >>> 1) ^ -(value & 1)
    }
  }
  const text = (): string => {
    const length = varint()
    const start = at
    at += Math.max(0, length)
    return bytes.toString('utf8', start, at)
  }
  varint() // length
  at++ // attributes
  varint() // timestamp delta
  varint() // offset delta
  text() // key
  text() // value
  return Array.from({ length: varint() }, () => [text(), text()])
}

test('headers with names that every JavaScript object has by itself reach the log as data', () => {
  const headers: Headers = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a'].map((name) => [
    name,
    Buffer.from(`${name}!`),
  ])
  const [message] = toKafkajsMessages(batchWith({ headers }))
  const { buffer } = encodeRecord({ ...message, timestampDelta: 0 })
  expect(headersOnTheWire(buffer)).toEqual(headers.map(([name]) => [name, `${name}!`]))
})

test('a repeated name keeps its values in their order, an empty value stays empty', () => {
  const headers: Headers = [
    ['a', Buffer.from('1')],
    ['b', Buffer.alloc(0)],
    ['a', Buffer.from('2')],
    ['a', Buffer.from('3')],
  ]
  const [message] = toKafkajsMessages(batchWith({ headers }))
  const { buffer } = encodeRecord({ ...message, timestampDelta: 0 })
  expect(headersOnTheWire(buffer)).toEqual([
    ['a', '1'],
    ['a', '2'],
    ['a', '3'],
    ['b', ''],
  ])
})

test('bytes that are no Buffer are written as they are, without a copy', () => {
  const bytes = new Uint8Array([9, 1, 2, 3]).subarray(1)
  const [message] = toKafkajsMessages(batchWith({ value: bytes, key: bytes }))
  expect(message!.value).toEqual(Buffer.from([1, 2, 3]))
  expect((message!.value as Buffer).buffer).toBe(bytes.buffer)
  expect(toKafkajsHeaders([['h', bytes]])['h']).toEqual(Buffer.from([1, 2, 3]))
})

test('timestamps are padded, since kafkajs sorts them as text to find the first and the last', () => {
  const records = [5n, 1_700_000_000_000n, 40n].map((timestamp) => batchWith({ timestamp }).records[0]!)
  const stamps = toKafkajsMessages({ ...batchWith({}), records }).map(({ timestamp }) => timestamp!)
  expect(stamps.toSorted().map(Number)).toEqual([5, 40, 1_700_000_000_000])
})

test('what kafkajs would choke on is refused with its place, and never its content', () => {
  const unfit = unfitBatch(batchWith({ headers: [['h', null]], timestamp: -1n, partition: 2 }))
  expect(unfit).toMatchObject({ code: 'HOLDFAST_MESSAGE_INVALID' })
  expect(unfit!.problems.map(({ path }) => path)).toEqual(['records[0]', 'records[0].timestamp', 'records[0].headers'])
  expect(unfitBatch(batchWith({ value: null }))).toBeUndefined() // a tombstone
  expect(unfitBatch({ ...batchWith({}), records: [] })).toMatchObject({ code: 'HOLDFAST_MESSAGE_INVALID' })
})
