import type { Runtime, Timer } from '../clock/index.ts'
import type { CommitOffset, DriverConsumer } from '../driver/index.ts'
import { describeError, describeForLog, errorTypeOf, HoldfastError } from '../errors/index.ts'
import type { Events } from '../events/index.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import type { Logger } from '../logger/index.ts'
import { formatPosition, positionOf } from '../record/index.ts'
import type { Backoff } from '../retry/index.ts'
import { backoffDelay } from '../retry/index.ts'
import type { Epoch } from './epoch.ts'
import { decodeFinishedRanges, encodeFinishedRanges, MAX_METADATA_BYTES } from './finished-ranges.ts'
import type { Mutable } from './mutable.ts'
import type { OffsetClaims } from './offset-claims.ts'
import { createOffsetClaims } from './offset-claims.ts'
import type { FinishedRange } from './offset-tracker.ts'
import { within } from './within.ts'

/** Commits watermarks, and what is finished above them: one request under way, all partitions of one assignment together. */
export interface Committer {
  /** A record has its outcome, or something never comes: a watermark, or what is finished above it, may have moved. Returns at once. */
  moved(epoch: Epoch): void
  /**
   * Commits the offset of a record that is about to be handled: see `OffsetClaims.claim`. It does not wait for the interval; those of one turn are
   * committed together.
   */
  readonly claim: OffsetClaims['claim']
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
  /**
   * Commits where this epoch stands, even below what the group has committed, after what is under way; for a seek. The epoch stands at
   * its target already, and an earlier epoch of the partition is dead. Resolves as {@link commitStarts} does.
   */
  rewind(epoch: Epoch): Promise<void>
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
  readonly events: Events<ConsumerEvents>
  readonly intervalMs: number
  /** Can text travel with a commit (`Capabilities.commitMetadata`)? Without it, what is finished above a watermark is not committed. */
  readonly metadata: boolean
  /** Is nothing of a topic to be handled twice? */
  readonly isAtMostOnce: (topic: string) => boolean
  /** Has the group not confirmed the membership for longer than the session timeout? */
  isSuspect(): boolean
  /** Resolves when the group has confirmed the membership, or the epoch has stopped. Never rejects. */
  confirmMembership(epoch: Epoch): Promise<void>
}

/** So many finished records do not wait for the interval: a crash repeats no more than these, and a round trip's worth. */
const MAX_WAITING_RECORDS = 5_000

/**
 * Text of all partitions of one commit together, shared evenly: the broker appends a commit as one batch, and refuses it whole above
 * `max.message.bytes` of its offsets topic, 1 MiB by default.
 */
const MAX_REQUEST_METADATA_BYTES = 512 * 1_024

/** Between commits that fail; the interval after one that succeeds is its own. */
const TROUBLE: Backoff = { initialDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.2 }

/** Makes a {@link Committer}. */
export function createCommitter(options: CommitterOptions): Committer {
  const { consumer, runtime, logger, events, intervalMs } = options
  const { clock } = runtime
  const waiting = new Map<Epoch, number>() // with the finished records that a commit cannot pass yet: only their ranges would be new
  let waitingRecords = 0 // those that it can pass
  let withRanges = options.metadata
  const texts = new WeakMap<Epoch, string>() // that the broker has taken with what is committed
  let notBefore = -Infinity // on the monotonic clock
  let timer: Timer | null = null
  let underWay: Promise<void> | null = null
  let failures = 0
  let closed = false
  const closing = new AbortController()

  const claims = createOffsetClaims(
    (epoch) => committer.moved(epoch),
    () => withRanges,
  )
  const isUrgent = (): boolean => waitingRecords >= MAX_WAITING_RECORDS || claims.areUrgent()

  const schedule = (): void => {
    if (closed || underWay !== null || waiting.size === 0) return
    const delayMs = notBefore - clock.monotonic()
    if (delayMs <= 0 || (failures === 0 && isUrgent())) {
      timer?.cancel()
      timer = null
      void commit([...waiting.keys()])
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
      behind = [...new Set([...epochs, ...waiting.keys()])].filter(isBehind)
      waiting.clear()
      waitingRecords = 0
      let allWell = true
      // A driver refuses a request with one old epoch in it as a whole, and hears of an end before us: each goes by itself.
      for (const same of byNumber(behind)) {
        try {
          await commitTogether(same)
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
    await confirmed(epochs)
    const writes = writesOf(epochs, withRanges).filter(isNews)
    if (writes.length === 0) return
    try {
      await consumer.commit(writes.map(({ offset }) => offset))
    } catch (error) {
      if (!HoldfastError.is(error, 'HOLDFAST_REFUSED') || !writes.some(hasText)) throw error
      return commitBare(epochs, error)
    }
    await acknowledged(writes)
  }

  // A broker may take less text than Kafka's default, or none, and what is finished must become known to it all the same. When it takes
  // the offsets without the text, the text was the reason; when it does not, the failure is one as any other.
  const commitBare = async (epochs: readonly Epoch[], refusal: unknown): Promise<void> => {
    await confirmed(epochs)
    const writes = writesOf(epochs, false)
    if (writes.length === 0) return
    await consumer.commit(writes.map(({ offset }) => offset))
    withRanges = false
    logger.warn(
      { error: describeForLog(refusal) },
      'the broker refuses text with committed offsets: from now on a restart repeats what was finished out of order',
    )
    await acknowledged(writes)
    claims.textRefused()
  }

  /** A process that stood still for long may have lost the partitions, and hears of it with the next heartbeat: that comes first. */
  const confirmed = async (epochs: readonly Epoch[]): Promise<void> => {
    const behind = epochs.filter(isBehind)
    if (behind.length === 0 || !options.isSuspect()) return
    await Promise.race(behind.map((epoch) => options.confirmMembership(epoch)))
    if (!options.isSuspect() || !behind.some(isBehind)) return
    throw new HoldfastError('HOLDFAST_UNAVAILABLE', 'the group does not confirm the membership', { retriable: true })
  }

  /** To be sent at once: offset and text are of this moment, and nothing is committed for what dies behind a later await. */
  const writesOf = (epochs: readonly Epoch[], ranges: boolean): readonly Write[] => {
    const behind = epochs.filter(isBehind)
    const maxBytes = Math.min(MAX_METADATA_BYTES, Math.floor(MAX_REQUEST_METADATA_BYTES / behind.length))
    return behind.map((epoch) =>
      writeOf(epoch, ranges ? epoch.tracker!.finishedRanges() : knownAnyway(epoch), maxBytes),
    )
  }

  /**
   * What is written where the text for all of it is refused: nothing, and what was finished out of order is handled again. At most once that must not
   * be: what the broker has taken already stays with it, and takes no more room than it did.
   */
  const knownAnyway = (epoch: Epoch): readonly FinishedRange[] => {
    if (!options.metadata || !options.isAtMostOnce(epoch.topic)) return []
    const text = texts.get(epoch)
    const known = text === undefined ? epoch.inherited : decodeFinishedRanges(epoch.committed!, text)
    const from = epoch.tracker!.watermark()
    return known.flatMap(({ first, last }) => (last < from ? [] : [{ first: first < from ? from : first, last }]))
  }

  const isNews = ({ epoch, revision, offset }: Write): boolean => {
    if (isAhead(epoch) || (offset.metadata ?? '') !== textOf(epoch)) return true
    epoch.committedRevision = revision // what has changed did not fit, and the broker knows the rest
    return false
  }

  const acknowledged = async (writes: readonly Write[]): Promise<void> => {
    for (const { epoch, revision, offset } of writes) {
      epoch.committed = offset.offset
      epoch.committedRevision = revision
      texts.set(epoch, offset.metadata ?? '')
      claims.acknowledged(epoch, offset.offset, offset.metadata ?? '')
    }
    if (events.heard('committed')) {
      events.emit('committed', { positions: writes.map(({ offset }) => positionOf(offset)) })
    }
    await runtime.failpoint('commit:after')
  }

  const textOf = (epoch: Epoch): string => texts.get(epoch) ?? ''

  /** Has it finished more than the broker knows of, and may it still say so? */
  const isBehind = (epoch: Epoch): boolean => {
    const { tracker, committed, committedRevision } = epoch
    if (epoch.dead || tracker === null || claims.hasGivenUp(epoch)) return false
    if (isAhead(epoch)) return true
    if (!withRanges || tracker.revision === committedRevision || tracker.watermark() !== committed) return false
    return hasRanges(epoch)
  }

  const recovered = (): void => {
    failures = 0
    committer.trouble = null
  }

  const failed = (error: unknown, attempted: readonly Epoch[]): void => {
    failures++
    committer.trouble = {
      since: committer.trouble?.since ?? clock.monotonic(),
      reason: errorTypeOf(describeError(error)),
    }
    const behind = attempted.filter(isBehind)
    if (behind.length === 0) recovered()
    if (HoldfastError.is(error, 'HOLDFAST_EPOCH_LOST')) {
      // The driver knows before us that the assignment is over, and will say so. Until then it is tried again, as anything else.
      for (const epoch of behind)
        events.emit('stale-refused', { position: positionOf(offsetOf(epoch)), operation: 'commit' })
    }
    for (const epoch of behind) waiting.set(epoch, waiting.get(epoch) ?? 0)
    const [first] = behind
    logger.warn(
      {
        error: describeForLog(error),
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

  const committer: Mutable<Committer> = {
    trouble: null,
    moved(epoch) {
      if (closed) return
      const held = (waiting.get(epoch) ?? 0) + 1
      const passed = isAhead(epoch)
      waiting.set(epoch, passed ? 0 : held)
      if (passed) waitingRecords += held
      if (timer === null || isUrgent()) schedule()
      claims.moved(epoch)
    },
    claim: claims.claim,
    async flush(epochs, budgetMs) {
      await within(clock, budgetMs, flushAll(epochs))
    },
    commitStarts: flushAll,
    rewind(epoch) {
      epoch.committed = null // whatever the group has: isBehind lets its start through once
      return flushAll([epoch])
    },
    close() {
      closed = true
      closing.abort(new Error('closed'))
      timer?.cancel()
    },
  }
  return committer
}

interface Write {
  readonly epoch: Epoch
  /** Of the tracker, when offset and text were read. */
  readonly revision: number
  readonly offset: CommitOffset
}

function writeOf(epoch: Epoch, ranges: Iterable<FinishedRange>, maxBytes: number): Write {
  const offset = offsetOf(epoch)
  const metadata = encodeFinishedRanges(offset.offset, ranges, maxBytes)
  return { epoch, revision: epoch.tracker!.revision, offset: metadata === '' ? offset : { ...offset, metadata } }
}

function hasText({ offset }: Write): boolean {
  return offset.metadata !== undefined
}

/** Does its watermark stand above its commit? A start that nobody has committed counts, wherever it is. */
function isAhead({ tracker, committed }: Epoch): boolean {
  return committed === null || tracker!.watermark() > committed
}

function hasRanges({ tracker }: Epoch): boolean {
  for (const _ of tracker!.finishedRanges()) return true
  return false
}

/** One list for each assignment; nearly always there is but one. */
function byNumber(epochs: readonly Epoch[]): readonly (readonly Epoch[])[] {
  const numbers = new Set(epochs.map(({ number }) => number))
  return [...numbers].map((each) => epochs.filter(({ number }) => number === each))
}

function offsetOf({ topic, partition, tracker, number }: Epoch): CommitOffset {
  return { topic, partition, offset: tracker!.watermark(), epoch: number }
}
