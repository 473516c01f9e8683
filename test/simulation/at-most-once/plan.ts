import type { Ordering } from '../../../src/consumer/index.ts'
import type { Simulation } from '../../../src/testing/simulation/index.ts'

/** How a topic is handled at most once under one seed. */
export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  readonly ordering: Ordering
  readonly mode: 'single' | 'batch'
  readonly maxBatchSize: number
}

/** What a schedule of handling at most once is made of. */
export interface AtMostOncePlan {
  readonly topics: readonly TopicPlan[]
  /** Members come and go in peace: nothing at all may be lost then. */
  readonly calm: boolean
  /** Half of all records are of one slow key, the others of a key each: more is begun above the lowest record than a commit has room to tell. */
  readonly wide: boolean
  readonly records: number
  readonly concurrency: number
  readonly handlerMs: number
  /** Can the driver send text with a commit? */
  readonly commitMetadata: boolean
  /** Odds, of each record that is placed. */
  readonly odds: { readonly tombstone: number; readonly garbled: number; readonly gap: number }
  /** Odds, of each call of a handler before all is healed. */
  readonly fails: number
  readonly slow: number
  readonly hangs: number
  readonly stops: number
  /** How often it comes. */
  readonly strikes: {
    readonly kill: number
    readonly suspend: number
    readonly cut: number
    readonly leave: number
    readonly join: number
    readonly expire: number
    readonly crash: number
    readonly coordinatorLoads: number
    readonly commitFailures: number
    readonly textRefusals: number
  }
}

/** Draws a plan. */
export function drawAtMostOncePlan({ int, chance }: Simulation): AtMostOncePlan {
  const calm = chance(0.25)
  const wide = chance(0.25)
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const trouble = (probability: number, most: number): number => (!calm && chance(probability) ? 1 + int(most) : 0)
  const topic = (name: string): TopicPlan => {
    const mode = (['single', 'single', 'batch'] as const)[int(3)]!
    return {
      name,
      mode: wide ? 'single' : mode,
      partitions: wide ? 1 : 1 + int(3),
      ordering: wide || mode === 'batch' ? 'key' : (['key', 'key', 'partition', 'none'] as const)[int(4)]!,
      maxBatchSize: 1 + int(6),
    }
  }
  return {
    topics: chance(0.3) && !wide ? [topic('orders'), topic('refunds')] : [topic('orders')],
    calm,
    wide,
    records: wide ? 60 + int(40) : 12 + int(20),
    concurrency: 1 + int(8),
    handlerMs: int(60),
    commitMetadata: !chance(0.15),
    odds: { tombstone: chance(0.3) ? 0.1 : 0, garbled: chance(0.3) ? 0.1 : 0, gap: 0.2 },
    fails: chance(0.5) ? 0.2 : 0,
    slow: !calm && chance(0.3) ? 0.05 : 0,
    hangs: !calm && chance(0.15) ? 0.03 : 0,
    stops: !calm && chance(0.1) ? 0.03 : 0,
    strikes: {
      kill: some(2),
      suspend: some(2),
      cut: some(2),
      leave: int(3),
      join: int(3),
      expire: some(1),
      crash: trouble(0.15, 1),
      coordinatorLoads: trouble(0.3, 1),
      commitFailures: some(4),
      textRefusals: trouble(0.3, 1),
    },
  }
}
