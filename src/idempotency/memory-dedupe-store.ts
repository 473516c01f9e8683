import { LRUCache } from 'lru-cache'
import type { Runtime } from '../clock/index.ts'
import { systemRuntime } from '../clock/index.ts'
import { countProblems, unknownOptions } from '../options/index.ts'
import type { DedupeOutcome, DedupeStore, LeaseToken } from './dedupe-store.ts'
import { refuseUnfitLease, storeRefusals } from './store-refusals.ts'

/** How much a memory store remembers, and for how long. */
export interface MemoryDedupeStoreOptions {
  /**
   * How many done messages are remembered; beyond it the least recently asked for is forgotten. An integer of 1 or more. An entry
   * takes about 280 bytes (measured on Node 20, ids of 60 characters), 60 of them set aside at once.
   *
   * @defaultValue `100_000`
   */
  readonly maxEntries?: number
  /**
   * How long a done message is remembered, in milliseconds: longer than duplicates can come, so longer than all retries, the
   * greatest lag and the window of replays together. An integer of 1 or more.
   *
   * @defaultValue `86_400_000`, a day
   */
  readonly ttlMs?: number
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock'>
}

interface Lease {
  readonly token: LeaseToken
  readonly attempt: number
  /** On the monotonic clock. */
  until: number
}

interface Mark {
  readonly outcome: DedupeOutcome
  /** Who made it, so that its complete can be repeated. */
  readonly token: LeaseToken
  /** On the monotonic clock. */
  readonly until: number
}

interface AttemptCount {
  readonly used: number
  /** On the monotonic clock. */
  readonly until: number
}

/**
 * A {@link DedupeStore} in this process's memory. **Best effort**: it knows nothing of other processes, forgets everything when
 * this one ends, and forgets the oldest when it is full; what is forgotten is handled again. It spares most duplicates of a
 * rebalance or a producer's repeat, at no cost. For effects that must not repeat use the Postgres inbox.
 *
 * Leases are kept apart from the marks, so that however many marks come, nobody loses a lease under way.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function memoryDedupeStore(options: MemoryDedupeStoreOptions = {}): DedupeStore {
  const { maxEntries = 100_000, ttlMs = 86_400_000 } = options
  const problems = [
    ...countProblems({ maxEntries, ttlMs }),
    ...unknownOptions(options, ['maxEntries', 'ttlMs', 'runtime']),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions('memory dedupe store', problems)
  const { clock } = options.runtime ?? systemRuntime

  // Each entry says itself how long it lives: lru-cache's own `ttl` would set timers, or read the clock at every look.
  const marks = new LRUCache<string, Mark>({ max: maxEntries })
  // Apart from the marks: an outage leaves an attempt count for every message it touched, which must not push marks out.
  const attempts = new LRUCache<string, AttemptCount>({ max: maxEntries })
  const leases = new Map<string, Lease>()
  let begun = 0
  let sweepAt = SWEEP_FLOOR

  const held = (token: LeaseToken): { readonly id: string; readonly lease: Lease | undefined } => {
    const id = token.slice(token.indexOf(':') + 1)
    const lease = leases.get(id)
    return { id, lease: lease?.token === token ? lease : undefined }
  }

  /** What of an id is remembered still: an entry is good in the last millisecond of its time, and not after it. */
  const remembered = <T extends Mark | AttemptCount>(
    of: LRUCache<string, T>,
    id: string,
    now: number,
  ): T | undefined => {
    const entry = of.size === 0 ? undefined : of.get(id)
    if (entry === undefined || now <= entry.until) return entry
    of.delete(id)
    return undefined
  }

  // A handler that never ends leaves its lease behind; the doubling threshold makes a sweep cost nothing per begin on average.
  const sweep = (now: number): void => {
    if (leases.size < sweepAt) return
    for (const [id, lease] of leases) if (lease.until + ttlMs <= now) leases.delete(id)
    sweepAt = Math.max(SWEEP_FLOOR, leases.size * 2)
  }

  return {
    ttlMs,
    begin(id, { leaseMs, replay = false }) {
      refuseUnfitLease(leaseMs)
      const now = clock.monotonic()
      const mark = remembered(marks, id, now)
      if (mark !== undefined && !replay) return { kind: 'done', outcome: mark.outcome }
      const current = leases.get(id)
      if (current !== undefined && now < current.until) {
        return { kind: 'busy', untilMs: clock.now() + (current.until - now) }
      }
      sweep(now)
      const attempt = 1 + (current?.attempt ?? remembered(attempts, id, now)?.used ?? 0)
      const token = `${++begun}:${id}`
      leases.set(id, { token, attempt, until: now + leaseMs })
      return { kind: 'started', token, attempt }
    },

    complete(token, outcome) {
      const { id, lease } = held(token)
      const now = clock.monotonic()
      if (lease === undefined) {
        const mark = marks.peek(id)
        if (mark?.token === token && now <= mark.until) return
        throw storeRefusals.leaseLost('complete')
      }
      leases.delete(id)
      if (attempts.size > 0) attempts.delete(id)
      marks.set(id, { outcome, token, until: now + ttlMs })
    },

    abandon(token, failedAttempts) {
      const { id, lease } = held(token)
      if (lease === undefined) return
      leases.delete(id)
      const used = failedAttempts ?? lease.attempt - 1
      if (used > 0) attempts.set(id, { used, until: clock.monotonic() + ttlMs })
      else attempts.delete(id)
    },

    renew(token, leaseMs) {
      refuseUnfitLease(leaseMs)
      const { lease } = held(token)
      if (lease === undefined) throw storeRefusals.leaseLost('renew')
      lease.until = clock.monotonic() + leaseMs
    },
  }
}

const SWEEP_FLOOR = 1_024
