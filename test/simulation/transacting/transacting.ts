import { HoldfastError } from '../../../src/errors/index.ts'
import type { Producer, Transaction } from '../../../src/producer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { anyFailure, strikeWrites } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { orderTopic } from '../order.ts'
import { createProcesses } from '../processes.ts'
import { watchProducer } from '../watched-producer.ts'
import { createTransactionLedger } from './transaction-ledger.ts'

const orders = orderTopic('orders')
const invoices = orderTopic('invoices')
const TOPICS = [orders, invoices] as const
const nowhere = orderTopic('nowhere') // it does not exist: what is sent there fails, and with it the transaction

/** As long as an open transaction of a process that is gone may keep readers waiting. */
const TRANSACTION_TIMEOUT_MS = 2_000

/** Thrown by work that changes its mind. */
class Rejected extends Error {}

/**
 * Instances of a service write in transactions, while they are killed on the way, replaced by successors with the same transactional id
 * although they live, cut off, suspended and closed, and the answers to sends and commits are lost. A reader of what is committed sees
 * each transaction whole or not at all: whole when its commit was acknowledged, nothing when it was rolled back.
 */
export const transacting: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const calm = chance(0.2) // nothing may fail then
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const nemesis = createNemesis(simulation)
  const ledger = createTransactionLedger(simulation)
  const instances = 1 + int(2)
  const deliveryTimeoutMs = calm ? 60_000 : 300 + int(2_500)
  const lingerMs = chance(0.3) ? int(40) : 0
  for (const { name } of TOPICS) cluster.createTopic({ topic: name, partitions: 1 + int(3) })
  const anyTopic = (): (typeof TOPICS)[number] => TOPICS[int(2)]!
  const anyTarget = (): typeof orders => (!calm && !nemesis.healed && chance(0.03) ? nowhere : anyTopic())
  const fenced = new Set<SimulatedProcess>()
  const unproven = new Set<SimulatedProcess>()
  let started = 0

  const make = (process: SimulatedProcess): Producer => {
    const { driver } = process
    return createProducer({
      driver: {
        ...driver,
        createProducer: (each) => watchProducer(simulation, process, driver.createProducer(each), () => true),
      },
      runtime: process.runtime,
      // In peace nobody has another's id.
      transactionalId: calm ? process.name : `orders-${started++ % instances}`,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      deliveryTimeoutMs,
      lingerMs,
    })
  }

  const transact = async (process: SimulatedProcess, producer: Producer, rejects: boolean): Promise<boolean> => {
    const entry = ledger.open(process)
    const wasFenced = fenced.has(process)
    try {
      await producer.transaction(async (transaction) => {
        for (let i = int(4); i >= 0; i--) {
          const sending = sendIn(transaction, entry.add)
          if (chance(0.5)) await sending
          else sending.catch(() => {}) // the commit waits for it, and fails when it has
          if (chance(0.3)) await process.pause(int(60))
        }
        if (rejects) throw new Rejected()
      })
      entry.end('committed')
      if (wasFenced) simulation.violation('zombie', `${process.name} commits, and had been fenced`)
      return true
    } catch (error) {
      const code = HoldfastError.is(error) ? error.code : 'rejected'
      if (code === 'HOLDFAST_FENCED') fenced.add(process)
      entry.end(code === 'HOLDFAST_INDETERMINATE' ? 'unknown' : 'rolled-back', code)
      if (calm && !rejects && !isClosed(error))
        simulation.violation('failed', `${process.name}: ${code}, and nothing had failed`)
      return false
    }
  }

  const sendIn = (transaction: Transaction, add: (topic: string) => string): Promise<unknown> => {
    const message = () => {
      const topic = anyTarget()
      const id = add(topic.name)
      return { topic, value: { id: Number(id.slice(2)) }, id }
    }
    if (chance(0.3)) return transaction.sendMany(Array.from({ length: 1 + int(4) }, message))
    const { topic, value, id } = message()
    return transaction.send(topic, value, { id })
  }

  const work = (): void => {
    const [process, producer] = [...processes.running][int(Math.max(1, processes.running.size))] ?? []
    if (process?.state === 'running' && producer !== undefined) void transact(process, producer, chance(0.2))
  }

  /** One transaction gets through, unless a successor has taken over; what is still planned to go wrong may take a few tries. */
  const prove = async (process: SimulatedProcess, producer: Producer): Promise<void> => {
    unproven.add(process)
    while (!(await transact(process, producer, false)) && !fenced.has(process)) await process.pause(100)
    simulation.at(simulation.now + TRANSACTION_TIMEOUT_MS, () => unproven.delete(process)) // whatever was left open has ended by then
  }

  const processes = createProcesses({ simulation, nemesis, prefix: 't', make })
  for (let i = int(instances + 1); i >= 0; i--) simulation.at(int(300), processes.start)
  nemesis.strike(10 + int(15), work)
  nemesis.strike(int(3), processes.start)
  processes.strike({ kill: some(2), suspend: some(2), cut: some(2), leave: int(2) })
  strikeWrites(simulation, nemesis, () => anyTopic().name, { failures: some(3), unwritable: some(1) })
  nemesis.strike(some(4), () => {
    const failure = chance(0.1) ? 'refused' : anyFailure(simulation)
    cluster.failNextTransactionCommit(`orders-${int(instances)}`, failure)
  })

  return {
    heal() {
      nemesis.heal()
      processes.heal()
      for (const [process, producer] of processes.running) void prove(process, producer)
    },
    done: () => unproven.size === 0 && ledger.allEnded(),
    check: () => ledger.check(TOPICS.map(({ name }) => name)),
  }
}

/** By itself, or a send of it: a producer that closes takes no more of them, in a transaction neither. */
function isClosed(error: unknown): boolean {
  return (
    HoldfastError.is(error, 'HOLDFAST_CLOSED') ||
    (error instanceof Error && HoldfastError.is(error.cause, 'HOLDFAST_CLOSED'))
  )
}
