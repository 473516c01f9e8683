import type { Runtime } from '../clock/index.ts'
import type { DriverProducer } from '../driver/index.ts'
import { describeError, HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { Backoff } from '../retry/index.ts'
import { backoffDelay } from '../retry/index.ts'

/** A topic has another number of partitions than before: from now on keys go to other partitions than their earlier records. */
export interface PartitionCountChange {
  readonly topic: string
  readonly from: number
  readonly to: number
}

/** How many partitions the topics have that are sent to. */
export interface PartitionCounts {
  /** What is known, without waiting. */
  known(topic: string): number | undefined
  /** Asks again when what is known is old, beside the sends: this is how a change is noticed. */
  recheck(topic: string): void
  /**
   * Asks until there is an answer, connecting first where needed; calls side by side share one question. Repeats what is
   * retriable for as long as `isWanted`, and an unknown topic once, since a new one takes a moment to be known by every broker.
   *
   * @throws HOLDFAST_TOPIC_UNKNOWN, HOLDFAST_NOT_AUTHORIZED, HOLDFAST_UNAVAILABLE when it is no longer wanted
   */
  load(topic: string, isWanted: () => boolean): Promise<number>
  /** Makes what is known of a topic unknown, unless it was learned a moment ago. Answers whether it did. */
  forget(topic: string): boolean
}

/** What {@link createPartitionCounts} works with. */
export interface PartitionCountsOptions {
  readonly driver: DriverProducer
  readonly connect: () => Promise<void>
  readonly runtime: Runtime
  readonly logger: Logger
  readonly onChange: (change: PartitionCountChange) => void
}

/** How long the producer waits between two attempts at what wrote nothing: Java's `retry.backoff.ms` and `retry.backoff.max.ms`. */
export const RETRY_BACKOFF: Backoff = { initialDelayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0.2 }

/** Makes {@link PartitionCounts}. */
export function createPartitionCounts(options: PartitionCountsOptions): PartitionCounts {
  const { driver, connect, runtime, logger, onChange } = options
  const { clock, random } = runtime
  const topics = new Map<string, Known>()

  const ask = async (topic: string, entry: Known): Promise<number> => {
    const isWanted = (): boolean => entry.wanted.some((each) => each())
    let unknown = 0
    for (let failures = 1; ; failures++) {
      try {
        await connect()
        await runtime.failpoint('producer:before-metadata')
        return learn(topic, entry, await driver.partitionCount(topic))
      } catch (error) {
        const isUnknown = HoldfastError.is(error, 'HOLDFAST_TOPIC_UNKNOWN')
        const again = isUnknown ? ++unknown < 2 : HoldfastError.is(error) && error.retriable
        if (!again || !isWanted()) throw error
        if (isUnknown) driver.forgetPartitions(topic)
        await clock.sleep(backoffDelay(RETRY_BACKOFF, failures, random()))
        if (!isWanted()) throw error
      }
    }
  }

  const learn = (topic: string, entry: Known, count: number): number => {
    const from = entry.last
    entry.current = entry.last = count
    entry.checkedAt = clock.monotonic()
    if (from !== undefined && from !== count) {
      logger.warn(
        { topic, from, to: count },
        'the partition count of a topic has changed: its keys go to other partitions than before, so order across the change is broken',
      )
      onChange({ topic, from, to: count })
    }
    return count
  }

  const load = (topic: string, isWanted: () => boolean): Promise<number> => {
    let entry = topics.get(topic)
    if (entry === undefined) topics.set(topic, (entry = newEntry()))
    entry.wanted.push(isWanted)
    entry.asking ??= ask(topic, entry).finally(() => {
      entry.asking = undefined
      entry.wanted = []
      if (entry.last === undefined) topics.delete(topic) // names that turned out not to exist must not gather here
    })
    return entry.asking
  }

  return {
    known: (topic) => topics.get(topic)?.current,
    recheck(topic) {
      const entry = topics.get(topic)
      if (entry?.current === undefined || entry.asking !== undefined) return
      if (clock.monotonic() - entry.checkedAt > RECHECK_MS) {
        load(topic, () => false).catch((error: unknown) => {
          entry.checkedAt = clock.monotonic()
          logger.debug(
            { topic, code: describeError(error).code },
            'the partition count of a topic could not be checked',
          )
        })
      }
    },
    load,
    forget(topic) {
      const entry = topics.get(topic)
      if (entry === undefined || clock.monotonic() - entry.checkedAt < FRESH_MS) return false
      entry.current = undefined
      driver.forgetPartitions(topic)
      return true
    },
  }
}

interface Known {
  current: number | undefined
  /** Outlives `current`, so that a change is seen across a {@link PartitionCounts.forget}. */
  last: number | undefined
  checkedAt: number
  asking: Promise<number> | undefined
  wanted: Array<() => boolean>
}

function newEntry(): Known {
  return { current: undefined, last: undefined, checkedAt: -Infinity, asking: undefined, wanted: [] }
}

const RECHECK_MS = 30_000 // drivers ask the cluster every few minutes; this only has to be more often
const FRESH_MS = 1_000 // a caller that keeps naming a partition that is not there must not flood the cluster with questions
