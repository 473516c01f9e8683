/** Who wrote a batch, and the number of its first record among all that this producer wrote to the partition. */
export interface BatchOrigin {
  readonly producerId: string
  readonly epoch: number
  readonly sequence: number
}

/** What a partition says to a batch by its origin. `repeat` comes with the offset at which the batch stands already. */
export type SequenceVerdict =
  { readonly kind: 'next' | 'out-of-order' | 'fenced' } | { readonly kind: 'repeat'; readonly offset: bigint }

/** What one partition remembers of its producers, so that a batch which is sent again is on the log once. */
export interface Sequences {
  /** Judges a batch as a broker does: of a producer that it does not know it takes any number. */
  judge(origin: BatchOrigin, count: number): SequenceVerdict
  /** A batch was written. */
  wrote(origin: BatchOrigin, count: number, offset: bigint): void
}

interface Producer {
  readonly epoch: number
  next: number
  readonly batches: { readonly first: number; readonly count: number; readonly offset: bigint }[]
}

const REMEMBERED_BATCHES = 5 // brokers' own, which is why a producer may have five requests under way

/** Makes {@link Sequences} of a partition that nobody has written to. */
export function createSequences(): Sequences {
  const producers = new Map<string, Producer>()
  return {
    judge({ producerId, epoch, sequence }, count) {
      const known = producers.get(producerId)
      if (known === undefined) return { kind: 'next' }
      if (epoch < known.epoch) return { kind: 'fenced' }
      if (epoch > known.epoch) return { kind: sequence === 0 ? 'next' : 'out-of-order' }
      const same = known.batches.find((batch) => batch.first === sequence && batch.count === count)
      if (same !== undefined) return { kind: 'repeat', offset: same.offset }
      return { kind: sequence === known.next ? 'next' : 'out-of-order' }
    },
    wrote({ producerId, epoch, sequence }, count, offset) {
      const known = producers.get(producerId)
      const producer = known?.epoch === epoch ? known : { epoch, next: 0, batches: [] }
      producer.next = sequence + count
      producer.batches.push({ first: sequence, count, offset })
      if (producer.batches.length > REMEMBERED_BATCHES) producer.batches.shift()
      producers.set(producerId, producer)
    },
  }
}
