import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RecordBatch } from '../../../src/driver/kafkajs/record-decoding.ts'
import { FetchedRecords, isAbort } from '../../../src/driver/kafkajs/record-decoding.ts'
import { MalformedBatchError } from '../../../src/driver/kafkajs/record-reader.ts'
import { encodeRecords } from '../../../src/driver/kafkajs/record-encoding.ts'
import type { Header, InboundRecord, OutboundRecord } from '../../../src/record/index.ts'

const PARTITION = { topic: 'orders', partition: 3 }

/** A record as a producer wrote it, and whether compaction has taken it since. */
interface Written extends OutboundRecord {
  readonly isGone: boolean
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each))
const bytesOrNull = fc.option(bytes)
const name = fc.oneof(fc.constantFrom('__proto__', 'constructor', '7', '', 'b'), fc.string({ unit: 'grapheme' }))
const header: fc.Arbitrary<Header> = fc.tuple(name, bytesOrNull)
const written: fc.Arbitrary<Written> = fc.record({
  topic: fc.constant(PARTITION.topic),
  partition: fc.constant(PARTITION.partition),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(header, { maxLength: 5 }),
  timestamp: fc.bigInt({ min: 0n, max: 9_000_000_000_000n }),
  isGone: fc.boolean(),
})
const baseOffset = fc.bigInt({ min: 0n, max: 2n ** 62n })
const someRecords = fc.array(written, { minLength: 1, maxLength: 80 }) // more than fit offsets of one byte

/** A batch of these, from which compaction has taken the records that are gone: the others keep their offsets. */
function batchOf(records: readonly Written[], from: bigint): RecordBatch {
  const baseTimestamp = records.reduce(
    (min, { timestamp }) => (timestamp < min ? timestamp : min),
    records[0]!.timestamp,
  )
  const kept = split(encodeRecords(records, baseTimestamp)).filter((_, i) => !records[i]!.isGone)
  return { ...EMPTY, baseOffset: from, lastOffset: from + BigInt(records.length - 1), baseTimestamp, ...packed(kept) }
}

const EMPTY: RecordBatch = {
  baseOffset: 0n,
  lastOffset: 0n,
  baseTimestamp: 0n,
  appendTime: null,
  producerId: -1n,
  isTransactional: false,
  isControl: false,
  count: 0,
  bytes: Buffer.alloc(0),
}

function packed(records: readonly Buffer[]): Pick<RecordBatch, 'count' | 'bytes'> {
  return { count: records.length, bytes: Buffer.concat(records) }
}

/** Cuts encoded records apart. */
function split(records: Buffer): Buffer[] {
  const each: Buffer[] = []
  for (let at = 0; at < records.length;) {
    let size = 0
    let end = at
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = records[end++]!
      size += (byte & 0x7f) * 2 ** shift
    }
    end += size / 2
    each.push(records.subarray(at, end))
    at = end
  }
  return each
}

/** What the records that are left say, with the offsets that they have got. */
function expected(records: readonly Written[], from: bigint): unknown[] {
  return records.flatMap(({ isGone, ...record }, i) => (isGone ? [] : [{ ...record, offset: from + BigInt(i) }]))
}

function said({ topic, partition, key, value, headers, timestamp, offset }: InboundRecord): unknown {
  return { topic, partition, key, value, headers, timestamp, offset }
}

/** Numbers of a record: zigzag, 7 bits in a byte, the lowest first. */
function varInt(value: number): number[] {
  const digits: number[] = []
  let left = value < 0 ? -2 * value - 1 : 2 * value
  for (; left >= 0x80; left = Math.floor(left / 0x80)) digits.push((left % 0x80) + 0x80)
  return [...digits, left]
}

/** A batch of one record, made of the numbers and bytes that follow its length. */
function batchWith(...body: readonly number[]): RecordBatch {
  return { ...EMPTY, count: 1, bytes: Buffer.from([...varInt(body.length), ...body]) }
}

const ALL = 0n

test('whatever was written comes back: bytes and nulls, headers in their order and as often as they were, times, offsets with gaps', () => {
  fc.assert(
    fc.property(someRecords, baseOffset, (records, from) => {
      const read = [...new FetchedRecords([batchOf(records, from)], PARTITION, from)]
      expect(read.map(said)).toEqual(expected(records, from))
    }),
  )
})

test('what a record is made of can be asked for in any order, and is the same object each time', () => {
  const record = { ...PARTITION, key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 9n, isGone: false }
  const headers: Header[] = [['h', Buffer.from('x')]]
  const [read] = new FetchedRecords([batchOf([{ ...record, headers }], 5n)], PARTITION, ALL)
  expect([read!.timestamp, read!.headers, read!.value, read!.key]).toEqual([9n, headers, record.value, record.key])
  expect(read!.headers).toBe(read!.headers)
  expect(read!.value).toBe(read!.value)
  expect(read!.key).toBe(read!.key)
})

test('from an offset inside of a batch on only later records come, and how many and how long they are is known before', () => {
  fc.assert(
    fc.property(
      fc.array(someRecords, { maxLength: 4 }),
      baseOffset,
      fc.nat({ max: 200 }),
      (batches, first, skipped) => {
        const from = first + BigInt(skipped)
        let next = first
        const laidOut = batches.map((records) => {
          const base = next
          next += BigInt(records.length)
          return {
            batch: batchOf(records, base),
            all: expected(records, base),
            sizes: split(batchOf(records, base).bytes),
          }
        })
        const records = new FetchedRecords(
          laidOut.map(({ batch }) => batch),
          PARTITION,
          from,
        )
        const wanted = laidOut.flatMap(({ all }) => all).filter((each) => (each as InboundRecord).offset >= from)
        const read = [...records]
        expect(read.map(said)).toEqual(wanted)
        expect(records.length).toBe(read.length)
        expect(records.byteLength).toBe(read.reduce((sum, { byteLength }) => sum + byteLength!, 0))
        expect([...records].map(said), 'they can be read twice').toEqual(wanted)
      },
    ),
  )
})

test('a record takes the bytes that it has in its batch, without the number that says how many', () => {
  const body = [0, ...varInt(0), ...varInt(0), ...varInt(3), 1, 2, 3, ...varInt(2), 4, 5, ...varInt(0)]
  const records = new FetchedRecords([batchWith(...body)], PARTITION, ALL)
  expect(records.byteLength).toBe(body.length)
  expect([...records][0]!.byteLength).toBe(body.length)
})

test('key and value are views on the bytes that were fetched: nothing is copied', () => {
  const batch = batchWith(0, ...varInt(0), ...varInt(0), ...varInt(1), 7, ...varInt(1), 8, ...varInt(0))
  const [{ key, value }] = [...new FetchedRecords([batch], PARTITION, ALL)] as [InboundRecord]
  batch.bytes.fill(9)
  expect([key, value]).toEqual([Buffer.from([9]), Buffer.from([9])])
})

test('a record may be older than the first of its batch', () => {
  const batch = batchWith(0, ...varInt(-70), ...varInt(0), ...varInt(-1), ...varInt(-1), ...varInt(0))
  const [record] = new FetchedRecords([{ ...batch, baseTimestamp: 1_000n }], PARTITION, ALL)
  expect(record).toMatchObject({ timestamp: 930n, key: null, value: null, headers: [] })
})

test('a time farther away than 32 bits say is right all the same', () => {
  const batch = batchWith(0, ...varInt(9_000_000_000_000), ...varInt(0), ...varInt(-1), ...varInt(-1), ...varInt(0))
  const [record] = new FetchedRecords([{ ...batch, baseTimestamp: 1n }], PARTITION, ALL)
  expect(record!.timestamp).toBe(9_000_000_000_001n)
})

test('bytes of any length come back: lengths of one byte, and of four', () => {
  for (const length of [0, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576]) {
    const value = Buffer.alloc(length, 'x')
    const record = {
      ...PARTITION,
      key: value,
      value,
      headers: [['h', value]] as Header[],
      timestamp: 1n,
      isGone: false,
    }
    const batch = batchOf([record, record], 5n)
    const read = [...new FetchedRecords([batch], PARTITION, 6n)]
    expect(read.map(({ offset }) => offset)).toEqual([6n])
    for (const each of [read[0]!.key, read[0]!.value, read[0]!.headers[0]![1]]) expect(value.equals(each!)).toBe(true)
  }
})

test('where the broker stamps its own time, all records of the batch have it', () => {
  fc.assert(
    fc.property(someRecords, (records) => {
      const batch = { ...batchOf(records, 0n), appendTime: 77n }
      const times = [...new FetchedRecords([batch], PARTITION, ALL)].map(({ timestamp }) => timestamp)
      expect(times.every((time) => time === 77n)).toBe(true)
    }),
    { numRuns: 20 },
  )
})

test('a batch that compaction has emptied, and no batch at all, are no records', () => {
  for (const batches of [[], [EMPTY], [{ ...EMPTY, count: -1 }]]) {
    const records = new FetchedRecords(batches, PARTITION, ALL)
    expect([records.length, records.byteLength, [...records]]).toEqual([0, 0, []])
  }
})

test('the marker of a transaction says whether it was aborted', () => {
  const marker = (...key: number[]): RecordBatch =>
    batchWith(0, ...varInt(0), ...varInt(0), ...varInt(key.length), ...key, ...varInt(-1), ...varInt(0))
  expect(isAbort(marker(0, 0, 0, 0))).toBe(true)
  expect(isAbort(marker(0, 1, 0, 0)), 'of a later version').toBe(true)
  expect(isAbort(marker(0, 0, 0, 0, 9)), 'with more in its key').toBe(true)
  expect(isAbort(marker(0, 0, 0, 1)), 'a commit').toBe(false)
  expect(isAbort(marker(0, 0, 1, 0)), 'of a kind to come').toBe(false)
  expect(isAbort(marker(0, 0)), 'of no kind').toBe(false)
  expect(isAbort(EMPTY), 'compacted away').toBe(false)
})

/** Reads all that does not throw by contract, and holds it to what a batch may have. */
function readAll(batch: RecordBatch, from: bigint): void {
  let records: FetchedRecords
  try {
    records = new FetchedRecords([batch], PARTITION, from)
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedBatchError)
    expect((error as Error).message).not.toContain('SECRET')
    return
  }
  const lies = (view: Uint8Array | null): boolean =>
    view === null ||
    (view.byteOffset >= batch.bytes.byteOffset &&
      view.byteOffset + view.length <= batch.bytes.byteOffset + batch.bytes.length)
  let read = 0
  for (const { offset, key, value } of records) {
    read++
    expect(lies(key) && lies(value), 'what is read lies within the batch').toBe(true)
    expect(offset >= batch.baseOffset && offset <= batch.lastOffset, `${offset} is an offset of the batch`).toBe(true)
  }
  expect(records.length).toBe(read)
}

const secrets = someRecords.map((records) => records.map((each) => ({ ...each, value: Buffer.from('SECRET') })))

test('bytes that were cut off are found before the first record is handed over', () => {
  fc.assert(
    fc.property(secrets, fc.nat(), (records, cut) => {
      const batch = batchOf(records, 0n)
      fc.pre(batch.count > 0)
      const bytes = batch.bytes.subarray(0, cut % batch.bytes.length)
      expect(() => new FetchedRecords([{ ...batch, bytes }], PARTITION, ALL)).toThrow(MalformedBatchError)
    }),
  )
})

test('a batch that says it has more records than there are is found before the first one is handed over', () => {
  fc.assert(
    fc.property(secrets, fc.integer({ min: 1, max: 2 ** 30 }), (records, more) => {
      const batch = batchOf(records, 0n)
      const count = batch.count + more
      expect(() => new FetchedRecords([{ ...batch, count }], PARTITION, ALL)).toThrow(MalformedBatchError)
    }),
  )
})

test('whatever bytes are wrong: either nothing is handed over, or as many records as was said, all of offsets and bytes of the batch', () => {
  const wrong = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0x7f, 0x80, 0xff))), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(secrets, wrong, fc.nat({ max: 100 }), (records, changes, from) => {
      const batch = batchOf(records, 50n)
      fc.pre(batch.count > 0)
      for (const [at, byte] of changes) batch.bytes[at % batch.bytes.length] = byte
      readAll(batch, BigInt(from))
    }),
    { numRuns: 2_000 },
  )
})

test('arbitrary bytes are no records, or such as have been announced', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.nat({ max: 5 }),
      fc.nat({ max: 9 }),
      (some, count, from) =>
        readAll({ ...EMPTY, baseOffset: 4n, lastOffset: 8n, count, bytes: Buffer.from(some) }, BigInt(from)),
    ),
    { numRuns: 5_000 },
  )
})

const OVERLONG = [0x80, 0x80, 0x80, 0x80, 0x80, 0x00] // 0, in more bytes than a number of 32 bits has

test.each([
  ['no length at all', []],
  ['a length of 0', [0]],
  ['a length below 0', [1]],
  ['a length that never ends', Array<number>(12).fill(0xff)],
])('a record with %s is malformed', (_, bytes) => {
  const batch = { ...EMPTY, count: 1, bytes: Buffer.from(bytes) }
  expect(() => new FetchedRecords([batch], PARTITION, ALL)).toThrow(MalformedBatchError)
})

test.each([
  ['whose offset lies before its batch', [0, 0, ...varInt(-1), 1, 1, 0]],
  ['whose offset lies behind its batch', [0, 0, ...varInt(1), 1, 1, 0]],
  ['whose offset is no number of 32 bits', [0, 0, ...OVERLONG, 1, 1, 0]],
  ['whose key has a length of more than 32 bits', [0, 0, 0, ...OVERLONG, 1, 0]],
  ['whose value has a length of more than 32 bits', [0, 0, 0, 1, ...OVERLONG, 0]],
  ['whose key is longer than all of it', [0, 0, 0, ...varInt(100), 1, 0]],
  ['whose value is longer than all of it', [0, 0, 0, 1, ...varInt(100), 0]],
  ['that ends before its headers', [0, 0, 0, 1, 1]],
])('a record %s is malformed, and found before the first one is handed over', (_, body) => {
  expect(() => new FetchedRecords([batchWith(...body)], PARTITION, ALL)).toThrow(MalformedBatchError)
})

test('offsets that do not rise within a batch are malformed: behind such a record a commit could pass one that was not handled', () => {
  const record = (delta: number): Buffer => batchWith(0, 0, ...varInt(delta), 1, 1, 0).bytes
  for (const second of [0, 1])
    expect(
      () => new FetchedRecords([{ ...EMPTY, lastOffset: 5n, ...packed([record(1), record(second)]) }], PARTITION, ALL),
    ).toThrow(MalformedBatchError)
})

/** Asks for the headers of a record of which all else is right. */
function headersOf(...headers: readonly number[]): unknown {
  const [record] = new FetchedRecords([batchWith(0, 0, 0, 1, 1, ...headers)], PARTITION, ALL)
  return record!.headers
}

test.each([
  ['a header with a name that is longer than its record', [...varInt(1), ...varInt(9), 97, 1]],
  ['a header with a value that is longer than its record', [...varInt(1), ...varInt(1), 97, ...varInt(9)]],
  ['fewer headers than it says', [...varInt(2), ...varInt(1), 97, 1]],
  ['a header with a name of a length below 0', [...varInt(2), ...varInt(-2), 0]],
  ['a number of headers below 0', varInt(-1)],
])('a record with %s has no headers that could be read, and says so without its content', (_, headers) => {
  expect(() => headersOf(...headers)).toThrow(MalformedBatchError)
})
