import { HoldfastError } from 'holdfast'
import { postgresDedupeSql, postgresDedupeStore } from 'holdfast/postgres'
import { unfit } from './load-configuration.ts'
import type { PgClient } from './pg-client.ts'

/** Which table. */
export interface DedupeTableName {
  readonly schema: string
  readonly table: string
}

/** What a migration did. */
export interface Migration {
  /** As SQL names it, quoted where it has to be. */
  readonly table: string
  /** What was not there before; nothing when all was. */
  readonly made: readonly ('table' | 'index')[]
}

/** How far a migration is: what is to be said when it is stopped. */
export interface MigrationProgress {
  /** From here on nobody knows whether it is kept, until the server has answered. */
  committing: boolean
}

/** All migrations of Holdfast in a database wait for each other here. Drawn once. */
const LOCK = '7520468213908417261'
/** An index of a table that is in use waits for the transactions that write to it, and all others then wait for the index. */
const LOCK_TIMEOUT_MS = 5_000

/**
 * Makes the table of stores and inboxes where it is not there, in one transaction under an advisory lock: of several at the same time one makes it,
 * and the others find it. Looks at the catalog first: making an index "if it is not there" would make every writer of the table wait. A crash
 * before the commit leaves nothing.
 *
 * @throws HOLDFAST_CONFIG_INVALID when the schema is not there, or something else has the table's name; what the client throws.
 */
export async function migrateDedupeTable(
  client: PgClient,
  name: DedupeTableName,
  progress: MigrationProgress,
): Promise<Migration> {
  await client.query('begin')
  await client.query('select pg_advisory_xact_lock($1::bigint)', [LOCK])
  await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  const before = await look(client, name)
  if (!before.schema)
    throw unfit('the table cannot be made', [
      { path: 'schema', message: `${before.shown} is in a schema that is not there: create it first` },
    ])
  if (before.table) await checkTable(client, name, before.shown)
  if (!before.table || !before.index) await client.query(postgresDedupeSql(name))
  const after = await look(client, name)
  progress.committing = true
  await client.query('commit')
  progress.committing = false
  return { table: before.shown, made: (['table', 'index'] as const).filter((each) => !before[each] && after[each]) }
}

interface Look {
  readonly shown: string
  readonly schema: boolean
  readonly table: boolean
  readonly index: boolean
}

async function look(client: PgClient, { schema, table }: DedupeTableName): Promise<Look> {
  const { rows } = await client.query(
    `select format('%I.%I', $1::text, $2::text) as shown,
  exists (select from pg_namespace where nspname = $1) as schema,
  exists (select from pg_class c where c.relname = $2 and c.relnamespace = n.oid) as table,
  exists (
    select from pg_class c join pg_index i on i.indrelid = c.oid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where c.relname = $2 and c.relnamespace = n.oid and a.attname = 'purge_after'
  ) as index
from (select (select oid from pg_namespace where nspname = $1) as oid) as n`,
    [schema, table],
  )
  return rows[0] as Look
}

/** @throws HOLDFAST_CONFIG_INVALID when what has the name is not what stores and inboxes need */
async function checkTable(client: PgClient, name: DedupeTableName, shown: string): Promise<void> {
  try {
    await postgresDedupeStore(client, { ...name, purgeEveryMs: false }).check?.()
  } catch (error) {
    if (HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw error.cause
    throw unfit('the table cannot be made', [
      { path: 'table', message: `${shown} is there, and is not the table of stores and inboxes: take another name` },
    ])
  }
}
