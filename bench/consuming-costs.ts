import type { Bench, BenchWorld } from './bench.ts'
import type { Consumed } from './consumer-process.ts'
import type { ConsumerSpec } from './consumer-spec.ts'
import { startNodeConsumer } from './consumer-spec.ts'

const MIB = 2 ** 20
const MILLION = 1_000_000

/** Does memory grow with what went through? */
export const consumeHeap: Bench = {
  name: 'consume-heap',
  work: 'heap after GC, growing over 1e6 records of 1e6 keys',
  unit: 'MB per 100,000 records',
  peers: [{ name: 'the bound', reach: 1 }],
  warmUps: 1,
  mostRounds: 3,
  prepare: (world) =>
    alone(
      world,
      { keys: MILLION, heap: true },
      MILLION,
      [1],
      ({ heapBytesPerRecord = Number.NaN }) => heapBytesPerRecord / 10,
    ),
}

const MAX_BUFFERED_BYTES = 2 * MIB // less than the 10,000 records that a partition may hold take
const ONE_FETCH = MIB // what one fetch brings of a partition can stand above the bound

/** What is held while handlers are too slow for what comes. */
export const consumeBuffered: Bench = {
  name: 'consume-heap',
  work: 'records held while handlers are slow, maxBufferedBytes 2 MiB',
  unit: 'MiB',
  peers: [{ name: 'the bound, and one fetch', reach: 1 }],
  warmUps: 0,
  mostRounds: 1,
  prepare: (world) =>
    alone(
      world,
      { keys: MILLION, handler: 'io', concurrency: 100, maxBufferedBytes: MAX_BUFFERED_BYTES, buffered: true },
      100_000,
      [(MAX_BUFFERED_BYTES + ONE_FETCH) / MIB],
      ({ bufferedBytes = Number.NaN }) => bufferedBytes / MIB,
    ),
}

/** Many keys on the partition that had few. */
export const consumeKeys: Bench = scale(1, MILLION)

/** Many keys and many partitions. */
export const consumePartitions: Bench = scale(200, MILLION)

async function alone(
  world: BenchWorld,
  { keys, ...spec }: Partial<ConsumerSpec> & { readonly keys: number },
  amount: number,
  peers: readonly number[],
  valueOf: (consumed: Consumed) => number,
): ReturnType<Bench['prepare']> {
  const count = Math.ceil(amount / world.shorten)
  // More than is wanted: a buffer that runs empty at the end would make the heap shrink.
  const topic = await world.records(1, Math.min(keys, count), Math.ceil(count * 1.1))
  const { brokers } = world
  const ours = startNodeConsumer({ side: 'holdfast', brokers, topic, handler: 'trivial', ...spec })
  return { ours: async () => valueOf(await ours.run(count)), peers, close: () => ours.close() }
}

function scale(partitions: number, keys: number): Bench {
  const few = { partitions: 1, keys: 10 }
  return {
    name: 'consume-scale',
    work: `${partitions} ${partitions === 1 ? 'partition' : 'partitions'}, ${keys.toLocaleString('en')} keys`,
    unit: 'µs of CPU per record',
    peers: [{ name: `${few.partitions} partition, ${few.keys} keys`, reach: 1.3 }],
    warmUps: 1,
    variant: partitions > 1,
    prepare: async (world) => {
      const count = Math.ceil(MILLION / world.shorten)
      const { brokers } = world
      const start = async (size: typeof few): Promise<ReturnType<typeof startNodeConsumer>> =>
        startNodeConsumer({
          side: 'holdfast',
          brokers,
          topic: await world.records(size.partitions, Math.min(size.keys, count), count),
          handler: 'trivial',
        })
      const [many, base] = [await start({ partitions, keys }), await start(few)]
      const micros = (side: typeof many) => async (): Promise<number> =>
        ((await side.run(count)).cpuSeconds! / count) * 1e6
      return {
        ours: micros(many),
        peers: [micros(base)],
        close: async () => void (await Promise.all([many.close(), base.close()])),
      }
    },
  }
}
