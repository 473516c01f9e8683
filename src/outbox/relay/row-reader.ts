import type { ScanRange } from '../relay-store.ts'
import type { Hand, HeldBucket, RowInHand } from './held-bucket.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { RelaySettings } from './relay-settings.ts'
import type { Trouble } from './trouble.ts'
import { createWriterWatch } from './writer-watch.ts'

/**
 * Reads rows of the buckets that are held, as there is room for them. Each look goes so:
 *
 * 1. Which is the last row id that was drawn, and who writes?
 * 2. Has a writer ended since the last look? Then what it has committed may lie below the floors: read that first.
 * 3. Read from the floors up to that last row id.
 *
 * This keeps the order of each key. Take a row below a floor, committed late, and a later row of its key. The later one's id was drawn when the first
 * one's transaction had ended, since it waited for its lock. So a look whose last row id covers the later one finds the writer of the first one gone,
 * and reads the first one first.
 */
export interface RowReader {
  start(): void
  /** There may be rows now. */
  wake(): void
  /** Buckets were opened, of which nothing was read yet. */
  bucketsOpened(): void
  /** A row has left the hand: there may be room again. */
  rowLeft(): void
  /** Resolves when a look that began after this call has found nothing, and nothing is in hand. */
  drained(): Promise<void>
  /** Reads no more; resolves when the read that is under way has ended. */
  close(): Promise<void>
}

/** What a {@link RowReader} works with. */
export interface RowReaderOptions {
  readonly settings: RelaySettings
  readonly leases: Pick<LeaseKeeper, 'open'>
  readonly hand: Hand
  readonly trouble: Trouble
  /**
   * Rows that were let go and are to be read again, above the smallest of these row ids. Asked at the begin of a look, so that nothing else is
   * read before them.
   */
  readonly reclaim: () => readonly (bigint | null)[]
  readonly onRow: (row: RowInHand) => void
}

/** More rows in one fetch only make the first of them wait. */
const MOST_ROWS = 2_000
const MOST_BYTES = 4 * 2 ** 20
/** A fetch for few rows costs nearly as much as one for many. */
const LEAST_ROOM = 1_000
/** After a wake-up, and doubling from there: a transaction commits some moments after it has enqueued. */
const FIRST_WAIT_MS = 1
/** While rows trickle in: each fetch costs a probe for every bucket. */
const TRICKLE_WAIT_MS = 2
/** A sweep takes a tenth of the time at most. */
const SWEEP_REST = 9

/** Makes a {@link RowReader}. */
export function createRowReader({ settings, leases, hand, trouble, reclaim, onRow }: RowReaderOptions): RowReader {
  const { store, runtime, maxBufferedRows, maxBufferedBytes, idleIntervalMs, sweepIntervalMs } = settings
  const { clock } = runtime
  const watch = createWriterWatch()
  const leastRoom = Math.min(LEAST_ROOM, Math.ceil(maxBufferedRows / 2))
  let waitMs = FIRST_WAIT_MS
  let wakes = 0
  let sleeping: AbortController | null = null
  let closed = false
  let running: Promise<void> | undefined
  /** Which bucket comes first. */
  let turn = 0
  /** Up to which row id everything above the floors was read; null when that is not known. */
  let readTo: bigint | null = null
  /** How often buckets were opened. */
  let opened = 0
  /** Rows above it, and below the floors, are still to be looked for; null when none are. */
  let owed: bigint | null = null
  let sweepAt = clock.monotonic() + sweepIntervalMs
  let waiters: readonly (() => void)[] = []

  const hasRoom = (): boolean => maxBufferedRows - hand.rows >= leastRoom && hand.bytes < maxBufferedBytes

  const read = async (ranges: readonly Range[], onRead: (held: HeldBucket, rowId: bigint) => void): Promise<Read> => {
    const maxRows = Math.max(leastRoom, Math.min(MOST_ROWS, maxBufferedRows - hand.rows))
    const maxBytes = Math.max(1, Math.min(MOST_BYTES, maxBufferedBytes - hand.bytes))
    const byBucket = new Map(ranges.map(({ held }) => [held.lease.bucket, held]))
    for (const held of byBucket.values()) held.departed = new Set()
    try {
      await runtime.failpoint('relay:before-fetch')
      const rows = await store.fetch(
        ranges.map(({ held, after, upTo }) => ({ bucket: held.lease.bucket, after, upTo })),
        { maxRows, maxBytes },
      )
      let [taken, bytes] = [0, 0]
      for (const row of rows) {
        const held = byBucket.get(row.bucket)!
        if (!held.open) continue // nothing that was known of it counts any more, and so neither do these rows
        onRead(held, row.rowId)
        const mine = held.take(row)
        if (mine === null) continue
        taken++
        bytes += mine.size
        onRow(mine)
      }
      const isFull = rows.length >= maxRows || bytes * 2 >= maxBytes
      return { rows: rows.length, taken, isFull: rows.length > 0 && isFull, lastBucket: rows.at(-1)?.bucket }
    } finally {
      for (const held of byBucket.values()) held.departed = null
    }
  }

  /** What lies above the floors, of all buckets in turn. Ends when all of it is read, or there is no room. */
  const readNew = async (upTo: bigint): Promise<number> => {
    const openedBefore = opened
    let all = 0
    readTo = null
    for (;;) {
      const open = leases.open()
      const at = turn % Math.max(1, open.length)
      const turned = [...open.slice(at), ...open.slice(0, at)].filter((held) => held.floor < upTo)
      if (turned.length === 0) break
      const ranges = turned.map((held) => ({ held, after: held.floor, upTo }))
      const { rows, taken, isFull, lastBucket } = await read(ranges, (held, rowId) => {
        if (rowId > held.floor) held.floor = rowId
      })
      all += taken
      if (rows === 0) break
      if (!isFull) return all // that was all, but for a row so large that it comes alone: the next look sees
      // The bucket that was cut off goes last, so that one with many rows keeps none waiting.
      turn = open.findIndex(({ lease }) => lease.bucket === lastBucket) + 1
      if (!hasRoom() || closed) return all
    }
    if (opened === openedBefore) readTo = upTo
    return all
  }

  /** What lies below the floors. */
  const readLate = async (above: bigint): Promise<number> => {
    let all = 0
    let ranges: readonly Range[] = leases
      .open()
      .filter((held) => held.floor > above)
      .map((held) => ({ held, after: above, upTo: held.floor }))
    while (ranges.length > 0) {
      const last = new Map<HeldBucket, bigint>()
      const { rows, taken } = await read(ranges, (held, rowId) => void last.set(held, rowId))
      all += taken
      if (rows === 0) break
      ranges = ranges
        .filter(({ held }) => held.open)
        .map((range) => ({ ...range, after: last.get(range.held) ?? range.after }))
    }
    return all
  }

  const look = async (): Promise<void> => {
    const asked = waiters
    const wakesBefore = wakes
    const begunAt = clock.monotonic()
    const asksForEnd = asked.length > 0 && hand.rows === 0
    const sweeps = asksForEnd || begunAt >= sweepAt
    const writers = await store.writers()
    const seen = watch.looked(writers)
    const since = sweeps ? 0n : seen
    for (const above of [since, ...reclaim()]) if (above !== null && (owed === null || above < owed)) owed = above
    let taken = 0
    const isNews = owed !== null || readTo === null || writers.lastRowId !== readTo
    if (owed !== null) {
      taken += await readLate(owed)
      owed = null // only now: had it failed, it would still be owed
      if (sweeps) sweepAt = clock.monotonic() + Math.max(sweepIntervalMs, SWEEP_REST * (clock.monotonic() - begunAt))
    }
    if (isNews) taken += await readNew(writers.lastRowId)
    trouble.ended()
    if (taken > 0) waitMs = TRICKLE_WAIT_MS
    else if (wakes !== wakesBefore) waitMs = FIRST_WAIT_MS
    else waitMs = Math.min(idleIntervalMs, Math.max(FIRST_WAIT_MS, waitMs * 2))
    if (!asksForEnd || taken > 0) return
    waiters = waiters.filter((each) => !asked.includes(each))
    for (const resolve of asked) resolve()
  }

  const pause = async (ms: number): Promise<void> => {
    if (ms <= 0 || closed) return
    sleeping = new AbortController()
    await clock.sleep(ms, sleeping.signal).catch(() => {})
    sleeping = null
  }

  const run = async (): Promise<void> => {
    while (!closed) {
      if (!hasRoom()) {
        await pause(idleIntervalMs)
        continue
      }
      try {
        await look()
      } catch (error) {
        waitMs = trouble.failed(error)
      }
      await pause(waitMs)
    }
  }

  const interrupt = (): void => {
    sleeping?.abort() // makes an error with a stack each time it is called, and thousands of rows leave together
    sleeping = null
  }

  return {
    start() {
      running = run()
    },
    wake() {
      wakes++
      if (waitMs <= FIRST_WAIT_MS) return
      waitMs = FIRST_WAIT_MS
      interrupt()
    },
    bucketsOpened() {
      opened++
      readTo = null
      interrupt()
    },
    rowLeft() {
      const isAtEnd = waiters.length > 0 && hand.rows === 0
      if (isAtEnd || (readTo === null && hasRoom())) interrupt() // it waits for this, or for room
    },
    drained() {
      return new Promise((resolve) => {
        waiters = [...waiters, resolve]
        interrupt()
      })
    },
    async close() {
      closed = true
      interrupt()
      await running
      for (const resolve of waiters) resolve()
    },
  }
}

type Range = Omit<ScanRange, 'bucket'> & { readonly held: HeldBucket; readonly upTo: bigint }

/** What a read has brought. */
interface Read {
  readonly rows: number
  /** Rows that were not in hand before. */
  readonly taken: number
  /** There may be more. */
  readonly isFull: boolean
  readonly lastBucket: number | undefined
}
