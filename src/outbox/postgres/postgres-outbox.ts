import type { Runtime } from '../../clock/index.ts'
import { MAX_TIMER_MS, systemRuntime } from '../../clock/index.ts'
import type { ClientOf, Isolation, PgPool, Query, Transactions } from '../../database/index.ts'
import { answerOf, hasMethods, isIsolation, pgTransactions } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'
import { countProblems, unknownOptions } from '../../options/index.ts'
import type { OutboxStore } from '../outbox-store.ts'
import { createInsert } from './insert-messages.ts'
import type { OutboxTable } from './outbox-table.ts'
import { outboxTableProblems } from './outbox-table.ts'
import { createPostgresOutboxOperations } from './postgres-outbox-operations.ts'
import { createPostgresRelayStore } from './postgres-relay-store.ts'
import { noOpenTransaction, noTransaction } from './transaction-refusals.ts'

/** How an outbox in PostgreSQL keeps its rows. */
export interface PostgresOutboxOptions extends OutboxTable {
  /**
   * `commit`: of two messages of a key the one whose transaction commits first is sent first. A transaction takes an advisory lock for each key
   * that it enqueues, and holds it to its end: others that enqueue the same key wait for it.
   *
   * `none`: no lock is taken. **Two transactions that write a key at the same time may then be sent in either order**, whichever commits first, so the
   * log of a key may say the opposite of what the database says. For keys that one writer alone has at a time, by a lock of your own that is held to the end of
   * the transaction (`select … for update`), and for topics whose order does not matter.
   *
   * @defaultValue `'commit'`
   */
  readonly keyOrder?: 'commit' | 'none'
  /**
   * Tells relays of other processes of each commit, by `NOTIFY`: those that `listen` send at once, and not at their next look. All transactions that
   * tell wait for one lock in their commit, whatever table they are about: see docs/figures.md for what that costs.
   *
   * @defaultValue `false`
   */
  readonly notify?: boolean
  /**
   * How long rows are kept, marked, once they are sent, for an audit, in milliseconds; an integer of 1 or more. Each row then names the row before it of its
   * key, which takes a second statement for each enqueue. Needs the table of sent rows: `holdfast postgres migrate --outbox --keep-sent`.
   *
   * In a transaction above read committed the row before is not known for certain, and is not named.
   *
   * @defaultValue none: rows are deleted when they are sent
   */
  readonly keepSentMs?: number
  /**
   * How often rows that were kept for so long are deleted, in milliseconds: by relays at work, 1,000 in a transaction, beside everything else. An
   * integer of 1 or more; `false` leaves it to a job of yours.
   *
   * @defaultValue `60_000`
   */
  readonly purgeEveryMs?: number | false
  /** Of {@link OutboxStore.transact}. @defaultValue the database's own, `read committed` unless told otherwise */
  readonly isolation?: Isolation
  /** @defaultValue `systemRuntime` */
  readonly runtime?: Runtime
}

const NAMES = ['schema', 'table', 'keyOrder', 'notify', 'keepSentMs', 'purgeEveryMs', 'isolation', 'runtime']

/**
 * An {@link OutboxStore} on a `Pool` of pg: `enqueue` takes a client of it in which `begin` was said. It must have been awaited, and `commit` must not be
 * said before an enqueue has ended.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function postgresOutbox<Pool extends PgPool>(
  pool: Pool,
  options: PostgresOutboxOptions = {},
): OutboxStore<ClientOf<Pool>> {
  const typed = pool as unknown as PgPool<ClientOf<Pool>> // what its `connect` gives without a callback
  return createPostgresOutbox(options, {
    problems: hasMethods(pool, ['connect', 'query']) ? [] : [{ path: 'pool', message: 'a Pool of pg is needed' }],
    transactions: () => pgTransactions(typed, options.isolation),
    listenOn: options.notify === true ? typed : null,
    enter(client) {
      if (!hasMethods(client, ['query'])) throw noTransaction('a client of pg')
      const query: Query = async (statement, values) => (await client.query(statement, [...values])).rows
      if (!hasMethods(client, ['getTransactionStatus'])) {
        // A pool, whose every statement may go to another connection; or a client of before pg 8.17, which does not tell.
        if (hasMethods(client, ['connect']) && typeof Reflect.get(client, 'totalCount') === 'number')
          throw noTransaction('a client of the pool, in which begin was said, and not the pool itself,')
        return { query, isOpen: null }
      }
      return { query, isOpen: () => answerOf(client, 'getTransactionStatus') === 'T' }
    },
  })
}

/** A transaction, as messages are stored in it. */
export interface EnteredTransaction {
  readonly query: Query
  /** Null where the client does not tell: then the database is asked. */
  readonly isOpen: (() => boolean) | null
  /** The client has not asked the database, since the transaction has ended. */
  readonly saysOver?: (error: unknown) => boolean
}

/** What an outbox needs of a database client. */
export interface OutboxClient<Tx> {
  readonly problems: readonly Problem[]
  /** Asked once there are no problems. */
  readonly transactions: () => Transactions<Tx>
  /** Where a connection for `LISTEN` is taken from; null where none is to be, or can be. */
  readonly listenOn: PgPool | null
  /** Looks at what somebody gave for a transaction. @throws HOLDFAST_CONFIG_INVALID when it certainly is none. */
  readonly enter: (tx: Tx) => EnteredTransaction
}

/** Makes an {@link OutboxStore} of whatever can run transactions. @throws HOLDFAST_CONFIG_INVALID */
export function createPostgresOutbox<Tx>(options: PostgresOutboxOptions, client: OutboxClient<Tx>): OutboxStore<Tx> {
  const problems = [...client.problems, ...optionProblems(options)]
  if (problems.length > 0)
    throw new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the Postgres outbox: options do not fit', { problems })
  const { schema, table, keyOrder = 'commit', notify = false, purgeEveryMs = 60_000, runtime = systemRuntime } = options
  const { keepSentMs = null } = options
  const where: OutboxTable = { ...(schema !== undefined && { schema }), ...(table !== undefined && { table }) }
  const transactions = client.transactions()
  const insert = createInsert({ where, keyOrder, notify, keepSent: keepSentMs !== null, runtime })
  const { query } = transactions
  const {
    check,
    purge: _,
    ...relay
  } = createPostgresRelayStore({
    where,
    query,
    keepSentMs,
    purgeEveryMs,
    listenOn: client.listenOn,
    runtime,
  })

  return {
    async insert(tx, messages) {
      const { query: ask, isOpen, saysOver } = client.enter(tx)
      if (isOpen?.() === false) throw noOpenTransaction()
      try {
        await insert(ask, messages, isOpen !== null)
      } catch (error) {
        throw saysOver?.(error) === true ? noOpenTransaction(error) : error
      }
      // The client says so of the statement that has just ended: its caller had said `commit` before it had awaited this.
      if (isOpen?.() === false) throw storedOutside()
    },
    transact(work) {
      // A signal of its own, that never aborts: with one for all, those that are open would be too many listeners to it.
      const { signal } = new AbortController()
      return transactions.transact((tx) => work(tx), { signal, idleTimeoutMs: MAX_TIMER_MS })
    },
    relay,
    operations: createPostgresOutboxOperations({ where, transactions, keepSent: keepSentMs !== null, runtime }),
    check,
  }
}

function optionProblems(options: PostgresOutboxOptions): readonly Problem[] {
  const { keyOrder = 'commit', notify = false, keepSentMs = 1, purgeEveryMs = 1, isolation } = options
  return [
    ...outboxTableProblems(options),
    ...(['commit', 'none'].includes(keyOrder) ? [] : [{ path: 'keyOrder', message: 'must be "commit" or "none"' }]),
    ...(typeof notify === 'boolean' ? [] : [{ path: 'notify', message: 'must be true or false' }]),
    ...countProblems({ keepSentMs, ...(purgeEveryMs !== false && { purgeEveryMs }) }),
    ...(isIsolation(isolation)
      ? []
      : [{ path: 'isolation', message: 'must be "read committed", "repeatable read" or "serializable"' }]),
    ...unknownOptions(options, NAMES),
  ]
}

function storedOutside(): HoldfastError {
  const problems = [
    {
      path: 'transaction',
      message: 'ended before the message was stored: await each enqueue before commit and rollback',
    },
  ]
  return new HoldfastError('HOLDFAST_CONFIG_INVALID', 'the message was stored, outside of the transaction', {
    problems,
  })
}
