/** What a partitioner decides upon. */
export interface PartitionerInput {
  readonly topic: string
  /** The encoded key; null on a topic with `key: 'none'`. */
  readonly key: Uint8Array | null
  /** How many partitions the topic has: the answer is 0 or more and less than this. */
  readonly partitionCount: number
}

/**
 * Chooses the partition of a message. The same key must always get the same partition, or its order is lost. `undefined` leaves the
 * choice to the default.
 */
export type Partitioner = (input: PartitionerInput) => number | undefined

/**
 * Spreads messages without a key as Java's client does (KIP-480): all go to one partition until its batch is taken or full, then
 * to another one chosen by chance. Spreading each by itself would make many small batches.
 */
export interface StickyPartition {
  choose(partitionCount: number, bytes: number): number
  /** The batch of a partition was taken: the next message goes elsewhere. */
  taken(partition: number): void
}

/** Makes a {@link StickyPartition} for one topic. */
export function createStickyPartition(random: () => number, maxRecords: number, maxBytes: number): StickyPartition {
  let current: number | undefined
  let previous: number | undefined
  let records = 0
  let filled = 0
  return {
    choose(partitionCount, bytes) {
      if (current === undefined || current >= partitionCount || records >= maxRecords || filled + bytes > maxBytes) {
        current = another(partitionCount, current ?? previous, random)
        records = 0
        filled = 0
      }
      records++
      filled += bytes
      return current
    },
    taken(partition) {
      if (partition !== current) return
      previous = current
      current = undefined
    },
  }
}

function another(partitionCount: number, last: number | undefined, random: () => number): number {
  if (partitionCount === 1) return 0
  if (last === undefined || last >= partitionCount) return Math.floor(random() * partitionCount)
  const drawn = Math.floor(random() * (partitionCount - 1))
  return drawn < last ? drawn : drawn + 1
}
