import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CamelCasePlugin, CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { Inbox, InboxCall } from '../../../src/idempotency/index.ts'
import type { Isolation } from '../../../src/postgres.ts'
import { drizzleInbox, knexInbox, kyselyInbox, postgresDedupeSql, prismaInbox } from '../../../src/postgres.ts'
import { sqlStateOf } from '../../../src/database/index.ts'
import { inboxConformance } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import type { Subject } from './inbox-world.ts'
import { breakablePool, inboxWorld } from './inbox-world.ts'
import type { PrismaClient } from './prisma-client.ts'
import { createPrismaClient, STOCK_SQL } from './prisma-client.ts'
import { fresh, startStores } from './world.ts'

let services: Services
let url: string
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  url = services.postgres!.url
  pool = new pg.Pool({ connectionString: url })
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

const subjects: Readonly<Record<string, (table: string, isolation?: Isolation) => Subject>> = {
  kysely(table, isolation) {
    const dialect = new PostgresDialect({ pool: breakablePool(url) })
    const db = new Kysely<Record<string, never>>({ dialect, plugins: [new CamelCasePlugin()] })
    const inbox = kyselyInbox(db, { table, ...(isolation && { isolation }) })
    const typed: Subject['run'] = (tx, statement) => (tx as typeof db).executeQuery(CompiledQuery.raw(statement))
    return { inbox: inbox as Inbox<unknown>, run: typed, close: () => db.destroy() }
  },
  knex(table, isolation) {
    const db = knex({ client: 'pg', connection: url })
    const inbox = knexInbox(db, { table, ...(isolation && { isolation }) })
    const typed: Subject['run'] = async (tx, statement) => (tx as typeof db).raw(statement)
    return { inbox: inbox as Inbox<unknown>, run: typed, close: () => db.destroy() }
  },
  drizzle(table, isolation) {
    const own = breakablePool(url)
    const db = drizzle(own)
    const inbox = drizzleInbox(db, drizzleSql, { table, ...(isolation && { isolation }) })
    const typed: Subject['run'] = (tx, statement) => (tx as typeof db).execute(drizzleSql.raw(statement))
    return { inbox: inbox as Inbox<unknown>, run: typed, close: () => own.end() }
  },
  prisma(table, isolation) {
    const prisma = createPrismaClient(url)
    const inbox = prismaInbox(prisma, { table, ...(isolation && { isolation }) })
    // What a statement answers with `void` Prisma cannot read.
    const typed: Subject['run'] = (tx, statement) =>
      /pg_sleep/.test(statement)
        ? (tx as PrismaClient).$executeRawUnsafe(statement)
        : (tx as PrismaClient).$queryRawUnsafe(statement)
    return { inbox: inbox as Inbox<unknown>, run: typed, close: () => prisma.$disconnect() }
  },
}

for (const [name, make] of Object.entries(subjects))
  inboxConformance({
    name: `an inbox on ${name}`,
    describe,
    test,
    create: () => inboxWorld(pool, (table) => make(table)),
  })

const call = (...ids: string[]): InboxCall => ({
  messages: ids.map((id) => ({ id, token: `t-${id}` })),
  signal: new AbortController().signal,
  idleTimeoutMs: 60_000,
})
const kept = { commit: true, value: null }

describe.each(Object.entries(subjects))('the transactions of an inbox on %s', (_, make) => {
  async function world(isolation?: Isolation) {
    const [table, effects] = [fresh('inbox'), fresh('effects')]
    await pool.query(postgresDedupeSql({ table }))
    await pool.query(`create table ${effects} (id text primary key, n int default 0)`)
    const { close, ...subject } = make(table, isolation)
    onTestFinished(async () => void (await close()))
    const write = (tx: unknown, id: string): Promise<unknown> =>
      subject.run(tx, `insert into ${effects} values ('${id}')`)
    const written = async (): Promise<string[]> =>
      (await pool.query<{ id: string }>(`select id from ${effects} order by id`)).rows.map(({ id }) => id)
    return { ...subject, effects, write, written }
  }

  test('repeats what the database ends for the sake of others: deadlocks, and conflicts of serializable transactions', async () => {
    for (const isolation of [undefined, 'serializable'] as const) {
      const { inbox, run, effects } = await world(isolation)
      await pool.query(`insert into ${effects} values ('x'), ('y')`)
      let calls = 0
      const waiting: (() => void)[] = []
      const bothHoldOne = (): Promise<void> =>
        new Promise((resolve) => {
          waiting.push(resolve)
          if (waiting.length === 2) for (const each of waiting.splice(0)) each()
        })
      const crossing = (id: string, order: readonly string[]): Promise<unknown> =>
        inbox.handle(call(id), async (tx) => {
          calls++
          for (const [i, row] of order.entries()) {
            await run(tx, `update ${effects} set n = n + 1 where id = '${row}'`)
            if (i === 0 && calls <= 2) await bothHoldOne()
          }
          return kept
        })
      await Promise.all([crossing('a', ['x', 'y']), crossing('b', ['y', 'x'])])
      expect(calls).toBeGreaterThanOrEqual(3)
      const { rows } = await pool.query<{ n: number }>(`select n from ${effects}`)
      expect(rows.map(({ n }) => n)).toEqual([2, 2])
    }
  })

  test('takes nothing as handled whose transaction had failed', async () => {
    const { inbox, write, written } = await world()
    const swallows = inbox.handle(call('a'), async (tx) => {
      await write(tx, 'a')
      await write(tx, 'a').catch(() => {})
      return kept
    })
    expect((await failureOf(swallows)).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
    expect(await written()).toEqual([])
  })

  test('ends the statement of a handler that is out of time', async () => {
    const { inbox, run } = await world()
    const timeout = new AbortController()
    const hangs = inbox.handle({ ...call('a'), signal: timeout.signal }, async (tx) => {
      setTimeout(() => timeout.abort(new Error('out of time')), 100)
      await run(tx, 'select pg_sleep(600)')
      return kept
    })
    expect(sqlStateOf(await hangs.catch((error: unknown) => error))).toBe('57014') // query_canceled
    expect((await inbox.handle(call('a'), async () => kept)).kind).toBe('committed')
  })
})

test('what is no such thing is refused with all that is wrong', () => {
  expect(() => kyselyInbox({} as never, { maxConnections: 0, isolation: 'none' as never, ttl: 1 } as object)).toThrow(
    /db: a Kysely instance is needed\n.*isolation: .*\n.*maxConnections: .*\n.*ttl: is not an option/,
  )
  expect(() => knexInbox({} as never)).toThrow('a Knex instance is needed')
  expect(() => drizzleInbox({} as never, drizzleSql)).toThrow('a Drizzle database and its sql is needed')
  expect(() => prismaInbox({} as never)).toThrow('a PrismaClient is needed')
})

describe('an inbox on Prisma', () => {
  async function prismaWorld() {
    const table = fresh('inbox')
    await pool.query(postgresDedupeSql({ table }))
    await pool.query(`drop table if exists "Stock"; ${STOCK_SQL}; insert into "Stock" values ('x', 0), ('y', 0)`)
    const prisma = createPrismaClient(url)
    onTestFinished(() => prisma.$disconnect())
    const left = async (): Promise<unknown> =>
      (await pool.query(`select sku, "left" from "Stock" order by sku`)).rows.map(({ sku, left: n }) => [sku, n])
    return { inbox: prismaInbox(prisma, { table }), left }
  }
  const take = (sku: string) => ({ where: { sku }, data: { left: { increment: 1 } } })

  test('commits what is written through its models, and repeats their deadlocks', async () => {
    const { inbox, left } = await prismaWorld()
    let calls = 0
    const waiting: (() => void)[] = []
    const crossing = (id: string, order: readonly string[]): Promise<unknown> =>
      inbox.handle(call(id), async (tx) => {
        calls++
        for (const [i, sku] of order.entries()) {
          await tx.stock.update(take(sku))
          if (i > 0 || calls > 2) continue
          await new Promise<void>((resolve) => {
            waiting.push(resolve)
            if (waiting.length === 2) for (const each of waiting.splice(0)) each()
          })
        }
        return kept
      })
    await Promise.all([crossing('a', ['x', 'y']), crossing('b', ['y', 'x'])])
    expect(calls).toBeGreaterThanOrEqual(3)
    expect(await left()).toEqual([
      ['x', 2],
      ['y', 2],
    ])
  })

  test('gives a handler the time that it has, and not the 5 s after which Prisma ends a transaction', async () => {
    const { inbox, left } = await prismaWorld()
    const slow = await inbox.handle(call('a'), async (tx) => {
      await tx.stock.update(take('x'))
      await tx.$executeRawUnsafe('select pg_sleep(5.5)')
      await tx.stock.update(take('x'))
      return kept
    })
    expect(slow.kind).toBe('committed')
    expect(await left()).toEqual([
      ['x', 2],
      ['y', 0],
    ])
  })

  test('tells Prisma the handler’s time and a while more, and begins nothing once that is over', async () => {
    const { inbox, left } = await prismaWorld()
    const given: unknown[] = []
    const table = fresh('inbox')
    await pool.query(postgresDedupeSql({ table }))
    const prisma = createPrismaClient(url)
    onTestFinished(() => prisma.$disconnect())
    const watched = {
      $queryRawUnsafe: prisma.$queryRawUnsafe.bind(prisma),
      $transaction: <T>(work: (tx: never) => Promise<T>, options: object) => {
        given.push(options)
        return prisma.$transaction(work as never, options) as Promise<T>
      },
    }
    await prismaInbox(watched, { table, isolation: 'repeatable read' }).handle(call('a'), async () => kept)
    expect(given).toEqual([{ maxWait: 65_000, timeout: 65_000, isolationLevel: 'RepeatableRead' }])
    const aborted = inbox.handle({ ...call('b'), signal: AbortSignal.abort(new Error('out of time')) }, async (tx) => {
      await tx.stock.update(take('x'))
      return kept
    })
    expect((await failureOf(aborted)).code).toBe('HOLDFAST_STORE_UNAVAILABLE')
    expect(await left()).toEqual([
      ['x', 0],
      ['y', 0],
    ])
  })
})
