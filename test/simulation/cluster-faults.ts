import type { Simulation } from '../../src/testing/simulation/index.ts'
import type { Nemesis } from './nemesis.ts'

/** Without an answer, or with one that says that nothing was done. */
const FAILURES = ['unavailable', 'indeterminate-written', 'indeterminate-lost'] as const

/** One of those. */
export function anyFailure({ int }: Simulation): (typeof FAILURES)[number] {
  return FAILURES[int(FAILURES.length)]!
}

/** How often produce calls to a topic fail, and replicas are missing. */
export interface WriteFaultRates {
  readonly failures: number
  readonly unwritable: number
}

/** Strikes what is written to topics. */
export function strikeWrites(
  simulation: Simulation,
  nemesis: Nemesis,
  anyTopic: () => string,
  rates: WriteFaultRates,
): void {
  const { cluster } = simulation
  nemesis.strike(rates.failures, () => cluster.failNextProduce(anyTopic(), anyFailure(simulation)))
  nemesis.strike(rates.unwritable, () => {
    const topic = anyTopic()
    nemesis.forAWhile(
      () => cluster.partitionUnwritable(topic, true),
      () => cluster.partitionUnwritable(topic, false),
    )
  })
}
