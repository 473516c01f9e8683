import type { Consumer } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { headerText } from '../../../src/record/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { anyFailure, strikeGroup } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { keylessOrderTopic, orderTopic } from '../order.ts'
import { createOutcomes } from '../outcomes.ts'
import type { Placed } from '../placed-records.ts'
import { createPlacedRecords } from '../placed-records.ts'
import { createProcesses } from '../processes.ts'
import { watchDriver } from '../watched-driver.ts'
import { createWatchedInbox } from '../watched-inbox.ts'
import { createWatchedStore } from '../watched-store.ts'
import { createClusterLife } from './cluster-life.ts'
import type { Fate, HandlerWorld } from './handlers.ts'
import { createHandlers, errorRules } from './handlers.ts'
import { createOperator } from './operator.ts'
import type { TopicPlan } from './plan.ts'
import { drawConsumingPlan } from './plan.ts'

const GROUP = 'inventory'
const ATTEMPTS = 3

/** Made once: schedules are short, and many. */
const topics = new Map(
  ['orders', 'refunds'].map((name) => [name, { keyed: orderTopic(name), keyless: keylessOrderTopic(name) }]),
)

/**
 * A few processes of one group consume one topic or two, message by message, in batches or with acknowledgement by hand, while they are
 * killed, suspended, cut off and told to leave, what they depend on fails, partitions are added, records expire, and operators seek and
 * pause. Nothing may be lost, committed without its outcome, handled out of order or side by side within its key; and when all is healed
 * everything must come to its end.
 */
export const consuming: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const plan = drawConsumingPlan(simulation)
  const { strikes, odds } = plan
  const nemesis = createNemesis(simulation)
  const placed = createPlacedRecords(simulation)
  const outcomes = createOutcomes(
    simulation,
    placed,
    plan.topics.map(({ name }) => `${name}.dlq`),
  )
  const clusterLife = createClusterLife(simulation, plan.topics, placed)
  const store = plan.withStore ? createWatchedStore(simulation, placed, outcomes, ATTEMPTS) : null
  const inbox = plan.withInbox ? createWatchedInbox(simulation, placed, outcomes) : null
  const marks = store ?? inbox
  const fates = new Map<Placed, Fate>()
  const state = { storm: false, dependencyIsOut: false, anySlow: false }

  const place = (): void => {
    const topic = plan.topics[int(plan.topics.length)]!
    const partition = int(clusterLife.partitionsOf(topic))
    const roll = odds.tombstone + odds.garbled === 0 ? 1 : int(1_000) / 1_000
    const kind = roll < odds.tombstone ? 'tombstone' : roll < odds.tombstone + odds.garbled ? 'garbled' : 'order'
    const key = topic.keyless ? null : `k${int(4)}`
    const each = placed.place({ topic: topic.name, partition, key, kind, withId: !chance(odds.withoutId) })
    const handlesTombstones = topic.handlesTombstones && topic.mode !== 'batch'
    if (kind === 'tombstone' && !handlesTombstones) outcomes.excused(each, 'unhandled')
    if (chance(odds.poison)) fates.set(each, 'poison')
    else if (chance(odds.ruled)) fates.set(each, chance(0.5) ? 'skip' : 'park')
    if (chance(odds.gap)) clusterLife.leaveGap(each)
  }

  const missing = (each: Placed): string | null => {
    if (marks === null || marks.isMarked(each)) return null
    const needsNone = each.kind === 'garbled' || outcomes.excuseOf(each) === 'unhandled'
    return needsNone ? null : 'nobody has marked it as done'
  }

  const world: HandlerWorld = {
    simulation,
    plan,
    placed,
    outcomes,
    fates,
    get healed() {
      return nemesis.healed
    },
    get storm() {
      return state.storm
    },
    get dependencyIsOut() {
      return state.dependencyIsOut
    },
    onBegin(process, each) {
      if (inbox?.isMarked(each) === true)
        simulation.violation('handled-after-mark', `${process.name} handles ${each.id}`)
      // A process that was disturbed, or a store that was out, may have let its lease run out without knowing.
      if (processes.disturbed.has(process) || strikes.storeOutages > 0) return
      if (store?.isMarked(each) === true)
        simulation.violation('handled-after-mark', `${process.name} handles ${each.id}`)
    },
    onFailure: (process, each) => store?.failed(process, each),
    onSlow: () => (state.anySlow = true),
  }

  const start = (process: SimulatedProcess): Consumer => {
    const driver = watchDriver(simulation, process, { placed, isOver: outcomes.isOver, missing })
    const consumer = createConsumer({
      driver,
      groupId: GROUP,
      runtime: process.runtime,
      concurrency: plan.concurrency,
      onOutOfRange: plan.onOutOfRange,
      sessionTimeoutMs: 1_000,
      heartbeatIntervalMs: 200,
      drainTimeoutMs: 300,
      rebalanceTimeoutMs: 7_000,
      commitIntervalMs: int(100),
    })
    for (const topic of plan.topics) subscribe(consumer, process, topic, driver.owns)
    consumer.listen('out-of-range', ({ position, continuesAt }) => {
      for (const each of placed.of(position))
        if (each.offset >= position.offset && each.offset < continuesAt) outcomes.excused(each, 'unhandled')
    })
    operator.watch(consumer, process)
    consumer.closed.catch(() => processes.kill(process)) // stopped by a rule: its service ends, too
    consumer.start().catch((error: unknown) => {
      simulation.note(`${process.name} does not start: ${String(error)}`)
      processes.kill(process)
    })
    return consumer
  }

  const subscribe = (
    consumer: Consumer,
    process: SimulatedProcess,
    topic: TopicPlan,
    owns: (placed: Placed) => boolean,
  ): void => {
    const { keyed, keyless } = topics.get(topic.name)!
    const declared = topic.keyless ? keyless : keyed
    const handlers = createHandlers(process, topic, world)
    const options = {
      retry: { maxAttempts: ATTEMPTS, initialDelayMs: 10, maxDelayMs: 50 },
      ...(odds.ruled + strikes.dependencyOutages + plan.stops > 0 && { errors: errorRules }),
      ...(inbox !== null && { inbox: inbox.of(process) }),
      ...(store !== null && { dedupe: { store: store.of(process, owns), leaseMs: 2_000 } }),
      handlerTimeoutMs: 1_500,
    }
    if (topic.mode === 'batch') {
      consumer.onBatch(declared, handlers.batch, {
        ...options,
        maxBatchSize: topic.maxBatchSize,
        maxBatchWaitMs: int(30),
      })
    } else {
      consumer.on(declared, handlers.single, {
        ...options,
        ordering: topic.ordering,
        ack: topic.mode === 'manual' ? 'manual' : 'auto',
        ...(topic.handlesTombstones && { onTombstone: handlers.tombstone }),
      })
    }
  }

  const processes = createProcesses({ simulation, nemesis, prefix: 'p', make: start })
  const operator = createOperator({ simulation, nemesis, processes, placed, clusterLife, groupId: GROUP })
  const outage = (name: 'storm' | 'dependencyIsOut'): void =>
    nemesis.forAWhile(
      () => (state[name] = true),
      () => (state[name] = false),
    )
  for (let i = int(3); i >= 0; i--) simulation.at(int(300), processes.start)
  nemesis.strike(12 + int(20), place)
  nemesis.strike(strikes.join, processes.start)
  processes.strike(strikes)
  strikeGroup(simulation, nemesis, processes, GROUP, strikes)
  nemesis.strike(strikes.parkFailures, () => cluster.failNextProduce(`${anyTopic()}.dlq`, anyFailure(simulation)))
  nemesis.strike(strikes.unwritable, () => {
    const target = `${anyTopic()}.dlq`
    nemesis.forAWhile(
      () => cluster.partitionUnwritable(target, true),
      () => cluster.partitionUnwritable(target, false),
    )
  })
  if (marks !== null)
    nemesis.strike(strikes.storeOutages, () =>
      nemesis.forAWhile(
        () => (marks.down = true),
        () => (marks.down = false),
      ),
    )
  nemesis.strike(strikes.storms, () => outage('storm'))
  nemesis.strike(strikes.dependencyOutages, () => outage('dependencyIsOut'))
  nemesis.strike(strikes.growths, () => clusterLife.grow(plan.topics[int(plan.topics.length)]!))
  nemesis.strike(strikes.retentions, () =>
    clusterLife.expire(plan.topics[int(plan.topics.length)]!, (each) => outcomes.excused(each, 'unhandled')),
  )
  nemesis.strike(strikes.seeks, operator.seek)
  nemesis.strike(strikes.pauses, () => operator.pause(anyTopic()))

  function anyTopic(): string {
    return plan.topics[int(plan.topics.length)]!.name
  }

  const isOrdered = (name: string): boolean => plan.topics.find((topic) => topic.name === name)!.ordering !== 'none'

  return {
    heal() {
      if (inbox !== null) inbox.calm = true
      nemesis.heal()
      processes.heal()
    },
    done() {
      const committed = new Map(
        cluster.committed(GROUP).map(({ topic, partition, offset }) => [`${topic}[${partition}]`, offset]),
      )
      return clusterLife.partitions().every(({ topic, partition }) => {
        const last = placed.of({ topic, partition }).at(-1)
        return last === undefined || (committed.get(`${topic}[${partition}]`) ?? 0n) > last.offset
      })
    },
    check() {
      outcomes.checkLost()
      outcomes.checkOrder(isOrdered)
      const { seeks, commitFailures, storeOutages } = strikes
      const inPeace = plan.stops === 0 && seeks + commitFailures + storeOutages === 0
      if (processes.disturbed.size === 0 && inPeace && !state.anySlow) outcomes.checkRepeated()
      checkDeadLetters()
    },
  }

  function checkDeadLetters(): void {
    const seen = new Set<Placed>()
    const mayRepeat = !plan.calm || strikes.parkFailures > 0
    for (const { headers, value } of plan.topics.flatMap(({ name }) => cluster.records(`${name}.dlq`))) {
      const each = placed.named(headerText(headers, 'holdfast-dlq-message-id') ?? '')
      if (each === undefined) {
        simulation.violation('dead-letter', 'of no record')
        continue
      }
      const attempts = Number(headerText(headers, 'holdfast-dlq-attempts'))
      if ((value === null) !== (each.kind === 'tombstone')) simulation.violation('dead-letter', `${each.id}: its value`)
      const least = each.kind === 'garbled' ? 0 : fates.get(each) === 'park' ? 1 : ATTEMPTS
      if (attempts < least) simulation.violation('dead-letter', `${each.id} after ${attempts} of ${least} attempts`)
      if (seen.has(each) && !mayRepeat)
        simulation.violation('dead-letter', `${each.id} twice, and nobody was disturbed`)
      seen.add(each)
    }
  }
}
