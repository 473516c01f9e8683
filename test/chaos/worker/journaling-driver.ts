import { decodeFinishedRanges } from '../../../src/consumer/finished-ranges.ts'
import type { CommitOffset, ConsumerCallbacks, Driver, DriverConsumer } from '../../../src/driver/index.ts'
import { HoldfastError } from '../../../src/errors/index.ts'
import { formatPosition, headerText } from '../../../src/record/index.ts'
import type { InboundRecord, TopicPartition } from '../../../src/record/index.ts'
import type { Journal } from '../history/index.ts'

/** The header that names a record: its value in the sense of the history, whatever its bytes are. */
export const VALUE_HEADER = 'chaos-value'

/** What a worker knows of the partitions that it has. */
export interface EpochBook {
  began(partition: TopicPartition, epoch: number): void
  /** Calls of the handler that run now for records of a partition. */
  inFlight(partition: TopicPartition): number
}

/** A driver that writes down what passes between the core and its consumers: assignments, deliveries and commits. */
export function journalingDriver(driver: Driver, journal: Journal, book: EpochBook): Driver {
  return {
    ...driver,
    createConsumer(options) {
      return journalingConsumer(driver.createConsumer(options), options.groupId, journal, book)
    },
  }
}

function journalingConsumer(
  consumer: DriverConsumer,
  group: string,
  journal: Journal,
  book: EpochBook,
): DriverConsumer {
  const watched = (inner: ConsumerCallbacks): ConsumerCallbacks => ({
    async onAssigned(partitions) {
      // Before the core hears of it: it commits a start that nobody has committed, and that is this epoch's commit.
      for (const { topic, partition, epoch, committed } of partitions) {
        book.began({ topic, partition }, epoch)
        const start = committed === null ? {} : { start: committed.offset }
        journal.write({ f: 'assign', group, topic, partition, epoch, ...start })
      }
      return inner.onAssigned(partitions)
    },
    async onRevoked(partitions, epoch) {
      const before = partitions.map((each) => ({ ...each, inFlight: book.inFlight(each) }))
      await inner.onRevoked(partitions, epoch)
      // After the core: its last commits are made while the partitions are still owned.
      for (const { topic, partition, inFlight } of before)
        journal.write({ f: 'revoke', group, topic, partition, epoch, inFlight })
    },
    onLost(partitions, epoch) {
      for (const each of partitions) {
        const { topic, partition } = each
        journal.write({ f: 'lost', group, topic, partition, epoch, inFlight: book.inFlight(each) })
      }
      inner.onLost(partitions, epoch)
    },
    onBatch(batch) {
      const { topic, partition, epoch } = batch
      for (const record of batch.records) {
        const { offset } = record
        const place = { group, topic, partition, offset, epoch }
        journal.write({ f: 'deliver', ...place, key: keyOf(record), value: valueOf(record), attempt: 0 })
      }
      inner.onBatch(batch)
    },
    onOutOfRange: (partition) => inner.onOutOfRange(partition),
    onCrash: (error) => inner.onCrash(error),
  })

  return {
    start: (topics, callbacks) => consumer.start(topics, watched(callbacks)),
    async commit(offsets) {
      for (const offset of offsets) journal.write({ f: 'commit-invoke', ...commitOf(group, offset) })
      try {
        await consumer.commit(offsets)
      } catch (error) {
        const code = HoldfastError.is(error) ? error.code : 'unknown'
        for (const { topic, partition, offset, epoch } of offsets) {
          journal.write({
            f: isDefinite(code) ? 'commit-fail' : 'commit-info',
            group,
            topic,
            partition,
            offset,
            epoch,
            code,
          })
        }
        throw error
      }
      for (const offset of offsets) journal.write({ f: 'commit-ok', ...commitOf(group, offset) })
    },
    pause: (partitions) => consumer.pause(partitions),
    resume: (partitions) => consumer.resume(partitions),
    seek: (position) => consumer.seek(position),
    lastHeartbeatAt: () => consumer.lastHeartbeatAt(),
    stop: () => consumer.stop(),
  }
}

/** What a record is called in the history; its place where a stranger has written it. */
export function valueOf(record: InboundRecord): string {
  return headerText(record.headers, VALUE_HEADER) ?? formatPosition(record)
}

/** The key as text. */
export function keyOf({ key }: Pick<InboundRecord, 'key'>): string | null {
  return key === null ? null : Buffer.from(key).toString()
}

/** Of several partitions some may be stored when one is refused; the other codes promise that none is. */
function isDefinite(code: string): boolean {
  return code === 'HOLDFAST_EPOCH_LOST' || code === 'HOLDFAST_UNAVAILABLE'
}

function commitOf(group: string, { topic, partition, offset, epoch, metadata }: CommitOffset) {
  const ranges = metadata === undefined ? [] : decodeFinishedRanges(offset, metadata)
  return {
    group,
    topic,
    partition,
    offset,
    epoch,
    ...(metadata === undefined ? {} : { metadata }),
    ...(ranges.length === 0 ? {} : { ranges: ranges.map(({ first, last }) => [first, last] as const) }),
  }
}
