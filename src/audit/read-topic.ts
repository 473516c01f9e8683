import type { Runtime } from '../clock/index.ts'
import type { AssignedPartition, Driver, InboundBatch } from '../driver/index.ts'
import { HoldfastError } from '../errors/index.ts'
import type { Logger } from '../logger/index.ts'
import type { InboundRecord, Position } from '../record/index.ts'

/** From where to where a partition is read. */
export interface PartitionRange {
  readonly partition: number
  /** The first offset that is wanted. */
  readonly begin: bigint
  /** The offset after the last one. */
  readonly end: bigint
}

/** What is read of a topic. */
export interface TopicReading {
  readonly driver: Driver
  readonly topic: string
  readonly ranges: readonly PartitionRange[]
  /** Nothing of all partitions for so long is a failure. */
  readonly stalledAfterMs: number
  readonly runtime: Runtime
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** More batches than this wait for nobody: the partitions pause. */
const MOST_BATCHES = 8
const SESSION_TIMEOUT_MS = 45_000
const REBALANCE_TIMEOUT_MS = 60_000
const HEARTBEAT_INTERVAL_MS = 3_000
const MAX_WAIT_MS = 500
const MAX_BYTES_PER_PARTITION = 2 ** 20

/**
 * Committed records of a topic, each partition in its order, up to fixed ends: by a group that nobody else has, which commits nothing and is gone
 * afterwards.
 *
 * A partition ends when what was read reaches its end, not when a record does: at the end of a log there may be markers, compacted and rolled
 * back records, which nobody ever sees. What retention takes away meanwhile is passed over.
 *
 * @throws HOLDFAST_UNAVAILABLE when nothing comes: a transaction that is still open keeps what lies behind it back. What the driver's consumer throws, or
 * ends with.
 */
export async function* readTopic(reading: TopicReading): AsyncGenerator<readonly InboundRecord[]> {
  const { driver, topic, stalledAfterMs, runtime, logger, signal } = reading
  const open = new Map(
    reading.ranges
      .filter(({ begin, end }) => begin < end)
      .map((range) => [range.partition, { ...range, next: range.begin }]),
  )
  if (open.size === 0) return

  const batches: InboundBatch[] = []
  let wake = (): void => {}
  let failure: unknown = null
  let paused = false
  const consumer = driver.createConsumer({
    groupId: `holdfast-audit-${runtime.ids()}`,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    maxWaitMs: MAX_WAIT_MS,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    runtime,
    logger,
  })
  const openPartitions = (): { readonly topic: string; readonly partition: number }[] =>
    [...open.keys()].map((partition) => ({ topic, partition }))

  const take = (batch: InboundBatch): readonly InboundRecord[] => {
    const range = open.get(batch.partition)
    if (range === undefined) return []
    const records = [...batch.records].filter(({ offset }) => offset < range.end)
    if (batch.nextOffset > range.next) range.next = batch.nextOffset
    if (range.next >= range.end) {
      open.delete(batch.partition)
      consumer.pause([{ topic, partition: batch.partition }])
    }
    return records
  }

  try {
    await consumer.start([topic], {
      async onAssigned(partitions: readonly AssignedPartition[]) {
        return partitions.flatMap(({ partition }): Position[] => {
          const range = open.get(partition)
          if (range === undefined) return []
          // What has come and waits is not to come again.
          const waits = batches.filter((batch) => batch.partition === partition).map(({ nextOffset }) => nextOffset)
          return [{ topic, partition, offset: waits.reduce((a, b) => (a > b ? a : b), range.next) }]
        })
      },
      async onRevoked() {},
      onLost() {},
      onBatch(batch) {
        batches.push(batch)
        if (batches.length >= MOST_BATCHES && !paused) {
          paused = true
          consumer.pause(openPartitions())
        }
        wake()
      },
      onOutOfRange({ partition, earliest }) {
        const range = open.get(partition)
        if (range === undefined) return
        if (earliest > range.next) range.next = earliest
        if (range.next >= range.end) open.delete(partition)
        else consumer.seek({ topic, partition, offset: range.next })
        wake()
      },
      onCrash(error) {
        failure = error
        wake()
      },
    })
    while (open.size > 0) {
      signal.throwIfAborted()
      if (failure !== null) throw failure
      const batch = batches.shift()
      if (batch === undefined) {
        if (paused) {
          paused = false
          consumer.resume(openPartitions())
        }
        await waitFor(
          (woken) => (wake = woken),
          reading,
          () => stalled(topic, open.values(), stalledAfterMs),
        )
        continue
      }
      const records = take(batch)
      if (records.length > 0) yield records
    }
  } finally {
    await consumer.stop()
  }
}

/** Waits until it is woken or ended. @throws what `stall` makes when neither comes */
async function waitFor(
  listen: (wake: () => void) => void,
  { runtime, signal, stalledAfterMs }: TopicReading,
  stall: () => HoldfastError,
): Promise<void> {
  const over = new AbortController()
  try {
    await new Promise<void>((resolve, reject) => {
      listen(resolve)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal })
      runtime.clock.sleep(stalledAfterMs, over.signal).then(
        () => reject(stall()),
        () => {}, // it was woken
      )
    })
  } finally {
    over.abort()
    listen(() => {})
  }
}

function stalled(
  topic: string,
  open: Iterable<{ readonly partition: number; readonly next: bigint; readonly end: bigint }>,
  forMs: number,
): HoldfastError {
  const where = [...open].map(({ partition, next, end }) => `${topic}-${partition} at ${next} of ${end}`).join(', ')
  return new HoldfastError(
    'HOLDFAST_UNAVAILABLE',
    `nothing more came for ${forMs} ms: ${where}; a transaction that is still open there keeps it back, or the brokers do not answer`,
    { retriable: true },
  )
}
