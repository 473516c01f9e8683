import type {
  DrizzleDatabase,
  DrizzleExecutor,
  DrizzleSql,
  KnexDatabase,
  KnexExecutor,
  KyselyDatabase,
  KyselyExecutor,
  PrismaDatabase,
  PrismaExecutor,
  Query,
  Transactions,
} from '../../database/index.ts'
import {
  drizzleQuery,
  drizzleTransactions,
  hasMethods,
  knexQuery,
  knexTransactions,
  kyselyQuery,
  kyselyTransactions,
  prismaQuery,
  prismaTransactions,
} from '../../database/index.ts'
import type { OutboxStore } from '../outbox-store.ts'
import type { PostgresOutboxOptions } from './postgres-outbox.ts'
import { createPostgresOutbox } from './postgres-outbox.ts'
import { noTransaction } from './transaction-refusals.ts'

/**
 * An {@link OutboxStore} on Kysely: `enqueue` takes its `Transaction`, or a `ControlledTransaction`.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function kyselyOutbox<Tx extends KyselyExecutor>(
  db: KyselyDatabase<Tx>,
  options: PostgresOutboxOptions = {},
): OutboxStore<Tx> {
  return outboxOn(options, {
    what: 'a Kysely instance',
    fits: hasMethods(db, ['transaction', 'withoutPlugins']),
    transactions: () => kyselyTransactions(db, options.isolation),
    needed: 'a Transaction of Kysely, and not the instance itself,',
    isTransaction: (tx) => hasMethods(tx, ['withoutPlugins']) && Reflect.get(tx, 'isTransaction') === true,
    saysOver: (error) =>
      error instanceof Error && /^Transaction is already (committed|rolled back)/.test(error.message),
    queryOf: kyselyQuery,
  })
}

/**
 * An {@link OutboxStore} on Knex with its `pg` client: `enqueue` takes its `Knex.Transaction`.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function knexOutbox<Tx extends KnexExecutor>(
  db: KnexDatabase<Tx>,
  options: PostgresOutboxOptions = {},
): OutboxStore<Tx> {
  return outboxOn(options, {
    what: 'a Knex instance',
    fits: hasMethods(db, ['transaction', 'raw']),
    transactions: () => knexTransactions(db, options.isolation),
    needed: 'a Knex.Transaction, and not the instance itself,',
    isTransaction: (tx) => hasMethods(tx, ['raw']) && Reflect.get(tx, 'isTransaction') === true,
    saysOver: (error) => error instanceof Error && error.message.startsWith('Transaction query already complete'),
    queryOf: knexQuery,
  })
}

/**
 * An {@link OutboxStore} on Drizzle, for node-postgres or postgres.js: `enqueue` takes what its `transaction` gives.
 *
 * @param sql - `sql` of `drizzle-orm`
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function drizzleOutbox<Tx extends DrizzleExecutor>(
  db: DrizzleDatabase<Tx>,
  sql: DrizzleSql,
  options: PostgresOutboxOptions = {},
): OutboxStore<Tx> {
  return outboxOn(options, {
    what: 'a Drizzle database and its sql',
    fits: hasMethods(db, ['transaction', 'execute']) && typeof sql === 'function',
    transactions: () => drizzleTransactions(db, sql, options.isolation),
    needed: 'a transaction of Drizzle, and not the database itself,',
    isTransaction: (tx) => hasMethods(tx, ['execute', 'rollback']),
    saysOver: () => false,
    queryOf: (tx) => drizzleQuery(tx, sql),
  })
}

/**
 * An {@link OutboxStore} on Prisma's interactive transactions, with PostgreSQL: `enqueue` takes its `Prisma.TransactionClient`.
 *
 * Prisma ends a transaction after 5 s, or what its `transactionOptions` say; {@link OutboxStore.transact} has it wait for ever.
 *
 * @throws HOLDFAST_CONFIG_INVALID
 */
export function prismaOutbox<Tx extends PrismaExecutor>(
  prisma: PrismaDatabase<Tx>,
  options: PostgresOutboxOptions = {},
): OutboxStore<Tx> {
  return outboxOn(options, {
    what: 'a PrismaClient',
    fits: hasMethods(prisma, ['$transaction', '$queryRawUnsafe']),
    transactions: () => prismaTransactions(prisma, options.isolation),
    needed: 'a TransactionClient of Prisma, and not the client itself,',
    isTransaction: (tx) => hasMethods(tx, ['$queryRawUnsafe']) && !hasMethods(tx, ['$connect']),
    saysOver: (error) => Reflect.get(Object(error), 'code') === 'P2028',
    queryOf: prismaQuery,
  })
}

/** What is known of a query builder. */
interface Builder<Tx> {
  /** What the database has to be, and whether it is. */
  readonly what: string
  readonly fits: boolean
  readonly transactions: () => Transactions<Tx>
  /** What a transaction has to be, and whether it is one, by its shape. */
  readonly needed: string
  readonly isTransaction: (tx: Tx) => boolean
  /** The builder has not asked the database, since the transaction has ended. What it does not know the database says. */
  readonly saysOver: (error: unknown) => boolean
  readonly queryOf: (tx: Tx) => Query
}

function outboxOn<Tx>(options: PostgresOutboxOptions, builder: Builder<Tx>): OutboxStore<Tx> {
  return createPostgresOutbox(options, {
    problems: builder.fits ? [] : [{ path: 'db', message: `${builder.what} is needed` }],
    transactions: builder.transactions,
    listenOn: null,
    enter(tx) {
      if (!builder.isTransaction(tx)) throw noTransaction(builder.needed)
      return { query: builder.queryOf(tx), isOpen: null, saysOver: builder.saysOver }
    },
  })
}
