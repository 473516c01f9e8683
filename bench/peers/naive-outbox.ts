import kafkajs from 'kafkajs'
import pg from 'pg'
import type { NaiveSpec, RunningRelay, StartRelay } from '../outbox/relay-spec.ts'

const BATCH = 500

/** Its table, as one writes it without a library. */
export const NAIVE_TABLE_SQL = `create table naive_outbox (
  id bigserial primary key, topic text not null, key text not null, value text not null, headers jsonb
)`

interface Row {
  readonly id: string
  readonly topic: string
  readonly key: string
  readonly value: string
  readonly headers: Record<string, string> | null
}

/**
 * The loop that everybody writes first: select 500 by id, send them in one call, delete them. One worker; no lease, no order across
 * workers, no plan for a row that Kafka refuses, and a row that commits late behind another of its key goes out late.
 */
export const startNaiveRelay: StartRelay<NaiveSpec> = async (spec, published): Promise<RunningRelay> => {
  const client = new pg.Client({ connectionString: spec.url })
  await client.connect()
  const kafka = new kafkajs.Kafka({
    clientId: 'bench-naive',
    brokers: [...spec.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const producer = kafka.producer({ idempotent: true, createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  const columns = spec.headers ? 'id, topic, key, value, headers' : 'id, topic, key, value'
  const select = { name: 'select', text: `select ${columns} from naive_outbox order by id limit ${BATCH}` }
  let running: Promise<void> = Promise.resolve()

  const untilEmpty = async (): Promise<void> => {
    for (;;) {
      const { rows } = await client.query<Row>(select)
      if (rows.length === 0) return
      const messages = rows.map(({ key, value, headers }) => ({
        key,
        value,
        ...(spec.headers && { headers: headers! }),
      }))
      await producer.send({ topic: rows[0]!.topic, acks: -1, messages })
      await client.query({
        name: 'delete',
        text: 'delete from naive_outbox where id = any($1::bigint[])',
        values: [rows.map(({ id }) => id)],
      })
      published(rows.length)
    }
  }
  return {
    go() {
      running = running.then(untilEmpty)
    },
    async close() {
      await running
      await producer.disconnect()
      await client.end()
    },
  }
}
