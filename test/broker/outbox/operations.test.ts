import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import {
  drizzleTransactions,
  knexTransactions,
  kyselyTransactions,
  pgTransactions,
  prismaTransactions,
} from '../../../src/database/index.ts'
import type { BucketLease, OutboxOperations } from '../../../src/outbox/index.ts'

import type { PostgresOutboxOperationsOptions } from '../../../src/outbox/postgres/postgres-outbox-operations.ts'
import { createPostgresOutboxOperations } from '../../../src/outbox/postgres/postgres-outbox-operations.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { createPrismaClient } from '../stores/prisma-client.ts'
import type { OutboxWorld } from './relay-store-world.ts'
import { heldClient, keyIn, outboxWorld, startServer, untilBlocked } from './relay-store-world.ts'

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

const REASON = { code: 'HOLDFAST_RECORD_TOO_LARGE', message: 'orders: too large' }
const BUCKET = 3
const [A, B] = [keyIn(BUCKET), keyIn(BUCKET, 'orders', 1)]

interface World extends OutboxWorld {
  readonly operations: OutboxOperations
  /** Of the bucket. */
  lease(): Promise<BucketLease>
  /** Sets rows aside, parked ones first. */
  setAside(lease: BucketLease, parked: readonly bigint[], behind: readonly bigint[]): Promise<boolean>
  /** Where each row lies now, by its id. */
  places(): Promise<Record<string, string>>
}

async function world(given: Partial<PostgresOutboxOperationsOptions<unknown>> = {}): Promise<World> {
  const outbox = await outboxWorld(pool, given.keepSent === true ? { keepSentMs: 60_000 } : {})
  const operations = createPostgresOutboxOperations<unknown>({
    where: { table: outbox.table },
    transactions: pgTransactions(pool, undefined),
    keepSent: false,
    runtime: systemRuntime,
    ...given,
  })
  return {
    ...outbox,
    operations,
    lease: async () => (await outbox.store.lease('a', 600_000)).leases[BUCKET]!,
    setAside: (lease, parked, behind) =>
      outbox.store.setAside(lease, {
        parked: parked.map((rowId) => ({ bucket: BUCKET, rowId, reason: REASON })),
        behind: behind.map((rowId) => ({ bucket: BUCKET, rowId })),
      }),
    async places() {
      const rows = await outbox.rows()
      const kind = (row: (typeof rows)[number]): string => {
        if (row.bucket >= 0) return 'waiting'
        return row.parked_at === null ? 'behind' : 'parked'
      }
      return Object.fromEntries(rows.map((row) => [row.message_id, kind(row)]))
    },
  }
}

/** A key with a parked row and two behind it, and another key likewise. */
async function twoParkedKeys(given: Partial<PostgresOutboxOperationsOptions<unknown>> = {}): Promise<World> {
  const all = await world(given)
  const ids = await all.insert([
    { id: 'a1', key: A },
    { id: 'b1', key: B },
    { id: 'a2', key: A },
    { id: 'a3', key: A },
    { id: 'b2', key: B },
  ])
  const lease = await all.lease()
  await all.setAside(lease, [ids[0]!, ids[1]!], [ids[2]!, ids[3]!, ids[4]!])
  return all
}

test('list shows parked rows, oldest first, with their reasons and how many wait behind each', async () => {
  const { operations } = await twoParkedKeys()
  const listed = await operations.list({ limit: 10 })
  expect(listed).toMatchObject([
    { id: 'a1', topic: 'orders', key: A, code: REASON.code, reason: REASON.message, behind: 2 },
    { id: 'b1', behind: 1 },
  ])
  expect(listed[0]!.bytes).toBe(A.length + 1 + 1) // its value, and headers of which there are none
  expect(listed[0]!.parkedAt.getTime()).toBeGreaterThanOrEqual(listed[0]!.enqueuedAt.getTime())
  expect(Math.abs(listed[0]!.enqueuedAt.getTime() - Date.now())).toBeLessThan(3_600_000)
  expect(await operations.list({ limit: 1 })).toMatchObject([{ id: 'a1' }])
  expect(await operations.list({ limit: 10, topic: 'other' })).toEqual([])
})

describe('retry', () => {
  test('puts a row back before those behind it, all in their places, and leaves other keys alone', async () => {
    const { operations, places, store, lease } = await twoParkedKeys()
    const before = await lease()
    expect(await operations.retry({ kind: 'message', id: 'a1' })).toEqual({ parked: 1, released: 2 })
    expect(await places()).toEqual({ a1: 'waiting', b1: 'parked', a2: 'waiting', a3: 'waiting', b2: 'behind' })
    const rows = await store.fetch([{ bucket: BUCKET, after: 0n }], { maxRows: 10, maxBytes: 1_000 })
    expect(rows.map(({ id }) => id)).toEqual(['a1', 'a2', 'a3'])
    expect((await lease()).generation).toBe(before.generation + 1n)
    expect(await store.parkedKeys([BUCKET])).toMatchObject([{ bucket: BUCKET, topic: 'orders', key: B }])
  })

  test('all of a topic, or of every topic', async () => {
    const one = await twoParkedKeys()
    expect(await one.operations.retry({ kind: 'topic', topic: 'elsewhere' })).toEqual({ parked: 0, released: 0 })
    expect(await one.operations.retry({ kind: 'topic', topic: 'orders' })).toEqual({ parked: 2, released: 3 })
    const two = await twoParkedKeys()
    expect(await two.operations.retry({ kind: 'all' })).toEqual({ parked: 2, released: 3 })
    for (const each of [one, two]) expect(new Set(Object.values(await each.places()))).toEqual(new Set(['waiting']))
  })

  test('what stands behind another parked row of its key waits for that one', async () => {
    const { operations, insert, lease, setAside, places } = await world()
    const ids = await insert(['1', '2', '3', '4'].map((id) => ({ id, key: A })))
    await setAside(await lease(), [ids[0]!, ids[2]!], [ids[1]!, ids[3]!])
    expect(await operations.retry({ kind: 'message', id: '1' })).toEqual({ parked: 1, released: 1 })
    expect(await places()).toEqual({ 1: 'waiting', 2: 'waiting', 3: 'parked', 4: 'behind' })
  })

  test('a later row that is put back goes behind the first parked one of its key', async () => {
    const { operations, insert, lease, setAside, places } = await world()
    const ids = await insert(['1', '2', '3'].map((id) => ({ id, key: A })))
    await setAside(await lease(), [ids[0]!, ids[1]!], [ids[2]!])
    expect(await operations.retry({ kind: 'message', id: '2' })).toEqual({ parked: 1, released: 0 })
    expect(await places()).toEqual({ 1: 'parked', 2: 'behind', 3: 'behind' })
  })

  test('a row without a key comes back by itself', async () => {
    const { operations, insert, store, places } = await world()
    const [rowId, other] = await insert([
      { id: '1', key: null },
      { id: '2', key: null },
    ])
    const lease = (await store.lease('a', 600_000)).leases[0]!
    const parked = [rowId!, other!].map((each) => ({ bucket: 0, rowId: each, reason: REASON }))
    await store.setAside(lease, { parked, behind: [] })
    expect(await operations.list({ limit: 5 })).toMatchObject([{ behind: 0 }, { behind: 0 }])
    expect(await operations.retry({ kind: 'message', id: '2' })).toEqual({ parked: 1, released: 0 })
    expect(await places()).toEqual({ 1: 'parked', 2: 'waiting' })
  })
})

describe('discard', () => {
  test('deletes the parked row alone, and lets go of those behind it', async () => {
    const { operations, places, lease } = await twoParkedKeys()
    const before = await lease()
    expect(await operations.discard({ kind: 'message', id: 'a1' })).toEqual({ parked: 1, released: 2 })
    expect(await places()).toEqual({ b1: 'parked', a2: 'waiting', a3: 'waiting', b2: 'behind' })
    expect((await lease()).generation).toBe(before.generation + 1n)
  })

  test('keeps it as discarded where rows that were sent are kept', async () => {
    const { operations, names } = await twoParkedKeys({ keepSent: true })
    await operations.discard({ kind: 'all' })
    const { rows } = await pool.query(`select message_id, key, partition, "offset" from ${names.sent} order by id`)
    expect(rows).toEqual([
      { message_id: 'a1', key: A, partition: null, offset: null },
      { message_id: 'b1', key: B, partition: null, offset: null },
    ])
  })

  test('the first of two parked rows of a key lets go of what is before the second', async () => {
    const { operations, insert, lease, setAside, places } = await world()
    const ids = await insert(['1', '2', '3', '4'].map((id) => ({ id, key: A })))
    await setAside(await lease(), [ids[0]!, ids[2]!], [ids[1]!, ids[3]!])
    expect(await operations.discard({ kind: 'message', id: '1' })).toEqual({ parked: 1, released: 1 })
    expect(await places()).toEqual({ 2: 'waiting', 3: 'parked', 4: 'behind' })
  })
})

test('a selection without its name is refused: it would be all of them', async () => {
  const { operations, places } = await twoParkedKeys()
  for (const selection of [{}, { kind: 'message' }, { kind: 'topic', topic: '' }, undefined] as never[]) {
    expect(await failureOf(operations.discard(selection))).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
    expect(await failureOf(operations.retry(selection))).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  }
  expect(await failureOf(operations.list({ limit: 0 }))).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  expect(Object.keys(await places())).toHaveLength(5)
})

test('nothing has happened when it dies between its steps', async () => {
  for (const at of ['outbox:operation-locked', 'outbox:operation-moved']) {
    const died = new Error('the process died')
    const failpoint = (name: string): void => {
      if (name === at) throw died
    }
    const { operations, places, lease } = await twoParkedKeys({ runtime: { failpoint } })
    const before = [await places(), await lease()]
    expect(await failureOf(operations.retry({ kind: 'all' }))).toMatchObject({
      code: 'HOLDFAST_STORE_UNAVAILABLE',
      cause: died,
    })
    expect([await places(), await lease()]).toEqual(before)
  }
})

describe('beside a relay that sets rows aside at the same time', () => {
  for (const what of ['retry', 'discard'] as const) {
    for (const at of ['outbox:operation-locked', 'outbox:operation-moved'])
      test(`a call that comes during a ${what} (${at}) waits, and is refused: it would leave a row behind a parked one that is gone`, async () => {
        let aside: Promise<boolean> | undefined
        const failpoint = async (name: string): Promise<void> => {
          if (name !== at) return
          aside = all.setAside(lease, [], [late!])
          await untilBlocked(pool)
        }
        const all = await twoParkedKeys({ runtime: { failpoint } })
        const [late] = await all.insert([{ id: 'a4', key: A }])
        const lease = await all.lease()
        expect(await all.operations[what]({ kind: 'message', id: 'a1' })).toEqual({ parked: 1, released: 2 })
        expect(await aside).toBe(false)
        expect((await all.places())['a4']).toBe('waiting')
      })

    test(`a ${what} that comes while a call is under way waits, and takes along what that one has set aside`, async () => {
      const all = await twoParkedKeys()
      const [late] = await all.insert([{ id: 'a4', key: A }])
      const lease = await all.lease()
      const holder = await heldClient(pool)
      await holder.query('begin')
      await holder.query(`select from ${all.names.outbox} where id = $1 for update`, [String(late)])
      const aside = all.setAside(lease, [], [late!]) // it waits for the row, under the lock of its bucket
      await untilBlocked(pool)
      const operation = all.operations[what]({ kind: 'message', id: 'a1' })
      await untilBlocked(pool, 2)
      await holder.query('commit')
      expect(await aside).toBe(true)
      expect(await operation).toEqual({ parked: 1, released: 3 })
      expect((await all.places())['a4']).toBe('waiting')
    })
  }

  test('many at once never leave a row behind a parked one that is gone', async () => {
    const all = await world()
    await all.lease() // a worker asks for its first leases once at a time
    const keys = [A, B, keyIn(BUCKET, 'orders', 2)]
    const rounds = async (n: number): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const ids = await all.insert(Array.from({ length: 3 }, () => ({ key: keys[n % 3]! })))
        const lease = await all.lease()
        const [known] = (await all.store.parkedKeys([BUCKET])).filter(({ key }) => keys[n % 3]!.equals(key))
        await all.setAside(lease, known === undefined ? ids.slice(0, 1) : [], known === undefined ? ids.slice(1) : ids)
        if (round % 2 === n % 2) await all.operations[n % 4 === 0 ? 'discard' : 'retry']({ kind: 'all' })
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, n) => rounds(n)))
    const orphans = `select id from ${all.names.outbox} as o where bucket < 0 and parked_at is null and not exists (
  select from ${all.names.outbox} as p where p.bucket = o.bucket and p.key = o.key and p.parked_at is not null)`
    expect((await pool.query(orphans)).rows).toEqual([])
    await all.operations.retry({ kind: 'all' })
    expect(await all.store.statistics(1)).toMatchObject({ parked: 0, behind: 0 })
  })

  test('a worker renews its lease while an operator’s call moves rows: however many they are', async () => {
    let renewed: BucketLease | undefined
    const failpoint = async (name: string): Promise<void> => {
      if (name === 'outbox:operation-moved') renewed = await all.lease()
    }
    const all = await twoParkedKeys({ runtime: { failpoint } })
    const before = await all.lease()
    await all.operations.retry({ kind: 'all' })
    expect(renewed).toEqual(before)
  })
})

describe('on every client', () => {
  const clients: Readonly<
    Record<
      string,
      () => {
        readonly transactions: PostgresOutboxOperationsOptions<unknown>['transactions']
        close(): Promise<unknown>
      }
    >
  > = {
    'pg, at repeatable read': () => ({
      transactions: pgTransactions(pool, 'repeatable read') as never,
      close: async () => {},
    }),
    kysely() {
      const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url }) })
      const db = new Kysely<Record<string, never>>({ dialect })
      return { transactions: kyselyTransactions(db, 'serializable') as never, close: () => db.destroy() }
    },
    knex() {
      const db = knex({ client: 'pg', connection: server.url })
      return { transactions: knexTransactions(db) as never, close: () => db.destroy() }
    },
    drizzle() {
      const own = new pg.Pool({ connectionString: server.url })
      return { transactions: drizzleTransactions(drizzle(own), drizzleSql) as never, close: () => own.end() }
    },
    prisma() {
      const prisma = createPrismaClient(server.url)
      return { transactions: prismaTransactions(prisma, 'serializable') as never, close: () => prisma.$disconnect() }
    },
  }
  for (const [name, make] of Object.entries(clients))
    test(`${name}: lists, puts back and gives up`, async () => {
      const { transactions, close } = make()
      onTestFinished(async () => void (await close()))
      const { operations, places } = await twoParkedKeys({ transactions, keepSent: true })
      expect(await operations.list({ limit: 10 })).toMatchObject([
        { id: 'a1', key: A, behind: 2, enqueuedAt: expect.any(Date) },
        { id: 'b1', rowId: 2n },
      ])
      expect(await operations.retry({ kind: 'message', id: 'a1' })).toEqual({ parked: 1, released: 2 })
      expect(await operations.discard({ kind: 'topic', topic: 'orders' })).toEqual({ parked: 1, released: 1 })
      expect(await places()).toEqual({ a1: 'waiting', a2: 'waiting', a3: 'waiting', b2: 'waiting' })
    })
})
