import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { onTestFinished } from 'vitest'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import { startPostgresServer } from '../../../scripts/services/postgres.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Query } from '../../../src/database/index.ts'
import type { OutboxMessage } from '../../../src/outbox/index.ts'
import { keyPlace } from '../../../src/outbox/index.ts'
import { encodeHeaders } from '../../../src/outbox/postgres/header-bytes.ts'
import { outboxNames, outboxTableSql } from '../../../src/outbox/postgres/outbox-table.ts'
import type {
  PostgresRelayStore,
  PostgresRelayStoreOptions,
} from '../../../src/outbox/postgres/postgres-relay-store.ts'
import { createPostgresRelayStore } from '../../../src/outbox/postgres/postgres-relay-store.ts'
import { fresh } from '../stores/world.ts'

/** A server of a test file's own. */
export function startServer(): Promise<PostgresServer> {
  return startPostgresServer(() => {}, { max_prepared_transactions: '4' })
}

/** An outbox of a test's own. */
export interface OutboxWorld {
  readonly table: string
  readonly names: ReturnType<typeof outboxNames>
  readonly pool: pg.Pool
  readonly query: Query
  readonly store: PostgresRelayStore
  /** Another one on the same tables. */
  another(options?: Partial<PostgresRelayStoreOptions>): PostgresRelayStore
  /** Inserts rows as an enqueue does, in a transaction of its own where no client is given: returns their ids. */
  insert(rows: readonly Partial<OutboxMessage>[], client?: pg.Pool | pg.PoolClient): Promise<bigint[]>
  rows(): Promise<readonly StoredRow[]>
}

/** A row as it lies there. */
export interface StoredRow {
  readonly bucket: number
  readonly id: string
  readonly message_id: string
  readonly topic: string
  readonly key: Buffer | null
  readonly parked_at: Date | null
  readonly parked_code: string | null
  readonly parked_reason: string | null
}

/** Makes an outbox. */
export async function outboxWorld(
  pool: pg.Pool,
  given: Partial<PostgresRelayStoreOptions> = {},
  query: Query = queryOf(pool),
): Promise<OutboxWorld> {
  const table = fresh('outbox')
  const where = { table }
  const names = outboxNames(where)
  await pool.query(outboxTableSql({ table, keepSent: given.keepSentMs !== undefined && given.keepSentMs !== null }))
  const another: OutboxWorld['another'] = (options = {}) =>
    createPostgresRelayStore({
      where,
      query,
      keepSentMs: null,
      purgeEveryMs: false,
      listenOn: null,
      runtime: systemRuntime,
      ...given,
      ...options,
    })
  return {
    table,
    names,
    pool,
    query,
    store: another(),
    another,
    insert: (rows, client = pool) => insertRows(client, names.outbox, rows),
    async rows() {
      const { rows } = await pool.query<StoredRow>(
        `select bucket, id::text, message_id, topic, key, parked_at, parked_code, parked_reason from ${names.outbox} order by id`,
      )
      return rows
    },
  }
}

let counter = 0

async function insertRows(
  client: pg.Pool | pg.PoolClient,
  outbox: string,
  rows: readonly Partial<OutboxMessage>[],
): Promise<bigint[]> {
  const ids: bigint[] = []
  for (const row of rows) {
    const { topic = 'orders', key = Buffer.from('k'), value = Buffer.from('v'), headers = [] } = row
    const bucket = key === null ? 0 : keyPlace(topic, key).bucket
    const values = [
      bucket,
      row.id ?? `m${++counter}`,
      topic,
      key,
      value,
      encodeHeaders(headers),
      String(row.timestamp ?? 1n),
      row.partition ?? null,
    ]
    const { rows: inserted } = await client.query<{ id: string }>(
      `insert into ${outbox} (bucket, message_id, topic, key, value, headers, "timestamp", partition)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning id::text`,
      values,
    )
    ids.push(BigInt(inserted[0]!.id))
  }
  return ids
}

/** Statements of a pool, each by itself. */
export function queryOf(pool: Pick<pg.Pool, 'query'>): Query {
  return async (statement, values) => (await pool.query(statement, [...values])).rows as readonly unknown[]
}

/** A connection for a transaction that stays open: given back, or ended, after the test. */
export async function heldClient(pool: pg.Pool): Promise<pg.PoolClient> {
  const client = await pool.connect()
  onTestFinished(() => client.release(true))
  return client
}

/** A key that lies in a bucket. */
export function keyIn(bucket: number, topic = 'orders', nth = 0): Buffer {
  for (let i = 0, found = 0; ; i++) {
    const key = Buffer.from(`key-${i}`)
    if (keyPlace(topic, key).bucket === bucket && found++ === nth) return key
  }
}

/** Waits until what is asked for is so. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(2)
}

/** Waits until so many statements wait for a lock. */
export function untilBlocked(pool: pg.Pool, statements = 1): Promise<void> {
  return until(async () => {
    const { rows } = await pool.query<{ blocked: number }>(
      `select count(*)::integer as blocked from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    )
    return rows[0]!.blocked >= statements
  })
}

/** What a statement of a store costs, as PostgreSQL tells it. */
export interface Explained {
  readonly plan: string
  /** Blocks that it looked at. */
  readonly blocks: number
}

/** Explains the statement that a call makes, by running it and taking it back. */
export async function explain(
  world: OutboxWorld,
  call: (store: PostgresRelayStore) => Promise<unknown>,
): Promise<Explained> {
  const calls: Array<readonly [string, readonly unknown[]]> = []
  await call(
    world.another({
      query: (...made) => {
        calls.push(made)
        return Promise.reject(new Error('to be explained'))
      },
    }),
  ).catch(() => {})
  const [statement, values] = calls[0]!
  const client = await world.pool.connect()
  try {
    await client.query('begin')
    const { rows } = await client.query<Record<'QUERY PLAN', string>>(`explain (analyze, buffers) ${statement}`, [
      ...values,
    ])
    const lines = rows.map((row) => row['QUERY PLAN'])
    const plan = lines.join('\n')
    const [, hit = '0', read = '0'] = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan) ?? []
    return { plan, blocks: Number(hit) + Number(read) }
  } finally {
    await client.query('rollback')
    client.release()
  }
}
