import type { Bench, BenchWorld, PreparedBench } from './bench.ts'
import type { ConsumerProcess } from './consumer-process.ts'
import type { ConsumerSpec, Guard } from './consumer-spec.ts'
import { IO_MS, startNodeConsumer } from './consumer-spec.ts'
import { headroom, ready } from './consuming.ts'

const PARTITIONS = 6
const KEYS = 6_000
/** As many as a pool of 34 connections takes with an inbox. */
const CONCURRENCY = 32
const NONE = 'without'

/** What can be hoped for: a round trip and a durable commit for each message beside nothing at all. */
const REACH: Readonly<Record<Guard, number>> = { memory: 0.8, redis: 0.05, postgres: 0.01, inbox: 0.5 }

/** What each store costs a handler that does nothing. */
export const idempotencyStores: readonly Bench[] = [
  beside('the memory store', 400_000, { guard: 'memory' }, NONE, {}),
  beside('the Redis store', 60_000, { guard: 'redis' }, NONE, {}),
  beside('the Postgres store', 20_000, { guard: 'postgres' }, NONE, {}),
]

/** A handler that writes a row: by itself, and with its mark in one transaction. */
export const idempotencyInbox: Bench = beside(
  'the inbox, a row for each message',
  20_000,
  { guard: 'inbox', effect: true },
  'the row alone, committed by itself',
  { effect: true },
)

/** The same with batches: one transaction for a hundred messages. */
export const idempotencyInboxBatch: Bench = {
  ...idempotencyInbox,
  work: 'the inbox, a row for each message, batches of 100',
  peers: [
    { name: '5,000 messages a second', reach: 1 },
    { name: 'batches of rows alone, committed by themselves', reach: 0.5 },
  ],
  async prepare(world) {
    const batch = { effect: true, batch: 100 } as const
    const prepared = await sides(world, 100_000, { ...batch, guard: 'inbox' }, batch)
    return { ...prepared, peers: [5_000, ...prepared.peers] }
  },
}

/** What it costs to move the offset before the handler is called. */
export const deliveryLevels: readonly Bench[] = [
  atMostOnce('at most once, trivial handler', 400_000, 0.1, {}),
  atMostOnce('at most once, batches of 100', 400_000, 0.5, { batch: 100 }),
  atMostOnce(`at most once, ${IO_MS} ms of I/O`, 40_000, 0.8, { handler: 'io' }),
]

function atMostOnce(work: string, count: number, reach: number, choice: Choice): Bench {
  return {
    name: 'consume-delivery',
    work,
    peers: [{ name: 'at least once', reach }],
    warmUps: 1,
    warmUpShare: 0.3,
    prepare: (world) => sides(world, count, { ...choice, delivery: 'at-most-once' }, choice),
  }
}

type Choice = Partial<Pick<ConsumerSpec, 'guard' | 'effect' | 'batch' | 'delivery' | 'handler'>>

function beside(work: string, count: number, ours: Choice, peer: string, theirs: Choice): Bench {
  return {
    name: 'consume-once',
    work,
    peers: [{ name: peer, reach: REACH[ours.guard ?? 'memory'] }],
    warmUps: 1,
    warmUpShare: 0.3,
    prepare: (world) => sides(world, count, ours, theirs),
  }
}

async function sides(world: BenchWorld, amount: number, ours: Choice, theirs: Choice): Promise<PreparedBench> {
  const count = Math.ceil(amount / world.shorten)
  const topic = await world.records(PARTITIONS, KEYS, headroom(count))
  const servers = await world.servers()
  const start = (choice: Choice): ConsumerProcess => {
    const { brokers } = world
    return startNodeConsumer({
      side: 'holdfast',
      brokers,
      topic,
      handler: 'trivial',
      concurrency: CONCURRENCY,
      servers,
      ...choice,
    })
  }
  return ready(count, start(ours), [start(theirs)])
}
