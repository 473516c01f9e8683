import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Services } from '../../../scripts/services/index.ts'
import { postgresOutbox, postgresOutboxNames, postgresOutboxSql } from '../../../src/postgres.ts'
import type { Said } from '../../cli/world.ts'
import { folderWith, holdfast } from '../../cli/world.ts'
import { fresh, startStores } from '../stores/world.ts'

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
const made = async (...args: readonly string[]): Promise<{ outbox?: unknown; lock?: unknown }> => {
  const { code, output, errors } = await migrate('--json', ...args)
  expect([code, errors]).toEqual([0, ''])
  return JSON.parse(output) as { outbox?: unknown; lock?: unknown }
}
const PARTS = ['sequence', 'table', 'index of parked rows', 'buckets', 'workers']
const SENT_PARTS = ['sent rows', 'indexes of sent rows', 'index of keys']

/** Holds a row of it in an open transaction, as an enqueue does. */
async function writing(outbox: string, work: () => Promise<void>): Promise<void> {
  const writer = await pool.connect()
  try {
    await writer.query('begin')
    await writer.query(
      `insert into ${outbox} (bucket, message_id, topic, headers, "timestamp") values (0, 'm', 't', '\\x01', 0)`,
    )
    await work()
  } finally {
    await writer.query('rollback')
    writer.release()
  }
}

test('migrate makes an outbox where it is asked for, and looks at one in use without making its writers wait', async () => {
  const table = fresh('outbox')
  expect(await made('--table', fresh('dedupe'))).not.toHaveProperty('outbox')
  expect((await made('--outbox-table', table)).outbox).toEqual({ table: `public.${table}`, made: PARTS })
  await postgresOutbox(pool, { table }).check()
  await writing(table, async () => {
    expect((await made('--outbox-table', table)).outbox).toEqual({ table: `public.${table}`, made: [] })
  })
  const again = await migrate('--outbox-table', table)
  expect(again.output).toContain(`public.${table} is there already, as it should be`)
})

test('what keeps sent rows can be added later; where a long transaction holds the table, it gives up before others queue for long', async () => {
  const table = fresh('outbox')
  await made('--outbox-table', table)
  const kept = postgresOutbox(pool, { table, keepSentMs: 1 })
  await expect(kept.check()).rejects.toMatchObject({ code: 'HOLDFAST_CONFIG_INVALID' })
  await writing(table, async () => {
    const { code, errors } = await migrate('--outbox-table', table, '--keep-sent')
    expect([code, errors]).toEqual([1, expect.stringContaining('lock timeout')])
  })
  const { code, output } = await migrate('--outbox-table', table, '--keep-sent')
  expect(code).toBe(0)
  expect(output).toContain(`made sent rows, indexes of sent rows and index of keys of public.${table} (`)
  await kept.check()
})

test('an outbox of any name, named by the configuration, is made with its sent rows', async () => {
  const schema = fresh('Sch"ema')
  const table = `${fresh('Out"box')} ${'ü'.repeat(20)}`
  await pool.query(`create schema "${schema.replaceAll('"', '""')}"`)
  const folder = folderWith({
    'holdfast.config.json': JSON.stringify({ postgres: { url, schema, outbox: { table, keepSent: true } } }),
  })
  for (const parts of [[...PARTS, ...SENT_PARTS], []]) {
    const { code, output, errors } = await holdfast(['postgres', 'migrate', '--json'], { folder })
    expect([code, errors]).toEqual([0, ''])
    expect(JSON.parse(output)).toMatchObject({
      outbox: { table: postgresOutboxNames({ schema, table }).outbox, made: parts },
    })
  }
  await postgresOutbox(pool, { schema, table, keepSentMs: 1 }).check()
})

test('a table of somebody else’s, and a sequence that would break the order of keys, are told, and nothing is changed', async () => {
  const table = fresh('outbox')
  await pool.query(`create table ${table} (id integer)`)
  const taken = await migrate('--outbox-table', table)
  expect([taken.code, taken.output]).toEqual([2, ''])
  expect(taken.errors).toContain(`outbox: public.${table} is there, and is no outbox of this version`)
  const { rows } = await pool.query('select from pg_class where relname = $1', [`${table}_bucket`])
  expect(rows).toEqual([])

  const cached = fresh('outbox')
  await pool.query(postgresOutboxSql({ table: cached }))
  await pool.query(`alter sequence ${cached}_id cache 32`)
  const unfit = await migrate('--outbox-table', cached)
  expect([unfit.code, unfit.output]).toEqual([2, ''])
  expect(unfit.errors).toContain('cache 1')
})

test('the sequence of locks is made where it is asked for', async () => {
  const schema = fresh('s')
  await pool.query(`create schema ${schema}`)
  const sequence = `${schema}.holdfast_lock_token`
  expect(await made('--schema', schema)).not.toHaveProperty('lock')
  expect((await made('--schema', schema, '--lock')).lock).toEqual({ sequence, made: ['sequence'] })
  expect((await made('--schema', schema, '--lock')).lock).toEqual({ sequence, made: [] })
  await pool.query(`alter sequence ${sequence} cache 5`)
  const { code, errors } = await migrate('--schema', schema, '--lock')
  expect([code, errors]).toEqual([2, expect.stringContaining('no sequence that hands out one at a time')])
})

test('what is printed for review makes the same, and connects to nothing', async () => {
  const names = { schema: fresh('s') }
  await pool.query(`create schema ${names.schema}`)
  const args = ['postgres', 'migrate', '--schema', names.schema, '--outbox', '--keep-sent', '--lock', '--print']
  const { code, output } = await holdfast(args, { environment: { DATABASE_URL: 'postgres://nowhere:1/x' } })
  expect(code).toBe(0)
  await pool.query(output)
  await postgresOutbox(pool, { ...names, keepSentMs: 1 }).check()
  const said = await made('--schema', names.schema, '--outbox', '--keep-sent', '--lock')
  expect(said).toMatchObject({ made: [], outbox: { made: [] }, lock: { made: [] } })
  const json = await holdfast([...args, '--json'])
  expect(JSON.parse(json.output)).toMatchObject({
    ...names,
    outbox: { ...names, table: 'holdfast_outbox', keepSent: true },
    lock: true,
    sql: output,
  })
})
