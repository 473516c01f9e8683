import { isMissing, sqlStateOf } from '../../database/index.ts'
import type { Problem } from '../../errors/index.ts'
import { HoldfastError } from '../../errors/index.ts'

/**
 * One connection to PostgreSQL: a connected `Client` of [pg](https://www.npmjs.com/package/pg), or what a pool's `connect()` gives. No pool: its statements go to
 * any of its connections, and a snapshot is one connection's.
 */
export interface AuditConnection {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

/** What is wrong with it. */
export function connectionProblems(connection: unknown): readonly Problem[] {
  const given = Object(connection) as Partial<Record<'query' | 'totalCount', unknown>>
  const fits = typeof given.query === 'function' && given.totalCount === undefined // a pool tells how many it has
  return fits ? [] : [{ path: 'connection', message: 'must be one connection of pg, not a pool: await pool.connect()' }]
}

/** @throws HOLDFAST_CONFIG_INVALID when the table is not there, HOLDFAST_STORE_UNAVAILABLE when the server does not answer as it should */
export async function askFor<Row>(
  connection: AuditConnection,
  what: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  try {
    const { rows } = await connection.query(text, [...values])
    return rows as readonly Row[]
  } catch (cause) {
    if (isMissing(sqlStateOf(cause)))
      throw new HoldfastError('HOLDFAST_CONFIG_INVALID', `${what} is not there, or is not as this version needs it`, {
        cause,
      })
    throw new HoldfastError('HOLDFAST_STORE_UNAVAILABLE', `${what} cannot be read`, {
      cause,
      retriable: true,
    })
  }
}
