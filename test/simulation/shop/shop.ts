import type { Consumer, Handler } from '../../../src/consumer/index.ts'
import { createConsumer } from '../../../src/consumer/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { memoryDedupeStore } from '../../../src/idempotency/index.ts'
import type { Producer } from '../../../src/producer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { anyFailure, strikeWrites } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import type { Order } from '../order.ts'
import { orderTopic } from '../order.ts'
import { createProcesses } from '../processes.ts'
import { createStations } from './stations.ts'

const orders = orderTopic('orders')
const shipments = orderTopic('shipments')
const TOPICS = ['orders', 'orders.dlq', 'shipments', 'shipments.dlq'] as const
const GROUPS = ['billing', 'shipping'] as const

/**
 * A shop: its web server sends orders, again and again until each is acknowledged; billing handles them and sends a shipment within its
 * handler; shipping handles that. Both know what they have done by a dedupe store. Whatever fails on the way, each order that was taken is
 * billed and shipped, or parked; in the order of its customer; and when nobody was disturbed, once.
 */
export const shop: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const calm = chance(0.3)
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const nemesis = createNemesis(simulation)
  const stations = createStations(simulation)
  const store = memoryDedupeStore({ runtime: simulation.runtime, maxEntries: 1_000 })
  const partitions = 1 + int(3)
  const failing = chance(0.5) ? 0.2 : 0
  const poisonous = chance(0.4) ? 0.1 : 0
  for (const topic of TOPICS) cluster.createTopic({ topic, partitions })

  const producerOf = (process: SimulatedProcess): Producer =>
    createProducer({ driver: process.driver, runtime: process.runtime, deliveryTimeoutMs: 2_000 })

  const member = (
    process: SimulatedProcess,
    groupId: (typeof GROUPS)[number],
    topic: typeof orders,
    handler: Handler<Order>,
  ): Consumer => {
    const consumer = createConsumer({
      driver: process.driver,
      groupId,
      runtime: process.runtime,
      sessionTimeoutMs: 1_000,
      heartbeatIntervalMs: 200,
      drainTimeoutMs: 300,
      rebalanceTimeoutMs: 7_000,
    }).on(topic, handler, {
      retry: { maxAttempts: 3, initialDelayMs: 10, maxDelayMs: 50 },
      dedupe: { store, leaseMs: 2_000 },
      handlerTimeoutMs: 1_500,
    })
    consumer.start().catch(() => (groupId === 'billing' ? billing : shipping).kill(process))
    return consumer
  }

  const work = async (process: SimulatedProcess, id: number): Promise<void> => {
    await process.pause(int(30))
    if (stations.isPoison(id) || (!nemesis.healed && chance(failing))) throw new Error('fails')
  }

  const web = createProcesses({ simulation, nemesis, prefix: 'web', make: producerOf })
  const billing = createProcesses({
    simulation,
    nemesis,
    prefix: 'billing',
    make(process) {
      const producer = producerOf(process)
      const consumer = member(process, 'billing', orders, async ({ value: { id } }) => {
        await work(process, id)
        stations.billed(process, id)
        await producer.send(shipments, { id }, { id: `shipment-${id}` })
      })
      return { close: () => consumer.close().then(() => producer.close()) }
    },
  })
  const shipping = createProcesses({
    simulation,
    nemesis,
    prefix: 'shipping',
    make: (process) =>
      member(process, 'shipping', shipments, async ({ value: { id } }) => {
        await work(process, id)
        stations.shipped(process, id)
      }),
  })

  /** As a web server does: the same id until somebody says that it is taken. */
  const order = async (process: SimulatedProcess, producer: Producer): Promise<void> => {
    const id = stations.ordered(process, chance(poisonous))
    for (;;) {
      try {
        await producer.send(orders, { id }, { id: `order-${id}` })
        stations.taken(id)
        return
      } catch (error) {
        if (HoldfastError.is(error, 'HOLDFAST_CLOSED')) return
        await process.pause(20)
      }
    }
  }
  const orderSome = (): void => {
    const [process, producer] = [...web.running][int(Math.max(1, web.running.size))] ?? []
    if (process?.state === 'running' && producer !== undefined) void order(process, producer)
  }

  const all = [web, billing, shipping] as const
  for (const processes of all) {
    for (let i = int(2); i >= 0; i--) simulation.at(int(300), processes.start)
    nemesis.strike(int(2), processes.start)
    processes.strike({ kill: some(1), suspend: some(1), cut: some(1), leave: int(2) })
  }
  nemesis.strike(12 + int(12), orderSome)
  const writeFailures = some(4)
  const commitFailures = some(2)
  strikeWrites(simulation, nemesis, () => TOPICS[int(TOPICS.length)]!, { failures: writeFailures, unwritable: some(1) })
  nemesis.strike(commitFailures, () => cluster.failNextCommit(GROUPS[int(2)]!, anyFailure(simulation)))

  return {
    heal() {
      nemesis.heal()
      for (const processes of all) processes.heal()
    },
    done: () => stations.allEnded(),
    check() {
      stations.checkOrder()
      // A failed send, or one that nobody knows the end of, has its handler called again: it bills again.
      const inPeace = calm && failing + poisonous + writeFailures + commitFailures === 0
      if (inPeace && all.every(({ disturbed }) => disturbed.size === 0)) stations.checkOnce()
    },
  }
}
