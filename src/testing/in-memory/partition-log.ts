import type { Sequences } from './sequences.ts'
import { createSequences } from './sequences.ts'
import type { Header, InboundRecord, OutboundRecord, TopicPartition } from '../../record/index.ts'

/** The fate of a transaction, shared by everything it wrote: one change decides for all of it at once. */
export interface TransactionFate {
  status: 'open' | 'committed' | 'aborted'
}

/** What a fetch brings: visible records, and where the next fetch begins. */
export interface FetchedRecords {
  readonly records: readonly InboundRecord[]
  readonly nextOffset: bigint
}

/** One partition as Kafka has it: an append-only list whose offsets grow, with gaps. */
export interface PartitionLog extends TopicPartition {
  /** The first offset that can be read. */
  readonly start: bigint
  /** The offset that the next record gets: the high watermark, since everything here is replicated at once. */
  readonly end: bigint
  /** Readers of committed records see what is below: the first offset of the earliest open transaction, else the end. */
  stable(): bigint
  /** What it knows of its producers. */
  readonly sequences: Sequences
  /** Writes records side by side; answers with the offset of the first. */
  append(records: readonly OutboundRecord[], transaction: TransactionFate | null): bigint
  /** Writes a transaction's end; the marker takes an offset, as on a real log. */
  appendMarker(transaction: TransactionFate): void
  /** Reads what is committed and below every open transaction; null when there is nothing new from there. */
  read(from: bigint, maxBytes: number): FetchedRecords | null
  /** The first offset of a record at or after a time; the end when there is none. */
  offsetAt(timestampMs: bigint): bigint
  /** Drops what is below, as retention does; never above the end. */
  deleteBefore(offset: bigint): void
  /** Leaves a gap: the next record gets this offset. Never goes back. */
  skipTo(offset: bigint): void
  /**
   * Takes out what compaction takes: of the records below every open transaction, those whose key has a later one, what was rolled
   * back, and markers. Offsets stay. A tombstone stays too, as it does on a broker for `delete.retention.ms`.
   */
  compact(): void
  /** Its topic was deleted. Whoever holds this log finds out by it, also when there is another one under the same name by then. */
  readonly deleted: boolean
  delete(): void
  /** Calls after every change until called off. */
  watch(listener: () => void): () => void
}

interface Entry {
  readonly offset: bigint
  /** Null for a transaction's marker. */
  readonly record: InboundRecord | null
  readonly transaction: TransactionFate | null
}

/** Makes an empty {@link PartitionLog}. */
export function createPartitionLog({ topic, partition }: TopicPartition): PartitionLog {
  let entries: Entry[] = []
  const openSince = new Map<TransactionFate, bigint>()
  const listeners = new Set<() => void>()
  const changed = (): void => listeners.forEach((listener) => listener())

  const lastStable = (): bigint => {
    let stable = log.end
    for (const offset of openSince.values()) if (offset < stable) stable = offset
    return stable
  }

  const log: { -readonly [K in keyof PartitionLog]: PartitionLog[K] } = {
    topic,
    partition,
    sequences: createSequences(),
    start: 0n,
    end: 0n,
    deleted: false,
    stable: lastStable,
    append(records, transaction) {
      const base = log.end
      for (const record of records) {
        entries.push({ offset: log.end, record: copy({ ...record, topic, partition, offset: log.end }), transaction })
        log.end += 1n
      }
      if (transaction !== null && !openSince.has(transaction)) openSince.set(transaction, base)
      changed()
      return base
    },
    appendMarker(transaction) {
      openSince.delete(transaction)
      entries.push({ offset: log.end, record: null, transaction })
      log.end += 1n
      changed()
    },
    read(from, maxBytes) {
      const stable = lastStable()
      if (from >= stable) return null
      const records: InboundRecord[] = []
      let bytes = 0
      let nextOffset = stable // a gap at the end is covered by this fetch too
      for (let i = firstAtOrAfter(entries, from); i < entries.length; i++) {
        const { offset, record, transaction } = entries[i]!
        if (offset >= stable) break
        if (record === null || transaction?.status === 'aborted') continue
        bytes += recordBytes(record)
        if (records.length > 0 && bytes > maxBytes) {
          nextOffset = offset // the first always goes, however large, or its reader would stand still for ever
          break
        }
        records.push(copy(record))
      }
      return { records, nextOffset }
    },
    offsetAt(timestampMs) {
      return entries.find(({ record }) => record !== null && record.timestamp >= timestampMs)?.offset ?? log.end
    },
    deleteBefore(offset) {
      log.start = offset > log.end ? log.end : offset > log.start ? offset : log.start
      entries = entries.slice(firstAtOrAfter(entries, log.start))
      changed()
    },
    skipTo(offset) {
      if (offset > log.end) log.end = offset
      changed()
    },
    compact() {
      const stable = lastStable()
      const last = new Map<string, bigint>()
      for (const { offset, record, transaction } of entries) {
        if (offset < stable && record?.key && transaction?.status !== 'aborted') last.set(keyOf(record.key), offset)
      }
      entries = entries.filter(({ offset, record, transaction }) => {
        if (offset >= stable) return true
        if (record === null || transaction?.status === 'aborted') return false
        return record.key !== null && last.get(keyOf(record.key)) === offset
      })
      changed()
    },
    delete() {
      log.deleted = true
      changed()
    },
    watch(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return log
}

/** Bytes of a record on the log, near enough: key, value and headers, and 20 for its lengths, offset and timestamp deltas. */
export function recordBytes(record: Pick<OutboundRecord, 'key' | 'value' | 'headers'>): number {
  const headers = record.headers.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + (value?.length ?? 0) + 2,
    0,
  )
  return 20 + (record.key?.length ?? 0) + (record.value?.length ?? 0) + headers
}

// Bytes are copied in and out: a log that its writers or readers can change afterwards would hide their bugs.
function copy(record: InboundRecord): InboundRecord {
  const { topic, partition, offset, key, value, headers, timestamp } = record
  return { topic, partition, offset, key: bytes(key), value: bytes(value), headers: headers.map(copyHeader), timestamp }
}

function copyHeader([name, value]: Header): Header {
  return [name, bytes(value)]
}

function bytes(value: Uint8Array | null): Uint8Array | null {
  return value === null ? null : new Uint8Array(value)
}

function keyOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1')
}

function firstAtOrAfter(entries: readonly Entry[], offset: bigint): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
