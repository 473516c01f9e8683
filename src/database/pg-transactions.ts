import { sqlStateOf } from './sql-states.ts'
import type { Query, Transactions } from './transactions.ts'

/** The part of a [pg](https://www.npmjs.com/package/pg) `Pool` that an inbox uses. `Client` is what its `connect` gives: what a handler gets. */
export interface PgPool<Client extends PgClient = PgClient> {
  connect: {
    (): Promise<Client>
    (callback: (error: Error | undefined, client: Client | undefined) => void): void
  }
  query(text: string, values: unknown[]): Promise<PgResult>
  readonly options?: { readonly max?: number | undefined }
}

/** What the `connect` of a pool gives. It has two faces in pg, and only the one without a callback gives a client. */
export type ClientOf<Pool> = Pool extends {
  connect: { (): Promise<infer Client extends PgClient>; (...callback: never[]): unknown }
}
  ? Client
  : PgClient

/** The part of a pg `PoolClient` that is used here. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<PgResult>
  /** With an argument: never used again. */
  release(destroy?: boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/** What a statement answers. */
export interface PgResult {
  readonly rows: readonly unknown[]
  readonly rowCount: number | null
  readonly command: string
}

/** How a transaction sees the others. */
export type Isolation = 'read committed' | 'repeatable read' | 'serializable'

const ISOLATIONS: readonly unknown[] = [undefined, 'read committed', 'repeatable read', 'serializable']

/** Is it one, or left out? */
export function isIsolation(level: unknown): level is Isolation | undefined {
  return ISOLATIONS.includes(level)
}

/** pg's own default. */
const POOL_SIZE = 10

/** {@link Transactions} of a pg `Pool`. */
export function pgTransactions<Client extends PgClient>(
  pool: PgPool<Client>,
  isolation: Isolation | undefined,
): Transactions<Client> {
  const begin = isolation === undefined ? 'begin' : `begin isolation level ${isolation}`

  return {
    async transact(work, { signal }) {
      const client = await takeClient(pool, ignore)
      let released = false
      let inCommit = false
      const release = (destroy: boolean): void => {
        if (released) return
        released = true
        client.release(destroy)
      }
      const destroy = (): void => release(true)
      signal.addEventListener('abort', destroy)
      try {
        if (signal.aborted) throw signal.reason
        await client.query(begin)
        const value = await work(client, queryOf(client))
        inCommit = true
        const { command } = await client.query('commit')
        // What PostgreSQL answers to the commit of a transaction that has failed: nothing of it is kept, and nobody is told.
        if (command !== 'COMMIT') throw Object.assign(new Error('the transaction had failed'), { code: '25P02' })
        release(false)
        return value
      } catch (error) {
        if (inCommit && sqlStateOf(error) === null)
          release(true) // its answer was lost, and may still come
        else
          await client.query('rollback').then(
            () => release(false),
            () => release(true),
          )
        throw error
      } finally {
        signal.removeEventListener('abort', destroy)
        client.removeListener('error', ignore)
      }
    },
    query: queryOf(pool),
    outOfTime: 'terminate',
    maxConnections: pool.options?.max ?? POOL_SIZE,
  }
}

/**
 * Takes a connection out of a pool, and listens to its errors until the caller takes the listener off.
 *
 * A connection that ends outside of a statement would end the process of which nobody listens to it. It can end in the same breath in which the
 * pool gives it, so a promise of it would come too late: only a callback is there in between.
 */
export function takeClient<Client extends PgClient>(
  pool: PgPool<Client>,
  onError: (error: Error) => void,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    const taken = (client: Client): void => {
      client.on('error', onError)
      resolve(client)
    }
    const promised: unknown = pool.connect((error, client) => {
      if (client === undefined) reject(error as Error)
      else taken(client)
    })
    // What stands in for a pool may know promises alone.
    if (promised instanceof Promise) promised.then(taken, reject)
  })
}

function queryOf(client: Pick<PgPool, 'query'>): Query {
  return async (statement, values) => (await client.query(statement, [...values])).rows
}

function ignore(): void {}
