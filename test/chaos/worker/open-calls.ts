import type { TopicPartition } from '../../../src/record/index.ts'
import { formatPartition } from '../../../src/record/index.ts'
import type { EpochBook } from './journaling-driver.ts'

/** Which epoch each partition is in, and how many calls of the handler run for it: the handler is told neither. */
export interface OpenCalls extends EpochBook {
  /** Of the last assignment, which may be over. */
  epochOf(partition: TopicPartition): number
  callBegins(partition: TopicPartition): void
  callEnds(partition: TopicPartition): void
}

/** Makes {@link OpenCalls} of nothing. */
export function createOpenCalls(): OpenCalls {
  const epochs = new Map<string, number>()
  const calls = new Map<string, number>()
  const inFlight = (partition: TopicPartition): number => calls.get(formatPartition(partition)) ?? 0
  return {
    began: (partition, epoch) => void epochs.set(formatPartition(partition), epoch),
    epochOf: (partition) => epochs.get(formatPartition(partition)) ?? 0,
    inFlight,
    callBegins: (partition) => void calls.set(formatPartition(partition), inFlight(partition) + 1),
    callEnds: (partition) => void calls.set(formatPartition(partition), inFlight(partition) - 1),
  }
}
