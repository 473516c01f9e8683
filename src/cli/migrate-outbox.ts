import type { Problem } from 'holdfast'
import { HoldfastError } from 'holdfast'
import { postgresOutbox, postgresOutboxNames, postgresOutboxSql } from 'holdfast/postgres'
import { unfit } from './load-configuration.ts'
import type { Migration } from './migration.ts'
import type { PgClient } from './pg-client.ts'

/** Which outbox. */
export interface OutboxName {
  readonly schema: string
  readonly table: string
  /** Also what keeps rows that were sent. */
  readonly keepSent: boolean
}

/**
 * Makes an outbox, or what it lacks. Looks at the catalog first: making an index "if it is not there" would make every enqueue wait.
 *
 * @throws HOLDFAST_CONFIG_INVALID when the schema is not there, something else has a name of it, or its sequence could break the order of keys; what
 * the client throws.
 */
export async function migrateOutbox(client: PgClient, name: OutboxName): Promise<Migration> {
  const before = await look(client, name)
  const { shown } = before
  if (!before.schema) throw cannotBeMade('schema', `${shown} is in a schema that is not there: create it first`)
  if (before.there.table && !before.isOurs)
    throw cannotBeMade('outbox', `${shown} is there, and is no outbox of this version: take another name`)
  const parts = Object.entries(before.there).filter(([part]) => name.keepSent || !OF_SENT_ROWS.includes(part))
  if (parts.some(([, isThere]) => !isThere)) await client.query(postgresOutboxSql(name))
  await check(client, name)
  return { name: shown, made: parts.filter(([, isThere]) => !isThere).map(([part]) => part) }
}

/** What an outbox is made of, as it is said, and whether it is there. */
interface Parts {
  readonly sequence: boolean
  readonly table: boolean
  readonly 'index of parked rows': boolean
  readonly buckets: boolean
  readonly workers: boolean
  readonly 'sent rows': boolean
  readonly 'indexes of sent rows': boolean
  readonly 'index of keys': boolean
}

const OF_SENT_ROWS: readonly string[] = ['sent rows', 'indexes of sent rows', 'index of keys']

interface Look {
  readonly shown: string
  readonly schema: boolean
  /** The table has the columns of an outbox. */
  readonly isOurs: boolean
  readonly there: Parts
}

async function look(client: PgClient, { schema, table }: OutboxName): Promise<Look> {
  const { sequence, outbox, buckets, workers, sent } = postgresOutboxNames({ schema, table })
  const { rows } = await client.query(
    `select format('%I.%I', $1::text, $2::text) as shown,
  exists (select from pg_namespace where nspname = $1) as schema,
  (
    select count(*) = 3 from pg_attribute
    where attrelid = outbox and attname in ('message_id', 'previous_id', 'parked_reason') and not attisdropped
  ) as "isOurs",
  json_build_object(
    'sequence', sequence is not null,
    'table', outbox is not null,
    'index of parked rows', exists (select from pg_index where indrelid = outbox and indpred is not null),
    'buckets', buckets is not null,
    'workers', workers is not null,
    'sent rows', sent is not null,
    'indexes of sent rows', (select count(*) = 2 from pg_index where indrelid = sent and not indisprimary),
    'index of keys', exists (select from pg_index where indrelid = outbox and indexprs is not null)
  ) as there
from (
  select to_regclass($3) as sequence, to_regclass($4) as outbox, to_regclass($5) as buckets, to_regclass($6) as workers, to_regclass($7) as sent
) as each`,
    [schema, table, sequence, outbox, buckets, workers, sent],
  )
  return rows[0] as Look
}

/** @throws HOLDFAST_CONFIG_INVALID when what is there now is not what an outbox needs */
async function check(client: PgClient, { schema, table, keepSent }: OutboxName): Promise<void> {
  const pool = client as unknown as Parameters<typeof postgresOutbox>[0] // it is asked, and nothing is taken from it
  try {
    await postgresOutbox(pool, { schema, table, ...(keepSent && { keepSentMs: 1 }) }).check()
  } catch (error) {
    if (HoldfastError.is(error, 'HOLDFAST_STORE_UNAVAILABLE')) throw error.cause
    if (!HoldfastError.is(error, 'HOLDFAST_CONFIG_INVALID')) throw error
    throw unfit('the outbox cannot be made', error.problems)
  }
}

function cannotBeMade(path: Problem['path'], message: string): HoldfastError {
  return unfit('the outbox cannot be made', [{ path, message }])
}
