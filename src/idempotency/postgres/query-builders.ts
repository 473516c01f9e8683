import type { Inbox } from '../inbox.ts'
import { storeRefusals } from '../store-refusals.ts'
import type { InboxOptions } from './postgres-inbox.ts'
import { createInbox, inboxProblems } from './postgres-inbox.ts'
import type { Isolation } from './pg-transactions.ts'
import { isIsolation } from './pg-transactions.ts'
import type { Query, Transactions } from './transactions.ts'

/**
 * How an inbox on a query builder is made.
 *
 * Its transactions run on clients that nobody else can reach: a handler that runs out of time loses its statement, and its connection only when
 * its transaction has stood idle for too long. pg then ends the process, unless the pool's clients are listened to:
 * `pool.on('connect', (client) => client.on('error', …))`.
 */
export interface QueryBuilderInboxOptions extends InboxOptions {
  /** @defaultValue the database's own, `read committed` unless told otherwise */
  readonly isolation?: Isolation
  /**
   * How many connections its pool has at most, for the check that handlers leave two of them: a query builder does not tell.
   *
   * @defaultValue none is made
   */
  readonly maxConnections?: number
}

/** The part of a [Kysely](https://kysely.dev) instance that is used here; `Tx` is its `Transaction`. */
export interface KyselyDatabase<Tx extends KyselyExecutor> extends KyselyExecutor {
  transaction(): KyselyTransactionBuilder<Tx>
}

/** Begins a transaction. */
export interface KyselyTransactionBuilder<Tx> {
  setIsolationLevel(level: Isolation): KyselyTransactionBuilder<Tx>
  execute<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

/** What runs statements. */
export interface KyselyExecutor {
  /** Plugins may rename columns. */
  // oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own compiled query, with the node that it was made of
  withoutPlugins(): { executeQuery(query: any): Promise<{ readonly rows: readonly unknown[] }> }
}

/**
 * An {@link Inbox} on Kysely: `context.tx` is its `Transaction`.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function kyselyInbox<Tx extends KyselyExecutor>(
  db: KyselyDatabase<Tx>,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  const { isolation, maxConnections = null } = options
  const queryOf =
    (executor: KyselyExecutor): Query =>
    async (sql, parameters) => {
      const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
      const queryId = { queryId: 'holdfast' }
      return (await executor.withoutPlugins().executeQuery({ sql, parameters, query, queryId })).rows
    }
  return inboxOn(options, has(db, ['transaction', 'withoutPlugins']), 'a Kysely instance', {
    transact(work) {
      const begin = isolation === undefined ? db.transaction() : db.transaction().setIsolationLevel(isolation)
      return begin.execute((tx) => work(tx, queryOf(tx)))
    },
    query: queryOf(db),
    outOfTime: 'cancel',
    maxConnections,
  })
}

/** The part of a [Knex](https://knexjs.org) instance that is used here; `Tx` is its `Knex.Transaction`. */
export interface KnexDatabase<Tx extends KnexExecutor> extends KnexExecutor {
  transaction<T>(work: (tx: Tx) => Promise<T>, settings?: { isolationLevel?: Isolation }): Promise<T>
}

/** What runs statements. */
export interface KnexExecutor {
  raw(sql: string, bindings: readonly unknown[]): PromiseLike<unknown>
}

/**
 * An {@link Inbox} on Knex with its `pg` client: `context.tx` is its `Knex.Transaction`.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function knexInbox<Tx extends KnexExecutor>(
  db: KnexDatabase<Tx>,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  const { isolation, maxConnections = null } = options
  const queryOf =
    (executor: KnexExecutor): Query =>
    async (statement, values) => {
      const { parts, values: bindings } = inOrder(statement, values)
      return rowsOf(await executor.raw(parts.join('?'), bindings))
    }
  return inboxOn(options, has(db, ['transaction', 'raw']), 'a Knex instance', {
    transact: (work) =>
      db.transaction((tx) => work(tx, queryOf(tx)), isolation === undefined ? {} : { isolationLevel: isolation }),
    query: queryOf(db),
    outOfTime: 'cancel',
    maxConnections,
  })
}

/** The part of a [Drizzle](https://orm.drizzle.team) database that is used here; `Tx` is what its `transaction` gives. */
export interface DrizzleDatabase<Tx extends DrizzleExecutor> extends DrizzleExecutor {
  transaction<T>(work: (tx: Tx) => Promise<T>, settings?: { isolationLevel?: Isolation }): Promise<T>
}

/** What runs statements. */
export interface DrizzleExecutor {
  // oxlint-disable-next-line typescript/no-explicit-any -- Drizzle's own SQL class, which nobody else can make
  execute(query: any): PromiseLike<unknown>
}

/** Drizzle's `sql`. */
export interface DrizzleSql {
  (parts: TemplateStringsArray, ...values: unknown[]): unknown
  param(value: unknown): unknown
}

/**
 * An {@link Inbox} on Drizzle, for node-postgres or postgres.js: `context.tx` is its transaction.
 *
 * @param sql - `sql` of `drizzle-orm`
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function drizzleInbox<Tx extends DrizzleExecutor>(
  db: DrizzleDatabase<Tx>,
  sql: DrizzleSql,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  const { isolation, maxConnections = null } = options
  const queryOf =
    (executor: DrizzleExecutor): Query =>
    async (statement, given) => {
      const { parts, values } = inOrder(statement, given)
      const template = Object.assign(parts, { raw: parts })
      return rowsOf(await executor.execute(sql(template, ...values.map((value) => sql.param(value)))))
    }
  const fits = has(db, ['transaction', 'execute']) && typeof sql === 'function'
  return inboxOn(options, fits, 'a Drizzle database and its sql', {
    transact: (work) =>
      db.transaction(
        (tx) => work(tx, queryOf(tx)),
        isolation === undefined ? undefined : { isolationLevel: isolation },
      ),
    query: queryOf(db),
    outOfTime: 'cancel',
    maxConnections,
  })
}

/** Makes an {@link Inbox} of a query builder, once its options fit. @param what - what `db` has to be */
export function inboxOn<Tx>(
  { isolation, maxConnections, ...rest }: QueryBuilderInboxOptions,
  fits: boolean,
  what: string,
  transactions: Transactions<Tx>,
): Inbox<Tx> {
  const problems = [
    ...(fits ? [] : [{ path: 'db', message: `${what} is needed` }]),
    ...(isIsolation(isolation) ? [] : [{ path: 'isolation', message: 'is no isolation level' }]),
    ...(maxConnections === undefined || (Number.isSafeInteger(maxConnections) && maxConnections >= 1)
      ? []
      : [{ path: 'maxConnections', message: 'an integer from 1 is needed' }]),
    ...inboxProblems(rest),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions('inbox', problems)
  return createInbox(transactions, rest)
}

/** Has it these methods? */
export function has(given: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(Object(given), name) === 'function')
}

/** A statement cut at its placeholders, with the value of each: for clients that number them themselves. */
function inOrder(
  statement: string,
  values: readonly unknown[],
): { readonly parts: string[]; readonly values: unknown[] } {
  const pieces = statement.split(/\$(\d+)/)
  return {
    parts: pieces.filter((_, i) => i % 2 === 0),
    values: pieces.filter((_, i) => i % 2 === 1).map((number) => values[Number(number) - 1]),
  }
}

/** Clients answer with rows, or with an object that has them. */
function rowsOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  return (answer as { readonly rows: readonly unknown[] }).rows
}
