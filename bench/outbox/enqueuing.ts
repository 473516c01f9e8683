import { postgresOutboxSql } from 'holdfast/postgres'
import type { Bench, BenchWorld, PreparedBench } from '../bench.ts'
import type { ConsumerProcess } from '../consumer-process.ts'
import { createDatabase } from './database.ts'
import type { BenchDatabase } from './database.ts'
import type { EnqueueSpec } from './enqueue-spec.ts'
import { CLIENTS, startEnqueuing } from './enqueue-spec.ts'

const TRANSACTIONS = 40_000
const KEYS = 10_000
const PLAIN = 'a plain insert of the row'
const SPREAD = { keys: KEYS } as const
type Choice = Omit<EnqueueSpec, 'url' | 'side'>

const BY_DEFAULT: Beside = ['as it is by default', null, 'holdfast', SPREAD]

/** Begin, one message, commit: what enqueueing costs those who write, and what each option adds. */
export const enqueuing: readonly Bench[] = [
  costOf('one message in a transaction', SPREAD, [PLAIN, 0.8, 'plain', SPREAD]),
  costOf('the same with keepSentMs', { ...SPREAD, keepSentMs: 86_400_000 }, BY_DEFAULT),
  { ...costOf('the same, all of one key', { keys: 1 }, [PLAIN, null, 'plain', SPREAD]), variant: true },
  { ...costOf('the same with keyOrder: none', { ...SPREAD, keyOrder: 'none' }, BY_DEFAULT), variant: true },
  { ...costOf('the same with notify: true', { ...SPREAD, notify: true }, BY_DEFAULT), variant: true },
]

type Beside = readonly [name: string, reach: number | null, side: EnqueueSpec['side'], choice: Choice]

function costOf(work: string, choice: Choice, [name, reach, side, theirs]: Beside): Bench {
  return {
    name: 'outbox-enqueue',
    work: `${work}, ${CLIENTS} clients`,
    pinned: false,
    warmUps: 1,
    warmUpShare: 0.5,
    peers: [{ name, reach }],
    async prepare(world): Promise<PreparedBench> {
      const count = Math.ceil(TRANSACTIONS / world.shorten)
      const ours = await begin(world, { ...choice, side: 'holdfast' })
      const peer = await begin(world, { ...theirs, side })
      const rate =
        ({ enqueuing }: Begun) =>
        async (share: number): Promise<number> => {
          const { records, seconds } = await enqueuing.run(Math.ceil(count * share))
          return records / seconds
        }
      return {
        ours: rate(ours),
        peers: [rate(peer)],
        async close() {
          for (const { enqueuing, database } of [ours, peer]) {
            await enqueuing.close()
            await database.close()
          }
        },
      }
    },
  }
}

interface Begun {
  readonly database: BenchDatabase
  readonly enqueuing: ConsumerProcess
}

async function begin(world: BenchWorld, spec: Omit<EnqueueSpec, 'url'>): Promise<Begun> {
  const database = await createDatabase(await world.durablePostgres())
  await database.query(postgresOutboxSql({ keepSent: spec.keepSentMs !== undefined }))
  return { database, enqueuing: startEnqueuing({ ...spec, url: database.url }) }
}
