import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { PostgresPool } from '../../../src/postgres.ts'
import { postgresDedupeSql, postgresDedupeStore } from '../../../src/postgres.ts'
import { dedupeStoreConformance, virtualRuntime } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { fresh, realTime, startStores } from './world.ts'

let services: Services
let pool: pg.Pool
let other: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  pool = new pg.Pool({ connectionString: services.postgres!.url })
  other = new pg.Pool({ connectionString: services.postgres!.url })
})
afterAll(async () => {
  await Promise.all([pool?.end(), other?.end()])
  await services.close()
})

async function madeTable(): Promise<{ readonly table: string }> {
  const where = { table: fresh('dedupe') }
  await pool.query(postgresDedupeSql(where))
  return where
}

dedupeStoreConformance({
  name: 'the Postgres store',
  describe: describe.concurrent, // most of it is waiting for times to run out
  test,
  leaseMs: 400,
  ttlMs: 8_000,
  async create() {
    const options = { ...(await madeTable()), ttlMs: 8_000 }
    return {
      store: postgresDedupeStore(pool, options),
      otherStore: postgresDedupeStore(other, options),
      ...realTime,
      close: async () => {},
    }
  },
})

async function handle(store: ReturnType<typeof postgresDedupeStore>, id: string): Promise<void> {
  const begun = await store.begin(id, { leaseMs: 1_000 })
  if (begun.kind !== 'started') throw new Error(`${id} is ${begun.kind}`)
  await store.complete(begun.token, 'handled')
}

test('the SQL may be run again, and takes any name of a schema or table as it is', async () => {
  const where = { schema: `it's "so" ${fresh('s')}`, table: `Ünï"; drop table x; --`.padEnd(50, 'x') }
  await pool.query(`create schema "${where.schema.replaceAll('"', '""')}"`)
  await pool.query(postgresDedupeSql(where))
  await pool.query(postgresDedupeSql(where))
  const store = postgresDedupeStore(pool, where)
  await store.check!()
  await handle(store, 'a')
  expect(await store.begin('a', { leaseMs: 1_000 })).toEqual({ kind: 'done', outcome: 'handled' })
  await store.close()
})

test('a table that is not there is told at the start, with what makes it', async () => {
  const store = postgresDedupeStore(pool, { table: 'nowhere' })
  const refused = await failureOf(store.check!())
  expect(refused.code).toBe('HOLDFAST_CONFIG_INVALID')
  expect(refused.message).toContain('"public"."nowhere" is not there')
  expect((await failureOf(Promise.resolve(store.begin('a', { leaseMs: 1_000 })))).code).toBe(
    'HOLDFAST_STORE_UNAVAILABLE',
  )
})

test('a purge deletes what is past its time, by one runner, and leaves leases and marks that still hold', async () => {
  const where = await madeTable()
  const store = postgresDedupeStore(pool, { ...where, ttlMs: 50 })
  const lasting = postgresDedupeStore(pool, where)
  for (let i = 0; i < 20; i++) await handle(store, `old-${i}`)
  await handle(lasting, 'marked')
  await store.begin('leased', { leaseMs: 60_000 })
  await realTime.tick(1_100) // the lease of each and its time
  const removed = await Promise.all([store.purge(), postgresDedupeStore(other, where).purge()])
  expect(removed.toSorted((a, b) => a - b)).toEqual([0, 20])
  expect((await lasting.begin('marked', { leaseMs: 1_000 })).kind).toBe('done')
  expect((await lasting.begin('leased', { leaseMs: 1_000 })).kind).toBe('busy')
})

test('a purge waits for nobody and nobody for it: a row that is being begun again stays', async () => {
  const where = await madeTable()
  const store = postgresDedupeStore(pool, { ...where, ttlMs: 1 })
  await handle(store, 'a')
  await handle(store, 'b')
  await realTime.tick(1_100)
  const client = await other.connect()
  try {
    await client.query('begin')
    await client.query(
      `select from ${where.table} where purge_after = (select min(purge_after) from ${where.table}) for update`,
    )
    expect(await store.purge()).toBe(1)
    await client.query('rollback')
    expect(await store.purge()).toBe(1)
  } finally {
    client.release()
  }
})

test('a checked store purges from time to time, and no more after its close', async () => {
  const where = await madeTable()
  const runtime = virtualRuntime()
  let purges = 0
  const counting: PostgresPool = {
    async query(text, values) {
      if (text.includes('advisory')) purges++
      return pool.query(text, values)
    },
  }
  const store = postgresDedupeStore(counting, { ...where, runtime, purgeEveryMs: 5_000 })
  await store.check!()
  await runtime.advance(4_999)
  expect(purges).toBe(0)
  await runtime.advance(1)
  expect(purges).toBe(1)
  await store.close()
  await runtime.advance(60_000)
  expect(purges).toBe(1)
})

test('marking a message writes no index anew: its row stays on its page', async () => {
  const where = await madeTable()
  const store = postgresDedupeStore(pool, where)
  for (let i = 0; i < 50; i++) await handle(store, `a-${i}`)
  await pool.query('select pg_stat_force_next_flush()').catch(() => {})
  await realTime.tick(1_100) // a session tells its counts once a second
  const probe = `select n_tup_upd::int as updates, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = $1`
  await handle(store, 'last')
  const { rows } = await pool.query(probe, [where.table])
  expect(rows[0].updates).toBeGreaterThanOrEqual(50)
  expect(rows[0].hot).toBe(rows[0].updates)
})

test('what is no pool and what is no name is refused, all at once', () => {
  const make = (): unknown =>
    postgresDedupeStore({} as PostgresPool, { table: 'x'.repeat(64), schema: '', ttlMs: 0.5, ttl: 1 } as object)
  expect(make).toThrow(/pool: .*\n.*schema: .*\n.*table: .*\n.*ttlMs: .*\n.*ttl: is not an option/)
})
