import type { RowPlace } from '../../../src/outbox/index.ts'
import type { InMemoryOutbox } from '../../../src/testing/index.ts'
import type { SimulatedProcess, Simulation } from '../../../src/testing/simulation/index.ts'

/**
 * Marks that reach the database when their bucket has gone to another worker. That one may have read a part of the rows before: it sends them again,
 * and those that are marked now are not sent behind them.
 */
export interface LateMarks {
  /** A process is about to mark these rows; it has one such call under way at a time. */
  begun(process: SimulatedProcess, rows: readonly RowPlace[]): void
  /** The database has marked them. */
  done(process: SimulatedProcess): void
  /** Has a mark of this row come late? */
  isLate(rowId: bigint): boolean
}

/** Makes {@link LateMarks}. */
export function createLateMarks({ note }: Simulation, database: InMemoryOutbox): LateMarks {
  const underWay = new Map<SimulatedProcess, readonly RowPlace[]>()
  const late = new Set<bigint>()
  return {
    begun: (process, rows) => void underWay.set(process, rows),
    done(process) {
      const buckets = database.buckets()
      for (const { bucket, rowId } of underWay.get(process) ?? []) {
        const { worker } = buckets[bucket]!
        if (worker === process.name) continue
        note(`the mark of row ${rowId} by ${process.name} comes late: its bucket has gone to ${worker}`)
        late.add(rowId)
      }
    },
    isLate: (rowId) => late.has(rowId),
  }
}
