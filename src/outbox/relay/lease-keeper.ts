import type { RelayEvents } from './relay.ts'
import type { Events } from '../../events/index.ts'
import type { BucketLease } from '../relay-store.ts'
import { BUCKETS } from '../relay-store.ts'
import type { Hand } from './held-bucket.ts'
import { HeldBucket, keyNameOf } from './held-bucket.ts'
import type { RelaySettings } from './relay-settings.ts'
import type { Trouble } from './trouble.ts'

/** The buckets that this worker holds, and its place among the workers. */
export interface LeaseKeeper {
  /** Those of which rows may be read. In the order in which they came. */
  open(): readonly HeldBucket[]
  /** One round, then again and again. Rejects when the first one fails. */
  start(): Promise<void>
  /** What is known of a bucket does not count any more: it begins anew when all that is under way of it has ended. */
  reset(held: HeldBucket): void
  /** Somebody else has it, whatever the lease says. */
  lost(held: HeldBucket): void
  /** A row of it has left. */
  rowLeft(held: HeldBucket): void
  /** Resolves when a produce that begins now ends before the leases of these buckets can, or one of them is closed. */
  untilSafe(buckets: Iterable<HeldBucket>): Promise<void>
  /** Closes all buckets; resolves when nothing of them is under way. */
  close(): Promise<void>
  /** Tells the others that this worker is gone. Only when nothing is under way. */
  leave(): Promise<void>
}

/** What a {@link LeaseKeeper} works with. */
export interface LeaseKeeperOptions {
  readonly settings: RelaySettings
  readonly hand: Hand
  readonly events: Events<RelayEvents>
  readonly trouble: Trouble
  /** Buckets were opened: there may be rows. */
  readonly onOpened: () => void
}

/** Makes a {@link LeaseKeeper}. */
export function createLeaseKeeper({ settings, hand, events, trouble, onOpened }: LeaseKeeperOptions): LeaseKeeper {
  const { store, worker, leaseMs, deliveryTimeoutMs, runtime, logger } = settings
  const { clock } = runtime
  /** A produce ends at its deadline or some moments later, and clocks may run a little apart. */
  const marginMs = Math.min(leaseMs / 10, 1_000)
  const buckets = new Map<number, HeldBucket>()
  const toGiveBack = new Map<number, BucketLease>()
  let closing = false
  let running: Promise<void> | undefined
  let wake = new AbortController()
  let renewed = newSignal()
  const emptied = newSignal()

  const round = async (): Promise<number> => {
    await giveBack()
    const sentAt = clock.monotonic()
    await runtime.failpoint('relay:before-lease')
    const { workers, leases } = await store.lease(worker, leaseMs)
    const safeUntil = sentAt + leaseMs
    const now = new Map(leases.map((lease) => [lease.bucket, lease]))
    for (const held of buckets.values()) {
      const lease = now.get(held.lease.bucket)
      if (lease?.epoch !== held.lease.epoch) lose(held)
      else {
        held.safeUntil = safeUntil
        if (lease.generation !== held.lease.generation) held.close()
      }
      dropIfDone(held)
    }
    const fresh = leases.filter(({ bucket }) => !buckets.has(bucket) && !toGiveBack.has(bucket))
    if (fresh.length > 0 && !closing) await open(fresh, safeUntil)
    renewed.resolve()
    renewed = newSignal()
    const share = Math.ceil(BUCKETS / Math.max(1, workers))
    for (const held of openOnes().slice(share)) {
      held.close()
      toGiveBack.set(held.lease.bucket, held.lease)
      dropIfDone(held)
    }
    // Below its share it looks more often: buckets of the dead, and of those that give back, come one round later at most.
    return openOnes().length < share ? leaseMs / 16 : leaseMs / 4
  }

  const open = async (leases: readonly BucketLease[], safeUntil: number): Promise<void> => {
    const parked = new Map<number, Map<string, bigint>>()
    for (const { bucket, topic, key, rowId } of await store.parkedKeys(leases.map(({ bucket }) => bucket))) {
      let keys = parked.get(bucket)
      if (keys === undefined) parked.set(bucket, (keys = new Map()))
      keys.set(keyNameOf(topic, key), rowId)
    }
    if (closing) return
    for (const lease of leases) {
      buckets.set(lease.bucket, new HeldBucket(lease, safeUntil, parked.get(lease.bucket) ?? new Map(), hand))
    }
    tell()
    onOpened()
  }

  const openOnes = (): HeldBucket[] => [...buckets.values()].filter((held) => held.open)

  const tell = (): void => events.emit('buckets', { held: openOnes().map(({ lease }) => lease.bucket) })

  const lose = (held: HeldBucket): void => {
    if (!held.open) return
    held.close()
    logger.warn({ bucket: held.lease.bucket, worker }, 'the lease of a bucket is lost: another worker sends its rows')
    tell()
  }

  // A closed bucket is forgotten only when nothing of it is under way: taken again before, it would be read, and sent, beside itself.
  const dropIfDone = (held: HeldBucket): void => {
    if (held.open || held.rows.size > 0 || buckets.get(held.lease.bucket) !== held) return
    buckets.delete(held.lease.bucket)
    if (closing && buckets.size === 0) emptied.resolve()
    hurry()
  }

  const giveBack = async (): Promise<void> => {
    const free = [...toGiveBack.values()].filter(({ bucket }) => !buckets.has(bucket))
    if (free.length === 0) return
    await store.release(free)
    for (const { bucket } of free) toGiveBack.delete(bucket)
    tell()
  }

  const run = async (firstWaitMs: number): Promise<void> => {
    let waitMs = firstWaitMs
    while (!closing) {
      await clock.sleep(waitMs, wake.signal).catch(() => {})
      if (wake.signal.aborted) wake = new AbortController()
      if (closing) return
      try {
        waitMs = await round()
        trouble.ended()
      } catch (error) {
        waitMs = Math.min(trouble.failed(error), leaseMs / 16)
      }
    }
  }

  const hurry = (): void => wake.abort()

  return {
    open: openOnes,
    async start() {
      const waitMs = await round()
      running = run(waitMs)
    },
    reset(held) {
      held.close()
      dropIfDone(held)
      hurry()
    },
    lost(held) {
      lose(held)
      dropIfDone(held)
      hurry()
    },
    rowLeft: (held) => dropIfDone(held),
    async untilSafe(given) {
      const all = [...given]
      for (;;) {
        const safeFrom = clock.monotonic() + deliveryTimeoutMs + marginMs
        if (all.every((held) => !held.open || held.safeUntil >= safeFrom)) return
        hurry()
        await renewed.promise
      }
    },
    async close() {
      closing = true
      hurry()
      renewed.resolve()
      const closeAll = (): void => {
        for (const held of buckets.values()) {
          held.close()
          dropIfDone(held)
        }
      }
      closeAll()
      // A round that is under way may come to the store after the leave, and would take the buckets for a worker that is gone; or open some yet.
      await running
      closeAll()
      if (buckets.size > 0) await emptied.promise
    },
    leave: () => store.leave(worker),
  }
}

function newSignal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
