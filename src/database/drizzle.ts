import { inOrder } from './in-order.ts'
import type { Isolation } from './pg-transactions.ts'
import { rowsOf } from './rows-of.ts'
import type { Query, Transactions } from './transactions.ts'

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
 * {@link Transactions} of a Drizzle database, for node-postgres or postgres.js.
 *
 * @param sql - `sql` of `drizzle-orm`
 * @param maxConnections - of its pool, where it is known
 */
export function drizzleTransactions<Tx extends DrizzleExecutor>(
  db: DrizzleDatabase<Tx>,
  sql: DrizzleSql,
  isolation?: Isolation,
  maxConnections: number | null = null,
): Transactions<Tx> {
  return {
    transact: (work) =>
      db.transaction(
        (tx) => work(tx, drizzleQuery(tx, sql)),
        isolation === undefined ? undefined : { isolationLevel: isolation },
      ),
    query: drizzleQuery(db, sql),
    outOfTime: 'cancel',
    maxConnections,
  }
}

/** Runs statements on a Drizzle database, or on a transaction of one. */
export function drizzleQuery(executor: DrizzleExecutor, sql: DrizzleSql): Query {
  return async (statement, given) => {
    const { parts, values } = inOrder(statement, given)
    const template = Object.assign(parts, { raw: parts })
    return rowsOf(await executor.execute(sql(template, ...values.map((value) => sql.param(value)))))
  }
}
