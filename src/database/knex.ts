import { inOrder } from './in-order.ts'
import type { Isolation } from './pg-transactions.ts'
import { rowsOf } from './rows-of.ts'
import type { Query, Transactions } from './transactions.ts'

/** The part of a [Knex](https://knexjs.org) instance that is used here; `Tx` is its `Knex.Transaction`. */
export interface KnexDatabase<Tx extends KnexExecutor> extends KnexExecutor {
  transaction<T>(work: (tx: Tx) => Promise<T>, settings?: { isolationLevel?: Isolation }): Promise<T>
}

/** What runs statements. */
export interface KnexExecutor {
  raw(sql: string, bindings: readonly unknown[]): PromiseLike<unknown>
}

/** {@link Transactions} of a Knex instance with its `pg` client. @param maxConnections - of its pool, where it is known */
export function knexTransactions<Tx extends KnexExecutor>(
  db: KnexDatabase<Tx>,
  isolation?: Isolation,
  maxConnections: number | null = null,
): Transactions<Tx> {
  return {
    transact: (work) =>
      db.transaction((tx) => work(tx, knexQuery(tx)), isolation === undefined ? {} : { isolationLevel: isolation }),
    query: knexQuery(db),
    outOfTime: 'cancel',
    maxConnections,
  }
}

/** Runs statements on a Knex instance, or on a transaction of one. */
export function knexQuery(executor: KnexExecutor): Query {
  return async (statement, values) => {
    const { parts, values: bindings } = inOrder(statement, values)
    const own = parts.map((part) => part.replaceAll('?', '\\?')) // of a name
    return rowsOf(await executor.raw(own.join('?'), bindings))
  }
}
