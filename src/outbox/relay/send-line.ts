import type { Clock } from '../../clock/index.ts'
import type { ProduceOutcome } from '../../driver/index.ts'
import { KNOWS_NO_SUCH_PLACE, REFUSES_A_RECORD } from '../../driver/index.ts'
import type { HoldfastError } from '../../errors/index.ts'
import { BATCH_OVERHEAD } from '../../record/index.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { RowInHand } from './held-bucket.ts'
import { createOverflow } from './overflow.ts'
import type { Trouble } from './trouble.ts'

/**
 * Rows in their order, sent one batch after the other: those of a partition, or of a bucket where each has its transactions. All rows of a key are in
 * one line. A row that could not be sent is tried again before any later row of its key; one that Kafka refuses for good closes its key.
 */
export interface SendLine {
  add(row: RowInHand): void
  /** @returns the row id above which rows are to be read again, now; null when there are none, or it has no room yet. */
  reclaim(): bigint | null
  /** Takes out what is of a topic and not under way, in its order. */
  withdraw(topic: string): readonly RowInHand[]
  /** Begins no more batches; resolves when the one under way has ended. */
  close(): Promise<void>
}

/** What a {@link SendLine} works with. */
export interface SendLineOptions {
  /** Sends rows together: one outcome for each. Never rejects. */
  readonly send: (rows: readonly RowInHand[]) => Promise<readonly ProduceOutcome[]>
  readonly leases: Pick<LeaseKeeper, 'untilSafe'>
  readonly clock: Clock
  readonly trouble: Trouble
  /** There is room again for rows that were let go. */
  readonly onReclaimable: () => void
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  /** Kafka has it. */
  readonly onAcknowledged: (row: RowInHand, offset: bigint) => void
  /** Kafka refuses it for good. */
  readonly onRefused: (row: RowInHand, error: HoldfastError) => void
  /** Its key was closed by an earlier row. */
  readonly onBehind: (row: RowInHand) => void
  /** Its topic, or its partition, is not there as far as the broker knows. */
  readonly onUnknown: (rows: readonly RowInHand[]) => void
}

/** Makes a {@link SendLine}. */
export function createSendLine(options: SendLineOptions): SendLine {
  const { send, leases, clock, trouble, maxBatchRecords, maxBatchBytes, onAcknowledged, onRefused, onUnknown } = options
  let queue: RowInHand[] = []
  let head = 0
  let running: Promise<void> | undefined
  const overflow = createOverflow()
  const closed = new AbortController()

  const run = async (): Promise<void> => {
    await Promise.resolve() // what else was read in this turn belongs to the same batch
    while (head < queue.length && !closed.signal.aborted) await deliver(take())
    running = undefined
    if (overflow.isOpen && !closed.signal.aborted) options.onReclaimable()
  }

  const take = (): RowInHand[] => {
    const batch: RowInHand[] = []
    let bytes = BATCH_OVERHEAD
    while (head < queue.length && batch.length < maxBatchRecords) {
      const row = queue[head]!
      if (isToSend(row)) {
        if (batch.length > 0 && bytes + row.size > maxBatchBytes) break
        batch.push(row)
        bytes += row.size
      }
      head++
    }
    if (head > COMPACT_AT || head === queue.length) {
      queue = queue.slice(head)
      head = 0
    }
    return batch
  }

  const isToSend = (row: RowInHand): boolean => {
    if (row.phase !== 'queued') return false
    if (!row.held.isBehind(row)) return true
    options.onBehind(row)
    return false
  }

  // Parts stand on the stack in reverse: the next one to send is the last.
  const deliver = async (batch: readonly RowInHand[]): Promise<void> => {
    const parts: (readonly RowInHand[])[] = [batch]
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const rows = part.filter(isToSend)
      if (rows.length === 0) continue
      await leases.untilSafe(new Set(rows.map((row) => row.held)))
      const still = rows.filter(isToSend) // some may have gone with their bucket meanwhile
      if (still.length === 0) continue
      if (closed.signal.aborted) return
      for (const row of still) row.phase = 'sending'
      const verdict = judge(still, await send(still))
      // In order of their ids within each key: a key has rows in one of these lists alone, since what follows a failed row of it fails too.
      if (verdict.split.length > 0) {
        const middle = Math.ceil(verdict.split.length / 2)
        if (verdict.split.length > 1) parts.push(verdict.split.slice(middle))
        parts.push(verdict.split.slice(0, middle))
      }
      if (verdict.innocent.length > 0) parts.push(verdict.innocent)
      if (verdict.unknown.length > 0) onUnknown([...verdict.unknown, ...withdrawFrom(parts, verdict.unknown)])
      if (verdict.again.length > 0) {
        parts.push(verdict.again)
        shed()
        await clock.sleep(trouble.failed(verdict.error), closed.signal).catch(() => {})
      } else if (trouble.now !== null) {
        trouble.ended()
        if (overflow.isOpen) options.onReclaimable()
      }
    }
  }

  /** Keeps the next batch of what waits. */
  const shed = (): void => {
    const kept = head + maxBatchRecords
    for (const row of queue.slice(kept)) if (row.phase === 'queued') overflow.add(row)
    queue.length = Math.min(queue.length, kept)
  }

  /** What is left to send of the topics of these rows. */
  const withdrawFrom = (parts: (readonly RowInHand[])[], rows: readonly RowInHand[]): readonly RowInHand[] => {
    const topics = new Set(rows.map(({ row }) => row.topic))
    const left = parts.splice(0)
    for (const part of left) parts.push(part.filter(({ row }) => !topics.has(row.topic)))
    return left.toReversed().flatMap((part) => part.filter(({ row }) => topics.has(row.topic)))
  }

  const judge = (rows: readonly RowInHand[], outcomes: readonly ProduceOutcome[]): Verdict => {
    const verdict: Verdict = { split: [], innocent: [], unknown: [], again: [], error: null }
    const failed = new Map<string, RowInHand[]>()
    for (const [i, row] of rows.entries()) {
      const outcome = outcomes[i]!
      const before = row.keyName === null ? undefined : failed.get(row.keyName)
      if (outcome.ok && before === undefined) {
        row.phase = 'acknowledged'
        onAcknowledged(row, outcome.offset)
        continue
      }
      row.phase = 'queued'
      if (!row.held.open) {
        row.held.leave(row) // its bucket was closed while it was under way
        continue
      }
      // Only the acknowledged prefix of a key counts: a row that is on the log behind one that is not goes again, after it.
      const list = before ?? listFor(verdict, outcome, rows.length, row)
      list?.push(row)
      if (row.keyName !== null && list !== undefined) failed.set(row.keyName, list)
    }
    return verdict
  }

  const listFor = (
    verdict: Verdict,
    outcome: ProduceOutcome,
    among: number,
    row: RowInHand,
  ): RowInHand[] | undefined => {
    if (outcome.ok) return undefined
    const { error } = outcome
    if (REFUSES_A_RECORD.has(error.code)) {
      if (among > 1) return verdict.split
      onRefused(row, error)
      return undefined
    }
    if (KNOWS_NO_SUCH_PLACE.has(error.code)) return verdict.unknown
    if (error.code === 'HOLDFAST_TRANSACTION_ABORTED') return verdict.innocent
    verdict.error ??= error
    return verdict.again
  }

  return {
    add(row) {
      if (overflow.isOpen || (trouble.now !== null && queue.length - head >= maxBatchRecords)) return overflow.add(row)
      queue.push(row)
      if (!closed.signal.aborted) running ??= run()
    },
    // One that has nothing to try with will never hear that it works again: its rows may have gone with their buckets.
    reclaim: () => (overflow.isOpen && (trouble.now === null || running === undefined) ? overflow.end() : null),
    withdraw(topic) {
      const rest = queue.slice(head)
      queue = rest.filter((row) => row.row.topic !== topic)
      head = 0
      return rest.filter((row) => row.row.topic === topic && row.phase === 'queued')
    },
    async close() {
      closed.abort()
      await running
    },
  }
}

/** What of a batch was not sent, and what is to become of it. */
interface Verdict {
  /** Refused, with others beside: in halves, until the guilty one stands alone. */
  readonly split: RowInHand[]
  /** Went down with another row's transaction. */
  readonly innocent: RowInHand[]
  readonly unknown: RowInHand[]
  /** For now nothing can be written, or nobody knows whether it was. */
  readonly again: RowInHand[]
  error: HoldfastError | null
}

const COMPACT_AT = 10_000
