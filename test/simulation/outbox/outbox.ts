import type { Relay, RelayStore } from '../../../src/outbox/index.ts'
import { createOutbox, createRelay } from '../../../src/outbox/index.ts'
import { noTelemetry } from '../../../src/telemetry/index.ts'
import { inMemoryOutbox } from '../../../src/testing/index.ts'
import type { Scenario, SimulatedProcess } from '../../../src/testing/simulation/index.ts'
import { strikeWrites } from '../cluster-faults.ts'
import { createNemesis } from '../nemesis.ts'
import { createProcesses } from '../processes.ts'
import { MOST_BYTES, orders, plans, views } from './messages.ts'
import { drawOutboxPlan } from './plan.ts'
import { createRowLedger } from './row-ledger.ts'
import { createWayToTheDatabase } from './way-to-the-database.ts'
import type { Writer } from './writers.ts'
import { createWriting } from './writers.ts'
import { createWrittenCopies } from './written-copies.ts'

const TOPICS = [orders.name, views.name, plans.name]
const OUTAGE_MS = 600_000
/** So long after all rows are gone whoever was late has shown it. */
const REST_MS = 2_500
/** So often each row may be passed, where nothing fails and all dead rows stay: by late scans, and by workers that take its bucket over. */
const MOST_SCANS = 25

/**
 * A few processes write in transactions that take their time, roll back or die, and relays bring to Kafka what they commit, while these are killed,
 * suspended and cut off, calls of the database fail or are lost, Kafka refuses, fails, and is away, and operators put rows back or give them up.
 *
 * At the end all that was committed is on the log, and nothing else; first copies of each key are in the order of commits; an old copy is the last
 * word on its key only if the process that wrote it stood still between its look at the lease and the end of its call, and never where each bucket has its
 * transactions; what is set aside waits behind a parked row of its own key; and scans pass few rows that are dead.
 */
export const outbox: Scenario = (simulation) => {
  const { cluster, int, chance, note } = simulation
  const plan = drawOutboxPlan(simulation)
  const { strikes } = plan
  const nemesis = createNemesis(simulation)
  const database = inMemoryOutbox({ runtime: simulation.runtime, notify: plan.relay.listen })
  database.jumpClock(plan.clockAheadMs)
  const copies = createWrittenCopies(simulation, (process) => {
    if (nemesis.healed || process.state !== 'running' || !chance(strikes.suspendAtSend)) return
    note(`nemesis: suspends ${process.name}, which is about to send`)
    nemesis.forAWhile(
      () => process.suspend(),
      () => process.resume(),
    )
  })
  const fenced = plan.relay.transactionalIdPrefix !== undefined
  const isThere = (topic: string): boolean => topic !== plans.name || plansExist
  const ledger = createRowLedger({ simulation, database, copies, isThere, calm: plan.calm, fenced })
  const way = createWayToTheDatabase(simulation, plan.storeFaults)
  const writing = createWriting(simulation, plan)
  const settings = { 'max.message.bytes': String(MOST_BYTES) }
  const createTopic = (topic: string): void => cluster.createTopic({ topic, partitions: plan.partitions, settings })
  for (const topic of [orders.name, views.name]) createTopic(topic)
  let plansExist = false
  const makePlans = (): void => {
    if (!plansExist) createTopic(plans.name)
    plansExist = true
  }
  let away = false
  let operations = 0
  /** Whose transactions are open. */
  const open: SimulatedProcess[] = []

  const connect = (process: SimulatedProcess): Writer => {
    const client = database.client(way.of(process))
    const { runtime, kill } = process
    Object.assign(process, {
      kill() {
        kill()
        simulation.at(simulation.now + int(600), client.disconnect) // the database notices some moments later
      },
    })
    return {
      process,
      client,
      outbox: createOutbox({ store: client, source: process.name, telemetry: noTelemetry, runtime }),
    }
  }
  const watched = (process: SimulatedProcess, store: RelayStore): RelayStore => ({
    ...store,
    sent(rows, fence) {
      note(`${process.name} marks ${rows.map(({ rowId }) => rowId).join(', ')}`)
      return store.sent(rows, fence)
    },
    // What tells of commits tells it to a process, which may be gone.
    ...(store.listen !== undefined && {
      listen: (onCommit: () => void) => store.listen!(() => void process.runtime.clock.after(int(5), onCommit)),
    }),
  })

  const startRelay = (process: SimulatedProcess): Writer & { readonly relay: Relay; close(): Promise<void> } => {
    const writer = connect(process)
    const relay = createRelay({
      ...plan.relay,
      outbox: {
        store: { ...writer.client, relay: watched(process, writer.client.relay) },
        onEnqueued: (listener) => writer.outbox.onEnqueued(listener),
      },
      driver: copies.driverOf(process),
      worker: process.name,
      telemetry: noTelemetry,
      runtime: process.runtime,
    })
    relay.listen('buckets', ({ held }) => note(`${process.name} holds ${held.length}: ${held.slice(0, 8).join(' ')} …`))
    relay.listen('parked', ({ messageId, reason }) => note(`${process.name} parks ${messageId}: ${reason.code}`))
    relay.start().catch((error: unknown) => {
      note(`${process.name} does not start: ${String(error)}`)
      simulation.at(simulation.now + 1_000, () => relays.kill(process))
    })
    return {
      ...writer,
      relay,
      async close() {
        await relay.close({ timeoutMs: 4_000 })
        note(`${process.name} has closed`)
        const left = database.buckets().filter(({ worker }) => worker === process.name)
        if (plan.calm && left.length > 0) simulation.violation('not-given-back', `${process.name} keeps ${left.length}`)
      },
    }
  }
  const relays = createProcesses({ simulation, nemesis, prefix: 'r', make: startRelay })
  const writers = createProcesses({
    simulation,
    nemesis,
    prefix: 'w',
    make: (process) => ({ ...connect(process), close: async () => {} }),
  })

  const work = (): void => {
    const from = plan.together ? relays : writers
    const [process, writer] = [...from.running][int(Math.max(1, from.running.size))] ?? []
    if (process?.state !== 'running' || writer === undefined) return
    open.push(process)
    void writing.transact(writer).then(() => open.splice(open.indexOf(process), 1))
  }

  const operate = (): void => {
    ledger.checkAside()
    const parked = database.rows().filter(({ state }) => state === 'parked')
    const one = parked[int(Math.max(1, parked.length))]
    if (one === undefined) return
    const selection = chance(0.7)
      ? ({ kind: 'message', id: one.id } as const)
      : chance(0.5)
        ? ({ kind: 'topic', topic: one.topic } as const)
        : ({ kind: 'all' } as const)
    const chosen = parked.filter(
      ({ id, topic }) =>
        selection.kind === 'all' || (selection.kind === 'topic' ? topic === selection.topic : id === selection.id),
    )
    // What is too large will be so again.
    const isHopeless = chosen.every(({ reason }) => reason?.code === 'HOLDFAST_RECORD_TOO_LARGE')
    if (nemesis.healed ? isHopeless : chance(0.3)) {
      operations++
      note(`an operator gives up ${chosen.map(({ id }) => id).join(', ')}`)
      ledger.discarded(chosen)
      void database.operations.discard(selection)
    } else {
      operations++
      note(`an operator puts back ${chosen.map(({ id }) => id).join(', ')}`)
      void database.operations.retry(selection)
    }
  }

  const hold = (): void => {
    let end = (): void => {}
    nemesis.forAWhile(
      () => (end = database.holdSnapshot().end),
      () => end(),
    )
  }

  for (let i = 0; i < plan.relays; i++) simulation.at(int(300), relays.start)
  if (!plan.together) for (let i = 0; i < plan.writers; i++) simulation.at(int(100), writers.start)
  if (plan.snapshotHeld) database.holdSnapshot()
  nemesis.strike(plan.transactions, work)
  nemesis.strike(strikes.join, relays.start)
  relays.strike(strikes)
  if (!plan.together) writers.strike({ kill: strikes.kill, suspend: strikes.suspend, cut: 0, leave: 0 })
  nemesis.strike(strikes.storeOutages, () =>
    nemesis.forAWhile(
      () => {
        note('the database is away')
        way.down = true
      },
      () => {
        note('the database is back')
        way.down = false
      },
    ),
  )
  const anyTopic = (): string => (chance(0.8) ? orders : views).name
  strikeWrites(simulation, nemesis, anyTopic, { failures: strikes.produceFailures, unwritable: strikes.unwritable })
  nemesis.strike(strikes.refused, () => cluster.failNextProduce(anyTopic(), 'refused'))
  nemesis.strike(strikes.snapshots, hold)
  nemesis.strike(strikes.operator, operate)
  nemesis.strike(5, ledger.checkAside)
  nemesis.strike(chance(0.5) ? 1 : 0, makePlans)
  if (plan.outage) {
    simulation.at(int(4_000), () => {
      note('Kafka is away, for ten minutes')
      away = true
      cluster.unreachable(true)
      simulation.at(simulation.now + OUTAGE_MS, () => {
        note('Kafka is back')
        away = false
        cluster.unreachable(false)
      })
    })
  }

  let lookAt = 0
  let emptySince: number | null = null
  const operateUntilNothingIsParked = (): void => {
    operate()
    simulation.at(simulation.now + 500, operateUntilNothingIsParked)
  }

  return {
    heal() {
      nemesis.heal()
      way.calm = true
      way.down = false
      makePlans()
      relays.heal()
      operateUntilNothingIsParked()
    },
    done() {
      if (simulation.now < lookAt) return false
      lookAt = simulation.now + 20
      const isBusy = away || open.some(({ state }) => state !== 'killed') || database.rows().length > 0
      if (isBusy) emptySince = null
      else emptySince ??= simulation.now
      return emptySince !== null && simulation.now - emptySince >= REST_MS
    },
    check() {
      // After each of an operator’s calls buckets are read from their begin, as often as their scans take pages.
      const most = (MOST_SCANS + 3 * operations) * ledger.committed + 200
      if (plan.calm && plan.relay.sweepIntervalMs > REST_MS && database.scanned > most)
        simulation.violation(
          'long-scans',
          `${database.scanned} rows passed, of ${ledger.committed} that were committed`,
        )
      ledger.checkAside()
      ledger.checkLog(TOPICS)
    },
  }
}
