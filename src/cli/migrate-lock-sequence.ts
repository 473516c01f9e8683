import { postgresLockSql } from 'holdfast/postgres'
import { unfit } from './load-configuration.ts'
import type { Migration } from './migration.ts'
import type { PgClient } from './pg-client.ts'

/** The sequence that fencing tokens of locks are drawn from. */
const SEQUENCE = 'holdfast_lock_token'

/**
 * Makes the sequence of locks where it is not there.
 *
 * @throws HOLDFAST_CONFIG_INVALID when something else has its name, or it hands out stocks of tokens; what the client throws.
 */
export async function migrateLockSequence(client: PgClient, schema: string): Promise<Migration> {
  const before = await look(client, schema)
  if (before.there && before.fit !== true)
    throw unfit('the sequence of locks cannot be made', [
      { path: 'lock', message: `${before.shown} is there, and is no sequence that hands out one at a time` },
    ])
  if (!before.there) await client.query(postgresLockSql({ schema }))
  return { name: before.shown, made: before.there ? [] : ['sequence'] }
}

interface Look {
  readonly shown: string
  readonly there: boolean
  readonly fit: boolean | null
}

async function look(client: PgClient, schema: string): Promise<Look> {
  const { rows } = await client.query(
    `select shown, to_regclass(shown) is not null as there,
  (select seqcache = 1 and not seqcycle from pg_sequence where seqrelid = to_regclass(shown)) as fit
from (select format('%I.%I', $1::text, $2::text) as shown) as each`,
    [schema, SEQUENCE],
  )
  return rows[0] as Look
}
