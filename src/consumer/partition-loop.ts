import type { InboundBatch } from '../driver/index.ts'
import { describeError } from '../errors/index.ts'
import type { InboundRecord } from '../record/index.ts'
import { formatPosition } from '../record/index.ts'
import { backoffDelay } from '../retry/index.ts'
import type { Telemetry } from '../telemetry/index.ts'
import { OUTAGE, pausePartition, resumePartition } from './partition-pause.ts'
import type { Pipeline } from './pipeline.ts'
import { processRecord } from './process-record.ts'
import { messageIdOf } from './read-record.ts'
import type { RecordOutcome, Unfinished } from './record-outcome.ts'
import { recordBytes } from './record-bytes.ts'

/** Works off the records of one epoch, one at a time, in the order of their offsets. */
export interface PartitionLoop {
  /** Takes records over. Those of it that were taken before are dropped. */
  take(batch: InboundBatch): void
  /** Handles no further record until `release`; the one under way goes on. */
  hold(): void
  release(): void
  /** Resolves when nothing of it is under way; at once when nothing is. Meant for after the epoch has stopped. */
  idle(): Promise<void>
  /** Drops what is held. For an epoch that is dead: a handler that never ends would keep it all in memory. */
  discard(): void
  /** The record that is under way; null when none is. */
  readonly underWay: UnderWay | null
  /** Records held, the one under way included. */
  readonly records: number
  /** What they take, in bytes. */
  readonly bytes: number
}

/** A record that is under way. */
export interface UnderWay {
  readonly position: string
  /** When it last began something (to be read, a call of its store or its handler), on the monotonic clock. */
  readonly since: number
  /** What takes longer than this is taken for something that never ends. */
  readonly boundMs: number
}

/** What a {@link PartitionLoop} is made of. */
export interface PartitionLoopOptions {
  readonly pipeline: Omit<Pipeline, 'untilResumed' | 'began'>
  readonly telemetry: Pick<Telemetry, 'processing'>
  /** Nothing is dispatched before it resolves: the start is not committed, or an earlier epoch still has a handler open. */
  readonly ready: Promise<void>
  /** A record has its outcome, and its offset may move. */
  readonly onOutcome: (record: InboundRecord, outcome: RecordOutcome) => void
  /** What is held has grown or shrunk. */
  readonly onBuffered: () => void
  readonly held: boolean
}

/** Makes a {@link PartitionLoop}. The epoch has its start position. */
export function createPartitionLoop(options: PartitionLoopOptions): PartitionLoop {
  const { telemetry, onOutcome, onBuffered } = options
  const { epoch, runtime, logger, groupId } = options.pipeline
  const tracker = epoch.tracker!
  const boundMs = Math.max(STALLED_MS, 2 * (options.pipeline.subscription.dedupe?.leaseMs ?? 0))
  const queue: InboundRecord[] = []
  let head = 0
  let bytes = 0
  let held = options.held
  let again = false
  let underWay: InboundRecord | null = null
  let since = 0 // when what is under way last began something, on the monotonic clock
  let running: Promise<void> | null = null
  let resumed: (() => void) | null = null

  const pipeline: Pipeline = {
    ...options.pipeline,
    began: () => void (since = runtime.clock.monotonic()),
    untilResumed: () =>
      new Promise((resolve) => {
        resumed = resolve
        epoch.stopSignal.addEventListener('abort', () => resolve(), { once: true })
      }),
  }

  const kick = (): void => {
    if (running !== null || held || epoch.stopped || head === queue.length) return
    running = run().finally(() => {
      running = null
      kick() // what came between the loop's last look and now
    })
  }

  // A loop that has begun nothing is not under way: it must not hold up a drain until what it waits for has ended.
  const ready = Promise.race([
    options.ready,
    new Promise<void>((resolve) => epoch.stopSignal.addEventListener('abort', () => resolve(), { once: true })),
  ])

  const run = async (): Promise<void> => {
    await ready
    let troubles = 0
    while (head < queue.length && !held && !epoch.stopped) {
      const record = queue[head]!
      try {
        underWay = record
        since = runtime.clock.monotonic()
        const outcome = await dispatch(record)
        if (outcome.kind === 'unfinished' || epoch.dead) {
          again = true
        } else {
          troubles = 0
          again = false
          settle(record, outcome)
        }
      } catch (thrown) {
        // Something that should not: a bug of ours, or of what was handed in.
        logger.error(
          { record: formatPosition(record), error: describeError(thrown) },
          'a record could not be processed; it is tried again',
        )
        await waitAfterTrouble(record, ++troubles)
      } finally {
        underWay = null
      }
    }
  }

  const dispatch = async (record: InboundRecord): Promise<RecordOutcome | Unfinished> => {
    const messageId = messageIdOf(record)
    const observation = telemetry.processing({ record, groupId, messageId })
    try {
      const outcome = await processRecord({ record, messageId, again, observation }, pipeline)
      if (outcome.kind === 'unfinished') observation.ended('unfinished', outcome.because)
      else if (outcome.kind === 'parked') observation.ended('parked', outcome.errorType)
      else observation.ended(outcome.kind)
      return outcome
    } catch (thrown) {
      const { code, name } = describeError(thrown)
      observation.ended('unfinished', code ?? name)
      throw thrown
    }
  }

  // Fails closed: a record that nobody understands is tried again for ever, and health says so. It is never passed over.
  const waitAfterTrouble = async (record: InboundRecord, troubles: number): Promise<void> => {
    again = true
    pausePartition(pipeline, `${formatPosition(record)} could not be processed; it is tried again`)
    try {
      await runtime.clock.sleep(backoffDelay(OUTAGE, troubles, runtime.random()), epoch.stopSignal)
    } catch {
      return // the epoch has stopped; the loop sees that
    }
    resumePartition(pipeline)
  }

  const settle = (record: InboundRecord, outcome: RecordOutcome): void => {
    if (++head === queue.length) queue.length = head = 0
    else if (head >= COMPACT_FROM && head * 2 > queue.length) {
      queue.splice(0, head)
      head = 0
    }
    bytes -= recordBytes(record)
    tracker.finish(record.offset)
    onOutcome(record, outcome)
    onBuffered()
  }

  return {
    take(batch) {
      for (const record of batch.records) {
        if (!tracker.take(record.offset)) continue // fetched twice, after a pause
        queue.push(record)
        bytes += recordBytes(record)
      }
      tracker.cover(batch.nextOffset)
      onBuffered()
      kick()
    },
    hold: () => void (held = true),
    release() {
      held = false
      resumed?.()
      kick()
    },
    idle: async () => {
      while (running !== null) await running
    },
    discard: () => void (queue.length = head = bytes = 0),
    get underWay() {
      return underWay === null ? null : { position: formatPosition(underWay), since, boundMs }
    },
    get records() {
      return queue.length - head
    },
    get bytes() {
      return bytes
    },
  }
}

/** Java's `max.poll.interval.ms`, after which its consumer is taken for stuck. Health says so here; nothing is interrupted. */
const STALLED_MS = 300_000

/** Below this the front of the queue is not worth moving. */
const COMPACT_FROM = 1_024
