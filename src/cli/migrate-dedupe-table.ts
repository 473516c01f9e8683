import { HoldfastError } from 'holdfast'
import { postgresDedupeSql, postgresDedupeStore } from 'holdfast/postgres'
import { unfit } from './load-configuration.ts'
import type { Migration } from './migration.ts'
import type { PgClient } from './pg-client.ts'

/** Which table. */
export interface DedupeTableName {
  readonly schema: string
  readonly table: string
}

/**
 * Makes the table of stores and inboxes where it is not there. Looks at the catalog first: making an index "if it is not there" would make every
 * writer of the table wait.
 *
 * @throws HOLDFAST_CONFIG_INVALID when the schema is not there, or something else has the table's name; what the client throws.
 */
export async function migrateDedupeTable(client: PgClient, name: DedupeTableName): Promise<Migration> {
  const before = await look(client, name)
  if (!before.schema)
    throw unfit('the table cannot be made', [
      { path: 'schema', message: `${before.shown} is in a schema that is not there: create it first` },
    ])
  if (before.table) await checkTable(client, name, before.shown)
  if (!before.table || !before.index) await client.query(postgresDedupeSql(name))
  const after = await look(client, name)
  return { name: before.shown, made: (['table', 'index'] as const).filter((each) => !before[each] && after[each]) }
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
