import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import { startPostgresServer } from '../../../scripts/services/postgres.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import { sqlStateOf } from '../../../src/database/index.ts'
import { keyPlace } from '../../../src/outbox/index.ts'
import { failpoints } from '../../../src/testing/index.ts'
import type { PostgresOutboxOptions } from '../../../src/postgres.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import type { EnqueueWorld } from './enqueue-world.ts'
import { blobs, enqueueWorld, orders, subjects, ticks } from './enqueue-world.ts'

let server: PostgresServer
let admin: pg.Pool
beforeAll(async () => {
  server = await startPostgresServer(() => {}, { track_commit_timestamp: 'on', deadlock_timeout: '50ms' })
  admin = new pg.Pool({ connectionString: server.url })
})
afterAll(async () => {
  await admin?.end()
  await server.close()
})

const world = (options: PostgresOutboxOptions = {}, client = 'pg'): Promise<EnqueueWorld> =>
  enqueueWorld(admin, server.url, subjects[client]!, options)
const textOf = (key: Uint8Array | null): string => Buffer.from(key!).toString()

/** A transaction that stays open until it is told. */
async function open(own: EnqueueWorld, begin = 'begin') {
  const client = await (own.database as pg.Pool).connect()
  let isOpen = true
  onTestFinished(() => {
    if (isOpen) client.release(true) // a test that has failed holds nobody up
  })
  await client.query(begin)
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return {
    client,
    pid: rows[0]!.pid,
    enqueue: (id: string) => own.outbox.enqueue(client, orders, { id }),
    enqueueMany: (ids: readonly string[]) => own.outbox.enqueueMany(client, ordersOf(ids)),
    async end(how: 'commit' | 'rollback' = 'commit') {
      await client.query(how)
      isOpen = false
      client.release()
    },
  }
}

const ordersOf = (ids: readonly string[]) => ids.map((id) => ({ topic: orders, value: { id } }))
const many = (count: number, prefix = 'k'): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

async function untilWaits(...pids: readonly number[]): Promise<void> {
  const waiting = async (): Promise<number> => {
    const statement = `select from pg_stat_activity where wait_event = 'advisory' and pid = any($1)`
    return (await admin.query(statement, [pids])).rows.length
  }
  await expect.poll(waiting, { timeout: 10_000, interval: 5 }).toBe(pids.length)
}

/** The keys whose rows were not committed in the order of their ids, by the server's own record of commits. */
async function inverted({ names }: EnqueueWorld): Promise<string[]> {
  const { rows } = await admin.query<{ key: Buffer }>(
    `select distinct key from (
  select key, pg_xact_commit_timestamp(xmin) < lag(pg_xact_commit_timestamp(xmin)) over (partition by topic, key order by id) as late
  from ${names.outbox}
) as each where late`,
  )
  return rows.map(({ key }) => textOf(key))
}

describe('the order of a key', () => {
  test('is that of commits: a later transaction waits before it draws its id', async () => {
    const own = await world()
    const [first, second] = [await open(own), await open(own)]
    await first.enqueue('a')
    await second.enqueue('b') // another key: nobody waits
    const waits = second.enqueue('a')
    await untilWaits(second.pid)
    await first.enqueue('a')
    await first.end()
    await waits
    await second.end()
    const rows = await own.rows()
    expect(rows.map(({ key }) => textOf(key))).toEqual(['a', 'b', 'a', 'a'])
    expect(await inverted(own)).toEqual([])
  })

  test.each(['repeatable read', 'serializable'])(
    'is kept at %s, where the snapshot is older than the lock',
    async (level) => {
      const own = await world()
      const [late, early] = [await open(own, `begin isolation level ${level}`), await open(own)]
      await late.client.query(`select count(*) from ${own.names.outbox}`)
      await early.enqueue('a')
      const waits = late.enqueue('a')
      await untilWaits(late.pid)
      await early.end()
      await waits
      await late.end()
      expect(await inverted(own)).toEqual([])
      expect(await own.rows()).toHaveLength(2)
    },
  )

  test('is lost with keyOrder: none, where two write a key at once: nobody waits, and the later commit has the smaller id', async () => {
    const own = await world({ keyOrder: 'none' })
    const [first, second] = [await open(own), await open(own)]
    await first.enqueue('a')
    await second.enqueue('a')
    await second.end()
    await first.end()
    expect(await inverted(own)).toEqual(['a'])
    const { rows } = await admin.query(`select from pg_locks where locktype = 'advisory'`)
    expect(rows).toEqual([])
  })

  test('is inverted by a sequence that hands out stocks of ids, which check() refuses', async () => {
    const own = await world()
    await own.store.check()
    await admin.query(`alter sequence ${own.names.sequence} cache 32`)
    const [one, other] = [await open(own), await open(own)]
    await one.enqueue('warm') // has ids for 31 more
    await other.enqueue('a')
    await other.end()
    await one.enqueue('a')
    await one.end()
    expect(await inverted(own)).toEqual(['a'])
    const failure = await failureOf(own.store.check())
    expect(failure.code).toBe('HOLDFAST_CONFIG_INVALID')
    expect(failure.problems.map(({ message }) => message).join()).toMatch(/cache 1/)
  })

  test.each([
    ['pg', {}],
    ['pg', { keepSentMs: 60_000 }],
    ['kysely', {}],
  ] as const)('is that of commits whatever %s’s writers of few keys do at once (%o)', async (client, options) => {
    const own = await world(options, client)
    const keys = many(5)
    const pick = (): string => keys[Math.floor(Math.random() * keys.length)]!
    // Several calls of one transaction take their locks in no common order: seldom, since each deadlock costs the time after which it is seen.
    const steps = (): readonly (readonly string[])[] => {
      if (Math.random() < 0.05) return [[pick()], [pick(), pick()], [pick()]]
      const key = pick()
      return Math.random() < 0.5 ? [[pick(), pick(), pick()]] : [[key], [key]]
    }
    const write = async (calls: ReturnType<typeof steps>): Promise<void> => {
      for (;;) {
        try {
          return await own.transaction(async (tx) => {
            for (const [first, ...others] of calls) {
              if (others.length === 0) await own.outbox.enqueue(tx, orders, { id: first! })
              else await own.outbox.enqueueMany(tx, ordersOf([first!, ...others]))
            }
          })
        } catch (error) {
          if (sqlStateOf(error) !== '40P01') throw error
        }
      }
    }
    const writer = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) await write(steps())
    }
    await Promise.all(Array.from({ length: 8 }, writer))
    expect(await inverted(own)).toEqual([])
    const rows = await own.rows()
    expect(rows.length).toBeGreaterThanOrEqual(640)
    if ('keepSentMs' in options) {
      const last = new Map<string, bigint>()
      for (const { rowId, key, previousId } of rows) {
        expect(previousId).toBe(last.get(textOf(key)) ?? null)
        last.set(textOf(key), rowId)
      }
    }
  })

  test('within a call is that of its messages, however many and large they are', async () => {
    const own = await world()
    const ids = Array.from({ length: 5_000 }, (_, i) => `k-${(i * 7) % 40}`)
    await own.transaction((tx) => own.outbox.enqueueMany(tx, ordersOf(ids)))
    expect((await own.rows()).map(({ key }) => textOf(key))).toEqual(ids)

    const large = await world()
    const values = Array.from({ length: 9 }, (_, i) => Buffer.alloc(3_000_000 + i, `k${i % 2}:x`))
    await large.transaction((tx) =>
      large.outbox.enqueueMany(
        tx,
        values.map((value) => ({ topic: blobs, value })),
      ),
    )
    expect((await large.rows()).map(({ value }) => value!.length)).toEqual(values.map(({ length }) => length))
  })
})

describe('locks', () => {
  async function advisory(pid: number): Promise<{ mode: string; count: number }[]> {
    const { rows } = await admin.query<{ mode: string; count: number }>(
      `select mode, count(*)::integer as count from pg_locks where locktype = 'advisory' and pid = $1 group by mode order by mode`,
      [pid],
    )
    return rows
  }

  test('are one a key and one a bucket, up to 1,000 keys; of more keys only the buckets are locked', async () => {
    const own = await world()
    const few = await open(own)
    await few.enqueueMany(many(1_000))
    expect(await advisory(few.pid)).toEqual([
      { mode: 'ExclusiveLock', count: 1_000 },
      { mode: 'ShareLock', count: 64 },
    ])
    await few.end()
    const more = await open(own)
    await more.enqueueMany([...many(1_001), ...many(1_001)])
    expect(await advisory(more.pid)).toEqual([{ mode: 'ExclusiveLock', count: 64 }])
    await more.end()
    const none = await open(own)
    await own.outbox.enqueueMany(none.client, [
      { topic: ticks, value: { n: 1 } },
      { topic: ticks, value: { n: 2 } },
    ])
    expect(await advisory(none.pid)).toEqual([])
    await none.end()
    expect((await own.rows()).filter(({ topic }) => topic === 'orders')).toHaveLength(3_002)
  })

  test.each([{}, { keepSentMs: 60_000 }])(
    'of many keys hold up a single one of them, and the other way round (%o)',
    async (options) => {
      const own = await world(options)
      const [bulk, single, other] = [await open(own), await open(own), await open(own)]
      await bulk.enqueueMany(many(1_500))
      const waits = single.enqueue('k-7')
      await untilWaits(single.pid)
      await bulk.end()
      await waits
      const bulkWaits = other.enqueueMany(many(1_500))
      await untilWaits(other.pid)
      await single.end()
      await bulkWaits
      await other.end()
      expect(await inverted(own)).toEqual([])
      expect((await own.rows()).filter(({ key }) => textOf(key) === 'k-7')).toHaveLength(3)
    },
  )

  test('of two keys in one bucket are two: nobody waits', async () => {
    const own = await world()
    const { bucket } = keyPlace('orders', Buffer.from('a'))
    const neighbour = many(10_000).find((key) => keyPlace('orders', Buffer.from(key)).bucket === bucket)!
    const [one, two] = [await open(own), await open(own)]
    await one.enqueue('a')
    await two.enqueueMany([neighbour, neighbour])
    await two.end()
    expect(await own.rows()).toHaveLength(2)
    await one.end()
    expect(await own.rows()).toHaveLength(3)
  })

  test('of one outbox hold nobody up in another one', async () => {
    const [own, other] = [await world(), await world()]
    const [one, two] = [await open(own), await open(other)]
    await one.enqueue('a')
    await two.enqueue('a')
    await two.end()
    expect(await other.rows()).toHaveLength(1)
    await one.end()
  })

  test.each([{}, { keepSentMs: 60_000 }])(
    'are taken in one order, so that calls with their keys in opposite orders never deadlock (%o)',
    async (options) => {
      const own = await world(options)
      const keys = many(60)
      const bulk = many(1_200)
      const rounds = async (ids: readonly string[], count: number): Promise<void> => {
        for (let i = 0; i < count; i++) await own.transaction((tx) => own.outbox.enqueueMany(tx, ordersOf(ids)))
      }
      await Promise.all([
        rounds(keys, 60),
        rounds(keys.toReversed(), 60),
        rounds(keys.toSorted(), 60),
        rounds(bulk, 4),
        rounds(bulk.toReversed(), 4),
      ])
      expect(await inverted(own)).toEqual([])
    },
  )

  test('are gone with the savepoint that took them, as its rows are', async () => {
    const own = await world()
    const [one, two] = [await open(own), await open(own)]
    await one.client.query('savepoint s')
    await one.enqueue('a')
    await one.client.query('rollback to savepoint s')
    await two.enqueue('a')
    await two.end()
    await one.end()
    expect(await own.rows()).toHaveLength(1)
  })
})

describe('a row’s previous one', () => {
  const previous = async (own: EnqueueWorld): Promise<unknown[]> => {
    const rows = await own.rows()
    const nth = (id: bigint | null): number | null => (id === null ? null : rows.findIndex(({ rowId }) => rowId === id))
    return rows.map(({ previousId }) => nth(previousId))
  }

  test('is the one before it of its key: of this call, of this transaction, of others', async () => {
    const own = await world({ keepSentMs: 60_000 })
    await own.transaction(async (tx) => {
      await own.outbox.enqueue(tx, orders, { id: 'a' }) // 0
      await own.outbox.enqueueMany(tx, ordersOf(['b', 'a', 'a', 'b'])) // 1 to 4
      await own.outbox.enqueueTombstone(tx, orders, 'a') // 5
    })
    await own.transaction((tx) =>
      own.outbox.enqueueMany(tx, [
        { topic: ticks, value: { n: 1 } }, // 6
        { topic: ticks, value: { n: 2 } }, // 7
        { topic: orders, value: { id: 'b' } }, // 8
        { topic: blobs, value: Buffer.from('b:') }, // 9: the same key of another topic
      ]),
    )
    await own.transaction((tx) => own.outbox.enqueue(tx, ticks, { n: 3 })) // 10
    expect(await previous(own)).toEqual([null, null, 0, 2, 1, 3, null, null, 4, null, null])
  })

  test('is found among those that were sent, and in calls of more rows than one statement takes', async () => {
    const own = await world({ keepSentMs: 60_000 })
    const ids = Array.from({ length: 4_500 }, (_, i) => `k-${i % 3}`)
    await own.transaction((tx) => own.outbox.enqueueMany(tx, ordersOf(ids)))
    const rows = await own.rows()
    expect(rows.map(({ previousId }) => previousId)).toEqual(rows.map((_, i) => rows[i - 3]?.rowId ?? null))
    await own.store.relay.sent(rows.map(({ bucket, rowId }, i) => ({ bucket, rowId, partition: 0, offset: BigInt(i) })))
    expect(await own.rows()).toEqual([])
    await own.transaction((tx) => own.outbox.enqueueMany(tx, ordersOf(['k-0', 'k-0'])))
    const [first, second] = await own.rows()
    expect(first!.previousId).toBe(rows.at(-3)!.rowId)
    expect(second!.previousId).toBe(first!.rowId)
  })

  test('is not named where the transaction may not see it', async () => {
    const own = await world({ keepSentMs: 60_000 })
    const [late, early] = [await open(own, 'begin isolation level repeatable read'), await open(own)]
    await late.client.query('select 1')
    await early.enqueue('a')
    await early.end()
    await late.enqueue('a')
    await late.enqueueMany(['a', 'a'])
    await late.end()
    expect(await previous(own)).toEqual([null, null, null, 2])
  })
})

test('relays that listen hear of a commit, and of nothing that is rolled back', async () => {
  const own = await world({ notify: true })
  const listener = new pg.Client(server.url)
  await listener.connect()
  const heard: (string | undefined)[] = []
  listener.on('notification', ({ channel }) => void heard.push(channel))
  try {
    await listener.query(`listen ${own.names.channel}`)
    const rolledBack = await open(own)
    await rolledBack.enqueue('a')
    await rolledBack.end('rollback')
    for (const ids of [['a'], many(300)]) await own.transaction((tx) => own.outbox.enqueueMany(tx, ordersOf(ids)))
    await own.transaction((tx) => own.outbox.enqueue(tx, ticks, { n: 1 }))
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBe(3) // one for each commit, however many rows
  } finally {
    await listener.end()
  }
})

test('a process that dies between the lock and the row leaves neither', async () => {
  const points = failpoints()
  const own = await world({ keepSentMs: 60_000, runtime: { ...systemRuntime, failpoint: points.failpoint } })
  points.throwAt('outbox:locked')
  await expect(own.transaction((tx) => own.outbox.enqueue(tx, orders, { id: 'a' }))).rejects.toThrow('failpoint')
  await own.transaction((tx) => own.outbox.enqueue(tx, orders, { id: 'a' }))
  expect(await own.rows()).toHaveLength(1)
})

test('an enqueue that was called behind a commit that nobody awaited says that its message stands outside', async () => {
  const own = await world()
  const { client, end } = await open(own)
  const commit = client.query('commit')
  const failure = await failureOf(own.outbox.enqueue(client, orders, { id: 'a' }))
  await commit
  await end()
  expect(failure.code).toBe('HOLDFAST_CONFIG_INVALID')
  expect(failure.message).toMatch(/was stored, outside/)
})

test('what PostgreSQL cannot store is refused before anything is', async () => {
  const own = await world()
  await own.transaction(async (tx) => {
    const one = await failureOf(own.outbox.enqueue(tx, orders, { id: 'a' }, { id: 'x\0y' }))
    expect([one.code, one.problems.map(({ path }) => path)]).toEqual(['HOLDFAST_MESSAGE_INVALID', ['(id)']])
    const all = [...ordersOf(['a']), { topic: orders, value: { id: 'b' }, id: '\0' }]
    const two = await failureOf(own.outbox.enqueueMany(tx, all))
    expect([two.code, two.problems.map(({ path }) => path)]).toEqual(['HOLDFAST_MESSAGE_INVALID', ['[1] orders: (id)']])
    await own.outbox.enqueue(tx, orders, { id: 'nul\0in key' })
  })
  expect((await own.rows()).map(({ key }) => textOf(key))).toEqual(['nul\0in key'])
})
