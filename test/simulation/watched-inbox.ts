import { HoldfastError } from '../../src/errors/index.ts'
import type { DedupeOutcome, Inbox, InboxDone, InboxMessage } from '../../src/idempotency/index.ts'
import type { SimulatedProcess, Simulation } from '../../src/testing/simulation/index.ts'
import type { Outcomes } from './outcomes.ts'
import type { Placed, PlacedRecords } from './placed-records.ts'

/** A transaction: what happens in it has happened once it commits. */
export interface SimulatedTransaction {
  happens(placed: Placed): void
}

/** A database with an inbox that all processes share: calls travel, transactions collide, commits lose their answers, and it can be out. */
export interface WatchedInbox {
  /** As a process sees it. */
  of(process: SimulatedProcess): Inbox<SimulatedTransaction>
  isMarked(placed: Placed): boolean
  down: boolean
  /** No transaction collides any more, and no answer is lost. */
  calm: boolean
}

interface Row {
  outcome: DedupeOutcome | null
  token: string | null
  attempt: number
  heldBy: Transaction | null
}

/** The server's side of one. */
interface Transaction {
  readonly process: SimulatedProcess
  readonly rows: Row[]
  readonly idleTimeoutMs: number
  /** In virtual milliseconds. */
  usedAt: number
  alive: boolean
}

/** How often a transaction is ended for the sake of others, and how often a commit is not answered. */
const COLLISIONS = 0.05
const LOST_ANSWERS = 0.05

/** Makes a {@link WatchedInbox}. No effect may come twice, whatever happens, and nothing may be marked before it has its outcome. */
export function createWatchedInbox(simulation: Simulation, placed: PlacedRecords, outcomes: Outcomes): WatchedInbox {
  const { int, chance } = simulation
  const rows = new Map<string, Row>()

  const rowOf = (id: string): Row => {
    const row = rows.get(id) ?? { outcome: null, token: null, attempt: 0, heldBy: null }
    rows.set(id, row)
    return row
  }
  const placedOf = (id: string): Placed => placed.named((JSON.parse(id) as readonly string[])[2]!)!
  const unavailable = (): HoldfastError => new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'down', { retriable: true })

  const travel = async (process: SimulatedProcess): Promise<void> => {
    await process.pause(int(4))
    if (inbox.down) throw unavailable()
  }
  const end = (transaction: Transaction): void => {
    transaction.alive = false
    for (const row of transaction.rows) if (row.heldBy === transaction) row.heldBy = null
  }
  /** The connection of a process that is gone ends, as does one that has stood idle for too long. */
  const isOver = ({ process, usedAt, idleTimeoutMs }: Transaction): boolean =>
    process.state === 'killed' || simulation.now - usedAt >= idleTimeoutMs
  const untilFree = async (process: SimulatedProcess, row: Row): Promise<void> => {
    while (row.heldBy !== null) {
      if (isOver(row.heldBy)) end(row.heldBy)
      else await process.pause(20)
    }
  }

  const doneOf = (messages: readonly InboxMessage[]): InboxDone =>
    new Map(
      messages.flatMap((message) => {
        const { outcome, token } = rowOf(message.id)
        return outcome === null ? [] : [[message, { outcome, own: token === message.token }]]
      }),
    )

  const inbox: WatchedInbox = {
    down: false,
    calm: false,
    isMarked: (each) =>
      [...rows].some(([id, { outcome }]) => outcome !== null && placedOf(id).messageId === each.messageId),
    of: (process) => ({
      async handle({ messages, signal, idleTimeoutMs }, work) {
        for (;;) {
          signal.throwIfAborted()
          await travel(process)
          const transaction: Transaction = { process, rows: [], idleTimeoutMs, usedAt: simulation.now, alive: true }
          const abort = (): void => end(transaction)
          signal.addEventListener('abort', abort)
          const fresh: InboxMessage[] = []
          for (const message of messages.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
            const row = rowOf(message.id)
            if (row.heldBy === transaction) continue // one message twice
            await untilFree(process, row)
            transaction.usedAt = simulation.now
            if (row.outcome !== null) continue
            row.heldBy = transaction
            transaction.rows.push(row)
            fresh.push(message)
          }
          if (fresh.length === 0) return { kind: 'done', done: doneOf(messages) }
          await process.pause(int(4))
          try {
            const happened: Placed[] = []
            const inOrder = messages.filter((message) => fresh.includes(message))
            const { commit, value } = await work({ happens: (each) => happened.push(each) }, inOrder)
            await travel(process)
            signal.throwIfAborted()
            if (!transaction.alive) throw unavailable()
            if (!commit) return { kind: 'rolled-back', value, done: new Map() }
            if (!inbox.calm && chance(COLLISIONS)) continue
            const fate = inbox.calm || !chance(LOST_ANSWERS) ? 'answered' : chance(0.5) ? 'done' : 'undone'
            if (fate === 'undone') throw unavailable()
            for (const each of happened) {
              if (outcomes.hasHappened(each)) simulation.violation('effect-twice', `${process.name}: ${each.id}`)
              outcomes.happened(process, each)
            }
            const others = messages.filter((message) => !fresh.includes(message))
            for (const { id, token } of fresh) Object.assign(rowOf(id), { outcome: 'handled', token, attempt: 0 })
            if (fate === 'done') throw unavailable()
            await process.pause(int(4))
            return { kind: 'committed', value, done: doneOf(others) }
          } finally {
            end(transaction)
            signal.removeEventListener('abort', abort)
          }
        }
      },
      async begin(id) {
        await travel(process)
        const row = rowOf(id)
        await untilFree(process, row)
        return row.outcome === null
          ? { kind: 'started', attempt: ++row.attempt }
          : { kind: 'done', outcome: row.outcome }
      },
      async abandon(id, failedAttempts) {
        await travel(process)
        const row = rowOf(id)
        await untilFree(process, row)
        if (row.outcome === null) row.attempt = failedAttempts
      },
      async complete({ id, token }, outcome) {
        const each = placedOf(id)
        const isOver = outcome === 'parked' ? outcomes.isParked(each) : outcomes.excuseOf(each) !== undefined
        if (!isOver) simulation.violation('marked-too-early', `${process.name} marks ${each.id} as ${outcome}`)
        await travel(process)
        const row = rowOf(id)
        await untilFree(process, row)
        if (row.outcome === null) Object.assign(row, { outcome, token, attempt: 0 })
      },
      check: async () => {},
      close: async () => {},
    }),
  }
  return inbox
}
