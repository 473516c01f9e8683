import type { Ordering } from '../../../src/consumer/index.ts'
import type { Simulation } from '../../../src/testing/simulation/index.ts'

/** How a topic is handled under one seed. */
export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  readonly ordering: Ordering
  readonly mode: 'single' | 'manual' | 'batch'
  readonly maxBatchSize: number
  /** Its records have no key. */
  readonly keyless: boolean
  readonly handlesTombstones: boolean
}

/** What a schedule of the consuming scenario is made of: each seed draws a few of many faults and features, so that they meet in turns. */
export interface ConsumingPlan {
  readonly topics: readonly TopicPlan[]
  /** Members come and go in peace, and nothing fails: nothing at all may be repeated then. */
  readonly calm: boolean
  readonly withStore: boolean
  /** In place of a store. */
  readonly withInbox: boolean
  readonly handlerMs: number
  readonly concurrency: number
  readonly onOutOfRange: 'fail' | 'earliest' | 'latest'
  /** Odds, of each record that is placed. */
  readonly odds: {
    readonly poison: number
    readonly ruled: number
    readonly tombstone: number
    readonly garbled: number
    readonly gap: number
    readonly withoutId: number
  }
  /** Odds, of each call of a handler before all is healed. */
  readonly fails: number
  readonly slow: number
  readonly stops: number
  /** How often it comes. */
  readonly strikes: {
    readonly kill: number
    readonly suspend: number
    readonly cut: number
    readonly leave: number
    readonly expire: number
    readonly crash: number
    readonly join: number
    readonly coordinatorLoads: number
    readonly commitFailures: number
    readonly parkFailures: number
    readonly unwritable: number
    readonly storeOutages: number
    readonly storms: number
    readonly dependencyOutages: number
    readonly growths: number
    readonly retentions: number
    readonly seeks: number
    readonly pauses: number
  }
}

/** One seed in so many. By its number, so that what the others draw stays what it was. */
const WITH_INBOX = 7

/** Draws a plan. */
export function drawConsumingPlan({ seed, int, chance }: Simulation): ConsumingPlan {
  const withInbox = seed % WITH_INBOX === 1
  const calm = chance(0.3)
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const seldom = (probability: number, most: number): number => (chance(probability) ? 1 + int(most) : 0)
  const trouble = (probability: number, most: number): number => (calm ? 0 : seldom(probability, most))
  const fails = chance(0.5)
  const topic = (name: string): TopicPlan => {
    const mode = (['single', 'single', 'single', 'manual', 'batch'] as const)[int(5)]!
    return {
      name,
      mode: withInbox && mode === 'manual' ? 'single' : mode,
      partitions: 1 + int(3),
      ordering: mode === 'batch' ? 'key' : (['key', 'key', 'partition', 'none'] as const)[int(4)]!,
      maxBatchSize: 1 + int(6),
      keyless: chance(0.1),
      handlesTombstones: chance(0.5),
    }
  }
  return {
    topics: chance(0.3) ? [topic('orders'), topic('refunds')] : [topic('orders')],
    calm,
    withStore: chance(0.5) && !withInbox,
    withInbox,
    handlerMs: int(60),
    concurrency: 1 + int(8),
    onOutOfRange: (['fail', 'earliest', 'latest'] as const)[int(3)]!,
    odds: {
      poison: 0.15,
      ruled: chance(0.3) ? 0.15 : 0,
      tombstone: chance(0.3) ? 0.1 : 0,
      garbled: chance(0.3) ? 0.05 : 0,
      gap: 0.2,
      withoutId: chance(0.2) ? 0.3 : 0,
    },
    fails: fails ? 0.2 : 0,
    slow: !calm && chance(0.3) ? 0.05 : 0,
    stops: !calm && chance(0.1) ? 0.03 : 0,
    strikes: {
      kill: some(2),
      suspend: some(2),
      cut: some(2),
      leave: int(3),
      expire: some(1),
      crash: trouble(0.15, 1),
      join: int(3),
      coordinatorLoads: trouble(0.3, 1),
      commitFailures: some(2),
      parkFailures: int(3),
      unwritable: seldom(0.15, 1),
      storeOutages: some(1),
      storms: trouble(0.15, 1),
      dependencyOutages: seldom(0.15, 1),
      growths: seldom(0.25, 1),
      retentions: trouble(0.2, 2),
      seeks: trouble(0.2, 2),
      pauses: seldom(0.2, 2),
    },
  }
}
