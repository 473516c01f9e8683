import type { Bench, BenchWorld, Peer, PreparedBench } from '../bench.ts'
import type { SideChoice } from './relay-side.ts'
import { createRelaySide } from './relay-side.ts'

const ROWS = 20_000
const OURS = { side: 'holdfast' } as const
const SOME = { name: 'outbox-relay', pinned: false, warmUps: 1, warmUpShare: 0.5 } as const

/** Against the loop that everybody writes first. */
export const relayBesideNaive: Bench = {
  ...SOME,
  work: '20,000 rows relayed',
  warmUps: 3,
  peers: [
    { name: 'select 500, send 500, delete', reach: 0.7 },
    { name: 'the same with our headers', reach: null },
  ],
  prepare: (world) => sides(world, ROWS, OURS, { side: 'naive', headers: false }, { side: 'naive', headers: true }),
}

/** Against the nearest library. */
export const relayBesidePeer: Bench = {
  ...SOME,
  work: '20,000 rows relayed',
  peers: [
    { name: 'pg-transactional-outbox, polling', reach: 8 },
    { name: 'pg-transactional-outbox, replication', reach: 8 },
  ],
  mostRounds: 3,
  prepare: (world) => sides(world, ROWS, OURS, { side: 'polling' }, { side: 'replication' }),
}

/** What it costs to be fenced by Kafka. */
export const relayTransactions: Bench = {
  ...SOME,
  work: '20,000 rows relayed, a transactional id for each bucket',
  peers: [{ name: 'without', reach: null }],
  prepare: (world) => sides(world, ROWS, { ...OURS, transactionalIdPrefix: 'bench' }, OURS),
}

/** More workers, each a process. */
export const relayWorkers: readonly Bench[] = [2, 4, 8].map((workers) => ({
  ...SOME,
  name: 'outbox-workers',
  work: `100,000 rows relayed by ${workers} workers`,
  peers: [{ name: 'by one', reach: null }],
  mostRounds: 3,
  variant: workers > 2,
  async prepare(world) {
    const count = Math.ceil(100_000 / world.shorten)
    return ready(count, await createRelaySide(world, OURS, workers), [await createRelaySide(world, OURS)])
  },
}))

/** A full table is not slower, row by row, than one with little in it. */
export const relayBacklogs: readonly Bench[] = [100_000, 1_000_000].map((rows) => ({
  ...SOME,
  name: 'outbox-backlog',
  work: `${rows.toLocaleString('en')} rows relayed`,
  peers: [{ name: '10,000 rows', reach: 0.9 } satisfies Peer],
  mostRounds: rows > 100_000 ? 1 : 3,
  variant: rows > 100_000,
  async prepare(world) {
    const [many, few] = [Math.ceil(rows / world.shorten), Math.ceil(10_000 / world.shorten)]
    const [ours, less] = [await createRelaySide(world, OURS), await createRelaySide(world, OURS)]
    return {
      ours: (share) => ours.run(Math.ceil(many * share)),
      peers: [(share) => less.run(Math.ceil(few * share))],
      close: async () => void (await Promise.all([ours.close(), less.close()])),
    }
  },
}))

async function sides(
  world: BenchWorld,
  rows: number,
  ours: SideChoice,
  ...theirs: SideChoice[]
): Promise<PreparedBench> {
  const count = Math.ceil(rows / world.shorten)
  const first = await createRelaySide(world, ours)
  const others = []
  for (const choice of theirs) others.push(await createRelaySide(world, choice))
  return ready(count, first, others)
}

function ready(
  count: number,
  ours: Awaited<ReturnType<typeof createRelaySide>>,
  theirs: readonly Awaited<ReturnType<typeof createRelaySide>>[],
): PreparedBench {
  return {
    ours: (share) => ours.run(Math.ceil(count * share)),
    peers: theirs.map((side) => (share) => side.run(Math.ceil(count * share))),
    close: async () => void (await Promise.all([ours, ...theirs].map((side) => side.close()))),
  }
}
