import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startHoldfast } from '../../cli/holdfast-process.ts'
import type { Said } from '../../cli/world.ts'
import { folderWith, holdfast } from '../../cli/world.ts'
import { fresh, startStores } from '../stores/world.ts'
import type { Services } from '../../../scripts/services/index.ts'
import { postgresDedupeSql, postgresDedupeStore } from '../../../src/postgres.ts'

let services: Services
let url: string
let pool: pg.Pool

beforeAll(async () => {
  services = await startStores({ postgres: true })
  url = services.postgres!.url
  pool = new pg.Pool({ connectionString: url, max: 4 })
})
afterAll(async () => {
  await pool.end()
  await services.close()
})

const migrate = (...args: readonly string[]): Promise<Said> =>
  holdfast(['postgres', 'migrate', ...args], { environment: { DATABASE_URL: url } })
const isThere = async (table: string): Promise<boolean> => {
  const { rowCount } = await pool.query('select from pg_class where relname = $1', [table])
  return rowCount === 1
}
/** How many commands wait for somebody else's lock. */
const waiting = async (): Promise<number> => {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::integer from pg_stat_activity where application_name = 'holdfast postgres migrate' and wait_event_type = 'Lock'`,
  )
  return rows[0]!.count
}
/** Holds the lock of all migrations, until it is let go. */
async function holdLock(): Promise<() => Promise<void>> {
  const client = await pool.connect()
  await client.query('begin')
  await client.query('select pg_advisory_xact_lock($1::bigint)', ['7520468213908417261'])
  let held = true
  const letGo = async (): Promise<void> => {
    if (!held) return
    held = false
    await client.query('rollback')
    client.release()
  }
  onTestFinished(letGo)
  return letGo
}

test('migrate makes the table that stores and inboxes need, says what it did, and does nothing the second time', async () => {
  const table = fresh('dedupe')
  const first = await migrate('--table', table)
  expect([first.code, first.errors]).toEqual([0, ''])
  expect(first.output).toMatch(
    new RegExp(`^made table and index of public\\.${table} \\(postgres://postgres@127\\.0\\.0\\.1:`),
  )
  const store = postgresDedupeStore(pool, { table, purgeEveryMs: false })
  await store.check!()
  expect((await store.begin('m', { leaseMs: 1_000 })).kind).toBe('started')
  const second = await migrate('--table', table)
  expect([second.code, second.errors]).toEqual([0, ''])
  expect(second.output).toContain(`public.${table} is there already, as it should be`)
  expect((await store.begin('m', { leaseMs: 1_000 })).kind).toBe('busy')
})

test('names that need quotes are the names of the table, whatever stands in them', async () => {
  const schema = fresh('sch"ema; drop table x')
  const table = fresh('we"ird')
  await pool.query(`create schema "${schema.replaceAll('"', '""')}"`)
  for (const made of [['table', 'index'], []]) {
    const { code, output, errors } = await migrate('--schema', schema, '--table', table, '--json')
    expect([code, errors]).toEqual([0, ''])
    expect(JSON.parse(output)).toEqual({
      database: url.replace(/:[^:@]*@/, '@'),
      table: `"${schema.replaceAll('"', '""')}"."${table.replaceAll('"', '""')}"`,
      made,
    })
  }
  await postgresDedupeStore(pool, { schema, table, purgeEveryMs: false }).check!()
})

test('of many at a time one makes the table and the others find it, as when two deploys meet', async () => {
  const table = fresh('dedupe')
  const letGo = await holdLock()
  const folder = folderWith({})
  const all = Array.from({ length: 3 }, () =>
    startHoldfast(['postgres', 'migrate', '--table', table, '--json'], folder, { DATABASE_URL: url }),
  )
  await waitUntil(async () => (await waiting()) === 3)
  await letGo()
  const ended = await Promise.all(all.map((each) => each.ended))
  expect(ended.map(({ code, errors }) => [code, errors])).toEqual([
    [0, ''],
    [0, ''],
    [0, ''],
  ])
  const made = ended.map(({ output }) => (JSON.parse(output) as { made: string[] }).made)
  expect(made.toSorted((a, b) => a.length - b.length)).toEqual([[], [], ['table', 'index']])
})

test('a table that is in use is looked at without making its writers wait', async () => {
  const table = fresh('dedupe')
  await pool.query(postgresDedupeSql({ table }))
  const writer = await pool.connect()
  try {
    await writer.query('begin')
    await writer.query(`insert into ${table} (id, attempt, purge_after) values ('\\x00', 1, now())`)
    const { code, output } = await migrate('--table', table)
    expect([code, output]).toEqual([0, expect.stringContaining('is there already')])
  } finally {
    await writer.query('rollback')
    writer.release()
  }
})

test('an index that is missing is made; where a long transaction keeps the table, it gives up before others queue for long', async () => {
  const table = fresh('dedupe')
  await pool.query(postgresDedupeSql({ table }))
  await pool.query(`drop index ${table}_purge`)
  const writer = await pool.connect()
  try {
    await writer.query('begin')
    await writer.query(`insert into ${table} (id, attempt, purge_after) values ('\\x00', 1, now())`)
    const { code, output, errors } = await migrate('--table', table)
    expect([code, output]).toEqual([1, ''])
    expect(errors).toContain('canceling statement due to lock timeout')
  } finally {
    await writer.query('rollback')
    writer.release()
  }
  expect((await migrate('--table', table)).output).toContain(`made index of public.${table}`)
})

test('a schema that is not there, and a table of somebody else’s, are told, and nothing is changed', async () => {
  const schema = fresh('nowhere')
  const nowhere = await migrate('--schema', schema)
  expect([nowhere.code, nowhere.output]).toEqual([2, ''])
  expect(nowhere.errors).toContain(`schema: ${schema}.holdfast_dedupe is in a schema that is not there`)
  const table = fresh('others')
  await pool.query(`create table ${table} (id integer)`)
  const taken = await migrate('--table', table)
  expect([taken.code, taken.output]).toEqual([2, ''])
  expect(taken.errors).toContain(`table: public.${table} is there, and is not the table of stores and inboxes`)
  const { rowCount } = await pool.query('select from pg_indexes where tablename = $1', [table])
  expect(rowCount).toBe(0)
})

test('a wrong password, no server and no database are told without any password, with exit code 1', async () => {
  const right = new URL(url)
  const wrong = Object.assign(new URL(url), { password: 'a-s%C3%A9cret' })
  const gone = Object.assign(new URL(url), { port: '1' })
  const nowhere = Object.assign(new URL(url), { pathname: '/nowhere' })
  for (const [address, expected] of [
    [wrong, 'password authentication failed for user "postgres"'],
    [gone, 'ECONNREFUSED'],
    [nowhere, 'database "nowhere" does not exist'],
  ] as const) {
    const { code, output, errors } = await holdfast(['postgres', 'migrate', '--database-url', address.href])
    expect([code, output]).toEqual([1, ''])
    expect(errors).toContain(expected)
    for (const secret of [right.password, wrong.password, 'a-sécret']) expect(errors).not.toContain(secret)
  }
})

test('the address is taken from the flag, then from the environment, then from the configuration', async () => {
  const gone = 'postgres://u@127.0.0.1:1/d'
  const at = (flag: string | null, environment: string | null, config: string): Promise<Said> =>
    holdfast(['postgres', 'migrate', ...(flag === null ? [] : ['--database-url', flag])], {
      environment: environment === null ? {} : { DATABASE_URL: environment },
      folder: folderWith({
        'holdfast.config.json': JSON.stringify({ postgres: { url: config, table: fresh('dedupe') } }),
      }),
    })
  for (const [flag, environment, config, code] of [
    [url, gone, gone, 0],
    [null, url, gone, 0],
    [null, null, url, 0],
    [gone, url, url, 1],
    [null, gone, url, 1],
  ] as const)
    expect((await at(flag, environment, config)).code).toBe(code)
})

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a command that ends by %s before its commit leaves nothing behind',
  async (signal) => {
    const table = fresh('dedupe')
    const letGo = await holdLock()
    const running = startHoldfast(['postgres', 'migrate', '--table', table], folderWith({}), { DATABASE_URL: url })
    await waitUntil(async () => (await waiting()) === 1)
    running.child.kill(signal)
    const { code, output, errors } = await running.ended
    expect([code, output, errors]).toEqual(
      signal === 'SIGINT' ? [130, '', 'stopped: nothing was changed\n'] : ['SIGKILL', '', ''],
    )
    await letGo()
    await waitUntil(async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where application_name = 'holdfast postgres migrate'`,
      )
      return rowCount === 0
    })
    expect(await isThere(table)).toBe(false)
  },
)

test('a server that goes meanwhile is told, and nothing was changed', async () => {
  const table = fresh('dedupe')
  const letGo = await holdLock()
  const said = migrate('--table', table)
  await waitUntil(async () => (await waiting()) === 1)
  await pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast postgres migrate'`,
  )
  const { code, output, errors } = await said
  expect([code, output]).toEqual([1, ''])
  expect(errors).toContain('terminating connection due to administrator command')
  await letGo()
  expect(await isThere(table)).toBe(false)
})

test('a commit whose answer is lost is told as what it is, and the same call again says what is there', async () => {
  const table = fresh('dedupe')
  const through = await proxyThatLosesTheAnswerTo('commit')
  const args = ['postgres', 'migrate', '--table', table]
  const { code, output, errors } = await holdfast([...args, '--database-url', through])
  expect([code, output]).toEqual([1, ''])
  expect(errors).toContain('nobody knows whether the table was made: run it again')
  await waitUntil(() => isThere(table))
  expect((await migrate('--table', table)).output).toContain('is there already, as it should be')
})

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 40_000, interval: 20 }).toBe(true)
}

/** The server behind a proxy that passes a statement on, and breaks the connection instead of its answer. */
async function proxyThatLosesTheAnswerTo(statement: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    let isLast = false
    client.on('data', (chunk) => {
      if (chunk.includes(statement)) isLast = true
      server.write(chunk)
    })
    server.on('data', (chunk) => (isLast ? client.destroy() : client.write(chunk)))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  return Object.assign(new URL(url), { port: String((proxy.address() as AddressInfo).port) }).href
}
