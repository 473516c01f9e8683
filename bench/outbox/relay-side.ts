import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchWorld } from '../bench.ts'
import type { BenchDatabase } from './database.ts'
import { createDatabase } from './database.ts'
import { monotonicMs } from './monotonic.ts'
import type { RelayProcesses } from './relay-process.ts'
import { startRelayProcesses } from './relay-process.ts'
import type { HoldfastSpec, NaiveSpec, PeerSpec, Places } from './relay-spec.ts'
import type { Rows } from './rows.ts'
import { createRows } from './rows.ts'
import { topicRecords } from './topic-records.ts'

const PARTITIONS = 6
/** What is set aside may go some moments after the last row is published. */
const GONE_TRIES = 600
const GONE_EVERY_MS = 50

/** What relays, and how. */
export type SideChoice = Omit<HoldfastSpec, keyof Places> | Omit<NaiveSpec, keyof Places> | Omit<PeerSpec, keyof Places>

/** Relays of one kind, with a database, a topic and processes of their own. */
export interface RelaySide {
  readonly database: BenchDatabase
  readonly rows: Rows
  readonly topic: string
  /**
   * Adds so many rows, then lets them be relayed: the clock runs from their commit to the last row that is acknowledged and marked.
   *
   * @param before - called in the same transaction, before the rows are added.
   * @returns rows a second.
   * @throws Error when the topic has got more or fewer records than there were rows, or the table is not empty.
   */
  run(count: number, before?: () => Promise<void>): Promise<number>
  close(): Promise<void>
}

/** @param workers - so many processes share the work: Holdfast's alone */
export async function createRelaySide(world: BenchWorld, choice: SideChoice, workers = 1): Promise<RelaySide> {
  const database = await createDatabase(await world.durablePostgres())
  const { brokers } = world
  const topic = await world.topic(PARTITIONS)
  const rows = await createRows(database, { ...choice, topic })
  const spec = { ...choice, url: database.url, brokers, topic }
  const relays: RelayProcesses = await startRelayProcesses(Array.from({ length: workers }, () => spec))
  const records = topicRecords(brokers, topic)
  const transactions = choice.side === 'holdfast' && choice.transactionalIdPrefix !== undefined
  let all = 0
  return {
    database,
    rows,
    topic,
    async run(count, before) {
      const had = transactions ? 0 : await records.byOffsets()
      await rows.add(count, before)
      const started = monotonicMs()
      relays.go(count)
      const ended = await relays.published(count)
      all += count
      if (!transactions) expectCount((await records.byOffsets()) - had, count)
      for (let tries = 0; !(await rows.areGone()); tries++) {
        if (tries === GONE_TRIES) throw new Error('rows are left that nobody relays')
        await sleep(GONE_EVERY_MS)
      }
      return count / ((ended - started) / 1_000)
    },
    async close() {
      await relays.close()
      if (transactions) expectCount(await records.byReading(), all)
      await database.close()
    },
  }
}

function expectCount(got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`the topic has ${got} records where ${wanted} rows were relayed`)
}
