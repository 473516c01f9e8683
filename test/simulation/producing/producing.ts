import type { Producer, SendManyOutcome } from '../../../src/producer/index.ts'
import { createProducer } from '../../../src/producer/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { anyFailure, strikeWrites } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { customerOf, keylessOrderTopic, orderTopic } from '../order.ts'
import { createProcesses } from '../processes.ts'
import type { Sent } from '../sends.ts'
import { createSends, idOf } from '../sends.ts'
import { watchProducer } from '../watched-producer.ts'

const orders = orderTopic('orders')
const views = keylessOrderTopic('views')
const TOPICS = [orders, views] as const
type AnyTopic = (typeof TOPICS)[number]

/** After its deadline a send may wait this long for what the driver knows, and then for its own process. */
const GRACE_MS = 250 + 50

/**
 * A few processes send, one by one and many at a time, while answers are lost, replicas are missing, partitions are added, and they are
 * killed, suspended, cut off and closed. What is acknowledged is on the log once and in the order of its key, what has failed for certain
 * is not there, every send ends by its deadline, and a close leaves none behind.
 */
export const producing: Scenario = (simulation) => {
  const { cluster, int, chance } = simulation
  const calm = chance(0.2) // nothing may fail then
  const some = (most: number): number => (calm ? 0 : int(most + 1))
  const nemesis = createNemesis(simulation)
  const sends = createSends(simulation, (process) => processes.suspended.has(process))
  const deliveryTimeoutMs = calm ? 60_000 : 100 + int(3_000)
  const small = chance(0.3)
  const options = {
    deliveryTimeoutMs,
    lingerMs: chance(0.4) ? int(80) : 0,
    maxBatchRecords: 1 + int(8),
    ...(small && { maxRequestBytes: 600, maxBufferedBytes: 600 + int(1_200) }), // so that sends wait for room, and batches are full
  }
  const counts = new Map(TOPICS.map(({ name }) => [name, 1 + int(3)]))
  const limit = chance(0.2) ? 400 + int(300) : 1_048_588 // a topic takes less than its producers know of
  for (const [topic, partitions] of counts) {
    cluster.createTopic({ topic, partitions, settings: { 'max.message.bytes': String(limit) } })
  }
  const anyTopic = (): AnyTopic => TOPICS[chance(0.8) ? 0 : 1]!
  const unproven = new Set<SimulatedProcess>() // of those that run when all is healed, the ones that have not sent anything since

  const make = (process: SimulatedProcess): Producer => {
    const { driver } = process
    const producer = createProducer({
      ...options,
      driver: {
        ...driver,
        createProducer: (each) => watchProducer(simulation, process, driver.createProducer(each), () => true),
      },
      runtime: process.runtime,
    })
    return { ...producer, close: () => close(process, producer) }
  }

  const close = async (process: SimulatedProcess, producer: Producer) => {
    const report = await producer.close({ timeoutMs: 4_000 })
    await checkEnded(process, sends.all, 'its producer has closed')
    if (calm && report.unconfirmed.length > 0)
      simulation.violation('left-behind', `${report.unconfirmed.length} unconfirmed, and nothing had failed`)
    return report
  }

  const flush = async (process: SimulatedProcess, producer: Producer): Promise<void> => {
    const before = [...sends.all]
    await producer.flush()
    await checkEnded(process, before, 'a flush has')
  }

  const checkEnded = async (process: SimulatedProcess, before: readonly Sent[], what: string): Promise<void> => {
    await process.pause(0) // what has ended is told in the same turn
    for (const sent of before) {
      if (sent.process === process && sent.outcome === null)
        simulation.violation('left-behind', `${sent.id} has not ended, and ${what}`)
    }
  }

  const add = (process: SimulatedProcess, topic: AnyTopic): Sent =>
    sends.add(process, topic.name, deliveryTimeoutMs + GRACE_MS)

  const sendOne = (process: SimulatedProcess, producer: Producer, topic: AnyTopic): void => {
    const sent = add(process, topic)
    const abort = !calm && chance(0.1) ? new AbortController() : null
    if (abort !== null) void process.pause(int(300)).then(() => abort.abort())
    const each = { id: idOf(sent), ...(abort !== null && { signal: abort.signal }) }
    const call =
      topic === orders && chance(0.1)
        ? producer.sendTombstone(orders, customerOf(sent.id), each)
        : producer.send(topic, { id: sent.id }, each)
    call.then(
      (result) => sends.ended(sent, { ok: true, result }),
      (error) => sends.ended(sent, { ok: false, error }),
    )
  }

  const sendSome = (process: SimulatedProcess, producer: Producer): void => {
    const all = Array.from({ length: 1 + int(6) }, () => {
      const topic = anyTopic()
      return { topic, sent: add(process, topic) }
    })
    const end = (outcomes: readonly SendManyOutcome[]): void => {
      for (const [i, { sent }] of all.entries()) sends.ended(sent, outcomes[i]!)
    }
    producer
      .sendMany(all.map(({ topic, sent }) => ({ topic, value: { id: sent.id }, id: idOf(sent) })))
      .then(end, (error) => end(all.map(() => ({ ok: false, error }))))
  }

  /** Something can be sent again; what is still planned to go wrong may take a few tries. */
  const prove = (process: SimulatedProcess, producer: Producer): void => {
    unproven.add(process)
    const sent = sends.add(process, orders.name, 60_000 + GRACE_MS)
    producer.send(orders, { id: sent.id }, { id: idOf(sent), deliveryTimeoutMs: 60_000 }).then(
      (result) => {
        sends.ended(sent, { ok: true, result })
        unproven.delete(process)
      },
      (error) => {
        sends.ended(sent, { ok: false, error })
        if (error.code === 'HOLDFAST_INDETERMINATE' || error.code === 'HOLDFAST_REFUSED') prove(process, producer)
      },
    )
  }

  const work = (): void => {
    const [process, producer] = [...processes.running][int(Math.max(1, processes.running.size))] ?? []
    if (process?.state !== 'running' || producer === undefined) return
    if (chance(0.3)) sendSome(process, producer)
    else for (let i = int(3); i >= 0; i--) sendOne(process, producer, anyTopic())
    if (chance(0.1)) void flush(process, producer)
  }

  const processes = createProcesses({ simulation, nemesis, prefix: 'p', make })
  for (let i = int(2); i >= 0; i--) simulation.at(int(300), processes.start)
  nemesis.strike(15 + int(25), work)
  nemesis.strike(int(3), processes.start)
  processes.strike({ kill: some(2), suspend: some(2), cut: some(2), leave: int(3) })
  strikeWrites(simulation, nemesis, () => anyTopic().name, { failures: some(4), unwritable: some(1) })
  nemesis.strike(some(1), () => cluster.failNextProduce(anyTopic().name, 'refused'))
  nemesis.strike(some(2), () => {
    for (let i = int(3); i >= 0; i--) cluster.failNextProduce(orders.name, anyFailure(simulation))
  })
  nemesis.strike(chance(0.2) ? 1 : 0, () => {
    const { name } = anyTopic()
    counts.set(name, counts.get(name)! + 1)
    cluster.addPartitions(name, counts.get(name)!)
  })

  return {
    heal() {
      nemesis.heal()
      processes.heal()
      for (const [process, producer] of processes.running) prove(process, producer)
    },
    done: () =>
      unproven.size === 0 && sends.all.every(({ outcome, process }) => outcome !== null || process.state === 'killed'),
    check() {
      sends.checkLog(TOPICS.map(({ name }) => name))
      for (const { id, outcome } of calm ? sends.all : []) {
        if (outcome?.ok === false)
          simulation.violation('failed', `${id}: ${outcome.error.code}, and nothing had failed`)
      }
    },
  }
}
