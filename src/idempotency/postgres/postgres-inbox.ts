import type { Runtime } from '../../clock/index.ts'
import { systemRuntime } from '../../clock/index.ts'
import type { ClientOf, Isolation, PgPool, Transactions } from '../../database/index.ts'
import { createPurge, isIsolation, pgTransactions } from '../../database/index.ts'
import { countProblems, unknownOptions } from '../../options/index.ts'
import type { DedupeOutcome } from '../dedupe-store.ts'
import { idHash } from '../id-hash.ts'
import type { Inbox, InboxDone, InboxMessage } from '../inbox.ts'
import { storeRefusals } from '../store-refusals.ts'
import { dedupeSql } from './dedupe-sql.ts'
import type { DedupeTable } from './dedupe-table.ts'
import { qualified, tableProblems } from './dedupe-table.ts'
import { inboxSql } from './inbox-sql.ts'
import type { Placed } from './inbox-transaction.ts'
import { nameOf, tryTransaction } from './inbox-transaction.ts'
import { tableAccess } from './table-access.ts'

/** Where an inbox keeps its marks, and for how long. */
export interface InboxOptions extends DedupeTable {
  /**
   * How long a done message is remembered, in milliseconds: longer than duplicates can come, so longer than all retries, the greatest lag
   * and the window of replays together. An integer of 1 or more. A message takes about 250 bytes of the database, its index included.
   *
   * @defaultValue `604_800_000`, a week
   */
  readonly ttlMs?: number
  /**
   * How often old rows are deleted, in milliseconds: by one process at a time, 1,000 in a transaction, beside everything else. An integer of
   * 1 or more; `false` leaves it to a job of yours.
   *
   * @defaultValue `60_000`
   */
  readonly purgeEveryMs?: number | false
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Pick<Runtime, 'clock' | 'random'>
}

/** How an inbox on a pg `Pool` is made. */
export interface PostgresInboxOptions extends InboxOptions {
  /** @defaultValue the database's own, `read committed` unless told otherwise */
  readonly isolation?: Isolation
}

const STORE = 'the Postgres inbox'
const NAMES = ['schema', 'table', 'ttlMs', 'purgeEveryMs', 'runtime']

/**
 * An {@link Inbox} on a `Pool` of pg: `context.tx` is the client of the message's transaction. **Effects in this database happen once**: whatever
 * the handler writes through `context.tx` is committed together with the mark, or not at all. What it writes elsewhere is at least once.
 *
 * The pool needs two connections more than there are messages in handlers at a time, for marks that are no effect of a handler and for
 * ending a connection whose handler ran out of time: a consumer that could take more is refused at its start.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function postgresInbox<Pool extends PgPool>(
  pool: Pool,
  options: PostgresInboxOptions = {},
): Inbox<ClientOf<Pool>> {
  const { isolation, ...rest } = options
  const isPool = ['connect', 'query'].every((name) => typeof Reflect.get(Object(pool), name) === 'function')
  const problems = [
    ...(isPool ? [] : [{ path: 'pool', message: 'a Pool of pg is needed' }]),
    ...(isIsolation(isolation)
      ? []
      : [{ path: 'isolation', message: 'must be "read committed", "repeatable read" or "serializable"' }]),
    ...inboxProblems(rest),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions(STORE, problems)
  // What its `connect` gives without a callback: pg's types tell both in one.
  return createInbox(pgTransactions(pool as unknown as PgPool<ClientOf<Pool>>, isolation), rest)
}

/** What is wrong with the options of an inbox. */
export function inboxProblems(options: InboxOptions): ReturnType<typeof unknownOptions> {
  const { ttlMs = 1, purgeEveryMs = 1 } = options
  return [
    ...tableProblems(options),
    ...countProblems({ ttlMs, ...(purgeEveryMs !== false && { purgeEveryMs }) }),
    ...unknownOptions(options, NAMES),
  ]
}

/** Between two tries of a transaction that collided: 5 ms, doubling, at most a second, each drawn from nothing to that. */
const COLLISION = { firstMs: 5, mostMs: 1_000 } as const
/** For marks that are no effect of a handler, and for ending the connection of a handler that ran out of time. */
const SPARE = 2

/** Makes an {@link Inbox} of whatever can run transactions. */
export function createInbox<Tx>(database: Transactions<Tx>, options: InboxOptions): Inbox<Tx> {
  const { ttlMs = 604_800_000, purgeEveryMs = 60_000, runtime = systemRuntime } = options
  const sql = inboxSql(options)
  const { purge: purgeSql } = dedupeSql(options)
  const { ask, unavailable, check } = tableAccess(STORE, options, database.query)
  const purge = createPurge({ ask, statement: purgeSql, table: qualified(options), everyMs: purgeEveryMs, runtime })
  const transactions = { database, sql, ttlMs, unavailable }

  const doneAt = async (places: readonly Buffer[]): Promise<readonly DoneRow[]> =>
    (await ask(sql.done, [places])) as readonly DoneRow[]

  const doneOf = async (messages: readonly InboxMessage[]): Promise<InboxDone> => {
    const placed = messages.map((message) => ({ message, place: idHash(message.id) }))
    const rows = new Map((await doneAt(placed.map(({ place }) => place))).map((row) => [nameOf(row.id), row]))
    return new Map(
      placed.flatMap(({ message, place }) => {
        const row = rows.get(nameOf(place))
        return row ? [[message, { outcome: row.outcome, own: row.marked_by === message.token }]] : []
      }),
    )
  }

  const pauseAfter = (collisions: number, signal: AbortSignal): Promise<void> => {
    const mostMs = Math.min(COLLISION.mostMs, COLLISION.firstMs * 2 ** Math.min(collisions, 10))
    return runtime.clock.sleep(runtime.random() * mostMs, signal)
  }

  return {
    ttlMs,
    ...(database.maxConnections !== null && { maxConnections: database.maxConnections }),
    async handle(call, work) {
      const places = firstOfEach(call.messages)
      for (let collisions = 0; ; collisions++) {
        const tried = await tryTransaction(transactions, call, places, work)
        if (tried.kind === 'committed' || tried.kind === 'rolled-back') {
          const { kind, value } = tried
          const fresh = new Set(tried.fresh)
          const known = kind === 'committed' ? call.messages.filter((message) => !fresh.has(message)) : []
          return { kind, value, done: known.length > 0 ? await doneOf(known) : NONE }
        }
        if (tried.kind === 'known') {
          const done = await doneOf(call.messages)
          if (done.size === call.messages.length) return { kind: 'done', done } // else a mark has just come to the end of its time
        }
        await pauseAfter(collisions, call.signal)
      }
    },
    async begin(id) {
      const place = idHash(id)
      for (;;) {
        const [counted] = (await ask(sql.count, [place, ttlMs])) as readonly { readonly attempt: number }[]
        if (counted !== undefined) return { kind: 'started', attempt: counted.attempt }
        const [done] = await doneAt([place])
        if (done !== undefined) return { kind: 'done', outcome: done.outcome }
      }
    },
    async abandon(id, failedAttempts) {
      await ask(sql.giveBack, [idHash(id), failedAttempts])
    },
    async complete({ id, token }, outcome) {
      await ask(sql.mark, [[idHash(id)], [token], ttlMs, outcome, 0])
    },
    async check(handlersAtATime) {
      const { maxConnections } = database
      if (maxConnections !== null && handlersAtATime > maxConnections - SPARE) {
        const message = `${handlersAtATime} handlers at a time need a pool of ${handlersAtATime + SPARE} connections, and it has ${maxConnections}: lower concurrency, or raise max`
        throw storeRefusals.unfitOptions(STORE, [{ path: 'pool', message }])
      }
      await check()
      purge.start()
    },
    close: purge.close,
  }
}

interface DoneRow {
  readonly id: Uint8Array
  readonly outcome: DedupeOutcome
  readonly marked_by: string
}

const NONE: InboxDone = new Map()

/** A statement cannot mark one place twice. */
function firstOfEach(messages: readonly InboxMessage[]): readonly Placed[] {
  const places = new Map<string, Placed>()
  for (const message of messages) {
    const place = idHash(message.id)
    if (!places.has(nameOf(place))) places.set(nameOf(place), { place, message })
  }
  return [...places.values()]
}
