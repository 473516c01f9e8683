import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createOutbox } from 'holdfast'
import { postgresOutbox } from 'holdfast/postgres'
import type { Bench, BenchWorld } from '../bench.ts'
import type { RelaySide } from './relay-side.ts'
import { createRelaySide } from './relay-side.ts'
import { smallEvent, smallEvents } from './small-event.ts'

const ROWS = 20_000
const DEAD_ROWS = 2_000_000
const DEAD_AT_ONCE = 100_000
const BEHIND = 100_000
/** More than a broker takes. */
const TOO_LARGE = 2 * 2 ** 20
const OURS = { side: 'holdfast' } as const
const WAIT_TRIES = 2_400
const WAIT_EVERY_MS = 50

/** What is in the way, and what ends it. */
interface Hindrance {
  /** Done before each round, in the transaction that adds the rows. */
  before?(): Promise<void>
  close(): Promise<void>
}

/** Somebody else's long transactions. */
export const relayBesideLong: readonly Bench[] = [
  hindered(
    `rows relayed beside a snapshot that was held while ${DEAD_ROWS.toLocaleString('en')} went`,
    0.7,
    async (world, side) => {
      const client = await connect(side)
      await client.query('begin isolation level repeatable read')
      await client.query('select count(*) from holdfast_outbox')
      await addDead(world, side)
      return { close: () => client.end() }
    },
  ),
  {
    variant: true,
    ...hindered(
      `rows relayed beside a transaction that has enqueued before ${DEAD_ROWS.toLocaleString('en')} went, and is open`,
      0.7,
      async (world, side) => {
        const pool = poolOf(side)
        const client = await pool.connect()
        await client.query('begin')
        const outbox = createOutbox({ store: postgresOutbox(pool), source: 'bench' })
        await outbox.enqueue(client, smallEvents(side.topic), smallEvent('open'))
        await addDead(world, side)
        return {
          async close() {
            await client.query('rollback')
            client.release()
            await pool.end()
          },
        }
      },
    ),
  },
]

/** A key that Kafka has refused a row of. */
export const relayBesideParked: readonly Bench[] = [
  hindered(`rows relayed beside ${BEHIND.toLocaleString('en')} behind a parked one`, 0.9, async (world, side) => {
    await park(side)
    await side.database.query('begin')
    await addBehind(side, Math.ceil(BEHIND / world.shorten))
    await side.database.query('commit')
    await until(side, 'holdfast_outbox where bucket >= 0')
    return { close: async () => undefined }
  }),
  {
    variant: true,
    ...hindered(
      `rows relayed when ${BEHIND.toLocaleString('en')} behind a parked one came just before`,
      null,
      async (world, side) => {
        await park(side)
        return {
          async before() {
            await side.database.query('delete from holdfast_outbox where bucket < 0 and parked_at is null')
            await addBehind(side, Math.ceil(BEHIND / world.shorten))
          },
          close: async () => undefined,
        }
      },
    ),
  },
]

function hindered(
  work: string,
  reach: number | null,
  hinder: (world: BenchWorld, side: RelaySide) => Promise<Hindrance>,
): Bench {
  return {
    name: 'outbox-hindered',
    work,
    pinned: false,
    warmUps: 1,
    peers: [{ name: 'with nothing in the way', reach }],
    async prepare(world) {
      const count = Math.ceil(ROWS / world.shorten)
      const [ours, normal] = [await createRelaySide(world, OURS), await createRelaySide(world, OURS)]
      const hindrance = await hinder(world, ours)
      return {
        ours: () => ours.run(count, hindrance.before),
        peers: [() => normal.run(count)],
        async close() {
          await hindrance.close()
          await Promise.all([ours.close(), normal.close()])
        },
      }
    },
  }
}

/** Rows that are gone and cannot be vacuumed: as if they had been relayed, but much faster. */
async function addDead(world: BenchWorld, { database }: RelaySide): Promise<void> {
  const all = Math.ceil(DEAD_ROWS / world.shorten)
  world.progress(`outbox-hindered: ${all} rows come and go`)
  for (let done = 0; done < all; done += DEAD_AT_ONCE) {
    await database.query('begin')
    await database.query(
      `insert into holdfast_outbox (bucket, message_id, topic, key, value, headers, "timestamp")
       select bucket, message_id, topic, key, value, headers, "timestamp" from bench_rows, generate_series(1, $1::int / 500)`,
      [Math.min(DEAD_AT_ONCE, all - done)],
    )
    await database.query('delete from holdfast_outbox where bucket >= 0')
    await database.query('commit')
  }
}

/** Parks a key as it happens: by a row that the broker refuses. */
async function park(side: RelaySide): Promise<void> {
  const pool = poolOf(side)
  const outbox = createOutbox({ store: postgresOutbox(pool), source: 'bench' })
  await outbox.transaction((client) =>
    outbox.enqueue(client, smallEvents(side.topic), smallEvent(PARKED_KEY, TOO_LARGE)),
  )
  await pool.end()
  await until(side, 'holdfast_outbox where bucket >= 0')
}
const PARKED_KEY = 'parked'

async function addBehind({ database }: RelaySide, count: number): Promise<void> {
  await database.query(
    `insert into holdfast_outbox (bucket, message_id, topic, key, value, headers, "timestamp")
     select -1 - p.bucket, p.message_id, p.topic, p.key, r.value, p.headers, p."timestamp"
     from holdfast_outbox p, (select value from bench_rows limit 1) r, generate_series(1, $1::int)
     where p.parked_at is not null`,
    [count],
  )
}

/** Waits until nothing is there. */
async function until({ database }: RelaySide, from: string): Promise<void> {
  for (let tries = 0; tries < WAIT_TRIES; tries++) {
    const [row] = await database.query<{ readonly some: boolean }>(`select exists (select from ${from}) as some`)
    if (row!.some === false) return
    await sleep(WAIT_EVERY_MS)
  }
  throw new Error(`rows stay in ${from}`)
}

function poolOf({ database }: RelaySide): pg.Pool {
  return new pg.Pool({ connectionString: database.url, max: 1 })
}

async function connect({ database }: RelaySide): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
