import type { Header, Headers, InboundRecord, TopicPartition } from '../../record/index.ts'
import type { InboundRecords } from '../driver-consumer.ts'
import { MalformedBatchError, RecordReader } from './record-reader.ts'

/** A batch of records in Kafka's format v2 (message format 2, KIP-98) as a fetch response holds it: its head is read, its records are not. */
export interface RecordBatch {
  readonly baseOffset: bigint
  /** Of the batch as it was written: compaction may have taken the record. */
  readonly lastOffset: bigint
  /** What the records' timestamps are counted from. */
  readonly baseTimestamp: bigint
  /** Of all of its records, where the topic has LogAppendTime; null where the producer's count. */
  readonly appendTime: bigint | null
  /** As whoever wrote it is called in the list of aborted transactions; −1 for none. */
  readonly producerId: bigint
  readonly isTransactional: boolean
  /** Is it the end of a transaction, which is no record of anybody's? */
  readonly isControl: boolean
  readonly count: number
  /** The records, unpacked. */
  readonly bytes: Buffer
}

/**
 * The records of some batches, from an offset on. Each is made when its turn comes, and what it is made of is cut out of its batch when
 * it is asked for, as a view on its bytes: nothing is copied, and a record that is kept keeps the whole response that it came in.
 */
export class FetchedRecords implements InboundRecords {
  readonly length: number
  readonly byteLength: number
  readonly #batches: readonly RecordBatch[]
  readonly #of: TopicPartition
  readonly #from: bigint

  /** @throws {@link MalformedBatchError} before the first of them is handed over */
  constructor(batches: readonly RecordBatch[], of: TopicPartition, from: bigint) {
    this.#batches = batches
    this.#of = of
    this.#from = from
    let length = 0
    let byteLength = 0
    for (const batch of batches) {
      const first = batch.baseOffset < from ? Number(from - batch.baseOffset) : 0
      const last = Number(batch.lastOffset - batch.baseOffset)
      const reader = new RecordReader(batch.bytes, 0)
      for (let left = batch.count, before = -1; left > 0; left--) {
        const size = reader.varInt()
        const end = reader.at + size
        if (size <= 0 || !(end <= batch.bytes.length))
          throw new MalformedBatchError('a record is longer than its batch')
        reader.at++ // attributes, of which there are none yet
        reader.skipVarInt() // timestamp
        const delta = reader.varInt()
        if (!(delta > before && delta <= last)) throw new MalformedBatchError('its offsets do not rise within it')
        before = delta
        if (delta >= first) {
          length++
          byteLength += size
        }
        reader.skipBytes() // key
        reader.skipBytes() // value
        if (!(reader.at < end)) throw new MalformedBatchError('a record is longer than it says') // behind its value come its headers
        reader.at = end
      }
    }
    this.length = length
    this.byteLength = byteLength
  }

  *[Symbol.iterator](): Iterator<InboundRecord> {
    const { topic, partition } = this.#of
    const from = this.#from
    for (const batch of this.#batches) {
      const { bytes, baseOffset } = batch
      const skipsSome = baseOffset < from
      const reader = new RecordReader(bytes, 0)
      for (let left = batch.count; left > 0; left--) {
        const size = reader.varInt()
        const start = reader.at
        reader.at++
        reader.skipVarInt()
        const offset = baseOffset + BigInt(reader.varInt())
        const keyAt = reader.at
        reader.at = start + size
        if (!skipsSome || offset >= from) yield new FetchedRecord(topic, partition, offset, size, batch, start, keyAt)
      }
    }
  }
}

/**
 * Does a control batch end a transaction by aborting it? Its record's key says so, in two numbers of 16 bits: a version, and 0 for abort.
 *
 * @throws {@link MalformedBatchError}
 */
export function isAbort(batch: RecordBatch): boolean {
  const [marker] = new FetchedRecords([batch], { topic: '', partition: 0 }, batch.baseOffset)
  const key = marker?.key ?? NO_BYTES
  return key.byteLength >= 4 && key[2] === 0 && key[3] === 0
}

/** A class with getters, since there are hundreds of thousands a second, and a handler seldom asks for all that a record has. */
class FetchedRecord implements InboundRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly byteLength: number
  readonly #batch: RecordBatch
  readonly #at: number
  readonly #keyAt: number
  #key: Buffer | null | undefined = undefined
  #value: Buffer | null | undefined = undefined
  #headers: Headers | undefined = undefined

  constructor(
    topic: string,
    partition: number,
    offset: bigint,
    byteLength: number,
    batch: RecordBatch,
    at: number,
    keyAt: number,
  ) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.byteLength = byteLength
    this.#batch = batch
    this.#at = at
    this.#keyAt = keyAt
  }

  get key(): Buffer | null {
    if (this.#key === undefined) this.#key = new RecordReader(this.#batch.bytes, this.#keyAt).bytesOrNull()
    return this.#key
  }

  get value(): Buffer | null {
    if (this.#value !== undefined) return this.#value
    const reader = new RecordReader(this.#batch.bytes, this.#keyAt)
    reader.skipBytes()
    return (this.#value = reader.bytesOrNull())
  }

  get timestamp(): bigint {
    const { appendTime, baseTimestamp, bytes } = this.#batch
    return appendTime ?? baseTimestamp + new RecordReader(bytes, this.#at + 1).varLong()
  }

  get headers(): Headers {
    if (this.#headers !== undefined) return this.#headers
    const reader = new RecordReader(this.#batch.bytes, this.#keyAt)
    reader.skipBytes()
    reader.skipBytes()
    return (this.#headers = readHeaders(reader, this.#at + this.byteLength))
  }
}

const NO_BYTES = new Uint8Array()
const NONE: Headers = Object.freeze([])

function readHeaders(reader: RecordReader, end: number): Headers {
  const count = reader.varInt()
  if (!(count >= 0)) throw new MalformedBatchError('a record has no number of headers')
  if (count === 0) return NONE
  const headers: Header[] = []
  for (let left = count; left > 0; left--) {
    const name = reader.text()
    headers.push([name, reader.bytesOrNull()])
    if (!(reader.at <= end)) throw new MalformedBatchError('a header is longer than its record')
  }
  return headers
}
