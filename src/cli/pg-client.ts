import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { unfit } from './load-configuration.ts'

/** The part of a pg `Client` that is used here. */
export interface PgClient {
  connect(): Promise<void>
  query(
    text: string,
    values?: unknown[],
  ): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** pg's `Client`. */
export type PgClientClass = new (options: {
  readonly connectionString: string
  readonly application_name: string
  readonly connectionTimeoutMillis: number
}) => PgClient

/** A server that does not answer the connection for so long is out. */
const CONNECT_WITHIN_MS = 10_000

/** A client that is not connected yet. @param name - what the server calls it */
export function pgClient(Client: PgClientClass, url: string, name: string): PgClient {
  const client = new Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
  })
  client.on('error', () => {}) // a connection that breaks between two statements: the next one tells
  return client
}

/**
 * The pg that the service itself uses, else one that was installed beside this package: it is no dependency of it.
 *
 * @throws HOLDFAST_CONFIG_INVALID when there is none.
 */
export async function loadPg(folder: string): Promise<PgClientClass> {
  const own = ownPg(folder)
  try {
    const loaded: unknown = await (own === null ? import('pg') : import(pathToFileURL(own).href))
    const { Client } = ((loaded as { readonly default?: unknown }).default ?? loaded) as {
      readonly Client: PgClientClass
    }
    return Client
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ERR_MODULE_NOT_FOUND') throw error
    throw unfit('the PostgreSQL client is not installed', [
      { path: 'pg', message: 'npm install pg (8 or later), or --print the SQL and run it by another client' },
    ])
  }
}

function ownPg(folder: string): string | null {
  try {
    return createRequire(join(folder, 'package.json')).resolve('pg')
  } catch {
    return null
  }
}
