import type { PgClient } from './pg-client.ts'

/** What a migration did. */
export interface Migration {
  /** Of the table, or the sequence, as SQL names it, quoted where it has to be. */
  readonly name: string
  /** What was not there before; nothing when all was. */
  readonly made: readonly string[]
}

/** How far migrations are: what is to be said when they are stopped. */
export interface MigrationProgress {
  /** From here on nobody knows whether it is kept, until the server has answered. */
  committing: boolean
}

/** All migrations of Holdfast in a database wait for each other here. Drawn once. */
const LOCK = '7520468213908417261'
/** An index of a table that is in use waits for the transactions that write to it, and all others then wait for the index. */
const LOCK_TIMEOUT_MS = 5_000

/**
 * Does what there is to do in one transaction under an advisory lock: of several at the same time one makes it all, and the others find it. A crash
 * before the commit leaves nothing.
 */
export async function migrateTogether<T>(
  client: PgClient,
  progress: MigrationProgress,
  work: () => Promise<T>,
): Promise<T> {
  await client.query('begin')
  await client.query('select pg_advisory_xact_lock($1::bigint)', [LOCK])
  await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
  const done = await work()
  progress.committing = true
  await client.query('commit')
  progress.committing = false
  return done
}
