import type { RowInHand } from './held-bucket.ts'
import type { RelaySettings } from './relay-settings.ts'
import type { Trouble } from './trouble.ts'

/** Marks rows that Kafka has. Until then they are in hand, and a process that dies sends them again. */
export interface RowMarker {
  acknowledged(row: RowInHand, offset: bigint): void
  /** Ends, marked or not, when the mark under way has ended. */
  close(): void
}

/** What a {@link RowMarker} works with. */
export interface RowMarkerOptions {
  readonly settings: Pick<RelaySettings, 'store' | 'runtime' | 'worker'>
  readonly trouble: Trouble
  readonly onMarked: (rows: number) => void
}

/** One statement for more of them would only make their room in the hand come later. */
const MOST_ROWS = 5_000

/** Makes a {@link RowMarker}. One statement is under way at a time: what comes meanwhile goes with the next one. */
export function createRowMarker({ settings, trouble, onMarked }: RowMarkerOptions): RowMarker {
  const { store, runtime, worker } = settings
  const { clock } = runtime
  const closed = new AbortController()
  let waiting: Acknowledged[] = []
  let running = false

  const run = async (): Promise<void> => {
    running = true
    await Promise.resolve() // rows of one answer go together
    while (waiting.length > 0 && !closed.signal.aborted) {
      const rows = waiting.slice(0, MOST_ROWS)
      try {
        await runtime.failpoint('relay:before-mark')
        await store.sent(
          rows.map(({ row: { row, partition }, offset }) => ({
            bucket: row.bucket,
            rowId: row.rowId,
            partition,
            offset,
          })),
          { worker, epochs: new Map(rows.map(({ row: { row, held } }) => [row.bucket, held.lease.epoch])) },
        )
        await runtime.failpoint('relay:after-mark')
        waiting = waiting.slice(rows.length)
        trouble.ended()
        for (const { row } of rows) row.held.leave(row)
        onMarked(rows.length)
      } catch (error) {
        await clock.sleep(trouble.failed(error), closed.signal).catch(() => {})
      }
    }
    running = false
  }

  return {
    acknowledged(row, offset) {
      waiting.push({ row, offset })
      if (!running) void run()
    },
    close: () => closed.abort(),
  }
}

interface Acknowledged {
  readonly row: RowInHand
  readonly offset: bigint
}
