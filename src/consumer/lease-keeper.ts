import type { Clock } from '../clock/index.ts'
import { describeForLog, HoldfastError } from '../errors/index.ts'
import type { DedupeStore, LeaseToken } from '../idempotency/index.ts'
import { dedupeIds } from '../idempotency/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Link } from './chain.ts'
import { createChain } from './chain.ts'
import type { Epoch } from './epoch.ts'
import { isPromiseLike } from '../topic/index.ts'
import type { StoreCalls } from './store-call.ts'
import { createStoreCalls } from './store-call.ts'

/** Renews the leases of the messages that are being handled: one timer for all of them, none for each. */
export interface LeaseKeeper {
  /** Renews this lease until it is released, or its epoch is dead: a handler that outlives its partition must not hold up the next owner. */
  hold(token: LeaseToken, epoch: Epoch): Lease
  release(lease: Lease): void
  /** What the store knows a message by. */
  idOf(messageId: string): string
  /** Watches calls of the same store; each may take as long as a lease, and a minute at most. */
  readonly storeCalls: StoreCalls
  close(): void
}

/** A lease that is kept. */
export interface Lease {
  readonly token: LeaseToken
}

interface KeptLease extends Lease, Link<KeptLease> {
  readonly epoch: Epoch
  renewing: boolean
}

/** What a lease is as long as is no measure of how soon a store that is out is to be noticed. */
const STORE_CALL_MS = 60_000

/** Makes a {@link LeaseKeeper}. It renews every third of a lease, so that two renewals may fail before one ends. */
export function createLeaseKeeper(options: {
  readonly store: DedupeStore
  readonly leaseMs: number
  readonly groupId: string
  readonly scope: string
  readonly clock: Clock
  readonly logger: Logger
}): LeaseKeeper {
  const { store, leaseMs, groupId, scope, clock, logger } = options
  const periodMs = Math.max(1, Math.floor(leaseMs / 3))
  const storeCalls = createStoreCalls(clock, Math.min(leaseMs, STORE_CALL_MS))
  const renewals = createStoreCalls(clock, periodMs) // one that never settles must not be the last
  const kept = createChain<KeptLease>()

  const renew = async (lease: KeptLease): Promise<void> => {
    lease.renewing = true
    try {
      const renewed = store.renew(lease.token, leaseMs)
      if (isPromiseLike(renewed)) await renewals.inTime(renewed)
    } catch (error) {
      if (HoldfastError.is(error, 'HOLDFAST_LEASE_LOST'))
        kept.delete(lease) // the store refuses its completion too
      else logger.warn({ error: describeForLog(error) }, 'a dedupe lease could not be renewed; tried again')
    } finally {
      lease.renewing = false
    }
  }

  const timer = clock.every(periodMs, () => {
    for (const lease of kept) {
      if (lease.epoch.dead) kept.delete(lease)
      else if (!lease.renewing) void renew(lease)
    }
  })

  return {
    hold(token, epoch) {
      const lease: KeptLease = { token, epoch, renewing: false, earlier: null, later: null, chained: false }
      kept.add(lease)
      return lease
    },
    release: (lease) => kept.delete(lease as KeptLease),
    idOf: dedupeIds({ groupId, handler: scope }),
    storeCalls,
    close() {
      timer.cancel()
      storeCalls.close()
      renewals.close()
    },
  }
}
