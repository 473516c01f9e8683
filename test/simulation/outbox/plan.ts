import type { Simulation } from '../../../src/testing/simulation/index.ts'

/** What a schedule of an outbox and its relays is made of. */
export interface OutboxPlan {
  /** Processes come and go in peace, and nothing fails. */
  readonly calm: boolean
  /** Each process writes and relays, and knows when it has enqueued; else writers and relays are processes of their own. */
  readonly together: boolean
  readonly writers: number
  readonly relays: number
  readonly partitions: number
  readonly keys: number
  readonly transactions: number
  readonly relay: {
    readonly leaseMs: number
    readonly deliveryTimeoutMs: number
    readonly idleIntervalMs: number
    readonly sweepIntervalMs: number
    readonly maxBatchRecords: number
    readonly maxBufferedRows: number
    readonly unknownTopicGraceMs: number
    readonly listen: boolean
    readonly transactionalIdPrefix?: string
  }
  /** How far the database's clock is ahead of everybody's. */
  readonly clockAheadMs: number
  /** A long transaction elsewhere holds a snapshot from the beginning to the end, so that all dead rows stay. */
  readonly snapshotHeld: boolean
  /** Kafka is away for ten minutes, from some moment on. */
  readonly outage: boolean
  /** Odds, of each message: of no key, too large for its topic, of a topic that is not there yet, a tombstone. */
  readonly odds: {
    readonly keyless: number
    readonly tooLarge: number
    readonly unknown: number
    readonly tombstone: number
  }
  /** Odds, of each transaction: rolled back, with a savepoint that is taken back, open for long after it has enqueued. */
  readonly rollback: number
  readonly savepoint: number
  readonly long: number
  /** Odds, of each call of the database before all is healed: it fails, its answer is lost, or it takes long. */
  readonly storeFaults: number
  /** How often it comes. */
  readonly strikes: {
    readonly kill: number
    readonly suspend: number
    /** Odds, of each produce: its process stands still just before it. */
    readonly suspendAtSend: number
    readonly cut: number
    readonly leave: number
    readonly join: number
    readonly storeOutages: number
    readonly produceFailures: number
    readonly unwritable: number
    readonly refused: number
    readonly snapshots: number
    readonly operator: number
  }
}

/** Draws a plan. */
export function drawOutboxPlan({ int, chance }: Simulation): OutboxPlan {
  const calm = chance(0.25)
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const outage = !calm && chance(0.03)
  const leaseMs = 1_000 + int(1_000)
  return {
    calm,
    together: chance(0.4),
    writers: 1 + int(4),
    relays: 1 + int(4),
    partitions: 1 + int(3),
    keys: 2 + int(6),
    transactions: 15 + int(30),
    relay: {
      leaseMs,
      // In calm longer than a way there and back can take.
      deliveryTimeoutMs: Math.max(calm ? 300 : 0, 50 + int(Math.floor(leaseMs / 2) - 50)),
      idleIntervalMs: outage ? 1_000 : 10 + int(300),
      sweepIntervalMs: chance(0.1) ? 200 + int(1_000) : 2_000_000_000, // what is only found by a sweep should not be
      maxBatchRecords: 1 + int(8),
      maxBufferedRows: chance(0.5) ? 4 + int(20) : 5_000,
      unknownTopicGraceMs: int(600),
      listen: chance(0.2),
      ...(chance(0.25) && { transactionalIdPrefix: 'relay' }),
    },
    clockAheadMs: chance(0.5) ? 0 : int(20_000) - 10_000,
    snapshotHeld: chance(0.3),
    outage,
    odds: {
      keyless: chance(0.3) ? 0.2 : 0,
      tooLarge: chance(0.3) ? 0.06 : 0,
      unknown: chance(0.3) ? 0.1 : 0,
      tombstone: chance(0.3) ? 0.1 : 0,
    },
    rollback: chance(0.5) ? 0.15 : 0,
    savepoint: chance(0.4) ? 0.3 : 0,
    long: chance(0.5) ? 0.15 : 0,
    storeFaults: !calm && chance(0.6) ? 0.01 + int(6) / 100 : 0,
    strikes: {
      kill: some(3),
      suspend: some(3),
      suspendAtSend: !calm && chance(0.5) ? 0.02 : 0,
      cut: some(2),
      leave: int(3),
      join: int(3),
      storeOutages: !calm && chance(0.3) ? 1 : 0,
      produceFailures: some(5),
      unwritable: some(1),
      refused: !calm && chance(0.3) ? 1 + int(3) : 0,
      snapshots: int(2),
      operator: int(4),
    },
  }
}
