import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import type { Inbox, InboxCall, InboxDone, InboxResult } from '../../../src/idempotency/index.ts'
import type { PostgresInboxOptions } from '../../../src/postgres.ts'
import { postgresDedupeSql, postgresInbox } from '../../../src/postgres.ts'
import { inboxConformance } from '../../../src/testing/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { breakablePool, inboxWorld } from './inbox-world.ts'
import { fresh, startStores } from './world.ts'

let services: Services
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  pool = new pg.Pool({ connectionString: services.postgres!.url, max: 12 })
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

inboxConformance({
  name: 'an inbox on a pool of pg',
  describe,
  test,
  create: () =>
    inboxWorld(pool, (table) => {
      const own = breakablePool(services.postgres!.url)
      const inbox = postgresInbox(own, { table }) as Inbox<unknown>
      return { inbox, run: (tx, statement) => (tx as pg.PoolClient).query(statement), close: () => own.end() }
    }),
})

/** An inbox with a table of effects beside it. */
async function world(options: PostgresInboxOptions = {}, on: pg.Pool = pool) {
  const [table, effects] = [fresh('inbox'), fresh('effects')]
  await pool.query(postgresDedupeSql({ table }))
  await pool.query(`create table ${effects} (id text primary key, by text)`)
  const inbox: Inbox<pg.PoolClient> = postgresInbox(on, { table, ...options })
  const write = async (tx: pg.PoolClient, id: string, by = 'a'): Promise<void> => {
    await tx.query(`insert into ${effects} values ($1, $2)`, [id, by])
  }
  const written = async (): Promise<string[]> =>
    (await pool.query<{ id: string }>(`select id from ${effects} order by id`)).rows.map(({ id }) => id)
  return { inbox, table, effects, write, written }
}

const message = (
  id = 'm',
  token = 'one',
  signal = new AbortController().signal,
  idleTimeoutMs = 60_000,
): InboxCall => ({ messages: [{ id, token }], signal, idleTimeoutMs })
const kept = <T>(value: T) => ({ commit: true, value })

/** A result with what it says of messages that were done before in the order in which they were given. */
function told<T>(result: InboxResult<T>): unknown {
  return { ...result, done: [...result.done].map(([{ id }, { outcome, own }]) => `${id} ${outcome} ${own}`) }
}
const NONE: InboxDone = new Map()

/** How a call that is to throw as it is has thrown. */
async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => Promise.reject(new Error('did not throw')),
    (thrown: unknown) => thrown,
  )
}

test('what the database ends for the sake of others is repeated whole, and both come to their end', async () => {
  const { inbox, effects, written } = await world()
  await pool.query(`insert into ${effects} values ('x', ''), ('y', '')`)
  let calls = 0
  let waiting: (() => void)[] = []
  const bothHoldOne = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 2) for (const each of waiting.splice(0)) each()
    })
  const crossing = (id: string, order: readonly string[]): Promise<unknown> =>
    inbox.handle(message(id, id), async (tx) => {
      calls++
      for (const [i, row] of order.entries()) {
        await tx.query(`update ${effects} set by = by || $2 where id = $1`, [row, id])
        if (i === 0 && calls <= 2) await bothHoldOne()
      }
      return kept(id)
    })
  const ends = await Promise.all([crossing('a', ['x', 'y']), crossing('b', ['y', 'x'])])
  waiting = []
  expect(ends).toEqual([
    { kind: 'committed', value: 'a', done: NONE },
    { kind: 'committed', value: 'b', done: NONE },
  ])
  expect(calls).toBe(3)
  const { rows } = await pool.query<{ by: string }>(`select by from ${effects}`)
  expect(rows.map(({ by }) => by.split('').toSorted().join(''))).toEqual(['ab', 'ab'])
  expect(await written()).toEqual(['x', 'y'])
})

test('serializable transactions that conflict are repeated, so that neither reads what the other has changed', async () => {
  const { inbox, effects } = await world({ isolation: 'serializable' })
  const count = (id: string): Promise<unknown> =>
    inbox.handle(message(id, id), async (tx) => {
      const { rows } = await tx.query<{ n: number }>(`select count(*)::int as n from ${effects}`)
      await tx.query(`insert into ${effects} values ($1, $2)`, [id, String(rows[0]!.n)])
      return kept(null)
    })
  await Promise.all(Array.from({ length: 5 }, (_, i) => count(`m-${i}`)))
  const { rows } = await pool.query<{ by: string }>(`select by from ${effects} order by by`)
  expect(rows.map(({ by }) => by)).toEqual(['0', '1', '2', '3', '4'])
})

test('a handler that goes on after a statement has failed has handled nothing, and is told', async () => {
  const { inbox, write, written } = await world()
  const swallows = inbox.handle(message(), async (tx) => {
    await write(tx, 'a')
    await write(tx, 'a').catch(() => {})
    return kept(null)
  })
  expect((await failureOf(swallows)).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
  const endsItself = inbox.handle(message(), async (tx) => {
    await write(tx, 'a')
    await tx.query('rollback')
    return kept(null)
  })
  expect((await failureOf(endsItself)).code).toBe('HOLDFAST_TRANSACTION_ABORTED')
  const withSavepoint = await inbox.handle(message(), async (tx) => {
    await write(tx, 'a')
    await tx.query('savepoint s')
    await write(tx, 'a').catch(() => tx.query('rollback to s'))
    return kept(null)
  })
  expect(withSavepoint.kind).toBe('committed')
  expect(await written()).toEqual(['a'])
})

test('a constraint that speaks up in the commit is a failure of the handler, with the database’s own error', async () => {
  const { inbox, effects, write, written } = await world()
  await pool.query(`alter table ${effects} add constraint later unique (by) deferrable initially deferred`)
  await inbox.handle(message('m-1'), async (tx) => kept(await write(tx, 'a', 'same')))
  const violates = inbox.handle(message('m-2'), async (tx) => kept(await write(tx, 'b', 'same')))
  expect(await thrownBy(violates)).toMatchObject({ code: '23505', constraint: 'later' })
  expect(await written()).toEqual(['a'])
})

test('a commit whose answer is lost is known as one’s own when the message comes again', async () => {
  const own = new pg.Pool({ connectionString: services.postgres!.url, max: 4 })
  own.on('error', () => {})
  own.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => Promise<unknown>
    const losing = async (...given: unknown[]): Promise<unknown> => {
      const answer = await query(...given)
      if (given[0] !== 'commit') return answer
      own.removeAllListeners('connect')
      throw new Error('Connection terminated unexpectedly')
    }
    client.query = losing as typeof client.query
  })
  const { inbox, write, written } = await world({}, own)
  const lost = await failureOf(inbox.handle(message(), async (tx) => kept(await write(tx, 'a'))))
  expect(lost).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
  expect(told(await inbox.handle(message(), async () => kept(expect.unreachable())))).toEqual({
    kind: 'done',
    done: ['m handled true'],
  })
  expect(await written()).toEqual(['a'])
  await own.end()
})

test('a handler out of time loses its connection, on both sides, and the pool has room again', async () => {
  const own = new pg.Pool({ connectionString: services.postgres!.url, max: 3 })
  const { inbox, write, written } = await world({}, own)
  const timeout = new AbortController()
  let pid = 0
  const hangs = inbox.handle(message('m', 'one', timeout.signal), async (tx) => {
    await write(tx, 'a')
    pid = (await tx.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid
    await tx.query('select pg_sleep(600)')
    return kept(null)
  })
  await waitUntil(async () => (await sleeping()).includes(pid))
  timeout.abort(new Error('out of time'))
  await thrownBy(hangs)
  await waitUntil(async () => !(await sleeping()).includes(pid))
  expect((await inbox.handle(message(), async (tx) => kept(await write(tx, 'b')))).kind).toBe('committed')
  expect(await written()).toEqual(['b'])
  expect(own.totalCount).toBeLessThanOrEqual(2)
  await own.end()
})

test(
  'a process that stands still in its transaction keeps its message from others for no longer than it was told',
  { timeout: 10_000 },
  async () => {
    const own = new pg.Pool({ connectionString: services.postgres!.url, max: 3 })
    own.on('error', () => {})
    const { inbox, table, write, written } = await world()
    const still: Inbox<pg.PoolClient> = postgresInbox(own, { table })
    let goOn = (): void => {}
    const suspended = new Promise<void>((resolve) => (goOn = resolve))
    onTestFinished(() => goOn())
    const zombie = still.handle(message('m', 'zombie', undefined, 300), async (tx) => {
      await write(tx, 'zombie')
      await suspended
      return kept(null)
    })
    await waitUntil(async () => (await idleInTransaction()) > 0)
    const next = await inbox.handle(message('m', 'next'), async (tx) => kept(await write(tx, 'next')))
    expect(next.kind).toBe('committed')
    goOn()
    expect((await failureOf(zombie)).code).toBe('HOLDFAST_STORE_UNAVAILABLE')
    expect(await written()).toEqual(['next'])
    await own.end()
  },
)

test('a shorter time that the pool was told itself stands', async () => {
  const own = new pg.Pool({
    connectionString: services.postgres!.url,
    max: 3,
    idle_in_transaction_session_timeout: 4_000,
  })
  const { inbox } = await world({}, own)
  const timeouts: string[] = []
  for (const idleTimeoutMs of [60_000, 3_000]) {
    await inbox.handle(message(`m-${idleTimeoutMs}`, 'one', undefined, idleTimeoutMs), async (tx) => {
      const { rows } = await tx.query('show idle_in_transaction_session_timeout')
      return kept(timeouts.push(rows[0].idle_in_transaction_session_timeout))
    })
  }
  expect(timeouts).toEqual(['4s', '3s'])
  await own.end()
})

test('a mark past its time is none', async () => {
  const { inbox, write, written } = await world({ ttlMs: 1 })
  await inbox.handle(message(), async (tx) => kept(await write(tx, 'a')))
  await waitUntil(async () => (await inbox.begin('m')).kind === 'started')
  expect(await inbox.begin('m')).toEqual({ kind: 'started', attempt: 2 })
  await inbox.handle(message(), async (tx) => kept(await write(tx, 'b')))
  expect(await written()).toEqual(['a', 'b'])
})

test('more handlers than connections, and a table that is not there, are told at the start', async () => {
  const { inbox } = await world()
  await inbox.check(10)
  expect((await failureOf(inbox.check(11))).message).toContain(
    '11 handlers at a time need a pool of 13 connections, and it has 12',
  )
  const nowhere = await failureOf(postgresInbox(pool, { table: 'nowhere' }).check(1))
  expect(nowhere).toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  const make = (): unknown => postgresInbox({} as pg.Pool, { isolation: 'snapshot', ttl: 1 } as object)
  expect(make).toThrow(/pool: .*\n.*isolation: .*\n.*ttl: is not an option/)
})

test('a database that is out is said to be so by every call', async () => {
  const gone = new pg.Pool({ connectionString: 'postgres://localhost:1/none', max: 3 })
  const inbox = postgresInbox(gone)
  const calls: readonly (() => Promise<unknown>)[] = [
    () => inbox.handle(message(), async () => kept(null)),
    () => inbox.begin('m'),
    () => inbox.abandon('m', 0),
    () => inbox.complete({ id: 'm', token: 'one' }, 'parked'),
    () => inbox.check(1),
  ]
  for (const call of calls)
    expect(await failureOf(call())).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
  await gone.end()
})

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 10_000, interval: 20 }).toBe(true)
}

async function activity(where: string): Promise<readonly { readonly pid: number }[]> {
  return (await pool.query<{ pid: number }>(`select pid from pg_stat_activity where ${where}`)).rows
}

const sleeping = async (): Promise<number[]> =>
  (await activity(`query like '%pg_sleep%' and wait_event = 'PgSleep'`)).map(({ pid }) => pid)
const idleInTransaction = async (): Promise<number> => (await activity(`state = 'idle in transaction'`)).length

test('a database that stands still and refuses nothing is an outage where the pool has a query_timeout, and no fault of the message', async () => {
  const own = new pg.Pool({ connectionString: services.postgres!.url, max: 4, query_timeout: 500 })
  onTestFinished(() => own.end())
  const { inbox, write, written } = await world({}, own)
  let backend = 0
  const stands = inbox.handle(message(), async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    backend = rows[0]!.pid
    process.kill(backend, 'SIGSTOP')
    await write(tx, 'a')
    return kept(null)
  })
  const failure = await failureOf(stands).finally(() => process.kill(backend, 'SIGCONT'))
  expect(failure).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', retriable: true })
  expect(await inbox.handle(message(), async (tx) => kept(await write(tx, 'a')))).toMatchObject({ kind: 'committed' })
  expect(await written()).toEqual(['a'])
})
