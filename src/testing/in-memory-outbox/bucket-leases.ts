import type { BucketLease, LeaseRound } from '../../outbox/index.ts'
import { BUCKETS } from '../../outbox/index.ts'

/** A bucket, as the table of buckets has it. */
export interface InMemoryBucket extends BucketLease {
  /** Null: nobody holds it. */
  readonly worker: string | null
  /** By the store's clock, in milliseconds since the epoch. */
  readonly leaseUntilMs: number
}

/** Who may send the rows of which bucket. */
export interface BucketLeases {
  lease(worker: string, leaseMs: number): LeaseRound
  release(leases: readonly BucketLease[]): void
  leave(worker: string): void
  /** Has nobody else taken the bucket since it had this epoch? */
  isOwn(bucket: number, epoch: bigint | undefined, worker: string): boolean
  /** Is this lease the bucket's own, epoch and generation? */
  isCurrent(lease: BucketLease): boolean
  /** What is known of a bucket's rows is to be asked anew. */
  raiseGeneration(bucket: number): void
  all(): readonly InMemoryBucket[]
}

/** Makes leases by the store's clock: nobody holds anything. */
export function createBucketLeases(now: () => number): BucketLeases {
  const aliveUntil = new Map<string, number>()
  const buckets: InMemoryBucket[] = Array.from({ length: BUCKETS }, (_, bucket) => ({
    bucket,
    epoch: 0n,
    generation: 0n,
    worker: null,
    leaseUntilMs: 0,
  }))
  const change = (bucket: number, to: Partial<InMemoryBucket>): void => {
    buckets[bucket] = { ...buckets[bucket]!, ...to }
  }
  const isHeld = ({ worker, leaseUntilMs }: InMemoryBucket): boolean => worker !== null && leaseUntilMs > now()

  return {
    lease(worker, leaseMs) {
      const until = now() + leaseMs
      for (const [each, untilMs] of aliveUntil) if (untilMs <= now()) aliveUntil.delete(each)
      aliveUntil.set(worker, until)
      const own = buckets.filter((each) => each.worker === worker && isHeld(each))
      for (const { bucket } of own) change(bucket, { leaseUntilMs: until })
      const share = Math.ceil(BUCKETS / aliveUntil.size)
      const free = buckets.filter((each) => !isHeld(each)).slice(0, Math.max(0, share - own.length))
      for (const { bucket, epoch } of free) change(bucket, { worker, epoch: epoch + 1n, leaseUntilMs: until })
      const leases = buckets.filter((each) => each.worker === worker && isHeld(each))
      return {
        workers: aliveUntil.size,
        leases: leases.map(({ bucket, epoch, generation }) => ({ bucket, epoch, generation })),
      }
    },
    release(leases) {
      for (const { bucket, epoch } of leases)
        if (buckets[bucket]?.epoch === epoch) change(bucket, { worker: null, leaseUntilMs: 0 })
    },
    leave(worker) {
      aliveUntil.delete(worker)
      for (const each of buckets) if (each.worker === worker) change(each.bucket, { worker: null, leaseUntilMs: 0 })
    },
    isOwn(bucket, epoch, worker) {
      const now = buckets[bucket]
      if (now === undefined || epoch === undefined) return false
      return now.epoch === epoch || (now.epoch === epoch + 1n && now.worker === worker)
    },
    isCurrent: ({ bucket, epoch, generation }) =>
      buckets[bucket]?.epoch === epoch && buckets[bucket].generation === generation,
    raiseGeneration: (bucket) => change(bucket, { generation: buckets[bucket]!.generation + 1n }),
    all: () => [...buckets],
  }
}
