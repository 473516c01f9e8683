import { Kafka, logLevel } from 'kafkajs'
import type { Producer } from 'kafkajs'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { startHoldfast } from '../../cli/holdfast-process.ts'
import type { Said } from '../../cli/world.ts'
import { folderWith, holdfast } from '../../cli/world.ts'
import { uniqueName, useKafka } from '../../helpers/services.ts'
import { fresh, startStores } from '../stores/world.ts'
import type { Services } from '../../../scripts/services/index.ts'
import type { AuditReport } from '../../../src/audit/index.ts'
import { kafkajsDriver } from '../../../src/driver/kafkajs/index.ts'
import { createConsumer, createOutbox, createRelay, defineTopic, park } from '../../../src/index.ts'
import { outboxTableSql } from '../../../src/outbox/postgres/outbox-table.ts'
import { postgresDedupeSql, postgresInbox, postgresOutbox } from '../../../src/postgres.ts'
import { shown } from '../../audit/world.ts'

let services: Services
let url: string
let pool: pg.Pool
let brokers: string[]
let kafka: Kafka
let producer: Producer

beforeAll(async () => {
  services = await startStores({ postgres: true })
  url = services.postgres!.url
  pool = new pg.Pool({ connectionString: url, max: 10 })
  brokers = (await useKafka()).brokers
  kafka = new Kafka({ clientId: 'audit-test', brokers, logLevel: logLevel.NOTHING })
  producer = kafka.producer({ idempotent: true })
  await producer.connect()
})
afterAll(async () => {
  await producer.disconnect()
  await pool.end()
  await services.close()
})

/** A row of an outbox, and what became of it. */
interface Row {
  readonly rowId: number
  readonly id: string
  readonly key: string
  readonly previous: number | null
  /** Minutes ago. */
  readonly enqueued: number
}

const KEYS = 5
const PARTITIONS = 3
const NOW = Date.now()
const minutesAgo = (minutes: number): Date => new Date(NOW - minutes * 60_000)

/** So many rows of a few keys, an hour old and two seconds apart, each knowing the one before it of its key. */
const rowsOf = (count: number): readonly Row[] =>
  Array.from({ length: count }, (_, i) => ({
    rowId: i + 1,
    id: `m${i + 1}`,
    key: `key-${i % KEYS}`,
    previous: i < KEYS ? null : i + 1 - KEYS,
    enqueued: 60 - i / 30,
  }))
const partitionOf = ({ key }: Row): number => Number(key.slice(4)) % PARTITIONS

interface OutboxWorld {
  readonly topic: string
  readonly table: string
  /** Writes records, in this order. @returns their offsets */
  write(rows: readonly Row[]): Promise<ReadonlyMap<string, bigint>>
  /** Stores rows as sent, at these offsets. */
  keep(rows: readonly Row[], offsets: ReadonlyMap<string, bigint>): Promise<void>
  audit(...args: readonly string[]): Promise<Said>
}

async function outboxWorld(): Promise<OutboxWorld> {
  const topic = await newTopic('audit')
  const table = fresh('outbox')
  await pool.query(outboxTableSql({ table, keepSent: true }))
  return {
    topic,
    table,
    async write(rows) {
      const offsets = new Map<string, bigint>()
      for (const partition of [0, 1, 2]) {
        const ofPartition = rows.filter((row) => partitionOf(row) === partition)
        if (ofPartition.length === 0) continue
        const messages = ofPartition.map((row) => ({
          partition,
          key: row.key,
          value: 'a-secret',
          headers: { 'holdfast-id': row.id, 'holdfast-source': 'shop' },
          timestamp: String(minutesAgo(row.enqueued).getTime()),
        }))
        const [{ baseOffset } = { baseOffset: '0' }] = await producer.send({ topic, messages, acks: -1 })
        ofPartition.forEach(({ id }, i) => {
          if (!offsets.has(id)) offsets.set(id, BigInt(baseOffset!) + BigInt(i))
        })
      }
      return offsets
    },
    async keep(rows, offsets) {
      for (const row of rows)
        await pool.query(
          `insert into ${table}_sent (id, previous_id, message_id, topic, key, partition, "offset", enqueued_at, sent_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
          [
            row.rowId,
            row.previous,
            row.id,
            topic,
            Buffer.from(row.key),
            partitionOf(row),
            String(offsets.get(row.id) ?? 0n),
            minutesAgo(row.enqueued),
            minutesAgo(row.enqueued),
          ],
        )
    },
    audit: (...args) =>
      holdfast(
        [
          'audit',
          '--from',
          'outbox',
          '--to',
          `topic:${topic}`,
          '--outbox-table',
          table,
          '--brokers',
          brokers.join(),
          ...args,
        ],
        { environment: { DATABASE_URL: url } },
      ),
  }
}

async function newTopic(prefix: string): Promise<string> {
  const topic = uniqueName(prefix)
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true })
  await admin.disconnect()
  return topic
}

function reportOf({ output, errors }: Said): AuditReport {
  expect(errors).toBe('')
  return JSON.parse(output) as AuditReport
}
function found({ findings }: AuditReport): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries(findings)
      .filter(([, ranges]) => ranges.length > 0)
      .map(([kind, ranges]) => [kind, ranges.map(shown)]),
  )
}

test('a clean outbox is clean: rows kept as sent, a log that ends with what was rolled back, and a row too young to miss', async () => {
  const world = await outboxWorld()
  const rows = rowsOf(300)
  const offsets = await world.write(rows)
  await world.keep(rows, offsets)
  const transactions = kafka.producer({ idempotent: true, transactionalId: uniqueName('tx'), maxInFlightRequests: 1 })
  await transactions.connect()
  const transaction = await transactions.transaction()
  const rolledBack = [0, 1, 2].map((partition) => ({
    partition,
    value: 'x',
    headers: { 'holdfast-id': 'rolled-back' },
  }))
  await transaction.send({ topic: world.topic, messages: rolledBack })
  await transaction.abort()
  await transactions.disconnect()
  await pool.query(`insert into ${world.table} (bucket, message_id, topic, key, headers, "timestamp", previous_id)
values (3, 'young', '${world.topic}', 'key-0', '', 0, 296)`)
  const said = await world.audit('--json', '--extra', 'shop')
  const report = reportOf(said)
  expect([said.code, found(report)]).toEqual([0, {}])
  expect(report.counts).toMatchObject({ judged: 301, matched: 300, young: 1, repeated: 0, readFrom: 301, readTo: 300 })
  expect((await world.audit()).output).toContain('nothing is missing, doubled or out of order')
})

test('planted loss, double, disorder, gap and extra are found, each with its exact range, and nothing else is', async () => {
  const world = await outboxWorld()
  const rows = rowsOf(200)
  const row = (n: number): Row => rows[n - 1]!
  // key-0 has rows 1, 6, 11 …: 51, 56 and 61 are lost. Row 103 (key-2) comes after 118. Rows 150 to 154 come twice, as a batch.
  const lost = new Set([51, 56, 61])
  const written = rows.filter(({ rowId }) => !lost.has(rowId) && rowId !== 103)
  const at = (n: number): number => written.indexOf(row(n)) + 1
  const order = [...written.slice(0, at(118)), row(103), ...written.slice(at(118))]
  const double = order.indexOf(row(154)) + 1
  const all = [...order.slice(0, double), ...[150, 151, 152, 153, 154].map(row), ...order.slice(double)]
  const extra: Row = { rowId: 0, id: 'nobody', key: 'key-2', previous: null, enqueued: 55 }
  const foreign: Row = { ...extra, id: 'foreign' }
  const offsets = await world.write([...all, extra])
  await producer.send({
    topic: world.topic,
    messages: [{ partition: 2, key: foreign.key, value: '', headers: { 'holdfast-id': 'foreign' } }],
  })
  await world.keep(
    rows.filter(({ rowId }) => rowId !== 170),
    offsets,
  )
  // What waits for longer than the grace and is not there is missing; what was set aside waits for an operator.
  await pool.query(
    `insert into ${world.table} (bucket, id, message_id, topic, key, headers, "timestamp", previous_id, enqueued_at) values
(1, 1001, 'stuck', $1, 'key-0', '', 0, 196, $2), (-2, 1002, 'parked', $1, 'key-0', '', 0, 1001, $2)`,
    [world.topic, minutesAgo(10)],
  )
  const said = await world.audit('--json', '--extra', 'shop')
  const report = reportOf(said)
  const place = (n: number): string => `${partitionOf(row(n))}@${offsets.get(`m${n}`)}`
  expect(said.code).toBe(1)
  expect(report.counts).toMatchObject({ missing: 4, duplicate: 5, reordered: 1, gap: 1, parked: 1 })
  expect(found(report)).toEqual({
    missing: ['3: #51 0@0 to #61 0@0', '1: #1001 to #1001'],
    reordered: [`1: #103 ${place(103)} to #103 ${place(103)} behind #118`],
    // The batch lies in three partitions. Row 170, of which there is a record and no row, is extra; and the predecessor of 175 is nowhere.
    duplicate: expect.arrayContaining([
      expect.stringMatching(/^2: 0@\d+ to 0@\d+$/),
      expect.stringMatching(/^2: 1@\d+ to 1@\d+$/),
      expect.stringMatching(/^1: 2@\d+ to 2@\d+$/),
    ]) as unknown,
    extra: [
      `1: ${partitionOf(extra)}@${offsets.get('nobody')} to ${partitionOf(extra)}@${offsets.get('nobody')}`,
      `1: ${place(170)} to ${place(170)}`,
    ],
    gap: ['1: #175 to #175 behind #170'],
  })
  expect(report.findings.missing[0]).toMatchObject({
    first: { at: minutesAgo(row(51).enqueued).toISOString() },
    last: { at: minutesAgo(row(61).enqueued).toISOString() },
  })
  const text = await world.audit()
  expect(text.code).toBe(1)
  expect(text.output).toContain('4 missing, 5 duplicate, 1 reordered, 1 gap')
  expect(text.output).not.toMatch(/secret|key-\d/)
  // A window that lies after all of these sees none of them.
  const after = await world.audit('--json', '--since', minutesAgo(row(180).enqueued).toISOString(), '--until', '20min')
  expect([after.code, found(reportOf(after))]).toEqual([0, {}])
})

test('what an outbox and its relay have done is clean while they work, and a row that somebody deletes is found', async () => {
  const world = await outboxWorld()
  const orders = defineTopic({ name: world.topic, schema: z.object({ id: z.string() }), key: ({ id }) => id })
  const store = postgresOutbox(pool, { table: world.table, keepSentMs: 3_600_000 })
  const outbox = createOutbox({ store, source: 'shop' })
  const relay = createRelay({ outbox, driver: kafkajsDriver({ brokers, logLevel: logLevel.NOTHING }) })
  onTestFinished(() => relay.close())
  const enqueue = async (writer: number): Promise<void> => {
    for (let i = 0; i < 25; i++)
      await store.transact(async (client) => {
        await outbox.enqueue(client, orders, { id: `k${(writer + i) % 7}` })
        if (i % 6 === 5) await outbox.enqueueTombstone(client, orders, `k${writer}`)
      })
  }
  await relay.start()
  const writing = Promise.all([0, 1, 2, 3].map(enqueue))
  const meanwhile = await world.audit('--json', '--extra', 'shop')
  expect([meanwhile.code, found(reportOf(meanwhile))]).toEqual([0, {}])
  await writing
  await relay.drained()
  await relay.close()
  const after = await world.audit('--json', '--grace', '0s', '--extra', 'shop')
  expect([after.code, found(reportOf(after))]).toEqual([0, {}])
  expect(reportOf(after).counts).toMatchObject({ judged: 116, matched: 116, young: 0 })

  // The last but one of its key, so that one is there that names it; not among the first, behind which nobody could know.
  const { rows } = await pool.query<{ id: string; named_by: string }>(
    `delete from ${world.table}_sent where id = (select previous_id from ${world.table}_sent order by id desc limit 1)
returning id, (select max(id) from ${world.table}_sent) as named_by`,
  )
  const { id, named_by } = rows[0]!
  const deleted = await world.audit('--json', '--grace', '0s')
  expect([deleted.code, found(reportOf(deleted))]).toEqual([
    1,
    { gap: [`1: #${named_by} to #${named_by} behind #${id}`] },
  ])
})

test('an inbox has a mark for each record that its group has committed, parked ones included; those that are lost are found', async () => {
  const topic = await newTopic('audit-inbox')
  const deadLetterTopic = `${topic}.dlq`
  const table = fresh('marks')
  const groupId = uniqueName('audit-group')
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: deadLetterTopic, numPartitions: PARTITIONS }], waitForLeaders: true })
  onTestFinished(() => admin.disconnect())
  await pool.query(postgresDedupeSql({ table }))
  const messages = Array.from({ length: 90 }, (_, i) => ({
    partition: i % PARTITIONS,
    key: `k${i % 9}`,
    value: JSON.stringify({ n: i }),
    timestamp: String(NOW - 60_000 + i),
    headers: i === 40 ? {} : { 'holdfast-id': `m${i}` }, // one that an inbox knows by its place
  }))
  await producer.send({ topic, messages })
  await producer.send({ topic, messages: [messages[4]!] }) // a duplicate, which the inbox has known
  const handled = new Set<number>()
  const consumer = createConsumer({
    driver: kafkajsDriver({ brokers, logLevel: logLevel.NOTHING }),
    groupId,
    concurrency: 8,
  }).on(
    defineTopic({ name: topic, schema: z.object({ n: z.number() }), key: ({ n }) => `k${n % 9}` }),
    ({ value }) => {
      handled.add(value.n)
      return value.n === 7 ? park('no good') : undefined
    },
    { inbox: postgresInbox(pool, { table, purgeEveryMs: false }) },
  )
  await consumer.start()
  onTestFinished(() => consumer.close())
  await expect
    .poll(
      async () => {
        const [of] = await admin.fetchOffsets({ groupId, topics: [topic] })
        return of!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0)
      },
      { timeout: 40_000, interval: 50 },
    )
    .toBe(91)
  await consumer.close()
  await producer.send({ topic, messages: [{ ...messages[0]!, headers: { 'holdfast-id': 'not committed' } }] })
  const audit = async (...args: readonly string[]): Promise<Said> =>
    holdfast(
      [
        'audit',
        '--from',
        `topic:${topic}`,
        '--to',
        'inbox',
        '--group',
        groupId,
        '--inbox-table',
        table,
        '--json',
        ...args,
      ],
      {
        environment: { DATABASE_URL: url },
        folder: folderWith({
          'holdfast.config.mjs': `import { kafkajsDriver } from 'holdfast/kafkajs'
export default { driver: kafkajsDriver({ brokers: ${JSON.stringify(brokers)} }) }`,
        }),
      },
    )
  const clean = await audit('--grace', '0s')
  expect([clean.code, found(reportOf(clean))]).toEqual([0, {}])
  expect(reportOf(clean).counts).toMatchObject({ judged: 90, matched: 90, parked: 1, repeated: 1 })

  const { rowCount } = await pool.query(
    `delete from ${table} where id = any(select sha256(convert_to('["${groupId}","${topic}","m' || n || '"]', 'UTF8')) from unnest(array[31, 34, 37, 60]) n)`,
  )
  expect(rowCount).toBe(4)
  const lost = await audit('--grace', '0s')
  expect([lost.code, found(reportOf(lost))]).toEqual([1, { missing: ['3: 1@10 to 1@12', '1: 0@20 to 0@20'] }])
  expect((await audit('--grace', '1h')).code).toBe(0) // all are younger
  expect(reportOf(await audit('--grace', '0s', '--handler', 'another')).counts.missing).toBe(90)
})

test('tables that are not there, a wrong password and no server are told without any password', async () => {
  const world = await outboxWorld()
  const gone = await world.audit('--outbox-table', 'nowhere')
  expect([gone.code, gone.output]).toEqual([2, ''])
  expect(gone.errors).toContain('"public"."nowhere" is not there')
  const wrong = Object.assign(new URL(url), { password: 'a-s%C3%A9cret' })
  const noServer = Object.assign(new URL(url), { port: '1' })
  for (const [address, expected] of [
    [wrong, 'password authentication failed'],
    [noServer, 'ECONNREFUSED'],
  ] as const) {
    const { code, output, errors } = await world.audit('--database-url', address.href)
    expect([code, output]).toEqual([1, ''])
    expect(errors).toContain(expected)
    for (const secret of [new URL(url).password, wrong.password, 'a-sécret']) expect(errors).not.toContain(secret)
  }
})

test('an outbox that keeps no sent rows is judged by those that wait', async () => {
  const topic = await newTopic('audit-unkept')
  const table = fresh('outbox')
  await pool.query(outboxTableSql({ table }))
  await pool.query(
    `insert into ${table} (bucket, id, message_id, topic, key, headers, "timestamp", enqueued_at) values (1, 7, 'stuck', $1, 'k', '', 0, $2)`,
    [topic, minutesAgo(10)],
  )
  await producer.send({ topic, messages: [{ value: 'x', headers: { 'holdfast-id': 'sent and deleted' } }] })
  const args = ['audit', '--from', 'outbox', '--to', `topic:${topic}`, '--outbox-table', table, '--json', '--extra']
  const said = await holdfast([...args, '--brokers', brokers.join()], { environment: { DATABASE_URL: url } })
  expect([said.code, found(reportOf(said))]).toEqual([1, { missing: ['1: #7 to #7'] }])
})

test('tables of many pages are read whole, each row once, whatever the order of their ids as text', async () => {
  const world = await outboxWorld()
  const columns = 'message_id, topic, key, previous_id, enqueued_at'
  const values = `'m' || n, $1, convert_to('k' || n % 10, 'UTF8'), nullif(greatest(n - 10, 0), 0), now() - interval '1 hour'`
  await pool.query(
    `insert into ${world.table}_sent (id, partition, "offset", ${columns}) select n, 0, n, ${values} from generate_series(1, 12345) n`,
    [world.topic],
  )
  await pool.query(
    `insert into ${world.table} (bucket, id, headers, "timestamp", ${columns})
select n % 64 - case when n % 7 = 0 then 64 else 0 end, n, '', 0, ${values} from generate_series(12346, 24000) n`,
    [world.topic],
  )
  const report = reportOf(await world.audit('--json', '--memory-mb', '1'))
  expect(report.counts).toMatchObject({ judged: 24_000, readFrom: 24_000, repeated: 0, gap: 0 })
  expect(report.counts.missing + report.counts.parked).toBe(24_000)
  expect(report.counts.parked).toBe(Math.floor(24_000 / 7) - Math.floor(12_345 / 7))
  expect(report.spilledBytes).toBeGreaterThan(0)
})

test('SIGINT while a table is read ends it, with exit code 130 and its transaction', async () => {
  const world = await outboxWorld()
  const locker = await pool.connect()
  await locker.query('begin')
  await locker.query(`lock table ${world.table}_sent in access exclusive mode`)
  const args = ['audit', '--from', 'outbox', '--to', `topic:${world.topic}`, '--outbox-table', world.table]
  const running = startHoldfast([...args, '--brokers', brokers.join()], folderWith({}), { DATABASE_URL: url })
  const open = async (): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(
      `select count(*)::integer from pg_stat_activity where application_name = 'holdfast audit' and wait_event_type = 'Lock'`,
    )
    return rows[0]!.count
  }
  await expect.poll(open, { timeout: 40_000, interval: 20 }).toBe(1)
  running.child.kill('SIGINT')
  expect(await running.ended).toMatchObject({ code: 130, output: '' })
  await locker.query('rollback')
  locker.release()
  await expect.poll(open, { timeout: 40_000, interval: 20 }).toBe(0)
})
