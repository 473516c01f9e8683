import type { Consumer } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import type { Driver } from '../../../src/driver/index.ts'
import { formatPartition } from '../../../src/record/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { watchCommits } from '../../../src/testing/simulation/index.ts'
import { strikeGroup } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { orderTopic } from '../order.ts'
import type { Placed } from '../placed-records.ts'
import { createPlacedRecords } from '../placed-records.ts'
import { createProcesses } from '../processes.ts'
import { watchDriver } from '../watched-driver.ts'
import { createCalls } from './calls.ts'
import type { HandlerWorld } from './handlers.ts'
import { createHandlers, errorRules } from './handlers.ts'
import type { TopicPlan } from './plan.ts'
import { drawAtMostOncePlan } from './plan.ts'

const GROUP = 'views'
const SLOW = 'slow'

/** Made once: schedules are short, and many. */
const topics = new Map(['orders', 'refunds'].map((name) => [name, orderTopic(name)]))

/**
 * A few processes of one group handle one topic or two at most once, message by message or in batches, while they are killed, suspended, cut
 * off and told to leave, commits fail or their answers are lost, and handlers fail, run out of time or hang. No handler may be called twice
 * for a record, or before the group has committed it; what is never called must be accounted for; no process may have more at risk than it has
 * places; and when all is healed everything must come to its end.
 */
export const atMostOnce: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const plan = drawAtMostOncePlan(simulation)
  const { strikes, odds } = plan
  const nemesis = createNemesis(simulation)
  const placed = createPlacedRecords(simulation)
  const planOf = (name: string): TopicPlan => plan.topics.find((topic) => topic.name === name)!
  const laneOf = (each: Placed): string => {
    const { ordering, mode } = planOf(each.topic)
    return ordering === 'partition' || mode === 'batch' ? `${each.topic}[${each.partition}]` : each.lane
  }
  const calls = createCalls({
    simulation,
    placed,
    groupId: GROUP,
    inPeace: plan.calm,
    mostAtRisk: plan.concurrency,
    isOrdered: (name) => planOf(name).ordering !== 'none',
    isBatch: (name) => planOf(name).mode === 'batch',
    laneOf,
    isDisturbed: (process) => processes.disturbed.has(process),
  })
  const partitions = plan.topics.flatMap(({ name, partitions: count }) =>
    Array.from({ length: count }, (_, partition) => ({ topic: name, partition })),
  )
  for (const { name, partitions: count } of plan.topics) cluster.createTopic({ topic: name, partitions: count })

  const place = (): void => {
    const partition = partitions[int(partitions.length)]!
    const roll = odds.tombstone + odds.garbled === 0 ? 1 : int(1_000) / 1_000
    const kind = roll < odds.tombstone ? 'tombstone' : roll < odds.tombstone + odds.garbled ? 'garbled' : 'order'
    const key = plan.wide ? (chance(0.5) ? SLOW : `k${placed.all.length}`) : `k${int(4)}`
    const each = placed.place({ ...partition, key, kind, withId: chance(0.5) })
    if (kind !== 'order') calls.unhandled(each)
    if (chance(odds.gap)) cluster.skipOffsetsTo({ ...partition, offset: each.offset + 2n + BigInt(int(3)) })
  }

  const hanging = new Set<() => void>()
  const world: HandlerWorld = {
    simulation,
    plan,
    placed,
    calls,
    slowKey: SLOW,
    laneOf,
    isZombie: (process) => processes.disturbed.has(process),
    get healed() {
      return nemesis.healed
    },
    untilHealed: (process) =>
      new Promise((resolve) => hanging.add(() => void process.pause(int(50)).then(() => resolve()))),
  }

  /** Nothing is committed for an assignment of which the process knows that it is over; what is claimed is noted. */
  const driverOf = (process: SimulatedProcess): Driver => {
    const watched = watchDriver(simulation, process, { placed, isOver: () => true, missing: () => null })
    const capabilities = { ...watched.capabilities, commitMetadata: plan.commitMetadata }
    return watchCommits({ ...watched, capabilities }, (commit) => calls.committing(process, commit))
  }

  const start = (process: SimulatedProcess): Consumer => {
    const consumer = createConsumer({
      driver: driverOf(process),
      groupId: GROUP,
      runtime: process.runtime,
      concurrency: plan.concurrency,
      sessionTimeoutMs: 1_000,
      heartbeatIntervalMs: 200,
      drainTimeoutMs: plan.calm ? 1_000 : 300,
      rebalanceTimeoutMs: 7_000,
      commitIntervalMs: int(100),
    })
    for (const topic of plan.topics) subscribe(consumer, process, topic)
    for (const name of ['assigned', 'revoked', 'lost'] as const)
      consumer.listen(name, (event) =>
        simulation.note(`${process.name}: ${name} ${event.partitions.map(formatPartition).join(', ')}`),
      )
    consumer.listen('abandoned', ({ position }) => calls.abandoned(process, placed.at(position)))
    consumer.listen('skipped', ({ position }) => calls.skipped(placed.at(position)))
    consumer.listen('timed-out', ({ position }) => calls.timedOut(process, placed.at(position)))
    consumer.closed.catch(() => processes.kill(process)) // stopped by a rule: its service ends, too
    consumer.start().catch((error: unknown) => {
      simulation.note(`${process.name} does not start: ${String(error)}`)
      processes.kill(process)
    })
    return consumer
  }

  const subscribe = (consumer: Consumer, process: SimulatedProcess, topic: TopicPlan): void => {
    const handlers = createHandlers(process, topic, world)
    const options = { delivery: 'at-most-once', handlerTimeoutMs: 1_500, errors: errorRules } as const
    const declared = topics.get(topic.name)!
    if (topic.mode === 'batch')
      consumer.onBatch(declared, handlers.batch, {
        ...options,
        maxBatchSize: topic.maxBatchSize,
        maxBatchWaitMs: int(30),
      })
    else consumer.on(declared, handlers.single, { ...options, ordering: topic.ordering })
  }

  const processes = createProcesses({ simulation, nemesis, prefix: 'p', make: start })

  for (let i = int(3); i >= 0; i--) simulation.at(int(300), processes.start)
  nemesis.strike(plan.records, place)
  nemesis.strike(strikes.join, processes.start)
  processes.strike(strikes)
  strikeGroup(simulation, nemesis, processes, GROUP, strikes)
  nemesis.strike(strikes.textRefusals, () => cluster.failNextCommit(GROUP, 'refused'))

  return {
    heal() {
      nemesis.heal()
      processes.heal()
      for (const release of hanging) release()
      hanging.clear()
    },
    done() {
      const committed = new Map(
        cluster.committed(GROUP).map(({ topic, partition, offset }) => [`${topic}[${partition}]`, offset]),
      )
      const isWorkedOff = partitions.every(({ topic, partition }) => {
        const last = placed.of({ topic, partition }).at(-1)
        return last === undefined || (committed.get(`${topic}[${partition}]`) ?? 0n) > last.offset
      })
      return isWorkedOff && placed.all.every(calls.isOver)
    },
    check: calls.check,
  }
}
