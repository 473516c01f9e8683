import pg from 'pg'
import { createOutbox } from 'holdfast'
import { postgresOutbox, postgresOutboxSql } from 'holdfast/postgres'
import { NAIVE_TABLE_SQL } from '../peers/naive-outbox.ts'
import { peerTableSql } from '../peers/pg-transactional-outbox.ts'
import type { BenchDatabase } from './database.ts'
import type { RelaySpec } from './relay-spec.ts'
import { smallEvent, smallEvents, VALUE_BYTES } from './small-event.ts'

/** Keys of the rows, taken in turns. */
export const KEYS = 500

/** Rows that wait to be sent. */
export interface Rows {
  /** Adds so many in one transaction, which is committed when it resolves. @param before - what else is done in it, on the same connection */
  add(count: number, before?: () => Promise<void>): Promise<void>
  /** Are all gone, or marked? */
  areGone(): Promise<boolean>
}

const SOME_HEADERS = {
  'holdfast-id': '0190f5fe-7c00-7a00-8000-000000000000',
  'holdfast-source': 'bench',
  'holdfast-time': '1764400000000',
  'content-type': 'application/octet-stream',
}

/** Makes the tables of a side in a database that has none, and what fills them: 200 bytes, 500 keys. */
export async function createRows(database: BenchDatabase, spec: Pick<RelaySpec, 'topic'> & Side): Promise<Rows> {
  if (spec.side === 'holdfast') return holdfastRows(database, spec.topic)
  if (spec.side === 'naive') return naiveRows(database, spec.topic, spec.headers)
  return peerRows(database, spec.topic, spec.side)
}

type Side =
  { readonly side: 'holdfast' | 'polling' | 'replication' } | { readonly side: 'naive'; readonly headers: boolean }

async function naiveRows(database: BenchDatabase, topic: string, headers: boolean): Promise<Rows> {
  await database.query(NAIVE_TABLE_SQL)
  return {
    async add(count) {
      await database.query(
        `insert into naive_outbox (topic, key, value, headers)
         select $2, 'key-' || (n % ${KEYS}), repeat('x', ${VALUE_BYTES}), $3::jsonb from generate_series(0, $1::int - 1) n order by n`,
        [count, topic, headers ? JSON.stringify(SOME_HEADERS) : null],
      )
      await database.query('analyze naive_outbox')
    },
    areGone: () => isEmpty(database, 'naive_outbox'),
  }
}

async function peerRows(database: BenchDatabase, topic: string, side: 'polling' | 'replication'): Promise<Rows> {
  for (const sql of peerTableSql(database.name, side)) await database.query(sql)
  return {
    async add(count) {
      await database.query('delete from outbox') // it keeps them, marked; its own cleanup is for once in minutes
      await database.query('vacuum outbox')
      // Two quotes are part of the value: its payload is JSON.
      await database.query(
        `insert into outbox (id, aggregate_type, aggregate_id, message_type, segment, payload)
         select gen_random_uuid(), $2, 'key-' || (n % ${KEYS}), 'bench', 'key-' || (n % ${KEYS}),
           to_jsonb(repeat('x', ${VALUE_BYTES - 2})) from generate_series(0, $1::int - 1) n order by n`,
        [count, topic],
      )
      await database.query('analyze outbox')
    },
    areGone: () => isEmpty(database, 'outbox where processed_at is null'),
  }
}

/**
 * One row for each key is written by `enqueue` itself, then kept aside; adding rows multiplies them in SQL, with row ids of their own: only
 * so a million are there in seconds.
 */
async function holdfastRows(database: BenchDatabase, topicName: string): Promise<Rows> {
  await database.query(postgresOutboxSql())
  const pool = new pg.Pool({ connectionString: database.url, max: 1 })
  const outbox = createOutbox({ store: postgresOutbox(pool), source: 'bench' })
  const topic = smallEvents(topicName)
  const client = await pool.connect()
  await client.query('begin')
  for (let i = 0; i < KEYS; i++) await outbox.enqueue(client, topic, smallEvent(`key-${i}`))
  const columns = 'bucket, message_id, topic, key, value, headers, "timestamp"'
  await client.query(
    `create table bench_rows as select row_number() over (order by id) as place, ${columns} from holdfast_outbox`,
  )
  await client.query('delete from holdfast_outbox')
  await client.query('commit')
  client.release()
  await pool.end()
  return {
    async add(count, before) {
      await database.query('begin')
      await before?.()
      await database.query(
        `insert into holdfast_outbox (${columns})
         select ${columns} from bench_rows, generate_series(1, $1::int) n order by n, place limit $2::int`,
        [Math.ceil(count / KEYS), count],
      )
      await database.query('analyze holdfast_outbox') // before the commit, after which its relay is at work
      await database.query('commit')
    },
    areGone: () => isEmpty(database, 'holdfast_outbox where bucket >= 0'),
  }
}

async function isEmpty(database: BenchDatabase, from: string): Promise<boolean> {
  const rows = await database.query<{ readonly some: boolean }>(`select exists (select from ${from}) as some`)
  return rows[0]!.some === false
}
