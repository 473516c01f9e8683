import type { Runtime, Timer } from '../clock/index.ts'
import { advisoryKey } from './advisory-key.ts'

/** Forgets what is past its time. */
export interface Purge {
  /** Begins to do so from time to time, unless it was told not to. */
  start(): void
  /** Does so now, and says how many went. */
  run(): Promise<number>
  /** Ends what {@link Purge.start} began, after the transaction under way. */
  close(): Promise<void>
}

/** What a {@link Purge} is made of. */
export interface PurgeOptions {
  readonly ask: (statement: string, values: unknown[]) => Promise<readonly unknown[]>
  readonly statement: string
  readonly table: string
  readonly everyMs: number | false
  readonly runtime: Pick<Runtime, 'clock'>
}

/** Rows of one transaction: some milliseconds of work, so nobody waits for it for long. */
const BATCH = 1_000

/** Makes a {@link Purge}. */
export function createPurge({ ask, statement, table, everyMs, runtime }: PurgeOptions): Purge {
  const lock = advisoryKey(`holdfast purge ${table}`) // one runner at a time, whatever process it is in
  let timer: Timer | null = null
  let underWay: Promise<unknown> | null = null
  let closed = false

  const run = async (): Promise<number> => {
    for (let all = 0; ;) {
      const [row] = (await ask(statement, [BATCH, lock])) as readonly { readonly purged: number | null }[]
      all += row?.purged ?? 0
      if ((row?.purged ?? 0) < BATCH || closed) return all
    }
  }

  return {
    start() {
      if (everyMs === false || closed) return
      timer ??= runtime.clock.every(everyMs, () => {
        // What could not be deleted now is next time; a store that is out shows itself by its other calls.
        underWay ??= run()
          .catch(() => {})
          .finally(() => (underWay = null))
      })
    },
    run,
    async close() {
      closed = true
      timer?.cancel()
      await underWay
    },
  }
}
