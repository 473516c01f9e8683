import type { Runtime, Timer } from '../clock/index.ts'
import type { CommitOffset, DriverConsumer } from '../driver/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import { formatPosition } from '../record/index.ts'
import type { Backoff } from '../retry/index.ts'
import { backoffDelay } from '../retry/index.ts'
import type { Epoch } from './epoch.ts'
import type { Events } from './events.ts'
import { within } from './within.ts'

/** Commits watermarks: one request under way, all partitions of one assignment together. */
export interface Committer {
  /** A watermark may have moved. Returns at once. */
  moved(epoch: Epoch): void
  /**
   * Commits what these epochs have finished, now; for a drain. Resolves when all of it is acknowledged or belongs to dead epochs,
   * or after `budgetMs`. Never rejects: what is not committed is handled again.
   */
  flush(epochs: readonly Epoch[], budgetMs: number): Promise<void>
  /**
   * Commits where these epochs start, however long it takes; for a start that was not read from a commit. Resolves when all of it is
   * acknowledged, or the epochs are dead. Never rejects.
   */
  commitStarts(epochs: readonly Epoch[]): Promise<void>
  /** Since when commits have failed, with the last reason; null when they succeed. */
  readonly trouble: { readonly since: number; readonly reason: string } | null
  /** Begins no further commit. */
  close(): void
}

/** What a {@link Committer} is made of. */
export interface CommitterOptions {
  readonly consumer: Pick<DriverConsumer, 'commit'>
  readonly runtime: Runtime
  readonly logger: Logger
  readonly events: Events
  readonly intervalMs: number
}

/** So many finished records do not wait for the interval: a crash repeats no more than these, and a round trip's worth. */
const MAX_WAITING_RECORDS = 5_000

/** Between commits that fail; the interval after one that succeeds is its own. */
const TROUBLE: Backoff = { initialDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.2 }

/** Makes a {@link Committer}. */
export function createCommitter({ consumer, runtime, logger, events, intervalMs }: CommitterOptions): Committer {
  const { clock } = runtime
  const waiting = new Set<Epoch>()
  let waitingRecords = 0
  let notBefore = -Infinity // on the monotonic clock
  let timer: Timer | null = null
  let underWay: Promise<void> | null = null
  let failures = 0
  let trouble: Committer['trouble'] = null
  let closed = false
  const closing = new AbortController()

  const schedule = (): void => {
    if (closed || underWay !== null || waiting.size === 0) return
    const delayMs = notBefore - clock.monotonic()
    if (delayMs <= 0 || (failures === 0 && waitingRecords >= MAX_WAITING_RECORDS)) {
      timer?.cancel()
      timer = null
      void commit([...waiting])
    } else {
      timer ??= clock.after(delayMs, () => {
        timer = null
        schedule()
      })
    }
  }

  const commit = (epochs: readonly Epoch[]): Promise<void> => {
    underWay = commitOnce(epochs).finally(() => {
      underWay = null
      notBefore = clock.monotonic() + (failures === 0 ? intervalMs : backoffDelay(TROUBLE, failures, runtime.random()))
      schedule()
    })
    return underWay
  }

  const commitOnce = async (epochs: readonly Epoch[]): Promise<void> => {
    let behind = epochs
    try {
      await runtime.failpoint('commit:before') // a crash here repeats what was finished since the last commit
      // Read after the last await: an epoch that died meanwhile is left out, and what was finished meanwhile comes along.
      behind = [...new Set([...epochs, ...waiting])].filter(isBehind)
      waiting.clear()
      waitingRecords = 0
      let allWell = true
      // A driver refuses a request with one old epoch in it as a whole, and hears of an end before us: each goes by itself.
      for (const same of byNumber(behind)) {
        try {
          await commitTogether(same.filter(isBehind)) // one may have died behind the request before
        } catch (error) {
          allWell = false
          failed(error, same)
        }
      }
      if (allWell) recovered() // also when nothing is left: what could not be committed is not ours to commit any more
    } catch (error) {
      failed(error, behind)
    }
  }

  const commitTogether = async (epochs: readonly Epoch[]): Promise<void> => {
    if (epochs.length === 0) return
    const offsets = epochs.map(offsetOf)
    await consumer.commit(offsets)
    epochs.forEach((epoch, i) => (epoch.committed = offsets[i]!.offset))
    if (events.heard('committed')) events.emit('committed', { positions: offsets.map(positionOf) })
    await runtime.failpoint('commit:after')
  }

  const recovered = (): void => {
    failures = 0
    trouble = null
  }

  const failed = (error: unknown, attempted: readonly Epoch[]): void => {
    failures++
    const { code, name } = describeError(error)
    trouble = { since: trouble?.since ?? clock.monotonic(), reason: code ?? name }
    const behind = attempted.filter(isBehind)
    if (behind.length === 0) recovered()
    if (HoldfastError.is(error, 'HOLDFAST_EPOCH_LOST')) {
      // The driver knows before us that the assignment is over, and will say so. Until then it is tried again, as anything else.
      for (const epoch of behind)
        events.emit('stale-refused', { position: positionOf(offsetOf(epoch)), operation: 'commit' })
    }
    for (const epoch of behind) waiting.add(epoch)
    const [first] = behind
    logger.warn(
      {
        error: describeError(error),
        partitions: behind.length,
        ...(first && { first: formatPosition(offsetOf(first)) }),
      },
      'a commit failed; it is tried again while the partitions are owned',
    )
  }

  const flushAll = async (epochs: readonly Epoch[]): Promise<void> => {
    for (let tries = 1; ; tries++) {
      while (underWay !== null) await underWay
      const behind = epochs.filter(isBehind)
      if (behind.length === 0 || closed) return
      await commit(behind)
      if (failures > 0)
        await clock.sleep(backoffDelay(TROUBLE, tries, runtime.random()), closing.signal).catch(() => {})
    }
  }

  return {
    moved(epoch) {
      if (closed) return
      waiting.add(epoch)
      waitingRecords++
      if (timer === null || waitingRecords >= MAX_WAITING_RECORDS) schedule()
    },
    async flush(epochs, budgetMs) {
      await within(clock, budgetMs, flushAll(epochs))
    },
    get trouble() {
      return trouble
    },
    commitStarts: flushAll,
    close() {
      closed = true
      closing.abort(new Error('closed'))
      timer?.cancel()
    },
  }
}

/** Has it finished more than the broker knows of, and may it still say so? */
function isBehind(epoch: Epoch): boolean {
  const { tracker } = epoch
  return !epoch.dead && tracker !== null && (epoch.committed === null || tracker.watermark > epoch.committed)
}

/** One list for each assignment; nearly always there is but one. */
function byNumber(epochs: readonly Epoch[]): readonly (readonly Epoch[])[] {
  const numbers = new Set(epochs.map(({ number }) => number))
  return [...numbers].map((each) => epochs.filter(({ number }) => number === each))
}

function offsetOf({ topic, partition, tracker, number }: Epoch): CommitOffset {
  return { topic, partition, offset: tracker!.watermark, epoch: number }
}

function positionOf({ topic, partition, offset }: CommitOffset): { topic: string; partition: number; offset: bigint } {
  return { topic, partition, offset }
}
