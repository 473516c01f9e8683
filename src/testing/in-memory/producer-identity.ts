import type { BatchOrigin } from './sequences.ts'

/** An id that the cluster has given to a producer, with the sequence numbers that the producer has given to its batches. */
export interface ProducerIdentity {
  /** Numbers a batch, before it is sent. */
  reserve(place: string, count: number): BatchOrigin
  /** The batch was not written: its numbers are free again. False when later ones are in use, which the broker would refuse now. */
  giveBack(place: string, origin: BatchOrigin, count: number): boolean
}

/** Makes a {@link ProducerIdentity} that has numbered nothing. */
export function createProducerIdentity(producerId: string, epoch: number): ProducerIdentity {
  const next = new Map<string, number>()
  return {
    reserve(place, count) {
      const sequence = next.get(place) ?? 0
      next.set(place, sequence + count)
      return { producerId, epoch, sequence }
    },
    giveBack(place, { sequence }, count) {
      if (next.get(place) !== sequence + count) return false
      next.set(place, sequence)
      return true
    },
  }
}
