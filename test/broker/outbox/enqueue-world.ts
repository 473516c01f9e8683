import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CamelCasePlugin, CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import type { Outbox, OutboxMessage, OutboxStore } from '../../../src/outbox/index.ts'
import { createOutbox } from '../../../src/outbox/index.ts'
import { decodeHeaders } from '../../../src/outbox/postgres/header-bytes.ts'
import { outboxNames } from '../../../src/outbox/postgres/outbox-table.ts'
import type { PostgresOutboxOptions } from '../../../src/postgres.ts'
import {
  drizzleOutbox,
  knexOutbox,
  kyselyOutbox,
  postgresOutbox,
  postgresOutboxSql,
  prismaOutbox,
} from '../../../src/postgres.ts'
import { noTelemetry } from '../../../src/telemetry/index.ts'
import { bytes, defineTopic } from '../../../src/topic/index.ts'
import { createPrismaClient } from '../stores/prisma-client.ts'
import { breakablePool } from '../stores/inbox-world.ts'
import { fresh } from '../stores/world.ts'

/** Orders, keyed by their id. */
export const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.string() }), key: (event) => event.id })
/** Any bytes; the key is what stands before the first colon, or the text `none`. */
export const blobs = defineTopic({
  name: 'blobs',
  codec: bytes(),
  key: (value) => (value.indexOf(0x3a) > 0 ? value.subarray(0, value.indexOf(0x3a)) : 'none'),
})
/** No keys. */
export const ticks = defineTopic({ name: 'ticks', schema: z.object({ n: z.number() }), key: 'none' })

/** A database client, with an outbox on it. */
export interface Subject {
  readonly store: OutboxStore<unknown>
  /** What is no transaction: pool, instance, client. */
  readonly database: unknown
  /** Runs work in a transaction of the client's own. */
  transaction<T>(work: (tx: unknown) => Promise<T>): Promise<T>
  /** Runs work in a savepoint of a transaction: rolled back when it rejects. */
  savepoint(tx: unknown, work: (tx: unknown) => Promise<unknown>): Promise<unknown>
  run(tx: unknown, statement: string): Promise<unknown>
  close(): Promise<unknown>
}

/** A pg pool whose clients do not tell of their transaction, as before pg 8.17. */
class OldClient extends pg.Client {
  override getTransactionStatus = undefined as never
}

/** By hand: the subject that a savepoint of SQL makes. */
async function inSavepoint(
  run: (statement: string) => Promise<unknown>,
  work: () => Promise<unknown>,
): Promise<unknown> {
  await run('savepoint s')
  try {
    const value = await work()
    await run('release savepoint s')
    return value
  } catch (error) {
    await run('rollback to savepoint s')
    throw error
  }
}

function pgSubject(url: string, options: PostgresOutboxOptions, Client?: typeof OldClient): Subject {
  const pool =
    Client === undefined ? breakablePool(url) : new pg.Pool({ connectionString: url, Client } as pg.PoolConfig)
  const run: Subject['run'] = (tx, statement) => (tx as pg.PoolClient).query(statement)
  return {
    store: postgresOutbox(pool, options) as OutboxStore<unknown>,
    database: pool,
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const value = await work(client)
        await client.query('commit')
        return value
      } catch (error) {
        await client.query('rollback')
        throw error
      } finally {
        client.release()
      }
    },
    savepoint: (tx, work) =>
      inSavepoint(
        (statement) => run(tx, statement),
        () => work(tx),
      ),
    run,
    close: () => pool.end(),
  }
}

/** The clients of PostgreSQL that an outbox knows. */
export const subjects: Readonly<Record<string, (url: string, options: PostgresOutboxOptions) => Subject>> = {
  pg: (url, options) => pgSubject(url, options),
  'pg of before 8.17': (url, options) => pgSubject(url, options, OldClient),
  kysely(url, options) {
    const dialect = new PostgresDialect({ pool: breakablePool(url) })
    const db = new Kysely<Record<string, never>>({ dialect, plugins: [new CamelCasePlugin()] })
    const run: Subject['run'] = (tx, statement) => (tx as typeof db).executeQuery(CompiledQuery.raw(statement))
    return {
      store: kyselyOutbox(db, options) as OutboxStore<unknown>,
      database: db,
      transaction: (work) => db.transaction().execute(work),
      savepoint: (tx, work) =>
        inSavepoint(
          (statement) => run(tx, statement),
          () => work(tx),
        ),
      run,
      close: () => db.destroy(),
    }
  },
  knex(url, options) {
    const db = knex({ client: 'pg', connection: url })
    return {
      store: knexOutbox(db, options) as OutboxStore<unknown>,
      database: db,
      transaction: (work) => db.transaction(work),
      savepoint: (tx, work) => (tx as typeof db).transaction(work),
      run: async (tx, statement) => (tx as typeof db).raw(statement),
      close: () => db.destroy(),
    }
  },
  drizzle(url, options) {
    const pool = breakablePool(url)
    const db = drizzle(pool)
    return {
      store: drizzleOutbox(db, drizzleSql, options) as OutboxStore<unknown>,
      database: db,
      transaction: (work) => db.transaction(work),
      savepoint: (tx, work) => (tx as typeof db).transaction(work),
      run: (tx, statement) => (tx as typeof db).execute(drizzleSql.raw(statement)),
      close: () => pool.end(),
    }
  },
  prisma(url, options) {
    const prisma = createPrismaClient(url)
    const run: Subject['run'] = (tx, statement) => (tx as typeof prisma).$executeRawUnsafe(statement)
    return {
      store: prismaOutbox(prisma, options) as OutboxStore<unknown>,
      database: prisma,
      transaction: (work) => prisma.$transaction(work),
      savepoint: (tx, work) =>
        inSavepoint(
          (statement) => run(tx, statement),
          () => work(tx),
        ),
      run,
      close: () => prisma.$disconnect(),
    }
  },
}

/** A row as it lies there. */
export interface StoredRow extends OutboxMessage {
  readonly rowId: bigint
  readonly bucket: number
  readonly previousId: bigint | null
}

/** An outbox of a test's own. */
export interface EnqueueWorld extends Subject {
  readonly outbox: Outbox<unknown>
  readonly names: ReturnType<typeof outboxNames>
  /** In the order of their ids. */
  rows(): Promise<readonly StoredRow[]>
}

/** Makes an outbox on a client, with tables of its own. @param admin - looks on */
export async function enqueueWorld(
  admin: pg.Pool,
  url: string,
  make: (url: string, options: PostgresOutboxOptions) => Subject = subjects['pg']!,
  options: PostgresOutboxOptions = {},
): Promise<EnqueueWorld> {
  const { schema, table = fresh('outbox') } = options
  const where = { ...(schema !== undefined && { schema }), table }
  await admin.query(postgresOutboxSql({ ...where, keepSent: options.keepSentMs !== undefined }))
  const subject = make(url, { ...options, table })
  onTestFinished(async () => void (await subject.close()))
  const names = outboxNames(where)
  return {
    ...subject,
    names,
    outbox: createOutbox({ store: subject.store, source: 'shop', telemetry: noTelemetry }),
    async rows() {
      const { rows } = await admin.query<Record<string, never>>(`select * from ${names.outbox} order by id`)
      return rows.map((row) => ({
        rowId: BigInt(row['id']!),
        bucket: Number(row['bucket']),
        id: row['message_id']!,
        topic: row['topic']!,
        key: row['key']!,
        value: row['value']!,
        headers: decodeHeaders(row['headers']!),
        timestamp: BigInt(row['timestamp']!),
        ...(row['partition'] !== null && { partition: Number(row['partition']) }),
        previousId: row['previous_id'] === null ? null : BigInt(row['previous_id']!),
      }))
    },
  }
}
