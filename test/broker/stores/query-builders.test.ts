import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CamelCasePlugin, CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { Inbox, InboxCall } from '../../../src/idempotency/index.ts'
import type { Isolation } from '../../../src/idempotency/postgres/index.ts'
import { drizzleInbox, knexInbox, kyselyInbox, postgresDedupeSql } from '../../../src/idempotency/postgres/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
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

/** An inbox, and a way to run a statement in its transactions. */
interface Subject {
  readonly inbox: Inbox<unknown>
  run(tx: unknown, statement: string): Promise<unknown>
  close(): Promise<unknown>
}

const subjects: Readonly<Record<string, (table: string, isolation?: Isolation) => Subject>> = {
  kysely(table, isolation) {
    const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) })
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
    const own = new pg.Pool({ connectionString: url })
    const db = drizzle(own)
    const inbox = drizzleInbox(db, drizzleSql, { table, ...(isolation && { isolation }) })
    const typed: Subject['run'] = (tx, statement) => (tx as typeof db).execute(drizzleSql.raw(statement))
    return { inbox: inbox as Inbox<unknown>, run: typed, close: () => own.end() }
  },
}

const call = (...ids: string[]): InboxCall => ({
  messages: ids.map((id) => ({ id, token: `t-${id}` })),
  signal: new AbortController().signal,
  idleTimeoutMs: 60_000,
})
const kept = { commit: true, value: null }

describe.each(Object.entries(subjects))('an inbox on %s', (_, make) => {
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

  test('commits effect and mark together, knows what was done, and leaves nothing of what failed', async () => {
    const { inbox, write, written } = await world()
    await inbox.check(4)
    const fault = new Error('no stock')
    const throws = inbox.handle(call('a'), async (tx) => {
      await write(tx, 'a')
      throw fault
    })
    await expect(throws).rejects.toBe(fault)
    const parks = await inbox.handle(call('a'), async (tx) => {
      await write(tx, 'a')
      return { commit: false, value: 'park' }
    })
    expect(parks).toMatchObject({ kind: 'rolled-back', value: 'park' })
    expect(await written()).toEqual([])

    const both = await inbox.handle(call('b', 'a'), async (tx, fresh) => {
      for (const { id } of fresh) await write(tx, id)
      return kept
    })
    expect(both.kind).toBe('committed')
    const again = await inbox.handle(call('b', 'c'), async (tx, fresh) => {
      for (const { id } of fresh) await write(tx, id)
      return kept
    })
    expect([...again.done].map(([{ id }, done]) => [id, done])).toEqual([['b', { outcome: 'handled', own: true }]])
    expect(await written()).toEqual(['a', 'b', 'c'])
    expect(await inbox.begin('d')).toEqual({ kind: 'started', attempt: 1 })
    await inbox.complete({ id: 'd', token: 't' }, 'parked')
    expect(await inbox.begin('d')).toEqual({ kind: 'done', outcome: 'parked' })
    await inbox.close()
  })

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
    const thrown = (await hangs.catch((error: unknown) => error)) as Error & { readonly code?: string }
    expect(thrown.code ?? (thrown.cause as { readonly code?: string }).code).toBe('57014') // query_canceled
    expect((await inbox.handle(call('a'), async () => kept)).kind).toBe('committed')
  })
})

test('what is no such thing is refused with all that is wrong', () => {
  expect(() => kyselyInbox({} as never, { maxConnections: 0, isolation: 'none' as never, ttl: 1 } as object)).toThrow(
    /db: a Kysely instance is needed\n.*isolation: .*\n.*maxConnections: .*\n.*ttl: is not an option/,
  )
  expect(() => knexInbox({} as never)).toThrow('a Knex instance is needed')
  expect(() => drizzleInbox({} as never, drizzleSql)).toThrow('a Drizzle database and its sql is needed')
})
