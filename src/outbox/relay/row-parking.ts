import type { HoldfastError } from '../../errors/index.ts'
import type { ParkReason } from '../relay-store.ts'
import type { HeldBucket, RowInHand } from './held-bucket.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { RelaySettings } from './relay-settings.ts'
import type { Trouble } from './trouble.ts'

/** Sets rows aside that are not to be sent for now: those that Kafka refuses for good, and those behind them. */
export interface RowParking {
  refused(row: RowInHand, error: HoldfastError): void
  behind(row: RowInHand): void
  close(): void
}

/** What {@link RowParking} works with. */
export interface RowParkingOptions {
  readonly settings: Pick<RelaySettings, 'store' | 'runtime'>
  readonly leases: Pick<LeaseKeeper, 'reset'>
  readonly trouble: Trouble
  readonly onParked: (row: RowInHand, reason: ParkReason) => void
}

const MOST_ROWS = 1_000

/** Makes {@link RowParking}. */
export function createRowParking({ settings, leases, trouble, onParked }: RowParkingOptions): RowParking {
  const { store, runtime } = settings
  const { clock } = runtime
  const closed = new AbortController()
  const waiting = new Map<HeldBucket, Aside[]>()
  let running = false

  const add = (row: RowInHand, reason: ParkReason | null): void => {
    row.phase = 'aside'
    const rows = waiting.get(row.held)
    if (rows === undefined) waiting.set(row.held, [{ row, reason }])
    else rows.push({ row, reason })
    if (!running) void run()
  }

  const run = async (): Promise<void> => {
    running = true
    await Promise.resolve() // rows of one answer go together
    for (let next = waiting.entries().next(); !next.done && !closed.signal.aborted; next = waiting.entries().next()) {
      const [held, rows] = next.value
      const some = rows.slice(0, MOST_ROWS)
      try {
        // Of a bucket that was closed nothing is known for sure: whoever reads its rows next decides anew.
        const isDone = held.open && (await setAside(held, some))
        waiting.set(held, rows.slice(some.length))
        if (waiting.get(held)!.length === 0) waiting.delete(held)
        for (const { row } of some) held.leave(row)
        for (const { row, reason } of some) if (isDone && reason !== null) onParked(row, reason)
        if (!isDone) leases.reset(held)
        trouble.ended()
      } catch (error) {
        if (!held.open) continue
        await clock.sleep(trouble.failed(error), closed.signal).catch(() => {})
      }
    }
    running = false
  }

  const setAside = async (held: HeldBucket, rows: readonly Aside[]): Promise<boolean> => {
    await runtime.failpoint('relay:before-set-aside')
    return store.setAside(held.lease, {
      parked: rows.flatMap(({ row: { row }, reason }) =>
        reason === null ? [] : [{ bucket: row.bucket, rowId: row.rowId, reason }],
      ),
      behind: rows.flatMap(({ row: { row }, reason }) =>
        reason === null ? [{ bucket: row.bucket, rowId: row.rowId }] : [],
      ),
    })
  }

  return {
    refused(row, error) {
      const { held, keyName } = row
      if (held.isBehind(row)) return add(row, null)
      if (keyName !== null) held.parkedKeys.set(keyName, row.row.rowId)
      add(row, { code: error.code, message: error.message })
    },
    behind: (row) => add(row, null),
    close: () => closed.abort(),
  }
}

interface Aside {
  readonly row: RowInHand
  /** Why it is parked; null for one that waits behind such a row. */
  readonly reason: ParkReason | null
}
