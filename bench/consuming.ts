import type { Bench, BenchWorld, PreparedBench } from './bench.ts'
import type { ConsumerProcess } from './consumer-process.ts'
import type { ConsumerSpec } from './consumer-spec.ts'
import { IO_MS, startNodeConsumer } from './consumer-spec.ts'
import { startParallelConsumer } from './peers/parallel-consumer.ts'

const PARTITIONS = 6
const KEYS = 6_000
const PARALLEL_CONSUMER = 'Parallel Consumer'
/** Java's compiler goes on making it faster for about a million records. */
const JAVA_WARMS_UP = { warmUps: 4, warmUpShare: 0.5 }
const BARE = 'bare kafkajs, eachMessage'

/** Nothing but decoding and the way to the handler. */
export const consumeTrivial: Bench = {
  name: 'consume-trivial',
  work: 'trivial handler, JSON decoded',
  peers: [{ name: BARE, reach: 1 }],
  warmUps: 2,
  prepare: (world) => besideBare(world, 'trivial', true),
}

/** The same for records of our own producer. */
export const consumeTrivialHeaders: Bench = {
  name: 'consume-trivial',
  work: 'trivial handler, JSON decoded, four headers',
  peers: [{ name: BARE, reach: 1 }],
  warmUps: 2,
  prepare: (world) => besideBare(world, 'trivial'),
}

/** All guards on, against a consumer that has none. */
export const consumeGuarded: Bench = {
  name: 'consume-guarded',
  work: 'the same with zod, memory dedupe and tracing',
  peers: [
    { name: BARE, reach: 0.6 },
    { name: `${BARE}, with these by hand`, reach: 1 },
  ],
  warmUps: 2,
  prepare: (world) => besideBare(world, 'guarded'),
}

/** What a service does that asks a database or another service about each message. */
export const consumeIo100: Bench = io(100, 20, 0.95, 1)

/** The same where one core begins to be the limit. */
export const consumeIo1000: Bench = io(1_000, 10, 0.8, 2)

/** What key order itself costs. */
export const consumeKeyedTrivial: Bench = {
  name: 'consume-keyed-trivial',
  work: 'trivial handler under key order, concurrency 100',
  peers: [
    { name: PARALLEL_CONSUMER, reach: 5 },
    { name: `${PARALLEL_CONSUMER}, 1,000 threads`, reach: 5 },
  ],
  ...JAVA_WARMS_UP,
  prepare: async (world) => besideParallelConsumer(world, 400_000, 'trivial', 100, [100, 1_000]),
}

async function besideBare(world: BenchWorld, handler: ConsumerSpec['handler'], plain = false): Promise<PreparedBench> {
  const count = Math.ceil(400_000 / world.shorten)
  const topic = await world.records(PARTITIONS, KEYS, headroom(count), plain)
  const { brokers } = world
  const ours = startNodeConsumer({ side: 'holdfast', brokers, topic, handler })
  const bare = startNodeConsumer({ side: 'kafkajs', brokers, topic, handler })
  if (handler !== 'guarded') return ready(count, ours, [bare])
  return ready(count, ours, [bare, startNodeConsumer({ side: 'by-hand', brokers, topic, handler })])
}

/** @param seconds - how long a round takes at the ideal rate: so long that the first fetch hardly counts */
function io(concurrency: number, seconds: number, ofIdeal: number, ofPeer: number): Bench {
  const ideal = concurrency / (IO_MS / 1_000)
  return {
    name: `consume-io-${concurrency}`,
    work: `key order, ${IO_MS} ms of I/O, concurrency ${concurrency}`,
    peers: [
      { name: `ideal: ${concurrency} ÷ ${IO_MS} ms`, reach: ofIdeal },
      { name: PARALLEL_CONSUMER, reach: ofPeer },
    ],
    ...JAVA_WARMS_UP,
    prepare: async (world) => {
      const prepared = await besideParallelConsumer(world, ideal * seconds, 'io', concurrency, [concurrency])
      return { ...prepared, peers: [ideal, ...prepared.peers] }
    },
  }
}

async function besideParallelConsumer(
  world: BenchWorld,
  amount: number,
  handler: 'trivial' | 'io',
  concurrency: number,
  theirs: readonly number[],
): Promise<PreparedBench> {
  const count = Math.ceil(amount / world.shorten)
  const topic = await world.records(PARTITIONS, KEYS, headroom(count), true)
  const { brokers } = world
  const ioMs = handler === 'io' ? IO_MS : 0
  const peers: ConsumerProcess[] = []
  for (const threads of theirs)
    peers.push(await startParallelConsumer({ brokers, topic, concurrency: threads, ioMs }, world.progress))
  return ready(count, startNodeConsumer({ side: 'holdfast', brokers, topic, handler, concurrency }), peers)
}

/** Consumers still have work when the last counted record is handled: no figure holds the emptying of lanes at the end. */
export function headroom(count: number): number {
  return Math.ceil(count * 1.1)
}

/** A bench of consumers in processes of their own: messages a second, from the first handled to the last. */
export function ready(count: number, ours: ConsumerProcess, theirs: readonly ConsumerProcess[]): PreparedBench {
  const perSecond =
    (side: ConsumerProcess) =>
    async (share: number): Promise<number> => {
      const { records, seconds } = await side.run(Math.ceil(count * share))
      return (records - 1) / seconds // the first starts the clock
    }
  return {
    ours: perSecond(ours),
    peers: theirs.map(perSecond),
    close: async () => void (await Promise.all([ours, ...theirs].map((side) => side.close()))),
  }
}
