import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Fetched, FetchResponse } from '../../../src/driver/kafkajs/fetch-decoding.ts'
import { decodeFetch } from '../../../src/driver/kafkajs/fetch-decoding.ts'
import { MalformedBatchError } from '../../../src/driver/kafkajs/record-reader.ts'
import { encodeRecords } from '../../../src/driver/kafkajs/record-encoding.ts'
import type { Header, InboundRecord, OutboundRecord } from '../../../src/record/index.ts'

const require = createRequire(import.meta.url)

/** A record as kafkajs decodes it. */
interface KafkajsMessage {
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: string
  readonly isControlRecord: boolean
}

/** kafkajs' own decoding of a fetch response. */
const kafkajs = require('kafkajs/src/protocol/requests/fetch/v11/response.js') as {
  decode(payload: Buffer): Promise<{
    clientSideThrottleTime: number
    responses: {
      topicName: string
      partitions: {
        partition: number
        errorCode: number
        highWatermark: string
        preferredReadReplica: number
        abortedTransactions: object[]
        messages: KafkajsMessage[]
      }[]
    }[]
  }>
}
const filterAbortedMessages = require('kafkajs/src/consumer/filterAbortedMessages.js') as (all: {
  messages: KafkajsMessage[]
  abortedTransactions: object[]
}) => KafkajsMessage[]

const GZIP = 1
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** A batch as it stands on the log. */
interface LogBatch {
  readonly baseOffset: bigint
  readonly records: readonly OutboundRecord[]
  readonly attributes?: number
  readonly producerId?: bigint
  readonly lastOffsetDelta?: number
  readonly maxTimestamp?: bigint
  /** Instead of the encoded records. */
  readonly bytes?: Buffer
}

function framed(batch: LogBatch): Buffer {
  const { baseOffset, records, attributes = 0, producerId = -1n, maxTimestamp = 0n } = batch
  const { lastOffsetDelta = records.length - 1 } = batch
  const firstTimestamp = records.reduce((min, { timestamp }) => (timestamp < min ? timestamp : min), 2n ** 62n)
  const plain = batch.bytes ?? encodeRecords(records, firstTimestamp)
  const bytes = (attributes & 0x07) === GZIP && plain.length > 0 ? gzipSync(plain) : plain
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(baseOffset, 0)
  head.writeInt32BE(head.length - 12 + bytes.length, 8)
  head.writeInt8(2, 16) // magic
  head.writeInt16BE(attributes, 21)
  head.writeInt32BE(lastOffsetDelta, 23)
  head.writeBigInt64BE(records.length === 0 ? 0n : firstTimestamp, 27)
  head.writeBigInt64BE(maxTimestamp, 35)
  head.writeBigInt64BE(producerId, 43)
  head.writeInt32BE(records.length, 57)
  return Buffer.concat([head, bytes])
}

interface Aborted {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

interface LogPartition {
  readonly topic?: string
  readonly partition?: number
  readonly errorCode?: number
  readonly highWatermark?: bigint
  readonly aborted?: readonly Aborted[] | null
  readonly preferredReadReplica?: number
  readonly batches: readonly Buffer[]
}

/** The answer to a fetch, each of the partitions in a topic of its own. */
function response(version: number, partitions: readonly LogPartition[], throttleMs = 0): Buffer {
  const parts: Buffer[] = []
  const int = (size: number) => (value: number) => {
    const bytes = Buffer.alloc(size)
    bytes.writeIntBE(value, 0, size)
    parts.push(bytes)
  }
  const [int16, int32] = [int(2), int(4)]
  const int64 = (value: bigint): void => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(value)
    parts.push(bytes)
  }
  int32(throttleMs)
  if (version >= 7) {
    int16(0)
    int32(0)
  }
  int32(partitions.length)
  for (const { topic = 'orders', partition = 0, errorCode = 0, highWatermark = 0n, ...rest } of partitions) {
    const { aborted = [], preferredReadReplica = -1, batches } = rest
    int16(Buffer.byteLength(topic))
    parts.push(Buffer.from(topic))
    int32(1)
    int32(partition)
    int16(errorCode)
    int64(highWatermark)
    int64(highWatermark) // last stable offset
    if (version >= 5) int64(0n)
    int32(aborted === null ? -1 : aborted.length)
    for (const { producerId, firstOffset } of aborted ?? []) {
      int64(producerId)
      int64(firstOffset)
    }
    if (version >= 11) int32(preferredReadReplica)
    const set = Buffer.concat(batches)
    int32(set.length)
    parts.push(set)
  }
  return Buffer.concat(parts)
}

function record(value: string | null, timestamp = 5n): OutboundRecord {
  return {
    topic: 't',
    partition: 0,
    key: null,
    value: value === null ? null : Buffer.from(value),
    headers: [],
    timestamp,
  }
}

/** What was fetched of the first partition of a topic; nothing of what is in an older format, which is not read here. */
function fetchedOf(decoded: FetchResponse, at = 0): Fetched | null {
  const { fetched } = decoded.responses[at]!.partitions[0]!
  return fetched === 'old' ? null : fetched
}

function recordsOf(decoded: FetchResponse, from: bigint, at = 0): InboundRecord[] {
  const { topicName, partitions } = decoded.responses[at]!
  const { partition } = partitions[0]!
  const records = fetchedOf(decoded, at)?.records({ topic: topicName, partition }, from)
  const read = [...(records ?? [])]
  expect(records?.length ?? 0).toBe(read.length)
  return read
}

function lastOffsetOf(decoded: FetchResponse): bigint | undefined {
  return fetchedOf(decoded)?.lastOffset
}

async function valuesOf(from: bigint, partition: LogPartition): Promise<string[]> {
  const decoded = await decodeFetch(response(11, [partition]), 11)
  return recordsOf(decoded, from).map(({ value }) => Buffer.from(value!).toString())
}

const ALL = 0n
const bytes = fc.uint8Array({ maxLength: 100 }).map((each) => Buffer.from(each))
const bytesOrNull = fc.option(bytes)
const anyHeader: fc.Arbitrary<Header> = fc.tuple(fc.string({ unit: 'grapheme' }), bytesOrNull)
const anyRecord: fc.Arbitrary<OutboundRecord> = fc.record({
  topic: fc.constant('t'),
  partition: fc.constant(0),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(anyHeader, { maxLength: 3 }),
  timestamp: fc.bigInt({ min: 0n, max: 9_000_000_000_000n }),
})
const anyBatch = fc.record({
  records: fc.array(anyRecord, { maxLength: 6 }), // none where compaction took them all
  gap: fc.nat({ max: 300 }),
  attributes: fc.constantFrom(0, GZIP, LOG_APPEND_TIME, TRANSACTIONAL, GZIP | LOG_APPEND_TIME),
  maxTimestamp: fc.bigInt({ min: 0n, max: 9_000_000_000_000n }),
})
const anyPartition = fc.record({
  topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  partition: fc.nat({ max: 1_000 }),
  errorCode: fc.constantFrom(0, 1, 6),
  highWatermark: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  preferredReadReplica: fc.integer({ min: -1, max: 9 }),
  batches: fc.array(anyBatch, { maxLength: 4 }),
  start: fc.bigInt({ min: 0n, max: 2n ** 53n }),
})

/** Puts batches behind each other on a log, with gaps that compaction left behind their last records. */
function onTheLog(
  batches: ReadonlyArray<Omit<LogBatch, 'baseOffset'> & { readonly gap: number }>,
  start: bigint,
): LogBatch[] {
  let next = start
  return batches.map(({ gap, ...batch }) => {
    const lastOffsetDelta = batch.records.length + gap
    const laid = { ...batch, baseOffset: next, lastOffsetDelta }
    next += BigInt(lastOffsetDelta) + 1n
    return laid
  })
}

test('a whole response is read as kafkajs reads it, compressed or not, and with the headers that were written, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPartition, { maxLength: 4 }),
      fc.nat({ max: 9_000 }),
      async (partitions, throttleMs) => {
        const logs = partitions.map(({ batches, start }) => onTheLog(batches, start))
        const payload = response(
          11,
          partitions.map((partition, i) => ({ ...partition, batches: logs[i]!.map(framed) })),
          throttleMs,
        )
        const [ours, theirs] = [await decodeFetch(payload, 11), await kafkajs.decode(payload)]
        expect(ours!.clientSideThrottleTime).toBe(theirs.clientSideThrottleTime)
        expect(ours!.responses.map(({ topicName }) => topicName)).toEqual(
          theirs.responses.map(({ topicName }) => topicName),
        )
        for (const [
          i,
          {
            topicName,
            partitions: [their],
          },
        ] of theirs.responses.entries()) {
          const [our] = ours.responses[i]!.partitions
          const { partition, errorCode, highWatermark, preferredReadReplica } = their!
          expect(our).toMatchObject({ partition, errorCode, highWatermark, preferredReadReplica })
          expect(fetchedOf(ours, i)?.lastOffset).toBe(
            logs[i]!.map((batch) => batch.baseOffset + BigInt(batch.lastOffsetDelta!)).at(-1),
          )
          const read = recordsOf(ours, ALL, i)
          expect(read.map((each) => [each.topic, each.partition])).toEqual(read.map(() => [topicName, partition]))
          expect(read.map(({ offset, key, value, timestamp }) => [`${offset}`, key, value, `${timestamp}`])).toEqual(
            their!.messages.map(({ offset, key, value, timestamp }) => [offset, key, value, timestamp]),
          )
          expect(read.map(({ headers }) => headers)).toEqual(
            logs[i]!.flatMap(({ records }) => records.map(({ headers }) => headers)),
          )
        }
      },
    ),
  )
})

test.each([4, 5, 6, 7, 8, 9, 10, 11])('a response of version %i is read to its end', async (version) => {
  const batches = [
    framed({ baseOffset: 7n, records: [record('a'), record('b')], producerId: 4n, attributes: TRANSACTIONAL }),
  ]
  const first = { highWatermark: 20n, aborted: [{ producerId: 3n, firstOffset: 5n }], preferredReadReplica: 2, batches }
  const second = { topic: 'refunds', partition: 8, errorCode: 6, highWatermark: -1n, aborted: null, batches: [] }
  const decoded = await decodeFetch(response(version, [first, second], 250), version)
  expect(decoded).toMatchObject({
    clientSideThrottleTime: version >= 8 ? 250 : 0, // before, the broker itself has waited
    responses: [
      { topicName: 'orders', partitions: [{ partition: 0, errorCode: 0, highWatermark: '20' }] },
      { topicName: 'refunds', partitions: [{ partition: 8, errorCode: 6, highWatermark: '-1', fetched: null }] },
    ],
  })
  expect(decoded!.responses[0]!.partitions[0]!.preferredReadReplica).toBe(version >= 11 ? 2 : -1)
  expect(recordsOf(decoded, ALL).map(({ offset, value }) => [offset, value])).toEqual([
    [7n, Buffer.from('a')],
    [8n, Buffer.from('b')],
  ])
})

test('what is there below the offset that was asked for is left out, though it is of the same batch', async () => {
  const batches = [framed({ baseOffset: 7n, records: [record('a'), record('b'), record('c')], attributes: GZIP })]
  expect(await valuesOf(8n, { batches })).toEqual(['b', 'c'])
})

test('a batch that compaction has emptied moves on past all that it covered', async () => {
  const empty = (attributes: number): Buffer =>
    framed({ baseOffset: 10n, records: [], lastOffsetDelta: 9, attributes, bytes: Buffer.alloc(0) })
  for (const attributes of [0, GZIP]) {
    const decoded = await decodeFetch(response(11, [{ batches: [empty(attributes)] }]), 11)
    expect(lastOffsetOf(decoded)).toBe(19n)
    expect(recordsOf(decoded, ALL)).toEqual([])
  }
})

test('a batch of which compaction has taken the last records ends where it ended when it was written', async () => {
  const decoded = await decodeFetch(
    response(11, [{ batches: [framed({ baseOffset: 10n, records: [record('a')], lastOffsetDelta: 9 })] }]),
    11,
  )
  expect(lastOffsetOf(decoded)).toBe(19n)
  expect(recordsOf(decoded, ALL).map(({ offset }) => offset)).toEqual([10n])
})

test('a last batch that is cut off is left for the next fetch, wherever the cut is', async () => {
  const whole = framed({ baseOffset: 10n, records: [record('a')] })
  const next = framed({ baseOffset: 11n, records: [record('b')] })
  for (let cut = 0; cut < next.length; cut++) {
    const decoded = await decodeFetch(response(11, [{ batches: [whole, next.subarray(0, cut)] }]), 11)
    expect(lastOffsetOf(decoded)).toBe(10n)
    expect(recordsOf(decoded, ALL)).toHaveLength(1)
  }
})

test('nothing but a batch that is cut off is nothing', async () => {
  const batch = framed({ baseOffset: 10n, records: [record('a')] })
  const decoded = await decodeFetch(response(11, [{ batches: [batch.subarray(0, -1)] }]), 11)
  expect(lastOffsetOf(decoded)).toBeUndefined()
})

/** The end of a transaction. */
function marker(
  baseOffset: bigint,
  producerId: bigint,
  isCommit: boolean,
  attributes = TRANSACTIONAL | CONTROL,
): Buffer {
  const control = { ...record(null), key: Buffer.from([0, 0, 0, isCommit ? 1 : 0]), value: Buffer.alloc(6) }
  return framed({ baseOffset, producerId, attributes, records: [control] })
}

/** What some producers do one after the other; a transaction begins with the first record in it. */
const step = fc.record({
  producer: fc.constantFrom(1n, 2n, 3n),
  does: fc.constantFrom('send', 'send', 'send', 'send outside', 'commit', 'abort'),
  records: fc.integer({ min: 1, max: 3 }),
})

interface LaidBatch {
  readonly bytes: Buffer
  readonly first: bigint
  readonly last: bigint
  /** undefined for markers and outside of transactions */
  readonly transaction: { isAborted: boolean } | undefined
  readonly isMarker: boolean
}

/** The log of a partition, and its transactions that were aborted, with the offset of the marker. */
function runTransactions(steps: ReadonlyArray<{ producer: bigint; does: string; records: number }>): {
  log: LaidBatch[]
  aborted: (Aborted & { last: bigint })[]
} {
  const log: LaidBatch[] = []
  const aborted: (Aborted & { last: bigint })[] = []
  const open = new Map<bigint, { firstOffset: bigint; isAborted: boolean }>()
  let next = 0n
  const end = (producerId: bigint, isCommit: boolean): void => {
    const transaction = open.get(producerId)
    if (transaction === undefined) return
    open.delete(producerId)
    transaction.isAborted = !isCommit
    if (!isCommit) aborted.push({ producerId, firstOffset: transaction.firstOffset, last: next })
    const bytes = marker(next, producerId, isCommit)
    log.push({ bytes, first: next, last: next, transaction: undefined, isMarker: true })
    next++
  }
  for (const { producer, does, records: count } of steps) {
    if (does === 'commit' || does === 'abort') {
      end(producer, does === 'commit')
      continue
    }
    const isInside = does === 'send' // an idempotent producer has an id outside of transactions, too
    if (!isInside) end(producer, true)
    const records = Array.from({ length: count }, () => record('v'))
    const attributes = isInside ? TRANSACTIONAL : 0
    const bytes = framed({ baseOffset: next, producerId: producer, attributes, records })
    if (isInside && !open.has(producer)) open.set(producer, { firstOffset: next, isAborted: false })
    const last = next + BigInt(count) - 1n
    log.push({ bytes, first: next, last, transaction: isInside ? open.get(producer) : undefined, isMarker: false })
    next = last + 1n
  }
  for (const producer of open.keys()) end(producer, false)
  return { log, aborted }
}

test('of transactions that overlap, each record of a committed one comes and none of an aborted one, wherever a fetch begins and ends', async () => {
  const steps = fc.array(step, { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), fc.nat(), fc.infiniteStream(fc.nat()), async (all, begin, size, shuffle) => {
      const { log, aborted } = runTransactions(all)
      fc.pre(log.length > 0)
      const from = BigInt(begin) % (log.at(-1)!.last + 1n)
      const start = log.findIndex(({ last }) => last >= from)
      const fetched = log.slice(start, start + 1 + (size % log.length))
      const behind = fetched.at(-1)!.last + 1n
      // As a broker makes the list (`TransactionIndex.collectAbortedTxns`); the protocol gives it no order.
      const told = aborted
        .filter(({ firstOffset, last }) => last >= from && firstOffset < behind)
        .map((each) => ({ each, at: shuffle.next().value! }))
        .sort((a, b) => a.at - b.at)
        .map(({ each }) => each)
      const decoded = await decodeFetch(
        response(11, [{ aborted: told, batches: fetched.map(({ bytes }) => bytes) }]),
        11,
      )
      const wanted = fetched.flatMap(({ first, last, transaction, isMarker }) =>
        isMarker || transaction?.isAborted === true
          ? []
          : Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i)),
      )
      expect(recordsOf(decoded, from).map(({ offset }) => offset)).toEqual(wanted.filter((offset) => offset >= from))
      expect(lastOffsetOf(decoded), 'the position moves past all of it').toBe(fetched.at(-1)!.last)
    }),
    { numRuns: 500 },
  )
})

test('no aborted record comes where the transaction that began first is aborted last, of which kafkajs hands records over', async () => {
  const [early, late] = [1n, 2n]
  const write = (baseOffset: bigint, producerId: bigint, value: string): Buffer =>
    framed({ baseOffset, producerId, attributes: TRANSACTIONAL, records: [record(value)] })
  const batches = [
    write(0n, early, 'aborted'),
    write(1n, late, 'aborted as well'),
    marker(2n, late, false),
    write(3n, early, 'aborted, too'),
    marker(4n, early, false),
  ]
  // A broker lists them as they ended.
  const aborted = [
    { producerId: late, firstOffset: 1n },
    { producerId: early, firstOffset: 0n },
  ]
  expect(await valuesOf(ALL, { aborted, batches })).toEqual([])

  const theirs = (await kafkajs.decode(response(11, [{ aborted, batches }]))).responses[0]!.partitions[0]!
  const leaked = filterAbortedMessages(theirs).filter(({ isControlRecord }) => !isControlRecord)
  expect(
    leaked.map(({ value }) => value!.toString()),
    'else this driver could leave it to kafkajs',
  ).toEqual(['aborted'])
})

test('a fetch that begins in the middle of an aborted transaction hands over nothing of it', async () => {
  const attributes = TRANSACTIONAL
  const batches = [
    framed({ baseOffset: 5n, producerId: 1n, attributes, records: [record('a'), record('b')] }),
    framed({ baseOffset: 7n, producerId: 2n, attributes, records: [record('of another, committed later')] }),
    marker(8n, 1n, false),
    framed({ baseOffset: 9n, producerId: 1n, attributes, records: [record('of its next, committed')] }),
  ]
  const aborted = [{ producerId: 1n, firstOffset: 2n }]
  const committed = ['of another, committed later', 'of its next, committed']
  expect(await valuesOf(6n, { aborted, batches })).toEqual(committed)
})

test('what a producer writes outside of transactions comes, though its id is that of an aborted one', async () => {
  const batches = [framed({ baseOffset: 5n, producerId: 1n, records: [record('a')] })]
  expect(await valuesOf(ALL, { batches, aborted: [{ producerId: 1n, firstOffset: 2n }] })).toEqual(['a'])
})

test('the list of aborted transactions is read once, and right each time that records are asked for', async () => {
  const batches = [
    framed({ baseOffset: 5n, producerId: 1n, attributes: TRANSACTIONAL, records: [record('a')] }),
    marker(6n, 1n, false),
    framed({ baseOffset: 7n, records: [record('b')] }),
  ]
  const decoded = await decodeFetch(response(11, [{ batches, aborted: [{ producerId: 1n, firstOffset: 5n }] }]), 11)
  for (const from of [5n, 7n, 5n]) expect(recordsOf(decoded, from).map(({ offset }) => offset)).toEqual([7n])
})

test('a control batch is never a record, whatever it says, and moves on past its offset', async () => {
  for (const isCommit of [true, false])
    for (const attributes of [CONTROL, TRANSACTIONAL | CONTROL, CONTROL | GZIP]) {
      const decoded = await decodeFetch(response(11, [{ batches: [marker(3n, 1n, isCommit, attributes)] }]), 11)
      expect(recordsOf(decoded, ALL)).toEqual([])
      expect(lastOffsetOf(decoded)).toBe(3n)
    }
})

/** A response in the format that Kafka had before 0.11: offset, size, crc, magic, attributes, time, key, value. */
function oldSet(value: string): Buffer {
  const message = Buffer.alloc(12 + 4 + 1 + 1 + 8 + 4 + 4)
  message.writeBigInt64BE(5n, 0)
  message.writeInt32BE(message.length - 12 + value.length, 8)
  message.writeInt8(1, 16)
  message.writeInt32BE(-1, 26)
  message.writeInt32BE(value.length, 30)
  return Buffer.concat([message, Buffer.from(value)])
}

test.each([0, 1, 10, 26, 27, 1_000])(
  'a partition in the format before Kafka 0.11 is left to kafkajs, with a value of %i bytes as with any other',
  async (length) => {
    const old = oldSet('x'.repeat(length))
    const decoded = await decodeFetch(response(11, [{ batches: [old] }]), 11)
    expect(decoded.responses[0]!.partitions[0]!.fetched).toBe('old')
  },
)

test.each([5, 6, 7])('a compression of the number %i, which nobody knows, is said to be just that', async (codec) => {
  const batches = [framed({ baseOffset: 0n, records: [record('SECRET')], attributes: codec })]
  const decoding = decodeFetch(response(11, [{ batches }]), 11)
  await expect(decoding).rejects.toThrow(MalformedBatchError)
  await expect(decoding).rejects.toThrow(`no compression has the number ${codec}`)
})

test("a compression whose codec is not registered is refused with kafkajs' own words, which name it", async () => {
  const batches = [framed({ baseOffset: 0n, records: [record('SECRET')], attributes: 4 })]
  await expect(decodeFetch(response(11, [{ batches }]), 11)).rejects.toThrow('ZSTD compression not implemented')
})

test('a packed batch whose records are no packed bytes is refused, without its content', async () => {
  const batch = framed({ baseOffset: 0n, records: [record('SECRET')] })
  batch.writeInt16BE(GZIP, 21)
  await expect(decodeFetch(response(11, [{ batches: [batch] }]), 11)).rejects.toThrow(/^(?!.*SECRET)/)
})

const threeBatches = fc
  .array(fc.array(anyRecord, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 3 })
  .map((each) => {
    const secret = each.map((records) => records.map((one) => ({ ...one, value: Buffer.from('SECRET') })))
    return onTheLog(
      secret.map((records) => ({ records, gap: 0 })),
      100n,
    )
  })

/** What can be read of a first partition, or undefined where it is refused, or left to kafkajs. */
async function read(payload: Buffer): Promise<InboundRecord[] | undefined> {
  try {
    const decoded = await decodeFetch(payload, 11)
    return decoded === null ? undefined : recordsOf(decoded, ALL)
  } catch (error) {
    expect(error).toSatisfy((each) => each instanceof MalformedBatchError || each instanceof RangeError)
    expect((error as Error).message).not.toContain('SECRET')
    return undefined
  }
}

test('a response that ends too early is refused, wherever it ends', async () => {
  await fc.assert(
    fc.asyncProperty(threeBatches, async (log) => {
      const payload = response(11, [
        { batches: log.map(framed), aborted: [{ producerId: 1n, firstOffset: 0n }] },
        { topic: 'refunds', batches: [] },
      ])
      for (let end = 0; end < payload.length; end += 1 + Math.floor(payload.length / 97))
        expect(await read(payload.subarray(0, end))).toBeUndefined()
    }),
    { numRuns: 30 },
  )
})

test('whatever is wrong with one batch, or with how long it says it is: of the others nothing comes but what was written', async () => {
  const OFFSETS = [...Array(8).keys(), 23, 24, 25, 26, 27] // what says which offsets are its own
  await fc.assert(
    fc.asyncProperty(
      threeBatches,
      fc.nat({ max: 2 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (log, which, where, flip) => {
        const intact = await read(response(11, [{ batches: log.map(framed) }]))
        const batches = log.map(framed)
        const broken = batches[which]!
        const at = where % broken.length
        fc.pre(!OFFSETS.includes(at))
        fc.pre(at !== 22 || (flip & 0x07) === 0) // another codec would be another error
        broken[at]! ^= flip
        const { baseOffset, lastOffsetDelta } = log[which]!
        const isOf = (offset: bigint): boolean =>
          offset >= baseOffset && offset <= baseOffset + BigInt(lastOffsetDelta!)
        const said = (records: InboundRecord[]): unknown[] =>
          records
            .filter(({ offset }) => !isOf(offset))
            .map(({ offset, key, value, headers }) => [offset, key, value, headers])
        const left = await read(response(11, [{ batches }]))
        if (left !== undefined) expect(said(intact!)).toEqual(expect.arrayContaining(said(left)))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a batch that is shorter than its head is malformed: reading on would never end', async () => {
  for (const length of [-2_147_483_648, -12, -1, 0, 48]) {
    const batch = framed({ baseOffset: 0n, records: [record('SECRET')] })
    batch.writeInt32BE(length, 8)
    await expect(decodeFetch(response(11, [{ batches: [batch] }]), 11)).rejects.toThrow(MalformedBatchError)
  }
})

test('a batch in an older format behind one in the present format is malformed: a log never goes back, and kafkajs could not read it', async () => {
  const batches = [framed({ baseOffset: 0n, records: [record('a')] }), oldSet('x'.repeat(100))]
  await expect(decodeFetch(response(11, [{ batches }]), 11)).rejects.toThrow(MalformedBatchError)
})

test('the name of a topic with a length below 0 is malformed: reading would go back, and might never end', async () => {
  const payload = response(11, [{ topic: 'aa', batches: [] }])
  payload.writeInt32BE(3, 10) // topics
  const nothing = Buffer.alloc(4) // partitions
  const back = Buffer.from([0xff, 0xfa]) // −6: to the number of partitions before it
  const backwards = Buffer.concat([payload.subarray(0, 14 + 2 + 2), nothing, back])
  await expect(decodeFetch(backwards, 11)).rejects.toThrow(MalformedBatchError)
})
