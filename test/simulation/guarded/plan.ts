import type { Ordering } from '../../../src/consumer/index.ts'
import type { Simulation } from '../../../src/testing/simulation/index.ts'

/** What kind of server remembers: one whose clock may jump, or one that forgets its last moments when another takes over. */
export type StoreKind = 'postgres' | 'redis'

/** What a schedule of consuming with a remote store is made of. */
export interface GuardedPlan {
  readonly kind: StoreKind
  readonly onStoreDown: 'pause' | 'handle'
  /** Members come and go in peace; the store does what it does. */
  readonly calm: boolean
  readonly partitions: number
  readonly ordering: Ordering
  readonly mode: 'single' | 'batch'
  readonly maxBatchSize: number
  readonly concurrency: number
  readonly handlerMs: number
  /** Odds, of each record that is placed. `again`: it is a message that is on the log already, in any partition. */
  readonly odds: {
    readonly poison: number
    readonly skipped: number
    readonly garbled: number
    readonly withoutId: number
    readonly again: number
  }
  /** Odds, of each call of a handler before all is healed: it fails, it outlasts its lease, it outlasts its time. */
  readonly fails: number
  readonly long: number
  readonly slow: number
  /** Odds, of each call of the store before all is healed: it is lost, or its answer is, or one of both takes too long. */
  readonly storeFaults: number
  /** How often it comes. */
  readonly strikes: {
    readonly kill: number
    readonly suspend: number
    readonly cut: number
    readonly leave: number
    readonly join: number
    readonly expire: number
    readonly coordinatorLoads: number
    readonly commitFailures: number
    readonly storeOutages: number
    /** Jumps of the server's clock, or failovers. */
    readonly serverTroubles: number
  }
}

/** Draws a plan. */
export function drawGuardedPlan({ int, chance }: Simulation): GuardedPlan {
  const calm = chance(0.4)
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const mode = chance(0.25) ? 'batch' : 'single'
  return {
    kind: chance(0.5) ? 'postgres' : 'redis',
    onStoreDown: chance(0.5) ? 'pause' : 'handle',
    calm,
    partitions: 1 + int(3),
    ordering: mode === 'batch' ? 'key' : (['key', 'key', 'partition', 'none'] as const)[int(4)]!,
    mode,
    maxBatchSize: 1 + int(6),
    concurrency: 1 + int(8),
    handlerMs: int(60),
    odds: {
      poison: chance(0.5) ? 0.1 : 0,
      skipped: chance(0.3) ? 0.1 : 0,
      garbled: chance(0.2) ? 0.05 : 0,
      withoutId: chance(0.2) ? 0.3 : 0,
      again: chance(0.5) ? 0.2 : 0,
    },
    fails: chance(0.5) ? 0.2 : 0,
    long: chance(0.5) ? 0.25 : 0,
    slow: chance(0.2) ? 0.05 : 0,
    storeFaults: chance(0.8) ? 0.02 + int(10) / 100 : 0,
    strikes: {
      kill: some(2),
      suspend: some(2),
      cut: some(1),
      leave: int(3),
      join: int(3),
      expire: some(1),
      coordinatorLoads: !calm && chance(0.2) ? 1 : 0,
      commitFailures: some(2),
      storeOutages: int(3),
      serverTroubles: int(3),
    },
  }
}
