import type { SourceRecord } from './run-data.ts'

/** What a fresh reader found in one partition. */
export interface PartitionLog {
  /** Ascending by offset, with gaps where markers, aborted and compacted records were. */
  readonly records: readonly SourceRecord[]
  /** The place in {@link records} of the first record at an offset or above it; their number when there is none. */
  placeAtOrAbove(offset: bigint): number
  /** The place of exactly that offset. */
  placeOf(offset: bigint): number | undefined
}

/** Makes a {@link PartitionLog} of records in any order. */
export function partitionLog(unsorted: readonly SourceRecord[]): PartitionLog {
  const records = unsorted.toSorted((a, b) => (a.offset < b.offset ? -1 : Number(a.offset > b.offset)))
  const placeAtOrAbove = (offset: bigint): number => {
    let [low, high] = [0, records.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (records[middle]!.offset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    records,
    placeAtOrAbove,
    placeOf(offset) {
      const place = placeAtOrAbove(offset)
      return records[place]?.offset === offset ? place : undefined
    },
  }
}
