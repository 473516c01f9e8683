import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createOutbox, createRelay, systemRuntime } from 'holdfast'
import { kafkajsDriver } from 'holdfast/kafkajs'
import { postgresOutbox, postgresOutboxSql } from 'holdfast/postgres'
import type { Bench } from '../bench.ts'
import { createDatabase } from './database.ts'
import { monotonicMs } from './monotonic.ts'
import { startRelayProcesses } from './relay-process.ts'
import { createRelaySide } from './relay-side.ts'
import { smallEvent, smallEvents } from './small-event.ts'
import { watchAcknowledgements } from './watch-acknowledgements.ts'

/** By then a relay that has found nothing looks as seldom as it ever does. */
const IDLE_AFTER_MS = 2_000
const IDLE_INTERVAL_MS = 1_000
const COST_OVER_MS = 20_000

/** From the end of a commit, at which nothing was under way, to Kafka's acknowledgement. */
export const wakeUps: readonly Bench[] = [
  ...wakeUp('in the same process', 200, 200, 20, wakeInProcess),
  ...wakeUp(
    'in another process, by its idle interval',
    40,
    IDLE_AFTER_MS,
    IDLE_INTERVAL_MS,
    wakeBetweenProcesses(false),
  ),
  ...wakeUp('in another process, by NOTIFY', 200, 200, 20, wakeBetweenProcesses(true)),
]

/** What a relay asks of the database while there is nothing to send. */
export const idleCost: Bench = {
  name: 'outbox-idle',
  work: 'an idle relay',
  unit: 'queries per second',
  pinned: false,
  warmUps: 0,
  mostRounds: 1,
  peers: [{ name: 'the bound', reach: 1 }],
  async prepare(world) {
    const side = await createRelaySide(world, { side: 'holdfast' })
    return {
      async ours() {
        await side.database.query('vacuum (analyze)') // else autovacuum does it meanwhile, and its transactions are counted too
        await sleep(IDLE_AFTER_MS * 2)
        const before = await side.database.commits()
        const started = monotonicMs()
        await sleep(Math.max(4_000, COST_OVER_MS / world.shorten))
        const commits = (await side.database.commits()) - before
        return commits / ((monotonicMs() - started) / 1_000)
      },
      peers: [2],
      close: () => side.close(),
    }
  },
}

/** Commits one message and says after how many milliseconds it was acknowledged. */
interface Waker {
  once(): Promise<number>
  close(): Promise<void>
}

type StartWaker = (world: Parameters<Bench['prepare']>[0]) => Promise<Waker>

/** The median and the 99th percentile of the same samples. */
function wakeUp(where: string, samples: number, pauseMs: number, boundMs: number, start: StartWaker): readonly Bench[] {
  let measured: readonly number[] = []
  const common = { name: 'outbox-wake-up', unit: 'ms', pinned: false, warmUps: 0, mostRounds: 1 } as const
  return [
    {
      ...common,
      work: `commit to acknowledgement, ${where}, p50`,
      peers: [{ name: 'the bound', reach: 1 }],
      async prepare(world) {
        const waker = await start(world)
        return {
          async ours() {
            const sampled: number[] = []
            for (let i = world.shorten > 1 ? -1 : -WARM_UP; i < Math.max(3, samples / world.shorten); i++) {
              // At a moment that has nothing to do with those at which a relay looks.
              await sleep(pauseMs + systemRuntime.random() * Math.max(200, pauseMs / 2))
              const ms = await waker.once()
              if (i >= 0) sampled.push(ms)
            }
            measured = sampled.toSorted((a, b) => a - b)
            return quantile(measured, 0.5)
          },
          peers: [boundMs],
          close: () => waker.close(),
        }
      },
    },
    {
      ...common,
      work: `the same, p99`,
      peers: [{ name: 'the bound of the median', reach: null }],
      prepare: async () => ({
        ours: async () => quantile(measured, 0.99),
        peers: [boundMs],
        close: async () => undefined,
      }),
    },
  ]
}
const WARM_UP = 5

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * q) - 1)]!
}

/** The relay and the service are one process: this one. */
async function wakeInProcess(world: Parameters<StartWaker>[0]): Promise<Waker> {
  const database = await createDatabase(await world.durablePostgres())
  await database.query(postgresOutboxSql())
  const pool = new pg.Pool({ connectionString: database.url, max: 5 })
  const outbox = createOutbox({ store: postgresOutbox(pool), source: 'bench' })
  let acknowledged = (): void => undefined
  const driver = watchAcknowledgements(kafkajsDriver({ clientId: 'bench', brokers: world.brokers }), () =>
    acknowledged(),
  )
  const relay = createRelay({ outbox, driver })
  await relay.start()
  const topic = smallEvents(await world.topic(1))
  return {
    async once() {
      const at = new Promise<number>((resolve) => (acknowledged = () => resolve(monotonicMs())))
      const client = await pool.connect()
      await client.query('begin')
      await outbox.enqueue(client, topic, smallEvent('key'))
      await client.query('commit')
      const committed = monotonicMs()
      client.release()
      return Math.max(0, (await at) - committed)
    },
    async close() {
      await relay.close()
      await pool.end()
      await database.close()
    },
  }
}

/** The service is this process, the relay another one. */
function wakeBetweenProcesses(notify: boolean): StartWaker {
  return async (world) => {
    const database = await createDatabase(await world.durablePostgres())
    await database.query(postgresOutboxSql())
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    const outbox = createOutbox({ store: postgresOutbox(pool, { notify }), source: 'bench' })
    const topic = await world.topic(1)
    const { brokers } = world
    const relay = await startRelayProcesses([
      { side: 'holdfast', url: database.url, brokers, topic, listen: notify, tells: 'acknowledgements' },
    ])
    return {
      async once() {
        const client = await pool.connect()
        await client.query('begin')
        await outbox.enqueue(client, smallEvents(topic), smallEvent('key'))
        await client.query('commit')
        const committed = monotonicMs()
        client.release()
        return Math.max(0, (await relay.published(1)) - committed)
      },
      async close() {
        await relay.close()
        await pool.end()
        await database.close()
      },
    }
  }
}
