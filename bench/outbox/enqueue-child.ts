// Transactions that enqueue a message each, in a process of its own: enqueue-spec.ts starts it. Its argument is the spec as JSON.
import { createInterface } from 'node:readline'
import pg from 'pg'
import { createOutbox, systemRuntime } from 'holdfast'
import { postgresOutbox } from 'holdfast/postgres'
import type { EnqueueSpec } from './enqueue-spec.ts'
import { CLIENTS } from './enqueue-spec.ts'
import { smallEvent, smallEvents } from './small-event.ts'

const TOPIC = 'bench'

const spec = JSON.parse(process.argv[2]!) as EnqueueSpec
const { notify, keepSentMs, keyOrder } = spec
const pool = new pg.Pool({ connectionString: spec.url, max: CLIENTS })
const outbox = createOutbox({
  store: postgresOutbox(pool, {
    ...(notify !== undefined && { notify }),
    ...(keepSentMs !== undefined && { keepSentMs }),
    ...(keyOrder !== undefined && { keyOrder }),
  }),
  source: 'bench',
})
const topic = smallEvents(TOPIC)
const INSERT = `insert into holdfast_outbox (bucket, message_id, topic, key, value, headers, "timestamp") values ($1, $2, $3, $4, $5, $6, $7)`
/** As many bytes as Holdfast's headers are. */
const HEADERS = Buffer.alloc(114, 'x')

const enqueue = async (client: pg.PoolClient, key: string): Promise<void> => {
  await client.query('begin')
  await outbox.enqueue(client, topic, smallEvent(key))
  await client.query('commit')
}

let bucket = 0
const insert = async (client: pg.PoolClient, key: string): Promise<void> => {
  await client.query('begin')
  const value = Buffer.from(JSON.stringify(smallEvent(key)))
  const values = [bucket++ % 64, systemRuntime.ids(), TOPIC, Buffer.from(key), value, HEADERS, String(Date.now())]
  await client.query(INSERT, values)
  await client.query('commit')
}

const one = spec.side === 'holdfast' ? enqueue : insert
process.stdin.once('end', () => process.exit(0))
for await (const line of createInterface({ input: process.stdin })) {
  const count = Number(line.split(' ')[1])
  await pool.query('truncate holdfast_outbox')
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => pool.connect()))
  let left = count
  const started = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) await one(client, `key-${Math.floor(systemRuntime.random() * spec.keys)}`)
    }),
  )
  const seconds = (performance.now() - started) / 1_000
  for (const client of clients) client.release()
  const [row] = (await pool.query<{ readonly rows: number }>('select count(*)::int as rows from holdfast_outbox')).rows
  if (row!.rows !== count) throw new Error(`there are ${row!.rows} rows of ${count} transactions`)
  console.log(JSON.stringify({ records: count, seconds }))
}
process.exit(0)
