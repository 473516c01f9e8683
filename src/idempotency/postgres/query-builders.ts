import type {
  DrizzleDatabase,
  DrizzleExecutor,
  DrizzleSql,
  Isolation,
  KnexDatabase,
  KnexExecutor,
  KyselyDatabase,
  KyselyExecutor,
  PrismaDatabase,
  PrismaExecutor,
  Transactions,
} from '../../database/index.ts'
import {
  drizzleTransactions,
  hasMethods,
  isIsolation,
  knexTransactions,
  kyselyTransactions,
  prismaTransactions,
} from '../../database/index.ts'
import { countProblems } from '../../options/index.ts'
import type { Inbox } from '../inbox.ts'
import { storeRefusals } from '../store-refusals.ts'
import type { InboxOptions } from './postgres-inbox.ts'
import { createInbox, inboxProblems } from './postgres-inbox.ts'

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

/**
 * An {@link Inbox} on Kysely: `context.tx` is its `Transaction`.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function kyselyInbox<Tx extends KyselyExecutor>(
  db: KyselyDatabase<Tx>,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  return inboxOn(options, hasMethods(db, ['transaction', 'withoutPlugins']), 'a Kysely instance', () =>
    kyselyTransactions(db, options.isolation, options.maxConnections),
  )
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
  return inboxOn(options, hasMethods(db, ['transaction', 'raw']), 'a Knex instance', () =>
    knexTransactions(db, options.isolation, options.maxConnections),
  )
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
  const fits = hasMethods(db, ['transaction', 'execute']) && typeof sql === 'function'
  return inboxOn(options, fits, 'a Drizzle database and its sql', () =>
    drizzleTransactions(db, sql, options.isolation, options.maxConnections),
  )
}

/**
 * An {@link Inbox} on Prisma's interactive transactions, with PostgreSQL: `context.tx` is its `Prisma.TransactionClient`.
 *
 * Prisma ends a transaction after 5 s, or what its `transactionOptions` say; the inbox gives it the handler's time (`handlerTimeoutMs`) and 5 s
 * more, and as long to wait for a connection.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function prismaInbox<Tx extends PrismaExecutor>(
  prisma: PrismaDatabase<Tx>,
  options: QueryBuilderInboxOptions = {},
): Inbox<Tx> {
  return inboxOn(options, hasMethods(prisma, ['$transaction', '$queryRawUnsafe']), 'a PrismaClient', () =>
    prismaTransactions(prisma, options.isolation, options.maxConnections),
  )
}

/** Makes an {@link Inbox} of a query builder, once its options fit. @param what - what the database has to be */
function inboxOn<Tx>(
  { isolation, maxConnections, ...rest }: QueryBuilderInboxOptions,
  fits: boolean,
  what: string,
  transactions: () => Transactions<Tx>,
): Inbox<Tx> {
  const problems = [
    ...(fits ? [] : [{ path: 'db', message: `${what} is needed` }]),
    ...(isIsolation(isolation) ? [] : [{ path: 'isolation', message: 'is no isolation level' }]),
    ...(maxConnections === undefined ? [] : countProblems({ maxConnections })),
    ...inboxProblems(rest),
  ]
  if (problems.length > 0) throw storeRefusals.unfitOptions('inbox', problems)
  return createInbox(transactions(), rest)
}
