import { HoldfastError } from 'holdfast'
import { postgresDedupeSql } from 'holdfast/postgres'
import type { DatabaseAddress } from './database-address.ts'
import { databaseAddress } from './database-address.ts'
import { databaseFailure } from './database-failure.ts'
import { EXIT } from './exit-codes.ts'
import { loadConfiguration, untilStopped } from './load-configuration.ts'
import type { DedupeTableName, Migration, MigrationProgress } from './migrate-dedupe-table.ts'
import { migrateDedupeTable } from './migrate-dedupe-table.ts'
import { paintFor } from './paint.ts'
import type { PgClientClass } from './pg-client.ts'
import { loadPg } from './pg-client.ts'
import { printable } from './printable.ts'
import type { CliSurroundings } from './surroundings.ts'

/** What `holdfast postgres migrate` takes. */
export interface MigrateOptions {
  readonly config?: string
  readonly databaseUrl?: string
  readonly schema?: string
  readonly table?: string
  readonly print?: boolean
  readonly json?: boolean
}

/** A server that does not answer the connection for so long is out. */
const CONNECT_WITHIN_MS = 10_000
/** Said where the answer to the commit is missing. */
const UNKNOWN = '; nobody knows whether the table was made: run it again'

/** Makes the table of stores and inboxes, or prints the SQL that does. */
export async function migrateCommand(options: MigrateOptions, surroundings: CliSurroundings): Promise<number> {
  const { output, environment, folder } = surroundings
  const { config } = await loadConfiguration(surroundings, options.config)
  const name: DedupeTableName = {
    schema: options.schema ?? config.postgres?.schema ?? 'public',
    table: options.table ?? config.postgres?.table ?? 'holdfast_dedupe',
  }
  const sql = postgresDedupeSql(name) // refuses names that do not fit, before anything is connected to
  if (options.print === true) {
    output.write(options.json === true ? `${JSON.stringify({ ...name, sql }, null, 2)}\n` : sql)
    return EXIT.fine
  }
  const address = databaseAddress(options.databaseUrl, environment, config)
  const migration = await migrate(await loadPg(folder), address, name, surroundings)
  output.write(
    options.json === true
      ? `${JSON.stringify({ database: address.shown, ...migration }, null, 2)}\n`
      : printable(report(migration, address)),
  )
  return EXIT.fine
}

async function migrate(
  Client: PgClientClass,
  address: DatabaseAddress,
  name: DedupeTableName,
  { signal, errors, environment }: CliSurroundings,
): Promise<Migration> {
  const progress: MigrationProgress = { committing: false }
  let client: InstanceType<PgClientClass> | null = null
  try {
    client = new Client({
      connectionString: address.url,
      application_name: 'holdfast postgres migrate',
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
    })
    client.on('error', () => {}) // a connection that breaks between two statements: the next one tells
    await untilStopped(client.connect(), signal)
    return await untilStopped(migrateDedupeTable(client, name, progress), signal)
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

function report({ table, made }: Migration, { shown }: DatabaseAddress): string {
  const what =
    made.length === 0 ? `${table} is there already, as it should be` : `made ${made.join(' and ')} of ${table}`
  return `${what} (${shown})\n`
}
