import type { Isolation } from './pg-transactions.ts'
import type { Query, Transactions } from './transactions.ts'

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

/** {@link Transactions} of a Kysely instance. @param maxConnections - of its pool, where it is known */
export function kyselyTransactions<Tx extends KyselyExecutor>(
  db: KyselyDatabase<Tx>,
  isolation?: Isolation,
  maxConnections: number | null = null,
): Transactions<Tx> {
  return {
    transact(work) {
      const begin = isolation === undefined ? db.transaction() : db.transaction().setIsolationLevel(isolation)
      return begin.execute((tx) => work(tx, kyselyQuery(tx)))
    },
    query: kyselyQuery(db),
    outOfTime: 'cancel',
    maxConnections,
  }
}

/** Runs statements on a Kysely instance, or on a transaction of one. */
export function kyselyQuery(executor: KyselyExecutor): Query {
  return async (sql, parameters) => {
    const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
    const queryId = { queryId: 'holdfast' }
    return (await executor.withoutPlugins().executeQuery({ sql, parameters, query, queryId })).rows
  }
}
