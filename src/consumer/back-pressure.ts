import type { DriverConsumer } from '../driver/index.ts'
import type { TopicPartition } from '../record/index.ts'
import type { Mutable } from './mutable.ts'

/**
 * Bounds what is held in memory. Every partition may hold its share; one that holds more is paused at the driver until half of that
 * is worked off, and stays in the group. So a partition that waits for an outage to end takes no memory from the others.
 *
 * What one fetch brings can stand above the bound, once for each partition.
 */
export interface BackPressure {
  add(partition: TopicPartition, buffer: Buffered): BufferBound
}

/** What a partition holds. */
export interface Buffered {
  records(): number
  bytes(): number
}

/** The bound of one partition. */
export interface BufferBound {
  /** What is held has changed. */
  check(): void
  /** Is the partition paused at the driver, for what it holds? */
  readonly full: boolean
  /** The partition is gone. Twice does nothing. */
  remove(): void
}

/** A record has a cost of its own, whatever its size: so many of one partition are enough to keep it busy during a fetch. */
const MAX_RECORDS = 10_000

/** Makes a {@link BackPressure} of so many bytes and records for all partitions together. */
export function createBackPressure(
  { maxBytes, maxRecords }: { readonly maxBytes: number; readonly maxRecords: number },
  consumer: Pick<DriverConsumer, 'pause' | 'resume'>,
): BackPressure {
  let partitions = 0

  return {
    add({ topic, partition }, buffer) {
      const target = [{ topic, partition }]
      let removed = false
      partitions++
      const bound: Mutable<BufferBound> = {
        full: false,
        check() {
          if (removed) return
          const share = maxBytes / partitions
          const mostRecords = Math.min(MAX_RECORDS, maxRecords / partitions)
          if (!bound.full) {
            if (buffer.bytes() < share && buffer.records() < mostRecords) return
            bound.full = true
            consumer.pause(target)
          } else if (buffer.bytes() <= share / 2 && buffer.records() <= mostRecords / 2) {
            bound.full = false
            consumer.resume(target)
          }
        },
        remove() {
          if (removed) return
          removed = true
          partitions--
          if (bound.full) consumer.resume(target) // a driver may keep pauses across assignments; the next epoch begins without one
          bound.full = false
        },
      }
      return bound
    },
  }
}
