import type { Consumer } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { formatPartition } from '../../../src/record/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { strikeGroup } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { orderTopic } from '../order.ts'
import type { Placed } from '../placed-records.ts'
import { createPlacedRecords } from '../placed-records.ts'
import { createProcesses } from '../processes.ts'
import { watchDriver } from '../watched-driver.ts'
import type { Fate, HandlerWorld } from './handlers.ts'
import { createHandlers, errorRules } from './handlers.ts'
import type { Ledger } from './ledger.ts'
import { createLedger } from './ledger.ts'
import { drawGuardedPlan } from './plan.ts'
import { createRemoteStore } from './remote-store.ts'

const GROUP = 'payments'
const TOPIC = 'orders'
const ATTEMPTS = 3
const HANDLER_TIMEOUT_MS = 1_200
const LEASE_MS = 1_300
const STORE_TIMEOUT_MS = 250

/** Made once: schedules are short, and many. */
const orders = orderTopic(TOPIC)

/**
 * A few processes of one group handle messages, some of which are on the log more than once, and know what they have done by a store on a server that
 * fails in every way that servers do, beside all that befalls processes. Nothing may be lost, marked before its outcome or handled out of order;
 * and an effect may come twice only for a reason that was noted: the message went on without the store, its mark was forgotten or not made in time, its
 * lease ended by a clock that jumps, or the process that had the effect was disturbed.
 */
export const guarded: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const plan = drawGuardedPlan(simulation)
  const { strikes, odds } = plan
  const nemesis = createNemesis(simulation)
  const placed = createPlacedRecords(simulation)
  const fates = new Map<string, Fate>()
  const unguarded = new Set<string>() // they went on without the store
  const isDisturbed = (process: SimulatedProcess): boolean => processes.disturbed.has(process)
  const store = createRemoteStore({
    simulation,
    kind: plan.kind,
    faults: plan.storeFaults,
    timeoutMs: STORE_TIMEOUT_MS,
    maxAttempts: ATTEMPTS,
    ledger: () => ledger,
    isUnguarded: (messageId) => unguarded.has(messageId),
    isDisturbed,
  })
  const ledger: Ledger = createLedger({
    simulation,
    placed,
    deadLetterTopic: `${TOPIC}.dlq`,
    maxAttempts: ATTEMPTS,
    isOrdered: plan.ordering !== 'none',
    isDisturbed,
    isMarked: store.isMarked,
    unendedOf: store.unendedOf,
  })
  const partitions = Array.from({ length: plan.partitions }, (_, partition) => ({ topic: TOPIC, partition }))
  for (const topic of [TOPIC, `${TOPIC}.dlq`]) cluster.createTopic({ topic, partitions: plan.partitions })

  const place = (): void => {
    const partition = partitions[int(partitions.length)]!
    const known = placed.all.filter(({ kind, messageId }) => kind === 'order' && messageId.startsWith('m-'))
    const again = chance(odds.again) ? known[int(Math.max(1, known.length))] : undefined
    if (again !== undefined) {
      placed.place({ ...partition, key: again.key, kind: 'order', withId: true, again })
      return
    }
    const kind = chance(odds.garbled) ? 'garbled' : 'order'
    const each = placed.place({ ...partition, key: `k${int(4)}`, kind, withId: !chance(odds.withoutId) })
    if (chance(odds.poison)) fates.set(each.messageId, 'poison')
    else if (chance(odds.skipped)) fates.set(each.messageId, 'skip')
  }

  const world: HandlerWorld = {
    simulation,
    plan,
    placed,
    ledger,
    maxAttempts: ATTEMPTS,
    get healed() {
      return nemesis.healed
    },
    fateOf: (messageId) => fates.get(messageId),
    onBegin(process, { messageId }) {
      if (isDisturbed(process) || unguarded.has(messageId) || store.isHeldBy(process, messageId)) return
      simulation.violation('handled-without-lease', `${process.name} handles ${messageId}`)
    },
    onFailure: (process, messageId) => store.failed(process, messageId),
  }

  const missing = ({ kind, messageId }: Placed): string | null =>
    kind === 'garbled' || store.wasMarked(messageId) || unguarded.has(messageId) ? null : 'nobody has marked it as done'

  const start = (process: SimulatedProcess): Consumer => {
    const consumer = createConsumer({
      driver: watchDriver(simulation, process, { placed, isOver: ledger.isOver, missing }),
      groupId: GROUP,
      runtime: process.runtime,
      concurrency: plan.concurrency,
      sessionTimeoutMs: 1_000,
      heartbeatIntervalMs: 200,
      drainTimeoutMs: 300,
      rebalanceTimeoutMs: 7_000,
      commitIntervalMs: int(100),
    })
    const handlers = createHandlers(process, world)
    const options = {
      retry: { maxAttempts: ATTEMPTS, initialDelayMs: 10, maxDelayMs: 50 },
      ...(odds.skipped > 0 && { errors: errorRules }),
      dedupe: {
        store: store.of(process),
        leaseMs: LEASE_MS,
        timeoutMs: STORE_TIMEOUT_MS,
        onStoreDown: plan.onStoreDown,
      },
      handlerTimeoutMs: HANDLER_TIMEOUT_MS,
    } as const
    if (plan.mode === 'batch')
      consumer.onBatch(orders, handlers.batch, { ...options, maxBatchSize: plan.maxBatchSize, maxBatchWaitMs: int(30) })
    else consumer.on(orders, handlers.single, { ...options, ordering: plan.ordering })
    for (const name of ['assigned', 'revoked', 'lost'] as const)
      consumer.listen(name, (event) =>
        simulation.note(`${process.name}: ${name} ${event.partitions.map(formatPartition).join(', ')}`),
      )
    consumer.listen('unguarded', ({ messageId, step }) => {
      if (plan.onStoreDown === 'pause') simulation.violation('unguarded', `${process.name} goes on with ${messageId}`)
      unguarded.add(messageId)
      ledger.excuse(messageId, `it went on without the store (${step})`)
    })
    consumer.listen('stale-refused', ({ position, operation }) => {
      if (operation === 'complete') ledger.excuse(placed.at(position).messageId, 'its partition went before its mark')
    })
    consumer.listen('timed-out', ({ position }) => {
      const { messageId } = placed.at(position)
      ledger.excuse(messageId, 'its handler took too long')
      ledger.failed(messageId)
      // Else it was told to end before, or another message of its batch may be at fault.
      if (ledger.atWork(process, messageId)?.among === 1) store.failed(process, messageId)
    })
    consumer.start().catch((error: unknown) => {
      simulation.note(`${process.name} does not start: ${String(error)}`)
      processes.kill(process)
    })
    return consumer
  }

  const processes = createProcesses({ simulation, nemesis, prefix: 'p', make: start })

  for (let i = int(3); i >= 0; i--) simulation.at(int(300), processes.start)
  nemesis.strike(12 + int(20), place)
  nemesis.strike(strikes.join, processes.start)
  processes.strike(strikes)
  strikeGroup(simulation, nemesis, processes, GROUP, { crash: 0, ...strikes })
  nemesis.strike(strikes.storeOutages, () =>
    nemesis.forAWhile(
      () => {
        simulation.note('the store is out')
        store.down = true
      },
      () => {
        simulation.note('the store is back')
        store.down = false
      },
    ),
  )
  nemesis.strike(strikes.serverTroubles, store.trouble)

  return {
    heal() {
      nemesis.heal()
      store.calm = true
      processes.heal()
    },
    done() {
      const committed = new Map(cluster.committed(GROUP).map(({ partition, offset }) => [partition, offset]))
      return partitions.every((partition) => {
        const last = placed.of(partition).at(-1)
        return last === undefined || (committed.get(partition.partition) ?? 0n) > last.offset
      })
    },
    check: () => ledger.check(),
  }
}
