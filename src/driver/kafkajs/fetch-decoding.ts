import kafkajs from 'kafkajs'
import type { TopicPartition } from '../../record/index.ts'
import type { InboundRecords } from '../driver-consumer.ts'
import type { KafkajsCodec } from './kafkajs-codecs.ts'
import { FetchedRecords, isAbort } from './record-decoding.ts'
import type { RecordBatch } from './record-decoding.ts'
import { MalformedBatchError } from './record-reader.ts'

/** What a fetch has brought of one partition: at least one batch, of which all records may be aborted, or compacted away. */
export interface Fetched {
  /** The last offset that it covers. */
  readonly lastOffset: bigint
  /**
   * The records that are there to be handled, from an offset on: committed ones alone.
   *
   * @throws MalformedBatchError
   */
  records(partition: TopicPartition, from: bigint): InboundRecords
}

/** One partition of a fetch response. The names are kafkajs', which takes it from here. */
export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: string
  readonly preferredReadReplica: number
  /** What was fetched; null when there is nothing, `old` when it is in the format that Kafka had before 0.11. */
  readonly fetched: Fetched | 'old' | null
}

/** A fetch response. The names are kafkajs', which takes it from here. */
export interface FetchResponse {
  /** For how long this client shall ask nothing, which brokers leave to it from version 8 on. */
  readonly clientSideThrottleTime: number
  readonly responses: ReadonlyArray<{ readonly topicName: string; readonly partitions: readonly FetchedPartition[] }>
}

/** The versions of a fetch response that {@link decodeFetch} reads: those with batches of records, as far as kafkajs goes. */
export const FETCH_VERSIONS = { first: 4, last: 11 } as const

/**
 * Reads a fetch response without looking at its records; those that are packed are unpacked.
 *
 * @throws {@link MalformedBatchError}, and whatever the codec throws that unpacks
 */
export async function decodeFetch(payload: Buffer, version: number): Promise<FetchResponse> {
  const cursor = new Cursor(payload)
  const throttleMs = cursor.int32()
  if (version >= 7) cursor.skip(6) // an error and the id of a fetch session, which kafkajs does not use
  const responses: { topicName: string; partitions: FetchedPartition[] }[] = []
  for (let topics = cursor.int32(); topics > 0; topics--) {
    const topicName = cursor.text()
    const partitions: FetchedPartition[] = []
    for (let count = cursor.int32(); count > 0; count--) {
      const partition = cursor.int32()
      const errorCode = cursor.int16()
      const highWatermark = cursor.int64().toString()
      cursor.skip(version >= 5 ? 16 : 8) // last stable offset, and since version 5 where the log begins
      const aborted: AbortedTransaction[] = []
      for (let left = cursor.int32(); left > 0; left--)
        aborted.push({ producerId: cursor.int64(), firstOffset: cursor.int64() })
      const preferredReadReplica = version >= 11 ? cursor.int32() : -1
      const batches = await readBatches(cursor.bytes())
      const fetched = batches === 'old' ? 'old' : batches.length === 0 ? null : new FetchedBatches(batches, aborted)
      partitions.push({ partition, errorCode, highWatermark, preferredReadReplica, fetched })
    }
    responses.push({ topicName, partitions })
  }
  return { clientSideThrottleTime: version >= 8 ? throttleMs : 0, responses }
}

interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

class FetchedBatches implements Fetched {
  readonly #batches: readonly RecordBatch[]
  readonly #aborted: readonly AbortedTransaction[]

  constructor(batches: readonly RecordBatch[], aborted: AbortedTransaction[]) {
    this.#batches = batches
    this.#aborted = aborted.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  }

  get lastOffset(): bigint {
    return this.#batches.at(-1)!.lastOffset
  }

  /** As Kafka's own client tells aborted records from committed ones (`CompletedFetch.nextFetchedRecord`). */
  records(partition: TopicPartition, from: bigint): InboundRecords {
    const committed: RecordBatch[] = []
    const aborting = new Set<bigint>() // producers within a transaction that will be aborted
    let known = 0
    for (const batch of this.#batches) {
      const { producerId, lastOffset } = batch
      while (known < this.#aborted.length && this.#aborted[known]!.firstOffset <= lastOffset)
        aborting.add(this.#aborted[known++]!.producerId)
      if (batch.isControl) {
        if (isAbort(batch)) aborting.delete(producerId)
      } else if (lastOffset >= from && !(batch.isTransactional && aborting.has(producerId))) {
        committed.push(batch)
      }
    }
    return new FetchedRecords(committed, partition, from)
  }
}

/** The batches that are there in full: what comes last may be cut off, since a broker fills up what was asked for. */
async function readBatches(set: Buffer): Promise<RecordBatch[] | 'old'> {
  const batches: RecordBatch[] = []
  for (let at = 0; at + MAGIC_AT < set.length;) {
    if (set[at + MAGIC_AT] !== 2) {
      if (at === 0) return 'old'
      throw new MalformedBatchError('an older format comes behind the present one')
    }
    if (at + BATCH_HEAD_BYTES > set.length) break
    const end = at + LENGTH_ENDS_AT + set.readInt32BE(at + LENGTH_ENDS_AT - 4)
    if (end < at + BATCH_HEAD_BYTES) throw new MalformedBatchError('it is shorter than its head')
    if (end > set.length) break
    batches.push(await readBatch(set.subarray(at, end)))
    at = end
  }
  return batches
}

async function readBatch(batch: Buffer): Promise<RecordBatch> {
  const attributes = batch.readInt16BE(21)
  const baseOffset = batch.readBigInt64BE(0)
  const records = batch.subarray(BATCH_HEAD_BYTES)
  const codec = attributes & 0x07
  return {
    baseOffset,
    lastOffset: baseOffset + BigInt(batch.readInt32BE(23)),
    baseTimestamp: batch.readBigInt64BE(27),
    appendTime: (attributes & 0x08) === 0 ? null : batch.readBigInt64BE(35),
    producerId: batch.readBigInt64BE(43),
    isTransactional: (attributes & 0x10) !== 0,
    isControl: (attributes & 0x20) !== 0,
    count: batch.readInt32BE(57),
    bytes: codec === 0 || records.length === 0 ? records : await unpack(codec, records),
  }
}

/** With the codecs that kafkajs knows, the user's among them; its placeholder for one that is missing throws. */
async function unpack(type: number, records: Buffer): Promise<Buffer> {
  const codec = (kafkajs.CompressionCodecs as Record<number, (() => KafkajsCodec) | undefined>)[type]
  if (codec === undefined) throw new MalformedBatchError(`no compression has the number ${type}`)
  return codec().decompress(records)
}

const LENGTH_ENDS_AT = 12
const MAGIC_AT = 16
/** Up to its first record, the length of what follows included. */
const BATCH_HEAD_BYTES = 61

/** Reads what is not in records: numbers of fixed size. */
class Cursor {
  readonly #from: Buffer
  #at = 0

  constructor(from: Buffer) {
    this.#from = from
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  int16(): number {
    return this.#from.readInt16BE((this.#at += 2) - 2)
  }

  int32(): number {
    return this.#from.readInt32BE((this.#at += 4) - 4)
  }

  int64(): bigint {
    return this.#from.readBigInt64BE((this.#at += 8) - 8)
  }

  text(): string {
    const length = this.int16()
    if (length < 0) throw new MalformedBatchError('a name is missing') // reading would go back, and might never end
    return this.#from.toString('utf8', this.#at, (this.#at += length))
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32()) // −1 is null
    if (this.#at + length > this.#from.length) throw new MalformedBatchError('the response ends within it')
    return this.#from.subarray(this.#at, (this.#at += length))
  }
}
