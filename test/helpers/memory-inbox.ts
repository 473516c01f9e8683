import { HoldfastError } from '../../src/errors/index.ts'
import type { DedupeOutcome, Inbox, InboxDone } from '../../src/idempotency/index.ts'

/** A transaction of {@link memoryInbox}: what is written through it is there once it commits. */
export interface MemoryTransaction {
  write(effect: string): void
}

/** A database in memory, with an inbox, and what went wrong with it. */
export interface MemoryInbox extends Inbox<MemoryTransaction> {
  /** What was committed, in that order. */
  readonly effects: readonly string[]
  outcomeOf(id: string): DedupeOutcome | undefined
  /** Every call fails while it is. */
  down: boolean
  /** Ends every transaction under way, as when their processes die. */
  forget(): void
  /** The next commit is done, or not, and its answer is lost. */
  loseCommit: 'done' | 'undone' | null
  /** So many transactions are ended for the sake of others, when their work is done. */
  collisions: number
}

interface Row {
  outcome?: DedupeOutcome
  token?: string
  attempt: number
  /** Settles when the transaction that holds it has ended. */
  held: Promise<void> | null
}

/** Makes a {@link MemoryInbox} that keeps the promises of the port. */
export function memoryInbox(): MemoryInbox {
  const rows = new Map<string, Row>()
  const effects: string[] = []
  const rowOf = (id: string): Row => {
    const row = rows.get(id) ?? { attempt: 0, held: null }
    rows.set(id, row)
    return row
  }
  const unavailable = (): HoldfastError =>
    new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', 'the database is out', { retriable: true })
  const look = (): void => {
    if (inbox.down) throw unavailable()
  }
  /** The row of a message, once nobody else holds it. */
  const free = async (id: string): Promise<Row> => {
    look()
    const row = rowOf(id)
    while (row.held !== null) await row.held
    look()
    return row
  }

  const inbox: MemoryInbox = {
    effects,
    down: false,
    loseCommit: null,
    collisions: 0,
    forget() {
      for (const row of rows.values()) row.held = null
    },
    outcomeOf: (id) => rows.get(id)?.outcome,
    async handle({ messages, signal }, work) {
      let rowsOf: readonly Row[]
      // While it waits for one of its messages, another transaction can take one that was free.
      do rowsOf = await Promise.all(messages.map(({ id }) => free(id)))
      while (rowsOf.some(({ held }) => held !== null))
      signal.throwIfAborted()
      const fresh = messages.filter(({ id }, i) => {
        const isFirst = messages.findIndex((other) => other.id === id) === i
        return isFirst && rowsOf[i]!.outcome === undefined
      })
      const done = (): InboxDone =>
        new Map(
          messages.flatMap((message) => {
            const { outcome, token } = rowOf(message.id)
            const isKnown = outcome !== undefined && !(fresh.includes(message) && token === message.token)
            return isKnown ? [[message, { outcome, own: token === message.token }]] : []
          }),
        )
      if (fresh.length === 0) return { kind: 'done', done: done() }
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      for (const { id } of fresh) rowOf(id).held = held
      try {
        let written: string[] = []
        const destroyed = new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        )
        const attempt = (): Promise<Awaited<ReturnType<typeof work>>> => {
          written = []
          return Promise.race([work({ write: (effect) => written.push(effect) }, fresh), destroyed])
        }
        let { commit, value } = await attempt()
        for (; inbox.collisions > 0; inbox.collisions--) ({ commit, value } = await attempt())
        look()
        if (!commit) return { kind: 'rolled-back', value, done: new Map() }
        const lost = inbox.loseCommit
        inbox.loseCommit = null
        if (lost !== 'undone') {
          effects.push(...written)
          for (const { id, token } of fresh) Object.assign(rowOf(id), { outcome: 'handled', token, attempt: 0 })
        }
        if (lost !== null) throw unavailable()
        return { kind: 'committed', value, done: done() }
      } finally {
        for (const { id } of fresh) rowOf(id).held = null
        release()
      }
    },
    async begin(id) {
      const row = await free(id)
      if (row.outcome !== undefined) return { kind: 'done', outcome: row.outcome }
      return { kind: 'started', attempt: ++row.attempt }
    },
    async abandon(id, failedAttempts) {
      const row = await free(id)
      if (row.outcome === undefined) row.attempt = failedAttempts
    },
    async complete({ id, token }, outcome) {
      const row = await free(id)
      if (row.outcome === undefined) Object.assign(row, { outcome, token, attempt: 0 })
    },
    async check() {
      look()
    },
    async close() {},
  }
  return inbox
}
