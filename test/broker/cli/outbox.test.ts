import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../../../src/cli/index.ts'
import { BUCKETS, createOutbox } from '../../../src/outbox/index.ts'
import { postgresOutbox, postgresOutboxSql } from '../../../src/postgres.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { z } from 'zod'
import type { Said } from '../../cli/world.ts'
import { folderWith, holdfast } from '../../cli/world.ts'
import type { Services } from '../../../scripts/services/index.ts'
import { startHoldfast } from '../../cli/holdfast-process.ts'
import { until } from '../outbox/relay-store-world.ts'
import { fresh, startStores } from '../stores/world.ts'

let services: Services
let url: string
let pool: pg.Pool
beforeAll(async () => {
  services = await startStores({ postgres: true })
  url = services.postgres!.url
  pool = new pg.Pool({ connectionString: url, max: 6 })
})
afterAll(async () => {
  await pool?.end()
  await services.close()
})

const SECRET = 'payload-4711'
const topicOf = (name: string) =>
  defineTopic({ name, schema: z.object({ id: z.string(), secret: z.string() }), key: ({ id }) => id })

interface World {
  readonly table: string
  cli(...args: readonly string[]): Promise<Said>
  /** Enqueues a message for each id, and parks the first of each key. */
  parked(topic: string, ...keys: readonly string[]): Promise<readonly string[]>
  waiting(): Promise<number>
}

async function world(keepSentMs?: number): Promise<World> {
  const table = fresh('outbox')
  await pool.query(postgresOutboxSql({ table, keepSent: keepSentMs !== undefined }))
  const store = postgresOutbox(pool, { table, ...(keepSentMs !== undefined && { keepSentMs }) })
  const outbox = createOutbox({ store, source: 'shop' })
  return {
    table,
    cli: (...args) => holdfast(['outbox', ...args, '--outbox-table', table], { environment: { DATABASE_URL: url } }),
    async parked(topic, ...keys) {
      const ids: string[] = []
      for (const key of keys)
        ids.push((await store.transact((tx) => outbox.enqueue(tx, topicOf(topic), { id: key, secret: SECRET }))).id)
      const { leases } = await store.relay.lease('test', 60_000)
      const ranges = leases.map(({ bucket }) => ({ bucket, after: 0n }))
      const rows = await store.relay.fetch(ranges, { maxRows: 1_000, maxBytes: 1 << 20 })
      const seen = new Set<string>()
      for (const row of rows) {
        const name = Buffer.from(row.key!).toString()
        const reason = { code: 'HOLDFAST_RECORD_TOO_LARGE', message: `${topic}: larger than 1,048,576 bytes` }
        const place = { bucket: row.bucket, rowId: row.rowId }
        const aside = seen.has(name) ? { parked: [], behind: [place] } : { parked: [{ ...place, reason }], behind: [] }
        seen.add(name)
        expect(await store.relay.setAside(leases[row.bucket]!, aside)).toBe(true)
      }
      await store.relay.leave('test')
      return ids
    },
    async waiting() {
      const { rows } = await pool.query<{ count: number }>(
        `select count(*)::integer from ${table} where bucket between 0 and ${BUCKETS - 1}`,
      )
      return rows[0]!.count
    },
  }
}

test('list shows what is parked and why; keys where they are asked for, and never a payload', async () => {
  const { cli, parked } = await world()
  expect(await cli('list')).toEqual({ code: 0, output: 'nothing is parked\n', errors: '' })
  const [first, , third] = await parked('orders', 'customer-1', 'customer-1', 'customer-2')
  const { code, output, errors } = await cli('list')
  expect([code, errors]).toEqual([0, ''])
  const lines = output.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^message +topic +parked +behind +bytes +code +reason$/)
  expect(lines[1]).toMatch(
    new RegExp(`^${first} +orders +20.+Z +1 +\\d+ +HOLDFAST_RECORD_TOO_LARGE +orders: larger than`),
  )
  expect(lines[2]).toMatch(new RegExp(`^${third} +orders +20.+Z +0 `))
  const json = await cli('list', '--json', '--topic', 'orders', '--limit', '1')
  expect(JSON.parse(json.output)).toMatchObject({ parked: [{ id: first, rowId: '1', behind: 1 }] })
  for (const said of [output, json.output])
    for (const hidden of ['customer-', SECRET]) expect(said).not.toContain(hidden)
  expect((await cli('list', '--limit', '1')).output).toContain('the first 1 row: --limit shows more')
  const withKeys = await cli('list', '--keys')
  expect(withKeys.output).toMatch(/orders +customer-1 /)
  expect(withKeys.output).not.toContain(SECRET)
  expect((await cli('list', '--topic', 'elsewhere')).output).toBe('nothing is parked\n')
})

test('retry puts a message back before those behind it; one that is not parked is exit code 1', async () => {
  const { cli, parked, waiting } = await world()
  const [first] = await parked('orders', 'a', 'a', 'b')
  expect(await cli('retry', '--id', first!)).toEqual({
    code: 0,
    output: 'put back 1 row; 1 row behind follow\n',
    errors: '',
  })
  expect(await waiting()).toBe(2)
  expect(await cli('retry', '--id', first!)).toEqual({
    code: 1,
    output: `no parked row has the message id ${first}\n`,
    errors: '',
  })
  const { output } = await cli('retry', '--all', '--json')
  expect(JSON.parse(output)).toMatchObject({ parked: 1, released: 0 })
  expect(await cli('retry', '--topic', 'orders')).toMatchObject({ code: 0, output: 'nothing is parked of orders\n' })
})

test('discard needs --yes or an answer, and keeps what it gives up where sent rows are kept', async () => {
  const { cli, parked, waiting, table } = await world(60_000)
  const [first] = await parked('orders', 'a', 'a', 'b')
  const asked: string[] = []
  const answering = async (answer: string): Promise<Said> => {
    let [output, errors] = ['', '']
    const code = await runCli(['outbox', 'discard', '--id', first!, '--outbox-table', table], {
      folder: folderWith({}),
      environment: { DATABASE_URL: url },
      output: { write: (text) => void (output += text), isTerminal: true },
      errors: { write: (text) => void (errors += text), isTerminal: true },
      signal: new AbortController().signal,
      ask: (question) => {
        asked.push(question)
        return Promise.resolve(answer)
      },
    })
    return { code, output, errors }
  }
  expect(await answering('')).toEqual({ code: 1, output: '', errors: 'nothing was discarded\n' })
  expect(await waiting()).toBe(0)
  expect(asked[0]).toContain(`Discard the parked message ${first} of postgres://postgres@127.0.0.1`)
  expect(asked[0]).not.toContain(new URL(url).password)
  expect(await answering('y')).toMatchObject({ code: 0, output: 'discarded 1 row; 1 row behind are sent\n' })
  expect(await cli('discard', '--all', '--yes')).toMatchObject({ code: 0 })
  expect(await waiting()).toBe(1)
  const { rows } = await pool.query(`select partition from ${table}_sent`)
  expect(rows).toEqual([{ partition: null }, { partition: null }])
})

test('an outbox that is not there, a wrong password and no server are told, without the password', async () => {
  const at = (address: string): Promise<Said> =>
    holdfast(['outbox', 'list', '--database-url', address, '--outbox-table', fresh('none')])
  const missing = await at(url)
  expect(missing).toMatchObject({ code: 2, output: '' })
  expect(missing.errors).toContain('holdfast postgres migrate --outbox')
  const wrong = Object.assign(new URL(url), { password: 'a-s%C3%A9cret' })
  const gone = Object.assign(new URL(url), { port: '1' })
  for (const [address, expected] of [
    [wrong, 'password authentication failed'],
    [gone, 'ECONNREFUSED'],
  ] as const) {
    const { code, errors } = await at(address.href)
    expect(code).toBe(1)
    expect(errors).toContain(expected)
    for (const secret of ['a-s%C3%A9cret', 'a-sécret', new URL(url).password]) expect(errors).not.toContain(secret)
  }
})

test('a retry that is stopped while it waits says that nobody knows, and leaves no transaction open', async () => {
  const { table, parked, cli } = await world()
  await parked('orders', 'a')
  const holder = await pool.connect()
  await holder.query('begin')
  await holder.query(`select from ${table} for update`)
  const { child, ended } = startHoldfast(['outbox', 'retry', '--all', '--outbox-table', table], folderWith({}), {
    DATABASE_URL: url,
  })
  const open = async (): Promise<number> => {
    const { rowCount } = await pool.query(
      `select from pg_stat_activity where application_name = 'holdfast outbox' and wait_event_type = 'Lock'`,
    )
    return rowCount ?? 0
  }
  await until(async () => (await open()) === 1)
  child.kill('SIGINT')
  const { code, errors } = await ended
  expect([code, errors]).toEqual([130, 'stopped: nobody knows whether it was done: holdfast outbox list tells\n'])
  await holder.query('rollback')
  holder.release()
  await until(async () => (await open()) === 0)
  expect(await cli('list', '--json')).toMatchObject({ code: 0 })
})

test('relay sends an outbox in PostgreSQL until nothing waits', async () => {
  const { table, parked, cli, waiting } = await world()
  await parked('orders', 'a', 'a', 'b')
  await cli('retry', '--all')
  const folder = folderWith({
    'holdfast.config.mjs': `import { createOutbox, createRelay, defineConfig } from 'holdfast'
import { postgresOutbox } from 'holdfast/postgres'
import { createInMemoryCluster, inMemoryDriver } from 'holdfast/testing'
import pg from 'pg'
const relay = () => {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
  const outbox = createOutbox({ store: postgresOutbox(pool, { table: '${table}' }), source: 'shop' })
  return createRelay({ outbox, driver: inMemoryDriver({ cluster: createInMemoryCluster({ topics: [{ topic: 'orders' }] }) }) })
}
export default defineConfig({ relay })`,
  })
  const { ended } = startHoldfast(['outbox', 'relay', '--until-empty'], folder, { DATABASE_URL: url })
  expect(await ended).toMatchObject({ code: 0, output: '3 published\n' })
  expect(await waiting()).toBe(0)
})
