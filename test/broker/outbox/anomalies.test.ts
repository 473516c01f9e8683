import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { PostgresServer } from '../../../scripts/services/postgres.ts'
import type { Runtime } from '../../../src/clock/index.ts'
import { systemRuntime } from '../../../src/clock/index.ts'
import type { Outbox, Relay } from '../../../src/outbox/index.ts'
import { createOutbox, createRelay, keyPlace } from '../../../src/outbox/index.ts'
import { outboxNames } from '../../../src/outbox/postgres/outbox-table.ts'
import { postgresOutbox, postgresOutboxSql } from '../../../src/postgres.ts'
import type { InMemoryCluster } from '../../../src/testing/index.ts'
import { inMemoryDriver } from '../../../src/testing/index.ts'
import { defineTopic } from '../../../src/topic/index.ts'
import { failureOf } from '../../helpers/failure-of.ts'
import { fresh } from '../stores/world.ts'
import { heldClient, startServer, until, untilBlocked } from './relay-store-world.ts'

// Five ways in which outboxes in use lose rows, turn them round or stand still. Each is first shown to happen, on this very server, by the strategy that
// it is known from; then the same transactions, in the same order, go through this outbox and its relay.

let server: PostgresServer
let pool: pg.Pool
beforeAll(async () => {
  server = await startServer()
  pool = new pg.Pool({ connectionString: server.url, max: 30 })
})
afterAll(async () => {
  await pool?.end()
  await server?.close()
})

const orders = defineTopic({
  name: 'orders',
  schema: z.object({ id: z.string(), event: z.string() }),
  key: ({ id }) => id,
})

/** An outbox as it stands in many a tutorial. */
interface NaiveOutbox {
  readonly table: string
  insert(client: pg.Pool | pg.PoolClient, key: string, event: string): Promise<void>
  /** Events in the order that a statement of the naive relay gives. */
  read(statement: string, client?: pg.Pool | pg.PoolClient): Promise<string[]>
}

async function naiveOutbox(): Promise<NaiveOutbox> {
  const table = fresh('naive')
  await pool.query(
    `create table ${table} (id bigserial primary key, key text not null, event text not null, xid xid8 not null default pg_current_xact_id())`,
  )
  return {
    table,
    async insert(client, key, event) {
      await client.query(`insert into ${table} (key, event) values ($1, $2)`, [key, event])
    },
    async read(statement, client = pool) {
      const { rows } = await client.query<{ event: string }>(statement)
      return rows.map(({ event }) => event)
    },
  }
}

/** This outbox, and relays that send it to a Kafka in memory. */
interface World {
  readonly outbox: Outbox<pg.PoolClient>
  readonly table: string
  readonly cluster: InMemoryCluster
  relay(worker: string, runtime?: Partial<Runtime>): Relay
  /** Enqueues in a transaction of its own. */
  enqueue(id: string, event: string): Promise<void>
  /** Events on the log, of one key or of all. */
  published(id?: string): string[]
  untilPublished(event: string): Promise<void>
}

async function outboxWorld(): Promise<World> {
  const table = fresh('outbox')
  await pool.query(postgresOutboxSql({ table }))
  const outbox = createOutbox({ store: postgresOutbox(pool, { table }), source: 'test' })
  const driver = inMemoryDriver({ partitions: 1 })
  const published: World['published'] = (id) =>
    driver.cluster
      .records('orders')
      .map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as { readonly id: string; readonly event: string })
      .filter((each) => id === undefined || each.id === id)
      .map(({ event }) => event)
  driver.cluster.createTopic({ topic: 'orders', partitions: 1 })
  return {
    outbox,
    table,
    cluster: driver.cluster,
    relay(worker, runtime = {}) {
      const relay = createRelay({
        outbox,
        driver,
        worker,
        leaseMs: 6_000,
        deliveryTimeoutMs: 3_000,
        idleIntervalMs: 10,
        runtime: { ...systemRuntime, ...runtime },
      })
      onTestFinished(() => relay.close())
      return relay
    },
    async enqueue(id, event) {
      await outbox.store.transact((tx) => outbox.enqueue(tx, orders, { id, event }))
    },
    published,
    untilPublished: (event) => until(() => Promise.resolve(published().includes(event))),
  }
}

/** A connection in which a transaction is open. */
async function begun(): Promise<pg.PoolClient> {
  const client = await heldClient(pool)
  await client.query('begin')
  return client
}

describe('O1: ids are drawn before the commit, so a later id can be visible first', () => {
  test('a relay that remembers the last id it has read passes the slow row for good', async () => {
    const { table, insert, read } = await naiveOutbox()
    const slow = await begun()
    await insert(slow, 'A', 'a1-slow')
    await insert(pool, 'B', 'b1-fast')
    const after = (last: number): string => `select event from ${table} where id > ${last} order by id`
    expect(await read(after(0))).toEqual(['b1-fast'])
    await slow.query('commit')
    expect(await read(after(2))).toEqual([])
    expect(await read(`select event from ${table} order by id`)).toEqual(['a1-slow', 'b1-fast']) // it is there, and nobody will read it
  })

  test('this relay sends the fast row at once and the slow one when it commits', async () => {
    const { outbox, relay, enqueue, published, untilPublished } = await outboxWorld()
    await relay('a').start()
    const slow = await begun()
    await outbox.enqueue(slow, orders, { id: 'A', event: 'a1-slow' })
    await enqueue('B', 'b1-fast')
    await untilPublished('b1-fast')
    expect(published()).toEqual(['b1-fast'])
    await slow.query('commit')
    await untilPublished('a1-slow')
    expect(published()).toEqual(['b1-fast', 'a1-slow'])
  })

  test('so it does when the slow row lies in the bucket, below the place from which it reads', async () => {
    const { outbox, relay, enqueue, published, untilPublished } = await outboxWorld()
    const [one, other] = keysOfOneBucket()
    await relay('a').start()
    const slow = await begun()
    await outbox.enqueue(slow, orders, { id: one, event: 'slow' })
    for (let i = 0; i < 5; i++) {
      await enqueue(other, `fast-${i}`)
      await untilPublished(`fast-${i}`)
    }
    await slow.query('commit')
    await untilPublished('slow')
    expect(published()).toEqual(['fast-0', 'fast-1', 'fast-2', 'fast-3', 'fast-4', 'slow'])
  })
})

describe('O2: rows that are claimed one by one come apart from those before them of their key', () => {
  const events = Array.from({ length: 10 }, (_, i) => `v${i + 1}`)

  test('two relays that skip what the other has locked publish a key out of order', async () => {
    const { table, insert, read } = await naiveOutbox()
    for (const event of events) await insert(pool, 'A', event)
    const claim = `select event from ${table} order by id limit 5 for update skip locked`
    const log: string[] = []
    const [one, other] = [await begun(), await begun()]
    const claimed = await read(claim, one)
    log.push(...(await read(claim, other))) // the first one’s produce takes a little longer
    log.push(...claimed)
    expect(log).toEqual([...events.slice(5), ...events.slice(0, 5)])
  })

  test('this relay’s workers share buckets, and a slow one’s rows are touched by no other', async () => {
    const { relay, enqueue, published, untilPublished } = await outboxWorld()
    let resume = (): void => {}
    const resumed = new Promise<void>((resolve) => (resume = resolve))
    let stand = (): void => {}
    const stands = new Promise<void>((resolve) => (stand = resolve))
    let holds = false
    const slow = relay('slow', {
      async failpoint(name) {
        if (!holds || name !== 'relay:before-produce') return
        stand()
        await resumed
      },
    })
    const quick = relay('quick')
    await slow.start()
    await quick.start()
    await until(() => Promise.resolve(slow.health().buckets.length === 32 && quick.health().buckets.length === 32))
    holds = true
    const [slowKey, quickKey] = [keyOf(slow.health().buckets), keyOf(quick.health().buckets)]
    for (const event of events) await enqueue(slowKey, event)
    await stands
    await enqueue(quickKey, 'other')
    await untilPublished('other') // so the quick one has looked, and has seen what waits
    expect(published(slowKey)).toEqual([])
    resume()
    await untilPublished('v10')
    expect(published(slowKey)).toEqual(events)
  })
})

describe('O3: a sequence with a cache gives sessions a stock of ids each', () => {
  /** A session draws first; another one writes the key’s first version; then the first session writes its second. */
  const versions = async (
    write: (client: pg.PoolClient, key: string, event: string) => Promise<unknown>,
  ): Promise<void> => {
    const [early, late] = [await begun(), await begun()]
    await write(early, 'warm', 'warm')
    await early.query('commit')
    await write(late, 'A', 'A.v1')
    await late.query('commit')
    await early.query('begin')
    await write(early, 'A', 'A.v2')
    await early.query('commit')
  }

  test('the later row gets the smaller id, though the transactions ran one after the other', async () => {
    const { table, insert, read } = await naiveOutbox()
    await pool.query(`alter sequence ${table}_id_seq cache 32`)
    await versions(insert)
    expect(await read(`select event from ${table} where key = 'A' order by id`)).toEqual(['A.v2', 'A.v1'])
  })

  test('this outbox’s sequence has none, and its relay refuses to start on one that has', async () => {
    const { outbox, relay, table, published, untilPublished } = await outboxWorld()
    const write = (client: pg.PoolClient, id: string, event: string): Promise<unknown> =>
      outbox.enqueue(client, orders, { id, event })
    await versions(write)
    await relay('a').start()
    await untilPublished('A.v2')
    expect(published('A')).toEqual(['A.v1', 'A.v2'])

    await pool.query(`alter sequence ${outboxNames({ table }).sequence} cache 32`)
    expect(await failureOf(relay('b').start())).toMatchObject({
      code: 'HOLDFAST_CONFIG_INVALID',
      problems: [{ message: expect.stringContaining('cache 1') }],
    })
  })
})

describe('O4: a transaction’s id says when it first wrote, not when it wrote this', () => {
  /** One transaction begins early, elsewhere, and comes second at the key: it waits until the first one has ended. */
  const versions = async (
    write: (client: pg.PoolClient, event: string) => Promise<unknown>,
    lock: (client: pg.PoolClient) => Promise<unknown>,
  ): Promise<void> => {
    const [early, late] = [await begun(), await begun()]
    await early.query('select pg_current_xact_id()') // its first write, to some other table
    await lock(late)
    await write(late, 'A.v1')
    const second = lock(early).then(() => write(early, 'A.v2'))
    await untilBlocked(pool)
    await late.query('commit')
    await second
    await early.query('commit')
  }

  test('ordered by transaction id a key is turned round, though its writers waited for each other', async () => {
    const { table, insert, read } = await naiveOutbox()
    const entity = fresh('entity')
    await pool.query(`create table ${entity} (key text); insert into ${entity} values ('A')`)
    await versions(
      (client, event) => insert(client, 'A', event),
      (client) => client.query(`select from ${entity} where key = 'A' for update`),
    )
    expect(await read(`select event from ${table} order by xid, id`)).toEqual(['A.v2', 'A.v1'])
  })

  test('this outbox orders a key by ids that are drawn under its lock: no lock of the user’s is needed', async () => {
    const { outbox, relay, published, untilPublished } = await outboxWorld()
    await relay('a').start()
    await versions(
      (client, event) => outbox.enqueue(client, orders, { id: 'A', event }),
      () => Promise.resolve(),
    )
    await untilPublished('A.v2')
    expect(published('A')).toEqual(['A.v1', 'A.v2'])
  })
})

describe('O5: the oldest transaction that runs may have nothing to do with it', () => {
  test('a relay that waits for all older transactions stands still beside a long one', async () => {
    const { table, insert, read } = await naiveOutbox()
    const long = await begun()
    await long.query('create temporary table scratch (id int) on commit drop')
    await insert(pool, 'A', 'a1')
    const gated = `select event from ${table} where xid < pg_snapshot_xmin(pg_current_snapshot()) order by id`
    expect(await read(gated)).toEqual([])
    await long.query('commit')
    expect(await read(gated)).toEqual(['a1'])
  })

  test('this relay sends beside it, and beside one that has enqueued and stays open', async () => {
    const { outbox, relay, enqueue, published, untilPublished } = await outboxWorld()
    await relay('a').start()
    const long = await begun()
    await long.query('create temporary table scratch (id int) on commit drop')
    const writer = await begun()
    await outbox.enqueue(writer, orders, { id: 'B', event: 'b1' })
    for (const event of ['a1', 'a2', 'a3']) {
      await enqueue('A', event)
      await untilPublished(event)
    }
    expect(published()).toEqual(['a1', 'a2', 'a3'])
    await writer.query('commit')
    await untilPublished('b1')
    await long.query('rollback')
  })
})

/** A key in one of these buckets. */
function keyOf(buckets: readonly number[]): string {
  for (let i = 0; ; i++) {
    const key = `order-${i}`
    if (buckets.includes(keyPlace('orders', Buffer.from(key)).bucket)) return key
  }
}

function keysOfOneBucket(): readonly [string, string] {
  const first = keyOf([7])
  for (let i = 1; ; i++) {
    const key = `other-${i}`
    if (keyPlace('orders', Buffer.from(key)).bucket === 7) return [first, key]
  }
}
