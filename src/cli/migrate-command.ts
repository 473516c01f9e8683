import type { HoldfastConfig } from 'holdfast'
import { HoldfastError } from 'holdfast'
import { postgresDedupeSql, postgresLockSql, postgresOutboxSql } from 'holdfast/postgres'
import type { DatabaseAddress } from './database-address.ts'
import { databaseAddress } from './database-address.ts'
import { databaseFailure } from './database-failure.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, untilStopped } from './load-configuration.ts'
import type { DedupeTableName } from './migrate-dedupe-table.ts'
import { migrateDedupeTable } from './migrate-dedupe-table.ts'
import { migrateLockSequence } from './migrate-lock-sequence.ts'
import type { OutboxName } from './migrate-outbox.ts'
import { migrateOutbox } from './migrate-outbox.ts'
import type { Migration, MigrationProgress } from './migration.ts'
import { migrateTogether } from './migration.ts'
import { paintFor } from './paint.ts'
import type { PgClientClass } from './pg-client.ts'
import { loadPg, pgClient } from './pg-client.ts'
import { printable } from './printable.ts'
import type { CliSurroundings } from './surroundings.ts'

/** What `holdfast postgres migrate` takes. */
export interface MigrateOptions {
  readonly config?: string
  readonly databaseUrl?: string
  readonly schema?: string
  readonly table?: string
  readonly outbox?: boolean
  readonly outboxTable?: string
  readonly keepSent?: boolean
  readonly lock?: boolean
  readonly print?: boolean
  readonly json?: boolean
}

/** Said where the answer to the commit is missing. */
const UNKNOWN = '; nobody knows whether the table was made: run it again'

/** Makes the table of stores and inboxes, the outbox and the sequence of locks where they are asked for, or prints the SQL that does. */
export async function migrateCommand(options: MigrateOptions, surroundings: CliSurroundings): Promise<number> {
  const { output, environment, folder } = surroundings
  const { config } = await loadConfiguration(surroundings, options.config)
  const wanted = wantedOf(options, config)
  const { dedupe, outbox, lock } = wanted
  // Refuses names that do not fit, before anything is connected to.
  const sql = [
    postgresDedupeSql(dedupe),
    ...(outbox === null ? [] : [postgresOutboxSql(outbox)]),
    ...(lock ? [postgresLockSql({ schema: dedupe.schema })] : []),
  ].join('')
  if (options.print === true) {
    const shown = { ...dedupe, ...(outbox !== null && { outbox }), ...(lock && { lock }), sql }
    output.write(options.json === true ? `${JSON.stringify(shown, null, 2)}\n` : sql)
    return EXIT.fine
  }
  const address = databaseAddress(options.databaseUrl, environment, config)
  const migrated = await migrate(await loadPg(folder), address, wanted, surroundings)
  output.write(
    options.json === true
      ? `${JSON.stringify(jsonOf(migrated, address), null, 2)}\n`
      : printable(reportOf(migrated, address)),
  )
  return EXIT.fine
}

/** What is to be there. */
interface Wanted {
  readonly dedupe: DedupeTableName
  readonly outbox: OutboxName | null
  readonly lock: boolean
}

/** What came of it. */
interface Migrated {
  readonly dedupe: Migration
  readonly outbox: Migration | null
  readonly lock: Migration | null
}

function wantedOf(options: MigrateOptions, { postgres }: HoldfastConfig): Wanted {
  const schema = options.schema ?? postgres?.schema ?? 'public'
  const keepSent = options.keepSent ?? postgres?.outbox?.keepSent ?? false
  const withOutbox = [options.outbox, options.keepSent, options.outboxTable, postgres?.outbox].some(
    (each) => each !== undefined,
  )
  return {
    dedupe: { schema, table: options.table ?? postgres?.table ?? 'holdfast_dedupe' },
    outbox: withOutbox
      ? { schema, table: options.outboxTable ?? postgres?.outbox?.table ?? 'holdfast_outbox', keepSent }
      : null,
    lock: options.lock ?? false,
  }
}

async function migrate(
  Client: PgClientClass,
  address: DatabaseAddress,
  { dedupe, outbox, lock }: Wanted,
  { signal, errors, environment }: CliSurroundings,
): Promise<Migrated> {
  const progress: MigrationProgress = { committing: false }
  let client: InstanceType<PgClientClass> | null = null
  try {
    client = pgClient(Client, address.url, 'holdfast postgres migrate')
    await untilStopped(client.connect(), signal)
    const connected = client
    const work = async (): Promise<Migrated> => ({
      dedupe: await migrateDedupeTable(connected, dedupe),
      outbox: outbox === null ? null : await migrateOutbox(connected, outbox),
      lock: lock ? await migrateLockSequence(connected, dedupe.schema) : null,
    })
    return await untilStopped(migrateTogether(connected, progress, work), signal)
  } catch (error) {
    if (!signal.aborted)
      throw HoldfastError.is(error) ? error : databaseFailure(error, address, progress.committing ? UNKNOWN : '')
    const what = progress.committing ? UNKNOWN.slice(2) : 'nothing was changed'
    errors.write(`${paintFor(errors, environment).bad('stopped')}: ${what}\n`)
    throw error
  } finally {
    // Not waited for: a server that does not answer would hold up the end. Without its connection an open transaction is rolled back.
    client?.end().catch(() => {})
  }
}

function jsonOf({ dedupe, outbox, lock }: Migrated, { shown }: DatabaseAddress): unknown {
  return {
    database: shown,
    table: dedupe.name,
    made: dedupe.made,
    ...(outbox !== null && { outbox: { table: outbox.name, made: outbox.made } }),
    ...(lock !== null && { lock: { sequence: lock.name, made: lock.made } }),
  }
}

function reportOf({ dedupe, outbox, lock }: Migrated, { shown }: DatabaseAddress): string {
  return [dedupe, outbox, lock]
    .filter((each) => each !== null)
    .map(({ name, made }) => {
      const what = made.length === 0 ? `${name} is there already, as it should be` : `made ${listOf(made)} of ${name}`
      return `${what} (${shown})\n`
    })
    .join('')
}

function listOf(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
