import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import type { OutboxMessage, RowPlace } from '../../../src/outbox/index.ts'
import { BUCKETS } from '../../../src/outbox/index.ts'
import { createPostgresOutboxOperations } from '../../../src/outbox/postgres/postgres-outbox-operations.ts'
import { pgTransactions } from '../../../src/database/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { OutboxWorld } from './relay-store-world.ts'
import { explain, heldClient, keyIn, outboxWorld, startServer } from './relay-store-world.ts'

// What a statement costs is counted in blocks that it looks at: that is the same on every machine.

let server: PostgresServer
let pool: pg.Pool
beforeAll(async () => {
  server = await startServer()
  pool = new pg.Pool({ connectionString: server.url, max: 10 })
})
afterAll(async () => {
  await pool?.end()
  await server?.close()
})

const BUCKET = 3
const ALL = Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, after: 0n }))
const LIMITS = { maxRows: 500, maxBytes: 4 << 20 }
const REASON = { code: 'HOLDFAST_RECORD_TOO_LARGE', message: 'orders: too large' }

/** Many rows of a key. Vacuum is left to itself nowhere: it would clean up in some runs and not in others. */
async function insertMany({ names }: OutboxWorld, rows: number, key: Buffer): Promise<RowPlace[]> {
  const { rows: inserted } = await pool.query<{ id: string }>(
    `insert into ${names.outbox} (bucket, message_id, topic, key, value, headers, "timestamp")
select ${BUCKET}, i::text, 'orders', $1, convert_to(repeat('v', 200), 'UTF8'), '\\x01', 0 from generate_series(1, ${rows}) as i
returning id::text`,
    [key],
  )
  return inserted.map(({ id }) => ({ bucket: BUCKET, rowId: BigInt(id) }))
}

async function quietWorld(): Promise<OutboxWorld> {
  const world = await outboxWorld(pool)
  await pool.query(`alter table ${world.names.outbox} set (autovacuum_enabled = false)`)
  return world
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

test('100,000 rows behind a parked one slow nobody: no call of a relay looks at them', async () => {
  const world = await quietWorld()
  const { store } = world
  const flowing: Partial<OutboxMessage>[] = Array.from({ length: 200 }, (_, i) => ({ key: keyIn(i % 5) }))
  const lease = (await store.lease('a', 600_000)).leases[BUCKET]!
  await world.insert(flowing)
  const marked = (await store.fetch(ALL, LIMITS)).map((row) => ({ ...row, partition: 0, offset: 0n }))

  const costs = async (): Promise<Record<string, number>> => ({
    fetch: (await explain(world, (each) => each.fetch(ALL, LIMITS))).blocks,
    sent: (await explain(world, (each) => each.sent(marked))).blocks,
    statistics: (await explain(world, (each) => each.statistics(100))).blocks,
  })
  const before = await costs()
  const [parked, ...behind] = await insertMany(world, 100_000, keyIn(BUCKET, 'orders', 1))
  expect(await store.setAside(lease, { parked: [{ ...parked!, reason: REASON }], behind: [] })).toBe(true)
  for (const rows of chunks(behind, 20_000)) await store.setAside(lease, { parked: [], behind: rows })
  // What lay at the bucket before it was set aside is dead: a vacuum takes it away, as it does all the time.
  await pool.query(`vacuum analyze ${world.names.outbox}`)

  const after = await costs()
  expect(await store.fetch(ALL, LIMITS)).toHaveLength(200)
  const some = BUCKETS * 5 // blocks: each look into an index that is larger by some levels
  expect.soft(after['fetch']).toBeLessThan(before['fetch']! + some)
  expect.soft(after['statistics']).toBeLessThan(before['statistics']! + 3 * some) // it looks into each bucket for three things
  expect.soft(after['sent']).toBeLessThan(marked.length * 6)
  const known = await explain(world, (each) => each.parkedKeys(ALL.map(({ bucket }) => bucket)))
  expect(known.blocks).toBeLessThan(BUCKETS)
  expect(await store.parkedKeys([BUCKET])).toHaveLength(1)

  const operations = createPostgresOutboxOperations({
    where: { table: world.table },
    transactions: pgTransactions(pool, undefined),
    keepSent: false,
    runtime: systemRuntime,
  })
  expect(await operations.list({ limit: 10 })).toMatchObject([{ behind: 99_999 }])
  expect(await operations.discard({ kind: 'all' })).toEqual({ parked: 1, released: 99_999 })
})

test('dead rows that an open snapshot keeps are not read again and again: scans above the floor do not meet them', async () => {
  const world = await quietWorld()
  const { store } = world
  const reader = await heldClient(pool)
  await reader.query('begin isolation level repeatable read')
  await reader.query('select 1')
  const rows = await insertMany(world, 50_000, keyIn(BUCKET))
  for (const some of chunks(rows, 10_000)) await store.sent(some.map((row) => ({ ...row, partition: 0, offset: 0n })))
  const floor = rows.at(-1)!.rowId
  await insertMany(world, 100, keyIn(BUCKET))
  await pool.query(`vacuum analyze ${world.names.outbox}`) // it may not take them away

  const scan = (after: bigint): ReturnType<typeof explain> =>
    explain(world, (each) => each.fetch([{ bucket: BUCKET, after }], LIMITS))
  expect(await store.fetch([{ bucket: BUCKET, after: floor }], LIMITS)).toHaveLength(100)
  expect((await scan(floor)).blocks).toBeLessThan(120)
  expect((await scan(0n)).blocks).toBeGreaterThan(1_000)
  await reader.query('commit')
})
