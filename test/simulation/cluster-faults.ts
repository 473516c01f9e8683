import type { Simulation } from '../../src/testing/simulation/index.ts'
import type { Nemesis } from './nemesis.ts'
import type { Processes } from './processes.ts'

/** Without an answer, or with one that says that nothing was done. */
const FAILURES = ['unavailable', 'indeterminate-written', 'indeterminate-lost'] as const

/** One of those. */
export function anyFailure({ int }: Simulation): (typeof FAILURES)[number] {
  return FAILURES[int(FAILURES.length)]!
}

/** How often a group loses its members, its coordinator loads, and commits fail. */
export interface GroupFaultRates {
  readonly expire: number
  readonly crash: number
  readonly coordinatorLoads: number
  readonly commitFailures: number
}

/** Strikes what a group depends on. All of its processes count as disturbed by that, but for a commit that fails. */
export function strikeGroup(
  simulation: Simulation,
  nemesis: Nemesis,
  processes: Pick<Processes<unknown>, 'disturbAll'>,
  groupId: string,
  rates: GroupFaultRates,
): void {
  const { cluster } = simulation
  nemesis.strike(rates.expire, () => {
    processes.disturbAll()
    cluster.expireSession(groupId)
  })
  nemesis.strike(rates.crash, () => {
    processes.disturbAll()
    cluster.crashConsumer(groupId)
  })
  nemesis.strike(rates.coordinatorLoads, () => {
    processes.disturbAll()
    nemesis.forAWhile(
      () => cluster.coordinatorLoading(groupId, true),
      () => cluster.coordinatorLoading(groupId, false),
    )
  })
  nemesis.strike(rates.commitFailures, () => cluster.failNextCommit(groupId, anyFailure(simulation)))
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
