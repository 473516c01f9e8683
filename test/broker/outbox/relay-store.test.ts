import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Query } from '../../../src/database/index.ts'
import { drizzleQuery, knexQuery, kyselyQuery, prismaQuery } from '../../../src/database/index.ts'
import type { HoldfastError } from '../../../src/errors/index.ts'
import { BUCKETS } from '../../../src/outbox/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { createPrismaClient } from '../stores/prisma-client.ts'
import { fresh } from '../stores/world.ts'
import type { OutboxWorld } from './relay-store-world.ts'
import { explain, heldClient, keyIn, outboxWorld, startServer, until, untilBlocked } from './relay-store-world.ts'

let server: PostgresServer
let pool: pg.Pool
beforeAll(async () => {
  server = await startServer()
  pool = new pg.Pool({ connectionString: server.url, max: 30 })
})
afterAll(async () => {
  await pool?.end()
  await server?.close()
})

const ALL = Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, after: 0n }))
const AMPLE = { maxRows: 1_000, maxBytes: 1 << 20 }
const LONG_MS = 600_000
const REASON = { code: 'HOLDFAST_RECORD_TOO_LARGE', message: 'orders: too large' }

/** Waits until the leases of a worker have run out by the server's clock. */
async function untilExpired({ names }: OutboxWorld, worker: string): Promise<void> {
  await until(async () => {
    const { rows } = await pool.query(
      `select 1 from ${names.buckets} where worker = $1 and lease_until > clock_timestamp()`,
      [worker],
    )
    return rows.length === 0
  })
}

describe('leases', () => {
  test('one worker gets all buckets, two share them once the first has given back what is above its share', async () => {
    const { store } = await outboxWorld(pool)
    const first = await store.lease('a', LONG_MS)
    expect(first.workers).toBe(1)
    expect(first.leases.map(({ bucket }) => bucket)).toEqual(ALL.map(({ bucket }) => bucket))
    expect(await store.lease('b', LONG_MS)).toEqual({ workers: 2, leases: [] })

    expect((await store.lease('a', LONG_MS)).workers).toBe(2)
    await store.release(first.leases.slice(32))
    const second = await store.lease('b', LONG_MS)
    expect(second.leases.map(({ bucket }) => bucket)).toEqual(ALL.slice(32).map(({ bucket }) => bucket))
    expect(second.leases.every(({ epoch }) => epoch === 2n)).toBe(true)
    expect((await store.lease('a', LONG_MS)).leases).toEqual(first.leases.slice(0, 32))
  })

  test('a share is rounded up, so that no bucket is left without a worker', async () => {
    const { store } = await outboxWorld(pool)
    for (const worker of ['a', 'b', 'c']) await store.lease(worker, LONG_MS)
    await store.leave('a')
    await store.lease('a', LONG_MS)
    const b = await store.lease('b', LONG_MS)
    const c = await store.lease('c', LONG_MS)
    expect([b.leases.length, c.leases.length]).toEqual([22, 20])
  })

  test('a lease that has run out is lost, also when nobody has taken it: its holder may have been taken for dead', async () => {
    const world = await outboxWorld(pool)
    await world.store.lease('a', 1)
    await untilExpired(world, 'a')
    const again = await world.store.lease('a', LONG_MS)
    expect(new Set(again.leases.map(({ epoch }) => epoch))).toEqual(new Set([2n]))
  })

  test('a lease that runs out while its renewal waits for the row is lost', async () => {
    const world = await outboxWorld(pool)
    await world.store.lease('a', 300)
    const holder = await heldClient(pool)
    await holder.query('begin')
    await holder.query(`select from ${world.names.buckets} where bucket = 3 for update`)
    const renewal = world.store.lease('a', LONG_MS)
    await untilBlocked(pool)
    await untilExpired(world, 'a')
    await holder.query('commit')
    const { leases } = await renewal
    expect(leases).toEqual([])
  })

  test('a dead worker’s buckets go to the others when its life has ended, and its row goes later', async () => {
    const world = await outboxWorld(pool)
    await world.store.lease('dead', 1)
    await untilExpired(world, 'dead')
    const { workers, leases } = await world.store.lease('b', LONG_MS)
    expect([workers, leases.length]).toEqual([1, BUCKETS])
    const known = async (): Promise<unknown[]> =>
      (await pool.query(`select worker from ${world.names.workers} order by worker`)).rows
    expect(await known()).toEqual([{ worker: 'b' }, { worker: 'dead' }])
    await pool.query(
      `update ${world.names.workers} set alive_until = clock_timestamp() - interval '2 hours' where worker = 'dead'`,
    )
    await world.store.lease('b', LONG_MS)
    expect(await known()).toEqual([{ worker: 'b' }])
  })

  test('a worker that leaves frees what it has at once', async () => {
    const { store } = await outboxWorld(pool)
    await store.lease('a', LONG_MS)
    await store.leave('a')
    const { workers, leases } = await store.lease('b', LONG_MS)
    expect([workers, leases.length]).toEqual([1, BUCKETS])
  })

  test('a late release of an old epoch frees nothing of the one that has it now', async () => {
    const { store } = await outboxWorld(pool)
    const { leases } = await store.lease('a', LONG_MS)
    await store.release(leases)
    await store.lease('b', LONG_MS)
    await store.release(leases) // its first answer was lost
    expect((await store.lease('b', LONG_MS)).leases).toHaveLength(32)
  })

  test('renewals of rows that change meanwhile bring each lease once, and never fail', async () => {
    const { store } = await outboxWorld(pool)
    const first = await store.lease('a', LONG_MS)
    const renewed = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const all = []
        for (let i = 0; i < 25; i++) all.push(await store.lease('a', LONG_MS))
        return all
      }),
    )
    for (const each of renewed.flat()) {
      expect(each.workers).toBe(1)
      expect(each.leases.toSorted((a, b) => a.bucket - b.bucket)).toEqual(first.leases)
    }
  })

  test('workers that all begin, die and give back at once never hold a bucket together, and no epoch comes twice', async () => {
    const world = await outboxWorld(pool)
    const history = fresh('history')
    await pool.query(`create table ${history} (bucket int, at timestamptz, old_worker text, worker text, old_until timestamptz, until timestamptz, old_epoch bigint, epoch bigint);
create function ${history}_f() returns trigger language plpgsql as $$ begin
  insert into ${history} values (new.bucket, clock_timestamp(), old.worker, new.worker, old.lease_until, new.lease_until, old.epoch, new.epoch);
  return new; end $$;
create trigger watch before update on ${world.names.buckets} for each row execute function ${history}_f()`)
    const taken = new Map<string, string>()
    await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        for (let round = 0; round < 25; round++) {
          const worker = `w${n}-${Math.floor(round / 5)}` // each fifth round another process, which knows nothing of the one before
          const { leases } = await world.store.lease(worker, 5 + ((n * 7 + round * 3) % 40))
          for (const { bucket, epoch } of leases) {
            const holder = taken.get(`${bucket}:${epoch}`) ?? worker
            expect(holder).toBe(worker)
            taken.set(`${bucket}:${epoch}`, worker)
          }
          if (round % 3 === n % 3) await world.store.release(leases.slice(0, 10))
        }
      }),
    )
    const { rows: all } = await pool.query<{ changes: number; taken: number }>(
      `select count(*)::integer as changes, count(*) filter (where epoch > old_epoch)::integer as taken from ${history}`,
    )
    expect(all[0]!.taken).toBeGreaterThan(BUCKETS * 2)
    const broken = await pool.query(
      `select * from ${history} where
  (epoch > old_epoch and old_worker is not null and old_until > at) -- taken from somebody alive
  or (epoch = old_epoch and worker is not null and worker is distinct from old_worker)
  or epoch not between old_epoch and old_epoch + 1`,
    )
    expect(broken.rows).toEqual([])
    expect(
      (
        await pool.query(
          `select bucket, epoch from ${history} where epoch > old_epoch group by bucket, epoch having count(*) > 1`,
        )
      ).rows,
    ).toEqual([])
  })
})

describe('fetch', () => {
  test('gives back all that a row has, byte for byte', async () => {
    const { store, insert } = await outboxWorld(pool)
    const key = keyIn(7)
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const headers = [
      ['__proto__', Buffer.from([0, 255])],
      ['twice', Buffer.from('1')],
      ['twice', Buffer.alloc(0)],
      ['ñ', null],
    ] as const
    const [rowId] = await insert([{ id: 'ü-1', key, value, headers, timestamp: 2n ** 53n + 1n, partition: 0 }])
    const [row] = await store.fetch(ALL, AMPLE)
    expect(row).toEqual({
      bucket: 7,
      rowId,
      id: 'ü-1',
      topic: 'orders',
      key,
      value,
      headers: headers.map(([name, bytes]) => [name, bytes]),
      timestamp: 2n ** 53n + 1n,
      partition: 0,
    })
  })

  test('tells null from empty: a tombstone, and a message without a key', async () => {
    const { store, insert } = await outboxWorld(pool)
    await insert([
      { id: 'tombstone', key: Buffer.alloc(0), value: null },
      { id: 'no key', key: null, value: Buffer.alloc(0) },
    ])
    const rows = await store.fetch(ALL, AMPLE)
    const kinds = Object.fromEntries(rows.map((row) => [row.id, [row.key, row.value]]))
    expect(kinds).toEqual({ tombstone: [Buffer.alloc(0), null], 'no key': [null, Buffer.alloc(0)] })
    expect(rows.every((row) => !('partition' in row))).toBe(true)
  })

  test('a bucket’s rows come by id, above and up to what is asked, buckets in the order of the ranges', async () => {
    const { store, insert } = await outboxWorld(pool)
    const ids = await insert(Array.from({ length: 8 }, (_, i) => ({ key: keyIn(i % 2 === 0 ? 9 : 4) })))
    const rows = await store.fetch(
      [
        { bucket: 9, after: ids[0]!, upTo: ids[4]! },
        { bucket: 4, after: 0n },
        { bucket: 5, after: 0n },
      ],
      AMPLE,
    )
    expect(rows.map(({ rowId }) => rowId)).toEqual([ids[2], ids[4], ids[1], ids[3], ids[5], ids[7]])
  })

  test('the number of rows ends it, in the middle of a bucket too', async () => {
    const { store, insert } = await outboxWorld(pool)
    const ids = await insert(Array.from({ length: 6 }, (_, i) => ({ key: keyIn(i < 4 ? 1 : 2) })))
    const rows = await store.fetch(ALL, { ...AMPLE, maxRows: 5 })
    expect(rows.map(({ rowId }) => rowId)).toEqual(ids.slice(0, 5))
  })

  test('the bytes end it before the row that is above them; a row that is above them by itself comes alone', async () => {
    const { store, insert } = await outboxWorld(pool)
    const key = keyIn(1)
    const ids = await insert([10, 10, 5_000, 10].map((size) => ({ key, value: Buffer.alloc(size, 'x') })))
    const scan = async (after: bigint): Promise<bigint[]> =>
      (await store.fetch([{ bucket: 1, after }], { maxRows: 100, maxBytes: 1_000 })).map(({ rowId }) => rowId)
    expect(await scan(0n)).toEqual(ids.slice(0, 2))
    expect(await scan(ids[1]!)).toEqual([ids[2]])
    expect(await scan(ids[2]!)).toEqual([ids[3]])
  })

  test('a value that PostgreSQL keeps elsewhere, compressed, counts with all its bytes and comes back whole', async () => {
    const { store, insert } = await outboxWorld(pool)
    const value = Buffer.alloc(3 << 20, 'holdfast')
    await insert([{ value }, { value }])
    const rows = await store.fetch(ALL, { maxRows: 100, maxBytes: 4 << 20 })
    expect(rows.map((row) => Buffer.compare(row.value!, value))).toEqual([0])
  })

  test('rows are looked up one by one, whatever the planner believes of their number: none is read that is not given', async () => {
    const world = await outboxWorld(pool)
    await fill(world, 20_000)
    const limits = { ...AMPLE, maxRows: 500 }
    const rows = await world.store.fetch(ALL, limits)
    const { plan, blocks } = await explain(world, (store) => store.fetch(ALL, limits))
    expect(plan).not.toMatch(/Bitmap|Sort|Seq Scan/)
    expect(blocks).toBeLessThan(600)

    const marked = rows.map((row) => ({ ...row, partition: 0, offset: 1n }))
    const marking = await explain(world, (store) => store.sent(marked))
    expect(marking.plan).not.toMatch(/Bitmap|Sort|Seq Scan/)
  })
})

describe('writers', () => {
  test('before the first row nothing was drawn', async () => {
    const { store } = await outboxWorld(pool)
    expect(await store.writers()).toMatchObject({ lastRowId: 0n, writers: [] })
  })

  test('names who has inserted and not ended, also when prepared; neither readers nor writers of other tables', async () => {
    const world = await outboxWorld(pool)
    const other = await outboxWorld(pool)
    const [open, prepared, reading, elsewhere] = await Promise.all(Array.from({ length: 4 }, () => heldClient(pool)))
    for (const client of [open, prepared, reading, elsewhere]) await client!.query('begin')
    await world.insert([{}], open)
    const [lastRowId] = await world.insert([{}], prepared)
    await reading!.query(`select count(*) from ${world.names.outbox}`)
    await other.insert([{}], elsewhere)
    const name = fresh('tx')
    await prepared!.query(`prepare transaction '${name}'`)

    const before = await world.store.writers()
    expect(before).toMatchObject({ lastRowId, writers: [expect.any(String), expect.any(String)] })
    await open!.query('rollback')
    expect((await world.store.writers()).writers).toHaveLength(1)
    await prepared!.query(`commit prepared '${name}'`)
    expect(await world.store.writers()).toEqual({ lastRowId, durableRowId: lastRowId, writers: [] })
    for (const client of [reading, elsewhere]) await client!.query('rollback')
  })

  test('a prepared transaction that a restarted server has found again, under another name, is of unknown age', async () => {
    const world = await outboxWorld(pool)
    await world.insert([{}])
    const store = world.another({
      query: (statement, values) =>
        // What PostgreSQL calls it then; its name is kept while the server lives.
        statement.includes('pg_locks') ? Promise.resolve([{ writer: '-1/812' }]) : world.query(statement, values),
    })
    expect(await store.writers()).toMatchObject({ writers: ['-1/812'], prepared: ['-1/812'] })
  })

  test('whoever draws an id between the two looks is above the first: a writer that is not named can bring nothing below it', async () => {
    const world = await outboxWorld(pool)
    await world.insert([{}])
    const writer = await heldClient(pool)
    await writer.query('begin')
    let drawn: bigint | undefined
    const store = world.another({
      runtime: {
        ...systemRuntime,
        async failpoint(name) {
          if (name === 'outbox:between-last-id-and-writers') [drawn] = await world.insert([{}], writer)
        },
      },
    })
    const { lastRowId, writers } = await store.writers()
    expect(drawn).toBeGreaterThan(lastRowId)
    expect(writers).toHaveLength(1)
    await writer.query('rollback')
  })

  test('asks who writes only when an id was drawn since nobody did: an idle relay costs one statement a look', async () => {
    const world = await outboxWorld(pool)
    let looks = 0
    const store = world.another({
      runtime: { ...systemRuntime, failpoint: (name) => void (looks += Number(name.startsWith('outbox:between'))) },
    })
    const writer = await heldClient(pool)
    await store.writers()
    await store.writers()
    expect(looks).toBe(1)
    await writer.query('begin')
    const [id] = await world.insert([{}], writer)
    for (const _ of [1, 2]) {
      expect(await store.writers()).toMatchObject({ lastRowId: id, writers: [expect.any(String)] })
    }
    expect(looks).toBe(3)
    await writer.query('rollback')
    for (const _ of [1, 2]) expect(await store.writers()).toMatchObject({ lastRowId: id, writers: [] })
    expect(looks).toBe(4)
  })
})

describe('sent', () => {
  test('deletes the rows it is given and no others, and may be repeated', async () => {
    const { store, insert, rows } = await outboxWorld(pool)
    const [first, second] = await insert([{ key: keyIn(3) }, { key: keyIn(3) }])
    const marked = [{ bucket: 3, rowId: first!, partition: 0, offset: 5n }]
    await store.sent(marked)
    await store.sent(marked)
    await store.sent([{ bucket: 4, rowId: second!, partition: 0, offset: 6n }]) // another bucket's
    expect((await rows()).map(({ id }) => BigInt(id))).toEqual([second])
  })

  test('keeps rows, marked, where it was told to, and deletes them when their time is over', async () => {
    const world = await outboxWorld(pool, { keepSentMs: 60_000 })
    const ids = await world.insert([
      { key: keyIn(3), id: 'a' },
      { key: null, id: 'b' },
    ])
    const marked = [
      { bucket: 0, rowId: ids[1]!, partition: 7, offset: 2n ** 40n },
      { bucket: 3, rowId: ids[0]!, partition: 1, offset: 5n },
    ]
    await world.store.sent(marked)
    await world.store.sent(marked)
    const kept = async (): Promise<unknown[]> =>
      (
        await pool.query(
          `select message_id, topic, key, partition, "offset"::text, sent_at >= enqueued_at as later from ${world.names.sent} order by id`,
        )
      ).rows
    expect(await world.rows()).toEqual([])
    expect(await kept()).toEqual([
      { message_id: 'a', topic: 'orders', key: keyIn(3), partition: 1, offset: '5', later: true },
      { message_id: 'b', topic: 'orders', key: null, partition: 7, offset: String(2n ** 40n), later: true },
    ])
    expect(await world.store.purge()).toBe(0)
    await pool.query(
      `update ${world.names.sent} set sent_at = clock_timestamp() - interval '61 seconds' where message_id = 'a'`,
    )
    expect(await world.store.purge()).toBe(1)
    expect(await kept()).toHaveLength(1)
  })

  test('a relay at work purges, without anybody’s help', async () => {
    const world = await outboxWorld(pool, { keepSentMs: 1, purgeEveryMs: 1 })
    const [rowId] = await world.insert([{ key: keyIn(3) }])
    await world.store.sent([{ bucket: 3, rowId: rowId!, partition: 0, offset: 1n }])
    await until(async () => {
      await world.store.lease('a', LONG_MS)
      return (await pool.query(`select 1 from ${world.names.sent}`)).rows.length === 0
    })
    expect(await world.rows()).toEqual([])
  })

  test('a row that somebody set aside meanwhile stays there: what waits behind it would be forgotten', async () => {
    const { store, insert, rows } = await outboxWorld(pool)
    const [rowId] = await insert([{ key: keyIn(3) }])
    const { leases } = await store.lease('a', LONG_MS)
    await store.setAside(leases[3]!, { parked: [{ bucket: 3, rowId: rowId!, reason: REASON }], behind: [] })
    await store.sent([{ bucket: 3, rowId: rowId!, partition: 0, offset: 1n }])
    await store.sent([{ bucket: -4, rowId: rowId!, partition: 0, offset: 1n }])
    expect(await rows()).toMatchObject([{ bucket: -4 }])
  })

  test('two who mark the same rows in another order do not lock each other out', async () => {
    const { store, insert, another } = await outboxWorld(pool)
    const ids = await insert(Array.from({ length: 200 }, () => ({ key: keyIn(3) })))
    const marked = ids.map((rowId) => ({ bucket: 3, rowId, partition: 0, offset: 1n }))
    await Promise.all([store.sent(marked), another().sent(marked.toReversed()), store.sent(marked.toReversed())])
    expect(await store.fetch(ALL, AMPLE)).toEqual([])
  })
})

describe('setting aside', () => {
  test('takes rows out of what waits: parked ones with their reason, those behind them without', async () => {
    const { store, insert, rows } = await outboxWorld(pool)
    const ids = await insert([{ key: keyIn(3) }, { key: keyIn(3) }, { key: keyIn(3, 'orders', 1) }])
    const { leases } = await store.lease('a', LONG_MS)
    const place = (i: number): { bucket: number; rowId: bigint } => ({ bucket: 3, rowId: ids[i]! })
    const aside = { parked: [{ ...place(0), reason: REASON }], behind: [place(1)] }
    expect(await store.setAside(leases[3]!, aside)).toBe(true)
    expect(await store.setAside(leases[3]!, aside)).toBe(true) // its first answer was lost

    expect(await rows()).toMatchObject([
      { bucket: -4, parked_at: expect.any(Date), parked_code: REASON.code, parked_reason: REASON.message },
      { bucket: -4, parked_at: null, parked_code: null, parked_reason: null },
      { bucket: 3 },
    ])
    expect((await store.fetch(ALL, AMPLE)).map(({ rowId }) => rowId)).toEqual([ids[2]])
    expect(await store.parkedKeys([3, 4])).toMatchObject([{ bucket: 3, topic: 'orders', key: keyIn(3) }])
    expect(await store.parkedKeys([4])).toEqual([])
    expect(await store.statistics(10)).toMatchObject({ waiting: 1, more: false, parked: 1, behind: 1 })
  })

  test('a parked row that a late mark takes away meanwhile leaves none behind it', async () => {
    const { store, insert, rows, names } = await outboxWorld(pool)
    const ids = await insert([{ key: keyIn(3) }, { key: keyIn(3) }])
    const { leases } = await store.lease('a', LONG_MS)
    const marking = await heldClient(pool)
    await marking.query('begin')
    await marking.query(`delete from ${names.outbox} where id = $1`, [String(ids[0])])
    const aside = store.setAside(leases[3]!, {
      parked: [{ bucket: 3, rowId: ids[0]!, reason: REASON }],
      behind: [{ bucket: 3, rowId: ids[1]! }],
    })
    await untilBlocked(pool)
    await marking.query('commit')
    expect(await aside).toBe(false)
    expect(await rows()).toMatchObject([{ bucket: 3, parked_at: null }])
  })

  test('a row without a key holds nobody up', async () => {
    const { store, insert } = await outboxWorld(pool)
    const [rowId] = await insert([{ key: null }])
    const { leases } = await store.lease('a', LONG_MS)
    await store.setAside(leases[0]!, { parked: [{ bucket: 0, rowId: rowId!, reason: REASON }], behind: [] })
    expect(await store.parkedKeys([0])).toEqual([])
  })

  for (const [what, change] of [
    ['epoch', { epoch: 2n }],
    ['generation', { generation: 1n }],
  ] as const)
    test(`nothing happens with another ${what}: the bucket is somebody else’s, or an operator was there`, async () => {
      const { store, insert, rows } = await outboxWorld(pool)
      const [rowId] = await insert([{ key: keyIn(3) }])
      const { leases } = await store.lease('a', LONG_MS)
      const aside = { parked: [{ bucket: 3, rowId: rowId!, reason: REASON }], behind: [] }
      expect(await store.setAside({ ...leases[3]!, ...change }, aside)).toBe(false)
      expect(await rows()).toMatchObject([{ bucket: 3 }])
    })
})

describe('statistics', () => {
  test('count up to a limit, and know since when the oldest row of all buckets waits', async () => {
    const { store, insert, names } = await outboxWorld(pool)
    expect(await store.statistics(2)).toEqual({ waiting: 0, more: false, oldestAgeMs: null, parked: 0, behind: 0 })
    const ids = await insert([{ key: keyIn(60) }, { key: keyIn(3) }])
    await pool.query(`update ${names.outbox} set enqueued_at = clock_timestamp() - interval '1 hour' where id = $1`, [
      String(ids[0]),
    ])
    const two = await store.statistics(2)
    expect(two).toMatchObject({ waiting: 2, more: false })
    expect(two.oldestAgeMs).toBeGreaterThanOrEqual(3_600_000)
    expect(two.oldestAgeMs).toBeLessThan(3_660_000)
    await insert([{ key: keyIn(3) }])
    expect(await store.statistics(2)).toMatchObject({ waiting: 2, more: true })
  })
})

describe('check', () => {
  const problemsOf = async (world: OutboxWorld, keepSentMs: number | null = null): Promise<string> => {
    const error = await failureOf(world.another({ keepSentMs }).check())
    expect(error).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
    return JSON.stringify((error as HoldfastError).problems)
  }

  test('is content with what the SQL makes', async () => {
    for (const keepSentMs of [null, 1])
      await expect((await outboxWorld(pool, { keepSentMs })).store.check()).resolves.toBe(undefined)
  })

  test('says what makes the tables when they are not there', async () => {
    const world = await outboxWorld(pool)
    await pool.query(`drop table ${world.names.outbox}, ${world.names.buckets}, ${world.names.workers}`)
    expect(await problemsOf(world)).toContain('holdfast postgres migrate --outbox')
    expect(await failureOf(world.store.fetch(ALL, AMPLE))).toMatchObject({
      code: 'HOLDFAST_STORE_UNAVAILABLE',
      retriable: true,
      message: expect.stringContaining('holdfast postgres migrate --outbox'),
    })
  })

  for (const [what, statement, says] of [
    ['a column that is missing', 'alter table $outbox drop column parked_code', 'not as this version needs it'],
    ['a sequence with a cache', 'alter sequence $sequence cache 32', 'must have cache 1'],
    ['a sequence that begins again', 'alter sequence $sequence cycle', 'must have cache 1'],
    ['a sequence that goes down', 'alter sequence $sequence increment 2', 'must have cache 1'],
    ['a bucket that is missing', 'delete from $buckets where bucket = 9', 'buckets 0 to 63'],
  ] as const)
    test(`refuses ${what}`, async () => {
      const world = await outboxWorld(pool)
      await pool.query(
        statement.replace(
          /\$(outbox|sequence|buckets)/,
          (_, name: 'outbox' | 'sequence' | 'buckets') => world.names[name],
        ),
      )
      expect(await problemsOf(world)).toContain(says)
    })

  test('refuses to keep rows where there is no table for them', async () => {
    expect(await problemsOf(await outboxWorld(pool), 1)).toContain('keepSentMs')
  })
})

describe('listening', () => {
  test('hears commits, also after its connection was lost', async () => {
    const world = await outboxWorld(pool)
    const ear = new pg.Pool({ connectionString: server.url, max: 1, application_name: world.table })
    let heard = 0
    const listening = await world.another({ listenOn: ear }).listen!(() => heard++)
    const notified = async (): Promise<void> => {
      const before = heard
      await pool.query(`notify ${world.names.channel}`)
      await until(() => Promise.resolve(heard > before))
    }
    await notified()
    const backend = async (): Promise<number | undefined> =>
      (await pool.query<{ pid: number }>(`select pid from pg_stat_activity where application_name = $1`, [world.table]))
        .rows[0]?.pid
    const pid = await backend()
    const before = heard
    await pool.query('select pg_terminate_backend($1)', [pid])
    await until(() => Promise.resolve(heard > before)) // each new connection begins with a call: one commit may have been missed
    expect(await backend()).not.toBe(pid)
    await notified()
    await listening.close()
    await ear.end()
    await until(async () => (await backend()) === undefined)
  })

  test('a storm of commits becomes few calls', async () => {
    const world = await outboxWorld(pool)
    let heard = 0
    const listening = await world.another({ listenOn: pool }).listen!(() => heard++)
    await pool.query(Array.from({ length: 5_000 }, (_, i) => `notify ${world.names.channel}, '${i}'`).join(';'))
    await until(() => Promise.resolve(heard > 1))
    expect(heard).toBeLessThan(500)
    await listening.close()
  })
})

test('a failure is retriable, and what the client threw stays out of its message', async () => {
  const world = await outboxWorld(pool)
  const secret = new Error('duplicate key value: (customer-4711)')
  const store = world.another({ query: () => Promise.reject(secret) })
  const error = (await failureOf(store.lease('a', 1))) as HoldfastError
  expect(error).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true, cause: secret })
  expect(error.message).not.toContain('4711')
})

describe('on every client', () => {
  const clients: Readonly<Record<string, () => { readonly query: Query; close(): Promise<unknown> }>> = {
    kysely() {
      const db = new Kysely<Record<string, never>>({
        dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url }) }),
        plugins: [new CamelCasePlugin()],
      })
      return { query: kyselyQuery(db), close: () => db.destroy() }
    },
    knex() {
      const db = knex({ client: 'pg', connection: server.url })
      return { query: knexQuery(db), close: () => db.destroy() }
    },
    drizzle() {
      const own = new pg.Pool({ connectionString: server.url })
      return { query: drizzleQuery(drizzle(own), drizzleSql), close: () => own.end() }
    },
    prisma() {
      const prisma = createPrismaClient(server.url)
      return { query: prismaQuery(prisma), close: () => prisma.$disconnect() }
    },
  }

  for (const [name, make] of Object.entries(clients))
    test(`${name} brings the same, and passes the same on`, async () => {
      const { query, close } = make()
      onTestFinished(async () => void (await close()))
      const world = await outboxWorld(pool, { keepSentMs: 1 }, query)
      const { store } = world
      await store.check()
      const headers = [['h', Buffer.from([0, 200])]] as const
      const value = Buffer.from([255, 0, 1])
      const ids = await world.insert([
        { key: keyIn(3), value, headers, partition: 2, timestamp: 9n },
        { key: keyIn(3) },
        { key: keyIn(3) },
      ])
      const { workers, leases } = await store.lease('a', LONG_MS)
      expect([workers, leases.length]).toEqual([1, BUCKETS])
      expect(leases[3]).toEqual({ bucket: 3, epoch: 1n, generation: 0n })

      const rows = await store.fetch(ALL, AMPLE)
      expect(rows.map(({ rowId }) => rowId)).toEqual(ids)
      expect(rows[0]).toMatchObject({ bucket: 3, key: keyIn(3), value, headers, partition: 2, timestamp: 9n })
      expect(await store.writers()).toMatchObject({ lastRowId: ids[2], durableRowId: ids[2], writers: [] })
      await store.sent([{ bucket: 3, rowId: ids[0]!, partition: 2, offset: 2n ** 40n }])
      const aside = { parked: [{ bucket: 3, rowId: ids[1]!, reason: REASON }], behind: [{ bucket: 3, rowId: ids[2]! }] }
      expect(await store.setAside(leases[3]!, aside)).toBe(true)
      expect(await store.parkedKeys([3])).toMatchObject([{ bucket: 3, topic: 'orders', key: keyIn(3) }])
      expect(await store.statistics(10)).toEqual({ waiting: 0, more: false, oldestAgeMs: null, parked: 1, behind: 1 })
      await store.release(leases.slice(0, 2))
      await store.leave('a')
      await until(async () => (await store.purge()) === 1)
    })
})

/** Many rows, as if they were enqueued, over all buckets. */
async function fill({ names }: OutboxWorld, rows: number): Promise<void> {
  await pool.query(
    `insert into ${names.outbox} (bucket, message_id, topic, key, value, headers, "timestamp")
select i % ${BUCKETS}, i::text, 'orders', '\\x00', convert_to(repeat('v', 200), 'UTF8'), '\\x01', 0 from generate_series(1, ${rows}) as i`,
  )
  await pool.query(`analyze ${names.outbox}`)
}
