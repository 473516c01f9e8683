import { sql as drizzleSql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import { sqlStateOf } from '../../../src/database/index.ts'
import type { PostgresOutboxOptions } from '../../../src/postgres.ts'
import { drizzleOutbox, knexOutbox, kyselyOutbox, postgresOutbox, prismaOutbox } from '../../../src/postgres.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { fresh, startStores } from '../stores/world.ts'
import type { EnqueueWorld } from './enqueue-world.ts'
import { blobs, enqueueWorld, orders, subjects, ticks } from './enqueue-world.ts'

let services: Services
let admin: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  admin = new pg.Pool({ connectionString: services.postgres!.url })
})
afterAll(async () => {
  await admin?.end()
  await services.close()
})

const rolledBack = new Error('rolled back')
const keysOf = async ({ rows }: EnqueueWorld): Promise<(string | undefined)[]> =>
  (await rows()).map(({ key }) => (key === null ? undefined : Buffer.from(key).toString()))

describe.each(Object.entries(subjects))('an outbox on %s', (_, make) => {
  const world = (options: PostgresOutboxOptions = {}): Promise<EnqueueWorld> =>
    enqueueWorld(admin, services.postgres!.url, make, options)

  test.each([{}, { keepSentMs: 60_000 }, { keyOrder: 'none' }, { notify: true }] as const)(
    'stores with the commit of the caller’s transaction, and never without it (%o)',
    async (options) => {
      const own = await world(options)
      const { outbox, transaction } = own
      await transaction(async (tx) => {
        await outbox.enqueue(tx, orders, { id: 'a' })
        await outbox.enqueueMany(tx, [
          { topic: orders, value: { id: 'b' } },
          { topic: ticks, value: { n: 1 } },
        ])
        await outbox.enqueueTombstone(tx, orders, 'c')
        expect(await keysOf(own)).toEqual([])
      })
      expect(await keysOf(own)).toEqual(['a', 'b', undefined, 'c'])

      const fails = transaction(async (tx) => {
        await outbox.enqueue(tx, orders, { id: 'd' })
        await outbox.enqueueMany(tx, [
          { topic: orders, value: { id: 'e' } },
          { topic: orders, value: { id: 'f' } },
        ])
        throw rolledBack
      })
      await expect(fails).rejects.toThrow('rolled back')
      expect(await keysOf(own)).toEqual(['a', 'b', undefined, 'c'])
    },
  )

  test('stores final bytes: keys and values of any bytes, null and empty apart, headers, a partition, a time', async () => {
    const { outbox, transaction, rows } = await world()
    const odd = Buffer.from([0, 0xff, 0x22, 0x5c, 0x7b, 0x7d, 0x2c, 0x3a, 0, 1])
    const options = {
      id: 'id-"\\{},NULL',
      partition: 7,
      timestamp: 2n ** 53n - 1n,
      headers: [
        ['x', ''],
        ['x', odd],
        ['ü"\\', 'NULL'],
      ],
    } as const
    await transaction(async (tx) => {
      await outbox.enqueue(tx, blobs, odd, options)
      await outbox.enqueueMany(tx, [
        { topic: blobs, value: odd, ...options },
        { topic: blobs, value: Buffer.from(':') },
        { topic: blobs, value: new Uint8Array(odd) },
      ])
      await outbox.enqueueTombstone(tx, blobs, odd)
      await outbox.enqueue(tx, blobs, new Uint8Array())
    })
    const [one, many, colon, array, tombstone, empty] = await rows()
    const key = odd.subarray(0, 7)
    for (const row of [one!, many!]) {
      expect(row).toMatchObject({
        id: options.id,
        topic: 'blobs',
        key,
        value: odd,
        partition: 7,
        timestamp: 2n ** 53n - 1n,
      })
      expect(row.headers.slice(-3)).toEqual([
        ['x', Buffer.alloc(0)],
        ['x', odd],
        ['ü"\\', Buffer.from('NULL')],
      ])
    }
    expect(colon).toMatchObject({ key: Buffer.from('none'), value: Buffer.from(':') })
    expect(array).toMatchObject({ key, value: odd })
    expect(array).not.toHaveProperty('partition')
    expect(tombstone).toMatchObject({ key: odd, value: null })
    expect(empty).toMatchObject({ key: Buffer.from('none'), value: Buffer.alloc(0) })
  })

  test('loses with a savepoint what was enqueued in it, and keeps the rest', async () => {
    const own = await world()
    const { outbox, transaction, savepoint } = own
    await transaction(async (tx) => {
      await outbox.enqueue(tx, orders, { id: 'a' })
      const inner = savepoint(tx, async (nested) => {
        await outbox.enqueue(nested, orders, { id: 'a' })
        await outbox.enqueueMany(nested, [
          { topic: orders, value: { id: 'b' } },
          { topic: ticks, value: { n: 1 } },
        ])
        throw rolledBack
      })
      await expect(inner).rejects.toThrow('rolled back')
      await savepoint(tx, (nested) => outbox.enqueue(nested, orders, { id: 'c' }))
      await outbox.enqueue(tx, orders, { id: 'd' })
    })
    expect(await keysOf(own)).toEqual(['a', 'c', 'd'])
  })

  test('refuses what is no transaction: nothing is stored, by whatever way', async () => {
    const own = await world()
    const { outbox, database } = own
    for (const each of [database, {}, 'tx', 7] as unknown[]) {
      for (const call of [
        () => outbox.enqueue(each, orders, { id: 'a' }),
        () =>
          outbox.enqueueMany(each, [
            { topic: orders, value: { id: 'a' } },
            { topic: ticks, value: { n: 1 } },
          ]),
        () => outbox.enqueueTombstone(each, orders, 'a'),
      ]) {
        const failure = await failureOf(call())
        expect(failure.code).toBe('HOLDFAST_CONFIG_INVALID')
        expect(failure.problems.map(({ path }) => path)).toEqual(['transaction'])
      }
    }
    expect(await keysOf(own)).toEqual([])
  })

  test('refuses a transaction that has ended', async () => {
    const own = await world()
    const { outbox, transaction } = own
    let ended: unknown
    await transaction(async (tx) => (ended = tx))
    const rejected = transaction(async (tx) => {
      ended = tx
      throw rolledBack
    })
    const afterCommit = ended
    await expect(rejected).rejects.toThrow('rolled back')
    for (const each of [afterCommit, ended]) {
      for (const call of [
        () => outbox.enqueue(each, orders, { id: 'a' }),
        () => outbox.enqueue(each, ticks, { n: 1 }),
        () =>
          outbox.enqueueMany(each, [
            { topic: orders, value: { id: 'a' } },
            { topic: ticks, value: { n: 1 } },
          ]),
      ])
        expect((await failureOf(call())).code).toBe('HOLDFAST_CONFIG_INVALID')
    }
    expect(await keysOf(own)).toEqual([])
  })

  test('stores nothing outside when the commit is said before an enqueue has ended', async () => {
    const own = await world()
    const { outbox, transaction } = own
    let late: Promise<unknown> | undefined
    await transaction(async (tx) => {
      late = outbox.enqueue(tx, orders, { id: 'a' })
      late.catch(() => {})
    })
    const [outcome] = await Promise.allSettled([late!])
    // Either it stood before the commit in the line of the client, or it has found no transaction.
    const stored = outcome.status === 'fulfilled'
    if (!stored) expect(outcome.reason).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
    expect(await keysOf(own)).toEqual(stored ? ['a'] : [])
  })

  test('refuses a transaction that has failed', async () => {
    const own = await world()
    const { outbox, transaction, run } = own
    const failed = transaction(async (tx) => {
      await run(tx, 'select 1/0').catch(() => {})
      expect((await failureOf(outbox.enqueue(tx, orders, { id: 'a' }))).code).toBe('HOLDFAST_CONFIG_INVALID')
      throw rolledBack
    })
    await expect(failed).rejects.toThrow('rolled back')
    expect(await keysOf(own)).toEqual([])
  })

  test('does the work of outbox.transaction in one transaction, and wakes the relay after its commit', async () => {
    const own = await world()
    const { outbox, run, names } = own
    const seen: unknown[] = []
    outbox.onEnqueued(() => void seen.push('woken'))
    const answer = await outbox.transaction(async (tx) => {
      await outbox.enqueue(tx, orders, { id: 'a' })
      await run(tx, `update ${names.buckets} set epoch = 7 where bucket = 0`)
      seen.push('committing')
      return 'answer'
    })
    expect(answer).toBe('answer')
    expect(seen).toEqual(['woken', 'committing', 'woken'])
    const fails = outbox.transaction(async (tx) => {
      await outbox.enqueue(tx, orders, { id: 'b' })
      throw rolledBack
    })
    await expect(fails).rejects.toBe(rolledBack)
    expect(seen).toEqual(['woken', 'committing', 'woken', 'woken'])
    expect(await keysOf(own)).toEqual(['a'])
    const { rows } = await admin.query(`select epoch from ${names.buckets} where bucket = 0`)
    expect(rows).toEqual([{ epoch: '7' }])
  })

  test('is said as it is when the database ends a transaction for a deadlock: it can be repeated', async () => {
    const { outbox, transaction, rows } = await world()
    const arrived: (() => void)[] = []
    const bothHoldOne = (): Promise<void> =>
      new Promise((resolve) => {
        arrived.push(resolve)
        if (arrived.length === 2) for (const each of arrived) each()
      })
    const crossing = (ids: readonly [string, string], waits: boolean): Promise<unknown> =>
      transaction(async (tx) => {
        await outbox.enqueue(tx, orders, { id: ids[0] })
        if (waits) await bothHoldOne()
        await outbox.enqueue(tx, orders, { id: ids[1] })
      })
    const ways = [
      ['x', 'y'],
      ['y', 'x'],
    ] as const
    const outcomes = await Promise.allSettled(ways.map((way) => crossing(way, true)))
    const lost = outcomes.findIndex(({ status }) => status === 'rejected')
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(sqlStateOf((outcomes[lost] as PromiseRejectedResult).reason)).toBe('40P01')
    await crossing(ways[lost]!, false)
    expect(await rows()).toHaveLength(4)
  })

  test('stores names and schemas of any characters', async () => {
    const schema = `We?ird "${fresh('S')}" $1'`
    await admin.query(`create schema "${schema.replaceAll('"', '""')}"`)
    for (const options of [{ notify: true }, { keepSentMs: 60_000, notify: true }]) {
      const own = await world({ schema, table: `Out "box" $2 ?? 'x' \\ ${fresh('T')}`, ...options })
      await own.transaction(async (tx) => {
        await own.outbox.enqueue(tx, orders, { id: 'a' })
        await own.outbox.enqueueMany(tx, [
          { topic: orders, value: { id: 'a' } },
          { topic: orders, value: { id: 'b' } },
        ])
      })
      expect(await keysOf(own)).toEqual(['a', 'a', 'b'])
    }
  })

  test('stores 5 MB in a row, alone and among others', async () => {
    const own = await world()
    const large = Buffer.alloc(5_000_000, 'k:x')
    await own.transaction(async (tx) => {
      await own.outbox.enqueue(tx, blobs, large)
      await own.outbox.enqueueMany(tx, [
        { topic: blobs, value: large },
        { topic: blobs, value: Buffer.from('k:small') },
        { topic: blobs, value: large },
      ])
    })
    const rows = await own.rows()
    expect(rows.map(({ value }) => value!.length)).toEqual([5_000_000, 5_000_000, 7, 5_000_000])
    expect(rows.every(({ value }) => value!.length === 7 || large.equals(value!))).toBe(true)
  })
})

test('many transactions that are open at once are no leak of listeners: nobody is warned of one', async () => {
  const max = 12 // Node.js warns from the eleventh listener on
  const pool = new pg.Pool({ connectionString: services.postgres!.url, max })
  const store = postgresOutbox(pool)
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  let open = 0
  let allAreOpen!: () => void
  const together = new Promise<void>((resolve) => (allAreOpen = resolve))
  const transactions = Array.from({ length: max }, () =>
    store.transact(async () => {
      if (++open === max) allAreOpen()
      await together
    }),
  )
  await Promise.all(transactions)
  await new Promise((resolve) => setImmediate(resolve)) // a warning is told in a later turn
  process.off('warning', warned)
  await pool.end()
  expect(warnings).toEqual([])
})

test('what is no such thing is refused with all that is wrong', () => {
  const wrong = {
    keyOrder: 'some',
    notify: 1,
    keepSentMs: 0,
    purgeEveryMs: 0.5,
    isolation: 'none',
    schema: '',
    keep: 1,
  }
  expect(() => postgresOutbox({} as never, wrong as never)).toThrow(
    /pool: a Pool of pg is needed\n.*schema: .*\n.*keyOrder: .*\n.*notify: .*\n.*keepSentMs: .*\n.*purgeEveryMs: .*\n.*isolation: .*\n.*keep: is not an option/,
  )
  expect(() => kyselyOutbox({} as never)).toThrow('a Kysely instance is needed')
  expect(() => knexOutbox({} as never)).toThrow('a Knex instance is needed')
  expect(() => drizzleOutbox({} as never, drizzleSql)).toThrow('a Drizzle database and its sql is needed')
  expect(() => prismaOutbox({} as never)).toThrow('a PrismaClient is needed')
})
