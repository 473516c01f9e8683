import type { HoldfastConfig, OutboxOperations } from 'holdfast'
import { HoldfastError } from 'holdfast'
import type { PgPool, PgResult } from 'holdfast/postgres'
import { postgresOutbox } from 'holdfast/postgres'
import type { DatabaseAddress } from './database-address.ts'
import { databaseFailure } from './database-failure.ts'
import { untilStopped } from './load-configuration.ts'
import type { PgClient } from './pg-client.ts'
import { loadPg, pgClient } from './pg-client.ts'
import type { CliSurroundings } from './surroundings.ts'

/** Which outbox. */
export interface OutboxName {
  readonly schema: string
  readonly table: string
}

/** The outbox that flags name, else the configuration. */
export function outboxName(
  flags: { readonly schema?: string; readonly outboxTable?: string },
  { postgres }: HoldfastConfig,
): OutboxName {
  return {
    schema: flags.schema ?? postgres?.schema ?? 'public',
    table: flags.outboxTable ?? postgres?.outbox?.table ?? 'holdfast_outbox',
  }
}

/**
 * Connects, does something with what an operator can do, and lets go whatever happens.
 *
 * @throws HOLDFAST_CONFIG_INVALID when the outbox is not there; HOLDFAST_STORE_UNAVAILABLE, without secrets.
 */
export async function withOutbox<T>(
  address: DatabaseAddress,
  name: OutboxName,
  { folder, signal }: Pick<CliSurroundings, 'folder' | 'signal'>,
  work: (operations: OutboxOperations) => Promise<T>,
): Promise<T> {
  const Client = await loadPg(folder)
  const client = pgClient(Client, address.url, 'holdfast outbox')
  try {
    await untilStopped(client.connect(), signal)
    return await untilStopped(operationsOn(client, name).then(work), signal)
  } catch (error) {
    if (signal.aborted) throw error
    if (HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw databaseFailure(error.cause, address)
    throw HoldfastError.is(error) ? error : databaseFailure(error, address)
  } finally {
    // Not waited for: a server that does not answer would hold up the end. Without its connection an open transaction is rolled back.
    client.end().catch(() => {})
  }
}

/** Discarded rows are kept where there is a table of sent rows. */
async function operationsOn(client: PgClient, name: OutboxName): Promise<OutboxOperations> {
  const pool = poolOf(client)
  const keeping = postgresOutbox(pool, { ...name, keepSentMs: 1, purgeEveryMs: false })
  try {
    await keeping.check()
    return keeping.operations
  } catch (error) {
    if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
    const plain = postgresOutbox(pool, name)
    await plain.check()
    return plain.operations
  }
}

/** One connection, where an outbox takes a pool. */
function poolOf(client: PgClient): PgPool {
  const query = (text: string, values?: unknown[]): Promise<PgResult> => client.query(text, values) as Promise<PgResult>
  const taken = { query, release() {}, on: () => taken, removeListener: () => taken }
  return {
    query,
    connect: (callback?: unknown) =>
      typeof callback === 'function' ? callback(undefined, taken) : Promise.resolve(taken),
  } as PgPool
}
